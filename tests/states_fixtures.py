"""The states in which a role may find a gateway, each by a name: what a reading can show, and what no reading does.

Those that evidence.schema.json or a role names are taken from there, so that a new one is met by a test.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product, zip_longest
from pathlib import Path
from typing import Any

from provisioner.lab.estate import drift, machines
from provisioner.lab.windows.disk import USERS, Access
from provisioner.lab.windows.hosts import PROCRUN
from provisioner.lab.windows.machine import Machine
from provisioner.lab.windows.state import Action, Rule
from tests.conftest import ROOT
from tests.lab_fixtures import ENDPOINTS, FOLDER, IMAGE, JAVA_HOME, SERVICE

Spoil = Callable[[Machine], object]
_SCHEMA = json.loads((Path(ROOT) / "provisioner" / "evidence" / "evidence.schema.json").read_text("utf-8"))
_OTHER = "C:\\Other\\java.exe"


@dataclass(frozen=True)
class State:
    """One state of one gateway. `held`: what is said where nothing may be done, and nothing is. `gone`: what is said of
    its undoing, where that is not from here. `stays`: what the role leaves alone (a part of the machine)."""

    remedy: str
    name: str
    spoil: Spoil
    role: str = "active"
    held: str = ""
    gone: str = ""
    more: dict[str, Any] = field(default_factory=dict)


def words(section: str, *path: str) -> list[str]:
    """The values that a section's description names for one of its fields."""
    found: Any = _SCHEMA["$defs"][section]
    for name in path:
        found = _object(found)["properties"][name]
    return [one.strip() for one in found["description"].split(",")]


def fields(section: str, *path: str) -> set[str]:
    """The names of a section's fields."""
    found: Any = _SCHEMA["$defs"][section]
    for name in path:
        found = _object(found)["properties"][name]
    return set(_object(found)["properties"])


def _object(found: Any) -> Any:
    if "anyOf" in found:
        found = next(one for one in found["anyOf"] if one.get("type") != "null")
    return found["items"] if found.get("type") == "array" else found


def service(**changes: Any) -> Spoil:
    """A service that differs in this."""

    def spoil(machine: Machine) -> None:
        for one in machine.services:
            vars(one).update(changes)

    return spoil


def _hosting(**values: Any) -> Spoil:
    """What procrun was told differs in this; None: it was not told."""

    def spoil(machine: Machine) -> None:
        for name, value in values.items():
            where = f"{PROCRUN}\\{SERVICE}\\Parameters\\Start"
            key = machine.registry.key(where)
            if value is None and key is not None:
                key.values = {one: each for one, each in key.values.items() if one.lower() != name.lower()}
            elif value is not None:
                machine.registry.put(where, name, "String", value)

    return spoil


def _no_service(machine: Machine) -> None:
    machine.services.clear()


def _host_gone(machine: Machine) -> None:
    machine.disk.remove(f"{FOLDER}\\{SERVICE}.exe")
    service(state="stopped", started=None, path=f'"C:\\Other\\x.exe" //RS//{SERVICE}')(machine)


def _pending(spoil: Spoil) -> Spoil:
    def hangs(machine: Machine) -> None:
        spoil(machine)
        machine.faults["service_hangs"] = ""

    return hangs


def services(role: str = "active", remedy: str = "service") -> Iterator[State]:
    """The service: each state by each way of starting; on a standby gateway, where only that it is disabled counts,
    each state and each way of starting once."""
    states, modes = words("service", "service", "state"), words("service", "service", "start_mode")
    pairs = product(states, modes) if role == "active" else zip_longest(states, modes, fillvalue="auto")
    for state, mode in pairs:
        yield State(remedy, f"{role} {state} {mode}", service(state=state, start_mode=mode), role)
        if state.endswith("_pending") and mode == "auto":
            said = f"is {state}, and that does not end: it takes no order. Nothing was changed."
            hangs = _pending(service(state=state, start_mode=mode))
            yield State(remedy, f"{role} {state} {mode}, for ever", hangs, role, held=said)
    yield State(remedy, f"{role} absent", _no_service, role)


def hosted_services() -> Iterator[State]:
    """What else of a service is set where procrun hosts it."""
    for kind in words("service", "service", "actions", "type"):
        yield State("service", f"after a failure {kind}", service(actions=[Action(kind, 5000)]))
    yield State("service", "no recovery", service(actions=[], reset_seconds=0, on_non_crash=False))
    yield State("service", "no recovery after an exit", service(on_non_crash=False))
    for account in ("LocalSystem", "NT AUTHORITY\\NETWORK SERVICE"):
        yield State("service", f"runs as {account}", service(account=account))
    gone = "it ran as GP\\connector, whose password nobody has given us"
    yield State("service", "runs as an account of the domain", service(account="GP\\connector"), gone=gone)
    yield State("service", "another program", _hosting(Image=_OTHER))
    yield State("service", "no program", _hosting(Image=None, Mode=None))
    yield State("service", "another host", _host_gone)


