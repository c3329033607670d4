"""A plan is done wave by wave, proved by fresh readings, stopped by its budget, and gone on with."""

import itertools
import os
import pickle
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from provisioner import journal as journals
from provisioner import processes
from provisioner.ansible.playbook import StepResult
from provisioner.errors import InputError, JournalError, LeaseHeld, PlanRefused, ReadOnlyFleet
from provisioner.execute import admission, engine
from provisioner.execute import budget as budgets
from provisioner.execute.admission import Asked
from provisioner.execute.events import Happening, PersonAwaited, RunStarted
from provisioner.execute.shards import shards
from provisioner.journal import Event, Journal, file, started
from provisioner.model import Budget, Outcome, Plan, Result, Role, Step
from tests.worlds.memory import AT, Machine, World, fleet, gateway, no_connector, ports


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "journal.db") as opened:
        yield opened


def apply(world: World, plan: Plan, journal: Journal, **changes: Any) -> engine.Ended:
    asked = {name: changes.pop(name) for name in tuple(changes) if name in Asked.__dataclass_fields__}
    digest = changes.pop("policy_digest", "p1")
    return engine.run(
        plan, world.fleet, journal, ports(world, **changes), policy_digest=digest, asked=Asked(**asked)
    )  # fmt: skip


def results(ended: engine.Ended) -> dict[str, str]:
    return {outcome.step: outcome.result for outcome in ended.outcomes}


def some(count: int, **rollout: Any) -> World:
    return World(fleet(*(gateway(f"B840{number:02}") for number in range(count)), **rollout))


def test_a_plan_is_done_and_proved(journal: Journal) -> None:
    world = some(3)
    plan = world.plan()
    ended = apply(world, plan, journal)
    assert set(results(ended).values()) == {"done"}
    assert ended.exit_code == 0
    assert ended.stopped == ""
    assert all(outcome.changed and outcome.before == {"was": "nothing"} for outcome in ended.outcomes)
    assert world.plan().steps == ()
    assert journal.verify() == ""
    assert journal.leases() == []
    assert journal.durations()["firewall"] == 2.0


def test_a_finished_plan_again_runs_nothing(journal: Journal) -> None:
    world = some(3)
    plan = world.plan()
    apply(world, plan, journal)
    world.acts.clear()
    ended = apply(world, plan, journal)
    assert set(results(ended).values()) == {"unchanged"}
    assert ended.exit_code == 0
    assert world.acts == []


def test_starts_come_after_all_else_of_the_gateway_is_proved(journal: Journal) -> None:
    world = some(1)
    apply(world, world.plan(), journal)
    assert world.acts == ["B84000-firewall", "B84000-service", "B84000-start"]
    # Read before, after the roles, the whole practice before the start, after the start.
    assert len(world.readings) == 4


def test_what_is_right_already_is_left_alone(journal: Journal) -> None:
    world = some(1)
    plan = world.plan(remedies=["firewall"])
    world.machines["B84000"].rule = True
    assert results(apply(world, plan, journal)) == {"B84000-firewall": "unchanged"}
    assert world.acts == []


def test_facts_that_are_not_those_planned_are_stale(journal: Journal) -> None:
    world = some(1)
    plan = world.plan(remedies=["firewall"])
    world.machines["B84000"].other_rule = "blocked by a rule of somebody else"
    ended = apply(world, plan, journal)
    assert results(ended) == {"B84000-firewall": "stale"}
    assert "somebody else" in ended.outcomes[0].message
    assert ended.exit_code == 4
    assert world.acts == []


def test_another_pc_at_the_address_is_stale(journal: Journal) -> None:
    world = some(1)
    plan = world.plan(remedies=["firewall"])
    world.machines["B84000"].right_pc = False
    assert results(apply(world, plan, journal)) == {"B84000-firewall": "stale"}
    assert world.acts == []


