"""What the modules of pretend gateways answer: their failures, what only looks, and what the lab does not know."""

import hashlib
from dataclasses import dataclass
from typing import Any

import pytest

from provisioner.lab.modules import MODULES, Unmodelled
from tests.fixtures.lab import (
    FOLDER,
    IMAGE,
    JAVA_HOME,
    JRE_ARGUMENTS,
    KEY,
    NOW,
    SERVICE,
    SERVICE_ARGUMENTS,
    one,
    run,
    section,
    written,
)


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
    "a folder from which a program runs": Failure(
        "win_file", {"path": FOLDER, "state": "absent"}, f"Failed to delete {FOLDER}"
    ),
    "a folder that is to be a file": Failure("win_file", {"path": FOLDER, "state": "file"}, "is not a file"),
    "an exclusion under tamper protection": Failure(
        "defender_exclusion", {"path": ["C:\\x.exe"]}, "tamper protection is on", faults=("tamper_protection",)
    ),
    "a marker on a full disk": Failure("work_marker", {"journal": "j-1", "minutes": 60}, FULL, faults=("disk_full",)),
    "an exclusion where Defender does not run": Failure(
        "defender_exclusion", {"path": [IMAGE]}, "does not answer", faults=("third_party_antivirus",)
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_module_fails_as_the_real_one(name: str) -> None:
    failure = FAILURES[name]
    machine = one(failure.state, *failure.faults)
    before = written(machine)
    answer = run(machine, failure.module, **failure.arguments)
    assert answer["failed"] is True
    assert failure.says in answer["msg"]
    assert written(machine) == before


def test_a_rule_without_ports_is_left_half_changed_as_by_windows() -> None:
    """Windows takes ports only where the protocol has them, and the module sets the protocol after them.

    https://learn.microsoft.com/windows/win32/api/netfw/nf-netfw-inetfwrule-put_remoteports
    """
    machine = one("ready")
    (rule,) = machine.firewall.rules
    rule.protocol, rule.remote_ports, rule.enabled = 256, [], False
    wanted: dict[str, Any] = {"name": rule.name, "protocol": "tcp", "remoteport": "443", "enabled": True}
    assert run(machine, "win_firewall_rule", check=True, **wanted)["changed"]
    answer = run(machine, "win_firewall_rule", **wanted)
    assert answer["failed"]
    assert 'setting "RemotePorts"' in answer["msg"]
    assert (rule.enabled, rule.protocol, rule.remote_ports) == (True, 256, [])


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
        *("defender_exclusion", "folder_access", "package_tree", "power_setting", "work_marker"),
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
