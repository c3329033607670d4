"""A Connector on a pretend gateway: its first start, its installers, and what a change must leave alone."""

import hashlib
import json
from typing import Any

import pytest

from provisioner.lab.windows.machine import Machine
from tests.fixtures.lab import (
    CONNECTOR,
    FOLDER,
    HOST,
    IMAGE,
    JRE_ARGUMENTS,
    NOW,
    SERVICE,
    URLS,
    one,
    run,
    section,
    zipped,
)

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
    refused = run(machine, "package_tree", **asked)
    assert refused["failed"]
    assert "used by another process" in refused["msg"]
    run(machine, "ansible.windows.win_service", name="iPlatoConnector", state="stopped")
    assert run(machine, "package_tree", **asked)["before"] == {
        "exists": True,
        "sha256": hashlib.sha256(CONNECTOR).hexdigest(),
        "edited": 0,
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
    assert run(hidden, "defender_exclusion", path=[IMAGE])["before"]["untold"] == [IMAGE]
    hidden.put_file(IMAGE, b"MZ", NOW)
    hidden.defender.paths.append(IMAGE)
    assert run(hidden, "defender_exclusion", path=[IMAGE])["before"] == {"path": [IMAGE], "process": [], "untold": []}


def test_a_power_policy_beats_the_plan() -> None:
    machine = one()
    machine.power.policy_sleep_seconds = 900
    answer = run(machine, "power_setting", sleep_seconds=0, hibernate_seconds=0)
    assert (answer["failed"], answer["cause"]) == (True, "managed_policy")
