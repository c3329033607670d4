"""The small picture of readiness: what it draws, and that it says the same to who does not see it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from provisioner.cli.verbs.report import so_far
from provisioner.journal import Journal
from provisioner.model import Audit, packed
from provisioner.report import html
from provisioner.report.trend import Point, trend
from tests.fixtures.documents import Page
from tests.fixtures.reports import estate
from tests.worlds.memory import World, fleet, gateway

AT = datetime(2026, 11, 23, 20, 15, tzinfo=UTC)


def points(*ready: int, total: int = 4) -> list[Point]:
    return [Point(at=AT + timedelta(days=day), ready=each, total=total) for day, each in enumerate(ready)]


def test_a_column_an_audit_as_high_as_it_was_ready() -> None:
    drawn = trend(points(0, 2, 4))
    assert drawn is not None
    assert [column.height / drawn.tall for column in drawn.columns] == [0, 0.5, 1]
    assert drawn.columns[-1].x + drawn.wide == drawn.width
    assert drawn.sentence == "Ready: 0 of 4 on 23 Nov 2026 20:15, and 4 of 4 on 25 Nov 2026 20:15"


def test_one_audit_is_no_trend() -> None:
    assert trend([]) is None
    assert trend(points(3)) is None
    assert trend([*points(3), *points(0, total=0)]) is None


def test_it_is_in_the_page_without_a_script_and_in_words() -> None:
    text = html.audit(*estate(), trend=trend(points(1, 3)))
    page = Page(text)
    assert "1 of 4 on 23 Nov 2026 20:15; 3 of 4 on 24 Nov 2026 20:15" in page.words
    assert "img" in page.values("role")
    assert "trend" not in Page(html.audit(*estate())).values("class")
    inside = text[text.index('<figure class="trend">') : text.index("</figure>")]
    assert "<script" not in inside
    assert "style=" not in inside


def test_how_earlier_audits_came_out_is_kept_with_them_and_not_judged_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(fleet(gateway("B84001"), gateway("B84002")))
    audit = replace(world.audit(), folder=world.fleet.folder, left_out={})
    opened, unpack = list[object](), packed.unpack

    def counted(*given: Any) -> Any:
        opened.append(given)
        return unpack(*given)

    monkeypatch.setattr(packed, "unpack", counted)
    with Journal.open(tmp_path / "journal.db") as journal:
        for night in range(4):
            came_out = (night % 3, 2) if night else None
            journal.save(
                replace(audit, id=f"audit-{night}", at=AT + timedelta(days=night), came_out=came_out), f"night {night}"
            )
        newest = journal.load("audit-3")
        assert isinstance(newest, Audit)
        opened.clear()
        drawn = so_far(journal, newest, world.fleet)
    assert drawn is not None
    # The oldest is of before it was kept, and alone is read whole.
    assert [column.said.partition(" on ")[0] for column in drawn.columns] == ["0 of 2", "1 of 2", "2 of 2", "0 of 2"]
    assert 0 < len(opened) <= 4
