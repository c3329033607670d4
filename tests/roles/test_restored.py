"""What the roles do and undo on pretend gateways, by real Ansible: the machine is afterwards as it was."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from provisioner import remedies
from provisioner.ansible import inventory, playbook
from provisioner.ansible.results import StepResult
from provisioner.fleet import load
from provisioner.lab import Handle
from provisioner.lab.estate import drift
from provisioner.lab.estate.folder import Folder
from provisioner.lab.modules.package import UNINSTALL
from provisioner.lab.process import client
from provisioner.lab.windows.machine import Machine
from provisioner.model import Fleet, Step
from provisioner.model.settings import ConnectorFile, Package
from tests.conftest import own_run_tag
from tests.fixtures.lab import zipped

pytestmark = pytest.mark.timeout(590)

PLAN = "plan-20260105-210000-1a2b"
KEPT = "c:\\programdata\\provisioner"
ROLES = ("java", "connector", "firewall", "antivirus", "service", "power")
DRIFTS = (
    drift.rule_disabled,
    drift.rule_of_three,
    drift.old_java,
    drift.no_recovery,
    drift.not_delayed,
    drift.no_exclusion,
    drift.sleeps,
)

Spoil = Callable[[Machine], object]
Values = Mapping[str, Any]
Wanted = Mapping[str, Mapping[str, Values]]


@dataclass(frozen=True)
class Gateways:
    """A lab that is up, and how Ansible is run on it."""

    handle: Handle
    fleet: Fleet

    def run(self, wanted: Wanted, *, check: bool = False) -> dict[str, StepResult]:
        """By gateway the roles in their order, with variables beyond those of the fleet; what is said of each step,
        by `gateway-role`."""
        rows = {row.name: row for row in self.fleet.known}
        hosts = {name: inventory.connection(self.fleet, rows[name]) | {"provisioner_plan": PLAN} for name in wanted}
        steps = [
            Step(
                id=f"{name}-{role}",
                gateway=name,
                practice=rows[name].practice,
                kind="playbook",
                remedy=role,
                role=role,
                values={**remedies.values(self.fleet, rows[name], role)[1], **values},
            )
            for name, roles in wanted.items()
            for role, values in roles.items()
        ]
        return playbook.run(steps, hosts, lambda _: self.handle.password, run_tag=own_run_tag("undo"), check=check)

    def done(self, wanted: Wanted, *, check: bool = False) -> dict[str, StepResult]:
        """As `run`, where every step must end well."""
        acted = self.run(wanted, check=check)
        wrong = "\n".join(f"{name}: {one.message}" for name, one in acted.items() if one.result != "ok")
        assert not wrong, wrong
        return acted

    def state(self) -> dict[str, Any]:
        """The machines, but for what we keep there, folders' rights, and keys of the registry that hold nothing."""
        return {name: comparable(machine) for name, machine in self.handle.state().items()}


def comparable(machine: dict[str, Any]) -> dict[str, Any]:
    """One machine's state, as far as it is to be put back."""
    disk, registry = machine["disk"], machine["registry"]
    ours = (KEPT, "c:\\users\\provisioner", "c:\\users")
    files = {path: file["sha256"] for path, file in disk["files"].items() if not path.startswith(ours)}
    folders = sorted(path for path in disk["folders"] if not path.startswith(ours))
    values = {path: key["values"] for path, key in registry["keys"].items() if key["values"]}
    # A rule that is made anew has another id, in Windows too.
    firewall = {**machine["firewall"], "rules": [{**rule, "id": ""} for rule in machine["firewall"]["rules"]]}
    return {**machine, "disk": {"files": files, "folders": folders}, "registry": values, "firewall": firewall}


def changed(acted: Mapping[str, StepResult]) -> set[str]:
    """The steps that changed something, or would."""
    return {name for name, one in acted.items() if one.changed}


