"""A practice's gateway moves from one PC to another: never two Connectors, and always a way back."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from provisioner.ansible.playbook import StepResult
from provisioner.errors import InputError, PlanRefused
from provisioner.execute import engine, judge
from provisioner.execute.admission import Asked
from provisioner.execute.failpoints import Failpoint
from provisioner.journal import Event, Journal, standing
from provisioner.migration import stages
from provisioner.model import FINISHED, Audit, Plan, Result, Role, Step, Wave
from provisioner.plan import rollout as planning
from provisioner.plan import undo
from tests.fixtures.dying import dies
from tests.worlds.disk import BEGIN, Killed, LabWorld

OLD, NEW = "OLD-B84001", "NEW-B84001"
DAY = BEGIN.date()


@dataclass
class Operator:
    """Somebody who gives the commands, with the journal of their team."""

    folder: Path

    def world(self) -> LabWorld:
        return LabWorld.load(self.folder)

    def planned(self, number: int = 1) -> Plan:
        """The migration, planned and saved."""
        world = self.world()
        fleet = world.fleet
        move = stages.moved(fleet, "B84001", NEW, world.clock.date())
        audit = world.audit(stages.in_roles(fleet, stages.before(move)).known)
        plan = stages.make(audit, fleet, move, at=world.now(), plan_id=f"move-{number}")
        with self.journal() as journal:
            journal.save(audit)
            journal.save(plan)
        world.save()
        return plan

    def journal(self) -> Journal:
        return Journal.open(self.folder / "journal.db")

    def run(self, plan: Plan, **changes: Any) -> engine.Ended:
        """One command; what it does to the world stays."""
        world = self.world()
        with self.journal() as journal:
            ended = engine.run(
                plan, world.fleet, journal, world.ports(journal, **changes), policy_digest="p1", asked=Asked()
            )
        world.save()
        return ended

    def through(self, plan: Plan, most: int = 12) -> engine.Ended:
        """The command again and again, with a person who confirms what no reading shows."""
        for _ in range(most):
            ended = self.run(plan)
            waiting = {outcome.step for outcome in ended.outcomes if outcome.result is Result.WAITING}
            asked = [step for step in plan.steps if step.id in waiting and step.kind == "person" and not step.proves]
            if not asked:
                return ended
            for step in asked:
                self.confirm(plan, step.remedy)
        return ended

    def confirm(self, plan: Plan, remedy: str) -> None:
        step = next(step for step in plan.steps if step.remedy == remedy)
        world, body = self.world(), {"step": remedy, "by": "B. Person", "words": "seen"}
        with self.journal() as journal:
            journal.append([Event(at=world.now(), kind="confirmed", plan=plan.id, step=step.id, body=body)])

    def back(self, plan: Plan, number: int = 1) -> Plan:
        """The way back, planned and saved."""
        world = self.world()
        with self.journal() as journal:
            audit = journal.load(plan.audit)
            assert isinstance(audit, Audit)
            acted = undo.acted_on(
                (event.kind, event.step, event.body)
                for event in journal.events(plan.id, kinds=("step_started", "step_ended"))
            )
            outcomes = {
                id: one for id, one in journal.progress(plan.id).outcomes.items() if one.result in FINISHED
            }  # fmt: skip
            made = stages.back(
                plan,
                audit,
                world.fleet,
                acted,
                outcomes,
                at=world.now(),
                plan_id=f"undo-{number}",
            )
            journal.save(made)
        return made


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    LabWorld.make(tmp_path)
    return Operator(tmp_path)


def results(ended: engine.Ended) -> dict[str, str]:
    return {outcome.step: outcome.result.value for outcome in ended.outcomes}


def test_a_gateway_moves(operator: Operator) -> None:
    plan = operator.planned()
    assert plan.gaps == ()
    ended = operator.through(plan)
    world = operator.world()
    assert set(results(ended).values()) <= {"done", "unchanged"}
    assert ended.exit_code == 0
    assert world.runs() == {NEW}
    assert world.roles() == {OLD: "standby", NEW: "active"}
    assert world.two_at_once() == []
    old = world.machines[OLD].services[0]
    assert (old.state, old.start_mode) == ("stopped", "disabled")
    with operator.journal() as journal:
        assert standing.open_migrations(journal) == {"B84001": "move-1"}
        assert journal.verify() == ""


def test_the_order_on_the_machines(operator: Operator) -> None:
    """What the lab saw: nothing starts on the new PC before the old one was stopped and disabled."""
    operator.through(operator.planned())
    seen = [(event["gateway"], event["event"]) for event in operator.world().happened]
    assert seen.index((OLD, "service_stopped")) < seen.index((NEW, "service_started"))
    assert seen.index((NEW, "service_set")) < seen.index((OLD, "service_stopped"))
    assert seen.index((NEW, "carried")) < seen.index((NEW, "service_started"))


def test_what_is_carried_is_the_same_byte_for_byte(operator: Operator) -> None:
    operator.through(operator.planned())
    disk = operator.world().machines[NEW].disk
    carried = disk.file("C:\\iPlato\\device.dat")
    assert carried is not None
    assert carried.content == b"\x00device of OLD-B84001"


def test_a_person_who_does_nothing_is_waited_for_and_the_old_one_goes_on(operator: Operator) -> None:
    plan = operator.planned()
    world = operator.world()
    world.obliging = False
    world.save()
    ended = operator.run(plan)
    assert results(ended)[f"{OLD}-gateway-ended"] == "waiting"
    assert ended.exit_code == 4
    assert operator.world().runs() == {OLD}
    assert operator.world().roles() == {OLD: "active", NEW: "standby"}
    # Confirmed by a person, but the gateway itself shows otherwise.
    operator.confirm(plan, "gateway-ended")
    said = next(one for one in operator.run(plan).outcomes if one.step == f"{OLD}-gateway-ended")
    assert said.result is Result.WAITING
    assert "shows otherwise" in said.message
    assert operator.world().runs() == {OLD}


def test_nothing_starts_behind_a_fence_that_does_not_hold(operator: Operator) -> None:
    """Somebody starts the old one by hand while the practice logs in to SystmOne on the new one."""
    plan = operator.planned()
    world = operator.world()
    ports = world.ports()

    def meddles(happening: object) -> None:
        world.say(happening)  # type: ignore[arg-type]
        if "start SystmOne" in getattr(happening, "words", ""):
            world._service(world.machines[OLD], run=True)

    with operator.journal() as journal:
        ended = engine.run(
            plan, world.fleet, journal, replace(ports, notify=meddles), policy_digest="p1", asked=Asked()
        )
    world.save()
    start = next(one for one in ended.outcomes if one.step == f"{NEW}-start")
    assert start.result is Result.STALE
    assert f"a Connector runs on {OLD}" in start.message
    assert operator.world().two_at_once() == []
    assert operator.world().runs() == {OLD}


def test_hours_hold_a_move_up_before_the_old_one_is_stopped_and_not_after(operator: Operator) -> None:
    """It is Saturday, 20:00; the new one's start is known to take long."""
    fleet_yml = operator.folder / "fleet.yml"
    text = fleet_yml.read_text("utf-8").replace("settle: 60", "settle: 60, hours: 'Sat-Sun 19:00-20:04'")
    fleet_yml.write_text(text, "utf-8")
    plan = operator.planned()
    with operator.journal() as journal:
        journal.took([("start", 200.0)] * 3)
    ended = operator.run(plan)
    found = {outcome.step: outcome for outcome in ended.outcomes}
    assert found[f"{NEW}-service"].result is Result.DONE
    assert found[f"{OLD}-stop"].result is Result.WAITING
    assert "its window closes at Sat 28 Nov 20:04: moved to Sun 29 Nov 19:00" in found[f"{OLD}-stop"].message
    assert operator.world().runs() == {OLD}

    world = operator.world()
    world.clock += timedelta(hours=23, minutes=30)
    ports = world.ports()

    def slow(happening: object) -> None:
        if "start SystmOne" in getattr(happening, "words", ""):
            world.clock += timedelta(hours=2)
        world.say(happening)  # type: ignore[arg-type]

    with operator.journal() as journal:
        engine.run(plan, world.fleet, journal, replace(ports, notify=slow), policy_digest="p1", asked=Asked())
    assert world.runs() == {NEW}
    assert world.two_at_once() == []


