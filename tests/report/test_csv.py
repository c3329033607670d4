"""The CSV report opens in a spreadsheet as it is, and nothing in it is ever computed."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.report import csv as report
from provisioner.report import words
from tests.fixtures.goldens import matches
from tests.fixtures.hostile import NASTY, hostile
from tests.fixtures.reports import PRACTICES, TWO, estate


def rows(text: str) -> list[dict[str, str]]:
    assert text[0] == "\ufeff"
    return list(csv.DictReader(io.StringIO(text[1:], newline=""), strict=True))


@pytest.mark.parametrize(
    ("name", "audit", "ready"),
    [("estate.csv", *estate(TWO)[:2]), ("hostile.csv", *hostile()[:2])],
    ids=lambda v: str(v)[:12],
)
def test_is_as_the_golden_file(name: str, audit: object, ready: object) -> None:
    assert matches(name, report.audit(audit, ready))  # type: ignore[arg-type]


def test_one_row_a_finding_in_order() -> None:
    audit, ready, _ = estate()
    found = rows(report.audit(audit, ready))
    assert [(row["gateway"], row["control"], row["status"]) for row in found] == [
        (finding.gateway, finding.control, finding.status) for finding in audit.findings
    ]
    assert {row["gateway"]: row["ready"] for row in found} == {
        gateway.name: "yes" if ready[gateway.name] else "no" for gateway in audit.gateways if gateway.known
    }
    assert found[0]["practice_name"] == PRACTICES["A84002"]


def test_ends_lines_as_excel_wants_and_is_utf8() -> None:
    text = report.audit(*estate()[:2])
    assert text.count("\r\n") == text.count("\n") == text.count("\r")
    assert report.audit(*hostile()[:2]).encode("utf-8").startswith(b"\xef\xbb\xbf")


def test_nothing_begins_a_formula() -> None:
    cells = [cell for row in rows(report.audit(*hostile()[:2])) for cell in row.values()]
    assert not [cell for cell in cells if cell.lstrip().startswith(("=", "+", "-", "@"))]
    assert "'=HYPERLINK" in " ".join(cells)
    assert any("Ŵyl 😀" in cell for cell in cells)


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n", " =", "\u00a0=", "＝", "＋", "－", "＠"])  # noqa: RUF001
def test_each_dangerous_beginning_is_defused(begin: str) -> None:
    assert words.cell(f"{begin}1")[0] == "'"


@pytest.mark.parametrize("text", ["", "'quoted", "C:\\iPlato", "1 - 2", "Tŷ"])
def test_ordinary_text_is_left_as_it_is(text: str) -> None:
    assert words.cell(text) == text


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_can_be_written_and_computes_nothing(text: str) -> None:
    cell = words.cell(text)
    cell.encode("utf-8")
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


def test_hostile_text_is_all_there() -> None:
    whole = report.audit(*hostile()[:2])
    assert NASTY[9] in whole
    assert "\x00" not in whole and "\x1b" not in whole and "\u202e" not in whole
