"""A pretend estate: one machine for each row of practices.csv, as it stands before anybody looks."""

import random
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from provisioner.lab.estate import made
from provisioner.lab.estate.drift import make_peculiar
from provisioner.lab.windows.disk import File, described
from provisioner.lab.windows.hosts import PROCRUN
from provisioner.lab.windows.machine import Machine, stamp
from provisioner.lab.windows.package import MANIFEST, members, put
from provisioner.lab.windows.state import (
    Action,
    Adapter,
    Hardware,
    Identity,
    Listener,
    Product,
    Rule,
    Service,
    Session,
    Windows,
)

Package = Mapping[str, Any]

FOLDER = "C:\\iPlato"
JAVA_HOME = "C:\\iPlato\\jre"
IMAGE = "C:\\iPlato\\jre\\bin\\java.exe"
SERVICE = "iPlatoConnector"
RULE = "iPlato Connector"
JAVA_VERSION = "17.0.17"

_DAY = 86_400
_PCS = (
    ("Dell Inc.", "OptiPlex 7010", "Intel(R) Core(TM) i5-13500", 20, 2500, ""),
    ("HP", "HP ProDesk 400 G6 SFF", "Intel(R) Core(TM) i5-9500", 6, 3000, "CZC"),
    ("LENOVO", "ThinkCentre M70q", "Intel(R) Core(TM) i5-10400T", 12, 2000, "PC"),
)


def make(
    rows: Sequence[Mapping[str, str]],
    *,
    state: str,
    seed: int,
    packages: Mapping[str, Package],
    endpoints: Sequence[str],
    now: float,
    with_file: bool = False,
) -> dict[str, Machine]:
    """The machines by name. `state`: fresh (good PCs, nothing of ours), ready, or mixed (a believable estate).
    `with_file`: whatever has the Connector has its file too that is made from the row."""
    machines: dict[str, Machine] = {}
    active: list[Machine] = []
    for row in named(rows):
        name, role = row["gateway"] or row["practice"], row.get("role") or "active"
        machine = machines[name] = good_pc(name, row["computer"], seed, now)
        machine.systmone.gateway_mode = role == "active"
        if role == "active":
            active.append(machine)
        if state != "fresh" and role in ("active", "standby"):
            install(machine, packages, endpoints, running=role == "active", now=now)
            if with_file:
                made.put(machine.disk, FOLDER, row)
    if state == "mixed":
        make_peculiar(active, random.Random(seed), endpoints)  # noqa: S311
    return machines


