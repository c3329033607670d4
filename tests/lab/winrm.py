"""A lab and the three clients that it is held to: pywinrm, pypsrp and Ansible."""

import base64
import json
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import closing as closed
from http.client import HTTPConnection, HTTPMessage
from typing import Any

import pytest
from winrm.protocol import Protocol

from provisioner.lab import Handle, running
from provisioner.lab.wsman import answer as evidence
from provisioner.transport import winrm

BOOT = ["-NoProfile", "-NonInteractive", "-Command", winrm.BOOTSTRAP]


SCRIPT = b"param($Settings)\n'the lab runs no PowerShell'\n"


SETTINGS = {
    "sections": sorted(evidence.SECTIONS),
    "endpoints": ["192.0.2.5"],
    "folder": "C:\\iPlato",
    "image": "C:\\iPlato\\jre\\bin\\java.exe",
    "java_home": "C:\\iPlato\\jre",
    "service": "",
    "files": [],
    "product_ids": [],
    "systmone": {"port": 40700, "folder": "C:\\apps\\Tpp", "gateway_mark": "rungenps"},
    "firewall_name": "iPlato Connector",
    "user_names": False,
    "section_seconds": 20,
}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handle]:
    names = ("A1", "A2", "A3")
    with running(tmp_path_factory.mktemp("lab"), [{"practice": f"{name}0001"} for name in names]) as handle:
        yield handle


@pytest.fixture
def lab(fleet: Handle) -> Iterator[Handle]:
    yield fleet
    fleet.set("*", "none")


def pywinrm(lab: Handle, name: str = "A10001", *, tls: bool | None = None, **options: Any) -> Protocol:
    """pywinrm on a gateway: over TLS where that is said, or by Basic, which a PC takes in no other way."""
    tls = options.get("transport") == "basic" if tls is None else tls
    place = f"https://127.0.0.1:{lab.tls_port}" if tls else f"http://127.0.0.1:{lab.port}"
    account = {"transport": "ntlm", "username": lab.user, "password": lab.password}
    given = {**account, "proxy": None, "ca_trust_path": str(lab.ca_file), **options}
    return Protocol(f"{place}/{name}/wsman", **given)


def closing(protocol: Protocol) -> None:
    protocol.transport.close_session()


def run(
    protocol: Protocol, command: str, *arguments: str, given: bytes | None = None, **options: Any
) -> tuple[Any, ...]:
    """What a command in a shell of its own prints, and its exit code."""
    shell = protocol.open_shell(codepage=options.pop("codepage", 65001))
    try:
        number = protocol.run_command(shell, command, arguments, console_mode_stdin=given is None, **options)
        if given is not None:
            protocol.send_command_input(shell, number, given, end=True)
        answer = protocol.get_command_output(shell, number)
        protocol.cleanup_command(shell, number)
        return tuple(answer)
    finally:
        protocol.close_shell(shell)


def read(protocol: Protocol, settings: dict[str, Any] = SETTINGS) -> bytes:
    given = json.dumps(settings).encode("ascii") + b"\n" + SCRIPT
    out: bytes = run(protocol, "powershell.exe", *BOOT, given=given)[0]
    return out


def document(answer: bytes) -> dict[str, Any]:
    first, begin, said, end, rest = answer.decode("ascii").split("\r\n")
    assert (first, begin, end, rest) == ("#provisioner FullLanguage", "#evidence begin", "#evidence end", "")
    found: dict[str, Any] = json.loads(said)
    return found


def payload(
    module: str,
    arguments: dict[str, Any],
    *,
    changed: Callable[[str], str] = lambda script: script,
    first: Any = {"name": "exec_wrapper", "params": {}},  # noqa: B006
) -> tuple[list[str], bytes]:
    """Command line and input as ansible-core sends them, with its own wrapper, `changed` as another release has it."""
    script = changed((pkgutil.get_data("ansible.executor.powershell", "bootstrap_wrapper.ps1") or b"").decode())
    encoded = base64.b64encode("\n".join(line.strip() for line in script.splitlines()).encode("utf-16-le")).decode()
    variables = [{"Name": "complex_args", "Value": arguments, "Scope": "Global"}]
    params = {"Script": f"{module}.ps1", "Environment": {}, "Variables": variables, "ForModule": True}
    manifest = {"scripts": {}, "actions": [{"name": "module_wrapper.ps1", "params": params, "secure_params": {}}]}
    given = json.dumps(first) + "\n\0\0\0\0\n" + json.dumps(manifest)
    return ["-NoProfile", "-NonInteractive", "-EncodedCommand", encoded], given.encode()


VARIABLE = {"name": "LAB", "value": "1", "level": "machine", "state": "present"}


def set_variable(protocol: Protocol, **more: Any) -> dict[str, Any]:
    words, given = payload("ansible.windows.win_environment", {**VARIABLE, **more})
    out = run(protocol, "PowerShell", *words, given=given)[0]
    answer: dict[str, Any] = json.loads(out)
    return answer


def has_variable(lab: Handle) -> bool:
    return "LAB" in lab.state()["A10001"]["environment"]["machine"]


def refused(lab: Handle) -> list[str]:
    return [event["user"] for event in lab.events() if event["event"] == "login_refused"]


@pytest.fixture
def protocol(lab: Handle) -> Iterator[Protocol]:
    found = pywinrm(lab, transport="basic", operation_timeout_sec=1, read_timeout_sec=20)
    yield found
    closing(found)


def asked(lab: Handle, **headers: str) -> tuple[int, HTTPMessage]:
    """What comes back of an empty request."""
    with closed(HTTPConnection("127.0.0.1", lab.port, timeout=10)) as connection:
        connection.request("POST", "/A10001/wsman", b"", headers)
        answer = connection.getresponse()
        return answer.status, answer.headers
