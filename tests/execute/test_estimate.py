"""What a run is said to take still: by what runs, in shards and waves; never more for want of news, and nothing while
somebody is waited for."""

import io
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from provisioner.ansible.results import StepResult
from provisioner.cli import watch
from provisioner.cli.board import Board
from provisioner.execute.estimate import Costs, Running, Under, UnderWay, learned, overdue, seconds_left
from provisioner.execute.events import (
    Happening,
    PersonAwaited,
    Queued,
    RunStarted,
    StepEnded,
    StepsActed,
    StepsStarted,
    WaveEnded,
)
from provisioner.journal import Journal
from provisioner.model import Outcome, Plan, Result, Step, Wave
from tests.execute.plans import apply
from tests.worlds.memory import AT, World, fleet, gateway


def step(gateway: str, remedy: str, seconds: float = 10.0, kind: str = "playbook") -> Step:
    return Step(
        id=f"{gateway}-{remedy}", gateway=gateway, practice=gateway, kind=kind, remedy=remedy, role=remedy,
        seconds=seconds,
    )  # fmt: skip


def plan(*waves: Sequence[Step]) -> Plan:
    whole = World(fleet(gateway("B84000"))).plan()
    made = tuple(Wave(number=number, steps=tuple(steps)) for number, steps in enumerate(waves, 1))
    return replace(whole, waves=made, places={one.gateway: (one.practice, "") for steps in waves for one in steps})


A, B = step("a", "java", 10), step("a", "firewall", 5)
C, D = step("b", "java", 10), step("c", "java", 30)
START, PERSON = step("a", "start", 7), step("a", "approve", 0, "person")


def under(since: float, *steps: Step) -> Running:
    return {steps[0].gateway: Under(steps=steps, since=since)}


NONE: Mapping[str, float] = {}
# What is planned, where it stands, what was measured, now; gateways in a shard, cores; seconds.
TABLE: Sequence[tuple[str, Plan, UnderWay, Mapping[str, float], float, int, int, float | None]] = (
    ("nothing planned", plan(), UnderWay(), NONE, 0, 5, 2, 0),
    ("a gateway's steps follow each other", plan([A, B]), UnderWay(), NONE, 0, 5, 2, 15),
    ("gateways of one shard go together", plan([A, B, C, D]), UnderWay(), NONE, 0, 5, 1, 30),
    ("shards on two cores", plan([A, B, C]), UnderWay(), NONE, 0, 1, 2, 15),
    ("shards on one core", plan([A, B, C]), UnderWay(), NONE, 0, 1, 1, 25),
    ("a wave after the other", plan([A, B], [C]), UnderWay(), NONE, 0, 5, 2, 25),
    ("a start when all else is through", plan([A, START, D]), UnderWay(), NONE, 0, 5, 2, 37),
    ("what was measured counts for more", plan([A, B]), UnderWay(), {"java": 40}, 0, 5, 2, 45),
    ("of what nobody knows", plan([step("a", "odd", 0)]), UnderWay(), NONE, 0, 5, 2, 15),
    ("a person's step is nobody's work", plan([A, PERSON]), UnderWay(), NONE, 0, 5, 2, 10),
    ("what is done counts as done", plan([A, B], [C]), UnderWay(ended={A.id, B.id}), NONE, 0, 5, 2, 10),
    ("all done", plan([A, B]), UnderWay(ended={A.id, B.id}), NONE, 0, 5, 2, 0),
    ("what runs has run for a while", plan([A, B]), UnderWay(running=[under(100, A, B)]), NONE, 104, 5, 2, 11),
    ("the next of them", plan([A, B]), UnderWay(ended={A.id}, running=[under(110, B)]), NONE, 111, 5, 2, 4),
    ("overdue counts as nearly through", plan([A, B]), UnderWay(running=[under(100, A, B)]), NONE, 900, 5, 2, 5),
    ("a shard waits for a free core", plan([A, C, D]), UnderWay(running=[under(0, A)]), NONE, 4, 1, 1, 46),
    ("and has one", plan([A, C, D]), UnderWay(running=[under(0, D), under(0, A)]), NONE, 4, 1, 2, 26),
    ("a person is waited for", plan([A, B]), UnderWay(waiting=True), NONE, 0, 5, 2, None),
)  # fmt: skip