def test_an_installer_of_ours_that_still_runs_is_waited_for(journal: Journal) -> None:
    world = some(1)
    plan = world.plan(remedies=["firewall"])
    world.machines["B84000"].unfinished = "connector.msi"
    ended = apply(world, plan, journal)
    assert results(ended) == {"B84000-firewall": "waiting"}
    assert "connector.msi" in ended.outcomes[0].message
    world.machines["B84000"].unfinished = ""
    assert results(apply(world, plan, journal)) == {"B84000-firewall": "done"}


def test_what_another_team_changed_meanwhile_is_not_taken_for_our_own_doing(journal: Journal) -> None:
    world = some(1)
    plan = world.plan(remedies=["firewall"])

    def held(steps: Sequence[Step], mark: str) -> dict[str, StepResult]:
        world.machines["B84000"].other_rule = "a rule for three"
        return {step.id: StepResult(result="held", message="another team works on this gateway") for step in steps}

    assert results(apply(world, plan, journal, apply=held)) == {"B84000-firewall": "waiting"}
    assert results(apply(world, plan, journal)) == {"B84000-firewall": "stale"}
    assert world.acts == []


def test_ansible_ok_without_proof_is_a_failure(journal: Journal) -> None:
    world = some(1)
    plan = world.plan(remedies=["firewall"])

    def says_ok(steps: Sequence[Step], mark: str) -> dict[str, StepResult]:
        return {step.id: StepResult(result="ok", changed=True) for step in steps}

    ended = apply(world, plan, journal, apply=says_ok)
    assert results(ended) == {"B84000-firewall": "failed"}
    assert ended.outcomes[0].message == "Ansible said ok, but the reading does not show it: R14-rule: no rule"


def test_a_proof_counts_whatever_ansible_says(journal: Journal) -> None:
    world = some(1)
    plan = world.plan(remedies=["firewall"])

    def loses_the_answer(steps: Sequence[Step], mark: str) -> dict[str, StepResult]:
        world.act(steps, mark)
        return {}

    assert results(apply(world, plan, journal, apply=loses_the_answer)) == {"B84000-firewall": "done"}


def test_an_act_that_breaks_costs_its_shard_only(journal: Journal) -> None:
    world = some(4, waves=(), shard=1, unknown=None)
    plan = replace(world.plan(remedies=["firewall"]), budget=Budget(first_wave=9, unknown=None))

    def breaks(steps: Sequence[Step], mark: str) -> dict[str, StepResult]:
        if steps[0].gateway == "B84001":
            raise RuntimeError("no such thing")
        return world.act(steps, mark)

    ended = apply(world, plan, journal, apply=breaks)
    assert sorted(results(ended).values()) == ["done", "done", "done", "unknown"]
    assert "no such thing" in next(one.message for one in ended.outcomes if one.result is Result.UNKNOWN)


def test_a_failure_in_the_first_wave_stops(journal: Journal) -> None:
    world = some(3)
    plan = world.plan(remedies=["firewall"])
    world.machines["B84000"].broken["firewall"] = "access denied"
    ended = apply(world, plan, journal)
    assert results(ended) == {"B84000-firewall": "failed", "B84001-firewall": "skipped", "B84002-firewall": "skipped"}
    assert "the first wave went wrong at B84000" in ended.stopped
    assert ended.exit_code == 4
    assert world.acts == ["B84000-firewall"]
    assert set(journal.progress(plan.id).outcomes) == {"B84000-firewall"}


def test_the_second_failure_stops_and_the_first_does_not(journal: Journal) -> None:
    world = some(9, waves=(1, 3, 3))
    plan = world.plan(remedies=["firewall"])
    for name in ("B84002", "B84004"):
        world.machines[name].broken["firewall"] = "access denied"
    ended = apply(world, plan, journal)
    assert (
        list(results(ended).values())
        == ["done"] * 2 + ["failed"] + ["done"] + ["failed"] + ["done"] * 2 + ["skipped"] * 2
    )
    assert "2 gateways failed (B84002, B84004); 1 may" in ended.stopped


def test_failures_stop_further_shards_of_the_same_wave(journal: Journal) -> None:
    world = some(40, waves=(), shard=1)
    plan = replace(world.plan(remedies=["firewall"]), budget=Budget(first_wave=99))
    for machine in world.machines.values():
        machine.broken["firewall"] = "access denied"
    ended = apply(world, plan, journal)
    assert ended.exit_code == 4
    assert len(world.acts) < 10


