"""Hours, gateways that are away, and the question whether to go on: what a rollout puts off, and goes on with."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from provisioner import processes
from provisioner.ansible.results import StepResult
from provisioner.errors import JournalError
from provisioner.execute import budget as budgets
from provisioner.execute.events import Happening, Queued
from provisioner.journal import Event, Journal
from provisioner.model import Evidence, Gateway, Outcome, Problem, Result, Step
from provisioner.model.settings import Rollout
from provisioner.report import outcomes
from tests.execute.plans import apply, results, some
from tests.worlds.memory import AT, World, fleet, gateway

# A Monday, 20:15 in London.
assert f"{AT:%a %H:%M}" == "Mon 20:15"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "journal.db") as opened:
        yield opened


def timed(*hours: str) -> World:
    """A world of gateways with these hours."""
    rows = [replace(gateway(f"B8400{number}"), hours=text) for number, text in enumerate(hours)]
    return World(fleet(*rows))


def test_a_practice_is_not_touched_outside_its_hours(journal: Journal) -> None:
    world = timed("Mon-Fri 19:00-23:00", "Tue 22:00-02:00")
    plan = world.plan(remedies=["firewall"])
    ended = apply(world, plan, journal)
    assert results(ended) == {"B84000-firewall": "done", "B84001-firewall": "waiting"}
    assert ended.exit_code == 4
    words = ended.outcomes[1].message
    assert words == "outside its hours (Tue 22:00-02:00): moved to Tue 24 Nov 22:00"
    assert world.acts == ["B84000-firewall"]


def test_what_cannot_end_before_the_window_closes_is_not_begun(journal: Journal) -> None:
    world = timed("Mon-Fri 19:00-20:17", "Mon-Fri 19:00-20:30")
    journal.took([("service", 100.0)] * 3)
    plan = world.plan(remedies=["firewall", "service"])
    ended = apply(world, plan, journal)
    assert results(ended) == {
        "B84000-firewall": "waiting", "B84000-service": "waiting",
        "B84001-firewall": "done", "B84001-service": "done",
    }  # fmt: skip
    assert "its window closes at Mon 23 Nov 20:17: moved to Tue 24 Nov 19:00" in ended.outcomes[0].message


def test_a_window_that_closes_in_the_middle_of_a_wave_ends_it(journal: Journal) -> None:
    """Each shard takes far longer than was thought: those that have not begun by then are moved."""
    world = timed(*["Mon-Fri 19:00-20:35"] * 8)
    world.fleet = replace(world.fleet, settings=replace(world.fleet.settings, rollout=Rollout(shard=1, waves=())))
    plan = world.plan(remedies=["firewall"])
    assert len(plan.waves) == 1

    def act(steps: Sequence[Step], run_tag: str) -> dict[str, StepResult]:
        world.clock += timedelta(minutes=6)
        return world.act(steps, run_tag)

    ended = apply(world, plan, journal, apply=act)
    found = list(results(ended).values())
    assert found.count("done") >= 2
    assert found.count("waiting") >= 2
    assert len(found) == found.count("done") + found.count("waiting")
    closes = datetime(2026, 11, 23, 20, 35, tzinfo=UTC)
    assert all(event.at < closes for event in journal.events(kinds=("step_started",)))
    moved = next(one for one in ended.outcomes if one.result is Result.WAITING)
    assert "moved to Tue 24 Nov 19:00" in moved.message
    assert not moved.changed
    # The next evening's command does what is left.
    world.clock = AT + timedelta(days=1)
    assert set(results(apply(world, plan, journal)).values()) <= {"done", "unchanged"}


def test_a_start_for_which_the_window_has_closed_is_moved(journal: Journal) -> None:
    world = timed("Mon-Fri 19:00-20:45")
    plan = world.plan()

    def act(steps: Sequence[Step], run_tag: str) -> dict[str, StepResult]:
        world.clock += timedelta(minutes=40)
        return world.act(steps, run_tag)

    ended = apply(world, plan, journal, apply=act)
    assert results(ended)["B84000-service"] == "done"
    assert results(ended)["B84000-start"] == "waiting"
    assert "B84000-start" not in world.acts


def test_now_goes_past_the_hours_and_its_reason_is_kept(journal: Journal) -> None:
    world = timed("Tue 22:00-02:00")
    ended = apply(world, world.plan(remedies=["firewall"]), journal, now_because="the vendor's line is down tomorrow")
    assert results(ended) == {"B84000-firewall": "done"}
    (begun,) = journal.events(kinds=("run_started",))
    assert begun.body["now_because"] == begun.body["because"] == "the vendor's line is down tomorrow"
    assert "outside hours because the vendor's line is down tomorrow" in begun.body["words"]


def test_a_rollout_that_waits_goes_on_when_the_window_opens(journal: Journal) -> None:
    world = timed("Mon 23:00-24:00")
    said = list[Happening]()
    plan = world.plan(remedies=["firewall"])
    ended = apply(world, plan, journal, notify=said.append, wait_until=AT + timedelta(hours=6))
    assert results(ended) == {"B84000-firewall": "done"}
    assert ended.exit_code == 0
    assert world.clock >= datetime(2026, 11, 23, 23, 0, tzinfo=UTC)
    assert [one.gateways for one in said if isinstance(one, Queued)] == [("B84000",)]


def test_gateways_that_are_away_are_waited_for(journal: Journal) -> None:
    world = some(3)
    plan = world.plan()
    world.machines["B84001"].online = False
    back = AT + timedelta(hours=2)

    def pause(seconds: float) -> None:
        World.pause(world, seconds)
        world.machines["B84001"].online = world.clock >= back

    ended = apply(world, plan, journal, pause=pause, wait_until=AT + timedelta(hours=4))
    assert set(results(ended).values()) == {"done"}
    assert [act for act in world.acts if "B84001" in act] == ["B84001-firewall", "B84001-service", "B84001-start"]
    assert back <= world.clock < back + timedelta(minutes=5)
    assert journal.leases() == []


def test_a_run_that_waits_for_long_keeps_its_lease(journal: Journal) -> None:
    world = timed("Tue 09:00-12:00")
    plan = world.plan(remedies=["firewall"])
    left: list[timedelta] = []

    def pause(seconds: float) -> None:
        World.pause(world, 600)
        left.extend(lease.until - world.clock for lease in journal.leases() if lease.gateway == plan.id)

    ended = apply(world, plan, journal, pause=pause, wait_until=AT + timedelta(hours=20))
    assert results(ended) == {"B84000-firewall": "done"}
    assert len(left) > 24
    assert min(left) > timedelta(hours=3)


def test_a_run_whose_lease_was_broken_and_taken_begins_nothing_further(journal: Journal) -> None:
    world = some(3, waves=(1, 1, 1))
    plan = world.plan(remedies=["firewall"])
    alice = processes.Process(user="alice", host="elsewhere", pid=3, started="x")

    def act(steps: Sequence[Step], run_tag: str) -> dict[str, StepResult]:
        journal.break_lease(plan.id, "alice", "it hangs", world.clock)
        journal.take([plan.id], alice, "apply", world.clock, world.clock + timedelta(hours=4))
        return world.act(steps, run_tag)

    ended = apply(world, plan, journal, apply=act)
    assert list(results(ended).values()) == ["done", "skipped", "skipped"]
    assert "was taken from this run: alice@elsewhere" in ended.stopped
    assert ended.exit_code == 4
    assert [lease.holder.user for lease in journal.leases()] == ["alice"]


def test_waiting_ends_with_its_time(journal: Journal) -> None:
    world = some(2)
    plan = world.plan(remedies=["firewall"])
    world.machines["B84001"].online = False
    ended = apply(world, plan, journal, wait_until=AT + timedelta(minutes=10))
    assert results(ended) == {"B84000-firewall": "done", "B84001-firewall": "unreachable"}
    assert ended.exit_code == 3


def test_a_gateway_that_answers_and_then_does_not_is_asked_again_later(journal: Journal) -> None:
    """Its WinRM answers the knock, and the line breaks in the reading: it is no failure, and there is no busy loop."""
    world = some(2)
    plan = world.plan(remedies=["firewall"])
    world.machines["B84001"].online = False
    ended = apply(
        world, plan, journal, probe=lambda row: True, wait_until=AT + timedelta(minutes=5)
    )  # fmt: skip
    assert results(ended)["B84001-firewall"] == "unreachable"
    assert len(world.readings) < 60


def test_a_refused_log_in_is_never_tried_again_by_itself(journal: Journal) -> None:
    world = some(2)
    plan = world.plan(remedies=["firewall"])
    refuses(world, "B84001")
    ended = apply(world, plan, journal, wait_until=AT + timedelta(minutes=30))
    assert results(ended) == {"B84000-firewall": "done", "B84001-firewall": "refused"}
    asked = [names for names, _ in world.readings if "B84001" in names]
    assert len(asked) == 1


def test_two_refused_log_ins_stop_the_rollout(journal: Journal) -> None:
    world = some(4, waves=(1, 1, 1))
    plan = world.plan(remedies=["firewall"])
    for name in ("B84001", "B84002"):
        refuses(world, name)
    ended = apply(world, plan, journal)
    assert list(results(ended).values()) == ["done", "refused", "refused", "skipped"]
    assert ended.stopped == "2 gateways refused the log-in (B84001, B84002); 1 may"


def refuses(world: World, name: str) -> None:
    """That gateway lets nobody in from now on."""
    read = world.evidence

    def evidence(row: Gateway) -> Evidence:
        if row.name != name:
            return read(row)
        problem = Problem(kind="Refused", message="the log-in was refused", hint="Is the password right?")
        return Evidence(gateway=name, taken_at=world.clock, seconds=1.0, error=problem)

    world.evidence = evidence  # type: ignore[method-assign]


def test_a_wave_that_shows_nothing_asks_whether_to_go_on(journal: Journal) -> None:
    world, asked = some(3), list[str]()
    plan = world.plan(remedies=["firewall"])
    world.machines["B84000"].online = False

    def ask(why: str) -> bool:
        asked.append(why)
        return False

    ended = apply(world, plan, journal, ask=ask)
    assert asked == ["this wave shows nothing: B84000 could not be got into"]
    assert list(results(ended).values()) == ["unreachable", "skipped", "skipped"]
    assert ended.exit_code == 4
    assert ended.stopped.startswith("cannot tell whether to go on")
    # Asked again, and answered with yes.
    assert list(results(apply(world, plan, journal)).values()) == ["unreachable", "done", "done"]


def outcome(world: World, gateway: str, remedy: str, result: Result, message: str) -> Outcome:
    return Outcome(
        step=f"{gateway}-{remedy}", gateway=gateway, result=result, changed=False, started=AT, ended=AT, message=message
    )


def test_what_went_wrong_in_the_same_way_is_said_once() -> None:
    world = some(9)
    plan = world.plan()
    said: Sequence[Outcome] = [
        *(outcome(world, f"B8400{n}", "firewall", Result.FAILED, f"B8400{n}: no rule since 20:1{n}") for n in range(4)),
        *(outcome(world, f"B8400{n}", "service", Result.FAILED, "logon right denied") for n in range(4, 7)),
        outcome(world, "B84007", "firewall", Result.UNREACHABLE, "no route to 192.0.2.7"),
        outcome(world, "B84008", "firewall", Result.DONE, ""),
    ]
    found = outcomes.grouped(plan, said)
    assert outcomes.counted(found) == "7 failed, 2 causes; 1 unreachable, 1 cause"
    assert [len(cause.gateways) for cause in found] == [4, 3, 1]


def test_what_is_so_of_several_steps_at_the_same_gateway_is_said_once() -> None:
    world = some(2)
    said = [
        *(outcome(world, "B84000", remedy, Result.STALE, "its row has changed") for remedy in ("firewall", "service")),
        outcome(world, "B84001", "firewall", Result.STALE, "somebody changed the rule"),
    ]
    found = outcomes.grouped(world.plan(), said)
    assert [(cause.remedy, cause.gateways) for cause in found] == [
        ("firewall, service", ("B84000",)), ("firewall", ("B84001",))
    ]  # fmt: skip


def test_unsure_is_neither_failed_nor_done() -> None:
    world = some(2)
    lost = [outcome(world, "B84000", "firewall", Result.UNREACHABLE, "")]
    assert budgets.unsure(lost)
    assert not budgets.unsure([*lost, outcome(world, "B84001", "firewall", Result.DONE, "")])
    assert budgets.unsure([outcome(world, "B84001", "firewall", Result.UNKNOWN, "")])
    assert not budgets.unsure([])


def test_a_full_disk_under_the_journal_begins_nothing_further_and_loses_nothing(journal: Journal) -> None:
    """The disk fills up while Ansible is at work: what was done is found again by the next run."""
    world = some(3)
    plan = world.plan(remedies=["firewall"])

    def act(steps: Sequence[Step], run_tag: str) -> dict[str, StepResult]:
        said = world.act(steps, run_tag)
        limit_pages(journal, 1)
        for size in (4000, 400, 40, 1):
            with suppress(JournalError):
                while True:
                    journal.append([Event(at=AT, kind="noted", body={"words": "x" * size})])
        return said

    with pytest.raises(JournalError, match="the disk is full") as told:
        apply(world, plan, journal, apply=act)
    assert "how it ended is not in the journal: B84000." in told.value.hint
    assert world.acts == ["B84000-firewall"]
    limit_pages(journal, 2**30)
    world.acts.clear()
    ended = apply(world, plan, journal)
    assert list(results(ended).values()) == ["unchanged", "done", "done"]
    assert world.acts == ["B84001-firewall", "B84002-firewall"]
    assert journal.verify() == ""
    assert journal.progress(plan.id).unended == {}


def limit_pages(journal: Journal, most: int) -> None:
    """SQLite's own limit, which it meets with the same error as a full disk."""

    @sa.event.listens_for(journal._file._engine, "begin")
    def limit(connection: sa.Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {most}")