@pytest.mark.parametrize(
    ("planned", "state", "durations", "now", "shard", "cores", "seconds"),
    [row[1:] for row in TABLE],
    ids=[row[0] for row in TABLE],
)
def test_what_is_left(
    planned: Plan, state: UnderWay, durations: Mapping[str, float], now: float, shard: int, cores: int,
    seconds: float | None,
) -> None:  # fmt: skip
    assert seconds_left(planned, state, Costs(durations=durations), now, shard=shard, cores=cores) == seconds


def test_what_other_gateways_cost_this_computer_is_waited_for() -> None:
    costs = Costs(ours=2.0)
    planned = plan([A, B, C, D])
    # The slowest has one step, and the others three.
    assert seconds_left(planned, UnderWay(), costs, 0, shard=5, cores=1) == 36
    running = {"a": Under(steps=(A, B), since=0), "b": Under(steps=(C,), since=0), "c": Under(steps=(D,), since=0)}
    known = UnderWay(running=[running], begun=[(0.0, planned.steps)])
    # Without news its time passes all the same, down to what its gateways have to do.
    told = [seconds_left(planned, known, costs, now, shard=5, cores=1) for now in (0, 6, 30, 60)]
    assert told == [36, 30, 6, 5]


def test_a_gateway_that_stays_behind_the_others_has_failed() -> None:
    planned = plan([A, B, C, step("b", "firewall", 5)])
    running = {"a": Under(steps=(A, B), since=0), "b": Under(steps=(step("b", "firewall", 5),), since=20)}
    state = UnderWay(ended=[C.id], running=[running])
    assert [seconds_left(planned, state, Costs(), now, shard=5, cores=1) for now in (9, 21)] == [16, 4]


def test_what_is_around_the_steps_counts_once_the_evening_has_taught_it() -> None:
    """A playbook's beginning, and the reading after it: no step of Ansible's tells that they are still to come."""
    costs = learned(Costs(), [([step("z", "java", 40)], 60.0)] * 9)
    assert 1.4 < costs.pace < 1.5
    last = UnderWay(running=[{"a": Under(steps=(B,), since=5)}], begun=[(0.0, (A, B))])
    # By its news the second of its two steps is nearly through.
    untaught, taught = (
        seconds_left(plan([A, B]), last, its, 10, shard=5, cores=1) for its in (Costs(pace=costs.pace), costs)
    )
    assert untaught is not None and taught is not None
    assert taught - untaught == pytest.approx(costs.pace * (A.seconds + B.seconds) - 10 - (costs.pace * B.seconds - 5))


def test_an_evening_on_a_slow_computer_is_thought_of_as_slow() -> None:
    before, alone, many = Costs(ours=1.0), [A, B], [A, B, C, step("c", "java", 10)]
    assert learned(before, []) == before
    # What little is known says little; a gateway alone says nothing of what others cost.
    once = learned(before, [(alone, 30.0)])
    assert 1.5 < once.pace < 2 and once.ours == 1.0
    costs = learned(before, [([step(f"g{at}", "java", 60) for at in range(30)], 120.0 + 2.0 * 29)] * 20)
    assert 1.9 < costs.pace < 2.3 and 1.5 < costs.ours < 2.5
    assert learned(before, [(many, 0.0)] * 9).pace > 0
    planned = plan([A], [C])
    assert seconds_left(planned, UnderWay(), Costs(pace=2.0), 0, shard=5, cores=1) == 40
    running = UnderWay(running=[under(0, A)])
    assert seconds_left(planned, running, Costs(pace=2.0), 10, shard=5, cores=1) == 30
    assert not overdue(running, Costs(pace=2.0), 19) and overdue(running, Costs(pace=2.0), 21)


