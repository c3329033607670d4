"""What a verb asks of a journal as it begins costs the same however old it is: counted in SQLite's own steps."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from provisioner.cli import lookup
from provisioner.journal import Event, Journal, ended, standing, started
from provisioner.model import Outcome, Result
from tests.worlds.memory import AT, World, fleet, gateway

NAMES = ("B84001", "B84002")


def years(path: Path, nights: int) -> None:
    """A journal of so many nights, each with an audit, a plan of it and what the plan did, seen by this person."""
    world = World(fleet(*map(gateway, NAMES)))
    audit, plan = world.audit(), world.plan()
    with Journal.open(path) as journal:
        for night in range(nights):
            at = AT + timedelta(days=night)
            journal.save(replace(audit, id=f"audit-{night}", at=at))
            journal.save(replace(plan, id=f"plan-{night}", audit=f"audit-{night}", at=at))
            happened = [Event(at=at, kind="run_started", plan=f"plan-{night}", body={"name": f"{journal.id}.{night}"})]
            for step in plan.steps:
                outcome = Outcome(
                    step=step.id, gateway=step.gateway, result=Result.DONE, changed=True, started=at, ended=at
                )
                happened += [started(step.id, step.gateway, f"plan-{night}", at, "mark")]
                happened += [ended(outcome, f"plan-{night}")]
            journal.append([*happened, Event(at=at, kind="run_ended", plan=f"plan-{night}")])
            journal.took([(step.remedy, 1.0) for step in plan.steps])
        assert journal.verify(AT) == ""


ASKED: dict[str, Callable[[Journal], Any]] = {
    "verified": lambda journal: journal.verify(AT, everything=False),
    "history": lambda journal: journal.history(20),
    "latest": lambda journal: lookup.resolved(journal, "latest"),
    "audit": lambda journal: journal.load(next(journal.newest("audit"))),
    "plan": lambda journal: journal.load(next(journal.newest("plan"))),
    "family": lambda journal: journal.family(journal.load(next(journal.newest("plan")))),  # type: ignore[arg-type]
    "progress": lambda journal: journal.progress(next(journal.newest("plan"))),
    "stands": lambda journal: standing.stands(journal, next(journal.newest("plan"))),
    "open steps": lambda journal: journal.unended(),
    "open migrations": standing.open_migrations,
    "unsettled": lambda journal: standing.unsettled(journal, NAMES, AT + timedelta(days=10_000)),
    "names": lambda journal: journal.names(),
    "durations": lambda journal: journal.durations(),
    "last known": lambda journal: (journal.seen(), journal.endpoints(AT), journal.leases(), journal.moved()),
}


@contextmanager
def counted() -> Iterator[list[int]]:
    """How many hundreds of steps SQLite takes meanwhile."""
    steps = [0]

    def step() -> int:
        steps[0] += 1
        return 0

    def connected(raw: sqlite3.Connection, _: object) -> None:
        raw.set_progress_handler(step, 100)

    sa.event.listen(sa.Engine, "connect", connected)
    try:
        yield steps
    finally:
        sa.event.remove(sa.Engine, "connect", connected)


@pytest.fixture(scope="module")
def ages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Path]]:
    folder = tmp_path_factory.mktemp("ages")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_STATE_HOME", str(folder / "state"))
        made = {nights: folder / f"{nights}.db" for nights in (110, 440)}
        for nights, path in made.items():
            years(path, nights)
        yield made


@pytest.mark.parametrize("asked", ASKED)
def test_what_a_verb_asks_costs_the_same_at_any_age(
    asked: str, ages: dict[int, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    took = {}
    for nights, path in ages.items():
        monkeypatch.setenv("XDG_STATE_HOME", str(path.parent / "state"))
        with counted() as steps, Journal.open(path) as journal:
            ASKED[asked](journal)
        took[nights] = steps[0]
    young, old = took.values()
    # A tree of four times as many leaves is at most one level higher.
    assert old <= 1.3 * young + 3