@pytest.mark.parametrize("how", ["the line broke", "killed", "by hand"])
def test_a_stop_of_which_no_answer_came_counts_as_a_stop(operator: Operator, how: str) -> None:
    """The old one is stopped, nobody heard of it, and the window closes: the practice is not left without one."""
    fleet_yml = operator.folder / "fleet.yml"
    text = fleet_yml.read_text("utf-8").replace("settle: 60", "settle: 60, hours: 'Sat-Sun 19:00-21:00'")
    fleet_yml.write_text(text, "utf-8")
    plan = operator.planned()
    stop_after(operator, plan, "gateway-ended")
    world = operator.world()
    world.obliging = False

    def loses_the_answer(steps: Sequence[Step], mark: str) -> Mapping[str, StepResult]:
        world.act(steps, mark)
        if how == "killed":
            raise Killed
        return {step.id: StepResult(result="unreachable", message="the line broke") for step in steps}

    ports = world.ports(apply=loses_the_answer)
    world.tick()
    if how == "by hand":
        world._service(world.machines[OLD], run=False)
    with nullcontext() if how != "killed" else pytest.raises(Killed), operator.journal() as journal:
        engine.run(plan, world.fleet, journal, ports, policy_digest="p1", asked=Asked(patient=False))
    # A command that comes to nothing: it notes that the end of the killed one is not known.
    with operator.journal() as journal:
        engine.run(plan, world.fleet, journal, world.ports(interrupted=lambda: True), policy_digest="p1")
    world.obliging = True
    world.clock += timedelta(hours=2)
    world.save()
    assert world.runs() == set()
    assert operator.through(plan).exit_code == 0
    assert operator.world().runs() == {NEW}
    assert operator.world().two_at_once() == []