def named(rows: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """The rows with the name of each one's PC in the column `computer`, where they have none."""
    seen: Counter[str] = Counter()
    done = []
    for row in rows:
        seen[row["practice"]] += 1
        number = "" if seen[row["practice"]] == 1 else f"-{seen[row['practice']]}"
        done.append({**row, "computer": row.get("computer") or f"GWPC-{row['practice']}{number}"})
    return done


def good_pc(name: str, computer: str, seed: int, now: float) -> Machine:
    """A PC that has all that is asked of one, and nothing of ours. `now` dates its last start."""
    number = zlib.crc32(f"{seed}/{name}".encode())
    maker, model, processor, cores, clock, start = _PCS[number % len(_PCS)]
    guid = f"{number:08x}-{number % 65521:04x}-4{number % 4093:03x}-9{number % 4091:03x}-{number * 65537 % 2**48:012x}"
    serial = (start + f"{number * 2654435761 % 2**32:08X}")[:7]
    expires = stamp(now + 300 * _DAY + number % 30 * _DAY)
    machine = Machine(
        name=name,
        identity=Identity(computer_name=computer, serial=serial, machine_guid=guid),
        windows=Windows(last_boot=stamp(now - (number % 19 + 1) * _DAY - number % _DAY)),
        hardware=Hardware(manufacturer=maker, model=model, processor=processor, logical_cores=cores, clock_mhz=clock),
        screen=[Adapter("Intel(R) UHD Graphics", 1920, 1080)],
        sessions=[Session(session=1, kind="console", locked=True, name="GP\\gateway")],
        antivirus=[Product("Windows Defender", 0x061100)],
        listeners=[Listener("HTTP", 5985), Listener("HTTPS", 5986, expires, f"CN={computer}.gp.example.nhs.uk")],
    )
    machine.disk.free_bytes = (150 + number % 50) * 1024**3
    machine.disk.make(f"{machine.systmone.folder}")
    machine.disk.make("C:\\ProgramData")
    machine.registry.put(
        "HKLM:\\SOFTWARE\\Microsoft\\Cryptography", "MachineGuid", "String", machine.identity.machine_guid
    )
    return machine


def install(
    machine: Machine, packages: Mapping[str, Package], endpoints: Sequence[str], *, running: bool, now: float
) -> None:
    """Put the Connector there as a finished rollout would have left it. Not `running`: stopped and disabled."""
    disk = machine.disk
    disk.make(FOLDER)
    put(disk, FOLDER, _files(packages, "connector"), _sha256(packages, "connector"))
    put(disk, JAVA_HOME, _files(packages, "jre"), _sha256(packages, "jre"))
    folder = disk.folders[FOLDER.lower()]
    folder.protected, folder.writers = True, []
    host = f"{FOLDER}\\{SERVICE}.exe"
    put(disk, FOLDER, _files(packages, "procrun"), _sha256(packages, "procrun"), f"{host}{MANIFEST}")
    parameters = f"{PROCRUN}\\{SERVICE}\\Parameters\\Start"
    for value, data in (("Mode", "exe"), ("Image", IMAGE), ("WorkingPath", FOLDER)):
        machine.registry.put(parameters, value, "String", data)
    machine.registry.put(parameters, "Params", "MultiString", ["-jar", f"{FOLDER}\\connector.jar"])
    machine.services.append(_service(host, running, stamp(now - _DAY)))
    machine.firewall.rules.append(_rule(machine, endpoints))
    machine.defender.paths.append(IMAGE)
    machine.systmone.device = "approved" if running else ""


def _service(host: str, running: bool, started: str) -> Service:
    return Service(
        name=SERVICE,
        display_name="iPlato Connector",
        path=f'"{host}" //RS//{SERVICE}',
        start_mode="delayed" if running else "disabled",
        account="NT AUTHORITY\\LOCAL SERVICE",
        state="running" if running else "stopped",
        actions=[Action("restart", seconds * 1000) for seconds in (60, 120, 300)],
        reset_seconds=_DAY,
        on_non_crash=True,
        runs=IMAGE if running else "",
        started=started if running else None,
    )


def _rule(machine: Machine, endpoints: Sequence[str]) -> Rule:
    return Rule(
        id="{" + machine.identity.machine_guid.upper() + "}",
        name=RULE,
        group="provisioner",
        direction="out",
        protocol=6,
        remote_addresses=list(endpoints),
        remote_ports=["443"],
        program=IMAGE,
    )


def _sha256(packages: Mapping[str, Package], name: str) -> str:
    return str(packages[name]["sha256"]) if name in packages else "0" * 64


def _files(packages: Mapping[str, Package], name: str) -> tuple[File, ...]:
    package = packages.get(name, {})
    if package.get("content"):
        files = members(package["content"], package.get("root") or "")
        if name != "procrun":
            return files
        return tuple(replace(file, path=f"{SERVICE}.exe") for file in files if file.path == "prunsrv.exe")
    if name == "procrun":
        return (described(f"{SERVICE}.exe", b"MZ procrun of the lab"),)
    if name == "connector":
        return (described("connector.jar", b"PK the Connector of the lab"), described("version.txt", b"1.0.0\n"))
    release = f'IMPLEMENTOR="Eclipse Adoptium"\nJAVA_VERSION="{package.get("version") or JAVA_VERSION}"\n'
    return (
        described("bin\\java.exe", b"MZ java of the lab"),
        described("release", f'{release}OS_ARCH="x86_64"\n'.encode()),
    )
