"""The terminal shows the same at a glance, and obeys nothing that a gateway says."""

import io
from dataclasses import replace

import pytest
from rich.console import Console, RenderableType

from provisioner.model import Plan, Result, Role
from provisioner.report import table
from tests.fixtures.hostile import hostile
from tests.fixtures.reports import PRACTICES, estate, outcomes, plan


def shown(renderable: RenderableType, width: int = 200) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False, force_terminal=False)
    console.print(renderable)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(text, str)
    return text


def line(text: str, word: str) -> str:
    return next(line for line in text.splitlines() if word in line)


def test_audit_has_one_row_a_gateway_and_the_sentence_first() -> None:
    audit, ready, causes = estate()
    text = shown(table.audit(audit, ready, causes))
    assert text.startswith("5 of 24 gateways are ready.\n! Nobody is logged in to SystmOne.")
    for gateway in audit.gateways:
        assert text.count(f" {gateway.name} ") >= 1
        assert gateway.practice_name in text
    assert "✓" in line(text, "GW-A84007") and "✕" not in line(text, "GW-A84007")
    assert "✕" in line(text, "GW-A84006")
    assert "gateway not known yet" in line(text, "A84619")
    assert "No connection to 198.51.100.17:5986" in line(text, "GW-A84016")


def test_audit_groups_what_is_missing_by_whose_job_it_is() -> None:
    row = line(shown(table.audit(*estate())), "GW-A84008")
    assert "the practice: R2-logged-in; ICB IT: R8-client, R15-administrator; a plan: antivirus, java" in row


def test_audit_marks_what_nobody_can_tell() -> None:
    row = line(shown(table.audit(*estate())), "GW-A84013")
    assert "R6-cpu?" in row
    assert row.split()[-2:] == ["1", "1"]


def test_a_retired_gateway_is_not_called_ready() -> None:
    audit, ready, causes = estate()
    rows = (replace(one, role=Role.RETIRED) if one.practice == "A84007" else one for one in audit.gateways)
    text = shown(table.audit(replace(audit, gateways=tuple(rows)), ready, causes))
    assert text.startswith("4 of 23 gateways are ready.")
    assert "retired, nothing is left" in line(text, "GW-A84007") and "✓" not in line(text, "GW-A84007")


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


def test_hostile_text_is_neither_markup_nor_obeyed() -> None:
    text = shown(table.audit(*hostile()), width=400)
    assert "\x1b" not in text and "\u202e" not in text and "\x00" not in text
    assert '<script>alert("x")</script>' in text
    assert "[red]not markup[/red]" in shown(table.outcomes(plan(), outcomes()))


@pytest.mark.parametrize("width", [40, 80])
def test_fits_a_narrow_terminal(width: int) -> None:
    for renderable in (table.audit(*estate()), table.plan(plan(), PRACTICES), table.outcomes(plan(), outcomes())):
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