def test_an_old_one_that_cannot_be_reached_needs_a_named_persons_word(operator: Operator) -> None:
    plan = operator.planned()
    world = operator.world()
    world.offline = {OLD}
    world.save()
    ended = operator.run(plan)
    assert results(ended)[f"{OLD}-gateway-ended"] == "unreachable"
    assert NEW not in operator.world().runs()
    state(operator, OLD, "taken away by the van")
    # It lies dead in the van: nothing of it can be carried, and nothing of it runs.
    world = operator.world()
    world._service(world.machines[OLD], run=False)
    world.save()
    operator.confirm(plan, "carry")
    ended = operator.through(plan)
    assert results(ended)[f"{OLD}-stop"] == "unchanged"
    assert operator.world().runs() == {NEW}


def test_an_old_one_that_answers_is_not_off_though_it_cannot_be_read(operator: Operator) -> None:
    """A statement that is out of date: that PC is on, and its Connector runs."""
    state(operator, OLD, "taken away by the van")
    plan = operator.planned()
    world = operator.world()
    world.mute = {OLD}
    world.save()
    operator.confirm(plan, "carry")
    ended = operator.through(plan)
    assert ended.exit_code == 4
    assert results(ended)[f"{OLD}-gateway-ended"] == "unreachable"
    assert operator.world().runs() == {OLD}


def test_an_old_one_that_answers_again_when_the_new_one_starts_is_not_fenced(operator: Operator) -> None:
    plan = operator.planned()
    world = operator.world()
    world.offline = {OLD}
    world.save()
    state(operator, OLD, "taken away by the van")
    operator.confirm(plan, "carry")
    stop_after(operator, plan, "stop")
    world = operator.world()
    world.offline, world.mute = set(), {OLD}
    world.save()
    ended = operator.run(plan)
    assert NEW not in operator.world().runs()
    (start,) = [one for one in ended.outcomes if one.step == f"{NEW}-start"]
    assert "the fence does not hold" in start.message or start.result is Result.SKIPPED, start.message