def test_shards_that_ansibles_words_held_up_are_done_when_the_reading_says_better(journal: Journal) -> None:
    world = some(12, waves=(), shard=1)
    plan = replace(world.plan(remedies=["firewall"]), budget=Budget(first_wave=99))

    def complains(steps: Sequence[Step], mark: str) -> dict[str, StepResult]:
        return {id: replace(said, result="failed") for id, said in world.act(steps, mark).items()}

    ended = apply(world, plan, journal, apply=complains)
    assert set(results(ended).values()) == {"done"}
    assert len(world.acts) == 12


def test_unreachable_gateways_do_not_stop_the_rest(journal: Journal) -> None:
    world = some(5)
    plan = world.plan(remedies=["firewall"])
    for name in ("B84000", "B84001", "B84002"):
        world.machines[name].online = False
    ended = apply(world, plan, journal)
    assert list(results(ended).values()) == ["unreachable"] * 3 + ["done"] * 2
    assert ended.exit_code == 3


def test_the_budget_is_said_before_anything_is_done(journal: Journal) -> None:
    world, said = some(26), list[Happening]()
    apply(world, world.plan(remedies=["firewall"]), journal, notify=said.append)
    assert isinstance(said[0], RunStarted)
    assert said[0].budget == (
        "Stops when the first gateway of the first wave fails or ends unknown, or a second of all 26 fails, or a "
        "second of all 26 refuses the log-in, or a second of all 26 ends unknown; any number that are unreachable "
        "do not stop it."
    )


def test_the_budget_counts_each_kind_apart() -> None:
    def outcome(number: int, result: Result) -> Outcome:
        return Outcome(step=f"{number}", gateway=f"{number}", result=result, changed=False, started=AT, ended=AT)

    budget = Budget(failed=1, unknown=1, unreachable=2)
    assert budgets.past(budget, [outcome(1, Result.FAILED), outcome(2, Result.UNKNOWN)], ()) == ""
    assert budgets.past(budget, [outcome(number, Result.UNREACHABLE) for number in range(3)], ())
    assert budgets.past(budget, [outcome(number, Result.UNKNOWN) for number in range(2)], ())
    assert budgets.past(budget, [outcome(1, Result.FAILED), outcome(1, Result.FAILED)], ()) == ""
    assert budgets.past(budget, [outcome(1, Result.UNKNOWN)], ("1",))


def test_a_first_start_waits_for_approve_and_goes_on(journal: Journal) -> None:
    world = World(fleet(gateway("B84001"), approve_wait=6.0), B84001=Machine(approved=False))
    plan, said = world.plan(), list[Happening]()
    ended = apply(world, plan, journal, notify=said.append)
    assert results(ended)["B84001-start"] == "waiting"
    assert "Approve" in ended.outcomes[-1].message
    assert ended.exit_code == 4
    assert any(isinstance(one, PersonAwaited) for one in said)
    # Not pressed yet: still waiting, and nothing is started again.
    world.acts.clear()
    assert results(apply(world, plan, journal))["B84001-start"] == "waiting"
    world.machines["B84001"].approved = True
    assert set(results(apply(world, plan, journal)).values()) == {"unchanged"}
    assert world.acts == []


def test_approve_pressed_in_time_ends_the_wait(journal: Journal) -> None:
    world = World(fleet(gateway("B84001"), approve_wait=60.0), B84001=Machine(approved=False))
    plan = world.plan()
    world.presses_after = timedelta(seconds=4)
    ended = apply(world, plan, journal)
    assert results(ended)["B84001-start"] == "done"
    assert (world.clock - AT).total_seconds() < 10


def test_nothing_is_started_where_the_service_failed(journal: Journal) -> None:
    world = some(1)
    plan = world.plan()
    world.machines["B84000"].broken["service"] = "logon right denied"
    ended = apply(world, plan, journal)
    assert results(ended) == {"B84000-firewall": "done", "B84000-service": "failed", "B84000-start": "skipped"}
    assert "B84000-start" not in world.acts


