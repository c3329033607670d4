"""The modules that pretend gateways act out: what they do, twice, in check mode, and as the real ones answered."""

import json
from pathlib import Path
from typing import Any

import pytest

from provisioner.lab.windows.machine import Machine
from tests.fixtures.lab import (
    one,
    run,
    written,
)
from tests.lab.calls import CASES, Case


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def machine(case: Case) -> Machine:
    """The machine as the case wants it, telling its events."""
    made = one(case.state)
    case.before(made)
    return made


def test_a_module_does_what_it_says_and_twice_is_unchanged(case: Case, machine: Machine) -> None:
    events: list[dict[str, Any]] = []
    machine.on_event = events.append
    assert case.left(machine) != case.after
    answer = run(machine, case.module, **case.arguments)
    assert answer["changed"] is True
    assert not answer.get("failed"), answer
    assert case.answer.items() <= answer.items()
    assert case.left(machine) == case.after
    assert events
    assert "diff" not in answer
    before, told = written(machine), len(events)
    again = run(machine, case.module, **case.arguments)
    assert again["changed"] is False
    assert not again.get("failed"), again
    assert written(machine) == before
    assert len(events) == told


def test_check_mode_only_says_so(case: Case, machine: Machine) -> None:
    events: list[dict[str, Any]] = []
    machine.on_event = events.append
    before = written(machine)
    answer = run(machine, case.module, check=True, diff=True, **case.arguments)
    assert answer["changed"] is True
    assert not answer.get("failed"), answer
    assert written(machine) == before
    assert events == []
    run(machine, case.module, **case.arguments)
    assert run(machine, case.module, check=True, **case.arguments)["changed"] is False


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.difference is not None])
def test_the_difference(name: str) -> None:
    case = CASES[name]
    machine = one(case.state)
    case.before(machine)
    assert run(machine, case.module, diff=True, **case.arguments)["diff"] == case.difference


def test_the_lab_answers_as_the_real_modules_answered_on_a_real_engine() -> None:
    """The calls were played in this order on one gateway that ran the real modules; engine.json says on which."""
    machine = one()
    for call in json.loads((Path(__file__).parent / "engine.json").read_text("utf-8"))["calls"]:
        answer = run(machine, call["module"], check=call["check"], diff=call["diff"], **call["arguments"])
        assert json.loads(json.dumps(answer)) == call["answer"], call
