"""What the modules' own integration tests hold of the real ones, held of the lab's.

Each case names the target of ansible.windows 3.3 or community.windows 3.1 that has it (tests/integration/targets of
github.com/ansible-collections), or "source" where the module's source alone says so.
"""

from typing import Any

import pytest

from provisioner.lab.modules import Unmodelled
from provisioner.lab.windows import variables
from provisioner.lab.windows.machine import Machine
from tests.fixtures.lab import KEY, SERVICE, run, written
from tests.lab.upstream import ODD, OTHER, machine

__all__ = ["machine"]  # fixtures


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (ODD, [ODD]),
        (ODD.lower(), [ODD]),
        ("TestService*", [ODD, OTHER]),
        ("testservice[2-3]", [OTHER]),
        ("TestService?", [OTHER]),
        ("TestService `[*abc", []),
        ("TestService `[[*]abc`]", [ODD]),
        ("Test Service", [ODD]),
        ("TEST SERVICE", [ODD]),
        ("Test Serv*", []),
        ("ansible_service_info_missing", []),
        (None, [SERVICE, ODD, OTHER]),
    ],
)
def test_which_services_win_service_info_finds(machine: Machine, name: str | None, found: list[str]) -> None:
    """Target win_service_info: a name with brackets, a pattern, a display name, in Get-Service's order."""
    machine.services.reverse()
    asked: dict[str, Any] = {} if name is None else {"name": name}
    told = run(machine, "win_service_info", **asked)
    assert [service["name"] for service in told["services"]] == found
    assert told["exists"] is bool(found)


def test_a_pattern_that_is_none_fails(machine: Machine) -> None:
    for module in ("win_service_info", "win_service"):
        answer = run(machine, module, name="a[b")
        assert answer["msg"].endswith("The specified wildcard character pattern is not valid: a[b")


def test_a_service_with_a_bracket_is_the_one_that_is_changed(machine: Machine) -> None:
    answer = run(machine, "win_service", name=ODD, start_mode="manual")
    assert (answer["changed"], answer["name"], answer["start_mode"]) == (True, ODD, "manual")
    assert [service.start_mode for service in machine.services[1:]] == ["manual", "auto"]


def test_a_pattern_that_fits_one_service_means_it(machine: Machine) -> None:
    assert run(machine, "win_service", name="iplato*")["name"] == SERVICE
    with pytest.raises(Unmodelled, match="fits several"):
        run(machine, "win_service", name="Test*")


NOTHING: dict[str, Any] = {"changed": False, "exists": False}


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"dependency_action": "set", "desktop_interact": False},
        {"force_dependent_services": True, "update_password": "always"},
        {"state": "absent"},
    ],
    ids=str,
)
def test_a_service_that_is_not_there_and_for_which_nothing_is_asked(machine: Machine, asked: dict[str, Any]) -> None:
    """Target win_service, "invalid name"."""
    before = written(machine)
    assert run(machine, "win_service", diff=True, name="iamnotaservice", **asked) == {
        **NOTHING, "diff": {"before": "", "after": ""}
    }  # fmt: skip
    assert written(machine) == before


@pytest.mark.parametrize(
    "asked", [{"state": "stopped"}, {"description": ""}, {"error_control": "normal"}, {"sid_info": "none"}], ids=str
)
def test_a_service_that_is_not_there_and_of_which_something_is_asked(machine: Machine, asked: dict[str, Any]) -> None:
    answer = run(machine, "win_service", name="iamnotaservice", **asked)
    assert answer["msg"] == "Service 'iamnotaservice' is not installed, need to set 'path' to create a new service"


def test_variables_in_the_path_of_a_service(machine: Machine) -> None:
    """Target win_service, "service path with quotes and env var"."""
    machine.environment["machine"]["TEST_SERVICE_PATH"] = "C:\\temp"
    asked: dict[str, Any] = {"name": ODD, "path": '"%Test_Service_Path%\\test.exe" %UNKNOWN% 100%'}
    for changed in (True, False):
        answer = run(machine, "win_service", **asked)
        assert (answer["changed"], answer["path"]) == (changed, '"C:\\temp\\test.exe" %UNKNOWN% 100%')
    for check in (True, False):
        made = run(machine, "win_service", name="New", path="%windir%\\x.exe", check=check)
        assert made["path"] == "C:\\Windows\\x.exe"


def test_a_service_that_others_need_is_not_stopped_unless_it_is_forced(machine: Machine) -> None:
    """Target win_service, "fail to remove service with dependencies"."""
    machine.services[1].state = "running"
    assert run(machine, "win_service", name=ODD)["depended_by"] == [OTHER]
    assert run(machine, "win_service", name=ODD, state="stopped", check=True)["changed"]
    for state in ("stopped", "restarted", "absent"):
        answer = run(machine, "win_service", name=ODD, state=state)
        assert answer["msg"].endswith(
            f"Cannot stop service 'Test Service ({ODD})' because it has dependent services. "
            "It can only be stopped if the Force flag is set."
        )
    assert run(machine, "win_service", name=ODD, state="absent", force_dependent_services=True)["changed"]
    assert [service.state for service in machine.services if service.name == OTHER] == ["stopped"]