def test_nothing_is_started_where_another_connector_has_come_up_since(journal: Journal) -> None:
    world = World(
        fleet(gateway("B84001"), gateway("OLD", Role.STANDBY, practice="B84001")), OLD=Machine(rule=True, service=True)
    )
    plan = world.plan()
    assert "B84001-start" in {step.id for step in plan.steps}
    world.machines["OLD"].running = True
    ended = apply(world, plan, journal)
    assert results(ended)["B84001-start"] == "stale"
    assert not world.machines["B84001"].running


def test_going_on_after_a_death_ends_what_was_left_and_lets_the_reading_judge(journal: Journal) -> None:
    world = some(2)
    plan = world.plan(remedies=["firewall"])
    # The dead run had begun one step, which took effect, and one that did not.
    journal.append(
        [
            started("B84000-firewall", "B84000", plan.id, AT, "m1"),
            started("B84001-firewall", "B84001", plan.id, AT, "m1"),
        ]
    )
    world.machines["B84000"].rule = True
    ended_marks: list[str] = []
    ended = apply(world, plan, journal, kill_leftovers=ended_marks.append)
    assert ended_marks == ["m1"]
    assert results(ended) == {"B84000-firewall": "unchanged", "B84001-firewall": "done"}
    assert world.acts == ["B84001-firewall"]
    kinds = [(event.step, event.body.get("result")) for event in journal.events(plan.id) if event.kind == "step_ended"]
    assert kinds[:2] == [("B84000-firewall", "unknown"), ("B84001-firewall", "unknown")]


def test_what_a_dead_run_of_another_plan_left_is_ended_before_anything_is_done(journal: Journal) -> None:
    """Its Ansible goes on by itself, on gateways that are ours now; a run that lives is left alone."""
    world = some(2)
    plan = world.plan(remedies=["firewall"])
    journal.append([started("B84001-service", "B84001", "plan-dead", AT, "m1")])
    journal.append([started("B84009-service", "B84009", "plan-alive", AT, "m2")])
    alice = processes.Process(user="alice", host="elsewhere", pid=3, started="x")
    journal.take(["plan-alive"], alice, "apply", AT, AT.replace(year=2027))
    log: list[str] = []

    def act(steps: Sequence[Step], mark: str) -> dict[str, StepResult]:
        log.extend(step.id for step in steps)
        return world.act(steps, mark)

    apply(world, plan, journal, apply=act, kill_leftovers=log.append)
    assert log == ["m1", "B84000-firewall", "B84001-firewall"]
    assert journal.progress("plan-dead").outcomes["B84001-service"].result is Result.UNKNOWN
    assert list(journal.progress("plan-alive").unended) == ["B84009-service"]
    assert [lease.gateway for lease in journal.leases()] == ["plan-alive"]