def test_what_takes_longer_is_said() -> None:
    state = UnderWay(running=[under(0, A)])
    assert not overdue(state, Costs(), 10) and overdue(state, Costs(), 11)
    assert not overdue(state, Costs(durations={"java": 60}), 11)


@given(
    st.lists(st.tuples(st.integers(0, 7), st.sampled_from(["java", "firewall", "start"]), st.floats(1, 99))),
    st.integers(1, 4), st.integers(1, 3), st.integers(0, 4), st.lists(st.floats(0, 500), min_size=2, max_size=6),
)  # fmt: skip
def test_it_never_grows_for_want_of_news(
    steps: list[tuple[int, str, float]], cores: int, shard: int, running: int, times: list[float]
) -> None:
    made = {f"g{at}-{remedy}": step(f"g{at}", remedy, seconds) for at, remedy, seconds in steps}
    rows = [one for one in made.values() if one.remedy != "start"]
    state = UnderWay(running=[under(0, one) for one in rows[: min(running, cores)]])
    planned = plan(list(made.values()), [step("z", "java", 3)])
    told = [seconds_left(planned, state, Costs(), now, shard=shard, cores=cores) for now in sorted(times)]
    assert all(a is not None and b is not None and a >= b for a, b in itertools.pairwise(told))


# The board over a real run's events, with a clock that only the run moves.


class Looker:
    """Somebody who looks on: the board after each event, and what it says of the time."""

    def __init__(self, world: World, planned: Plan, durations: Mapping[str, float] | None = None) -> None:
        self.world = world
        self.board = Board(planned, durations or {}, 2, cores=os.cpu_count() or 1, clock=self.now)
        self.seen: list[tuple[Happening, str]] = []

    def now(self) -> float:
        return (self.world.clock - AT).total_seconds()

    def hear(self, happening: Happening) -> None:
        self.board.hear(happening)
        self.seen.append((happening, self.board.left()))

    def told(self, kind: type) -> list[str]:
        return [said for happening, said in self.seen if isinstance(happening, kind)]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "journal.db") as opened:
        yield opened


def some(count: int) -> World:
    return World(fleet(*(gateway(f"B8400{number}") for number in range(count)), approve_wait=600))


def test_a_person_who_is_waited_for_is_no_work(journal: Journal) -> None:
    world = some(1)
    world.machines["B84000"].approved = False
    world.presses_after = timedelta(seconds=400)
    planned = world.plan()
    looker = Looker(world, planned)

    def act(steps: Sequence[Step], run_tag: str) -> Mapping[str, StepResult]:
        world.clock += timedelta(seconds=20)
        return world.act(steps, run_tag)

    apply(world, planned, journal, notify=looker.hear, apply=act)
    assert looker.told(PersonAwaited) == ["0:40 of work; it waits"]
    assert world.clock - AT >= timedelta(seconds=400)
    assert looker.seen[-1][1] == "0:40 of work"


def test_a_run_that_goes_on_does_not_begin_at_nothing(journal: Journal) -> None:
    world = some(4)
    planned = world.plan(remedies=["firewall"])
    stops = iter([False] * 6 + [True] * 99)
    apply(world, planned, journal, interrupted=lambda: next(stops))
    before = Board(planned)
    looker = Looker(world, planned, {"firewall": 100.0})
    apply(world, planned, journal, notify=looker.hear)
    whole = before.left()
    begun = looker.told(RunStarted)[0]
    assert "left" in whole and begun != whole
    run = looker.seen[0][0]
    assert isinstance(run, RunStarted) and 0 < len(run.through) < 4
    assert looker.seen[-1][1].endswith("of work")