def test_a_paused_service_is_started_and_is_stopped(machine: Machine) -> None:
    """Target win_service, "start a paused service", "stop a paused service"."""
    for wanted, left in (("started", "running"), ("stopped", "stopped")):
        machine.services[0].state = "paused"
        assert run(machine, "win_service", name=SERVICE, state=wanted, check=True)["changed"]
        assert run(machine, "win_service", name=SERVICE, state=wanted)["changed"]
        assert machine.services[0].state == left


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"password": "x"}, "missing parameter(s) required by 'password': username"),
        ({"failure_actions": [{"delay_ms": 1}]}, "missing required arguments: type found in failure_actions"),
        (
            {"failure_actions": [{"type": "again"}]},
            "value of type must be one of: none, reboot, restart, run_command. Got no match for: again found in "
            "failure_actions",
        ),
        (
            {"failure_reset_period_sec": "soon"},
            "argument for failure_reset_period_sec is of type System.String and we were unable to convert to delegate: "
            'Cannot convert value "soon" to type "System.UInt32". Error: "Input string was not in a correct format."',
        ),
        (
            {"sid_info": "some"},
            "value of sid_info must be one of: none, restricted, unrestricted. Got no match for: some",
        ),
    ],
    ids=str,
)
def test_wrong_arguments_of_a_service_change_nothing(machine: Machine, asked: dict[str, Any], says: str) -> None:
    before = written(machine)
    answer = run(machine, "win_service", name="New", path="C:\\x.exe", **asked)
    assert (answer["failed"], answer["msg"]) == (True, says)
    assert written(machine) == before


def test_seconds_of_a_service_in_hexadecimal(machine: Machine) -> None:
    """Target win_service, failure_actions.yml."""
    actions = [{"type": "Restart", "delay": "0xFFFFFFFF"}]
    run(machine, "win_service", name=ODD, failure_actions=actions, failure_reset_period_sec="0xFFFFFFFF")
    told = run(machine, "win_service_info", name=ODD)["services"][0]
    assert told["failure_actions"] == [{"type": "restart", "delay_ms": 4294967295}]
    assert told["failure_reset_period_sec"] == 4294967295


@pytest.mark.parametrize(
    ("first", "again"),
    [
        ("192.0.2.0/24", "192.0.2.0/255.255.255.0"),
        ("192.0.2.0/255.255.255.0", "192.0.2.0/24"),
        ("192.0.2.7", "192.0.2.7/32"),
        ("192.0.2.7/255.255.255.255", "192.0.2.7"),
        ("198.51.100.1-198.51.100.5", "198.51.100.1-198.51.100.5"),
        ("192.0.2.0/24,198.51.100.1", "198.51.100.1/32,192.0.2.0/255.255.255.0"),
        ("LocalSubnet", "localsubnet"),
        ("any", "*"),
        ("2001:DB8::/32", "2001:db8::/32"),
    ],
)
def test_an_address_is_the_same_however_it_is_written(machine: Machine, first: str, again: str) -> None:
    """Target win_firewall_rule: "remoteip in CIDR notation", "contains a netmask", and one after the other."""
    asked: dict[str, Any] = {"name": "http", "direction": "in", "action": "allow", "protocol": "tcp", "localport": "80"}
    assert run(machine, "win_firewall_rule", **asked, remoteip=first)["changed"]
    assert not run(machine, "win_firewall_rule", **asked, remoteip=again)["changed"]
    assert not run(machine, "win_firewall_rule", **asked, remoteip=again, localip="any", check=True)["changed"]


def test_a_network_is_shown_with_its_mask_as_windows_keeps_it(machine: Machine) -> None:
    answer = run(machine, "win_firewall_rule", diff=True, name="net", remoteip="192.0.2.0/24,198.51.100.1")
    shown = "+RemoteAddresses='192.0.2.0/255.255.255.0,198.51.100.1/255.255.255.255'\n"
    assert shown in answer["diff"]["prepared"]
    assert machine.firewall.rules[-1].remote_addresses == ["192.0.2.0/255.255.255.0", "198.51.100.1"]


@pytest.mark.parametrize(
    ("asked", "property_"),
    [
        ({"remoteip": "somewhere.example"}, "RemoteAddresses"),
        ({"remoteip": "192.0.2.300"}, "RemoteAddresses"),
        ({"localip": "192.0.2.0/40"}, "LocalAddresses"),
        ({"localport": "80"}, "LocalPorts"),
        ({"remoteport": "443", "protocol": "icmpv4"}, "RemotePorts"),
        ({"icmp_type_code": ["8:*"], "protocol": "tcp"}, "IcmpTypesAndCodes"),
    ],
    ids=str,
)
def test_what_the_firewall_refuses(machine: Machine, asked: dict[str, Any], property_: str) -> None:
    """Source: the module gives the exception's own words; netfw.h says which protocol has what."""
    before = written(machine)
    answer = run(machine, "win_firewall_rule", name="wrong", **asked)
    assert answer["msg"] == f'Exception setting "{property_}": "Value does not fall within the expected range."'
    assert written(machine) == before


