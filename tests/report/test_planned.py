"""A plan and the end of a run in lines that fit a terminal."""

from dataclasses import replace

import pytest
from rich.cells import cell_len

from provisioner.model import Plan, Reason, Result
from provisioner.report import ending, planned, standing
from tests.fixtures.reports import PRACTICES, outcomes, plan


def line(text: list[str], word: str) -> str:
    return next(line for line in text if word in line)


def test_plan_has_a_line_a_gateway_and_what_is_not_done() -> None:
    text = planned.plan(plan(), PRACTICES, 120)
    assert text[0] == "73 steps on 12 gateways, in 3 waves."
    assert "approve (by the practice)" in line(text, "GW-A84002")
    assert "The Rothbury Practice" in line(text, "GW-A84002")
    assert line(text, "network at") == "  network at 6: R14-reachable (6)"
    assert sum("GW-" in one for one in text) == 12


def test_a_plan_without_steps_says_so() -> None:
    whole = plan()
    empty = Plan(
        id=whole.id, kind=whole.kind, at=whole.at, audit=whole.audit, fleet_digest="", policy_digest="", places={},
        waves=(), budget=whole.budget,
    )  # fmt: skip
    assert planned.plan(empty, {}, 80) == ["Nothing to change."]


@pytest.mark.parametrize("width", [30, 40, 80])
def test_fits_a_narrow_terminal(width: int) -> None:
    for text in (planned.plan(plan(), PRACTICES, width), ending.not_done(plan(), outcomes(), width)):
        assert all(cell_len(one) <= width or len(one.split()) == 1 for one in text)


def test_outcomes_are_counted() -> None:
    assert ending.counted(outcomes()) == "3 steps: 1 done, 1 failed, 1 waiting."


def test_what_went_wrong_in_the_same_way_is_said_once() -> None:
    whole = plan()
    failed = [
        replace(outcomes()[2], step=step.id, gateway=step.gateway, message="There is no room on drive C.")
        for step in whole.steps
        if step.remedy == "connector"
    ]
    text = ending.not_done(whole, failed[:3], 80)
    assert text == ["  failed, connector, at 3: GW-A84002, GW-A84005, GW-A84006", "    There is no room on drive C."]


def test_steps_that_were_not_begun_are_told_once() -> None:
    steps = plan().steps[:3]
    skipped = [
        replace(outcomes()[0], step=step.id, gateway=step.gateway, result=Result.SKIPPED, message="not begun: x")
        for step in steps
    ]
    assert ending.not_done(plan(), skipped, 80) == ["  skipped, 3 steps at 1: GW-A84002", "    not begun: x"]


def test_what_only_follows_from_a_failure_is_counted_with_it() -> None:
    first, *others = plan().steps[:3]
    failed = replace(outcomes()[2], step=first.id, gateway=first.gateway, message="There is no room.")
    why = {others[0].id: "not tried, because java did not finish here", others[1].id: "not started, because of that"}
    skipped = [replace(failed, step=step.id, result=Result.SKIPPED, message=why[step.id]) for step in others]
    text = ending.not_done(plan(), [failed, *skipped], 80)
    assert text[2:] == [
        "  skipped, 2 steps at 1: GW-A84002",
        "    what comes before them there did not end well",
    ]
    stopped = [replace(one, message="not begun: 3 gateways failed", reason=Reason.NOT_BEGUN) for one in skipped]
    assert ending.not_done(plan(), [failed, *stopped], 80)[-1] == "    not begun: 3 gateways failed"


def test_hostile_text_is_not_obeyed() -> None:
    failed = replace(outcomes()[2], step=plan().steps[0].id)
    text = "\n".join(ending.not_done(plan(), [failed], 80))
    assert "[red]not markup[/red]" in text and "\x1b" not in text


def test_what_was_begun_and_has_no_end_is_not_called_not_begun() -> None:
    first, *rest = plan().steps
    begun = {first.id}
    assert standing.counted(plan(), {}, begun).endswith(f": 1 begun, {len(rest)} not begun.")
    assert [first.gateway in line for line in standing.unheard(plan(), begun)] == [True]
    assert standing.unheard(plan(), ()) == []
