"""Pretend estates: what each state means, and that a mixed one has its peculiarities."""

import json
from collections import Counter
from collections.abc import Callable

import pytest

from provisioner.lab.estate import machines as estate
from provisioner.lab.windows.machine import Machine
from tests.fixtures.lab import ENDPOINTS, FOLDER, NOW, PACKAGES, fleet, one, section


def _is_ready(machine: Machine) -> bool:
    """Whether a machine is as a finished rollout leaves it, by its evidence alone."""
    connector, service = section(machine, "connector"), section(machine, "service")["service"]
    rules = section(machine, "firewall")["rules"]
    return bool(
        not machine.faults
        and connector["package_intact"]
        and connector["writers"] == []
        and [process["systmone_connections"] for process in connector["processes"]] == [0, 1]
        and service["state"] == "running"
        and service["start_mode"] == "delayed"
        and service["actions"]
        and [rule["enabled"] and rule["remote_addresses"] for rule in rules] == [list(ENDPOINTS)]
        and section(machine, "antivirus")["effective"]["excluded"]
        and section(machine, "java")["version"] == "17.0.17"
        and section(machine, "power")["sleep_seconds"] == 0
        and section(machine, "windows")["build"] == 26200
        and section(machine, "screen")["adapters"][0]["width"]
        and section(machine, "disk")["free_bytes"] > 100 * 1024**3
        and section(machine, "hardware")["manufacturer"] != "VMware, Inc."
        and all(profile["local_rules_apply"] for profile in section(machine, "firewall")["profiles"].values())
    )


def test_all_are_ready_in_a_ready_estate_and_none_in_a_fresh_one() -> None:
    assert all(_is_ready(machine) for machine in fleet(40, "ready").values())
    assert not any(_is_ready(machine) for machine in fleet(40, "fresh").values())


def test_a_fresh_pc_lacks_only_what_is_ours() -> None:
    for machine in fleet(40, "fresh").values():
        assert machine.systmone.logged_in
        assert section(machine, "hardware")["logical_cores"] >= 2
        assert section(machine, "hardware")["clock_mhz"] >= 2000
        assert not machine.disk.exists(FOLDER)
        assert machine.services == []


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [26, 210])
def test_about_a_quarter_of_a_mixed_estate_is_ready(count: int, seed: int) -> None:
    ready = sum(_is_ready(machine) for machine in fleet(count, "mixed", seed).values())
    assert 0.2 <= ready / count <= 0.3


PECULIARITIES: dict[str, Callable[[Machine], bool]] = {
    "offline": lambda machine: "offline" in machine.faults,
    "another practice's PC": lambda machine: "wrong_machine" in machine.faults,
    "Windows 10 without ESU": lambda machine: (machine.windows.build, machine.windows.esu) == (19045, False),
    "Windows 10 with ESU": lambda machine: (machine.windows.build, machine.windows.esu) == (19045, True),
    "Windows 11 23H2": lambda machine: machine.windows.build == 22631,
    "virtual": lambda machine: machine.hardware.manufacturer.startswith("VMware"),
    "another antivirus": lambda machine: len(machine.antivirus or ()) == 2,
    "Defender managed": lambda machine: machine.defender.local_merge_disabled,
    "firewall policy": lambda machine: not machine.firewall.domain.local_rules_apply,
    "nobody logged in": lambda machine: not machine.systmone.logged_in,
    "low disk": lambda machine: machine.disk.free_bytes < 1024**3,
    "headless": lambda machine: machine.screen[0].width is None,
    "an endpoint blocked": lambda machine: "network_blocks_endpoint" in machine.faults,
}


@pytest.mark.parametrize("seed", range(5))
def test_each_peculiarity_is_once_or_twice_in_a_small_estate(seed: int) -> None:
    machines = fleet(26, "mixed", seed).values()
    counts = {name: sum(map(there, machines)) for name, there in PECULIARITIES.items()}
    assert all(1 <= count <= 2 for count in counts.values()), counts


def test_peculiarities_go_by_share_in_a_large_estate() -> None:
    machines = fleet(400, "mixed").values()
    counts = {name: sum(map(there, machines)) for name, there in PECULIARITIES.items()}
    assert all(4 <= count <= 24 for count in counts.values()), counts


def test_a_mixed_estate_has_each_drift_that_a_rollout_mends() -> None:
    machines = fleet(210, "mixed").values()
    drifts = Counter(
        {
            "nothing installed": sum(not machine.disk.exists(FOLDER) for machine in machines),
            "no rule": sum(bool(machine.services) and not machine.firewall.rules for machine in machines),
            "rule off": sum(any(not rule.enabled for rule in machine.firewall.rules) for machine in machines),
            "three": sum(
                any(len(rule.remote_addresses) == 3 for rule in machine.firewall.rules) for machine in machines
            ),
            "old java": sum(section(machine, "java")["version"] == "1.8.0_202" for machine in machines),
            "stopped": sum(any(service.state == "stopped" for service in machine.services) for machine in machines),
            "not delayed": sum(any(one.start_mode == "auto" for one in machine.services) for machine in machines),
            "no recovery": sum(any(not service.actions for service in machine.services) for machine in machines),
            "writable": sum(bool(section(machine, "connector")["writers"]) for machine in machines),
            "sleeps": sum(machine.power.sleep_seconds == 1800 for machine in machines),
        }
    )
    assert all(count >= 3 for count in drifts.values()), drifts


def test_the_seed_decides_all() -> None:
    def written(seed: int) -> str:
        return json.dumps({name: machine.to_json() for name, machine in fleet(26, "mixed", seed).items()})

    assert written(3) == written(3)
    assert written(3) != written(4)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_mixed_estate_may_be_tiny(count: int) -> None:
    assert len(fleet(count, "mixed")) == count


@pytest.mark.parametrize("state", ["fresh", "ready", "mixed"])
def test_a_machine_comes_back_from_its_json(state: str) -> None:
    for machine in fleet(26, state).values():
        document = json.loads(json.dumps(machine.to_json()))
        assert Machine.from_json(document).to_json() == document


def test_serials_guids_and_names_are_each_pcs_own() -> None:
    identities = [machine.identity for machine in fleet(210, "mixed").values()]
    for name in ("serial", "machine_guid", "computer_name"):
        assert len({getattr(identity, name) for identity in identities}) == 210
    assert identities[0].computer_name == "GWPC-A81000"


def test_two_gateways_of_a_practice_and_their_roles() -> None:
    rows = [
        {"practice": "A81001", "name": "", "gateway": "old", "address": "", "role": "active"},
        {"practice": "A81001", "name": "", "gateway": "new", "address": "", "role": "standby", "computer": "SURGERY-2"},
        {"practice": "A81002", "name": "", "gateway": "maybe", "address": "", "role": "candidate"},
        {"practice": "A81003", "name": "", "gateway": "gone", "address": "", "role": "retired"},
    ]
    machines = estate.make(rows, state="ready", seed=1, packages=PACKAGES, endpoints=ENDPOINTS, now=NOW)
    assert list(machines) == ["old", "new", "maybe", "gone"]
    assert machines["old"].services[0].state == "running"
    assert (machines["new"].services[0].state, machines["new"].services[0].start_mode) == ("stopped", "disabled")
    assert machines["new"].identity.computer_name == "SURGERY-2"
    assert machines["maybe"].services == machines["gone"].services == []
    assert [machine.systmone.gateway_mode for machine in machines.values()] == [True, False, False, False]


def test_one_machine_is_enough() -> None:
    assert _is_ready(one("ready"))