def test_variables_in_the_program_of_a_rule_and_program_any(machine: Machine) -> None:
    """Target win_firewall_rule, "path that needs to be expanded", "program set to any"."""
    asked: dict[str, Any] = {
        "name": "VarExpansionTest",
        "protocol": "tcp",
        "program": "%SystemRoot%\\system32\\svchost.exe",
    }
    assert run(machine, "win_firewall_rule", **asked)["changed"]
    assert machine.firewall.rules[-1].program == "C:\\Windows\\system32\\svchost.exe"
    assert not run(machine, "win_firewall_rule", **asked)["changed"]
    assert run(machine, "win_firewall_rule", **{**asked, "program": "Any"})["changed"]
    assert machine.firewall.rules[-1].program == ""


def test_words_of_a_rule_in_any_case(machine: Machine) -> None:
    """Target win_firewall_rule, "profile back to 'all'": Domain, Public, Private; and lists as text."""
    asked: dict[str, Any] = {"name": "Words", "Direction": "OUT", "action": "Block", "protocol": "TCP"}
    made = {**asked, "profiles": "Domain, Public", "interfacetypes": "RAS,lan", "enable": "Yes"}
    assert run(machine, "win_firewall_rule", **made)["changed"]
    rule = machine.firewall.rules[-1]
    assert (rule.direction, rule.action, rule.protocol, rule.profiles) == ("out", "block", 6, ["domain", "public"])
    assert not run(machine, "win_firewall_rule", **made)["changed"]
    assert run(machine, "win_firewall_rule", name="words", enabled="maybe")["changed"], "what is no truth is false"
    assert not rule.enabled


@pytest.mark.parametrize(
    ("data", "kind", "says"),
    [
        (1.1, "dword", "data '1.1' cannot be a decimal or float value with a remainder when type is dword or qword"),
        (2.5, "qword", "data '2.5' cannot be a decimal or float value with a remainder when type is dword or qword"),
        (0xFFFFFFFF1, "dword", "data cannot be larger than 0xffffffff when type is dword"),
        (0xFFFFFFFFFFFFFFFF1, "qword", "data cannot be larger than 0xffffffffffffffff when type is qword"),
    ],
)
def test_a_number_that_the_registry_does_not_take(machine: Machine, data: Any, kind: str, says: str) -> None:
    """Target win_regedit, tests.yml."""
    assert run(machine, "win_regedit", path=KEY, name="test", data=data, type=kind)["msg"] == says


@pytest.mark.parametrize("path", ["ABCD:\\efg", "HKLM", "HKEY_LOCAL_MACHINE\\X", ""])
def test_a_path_that_is_none_of_the_registry(machine: Machine, path: str) -> None:
    answer = run(machine, "win_regedit", path=path)
    assert answer["msg"] == f"path: {path} is not a valid powershell path, see module documentation for examples."


def test_numbers_below_nothing_and_without_a_rest(machine: Machine) -> None:
    answer = run(machine, "win_regedit", diff=True, path=KEY, name="n", data=-1, type="DWORD")
    assert answer["diff"]["after"][KEY]["n"] == {"type": "DWord", "value": "0xffffffff"}
    assert run(machine, "win_regedit", path=KEY, name="n", data=7.0, type="dword")["changed"]
    assert run(machine, "win_reg_stat", path=KEY, name="n")["value"] == 7


def test_how_the_registrys_data_is_compared(machine: Machine) -> None:
    """Source: texts by -cne, lists by Compare-Object, which takes no account of case."""
    for kind, data, same in (("string", "Text", "TEXT"), ("multistring", ["a", "B"], ["A", "b"])):
        run(machine, "win_regedit", path=KEY, name=kind, data=data, type=kind)
        assert run(machine, "win_regedit", path=KEY, name=kind, data=same, type=kind)["changed"] is (kind == "string")
    run(machine, "win_regedit", path=KEY, name="joined", data="a b")
    answer = run(machine, "win_regedit", path=KEY, name="joined", data=["a", "b"], type="multistring")
    assert (answer["data_type_changed"], answer["data_changed"]) == (True, False)


def test_a_text_that_grows_is_told_both_ways(machine: Machine) -> None:
    machine.environment["machine"]["LAB_HOME"] = "D:\\lab"
    run(machine, "win_regedit", path=KEY, name="grows", data="%lab_home%;%Temp%;%NONE%", type="expandstring")
    told = run(machine, "win_reg_stat", path=KEY, name="grows")
    assert told["raw_value"] == "%lab_home%;%Temp%;%NONE%"
    assert told["value"] == f"D:\\lab;{variables.TEMP};%NONE%"


def test_a_variable_that_differs_in_case_alone_is_the_same(machine: Machine) -> None:
    """Source: -ne takes no account of case."""
    asked: dict[str, Any] = {"name": "LAB", "level": "machine", "state": "present"}
    assert run(machine, "win_environment", value="C:\\Lab", **asked)["changed"]
    assert not run(machine, "win_environment", value="c:\\LAB", **asked)["changed"]
