"""Going on after a death, an interrupt, another team or a journal that breaks: nothing is lost or done twice."""

import itertools
import os
import pickle
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from provisioner import journal as journals
from provisioner import processes
from provisioner.ansible.results import StepResult
from provisioner.errors import JournalError, LeaseHeld
from provisioner.journal import Event, Journal, file, started
from provisioner.model import Outcome, Plan, Result, Step
from tests.execute.plans import apply, journal, results, some
from tests.worlds.memory import AT, World, fleet, gateway

__all__ = ["journal"]  # fixtures


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
    ended_tags: list[str] = []
    ended = apply(world, plan, journal, kill_leftovers=ended_tags.append)
    assert ended_tags == ["m1"]
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

    def act(steps: Sequence[Step], run_tag: str) -> dict[str, StepResult]:
        log.extend(step.id for step in steps)
        return world.act(steps, run_tag)

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
    tags: list[str] = []
    apply(world, plan, journal, kill_leftovers=tags.append)
    assert tags == []
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

    def act(steps: Sequence[Step], run_tag: str) -> dict[str, StepResult]:
        asked.set()
        return world.act(steps, run_tag)

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

    def act(steps: Sequence[Step], run_tag: str) -> dict[str, StepResult]:
        seen.extend(journal.progress(plan.id).unended.values())
        assert seen[0].body["mark"] == run_tag
        return world.act(steps, run_tag)

    assert results(apply(world, plan, journal, apply=act)) == {"B84000-firewall": "done"}
    assert [event.step for event in seen] == ["B84000-firewall"]


class Kept(World):
    """A world on the disk: what was done to it stays done when the process that did it dies."""

    def __init__(self, path: Path) -> None:
        super().__init__(fleet(gateway("B84001"), gateway("B84002")))
        self.path = path
        if path.exists():
            self.machines, self.acts = pickle.loads(path.read_bytes())

    def act(self, steps: Sequence[Step], run_tag: str) -> dict[str, StepResult]:
        said = super().act(steps, run_tag)
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