def test_an_old_one_that_comes_back_before_the_end_is_stopped_by_the_next_command(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was stated to be off, and was: nothing had to be done there. Then somebody plugs it in again. Whatever the
    words are in which that was said."""
    monkeypatch.setattr(judge, "UNNEEDED", (*judge.UNNEEDED[:1], "in other words", *judge.UNNEEDED[2:]))
    state(operator, OLD, "taken away by the van")
    plan = operator.planned()
    world = operator.world()
    world._service(world.machines[OLD], run=False)
    world.offline = {OLD}
    world.save()
    operator.confirm(plan, "carry")
    operator.run(plan)
    assert operator.world().runs() == {NEW}
    world = operator.world()
    world.offline = set()
    world.machines[OLD].services[0].state = "running"
    world.save()
    operator.through(plan)
    old = operator.world().machines[OLD].services[0]
    assert (old.state, old.start_mode) == ("stopped", "disabled")
    assert operator.world().runs() == {NEW}


def test_a_statement_does_not_count_while_the_old_one_answers(operator: Operator) -> None:
    plan = operator.planned()
    state(operator, OLD, "it is off")
    world = operator.world()
    world.broken = {f"{OLD}/stop": "access denied"}
    world.save()
    ended = operator.through(plan)
    assert results(ended)[f"{OLD}-stop"] == "failed"
    assert operator.world().runs() == {OLD}


def state(operator: Operator, gateway: str, says: str) -> None:
    """A person states that the PC is switched off and stays so."""
    said = operator.folder / "statements.csv"
    row = f"B84001,{gateway},switched-off,{says},C. Person,2026-11-01,2027-06-01,T-2\n"
    said.write_text(said.read_text("utf-8") + row, "utf-8")


@pytest.mark.parametrize(("last", "waits"), [("service", "gateway-ended"), ("gateway-ended", "stop")])
def test_the_old_one_is_not_stopped_for_a_new_one_that_is_away(operator: Operator, last: str, waits: str) -> None:
    """Ready, but off the network when its turn comes; what is stated of it does not count, for it is to take over."""
    plan = operator.planned()
    stop_after(operator, plan, last)
    state(operator, NEW, "in a cupboard")
    world = operator.world()
    world.offline = {NEW}
    world.save()
    ended = operator.through(plan)
    found = {outcome.step: outcome for outcome in ended.outcomes}
    assert found[f"{OLD}-{waits}"].result is Result.WAITING
    assert f"{NEW}, which takes over, is away" in found[f"{OLD}-{waits}"].message
    assert ended.exit_code == 4
    assert operator.world().runs() == {OLD}
    # Nor is the practice asked to end what works.
    assert operator.world().machines[OLD].systmone.gateway_mode is (waits == "gateway-ended")
    world = operator.world()
    world.offline = set()
    world.save()
    assert operator.through(plan).exit_code == 0
    assert operator.world().runs() == {NEW}


def test_a_new_one_that_is_lost_before_its_start_is_no_end_of_a_move(operator: Operator) -> None:
    plan = operator.planned()
    stop_after(operator, plan, "stop")
    state(operator, NEW, "in a cupboard")
    world = operator.world()
    world.offline = {NEW}
    world.save()
    ended = operator.through(plan)
    assert results(ended)[f"{NEW}-gateway-started"] == "unreachable"
    assert ended.exit_code == 4


def test_the_way_back_to_a_gateway_that_is_gone_leaves_the_new_one_running(operator: Operator) -> None:
    state(operator, OLD, "taken away by the van")
    world = operator.world()
    world._service(world.machines[OLD], run=False)
    world.offline = {OLD}
    world.save()
    plan = operator.planned()
    operator.confirm(plan, "carry")
    operator.confirm(plan, "working")
    assert operator.through(plan).exit_code == 0
    assert operator.world().runs() == {NEW}
    ended = operator.through(operator.back(plan))
    assert results(ended)[f"{NEW}-stop"] == "waiting"
    assert ended.exit_code == 4
    assert operator.world().runs() == {NEW}
    assert operator.world().roles() == {OLD: "standby", NEW: "active"}


STEPS = ["standby", "java", "connector", "firewall", "antivirus", "service", "gateway-ended", "stop", "gateway-started",
         "carry", "start", "switched", "approve", "working"]  # fmt: skip


@pytest.mark.parametrize("last", STEPS)
def test_there_is_a_way_back_from_every_step(operator: Operator, last: str) -> None:
    """The run ends right after that step; what was there before is there again, and proved."""
    before = operator.world()
    state = {name: machine.to_json() for name, machine in before.machines.items()}
    plan = operator.planned()
    stop_after(operator, plan, last)
    back = operator.back(plan)
    ended = operator.through(back)
    assert ended.exit_code == 0, [(one.step, one.result, one.message) for one in ended.outcomes]
    world = operator.world()
    assert world.runs() == {OLD}
    assert world.roles() == {OLD: "active", NEW: "candidate"}
    assert world.two_at_once() == []
    now = {name: machine.to_json() for name, machine in world.machines.items()}
    for key in ("services", "firewall", "defender"):
        assert now[NEW][key] == state[NEW][key], key
    assert world.machines[NEW].disk.folder("C:\\iPlato") is None
    assert now[OLD]["services"] == state[OLD]["services"]
    with operator.journal() as journal:
        assert standing.open_migrations(journal) == {}


def stop_after(operator: Operator, plan: Plan, last: str) -> None:
    """Run until that step has ended, and no further."""
    seen: list[str] = []
    for _ in range(8):
        world = operator.world()

        def say(happening: object, world: LabWorld = world) -> None:
            world.say(happening)  # type: ignore[arg-type]
            outcome = getattr(happening, "outcome", None)
            if outcome is not None and outcome.result in FINISHED:
                seen.append(next(step.remedy for step in plan.steps if step.id == outcome.step))

        with operator.journal() as journal:
            ended = engine.run(
                plan,
                world.fleet,
                journal,
                world.ports(notify=say, interrupted=lambda: last in seen),
                policy_digest="p1",
            )
        world.save()
        if last in seen:
            return
        for step in plan.steps:
            if step.kind == "person" and not step.proves and results(ended)[step.id] == "waiting":
                operator.confirm(plan, step.remedy)
    raise AssertionError(f"{last} was not reached: {results(ended)}")


@pytest.mark.parametrize("fails", ["java", "connector", "firewall", "antivirus", "service", "carry", "start"])
def test_a_new_gateway_that_fails_at_a_step_leads_back(operator: Operator, fails: str) -> None:
    plan = operator.planned()
    world = operator.world()
    world.broken = {f"{NEW}/{fails}": "the disk broke"}
    world.save()
    ended = operator.through(plan)
    assert results(ended)[f"{NEW}-{fails}"] == "failed"
    assert ended.exit_code == 4
    world = operator.world()
    world.broken = {}
    world.save()
    back = operator.through(operator.back(plan))
    assert back.exit_code == 0, [(one.step, one.result, one.message) for one in back.outcomes]
    assert operator.world().runs() == {OLD}
    assert operator.world().two_at_once() == []


def test_a_way_back_that_fails_says_so_with_exit_5(operator: Operator) -> None:
    plan = operator.planned()
    stop_after(operator, plan, "working")
    world = operator.world()
    world.broken = {f"{NEW}/stop": "access denied"}
    world.save()
    back = operator.back(plan)
    ended = operator.through(back)
    assert ended.exit_code == 5
    assert operator.world().runs() == {NEW}
    assert operator.world().two_at_once() == []
    # Mended by hand, and the same command goes on to the end.
    world = operator.world()
    world.broken = {}
    world.save()
    assert operator.through(back).exit_code == 0
    assert operator.world().runs() == {OLD}


class TestBadInput:
    def test_practices_and_gateways_that_do_not_fit(self, operator: Operator) -> None:
        fleet = operator.world().fleet
        with pytest.raises(InputError, match="not in this fleet"):
            stages.moved(fleet, "A81001", NEW, DAY)
        with pytest.raises(InputError, match="no gateway ELSEWHERE"):
            stages.moved(fleet, "B84001", "ELSEWHERE", DAY)
        with pytest.raises(InputError, match="active gateway already"):
            stages.moved(fleet, "B84001", OLD, DAY)

    def test_to_a_gateway_that_is_stated_to_be_off(self, operator: Operator) -> None:
        state(operator, NEW, "in a cupboard")
        with pytest.raises(InputError, match="switched off and stays so"):
            stages.moved(operator.world().fleet, "B84001", NEW, DAY)
        # After its day the statement says nothing any more.
        assert stages.moved(operator.world().fleet, "B84001", NEW, date(2028, 1, 1)).new == NEW

    def test_a_gateway_of_another_practice(self, tmp_path: Path) -> None:
        fleet = LabWorld.make(tmp_path, ("B84001", "B84002")).fleet
        with pytest.raises(InputError, match="is a gateway of B84002"):
            stages.moved(fleet, "B84001", "NEW-B84002", DAY)

    def test_a_second_migration_while_one_is_open(self, operator: Operator) -> None:
        plan = operator.planned()
        world = operator.world()
        world.obliging = False
        world.save()
        operator.run(plan)
        with pytest.raises(PlanRefused, match="another migration is open: move-1"):
            operator.run(replace(plan, id="move-2"))


def test_a_second_operators_migration_begins_after_the_first_ones_look(operator: Operator) -> None:
    """Both have looked and seen none; the one that is quicker does it, and the other is told."""
    plan = operator.planned()
    said: list[str] = []

    def while_it_begins(happening: object) -> None:
        if not said:
            said.append(in_another_process(lambda: operator.run(replace(plan, id="move-2"))))

    operator.run(plan, notify=while_it_begins)
    assert said == ["LeaseHeld"]
    with operator.journal() as journal:
        assert [event.plan for event in journal.events(kinds=("migration_opened",))] == ["move-1"]


def in_another_process(run: Callable[[], object]) -> str:
    """The name of the error that it ends with there; "" for none."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        name = ""
        try:
            run()
        except BaseException as error:
            name = type(error).__name__
        os.write(write, name.encode())
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as pipe:
        return pipe.read()


@pytest.mark.parametrize("way", ["finish", "undo"])
def test_a_plan_of_a_migration_that_is_over_is_refused(operator: Operator, way: str) -> None:
    """One operator finishes it, or leads it back, while another one's question still waits for its yes."""
    plan = operator.planned()
    operator.through(plan)
    back = operator.back(plan)
    world = operator.world()
    audit = world.audit(stages.in_roles(world.fleet, {OLD: Role.RETIRED}).known)
    finish = stages.finish(audit, world.fleet, plan, at=world.now(), plan_id="finish-1")
    first, late = (finish, back) if way == "finish" else (back, finish)
    assert operator.through(first).exit_code == 0
    runs, roles = operator.world().runs(), operator.world().roles()
    for stale in (late, plan):
        with pytest.raises(PlanRefused, match="move-1 is over"):
            operator.run(stale)
    assert (operator.world().runs(), operator.world().roles()) == (runs, roles)


def test_a_migration_that_opens_during_a_rollout_is_seen_by_its_next_wave(tmp_path: Path) -> None:
    LabWorld.make(tmp_path, ("B84001", "B84002"))
    operator = Operator(tmp_path)
    world = operator.world()
    for machine in world.machines.values():
        machine.defender.paths = []
    audit = world.audit([row for row in world.fleet.known if row.role is Role.ACTIVE])
    rollout = planning.make(audit, world.fleet, at=world.now(), plan_id="plan-1")
    rollout = replace(rollout, waves=tuple(Wave(number=1, steps=(step,)) for step in rollout.steps))
    assert [step.gateway for step in rollout.steps] == [OLD, "OLD-B84002"]
    move = {"practice": "B84002", "old": "OLD-B84002", "new": "NEW-B84002"}

    def meanwhile(steps: Sequence[Step], mark: str) -> Mapping[str, StepResult]:
        with operator.journal() as journal:
            journal.append([Event(at=world.now(), kind="migration_opened", plan="move-2", body=move)])
        return world.act(steps, mark)

    with operator.journal() as journal:
        ended = engine.run(rollout, world.fleet, journal, world.ports(apply=meanwhile), policy_digest="p1")
    assert [outcome.result for outcome in ended.outcomes] == [Result.DONE, Result.WAITING]
    assert "move-2" in ended.outcomes[1].message


def test_a_migration_that_has_begun_goes_on_after_an_upgrade(operator: Operator) -> None:
    """Its policy is another one by now: what waits for a person for days is not barred for ever."""
    plan = operator.planned()
    with pytest.raises(PlanRefused, match="another policy"):
        operator.run(replace(plan, policy_digest="p0"))
    stop_after(operator, plan, "stop")
    assert operator.through(replace(plan, policy_digest="p0")).exit_code == 0
    assert operator.world().runs() == {NEW}
    with operator.journal() as journal:
        last = journal.events(plan.id, kinds=("run_started",))[-1]
    assert "by another policy than when it was planned" in last.body["words"]


def test_a_rollout_leaves_the_gateways_of_an_open_migration_alone(operator: Operator) -> None:
    """Between the fence and the start the old row still says active: a rollout would start it again."""
    plan = operator.planned()
    stop_after(operator, plan, "stop")
    world = operator.world()
    world.machines[OLD].systmone.logged_in = True
    world.save()
    fleet = world.fleet
    audit = world.audit(fleet.known)
    rollout = planning.make(audit, fleet, at=world.now(), plan_id="plan-1")
    assert [step.id for step in rollout.steps] == [f"{OLD}-start"]
    ended = operator.run(rollout)
    assert results(ended) == {f"{OLD}-start": "waiting"}
    assert "migration of this practice is open" in ended.outcomes[0].message
    assert operator.world().runs() == set()


def test_a_start_whose_end_nobody_heard_is_waited_for_before_the_other_starts(operator: Operator) -> None:
    """The run dies while the new one is being started, and the command goes on there: the way back must not race it."""
    plan = operator.planned()
    world = operator.world()
    world.slow_start = 40.0
    world.save()
    with pytest.raises(Killed):
        operator.through(plan)
    world = operator.world()
    world.slow_start = 0.0
    world.save()
    assert world.late
    ended = operator.through(operator.back(plan))
    assert ended.exit_code == 0
    assert operator.world().two_at_once() == []
    assert operator.world().runs() == {OLD}


@pytest.mark.parametrize("point", list(Failpoint), ids=lambda point: point.name)
@pytest.mark.parametrize("nth", [1, 4, 9])
def test_killed_at_any_point_a_migration_goes_on(tmp_path: Path, point: Failpoint, nth: int) -> None:
    """Killed with -9 at the first, a middle and a late passing of the point, then the same command: the machines are
    the judge. `make soak` goes through all passings."""
    operator = Operator(tmp_path)
    LabWorld.make(tmp_path)
    plan = operator.planned()
    dies(lambda: operator.through(plan), point, nth)
    ended = operator.through(plan)
    assert ended.exit_code == 0, [(one.step, one.result, one.message) for one in ended.outcomes]
    judged(operator, {NEW}, {OLD: "standby", NEW: "active"})


@pytest.mark.parametrize("point", list(Failpoint), ids=lambda point: point.name)
@pytest.mark.parametrize("nth", [2, 8])
def test_killed_at_any_point_a_migration_goes_back(tmp_path: Path, point: Failpoint, nth: int) -> None:
    operator = Operator(tmp_path)
    LabWorld.make(tmp_path)
    plan = operator.planned()
    dies(lambda: operator.through(plan), point, nth)
    with operator.journal() as journal:
        assert standing.open_migrations(journal) or nth == 1
    ended = operator.through(operator.back(plan))
    assert ended.exit_code == 0, [(one.step, one.result, one.message) for one in ended.outcomes]
    judged(operator, {OLD}, {OLD: "active", NEW: "candidate"})


def judged(operator: Operator, runs: set[str], roles: Mapping[str, str]) -> None:
    world = operator.world()
    assert world.two_at_once() == []
    assert world.runs() == runs
    assert world.roles() == roles
    with operator.journal() as journal:
        assert journal.verify() == ""
        assert journal.leases() == []
        begun = {event.gateway for event in journal.events(kinds=("step_started",))}
    assert {event["gateway"] for event in world.happened if event["event"] != "approve_pressed"} <= begun


def test_a_start_before_the_fence_would_be_caught(operator: Operator) -> None:
    """The judge bites: a plan whose stages were put in another order starts nothing, and a start by hand is seen."""
    plan = operator.planned()
    start = next(wave for wave in plan.waves if wave.steps[0].remedy == "start")
    wrong = [*plan.waves[:3], start, *(wave for wave in plan.waves[3:] if wave is not start)]
    ended = operator.run(replace(plan, waves=tuple(wrong)))
    assert results(ended)[f"{NEW}-start"] == "stale"
    assert operator.world().two_at_once() == []
    world = operator.world()
    for machine in world.machines.values():
        machine.on_event = world._hears(machine)
    world._service(world.machines[NEW], run=True)
    assert world.two_at_once() != []
