"""The terminal shows the same at a glance, and obeys nothing that a gateway says."""

import io
from dataclasses import replace

import pytest
from rich.console import Console, RenderableType

from provisioner.model import Plan, Result
from provisioner.report import table
from tests.fixtures.reports import PRACTICES, outcomes, plan


def shown(renderable: RenderableType, width: int = 200) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False, force_terminal=False)
    console.print(renderable)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(text, str)
    return text


def line(text: str, word: str) -> str:
    return next(line for line in text.splitlines() if word in line)


def test_steps_that_were_not_begun_are_told_once() -> None:
    one = outcomes()[0]
    text = shown(
        table.outcomes(
            plan(),
            [
                one,
                *(
                    replace(one, step=f"s{number}", result=Result.SKIPPED, message="not begun: x")
                    for number in (1, 2, 3)
                ),
            ],
        )
    )
    assert text.count("not begun: x") == 1
    assert line(text, "not begun: x").split()[:3] == ["3", "steps", "skipped"]


def test_hostile_text_is_no_markup() -> None:
    assert "[red]not markup[/red]" in shown(table.outcomes(plan(), outcomes()))


@pytest.mark.parametrize("width", [40, 80])
def test_fits_a_narrow_terminal(width: int) -> None:
    for renderable in (table.plan(plan(), PRACTICES), table.outcomes(plan(), outcomes())):
        assert max(map(len, shown(renderable, width).splitlines())) <= width


def test_plan_has_one_row_a_gateway_and_what_is_not_done() -> None:
    text = shown(table.plan(plan(), PRACTICES))
    assert text.startswith("73 steps on 12 gateways, in 3 waves.")
    assert "approve (by the practice)" in line(text, "GW-A84002")
    assert line(text, "The Rothbury Practice").split()[0] == "1"
    assert "R14-reachable (6)" in line(text, "the network team")


def test_a_plan_without_steps_says_so() -> None:
    whole = plan()
    empty = Plan(
        id=whole.id, kind=whole.kind, at=whole.at, audit=whole.audit, fleet_digest="", policy_digest="", places={},
        waves=(), budget=whole.budget,
    )  # fmt: skip
    assert shown(table.plan(empty, {})).strip() == "Nothing to change."


def test_outcomes_are_counted() -> None:
    assert shown(table.counted(outcomes())).rstrip().endswith("3 steps: 1 done, 1 failed, 1 waiting.")