def test_a_run_that_ends_while_another_looks_for_dead_ones_is_not_taken_for_one(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = some(1)
    plan = world.plan(remedies=["firewall"])
    journal.append([started("B84009-service", "B84009", "plan-alive", AT, "m2")])
    take = journal.take

    def it_ends_first(gateways: Sequence[str], *more: Any) -> Any:
        if "plan-alive" in gateways:
            outcome = Outcome(
                step="B84009-service", gateway="B84009", result=Result.DONE, changed=True, started=AT, ended=AT
            )
            journal.append([journals.ended(outcome, "plan-alive")])
        return take(gateways, *more)

    monkeypatch.setattr(journal, "take", it_ends_first)
    marks: list[str] = []
    apply(world, plan, journal, kill_leftovers=marks.append)
    assert marks == []
    assert journal.progress("plan-alive").outcomes["B84009-service"].result is Result.DONE


def test_facts_that_our_own_dead_run_moved_are_not_stale(journal: Journal) -> None:
    world = some(1)
    plan = world.plan(remedies=["firewall"])
    journal.append([started("B84000-firewall", "B84000", plan.id, AT, "m1")])
    world.machines["B84000"].other_rule = "half a rule"
    assert results(apply(world, plan, journal)) == {"B84000-firewall": "done"}


def test_drift_after_a_finished_plan_is_stale_when_it_is_another(journal: Journal) -> None:
    world = some(1)
    plan = world.plan(remedies=["firewall"])
    apply(world, plan, journal)
    world.machines["B84000"].rule, world.machines["B84000"].other_rule = False, "somebody's own rule"
    assert results(apply(world, plan, journal)) == {"B84000-firewall": "stale"}


def test_an_interrupt_ends_what_runs_and_begins_nothing_further(journal: Journal) -> None:
    world, asked = some(3), threading.Event()
    plan = world.plan(remedies=["firewall"])

    def act(steps: Sequence[Step], mark: str) -> dict[str, StepResult]:
        asked.set()
        return world.act(steps, mark)

    ended = apply(world, plan, journal, apply=act, interrupted=asked.is_set)
    assert list(results(ended).values()) == ["done", "skipped", "skipped"]
    assert ended.stopped == "the operator ended it"
    assert ended.exit_code == 4
    assert set(results(apply(world, plan, journal)).values()) == {"unchanged", "done"}


def test_a_gateway_that_somebody_else_holds_waits_and_the_others_go_on(journal: Journal) -> None:
    world = some(3)
    plan = world.plan(remedies=["firewall"])
    other = processes.Process(user="alice", host="elsewhere", pid=3, started="x")
    journal.take(["B84001"], other, "plan-9", AT, AT.replace(year=2027))
    ended = apply(world, plan, journal)
    assert results(ended) == {"B84000-firewall": "done", "B84001-firewall": "waiting", "B84002-firewall": "done"}
    assert "alice@elsewhere" in next(one.message for one in ended.outcomes if one.result is Result.WAITING)
    assert [lease.gateway for lease in journal.leases()] == ["B84001"]


def test_one_run_of_a_plan_at_a_time(journal: Journal) -> None:
    world = some(1)
    plan = world.plan()
    other = processes.Process(user="alice", host="elsewhere", pid=3, started="x")
    journal.take([plan.id], other, "apply", AT, AT.replace(year=2027))
    with pytest.raises(LeaseHeld, match="alice"):
        apply(world, plan, journal)
    assert (world.acts, world.readings) == ([], [])


def test_leases_are_given_back_when_a_reading_breaks(journal: Journal) -> None:
    world = some(1)

    def breaks(*_: object) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        apply(world, world.plan(), journal, read=breaks)
    assert journal.leases() == []


def test_nothing_is_begun_when_the_journal_cannot_be_written(journal: Journal, tmp_path: Path) -> None:
    world = some(1)
    plan = world.plan()
    with Journal.open(journal.path, read_only=True) as closed, pytest.raises(JournalError, match="read-only"):
        apply(world, plan, closed)
    assert world.acts == []


def test_a_step_is_in_the_journal_before_it_is_done(journal: Journal) -> None:
    world = some(1)
    plan = world.plan(remedies=["firewall"])
    seen: list[Event] = []

    def act(steps: Sequence[Step], mark: str) -> dict[str, StepResult]:
        seen.extend(journal.progress(plan.id).unended.values())
        assert seen[0].body["mark"] == mark
        return world.act(steps, mark)

    assert results(apply(world, plan, journal, apply=act)) == {"B84000-firewall": "done"}
    assert [event.step for event in seen] == ["B84000-firewall"]


def test_what_a_plan_may_not_be_applied_to(journal: Journal) -> None:
    world = some(2)
    plan = world.plan()
    with pytest.raises(PlanRefused, match="another policy"):
        apply(world, plan, journal, policy_digest="p2")
    closed = replace(world.fleet, settings=replace(world.fleet.settings, read_only=True))
    with pytest.raises(ReadOnlyFleet):
        admission.refuse(plan, closed, "p1", Asked())
    rollout = replace(world.fleet.settings.rollout, approval=True)
    strict = replace(world.fleet, settings=replace(world.fleet.settings, rollout=rollout))
    with pytest.raises(InputError, match="approval"):
        admission.refuse(plan, strict, "p1", Asked())
    admission.refuse(plan, strict, "p1", Asked(approved_by="B. Person", ticket="CHG-7"))
    admission.refuse(plan, closed, "p1", Asked(), rehearsal=True)
    elsewhere = replace(world.fleet, gateways=tuple(replace(one, address="192.0.2.9") for one in world.fleet.gateways))
    with pytest.raises(PlanRefused, match="not for this fleet"):
        admission.refuse(plan, elsewhere, "p1", Asked())
    assert world.acts == []


def test_a_gateway_that_moved_is_refused_and_the_others_go_on(journal: Journal) -> None:
    world = some(2)
    plan = world.plan(remedies=["firewall"])
    rows = world.fleet.gateways
    world.fleet = replace(world.fleet, gateways=(rows[0], replace(rows[1], address="192.0.2.9")))
    assert results(apply(world, plan, journal)) == {"B84000-firewall": "done", "B84001-firewall": "stale"}


def closed() -> World:
    """A practice that has closed: its gateway has all that a Connector has, and is retired."""
    rows = fleet(gateway("B84001", Role.RETIRED), statements=[no_connector("B84001")])
    return World(rows, B84001=Machine(rule=True, service=True, running=True))


def test_a_retired_gateway_is_emptied_and_that_is_proved(journal: Journal) -> None:
    world = closed()
    plan = world.plan()
    ended = apply(world, plan, journal)
    assert results(ended) == {"B84001-service": "done", "B84001-firewall": "done"}
    assert world.acts == ["B84001-service", "B84001-firewall"]
    machine = world.machines["B84001"]
    assert (machine.service, machine.running, machine.rule) == (False, False, False)
    assert world.plan().steps == ()
    # How long it takes to bring something is not learned from taking it away.
    assert journal.durations() == {}


def test_nothing_is_taken_away_once_the_word_for_it_is_gone(journal: Journal) -> None:
    world = closed()
    plan = world.plan()
    world.fleet = replace(world.fleet, statements=())
    ended = apply(world, plan, journal)
    assert set(results(ended).values()) == {"stale"}
    assert "no-connector-wanted" in ended.outcomes[0].message
    assert ended.exit_code == 4
    assert world.acts == []


def test_the_active_gateway_is_looked_at_again_before_the_retired_one_is_emptied(journal: Journal) -> None:
    rows = fleet(gateway("B84001"), gateway("OLD", Role.RETIRED, practice="B84001"), statements=[])
    full = Machine(rule=True, service=True, running=True)
    world = World(rows, B84001=full, OLD=replace(full, running=False))
    plan = world.plan()
    assert [step.id for step in plan.steps] == ["OLD-service", "OLD-firewall"]
    world.machines["B84001"].running = False
    assert set(results(apply(world, plan, journal)).values()) == {"stale"}
    assert world.acts == []
    world.machines["B84001"].running = True
    assert set(results(apply(world, plan, journal)).values()) == {"done"}


@pytest.mark.parametrize(
    ("planned", "now"),
    [(Role.RETIRED, Role.ACTIVE), (Role.ACTIVE, Role.RETIRED), (Role.ACTIVE, Role.STANDBY)],
)
def test_a_plan_is_for_the_role_for_which_it_was_made(planned: Role, now: Role, journal: Journal) -> None:
    rows = fleet(gateway("B84001", planned), statements=[no_connector("B84001")])
    world = World(rows, B84001=Machine(rule=planned is Role.RETIRED))
    plan = world.plan(remedies=["firewall"])
    world.fleet = replace(rows, gateways=(gateway("B84001", now),))
    with pytest.raises(PlanRefused, match=f"it was planned as {planned}, and is {now} now"):
        apply(world, plan, journal)
    assert world.acts == []


def test_who_approved_it_is_in_the_journal(journal: Journal) -> None:
    world = some(1)
    apply(world, world.plan(), journal, approved_by="B. Person", ticket="CHG-7")
    begun = next(event for event in journal.events() if event.kind == "run_started")
    assert (begun.body["approved_by"], begun.body["ticket"]) == ("B. Person", "CHG-7")
    assert any("approved by B. Person, CHG-7" in entry.title for entry in journal.history())


def test_a_rehearsal_leaves_the_journal_and_the_starts_alone(journal: Journal) -> None:
    world = some(3)
    found = engine.rehearse(
        world.plan(), 2, lambda steps, mark: {step.id: StepResult(result="ok") for step in steps}, lambda: False
    )
    assert sorted(found) == [f"B8400{number}-{remedy}" for number in range(3) for remedy in ("firewall", "service")]
    assert journal.events() == []


class Kept(World):
    """A world on the disk: what was done to it stays done when the process that did it dies."""

    def __init__(self, path: Path) -> None:
        super().__init__(fleet(gateway("B84001"), gateway("B84002")))
        self.path = path
        if path.exists():
            self.machines, self.acts = pickle.loads(path.read_bytes())

    def act(self, steps: Sequence[Step], mark: str) -> dict[str, StepResult]:
        said = super().act(steps, mark)
        self.path.write_bytes(pickle.dumps((self.machines, self.acts)))
        return said


def killed_at_write(number: int, after: bool, world: World, plan: Plan, path: Path) -> bool:
    """Apply in a child that is killed at its nth write to the journal; whether it got that far."""
    child = os.fork()
    if child == 0:
        count, write = itertools.count(1), file.File.write

        @contextmanager
        def counted(self: file.File) -> Iterator[sa.Connection]:
            here = next(count) == number
            if here and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            with write(self) as connection:
                yield connection
            if here:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            with Journal.open(path) as journal:
                file.File.write = counted  # type: ignore[method-assign]
                apply(world, plan, journal)
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_write_nothing_is_lost_or_done_twice(tmp_path: Path, after: bool) -> None:
    for number in itertools.count(1):
        place = tmp_path / str(number)
        place.mkdir()
        world = Kept(place / "world")
        plan = world.plan()
        Journal.open(place / "journal.db").close()
        died = killed_at_write(number, after, world, plan, place / "journal.db")
        with Journal.open(place / "journal.db") as journal:
            world = Kept(place / "world")
            ended = apply(world, plan, journal)
            assert {outcome.result for outcome in ended.outcomes} <= {Result.DONE, Result.UNCHANGED}
            assert sorted(world.acts) == sorted(step.id for step in plan.steps)
            assert journal.verify() == ""
            assert journal.leases() == []
            assert journal.progress(plan.id).unended == {}
        if not died:
            break
    assert number > 15


@pytest.mark.parametrize(
    ("gateways", "largest", "cores", "sizes"),
    [
        (0, 25, 2, []),
        (1, 25, 2, [1]),
        (5, 25, 2, [5]),
        (6, 25, 2, [3, 3]),
        (20, 25, 2, [10, 10]),
        (20, 25, 64, [4, 3, 3, 4, 3, 3]),
        (60, 25, 2, [20, 20, 20]),
        (3, 1, 2, [1, 1, 1]),
    ],
)
def test_a_wave_is_shared_out_over_the_cores(gateways: int, largest: int, cores: int, sizes: list[int]) -> None:
    world = World(fleet(*(gateway(f"B840{number:02}") for number in range(gateways))))
    steps = world.plan().steps
    found = shards(steps, largest, cores)
    assert [len({step.gateway for step in shard}) for shard in found] == sizes
    assert [step for shard in found for step in shard] == list(steps)


def test_a_start_is_refused_when_something_required_is_gone_by_then(journal: Journal) -> None:
    """Planned while somebody was logged in to SystmOne; nobody is when it comes to the start."""
    world = some(1)
    plan = world.plan()
    world.machines["B84000"].logged_in = False
    ended = apply(world, plan, journal)
    assert world.acts == ["B84000-firewall", "B84000-service"]
    assert ended.outcomes[-1].result is Result.STALE
    assert "R2-logged-in" in ended.outcomes[-1].message