def vendor_services() -> Iterator[State]:
    """A service that the vendor's installer made: only what matters here is set."""
    yield from (one for one in services() if not one.name.endswith("absent"))
    yield State("service", "no recovery", service(actions=[], reset_seconds=0, on_non_crash=False))
    yield State("service", "restarts the PC", service(actions=[Action("reboot", 0)]))
    lacks = "There is no service iPlatoConnector on this gateway: the Connector's installer made none"
    yield State("service", "active absent", _no_service, held=lacks)


def _rule(**changes: Any) -> Spoil:
    def spoil(machine: Machine) -> None:
        for one in machine.firewall.rules:
            vars(one).update(changes)

    return spoil


def _doubled(**changes: Any) -> Spoil:
    def spoil(machine: Machine) -> None:
        (one,) = machine.firewall.rules
        machine.firewall.rules.append(Rule(**{**vars(one), "id": "{SECOND}", **changes}))

    return spoil


# By the field of a rule in the schema: what may be there instead.
RULES: dict[str, dict[str, Spoil]] = {
    "name": {"none": lambda machine: machine.firewall.rules.clear(), "in capitals": _rule(name=machines.RULE.upper())},
    "store": {
        "a policy's beside it": _doubled(store="policy"),
        "a policy's only": _rule(store="policy", enabled=False),
    },
    "group": {"no group": _rule(group=""), "another group": _rule(group="theirs", enabled=False)},
    "enabled": {"disabled": _rule(enabled=False)},
    "action": {"blocks": _rule(action="block")},
    "direction": {"inbound": _rule(direction="in")},
    "protocol": {
        "any protocol": _rule(protocol=256, remote_ports=[]),
        "UDP": _rule(protocol=17),
        "ICMP": _rule(protocol=1, remote_ports=[], icmp="8:0"),
    },
    "remote_addresses": {
        "an address less": _rule(remote_addresses=list(ENDPOINTS[:-1])),
        "an address more": _rule(remote_addresses=[*ENDPOINTS, "192.0.2.77"]),
        "any address": _rule(remote_addresses=[]),
        "other addresses": _rule(remote_addresses=["198.51.100.1"]),
    },
    "remote_ports": {"port 80": _rule(remote_ports=["80"]), "every port": _rule(remote_ports=[])},
    "local_ports": {"local ports": _rule(local_ports=["5000-5010"])},
    "program": {"another program": _rule(program=_OTHER), "every program": _rule(program="")},
    "service": {"bound to a service": _rule(service=SERVICE)},
    "profiles": {"one profile": _rule(profiles=["domain"]), "two profiles": _rule(profiles=["domain", "public"])},
    "conditions": {
        "wired only": _rule(interface_types=["Lan"]),
        "one local address": _rule(local_addresses=["198.51.100.7"]),
    },
    "id": {
        "twice": _doubled(),
        "twice, one disabled": _doubled(enabled=False),
        "twice, one of UDP": _doubled(protocol=17),
    },
}


def rules() -> Iterator[State]:
    """The firewall's rule, wrong in each of its fields."""
    for names in RULES.values():
        for name, spoil in names.items():
            gone = "2 rules of that name" if name.startswith("twice") else ""
            yield State("firewall", name, spoil, gone=gone)


def exclusions(exclude: str = "image") -> Iterator[State]:
    """What Defender leaves alone. Where it hides that, it is only ever asked about the image."""

    def lists(paths: list[str], processes: list[str]) -> Spoil:
        def spoil(machine: Machine) -> None:
            machine.defender.paths, machine.defender.processes = list(paths), list(processes)

        return spoil

    def hidden(machine: Machine) -> None:
        machine.defender.paths, machine.defender.exclusions_hidden = [], True

    yield State("antivirus", "no exclusion", lists([], []))
    yield State("antivirus", "the file as a path", lists([IMAGE], []))
    yield State("antivirus", "the file as a process", lists([], [IMAGE]))
    yield State("antivirus", "the folder", lists([FOLDER], []))
    yield State("antivirus", "others' only", lists(["C:\\Theirs", _OTHER], [_OTHER]))
    yield State("antivirus", "in capitals", lists([IMAGE.upper()], []))
    unseen = "no reading can show whether it is as before" if exclude == "folder" else ""
    yield State("antivirus", "hidden", hidden, gone=unseen)