def test_what_is_through_by_an_earlier_run_counts_from_the_beginning() -> None:
    planned = plan([A, B], [C, D])
    board = Board(planned, {}, 5, cores=1, clock=lambda: 0.0)
    assert board.left() == "0:00 of work, about 0:45 left"
    board.hear(RunStarted(plan="p", steps=4, gateways=3, budget="", through=(A.id, B.id)))
    assert board.left() == "0:00 of work, about 0:30 left"


def test_ansible_says_where_it_is_and_a_step_that_takes_longer_is_said() -> None:
    now = [0.0]
    board = Board(plan([A, B]), {}, 5, cores=1, clock=lambda: now[0])
    board.hear(StepsStarted(steps=(A, B)))
    now[0] = 60.0
    assert board.left() == "1:00 of work, about 0:05 left, longer than estimated"
    board.task("a", "firewall")
    now[0] = 62.0
    assert board.left() == "1:02 of work, about 0:03 left"
    now[0] = 80.0
    assert board.left() == "1:20 of work, longer than estimated"


def test_what_this_run_measured_counts_for_the_rest() -> None:
    now = [0.0]
    board = Board(plan([A], [C]), {}, 5, cores=1, clock=lambda: now[0])
    board.hear(StepsStarted(steps=(A,)))
    now[0] = 40.0
    board.hear(StepsActed(steps=(A,)))
    ended = AT + timedelta(seconds=40)
    board.hear(
        StepEnded(
            outcome=Outcome(
                step=A.id, gateway="a", result=Result.DONE, changed=True, started=AT, ended=ended, seconds=40.0
            )
        )
    )  # fmt: skip
    # It took four times what was thought; of one shard alone not all is believed.
    assert board.left() == "0:40 of work, about 0:25 left"


@pytest.mark.parametrize(
    ("now", "until", "said"),
    [
        ("2026-11-30T20:00Z", "2026-11-30T22:30Z", "until 22:30 GMT for"),
        ("2026-11-30T20:00Z", "2026-12-01T06:00Z", "until Tue 1 Dec, 06:00 GMT for"),
        ("2026-11-30T20:00Z", "2026-12-03T06:00Z", "until Thu 3 Dec, 06:00 GMT for"),
        # Of the practices' clock, on whatever computer: near midnight in summer it is another day there.
        ("2026-07-01T22:30Z", "2026-07-01T23:30Z", "until Thu 2 Jul, 00:30 BST for"),
        ("2026-07-01T23:10Z", "2026-07-01T23:30Z", "until 00:30 BST for"),
        ("2026-07-01T22:30Z", "2026-07-02T23:30Z", "until Fri 3 Jul, 00:30 BST for"),
    ],
)
def test_until_when_it_waits_is_said_with_its_day(now: str, until: str, said: str) -> None:
    planned = plan([A])
    queued = Queued(gateways=("a",), until=datetime.fromisoformat(until))
    with time_machine.travel(datetime.fromisoformat(now), tick=False):
        board = Board(planned, {}, 5, cores=1, clock=lambda: 0.0)
        board.hear(queued)
        console = Console(width=120, height=20, file=io.StringIO())
        console.print(board)
        assert isinstance(console.file, io.StringIO)
        assert said in console.file.getvalue()
        assert said in watch._words(queued, planned, {})


def test_those_that_are_away_are_waited_for_and_no_work() -> None:
    now = [0.0]
    board = Board(plan([A, B]), {}, 5, cores=1, clock=lambda: now[0])
    now[0] = 5.0
    board.hear(Queued(gateways=("a",), until=AT))
    now[0] = 3600.0
    assert board.left() == "0:05 of work; it waits"
    board.hear(StepsStarted(steps=(A, B)))
    now[0] = 3604.0
    assert board.left() == "0:09 of work, about 0:11 left"
    board.hear(WaveEnded(number=2))
    now[0] = 7200.0
    assert board.left() == "0:09 of work; it waits"
