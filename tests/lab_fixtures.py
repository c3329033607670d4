"""What the tests of the lab's machines share: settings for a reading, packages, a way to run a module."""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

from provisioner.lab import modules
from provisioner.lab.estate import machines
from provisioner.lab.windows.machine import Machine
from provisioner.lab.wsman.answer import SECTIONS, document

NOW = 1_780_000_000.0
ENDPOINTS = ("192.0.2.5", "192.0.2.9", "192.0.2.15", "192.0.2.16")
IMAGE = machines.IMAGE
FOLDER = machines.FOLDER
JAVA_HOME = machines.JAVA_HOME
RULE = machines.RULE
SERVICE = machines.SERVICE


def zipped(files: Mapping[str, str]) -> bytes:
    """A zip, the same bytes each time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return buffer.getvalue()


JRE = zipped({"jdk/bin/java.exe": "MZ", "jdk/release": 'JAVA_VERSION="17.0.17"\nIMPLEMENTOR="Lab"\n'})
CONNECTOR = zipped({"connector.jar": "PK", "version.txt": "2.1\n"})
URLS = {"http://127.0.0.1/jre.zip": JRE, "http://127.0.0.1/connector.zip": CONNECTOR}
PACKAGES: dict[str, dict[str, Any]] = {
    "jre": {"sha256": hashlib.sha256(JRE).hexdigest(), "size": len(JRE), "content": JRE, "root": "jdk"},
    "connector": {"sha256": hashlib.sha256(CONNECTOR).hexdigest(), "size": len(CONNECTOR), "content": CONNECTOR},
}

KEY = "HKLM:\\SOFTWARE\\Example\\Lab"
KEPT = "C:\\ProgramData\\provisioner"
HOST = f"{FOLDER}\\{SERVICE}.exe"
RULE_ARGUMENTS: dict[str, Any] = {
    "name": RULE,
    "group": "provisioner",
    "direction": "out",
    "action": "allow",
    "protocol": "tcp",
    "remoteport": "443",
    "remoteip": ",".join(ENDPOINTS),
    "program": IMAGE,
    "profiles": ["domain", "private", "public"],
    "enabled": True,
    "state": "present",
}
SERVICE_ARGUMENTS: dict[str, Any] = {
    "name": SERVICE,
    "display_name": "iPlato Connector",
    "path": f'"{HOST}" //RS//{SERVICE}',
    "start_mode": "delayed",
    "username": "NT AUTHORITY\\LocalService",
    "failure_actions": [{"type": "restart", "delay_ms": seconds * 1000} for seconds in (60, 120, 300)],
    "failure_actions_on_non_crash_failure": True,
    "failure_reset_period_sec": 86400,
}
JRE_ARGUMENTS: dict[str, Any] = {
    "source": "url",
    "location": "http://127.0.0.1/jre.zip",
    "sha256": hashlib.sha256(JRE).hexdigest(),
    "root": "jdk",
    "destination": JAVA_HOME,
}


def settings(*sections: str, **other: Any) -> dict[str, Any]:
    """The settings line of a reading; all sections unless some are named."""
    return {
        "sections": list(sections or SECTIONS),
        "endpoints": list(ENDPOINTS),
        "folder": FOLDER,
        "image": IMAGE,
        "java_home": JAVA_HOME,
        "service": SERVICE,
        "files": [f"{FOLDER}\\connector.properties"],
        "product_ids": [],
        "systmone": {"port": 40700, "folder": "C:\\apps\\Tpp", "gateway_mark": "rungenps"},
        "firewall_name": RULE,
        "user_names": False,
        "section_seconds": 20,
        **other,
    }


def section(machine: Machine, name: str, now: float = NOW, **other: Any) -> dict[str, Any]:
    """One section's data."""
    data: dict[str, Any] = document(machine, settings(name, **other), now)["sections"][name]["data"]
    return data


def fleet(count: int, state: str, seed: int = 1, **row: str) -> dict[str, Machine]:
    """An estate of that many practices."""
    rows = [
        {"practice": f"A{81000 + number}", "name": "", "gateway": "", "address": "", "role": "active", **row}
        for number in range(count)
    ]
    return machines.make(rows, state=state, seed=seed, packages=PACKAGES, endpoints=ENDPOINTS, now=NOW)


def one(state: str = "fresh", *faults: str) -> Machine:
    """One machine; a fault may be `name=value`."""
    machine = fleet(1, state)["A81000"]
    for fault in faults:
        name, _, value = fault.partition("=")
        machine.faults[name] = value
    return machine


def fetch(url: str) -> bytes:
    """What the pretend web holds."""
    try:
        return URLS[url]
    except KeyError:
        raise OSError(f"404 Not Found: {url}") from None


def run(
    machine: Machine, module: str, /, *, check: bool = False, diff: bool = False, now: float = NOW, **arguments: Any
) -> dict[str, Any]:
    """One module on one machine."""
    return modules.run(machine, module, arguments, check=check, diff=diff, fetch=fetch, now=now)


def written(machine: Machine) -> str:
    """A machine's whole state, to compare."""
    return json.dumps(machine.to_json())
