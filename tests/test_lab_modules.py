"""The modules that pretend gateways act out: answers and effects, twice, and in check mode."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from lab_fixtures import CONNECTOR, ENDPOINTS, FOLDER, JRE, NOW, URLS, one, run, section, zipped

from provisioner.lab.estate import IMAGE, JAVA_HOME, RULE, SERVICE
from provisioner.lab.machine import Machine
from provisioner.lab.modules import MODULES, Unmodelled

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


@dataclass(frozen=True, kw_only=True)
class Case:
    """A module that changes something: run once it answers `answer` and leaves what `left` tells, run twice it
    changes nothing, and in check mode it only says that it would."""

    module: str
    arguments: dict[str, Any]
    left: Callable[[Machine], Any]
    after: Any
    state: str = "fresh"
    before: Callable[[Machine], object] = lambda machine: None
    answer: dict[str, Any] = field(default_factory=dict)
    difference: Any = None


def _rule(machine: Machine, name: str) -> Any:
    return [rule[name] for rule in section(machine, "firewall")["rules"]]


def _service(machine: Machine, *names: str) -> Any:
    service = section(machine, "service")["service"]
    return service and tuple(service[name] for name in names)


def _disabled(machine: Machine) -> None:
    machine.firewall.rules[0].enabled = False


def _three(machine: Machine) -> None:
    machine.firewall.rules[0].remote_addresses = list(ENDPOINTS[:3])


def _value(machine: Machine) -> Any:
    return machine.registry.value(KEY, "Image")


def _put_value(machine: Machine) -> None:
    machine.registry.put(KEY, "Image", "String", "old")


def _writable(machine: Machine) -> None:
    machine.disk.make("C:\\iPlato\\jre")


CASES = {
    "rule made": Case(
        module="community.windows.win_firewall_rule",
        arguments=RULE_ARGUMENTS,
        left=lambda machine: _rule(machine, "remote_addresses"),
        after=[list(ENDPOINTS)],
        answer={"msg": f"Firewall rule '{RULE}' created."},
    ),
    "rule switched on": Case(
        module="community.windows.win_firewall_rule",
        arguments=RULE_ARGUMENTS,
        state="ready",
        before=_disabled,
        left=lambda machine: _rule(machine, "enabled"),
        after=[True],
        answer={"msg": f"Firewall rule(s) changed '{RULE}' - unchanged ''"},
        difference={"prepared": f"[{RULE}]\n-Enabled='False'\n+Enabled='True'\n"},
    ),
    "rule gets the fourth address": Case(
        module="win_firewall_rule",
        arguments=RULE_ARGUMENTS,
        state="ready",
        before=_three,
        left=lambda machine: _rule(machine, "remote_addresses"),
        after=[list(ENDPOINTS)],
        difference={
            "prepared": f"[{RULE}]\n"
            + f"-RemoteAddresses='{','.join(f'{one}/255.255.255.255' for one in ENDPOINTS[:3])}'\n"
            + f"+RemoteAddresses='{','.join(f'{one}/255.255.255.255' for one in ENDPOINTS)}'\n"
        },
    ),
    "rule removed": Case(
        module="win_firewall_rule",
        arguments={"name": RULE, "state": "absent"},
        state="ready",
        left=lambda machine: section(machine, "firewall")["rules"],
        after=[],
        answer={"msg": f"Firewall rule(s) '{RULE}' removed."},
    ),
    "service made": Case(
        module="ansible.windows.win_service",
        arguments=SERVICE_ARGUMENTS,
        left=lambda machine: _service(machine, "start_mode", "account", "command", "state", "on_non_crash"),
        after=("delayed", "NT AUTHORITY\\LOCAL SERVICE", HOST, "stopped", True),
        answer={"exists": True, "name": SERVICE, "start_mode": "delayed"},
    ),
    "service told by its path alone": Case(
        module="win_service",
        arguments={"name": "Other", "path": "C:\\other.exe"},
        left=lambda machine: [(one.start_mode, one.account) for one in machine.services],
        after=[("auto", "LocalSystem")],
    ),
    "service's recovery set": Case(
        module="win_service",
        arguments=SERVICE_ARGUMENTS,
        state="ready",
        before=lambda machine: vars(machine.services[0]).update(actions=[], reset_seconds=0, on_non_crash=False),
        left=lambda machine: len(section(machine, "service")["service"]["actions"]),
        after=3,
        answer={"state": "running", "username": "NT AUTHORITY\\LOCAL SERVICE"},
    ),
    "service stopped and disabled": Case(
        module="win_service",
        arguments={"name": SERVICE, "state": "stopped", "start_mode": "disabled"},
        state="ready",
        left=lambda machine: _service(machine, "state", "start_mode", "pid"),
        after=("stopped", "disabled", None),
        answer={"state": "stopped"},
    ),
    "service started": Case(
        module="win_service",
        arguments={"name": SERVICE, "state": "started"},
        state="ready",
        before=lambda machine: machine.stop(machine.services[0]),
        left=lambda machine: _service(machine, "state"),
        after=("running",),
        answer={"state": "running"},
    ),
    "service removed": Case(
        module="win_service",
        arguments={"name": SERVICE, "state": "absent"},
        state="ready",
        left=lambda machine: section(machine, "service")["service"],
        after=None,
        answer={"exists": False},
    ),
    "folder made": Case(
        module="ansible.windows.win_file",
        arguments={"path": "C:/New/Below", "state": "directory"},
        left=lambda machine: machine.disk.folder("c:\\new\\below") is not None,
        after=True,
    ),
    "folder removed with all below": Case(
        module="win_file",
        arguments={"path": FOLDER, "state": "absent"},
        state="ready",
        left=lambda machine: [name for name in machine.disk.files if name.startswith("c:\\iplato")],
        after=[],
    ),
    "file copied on the gateway": Case(
        module="ansible.windows.win_copy",
        arguments={
            "_copy_mode": "remote",
            "src": f"{FOLDER}\\version.txt",
            "dest": f"{FOLDER}\\version.bak",
            "force": True,
            "backup": False,
            "remote_src": True,
        },
        state="ready",
        left=lambda machine: machine.disk.exists(f"{FOLDER}\\VERSION.BAK"),
        after=True,
        answer={"operation": "file_copy", "dest": f"{FOLDER}\\version.bak"},
        difference={"prepared": f"+{FOLDER}\\version.bak\n"},
    ),
    "value set": Case(
        module="ansible.windows.win_regedit",
        arguments={"path": KEY, "name": "Image", "data": IMAGE},
        before=_put_value,
        left=_value,
        after=IMAGE,
        answer={"data_changed": True, "data_type_changed": False},
        difference={
            "before": {KEY: {"Image": {"type": "String", "value": "old"}}},
            "after": {KEY: {"Image": {"type": "String", "value": IMAGE}}},
        },
    ),
    "value of another type": Case(
        module="win_regedit",
        arguments={"path": KEY, "name": "Image", "data": ["a", "b"], "type": "multistring"},
        before=_put_value,
        left=_value,
        after=["a", "b"],
        answer={"data_changed": True, "data_type_changed": True},
    ),
    "number set, with its key": Case(
        module="win_regedit",
        arguments={"path": KEY, "name": "Image", "data": "0xffffffff", "type": "dword"},
        left=_value,
        after=0xFFFFFFFF,
        answer={"data_changed": False},
    ),
    "value removed": Case(
        module="win_regedit",
        arguments={"path": KEY, "name": "image", "state": "absent"},
        before=_put_value,
        left=_value,
        after=None,
        difference={
            "before": {KEY: {"image": {"type": "String", "value": "old"}}},
            "after": {KEY: {}},
        },
    ),
    "key removed": Case(
        module="win_regedit",
        arguments={"path": KEY, "state": "absent"},
        before=_put_value,
        left=lambda machine: machine.registry.key(KEY),
        after=None,
        difference={"before": {KEY: {}}, "after": {}},
    ),
    "variable set": Case(
        module="ansible.windows.win_environment",
        arguments={"name": "LAB", "value": "1", "level": "machine", "state": "present"},
        left=lambda machine: machine.environment["machine"],
        after={"LAB": "1"},
        answer={"before_value": None, "value": "1"},
        difference={"before": {"machine": {}}, "after": {"machine": {"LAB": "1"}}},
    ),
    "variable removed": Case(
        module="win_environment",
        arguments={"name": "lab", "level": "machine", "state": "absent"},
        before=lambda machine: machine.environment["machine"].update(LAB="1"),
        left=lambda machine: machine.environment["machine"],
        after={},
        answer={"before_value": "1"},
    ),
    "runtime unpacked": Case(
        module="package_tree",
        arguments=JRE_ARGUMENTS,
        left=lambda machine: [section(machine, "java")[name] for name in ("present", "version", "vendor")],
        after=[True, "17.0.17", "Lab"],
        answer={"before": {"exists": False, "sha256": None}, "size": len(JRE)},
        difference={"before": "", "after": f"package {hashlib.sha256(JRE).hexdigest()}\n"},
    ),
    "package mended": Case(
        module="package_tree",
        arguments=JRE_ARGUMENTS,
        state="ready",
        before=lambda machine: machine.disk.remove(IMAGE),
        left=lambda machine: section(machine, "java")["present"],
        after=True,
        difference={
            "before": f"package {hashlib.sha256(JRE).hexdigest()}\nfiles are missing or changed\n",
            "after": f"package {hashlib.sha256(JRE).hexdigest()}\n",
        },
    ),
    "package kept as it is": Case(
        module="package_tree",
        arguments=JRE_ARGUMENTS | {"unpack": False, "root": "", "destination": f"{KEPT}\\packages\\jre"},
        left=lambda machine: getattr(machine.disk.file(f"{KEPT}\\packages\\jre"), "sha256", None),
        after=hashlib.sha256(JRE).hexdigest(),
    ),
    "one file of a package": Case(
        module="package_tree",
        arguments=JRE_ARGUMENTS | {"member": "bin/java.exe", "destination": HOST},
        left=lambda machine: sorted(name for name in machine.disk.files if "iplato" in name),
        after=[HOST.lower(), f"{HOST}.provisioner-package.json".lower()],
    ),
    "package taken away": Case(
        module="package_tree",
        arguments={"destination": JAVA_HOME, "state": "absent"},
        state="ready",
        left=lambda machine: [machine.disk.exists(JAVA_HOME), section(machine, "connector")["package_intact"]],
        after=[False, True],
    ),
    "folders closed": Case(
        module="folder_access",
        arguments={"path": FOLDER, "private": [KEPT, f"{KEPT}\\kept"]},
        before=_writable,
        left=lambda machine: [section(machine, "connector")["writers"], machine.disk.exists(f"{KEPT}\\kept")],
        after=[[], True],
    ),
    "file excluded": Case(
        module="defender_exclusion",
        arguments={"path": [IMAGE]},
        left=lambda machine: section(machine, "antivirus")["defender"]["path_exclusions"],
        after=[IMAGE],
        answer={"before": {"path": [], "process": []}},
        difference={"before": "", "after": f"{IMAGE}\n"},
    ),
    "exclusion removed": Case(
        module="defender_exclusion",
        arguments={"path": IMAGE.upper(), "state": "absent"},
        state="ready",
        left=lambda machine: section(machine, "antivirus")["defender"]["path_exclusions"],
        after=[],
    ),
    "process excluded": Case(
        module="defender_exclusion",
        arguments={"process": [IMAGE]},
        left=lambda machine: section(machine, "antivirus")["defender"]["process_exclusions"],
        after=[IMAGE],
    ),
    "sleep switched off": Case(
        module="power_setting",
        arguments={"sleep_seconds": 0, "hibernate_seconds": 0},
        before=lambda machine: vars(machine.power).update(sleep_seconds=1800),
        left=lambda machine: section(machine, "power")["sleep_seconds"],
        after=0,
        difference={
            "before": "sleep_seconds 1800\nhibernate_seconds 0\n",
            "after": "sleep_seconds 0\nhibernate_seconds 0\n",
        },
    ),
}


def _written(machine: Machine) -> str:
    return json.dumps(machine.to_json())


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def machine(case: Case) -> Machine:
    """The machine as the case wants it, telling its events."""
    made = one(case.state)
    case.before(made)
    return made


def test_a_module_does_what_it_says_and_twice_is_unchanged(case: Case, machine: Machine) -> None:
    events: list[dict[str, Any]] = []
    machine.on_event = events.append
    assert case.left(machine) != case.after
    answer = run(machine, case.module, **case.arguments)
    assert answer["changed"] is True
    assert not answer.get("failed"), answer
    assert case.answer.items() <= answer.items()
    assert case.left(machine) == case.after
    assert events
    assert "diff" not in answer
    before, told = _written(machine), len(events)
    again = run(machine, case.module, **case.arguments)
    assert again["changed"] is False
    assert not again.get("failed"), again
    assert _written(machine) == before
    assert len(events) == told


def test_check_mode_only_says_so(case: Case, machine: Machine) -> None:
    events: list[dict[str, Any]] = []
    machine.on_event = events.append
    before = _written(machine)
    answer = run(machine, case.module, check=True, diff=True, **case.arguments)
    assert answer["changed"] is True
    assert not answer.get("failed"), answer
    assert _written(machine) == before
    assert events == []
    run(machine, case.module, **case.arguments)
    assert run(machine, case.module, check=True, **case.arguments)["changed"] is False


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.difference is not None])
def test_the_difference(name: str) -> None:
    case = CASES[name]
    machine = one(case.state)
    case.before(machine)
    assert run(machine, case.module, diff=True, **case.arguments)["diff"] == case.difference


@dataclass(frozen=True)
class Failure:
    """Arguments with which a module fails, what it says, and that nothing is changed."""

    module: str
    arguments: dict[str, Any]
    says: str
    state: str = "ready"
    faults: tuple[str, ...] = ()


FULL = "There is not enough space on the disk."
FAILURES = {
    "no service and no path": Failure(
        "win_service", {"name": "Nope", "state": "started"}, "Service 'Nope' is not installed"
    ),
    "service without a name": Failure("win_service", {"state": "started"}, "missing required arguments: name"),
    "argument that the module does not have": Failure(
        "win_service",
        {"name": "x", "colour": "red"},
        "Unsupported parameters for (ansible.windows.win_service) module: colour.",
    ),
    "a state that does not exist": Failure(
        "win_service", {"name": "x", "state": "on"}, "value of state must be one of:"
    ),
    "a rule without name and group": Failure("win_firewall_rule", {"action": "allow"}, "Either name or group"),
    "an unknown protocol": Failure("win_firewall_rule", {"name": "x", "protocol": "tpc"}, "Unknown protocol 'tpc'."),
    "a path of the registry": Failure(
        "win_regedit", {"path": "HKEY_LOCAL_MACHINE\\X"}, "is not a valid powershell path"
    ),
    "too large a number": Failure(
        "win_regedit", {"path": KEY, "name": "n", "data": 2**32, "type": "dword"}, "cannot be larger than 0xffffffff"
    ),
    "a variable without a value": Failure(
        "win_environment", {"name": "a", "level": "machine", "state": "present"}, "value must be defined"
    ),
    "a wrong sha256": Failure(
        "package_tree", JRE_ARGUMENTS | {"sha256": "0" * 64}, "nothing was unpacked or run", state="fresh"
    ),
    "a package that is not there": Failure(
        "package_tree",
        JRE_ARGUMENTS | {"location": "http://127.0.0.1/no.zip"},
        "could not be fetched: 404",
        state="fresh",
    ),
    "a root that is not there": Failure(
        "package_tree", JRE_ARGUMENTS | {"root": "jre"}, "the package has no file under 'jre", state="fresh"
    ),
    "a program without signature": Failure(
        "package_tree", JRE_ARGUMENTS | {"signer": "Example Ltd"}, "is not digitally signed", state="fresh"
    ),
    "a package on a full disk": Failure("package_tree", JRE_ARGUMENTS, FULL, state="fresh", faults=("disk_full",)),
    "a folder on a full disk": Failure(
        "win_file", {"path": "C:\\New", "state": "directory"}, FULL, faults=("disk_full",)
    ),
    "an installer that is not there": Failure(
        "win_package", {"path": "C:\\no.msi", "state": "present"}, "cannot be reached"
    ),
    "a folder that is to be a file": Failure("win_file", {"path": FOLDER, "state": "file"}, "is not a file"),
    "an exclusion under tamper protection": Failure(
        "defender_exclusion", {"path": ["C:\\x.exe"]}, "tamper protection is on", faults=("tamper_protection",)
    ),
    "an exclusion where Defender does not run": Failure(
        "defender_exclusion", {"path": [IMAGE]}, "does not answer", faults=("third_party_antivirus",)
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_module_fails_as_the_real_one(name: str) -> None:
    failure = FAILURES[name]
    machine = one(failure.state, *failure.faults)
    before = _written(machine)
    answer = run(machine, failure.module, **failure.arguments)
    assert answer["failed"] is True
    assert failure.says in answer["msg"]
    assert _written(machine) == before


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("ansible.windows.win_shell", {"_raw_params": "dir"}),
        ("win_service", {"name": SERVICE, "dependencies": ["Tcpip"]}),
        ("win_copy", {"_copy_mode": "explode", "src": "C:\\a.zip", "dest": "C:\\x"}),
    ],
)
def test_what_is_not_modelled_is_an_error_that_names_it(module: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(Unmodelled, match=r"win_shell|dependencies|several files"):
        run(one("ready"), module, **arguments)


def test_a_default_of_what_is_not_modelled_is_taken() -> None:
    assert not run(one("ready"), "win_service", name=SERVICE, desktop_interact=False, error_control=None)["changed"]


def test_all_modules_of_the_contract_are_there() -> None:
    assert {name.rpartition(".")[2] for name in MODULES} == {
        *("win_copy", "win_environment", "win_file", "win_firewall_rule", "win_package", "win_ping", "win_reg_stat"),
        *("win_regedit", "win_service", "win_service_info", "win_stat"),
        *("defender_exclusion", "folder_access", "package_tree", "power_setting"),
    }


def test_ping() -> None:
    assert run(one(), "ansible.windows.win_ping") == {"changed": False, "ping": "pong"}
    assert run(one(), "win_ping", data="crash")["failed"] is True


def test_stat_of_a_file_a_folder_and_nothing() -> None:
    machine = one("ready")
    file = run(machine, "win_stat", path=f"{FOLDER}\\VERSION.TXT", checksum_algorithm="sha256")["stat"]
    assert (file["exists"], file["isdir"], file["size"], file["checksum"]) == (
        True,
        False,
        4,
        hashlib.sha256(b"2.1\n").hexdigest(),
    )
    default = run(machine, "win_stat", path=f"{FOLDER}\\version.txt")["stat"]["checksum"]
    assert default == hashlib.sha1(b"2.1\n").hexdigest()
    assert run(machine, "win_stat", path=JAVA_HOME)["stat"]["isdir"] is True
    assert run(machine, "win_stat", path="C:\\nothing") == {"changed": False, "stat": {"exists": False}}


def test_copy_as_its_action_plugin_calls_it() -> None:
    machine = one("ready")
    text = b"practice=A81000\n"
    sent = {"dest": "connector.properties", "src": "/run/x", "checksum": hashlib.sha1(text).hexdigest()}
    asked: dict[str, Any] = {
        "_copy_mode": "query",
        "dest": FOLDER.replace("\\", "/"),
        "files": [sent],
        "directories": [],
        "symlinks": [],
    }
    assert run(machine, "win_copy", **asked)["files"] == [sent]
    machine.put_file("C:\\Windows\\Temp\\source", text, NOW)
    answer = run(
        machine,
        "win_copy",
        _copy_mode="single",
        _original_basename="x",
        src="C:\\Windows\\Temp\\source",
        dest=f"{FOLDER}\\connector.properties",
        backup=True,
    )
    assert answer == {"changed": True, "backup_file": None}
    assert run(machine, "win_copy", **asked)["files"] == []
    (file,) = section(machine, "connector")["files"]
    assert file["sha256"] == hashlib.sha256(text).hexdigest()
    nowhere = run(machine, "win_copy", src="C:\\Windows\\Temp\\source", dest="C:\\none\\file")
    assert nowhere["msg"] == "Destination directory 'C:\\none' does not exist"


def test_reg_stat_of_a_value_a_key_and_nothing() -> None:
    machine = one()
    machine.registry.put(KEY, "Number", "DWord", 7)
    assert run(machine, "win_reg_stat", path=KEY, name="number") == {
        "changed": False,
        "exists": True,
        "type": "REG_DWORD",
        "value": 7,
        "raw_value": 7,
    }
    above = run(machine, "win_reg_stat", path="HKLM:\\SOFTWARE\\Example")
    assert (above["exists"], above["sub_keys"], above["properties"]) == (True, ["Lab"], {})
    assert run(machine, "win_reg_stat", path="HKLM:\\SOFTWARE\\None") == {"changed": False, "exists": False}


def test_service_info_of_one_and_of_none() -> None:
    told = run(one("ready"), "win_service_info", name="iplato*")
    assert told["exists"] is True
    (service,) = told["services"]
    assert (service["state"], service["start_mode"]) == ("started", "delayed")
    assert service["failure_actions"][0] == {"type": "restart", "delay_ms": 60000}
    assert run(one(), "win_service_info", name=SERVICE) == {"changed": False, "exists": False, "services": []}


def test_service_difference_before_and_after() -> None:
    machine = one("ready")
    machine.services[0].start_mode = "auto"
    difference = run(machine, "win_service", diff=True, **SERVICE_ARGUMENTS)["diff"]
    changed = {name for name in difference["before"] if difference["before"][name] != difference["after"][name]}
    # The module misspells its own variable here and shows nothing.
    assert changed == {"start_mode", "failure_actions_on_non_crash_failure"}
    assert run(one(), "win_service", diff=True, check=True, **SERVICE_ARGUMENTS)["diff"]["before"] == ""


# A first start


def _stopped(*faults: str) -> tuple[Machine, list[str]]:
    """A Connector that never ran, and the events to come."""
    machine = one("ready", *faults)
    machine.services[0].state, machine.systmone.device = "stopped", ""
    events: list[str] = []
    machine.on_event = lambda event: events.append(event["event"])
    return machine, events


def _connections(machine: Machine) -> list[tuple[int, int]]:
    processes = [one for one in section(machine, "connector")["processes"] if one["image"] == IMAGE]
    return [(one["endpoint_connections"], one["systmone_connections"]) for one in processes]


def test_a_first_start_raises_approve_and_the_person_presses_it() -> None:
    machine, events = _stopped()
    assert _connections(machine) == []
    run(machine, "win_service", name=SERVICE, state="started")
    assert events == ["service_started", "approve_raised"]
    assert _connections(machine) == [(4, 0)]
    machine.tick(NOW + 1.0)
    assert _connections(machine) == [(4, 0)]
    machine.tick(NOW + 2.0)
    assert events[2:] == ["approve_pressed"]
    assert _connections(machine) == [(4, 1)]


def test_a_restart_needs_no_new_approve() -> None:
    machine, events = _stopped()
    run(machine, "win_service", name=SERVICE, state="started")
    machine.tick(NOW + 2.0)
    run(machine, "win_service", name=SERVICE, state="restarted", now=NOW + 3.0)
    assert events[3:] == ["service_stopped", "service_started"]
    assert _connections(machine) == [(4, 1)]


def test_nobody_presses_approve() -> None:
    machine, events = _stopped("no_approve")
    run(machine, "win_service", name=SERVICE, state="started")
    machine.tick(NOW + 3600)
    assert events == ["service_started", "approve_raised"]
    assert _connections(machine) == [(4, 0)]
    del machine.faults["no_approve"]
    machine.tick(NOW + 3601)
    assert _connections(machine) == [(4, 1)]


def test_without_a_user_in_systmone_nothing_is_asked() -> None:
    machine, events = _stopped()
    machine.systmone.logged_in = False
    run(machine, "win_service", name=SERVICE, state="started")
    assert events == ["service_started"]
    assert _connections(machine) == [(4, 0)]


def test_a_service_that_will_not_start() -> None:
    machine, events = _stopped("service_will_not_start")
    answer = run(machine, "win_service", name=SERVICE, state="started")
    assert answer["failed"] is True
    assert "Failed to start service 'iPlato Connector (iPlatoConnector)'." in answer["msg"]
    assert events == []


@pytest.mark.parametrize("path", [IMAGE, HOST])
def test_a_service_without_its_program_cannot_start(path: str) -> None:
    machine, _ = _stopped()
    machine.disk.remove(path)
    answer = run(machine, "win_service", name=SERVICE, state="started")
    assert "cannot be started due to the following error" in answer["msg"]


# Installers

PRODUCT = "{7D1F2C3A-0000-4000-8000-000000000001}"


def _installer(return_code: int = 0) -> bytes:
    script = {
        "product_id": PRODUCT,
        "name": "Connector",
        "version": "2.1",
        "folder": FOLDER,
        "return_code": return_code,
        "service": {"name": SERVICE, "image": IMAGE, "arguments": "-jar connector.jar"},
    }
    return zipped({"lab-installer.json": json.dumps(script), "jre/bin/java.exe": "MZ", "connector.jar": "PK"})


def test_an_installer_brings_product_files_and_service_and_takes_them_away() -> None:
    machine = one()
    machine.put_file("C:\\setup.msi", _installer(3010), NOW)
    asked: dict[str, Any] = {"path": "C:\\setup.msi", "product_id": PRODUCT, "provider": "msi"}
    assert run(machine, "win_package", check=True, **asked)["changed"] is True
    assert machine.installed == []
    answer = run(machine, "win_package", **asked)
    assert (answer["changed"], answer["rc"], answer["reboot_required"]) == (True, 3010, True)
    seen = section(machine, "connector", product_ids=[PRODUCT])
    assert seen["installed"] == [{"product_id": PRODUCT, "name": "Connector", "version": "2.1"}]
    assert seen["image_present"] is True
    assert section(machine, "service")["service"]["image"] == IMAGE
    assert section(machine, "reboot")["pending"] is True
    assert run(machine, "win_package", **asked) == {"changed": False, "rc": 0, "reboot_required": False}
    assert run(machine, "win_package", product_id=PRODUCT, state="absent")["changed"] is True
    assert section(machine, "connector", product_ids=[PRODUCT])["installed"] == []
    assert machine.services == []
    assert run(machine, "win_package", product_id=PRODUCT, state="absent")["changed"] is False


def test_an_installer_that_fails_or_is_another_one() -> None:
    machine = one()
    machine.put_file("C:\\setup.exe", _installer(1603), NOW)
    failed = run(machine, "win_package", path="C:\\setup.exe", product_id=PRODUCT)
    assert (failed["failed"], failed["rc"]) == (True, 1603)
    other = run(machine, "win_package", path="C:\\setup.exe", product_id=PRODUCT, checksum="00")
    assert "did not match '00'" in other["msg"]
    assert machine.installed == []


@pytest.mark.parametrize("module", ["win_package", "package_tree"])
def test_a_slow_installer_ends_by_itself(module: str) -> None:
    machine = one("fresh", "slow_installer=30")
    machine.put_file("C:\\setup.exe", _installer(), NOW)
    events: list[str] = []
    machine.on_event = lambda event: events.append(event["event"])
    arguments: dict[str, Any] = (
        JRE_ARGUMENTS if module == "package_tree" else {"path": "C:\\setup.exe", "product_id": PRODUCT}
    )
    answer = run(machine, module, **arguments)
    assert (answer["changed"], answer["_lab_seconds"]) == (True, 30.0)
    assert len(section(machine, "ours")["unfinished"]) == 1
    assert not machine.disk.exists(IMAGE)
    machine.tick(NOW + 29)
    assert not machine.disk.exists(IMAGE)
    machine.tick(NOW + 31)
    assert machine.disk.exists(IMAGE)
    assert section(machine, "ours")["unfinished"] == []
    assert (events[0], events[-1]) == ("installer_started", "installer_ended")
    assert run(machine, module, **arguments)["changed"] is False


# What a change must not do


def test_a_newer_package_removes_what_it_no_longer_has_and_leaves_the_rest() -> None:
    machine = one("ready")
    machine.put_file(f"{FOLDER}\\connector.properties", b"kept", NOW)
    newer = zipped({"connector2.jar": "PK", "version.txt": "3\n"})
    URLS["http://127.0.0.1/newer.zip"] = newer
    asked: dict[str, Any] = {
        "source": "url",
        "location": "http://127.0.0.1/newer.zip",
        "sha256": hashlib.sha256(newer).hexdigest().upper(),
        "destination": FOLDER,
    }
    assert run(machine, "package_tree", **asked)["before"] == {
        "exists": True,
        "sha256": hashlib.sha256(CONNECTOR).hexdigest(),
    }
    names = {
        name: machine.disk.exists(f"{FOLDER}\\{name}") for name in ("connector.jar", "connector.properties", "jre")
    }
    assert names == {"connector.jar": False, "connector.properties": True, "jre": True}
    assert section(machine, "connector")["package_sha256"] == hashlib.sha256(newer).hexdigest()


def test_a_package_whose_paths_lead_out_is_refused() -> None:
    machine = one()
    evil = zipped({"../evil.exe": "MZ"})
    machine.put_file("C:\\evil.zip", evil, NOW)
    digest = hashlib.sha256(evil).hexdigest()
    answer = run(machine, "package_tree", source="path", location="C:\\evil.zip", sha256=digest, destination=FOLDER)
    assert "leads out of its folder" in answer["msg"]
    assert not machine.disk.exists(FOLDER)


@pytest.mark.parametrize("fault", ["", "tamper_protection"])
def test_exclusions_of_others_stay(fault: str) -> None:
    machine = one("ready", *([fault] if fault else []))
    machine.defender.paths.append("C:\\Other")
    run(machine, "defender_exclusion", path=[IMAGE], state="absent")
    assert "C:\\Other" in machine.defender.paths
    assert (IMAGE in machine.defender.paths) is bool(fault)


def test_defender_names_its_cause() -> None:
    merge = one()
    merge.defender.local_merge_disabled = True
    assert run(merge, "defender_exclusion", path=[IMAGE])["cause"] == "local_merge_disabled"
    assert run(one("fresh", "tamper_protection"), "defender_exclusion", path=[IMAGE])["cause"] == "tamper_protection"
    hidden = one()
    hidden.defender.exclusions_hidden = True
    assert run(hidden, "defender_exclusion", process=[IMAGE])["cause"] == "hidden"


def test_a_power_policy_beats_the_plan() -> None:
    machine = one()
    machine.power.policy_sleep_seconds = 900
    answer = run(machine, "power_setting", sleep_seconds=0, hibernate_seconds=0)
    assert (answer["failed"], answer["cause"]) == (True, "managed_policy")