def powers() -> Iterator[State]:
    """When the PC sleeps."""

    def power(**changes: Any) -> Spoil:
        return lambda machine: vars(machine.power).update(changes)

    yield State("power", "sleeps", power(sleep_seconds=1800))
    yield State("power", "hibernates", power(hibernate_seconds=3600))
    yield State("power", "sleeps and hibernates", power(sleep_seconds=60, hibernate_seconds=90))
    yield State(
        "power", "sleeps, hibernation off", power(sleep_seconds=60, hibernate_seconds=9, hibernation_enabled=False)
    )


def _jre(**files: bytes) -> Spoil:
    """Another Java than ours, or ours with other files."""

    def spoil(machine: Machine) -> None:
        machine.disk.remove(JAVA_HOME)
        for name, content in files.items():
            machine.disk.write(f"{JAVA_HOME}\\{name.replace('_', chr(92)).replace('DOT', '.')}", content)

    return spoil


def runtimes() -> Iterator[State]:
    """The Java runtime. Without a java.exe nothing runs."""
    stopped = service(state="stopped", started=None)

    def and_stopped(spoil: Spoil) -> Spoil:
        def both(machine: Machine) -> None:
            spoil(machine)
            stopped(machine)

        return both

    def old(machine: Machine) -> None:
        drift.old_java(machine, ())

    yield State("java", "absent", and_stopped(_jre()))
    yield State("java", "old", old)
    yield State("java", "no java.exe", and_stopped(lambda machine: machine.disk.remove(IMAGE)))
    yield State("java", "not a Java", and_stopped(_jre(bin_javawDOTexe=b"MZ", readmeDOTtxt=b"theirs")))
    yield State("java", "old, nothing runs", and_stopped(old))


def connectors() -> Iterator[State]:
    """The Connector's folder and package."""

    def folder(**changes: Any) -> Spoil:
        return lambda machine: vars(machine.disk.folders[FOLDER.lower()]).update(changes)

    def other_package(machine: Machine) -> None:
        file = machine.disk.file(f"{FOLDER}\\.provisioner-package.json")
        assert file is not None and file.text is not None
        said = json.loads(file.text)
        machine.disk.write(file.path, json.dumps({**said, "sha256": "ab" * 32}).encode())

    def older(machine: Machine) -> None:
        other_package(machine)
        machine.disk.write(f"{FOLDER}\\connector.jar", b"an older one")

    yield State("connector", "nothing of ours", lambda machine: drift.nothing_installed(machine, ()))
    yield State("connector", "open to users", folder(protected=False, writers=[Access(USERS, "Modify")]))
    yield State("connector", "a user's own", folder(owner="S-1-5-21-1-2-3-1001"))
    yield State("connector", "a file gone", lambda machine: machine.disk.remove(f"{FOLDER}\\version.txt"))
    yield State("connector", "a file changed", lambda machine: machine.disk.write(f"{FOLDER}\\connector.jar", b"mine"))
    yield State(
        "connector", "of no package", lambda machine: machine.disk.remove(f"{FOLDER}\\.provisioner-package.json")
    )
    yield State("connector", "of another package", other_package)
    yield State("connector", "an older package", older)
    yield State(
        "connector",
        "a broken manifest",
        lambda machine: machine.disk.write(f"{FOLDER}\\.provisioner-package.json", b"{"),
    )


def retired() -> Iterator[State]:
    """A gateway that all of ours is taken away from, in whole or in part. A Connector that ran is not started again by
    the way back: that stays to be done, and is said."""

    def without_service(machine: Machine) -> None:
        machine.services.clear()
        machine.disk.remove(f"{FOLDER}\\{SERVICE}.exe")

    def two_rules(machine: Machine) -> None:
        service(state="stopped", started=None, start_mode="disabled")(machine)
        _doubled(enabled=False)(machine)

    ran = "it is not as before (R17-stopped: no"
    yield State("service", "retired, running", lambda machine: None, "retired", gone=ran)
    yield State("service", "retired, paused", service(state="paused", start_mode="manual"), "retired", gone=ran)
    yield State("service", "retired, being stopped", service(state="stop_pending", start_mode="auto"), "retired")
    yield State("service", "retired, no service", without_service, "retired")
    yield State("firewall", "retired, two rules", two_rules, "retired", gone="2 rules of that name")
    yield State("service", "retired, nothing", lambda machine: drift.nothing_installed(machine, ()), "retired")


def carried() -> Iterator[State]:
    """What is there of a file that is carried."""
    file = f"{FOLDER}\\device.dat"
    yield State("carry", "lends it", lambda machine: machine.disk.write(file, b"\x00the device"))
    yield State("carry", "has none", lambda machine: machine.disk.remove(file))
    yield State("carry", "has another", lambda machine: machine.disk.write(file, b"another"))
    yield State("carry", "has the same", lambda machine: machine.disk.write(file, b"\x00the device"))


def sha256(content: bytes) -> str:
    """A digest as fleet.yml has it."""
    return hashlib.sha256(content).hexdigest()