def undoing(wanted: Wanted, acted: Mapping[str, StepResult], **more: Any) -> Wanted:
    """The steps that put back what these had found, the last first."""
    return {
        name: {
            role: {f"{role}_state": "restored", f"{role}_before": acted[f"{name}-{role}"].before, **more}
            for role in reversed(list(roles))
        }
        for name, roles in wanted.items()
    }


@pytest.fixture
def gateways(lab: Callable[..., Handle]) -> Callable[..., Gateways]:
    """Brings up a lab of ready gateways, each spoilt before anybody looks."""

    def up(**spoils: Spoil) -> Gateways:
        handle = lab(*spoils, state="ready")
        folder = Folder(handle.folder)
        client.down(handle.folder)
        saved = json.loads(folder.state.read_text("utf-8"))
        for name, spoil in spoils.items():
            machine = Machine.from_json(saved[name])
            spoil(machine)
            saved[name] = machine.to_json()
        folder.state.write_text(json.dumps(saved), "utf-8")
        handle = client.up(handle.folder)
        fleet = load(handle.folder)
        (handle.folder / "c.j2").write_text("practice={{ practice }}\n", "utf-8")
        file = ConnectorFile(path="conf\\c.properties", template="c.j2")
        connector = replace(fleet.settings.connector, files=(file,))
        return Gateways(handle, replace(fleet, settings=replace(fleet.settings, connector=connector)))

    return up


def bare(machine: Machine) -> None:
    drift.nothing_installed(machine, ())


def drifted(machine: Machine) -> None:
    endpoints: Sequence[str] = machine.firewall.rules[0].remote_addresses
    for spoil in DRIFTS:
        spoil(machine, endpoints)
    machine.put_file("C:\\iPlato\\jre\\lib\\theirs.txt", b"theirs", 0.0)
    machine.put_file("C:\\iPlato\\conf\\c.properties", b"by hand", 0.0)


def rule_of_any_protocol(machine: Machine) -> None:
    """Everything as it should be, but that somebody made the rule by hand, for any protocol: it can have no ports."""
    as_it_is(machine)
    (rule,) = machine.firewall.rules
    rule.protocol, rule.remote_ports, rule.description, rule.interface_types = 256, [], "by hand", ["Lan"]


def as_it_is(machine: Machine) -> None:
    """A gateway that is ready, and whose files hold what the templates make."""
    machine.put_file("C:\\iPlato\\conf\\c.properties", f"practice={machine.name}\n".encode(), 0.0)


def test_all_roles_put_back_what_was_there(gateways: Callable[..., Gateways]) -> None:
    fleet = gateways(A84002=bare, A84005=drifted)
    before = fleet.state()
    wanted: Wanted = {name: {role: {} for role in ROLES} for name in before}
    acted = fleet.done(wanted)
    assert changed(acted) == set(acted) - {"A84002-power"}
    after = fleet.state()
    undo = undoing(wanted, acted)

    checked = fleet.done({"A84005": undo["A84005"]}, check=True)
    assert changed(checked) == set(checked)
    assert fleet.state() == after
    assert changed(fleet.done(undo)) == changed(acted)
    assert fleet.state() == before
    assert changed(fleet.done(undo)) == set()
    assert fleet.state() == before


def test_a_rule_of_any_protocol_is_replaced_and_put_back_whole(gateways: Callable[..., Gateways]) -> None:
    fleet = gateways(A84002=rule_of_any_protocol)
    before = fleet.state()
    wanted: Wanted = {"A84002": {"firewall": {}}}
    acted = fleet.done(wanted)
    assert acted["A84002-firewall"].result == "ok"
    (rule,) = fleet.state()["A84002"]["firewall"]["rules"]
    assert (rule["protocol"], rule["remote_ports"], rule["description"]) == (6, ["443"], "")
    assert changed(fleet.done(undoing(wanted, acted))) == {"A84002-firewall"}
    assert fleet.state() == before


