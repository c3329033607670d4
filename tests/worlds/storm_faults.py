"""Faults that the product once had, put back one at a time: the storm must find each.

make soak SOAK="--old a-pc-that-answers"
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from provisioner import processes
from provisioner.ansible.results import StepResult
from provisioner.execute import claims, judge, start
from provisioner.execute import run as runs
from provisioner.journal import Journal
from provisioner.lab.windows.machine import stamp
from provisioner.model import Evidence, Gateway, Step
from provisioner.model.controls import SWITCHED_OFF
from provisioner.plan import guards
from provisioner.plan.statements import StatementsInForce
from tests.worlds.storm import Place

_MARKER = "C:\\ProgramData\\provisioner\\marker.json"
_to_mark, _mark = claims._to_mark, Place._mark


def _off(gateway: Gateway, evidence: Evidence | None, said: StatementsInForce) -> bool:
    unreachable = evidence is not None and evidence.error is not None and evidence.error.kind == "Unreachable"
    return unreachable and said.names(SWITCHED_OFF, gateway)


def _those_that_answer(run: Any, step: Step, reading: judge.Observation) -> list[Gateway]:
    rows = _to_mark(run, step, reading)
    return [
        row
        for row in rows
        if row.name == step.gateway or not _off(row, reading.evidence.get(row.name), run.statements())
    ]


@contextmanager
def _on_none(run: Any, steps: Sequence[Step], reading: judge.Observation) -> Iterator[dict[str, judge.Verdict]]:
    yield {}


def _by_our_clock(
    self: Place, gateway: str, names: Sequence[str], steps: Sequence[Step], state: str
) -> StepResult | None:
    said = _mark(self, gateway, names, steps, state)
    machine = self.machines[gateway]
    file = machine.disk.file(_MARKER)
    if said is None and state == "present" and file is not None and file.text:
        began = {**json.loads(file.text), "since": stamp((self.clock + self.apart).timestamp())}
        machine.put_file(_MARKER, json.dumps(began).encode(), self.clock.timestamp())
    return said


@contextmanager
def _as_a_process() -> Iterator[processes.Process]:
    yield processes.this()


# By name: what is put in the place of what.
OLD: Mapping[str, Sequence[tuple[Any, str, Callable[..., Any]]]] = {
    # A1: every kind of not getting in counted as "off".
    "a-pc-that-answers": (
        (guards, "stated_off", _off),
        (runs, "stated_off", _off),
        (claims, "_to_mark", _those_that_answer),
    ),
    # A2: the other gateways were read once before a start, and marked by nobody.
    "two-starts": (
        (claims, "on_practices", _on_none),
        (claims, "staying", lambda step: step),
        (start, "_beside", lambda run, step, reading: []),
    ),
    # A3: a marker's time was that of the computer that left it.
    "a-marker-over-at-birth": ((Place, "_mark", _by_our_clock),),
    # A4: a copied journal was the same journal.
    "a-copied-journal": (
        (Journal, "moved", lambda journal: None),
        (Journal, "names", lambda journal, plan="": (journal.id,)),
    ),
    # Leases were a process' own, and two runs of one were one.
    "two-runs-of-a-process": ((processes, "a_run", _as_a_process),),
}


@contextmanager
def put_back(name: str) -> Iterator[None]:
    """While this lasts the product has that fault again."""
    patches = [patch.object(*one) for one in OLD[name]]
    for one in patches:
        one.start()
    try:
        yield
    finally:
        for one in patches:
            one.stop()
