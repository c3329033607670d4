"""A practice's gateway moves from one PC to another: never two Connectors, and always a way back."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from provisioner.ansible.results import StepResult
from provisioner.errors import InputError, PlanRefused
from provisioner.execute import engine
from provisioner.execute.failpoints import Failpoint
from provisioner.journal import Event, standing
from provisioner.migration import stages, stand
from provisioner.model import Result, Role, Step, Wave
from provisioner.plan import rollout as planning
from tests.fixtures.dying import dies
from tests.migration.operators import NEW, OLD, Operator, judged, operator, results, state, stop_after
from tests.worlds.acts import BEGIN, Killed
from tests.worlds.disk import LabWorld

__all__ = ["operator"]  # fixtures


DAY = BEGIN.date()


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


def test_none_begins_where_nothing_would_make_the_new_ones_service(operator: Operator) -> None:
    """A standby is not asked for a service: it was found out after the new gateway had been changed."""
    path = operator.folder / "fleet.yml"
    text = path.read_text("utf-8")
    assert operator.planned().gaps == ()
    path.write_text("".join(line for line in text.splitlines(keepends=True) if "procrun" not in line), "utf-8")
    (lack,) = operator.planned(2).gaps
    assert (lack.gateway, lack.control, lack.owner) == (NEW, "R17-service", "vendor")
    assert "packages.procrun" in lack.ask


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


class TestBadInput:
    def test_practices_and_gateways_that_do_not_fit(self, operator: Operator) -> None:
        fleet = operator.world().fleet
        with pytest.raises(InputError, match="not in this fleet"):
            stages.resolve_move(fleet, "A81001", NEW, DAY)
        with pytest.raises(InputError, match="no gateway ELSEWHERE"):
            stages.resolve_move(fleet, "B84001", "ELSEWHERE", DAY)
        with pytest.raises(InputError, match="active gateway already"):
            stages.resolve_move(fleet, "B84001", OLD, DAY)

    def test_what_was_likely_meant(self, operator: Operator) -> None:
        fleet = operator.world().fleet
        for practice, to, meant in (
            ("B84010", NEW, "Did you mean B84001?"),
            (NEW, NEW, "It is a gateway of B84001: give that code."),
            ("B84001", f"{NEW}X", f"Did you mean {NEW}?"),
        ):
            with pytest.raises(InputError) as refused:
                stages.resolve_move(fleet, practice, to, DAY)
            assert refused.value.hint.startswith(meant)

    def test_nothing_is_confirmed_that_a_reading_has_settled(self, operator: Operator) -> None:
        operator.run(operator.planned())
        with operator.journal() as journal:
            before = len(journal.events())
            with pytest.raises(InputError, match=r"gateway-ended on .* is done already: shown by a reading") as refused:
                stand.confirm(journal, "B84001", "gateway-ended", by="B. Person")
            assert "Now: online-record (" in refused.value.hint
            with pytest.raises(InputError, match="Which step") as asked:
                stand.confirm(journal, "B84001", "", by="B. Person")
            assert "Now: online-record (" in asked.value.hint and "gateway-ended" not in asked.value.hint
            with pytest.raises(InputError, match="B84010 has no open migration") as unknown:
                stand.confirm(journal, "B84010", "online-record", by="B. Person")
            assert unknown.value.hint == "Did you mean B84001?"
            assert len(journal.events()) == before
            stand.confirm(journal, "B84001", "online-record", by="B. Person")
            assert len(journal.events()) == before + 1

    def test_to_a_gateway_that_is_stated_to_be_off(self, operator: Operator) -> None:
        state(operator, NEW, "in a cupboard")
        with pytest.raises(InputError, match="switched off and stays so"):
            stages.resolve_move(operator.world().fleet, "B84001", NEW, DAY)
        # After its day the statement says nothing any more.
        assert stages.resolve_move(operator.world().fleet, "B84001", NEW, date(2028, 1, 1)).new == NEW

    def test_a_gateway_of_another_practice(self, tmp_path: Path) -> None:
        fleet = LabWorld.make(tmp_path, ("B84001", "B84002")).fleet
        with pytest.raises(InputError, match="is a gateway of B84002"):
            stages.resolve_move(fleet, "B84001", "NEW-B84002", DAY)

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

    def meanwhile(steps: Sequence[Step], run_tag: str) -> Mapping[str, StepResult]:
        with operator.journal() as journal:
            journal.append([Event(at=world.now(), kind="migration_opened", plan="move-2", body=move)])
        return world.act(steps, run_tag)

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


@pytest.mark.parametrize("read_anew", [True, False])
def test_a_file_is_not_made_from_another_template_than_was_planned(operator: Operator, read_anew: bool) -> None:
    """What is planned, and approved, is what is done: of a changed template a proof tells only once it is there."""
    folder = operator.folder
    (folder / "site.j2").write_text("practice={{ practice }}\n", "utf-8")
    fleet_yml = folder / "fleet.yml"
    files = "connector: {files: [{path: conf/site.ini, template: site.j2}], carry"
    fleet_yml.write_text(fleet_yml.read_text("utf-8").replace("connector: {carry", files), "utf-8")
    plan, asked = operator.planned(), list[str]()

    def act(steps: Sequence[Step], run_tag: str) -> Mapping[str, StepResult]:
        asked.extend(step.id for step in steps)
        return {step.id: StepResult(result="failed", message="no disk") for step in steps}

    operator.run(plan, apply=act)
    assert f"{NEW}-connector" in asked
    (folder / "site.j2").write_text("practice={{ practice }}\nother=1\n", "utf-8")
    if read_anew:
        fleet_yml.write_text(f"{fleet_yml.read_text('utf-8')}# changed\n", "utf-8")
    asked.clear()
    ended = operator.run(plan, apply=act)
    assert f"{NEW}-connector" not in asked
    (outcome,) = [one for one in ended.outcomes if one.step == f"{NEW}-connector"]
    assert outcome.result is Result.STALE
    assert "C:\\iPlato\\conf\\site.ini would be made from another template or row than was planned" in outcome.message