def stopped(machine: Machine) -> None:
    as_it_is(machine)
    drift.service_stopped(machine, ())
    drift.not_delayed(machine, ())


def test_a_service_that_is_put_back_is_started_only_where_that_is_asked(gateways: Callable[..., Gateways]) -> None:
    fleet = gateways(A84002=as_it_is, A84005=as_it_is, A84006=stopped)
    before = fleet.state()
    retired = ("service", "antivirus", "firewall", "java", "connector")
    wanted: Wanted = {
        "A84002": {role: {f"{role}_state": "absent"} for role in retired},
        "A84005": {"service": {"service_state": "absent"}},
        "A84006": {"service": {"service_run": "started"}},
    }
    acted = fleet.done(wanted)
    assert [len(machine["services"]) for machine in fleet.state().values()] == [0, 0, 1]
    assert fleet.state()["A84006"]["services"][0]["state"] == "running"
    undo = dict(undoing(wanted, acted))
    whole = undo.pop("A84002")
    started = {**whole, "service": {**whole["service"], "service_run": "started"}}
    assert changed(fleet.done(undo) | fleet.done({"A84002": started})) == set(acted)
    after = fleet.state()
    assert after["A84002"] == before["A84002"]
    for name in ("A84005", "A84006"):
        (was,), (service,) = before[name]["services"], after[name]["services"]
        # It started by itself before; nobody here knows what runs elsewhere by now.
        assert service == {**was, "state": "stopped", "start_mode": "manual", "runs": ""}


def test_one_that_is_only_started_keeps_its_program_and_so_does_the_way_back(gateways: Callable[..., Gateways]) -> None:
    fleet = gateways(A84002=stopped, A84005=bare)
    before = fleet.state()
    started: Wanted = {"A84002": {"service": {"service_state": "started"}}}
    acted = fleet.done(started)
    assert {"exists", "program"} & acted["A84002-service"].before.keys() == {"exists"}
    after = fleet.state()["A84002"]
    assert (after["services"][0]["state"], after["disk"]) == ("running", before["A84002"]["disk"])
    assert changed(fleet.done(undoing(started, acted))) == {"A84002-service"}
    assert fleet.state()["A84002"]["services"] == [
        {**before["A84002"]["services"][0], "state": "stopped", "start_mode": "manual", "runs": ""}
    ]
    refused = fleet.run({"A84005": {"service": {"service_state": "started"}}})["A84005-service"]
    assert refused.result == "failed" and "Nothing was changed" in refused.message
    assert fleet.state()["A84005"] == before["A84005"]


ACCOUNT = {"exists": True, "username": "GP\\other", "state": "stopped", "start_mode": "manual", "path": "x"}
RULES = {"exists": True, "rules": 2, "changed": {"Enabled": "False"}}
GONE = {"files": {"C:\\iPlato\\conf\\c.properties": "ab" * 20}}
REFUSED: Mapping[str, tuple[str, Values, str]] = {
    "A84002": ("firewall", {}, "nothing is known"),
    "A84005": ("firewall", RULES, "2 rules of that name"),
    "A84006": ("antivirus", {}, "Nothing is known"),
    "A84007": ("power", {"plan": "another", "sleep_seconds": 1, "hibernate_seconds": 1}, "plan another is active no"),
    "A84008": ("service", {}, "nothing is known"),
    "A84013": ("service", ACCOUNT, "it ran as GP\\other, whose password nobody has given us"),
    "A84014": ("java", {"package": {"exists": True}}, "nothing of C:\\iPlato\\jre is kept in"),
    "A84016": ("connector", GONE, "c.properties.abababababab is gone"),
}


