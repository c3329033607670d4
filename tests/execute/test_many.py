"""Many migrations of one command: which may run beside which, and when nothing further is begun."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from provisioner import capacity
from provisioner.errors import JournalError, LeaseHeld
from provisioner.execute import budget as budgets
from provisioner.execute import engine, many
from provisioner.model import Fleet, Outcome, Plan, Result, Role
from provisioner.model.settings import Rollout
from provisioner.plan.rollout import budget_of
from tests.fixtures.moves import migration
from tests.worlds import memory
from tests.worlds.memory import AT

USUAL = Rollout()
CODES = ("B84001", "B84002", "B84003", "B84004")


def fleet(sites: Sequence[str] = ("", "", "", ""), at_once: int = 1, rollout: Rollout = USUAL) -> Fleet:
    """Practices with an old and a new gateway each, at these sites, whose lines take so many at once."""
    gateways = [
        replace(memory.gateway(f"{place}-{code}", role, code), variables={"site": site})
        for code, site in zip(CODES, sites, strict=True)
        for place, role in (("OLD", Role.ACTIVE), ("NEW", Role.STANDBY))
    ]
    whole = memory.fleet(*gateways)
    connection = replace(whole.settings.connection, at_once_per={"site": at_once})
    return replace(whole, settings=replace(whole.settings, connection=connection, rollout=rollout))


PLANS = [migration(code) for code in CODES]


def ended(one: Plan, result: Result = Result.DONE) -> engine.Ended:
    step = one.steps[0]
    outcome = Outcome(step=step.id, gateway=step.gateway, result=result, changed=True, started=AT, ended=AT)
    return engine.Ended(outcomes=(outcome,), stopped="" if result is Result.DONE else f"{step.id} is {result}")


def begun(moving: many.Moving) -> list[str]:
    """All that may begin now."""
    found = list[str]()
    while one := moving.take():
        found.append(one.id.removeprefix("move-"))
    return found


def through(moving: many.Moving, code: str, result: Result = Result.DONE) -> list[str]:
    """One has ended; what may begin after it."""
    one = migration(code)
    moving.end(one)
    moving.over.append(ended(one, result))
    return begun(moving)


def test_the_pilot_is_alone_and_then_there_are_two() -> None:
    moving = many.Moving(fleet=fleet(), left=list(PLANS))
    assert begun(moving) == ["B84001"]
    assert through(moving, "B84001") == ["B84002", "B84003"]
    assert through(moving, "B84003") == ["B84004"]


def test_one_that_was_left_out_is_no_pilot() -> None:
    moving = many.Moving(fleet=fleet(), left=list(PLANS))
    assert begun(moving) == ["B84001"]
    moving.end(PLANS[0])
    assert begun(moving) == ["B84002"]


def test_a_pilot_that_waits_for_a_person_is_no_failure() -> None:
    moving = many.Moving(fleet=fleet(), left=list(PLANS))
    begun(moving)
    assert through(moving, "B84001", Result.WAITING) == ["B84002", "B84003"]


@pytest.mark.parametrize("rollout", [Rollout(failed=0), Rollout(unreachable=0), Rollout(refused=0), Rollout(unknown=0)])
def test_where_not_one_may_go_wrong_one_runs_at_a_time(rollout: Rollout) -> None:
    whole = fleet(rollout=rollout)
    moving = many.Moving(fleet=whole, left=list(PLANS))
    assert not many.two(whole)
    assert begun(moving) == ["B84001"]
    assert [through(moving, code) for code in CODES] == [["B84002"], ["B84003"], ["B84004"], []]


def test_once_the_budget_bears_no_further_failure_one_runs_at_a_time() -> None:
    moving = many.Moving(fleet=fleet(rollout=Rollout(failed=1)), left=list(PLANS))
    begun(moving)
    assert through(moving, "B84001") == ["B84002", "B84003"]
    assert through(moving, "B84002", Result.FAILED) == []
    assert through(moving, "B84003") == ["B84004"]


def test_nothing_is_begun_that_would_not_have_been_begun_one_after_the_other() -> None:
    """Whatever comes of what runs, and whichever ends first: what was begun beside it may still be begun after it."""
    results = (Result.DONE, Result.WAITING, Result.FAILED, Result.UNREACHABLE, Result.REFUSED, Result.UNKNOWN)
    whole = fleet(rollout=Rollout(unreachable=1))
    for before in results:
        for comes in results:
            moving = many.Moving(fleet=whole, left=list(PLANS))
            begun(moving)
            if not through(moving, "B84001"):
                continue
            through(moving, "B84002", before)
            if moving.why_stop() or len(moving.running) < 2:
                continue
            outcomes = [one for other in moving.over for one in other.outcomes]
            outcomes += ended(PLANS[2], comes).outcomes
            assert budgets.past(budget_of(whole), outcomes, ()) == "", (before, comes)


def test_two_that_share_a_line_are_never_at_work_together() -> None:
    moving = many.Moving(fleet=fleet(("", "north", "north", "south")), left=list(PLANS))
    begun(moving)
    # The one whose line is busy lets the next pass; both gateways of a practice share its line, and keep to it.
    assert through(moving, "B84001") == ["B84002", "B84004"]
    assert through(moving, "B84004") == []
    assert through(moving, "B84002") == ["B84003"]


def test_a_line_that_takes_all_gateways_of_both_takes_both() -> None:
    for at_once, together in ((3, ["B84002"]), (4, ["B84002", "B84003"])):
        moving = many.Moving(fleet=fleet(("", "north", "north", "north"), at_once), left=list(PLANS))
        begun(moving)
        assert through(moving, "B84001") == together


def test_two_rows_of_one_pc_are_never_at_work_together() -> None:
    whole = fleet()
    rows = {row.name: row for row in whole.gateways}
    rows["NEW-B84003"] = replace(rows["NEW-B84003"], address=rows["OLD-B84002"].address.upper())
    moving = many.Moving(fleet=replace(whole, gateways=tuple(rows.values())), left=list(PLANS))
    begun(moving)
    assert through(moving, "B84001") == ["B84002", "B84004"]


def test_where_there_is_no_memory_for_two_one_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "_memory", lambda: 128 * 2**20)
    moving = many.Moving(fleet=fleet(), left=list(PLANS))
    begun(moving)
    assert through(moving, "B84001") == ["B84002"]


Do = Callable[[Plan], engine.Ended]


def run(do: Do, interrupted: Callable[[], bool] = lambda: False) -> tuple[str, dict[str, many.Ending]]:
    heard = dict[str, many.Ending]()
    why = many.run(PLANS, fleet(), do, lambda one, ending: heard.update({one.id: ending}), interrupted)
    return why, heard


def test_two_run_at_the_same_time() -> None:
    """They wait for each other: one after the other never came to its end."""
    together = threading.Barrier(2, timeout=60)

    def do(one: Plan) -> engine.Ended:
        if one.id in ("move-B84002", "move-B84003"):
            together.wait()
        return ended(one)

    why, heard = run(do)
    assert (why, next(iter(heard)), len(heard)) == ("", "move-B84001", 4)


def test_one_that_is_leased_is_left_out_and_the_others_go_on() -> None:
    def do(one: Plan) -> engine.Ended:
        if one.id == "move-B84002":
            raise LeaseHeld("somebody works on it", "Wait.")
        return ended(one)

    why, heard = run(do)
    assert why == ""
    assert {id_ for id_, ending in heard.items() if isinstance(ending, LeaseHeld)} == {"move-B84002"}
    assert len(heard) == 4


def test_after_the_pilot_went_wrong_nothing_is_begun() -> None:
    why, heard = run(lambda one: ended(one, Result.FAILED))
    assert "the first wave went wrong at OLD-B84001" in why
    assert list(heard) == ["move-B84001"]


def test_what_runs_beside_one_that_breaks_comes_to_its_end_and_is_told() -> None:
    broken = threading.Event()

    def do(one: Plan) -> engine.Ended:
        if one.id == "move-B84002":
            broken.set()
            raise JournalError("no room on the disk", "Make some.")
        if one.id == "move-B84003":
            broken.wait(60)
        return ended(one)

    heard = dict[str, many.Ending]()
    with pytest.raises(JournalError, match="no room"):
        many.run(PLANS, fleet(), do, lambda one, ending: heard.update({one.id: ending}))
    assert list(heard) == ["move-B84001", "move-B84003"]


def test_after_an_interrupt_nothing_is_begun_and_both_come_to_their_end() -> None:
    together, asked = threading.Barrier(2, timeout=60), threading.Event()

    def do(one: Plan) -> engine.Ended:
        if one.id != "move-B84001":
            together.wait()
            asked.set()
        return ended(one)

    why, heard = run(do, asked.is_set)
    assert (why, next(iter(heard)), len(heard)) == ("the operator ended it", "move-B84001", 3)
