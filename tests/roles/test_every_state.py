"""From every state that a reading can show, one apply ends in the wanted state, proved by the step's own controls; a
second changes nothing; and the way back ends as it was, or says why it cannot.

The roles are run by a real Ansible, without the wire (ansible_here.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from provisioner import remedies
from provisioner.ansible import playbook
from provisioner.ansible.inventory import WorkMarker
from provisioner.ansible.results import StepResult
from provisioner.execute import engine
from provisioner.journal import Journal
from provisioner.lab.estate import machines as estate
from provisioner.migration import stages
from provisioner.model import FINISHED, Budget, Move, Outcome, Plan, Result, Role, Step, Wave
from provisioner.plan import rollout as planning
from provisioner.plan import stopping, undo
from tests.conftest import own_run_tag
from tests.fixtures import states as states_fixtures
from tests.fixtures.lab import CONNECTOR, ENDPOINTS, FOLDER, JRE, SERVICE, zipped
from tests.fixtures.states import State
from tests.worlds import ansible_here
from tests.worlds.acts import BEGIN
from tests.worlds.disk import LabWorld

# Ten times what it takes where nothing else runs.
pytestmark = pytest.mark.timeout(900)

PROCRUN = zipped({"amd64/prunsrv.exe": "MZ procrun"})
PACKAGES: dict[str, dict[str, Any]] = {
    name: {"sha256": states_fixtures.sha256(content), "size": len(content), "content": content, "root": root}
    for name, content, root in (("jre", JRE, "jdk"), ("connector", CONNECTOR, ""), ("procrun", PROCRUN, "amd64"))
}
URLS = {f"http://127.0.0.1/{name}.zip": one["content"] for name, one in PACKAGES.items()}
_FLEET = """\
version: 1
lab: true
endpoints: [{endpoints}]
connection: {{transport: ntlm, tls: false, port: 5985, user: 'LAB\\x', credential: environment}}
packages:
{packages}
java: {{version: '17'}}
service: {{name: {service}, display_name: iPlato Connector, arguments: -jar C:\\iPlato\\connector.jar}}
connector: {{carry: [device.dat]}}
antivirus: {{exclude: {exclude}}}
rollout: {{approve_wait: 5, settle: 0, shard: 500, waves: []}}
"""
_UNLIMITED = Budget(failed=None, unreachable=None, refused=None, unknown=None, first_wave=10_000)


@dataclass
class Estate(LabWorld):
    """Gateways in these states, a practice each; real roles act on them."""

    states: Mapping[str, State] = None  # type: ignore[assignment]

    @classmethod
    def of(cls, folder: Path, states: Sequence[State], *, hosted: bool = True, exclude: str = "image") -> "Estate":
        """Ready gateways, each spoilt before anybody looks."""
        folder.mkdir(parents=True, exist_ok=True)
        named = {f"B84{number:03}": state for number, state in enumerate(states, 1)}
        assert len({(one.remedy, one.name) for one in states}) == len(states)
        rows = [
            {"practice": name, "name": state.name, "gateway": name, "address": "127.0.0.1", "role": state.role,
             "path": f"/{name}/wsman"}
            for name, state in named.items()
        ]  # fmt: skip
        lines = [",".join(rows[0]), *(",".join(f'"{value}"' for value in row.values()) for row in rows)]
        (folder / "practices.csv").write_text("\n".join(lines) + "\n", "utf-8")
        said = [
            f"{name},,{control},seen,A. Person,2026-11-01,2027-06-01,T-1"
            for name in named
            for control in ("R3-dedicated", "only-connector", "no-connector-wanted")
        ]
        header = "practice,gateway,control,says,by,on,until,ticket"
        (folder / "statements.csv").write_text("\n".join([header, *said]) + "\n", "utf-8")
        packages = "\n".join(
            f"  {name}: {{url: 'http://127.0.0.1/{name}.zip', sha256: '{one['sha256']}'"
            + (f", root: {one['root']}" if one["root"] else "") + "}"
            for name, one in PACKAGES.items() if hosted or name != "procrun"
        )  # fmt: skip
        text = _FLEET.format(endpoints=", ".join(ENDPOINTS), service=SERVICE, packages=packages, exclude=exclude)
        (folder / "fleet.yml").write_text(text, "utf-8")
        begin = BEGIN.timestamp() - 86_400
        machines = estate.make(
            [{**row, "role": "active"} for row in rows], state="ready", seed=1, packages=PACKAGES,
            endpoints=ENDPOINTS, now=begin,
        )  # fmt: skip
        for name, state in named.items():
            machine = machines[name]
            if state.role != "active":
                machine.systmone.gateway_mode = machine.systmone.logged_in = False
            if not hosted:
                machine.registry.keys = {one: key for one, key in machine.registry.keys.items() if "apache" not in one}
                machine.services[0].path = f'"{estate.IMAGE}" -jar {FOLDER}\\connector.jar'
            machine.disk.write(f"{FOLDER}\\device.dat", b"\x00device")
            state.spoil(machine)
        return cls(folder, machines, states=named)

    def save(self) -> None:
        """Nothing of it outlives the test."""

    def act(self, steps: Sequence[Step], names: Sequence[str] = ()) -> dict[str, StepResult]:
        """By a real Ansible."""
        marker = WorkMarker(journal=names[0], known=tuple(names[1:]), by="a test", minutes=120) if names else None
        lenders = [str(step.values.get("carry_from") or step.gateway) for step in steps]
        hosts = {
            name: {"ansible_connection": "winrm", "ansible_winrm_path": f"/{name}/wsman", "provisioner_plan": self.plan,
                   "service_settle_delay": 0}
            for name in dict.fromkeys([*(step.gateway for step in steps), *lenders])
        }  # fmt: skip
        return playbook.run(steps, hosts, lambda _: "", run_tag=own_run_tag("states"), marker=marker)

    plan = ""

    def run(self, plan: Plan) -> dict[str, Outcome]:
        """A plan to its end, whatever goes wrong on the way."""
        self.plan = plan.of or plan.id
        with Journal.open(self.folder / "journal.db") as journal:
            if plan.steps:
                engine.run(
                    replace(plan, budget=_UNLIMITED), self.fleet, journal, self.ports(journal), policy_digest="p1"
                )
            return dict(journal.progress(plan.id).outcomes)

    def back(self, plan: Plan, audit: Any) -> Plan:
        """The way back."""
        with Journal.open(self.folder / "journal.db") as journal:
            events = journal.events(plan.id, kinds=("step_started", "step_ended"))
            acted = undo.acted_on((event.kind, event.step, event.body) for event in events)
        return undo.make(plan, audit, acted, at=self.now(), plan_id=f"undo-{plan.id}")

    def named(self, gateway: str) -> str:
        """Which state a gateway was in."""
        return f"{self.states[gateway].remedy}: {self.states[gateway].name}"


@pytest.fixture
def estates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def make(states: Sequence[State], **fleet: Any) -> Estate:
        world = Estate.of(tmp_path / "fleet", states, **fleet)
        monkeypatch.setattr(playbook, "_play", ansible_here.play(world.machines, URLS, lambda: world.clock.timestamp()))
        return world

    yield make


def mended(world: Estate) -> None:
    """The whole of it: plan, apply, look, apply again, and back."""
    audit = world.audit(world.fleet.known)
    plan = planning.make(audit, world.fleet, at=world.now(), plan_id="plan-1")
    outcomes = world.run(plan)
    wrong = _wrong(world, plan, outcomes)
    after = planning.make(world.audit(world.fleet.known), world.fleet, at=world.now(), plan_id="plan-2")
    wrong += [
        f"{world.named(step.gateway)}: still to be done: {step.id}" for step in after.steps if not _held(world, step)
    ]
    wrong += _again(world, [step for step in plan.steps if not _held(world, step)])
    wrong += _undone(world, plan, audit, outcomes)
    assert not wrong, "\n".join(sorted(wrong))


def _held(world: Estate, step: Step) -> bool:
    return bool(world.states[step.gateway].held)


def _wrong(world: Estate, plan: Plan, outcomes: Mapping[str, Outcome]) -> list[str]:
    """What of the outcomes is not as it should be."""
    wrong = []
    for step in plan.steps:
        outcome, state = outcomes[step.id], world.states[step.gateway]
        said = f"{world.named(step.gateway)}: {step.id} is {outcome.result}: {outcome.message}"
        if state.held:
            right = outcome.result not in FINISHED and (state.held in outcome.message or step.remedy == "start")
            if not right:
                wrong.append(f"{said} (and should be held)")
        elif outcome.result not in FINISHED or "Ansible said" in outcome.message:
            wrong.append(said)
        elif outcome.result is Result.DONE and not outcome.before:
            wrong.append(f"{said}, and what was there before is not kept")
    return wrong


def _again(world: Estate, steps: Sequence[Step]) -> list[str]:
    """What a second apply of the same steps changes. Where a service was started too, a start sets it as well."""
    started = {step.gateway for step in steps if step.remedy == "start"}
    some = [step for step in steps if step.remedy != "service" or step.gateway not in started]
    acted, wrong = world.act(some), []
    for step in some:
        said = acted[step.id]
        if said.result != "ok" or said.changed:
            changed = [line for line in said.output if line.startswith("changed")]
            wrong.append(f"{world.named(step.gateway)}: {step.id} again: {said.result} {said.message} {changed}")
    return wrong


def _undone(world: Estate, plan: Plan, audit: Any, outcomes: Mapping[str, Outcome]) -> list[str]:
    """What of the way back is neither as it was nor said to be out of reach."""
    back = world.back(plan, audit)
    said = [(gap.gateway, gap.control, False, gap.message) for gap in back.gaps]
    said += [
        (one.gateway, one.step, one.result in FINISHED and "Ansible said" not in one.message, one.message)
        for one in world.run(back).values()
    ]
    wrong = []
    for gateway, step, right, message in said:
        state = world.states[gateway]
        right = (not right and state.gone in message) if state.gone and step.endswith(state.remedy) else right
        if not (right or state.held):
            wrong.append(f"{world.named(gateway)}: {step} the way back: {message}")
    return wrong


def test_every_state_of_a_hosted_service_is_mended(estates: Any) -> None:
    mended(
        estates([*states_fixtures.services(), *states_fixtures.hosted_services(), *states_fixtures.services("standby")])
    )


def test_every_state_of_a_service_of_the_vendors_is_mended(estates: Any) -> None:
    mended(estates(list(states_fixtures.vendor_services()), hosted=False))


def test_every_state_of_a_rule_an_exclusion_and_a_power_plan_is_mended(estates: Any) -> None:
    assert states_fixtures.fields("firewall", "rules") == set(states_fixtures.RULES)
    mended(estates([*states_fixtures.rules(), *states_fixtures.exclusions(), *states_fixtures.powers()]))


@pytest.mark.parametrize("exclude", ["folder", "process"])
def test_every_state_of_an_exclusion_is_mended_whatever_is_excluded(estates: Any, exclude: str) -> None:
    mended(estates(list(states_fixtures.exclusions(exclude)), exclude=exclude))


def test_every_state_of_a_runtime_and_a_folder_is_mended(estates: Any) -> None:
    mended(estates([*states_fixtures.runtimes(), *states_fixtures.connectors()]))


def test_all_of_ours_is_taken_away_whatever_is_there(estates: Any) -> None:
    mended(estates(list(states_fixtures.retired())))


def by_hand(world: Estate, steps: Sequence[Step], role: Role) -> Plan:
    """Steps of a migration by themselves, judged in that role."""
    rows = {row.name: row for row in world.fleet.known}
    places = {step.gateway: (step.practice, rows[step.gateway].address) for step in steps}
    return Plan(
        id="move-1", kind="rollout", at=world.now(), audit="a", fleet_digest="f", policy_digest="p1", places=places,
        waves=(Wave(number=1, steps=tuple(steps), roles=dict.fromkeys(places, role)),), budget=_UNLIMITED,
    )  # fmt: skip


def test_every_service_can_be_stopped_for_a_migration(estates: Any) -> None:
    world = estates(list(states_fixtures.services("active", "stop")))
    steps = [stopping.stop(world.fleet, row) for row in world.fleet.known]
    plan = by_hand(world, steps, Role.STANDBY)
    wrong = _wrong(world, plan, world.run(plan))
    wrong += _again(world, [step for step in steps if not _held(world, step)])
    assert not wrong, "\n".join(wrong)
    assert not [name for name in world.runs() if not world.states[name].held]


def test_a_file_is_carried_whatever_is_there(estates: Any) -> None:
    world = estates(list(states_fixtures.carried()))
    old, *rows = world.fleet.known
    moves = [Move(practice=row.practice, old=old.name, new=row.name, was=Role.STANDBY) for row in rows]
    steps = [stages._carry(world.fleet, row, move) for row, move in zip(rows, moves, strict=True)]
    acted = world.act(steps)
    assert [(one.result, len(one.before["files"])) for one in acted.values()] == [("ok", 0), ("ok", 1), ("ok", 1)]
    assert _again(world, steps) == []
    assert {bytes(world.machines[row.name].disk.file(f"{FOLDER}\\device.dat").content) for row in rows} == {
        b"\x00the device"
    }


def test_a_runtime_that_lies_elsewhere_is_closed_before_it_is_put_there(estates: Any) -> None:
    """What users may write to would not be what was verified."""
    world = estates([State("java", "elsewhere", lambda machine: None)])
    (row,) = world.fleet.known
    values = {**remedies.values(world.fleet, row, "java")[1], "java_home": "C:\\Java\\jre"}
    step = Step(
        id="java", gateway=row.name, practice=row.practice, kind="playbook", remedy="java", role="java", values=values
    )
    assert world.act([step])["java"].result == "ok"
    folder = world.machines[row.name].disk.folder("C:\\Java\\jre")
    assert (folder.protected, folder.private, folder.writers) == (True, False, [])
    elsewhere = replace(world.fleet.settings, java=replace(world.fleet.settings.java, home="C:\\Java\\jre"))
    assert remedies.values(replace(world.fleet, settings=elsewhere), row, "connector")[1]["connector_closed"] == [
        "C:\\Java\\jre"
    ]
    assert remedies.values(world.fleet, row, "connector")[1]["connector_closed"] == []