def test_what_cannot_be_put_back_is_refused_and_nothing_is_changed(gateways: Callable[..., Gateways]) -> None:
    fleet = gateways(**dict.fromkeys(REFUSED, as_it_is))
    before = fleet.state()
    acted = fleet.run(
        {name: {role: {f"{role}_state": "restored", f"{role}_before": was}} for name, (role, was, _) in REFUSED.items()}
    )
    said = {name: acted[f"{name}-{role}"] for name, (role, _, _) in REFUSED.items()}
    assert {name: one.result for name, one in said.items()} == dict.fromkeys(REFUSED, "failed")
    assert {name for name, (_, _, words) in REFUSED.items() if words not in said[name].message} == set()
    assert not [one.message for one in said.values() if "othing was changed" not in one.message]
    assert fleet.state() == before


NEW, OLD = "{11111111-0000-0000-0000-000000000001}", "{11111111-0000-0000-0000-000000000000}"


def with_an_older_one(machine: Machine) -> None:
    bare(machine)
    machine.registry.put(f"{UNINSTALL}\\{OLD}", "DisplayName", "String", "An older Connector")


def with_installer(fleet: Gateways, script: Mapping[str, Any], **files: str) -> Gateways:
    """The fleet, its Connector coming by an installer."""
    content = zipped({"lab-installer.json": json.dumps({"product_id": NEW, "name": "Connector", **script}), **files})
    (Folder(fleet.handle.folder).packages / "c.msi").write_bytes(content)
    old = next(package for name, package in fleet.fleet.settings.packages.items() if name == "connector")
    package = Package(
        url=old.url.replace("connector.zip", "c.msi"),
        sha256=hashlib.sha256(content).hexdigest(),
        kind="msi",
        product_id=NEW,
    )
    settings = replace(fleet.fleet.settings, packages={"connector": package})
    return replace(fleet, fleet=replace(fleet.fleet, settings=settings))


def test_what_an_installer_did_is_undone_only_where_nothing_was_there(gateways: Callable[..., Gateways]) -> None:
    fleet = gateways(A84002=bare, A84005=with_an_older_one)
    script = {"version": "2", "folder": "C:\\iPlato", "replaces": OLD}
    fleet = with_installer(fleet, script, **{"connector.jar": "jar"})
    before = fleet.state()
    wanted: Wanted = {name: {"connector": {}} for name in before}
    acted = fleet.done(wanted)
    after = fleet.state()
    undone = fleet.run(undoing(wanted, acted))
    assert {name: one.result for name, one in undone.items()} == {
        "A84002-connector": "ok",
        "A84005-connector": "failed",
    }
    assert f"it took the place of {OLD}. Nothing was changed." in undone["A84005-connector"].message
    assert fleet.state() == {"A84002": before["A84002"], "A84005": after["A84005"]}


def test_an_installer_starts_nothing_for_the_first_time_and_leaves_running_what_ran(
    gateways: Callable[..., Gateways],
) -> None:
    """One that stops the Connector while it works, and starts it where it finds none."""
    fleet = gateways(A84002=bare, A84005=as_it_is)
    image = fleet.fleet.settings.connector.image
    service = {"name": "iPlatoConnector", "image": image, "starts": True}
    script = {"folder": "C:\\iPlato", "service": service, "return_code": 3010}
    fresh = with_installer(fleet, script, **{image.removeprefix("C:\\iPlato\\").replace("\\", "/"): "MZ"})
    acted = fresh.done({"A84002": {"connector": {}}})["A84002-connector"]
    assert "the installer started iPlatoConnector by itself" in acted.message
    assert "restart needed" in acted.message
    (made,) = fresh.state()["A84002"]["services"]
    assert (made["state"], made["start_mode"]) == ("stopped", "manual")

    upgrade = with_installer(fleet, {**script, "service": {**service, "starts": False}})
    was = fleet.state()["A84005"]["services"]
    acted = upgrade.done({"A84005": {"connector": {}}})["A84005-connector"]
    assert acted.before["started_by_itself"] == []
    assert fleet.state()["A84005"]["services"] == was
    happened = [one["event"] for one in fleet.handle.events() if one["gateway"] == "A84005"]
    assert [one for one in happened if one.startswith("service_")] == ["service_stopped", "service_started"]
