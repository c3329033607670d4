"""The evidence of pretend gateways: its shape, what the faults do to it, and that reading changes nothing."""

import json
from typing import Any

import pytest

from provisioner.evidence import question
from provisioner.lab.faults import KNOWN
from provisioner.lab.windows.machine import Machine, stamp
from provisioner.lab.wsman.answer import SECTIONS, document
from tests.fixtures.evidence import VALIDATOR
from tests.fixtures.lab import ENDPOINTS, FOLDER, IMAGE, NOW, fleet, one, run, section, settings


@pytest.mark.parametrize("state", ["fresh", "ready", "mixed"])
@pytest.mark.parametrize("fault", ["", *sorted(KNOWN)])
def test_every_machine_answers_with_a_valid_document(state: str, fault: str) -> None:
    for machine in fleet(26, state).values():
        if fault:
            machine.faults[fault] = ""
        VALIDATOR.validate(document(machine, settings(), NOW))


def test_a_reading_changes_nothing_and_is_the_same_twice() -> None:
    for machine in fleet(26, "mixed").values():
        before = json.dumps(machine.to_json())
        assert document(machine, settings(), NOW) == document(machine, settings(), NOW)
        assert json.dumps(machine.to_json()) == before


def test_only_the_sections_asked_for() -> None:
    answer = document(one(), settings("java", "disk"), NOW)
    assert set(answer["sections"]) == {"java", "disk"}


def test_all_sections_of_the_schema_are_there() -> None:
    assert set(SECTIONS) == set(question.SECTIONS)


def test_a_ready_gateway() -> None:
    machine = one("ready")
    connector = section(machine, "connector")
    assert (connector["present"], connector["image_present"], connector["package_intact"]) == (True, True, True)
    assert connector["writers"] == []
    connections = {
        process["image"]: (process["endpoint_connections"], process["systmone_connections"])
        for process in connector["processes"]
    }
    assert connections == {f"{FOLDER}\\iPlatoConnector.exe": (0, 0), IMAGE: (4, 1)}
    assert section(machine, "java")["version"] == "17.0.17"
    service = section(machine, "service")["service"]
    assert (service["state"], service["start_mode"], service["image"]) == ("running", "delayed", IMAGE)
    (rule,) = section(machine, "firewall")["rules"]
    assert (rule["remote_addresses"], rule["remote_ports"], rule["program"]) == (list(ENDPOINTS), ["443"], IMAGE)
    assert section(machine, "antivirus")["effective"]["excluded"] is True
    assert all(result["trusted"] for result in section(machine, "endpoints")["results"])


def test_a_fresh_gateway_has_nothing_of_ours() -> None:
    machine = one("fresh")
    assert section(machine, "connector")["present"] is False
    assert section(machine, "connector")["writers"] is None
    assert section(machine, "java")["present"] is False
    assert section(machine, "service") == {"wanted": "iPlatoConnector", "service": None, "others": []}
    assert section(machine, "firewall")["rules"] == []
    effective = section(machine, "antivirus")["effective"]
    assert (effective["excluded"], effective["reason"]) == (None, "Defender says that there is no such file yet")
    assert section(machine, "ours") == {"marker": None, "unfinished": [], "kept": 0}


def _endpoint(machine: Machine, address: str) -> dict[str, Any]:
    return next(one for one in section(machine, "endpoints")["results"] if one["address"] == address)


def test_fault_network_blocks_one_endpoint_for_the_connector_too() -> None:
    machine = one("ready", f"network_blocks_endpoint={ENDPOINTS[1]}")
    assert _endpoint(machine, ENDPOINTS[1])["tcp"] is False
    assert _endpoint(machine, ENDPOINTS[0])["tcp"] is True
    assert section(machine, "connector")["processes"][1]["endpoint_connections"] == 3


def test_fault_wrong_machine_is_another_pc_whose_name_can_be_given() -> None:
    right, wrong = section(one("ready"), "identity"), section(one("ready", "wrong_machine"), "identity")
    assert all(right[name] != wrong[name] for name in ("computer_name", "serial", "machine_guid"))
    assert section(one("ready", "wrong_machine=GWPC-Z1"), "identity")["computer_name"] == "GWPC-Z1"


def test_fault_third_party_antivirus_takes_defenders_place() -> None:
    seen = section(one("ready", "third_party_antivirus"), "antivirus")
    assert [product["name"] for product in seen["products"]] == ["Windows Defender", "Sophos Intercept X"]
    assert seen["defender"]["running"] is False
    assert seen["effective"]["excluded"] is None
    assert seen["effective"]["reason"]


def test_fault_policy_overrides_firewall_in_all_profiles() -> None:
    profiles = section(one("ready", "policy_overrides_firewall"), "firewall")["profiles"]
    assert [profile["local_rules_apply"] for profile in profiles.values()] == [False] * 3


def test_where_outbound_is_blocked_only_an_applied_rule_lets_the_connector_out() -> None:
    machine = one("ready")
    machine.firewall.domain.outbound_blocked = True
    assert section(machine, "connector")["processes"][1]["endpoint_connections"] == 4
    machine.faults["policy_overrides_firewall"] = ""
    assert section(machine, "connector")["processes"][1]["endpoint_connections"] == 0


def test_fault_clock_skew_in_seconds() -> None:
    right, wrong = section(one(), "clock")["utc"], section(one("fresh", "clock_skew=-3600"), "clock")["utc"]
    assert (right, wrong) == ("2026-05-28T20:26:40.000Z", "2026-05-28T19:26:40.000Z")


def test_faults_disk_full_and_reboot_pending() -> None:
    machine = one("ready", "disk_full", "reboot_pending")
    assert section(machine, "disk")["free_bytes"] == 0
    assert section(machine, "reboot") == {"pending": True, "reasons": ["Windows Update: RebootRequired"]}


def test_users_have_no_names_unless_they_are_asked_for() -> None:
    assert section(one(), "users")["sessions"][0]["name"] is None
    assert section(one(), "users", user_names=True)["sessions"][0]["name"] == "GP\\gateway"


def test_our_marker_and_what_is_kept_are_read_from_the_disk() -> None:
    machine = one("ready")
    ours = "C:\\ProgramData\\provisioner"
    left = {"journal": "j1", "step": "s1", "by": "b", "since": stamp(NOW - 3600), "minutes": "90"}
    machine.put_file(f"{ours}\\marker.json", json.dumps(left).encode(), NOW)
    machine.put_file(f"{ours}\\kept\\connector.properties.1", b"a=1", NOW)
    seen = section(machine, "ours")
    assert seen == {"marker": {"journal": "j1", "step": "s1", "seconds_left": 1800}, "unfinished": [], "kept": 1}
    machine.put_file(f"{ours}\\marker.json", b'{"journal": "j1", "step": "s1", "until": "2026-01-01"}', NOW)
    assert section(machine, "ours")["marker"] == {"journal": "j1", "step": "s1", "seconds_left": None}
    machine.put_file(f"{ours}\\marker.json", b"{broken", NOW)
    assert section(machine, "ours")["marker"] is None


def test_a_damaged_package_is_seen() -> None:
    machine = one("ready")
    run(machine, "win_file", path=f"{FOLDER}\\connector.jar", state="absent")
    assert section(machine, "connector")["package_intact"] is False


def test_a_service_elsewhere_that_lies_in_the_folder_is_listed() -> None:
    machine = one("ready")
    run(machine, "win_service", name="Old", path=f'"{IMAGE}" -jar old.jar')
    assert [other["name"] for other in section(machine, "service")["others"]] == ["Old"]
