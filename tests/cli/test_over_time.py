"""What the journal says over time: two audits compared, one answer explained, what ends soon. In the lab."""

import json
import re
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from provisioner.lab.process.client import Handle
from tests.conftest import Command, told
from tests.fixtures.documents import promised
from tests.fixtures.terminal import shown

jsonschema = pytest.importorskip("jsonschema")
Lab = Callable[..., Handle]


@pytest.fixture
def audited(lab: Lab, provisioner: Command) -> Path:
    """A fleet that was ready, and of which one practice has logged out since."""
    handle = lab("A81001", "A81002", state="ready")
    assert provisioner("audit", fleet=handle.folder).code == 0
    assert provisioner("lab", "set", "A81002", "systmone=off", "--dir", handle.folder).code == 0
    assert provisioner("audit", fleet=handle.folder).code == 1
    return handle.folder


def test_compare(audited: Path, provisioner: Command) -> None:
    ran = provisioner("compare", fleet=audited)
    head, *rows = (line.split("\t") for line in ran.out.splitlines())
    assert head[:3] == ["what", "practice", "gateway"]
    assert ["not ready any more", "A81002", "A81002"] in [row[:3] for row in rows]
    assert ["came", "A81002", "A81002", "R2-logged-in"] in [row[:4] for row in rows]
    assert not [row for row in rows if row[1] == "A81001"]
    assert f"Next: {told('show audit-', audited)}" in ran.err
    body = json.loads(provisioner("compare", "--format", "json", fleet=audited).out)
    jsonschema.validate(body, promised("compare"))
    assert body["worse"] == ["A81002"]
    assert "R2-logged-in" in {one["control"] for one in body["causes"]}
    # An audit of a part is compared with its like; by an id's end it is compared with whatever is asked for.
    assert provisioner("audit", "--only", "A81001", fleet=audited).code == 0
    assert "There is no audit of the same gateways before" in provisioner("compare", fleet=audited).err
    old = body["old"]["audit"]
    ran = provisioner("compare", old[-4:], "latest", fleet=audited)
    assert "asked by one of them only\tA81002\tA81002" in ran.out
    assert provisioner("compare", old, old, fleet=audited).code == 2
    assert provisioner("compare", "zzzz", fleet=audited).code == 2


def test_why(audited: Path, provisioner: Command) -> None:
    head, *rows = (line.split("\t") for line in provisioner("why", "A81002", "r2-log", fleet=audited).out.splitlines())
    assert [dict(zip(head, row, strict=True))["status"] for row in rows] == ["failed", "passed"]
    body = json.loads(provisioner("why", "A81002", "R2-logged-in", "--format", "json", fleet=audited).out)
    jsonschema.validate(body, promised("why"))
    assert (body["fact"], body["operator"], body["whose_job"]) == ("systmone.logged_in", "is", "the practice")
    assert body["reading"]["value"] is False
    several = provisioner("why", "A81002", "R17", fleet=audited)
    assert (several.code, "could be any of" in several.err) == (2, True)
    for word, meant in (("r1", "R1-physical"), ("R10-memory", "R10-memory")):
        body = json.loads(provisioner("why", "A81002", word, "--format", "json", fleet=audited).out)
        assert body["control"] == meant
    assert "Did you mean clock?" in provisioner("why", "A81002", "clok", fleet=audited).err
    assert provisioner("why", "A81003", "clock", fleet=audited).code == 2


def test_forecast(audited: Path, provisioner: Command) -> None:
    body = json.loads(provisioner("forecast", "--days", "3650", "--format", "json", fleet=audited).out)
    jsonschema.validate(body, promised("forecast"))
    whats = {one["what"].partition(" ")[0] for one in body["endings"]}
    assert {"updates", "statement"} <= whats
    assert [one["in_days"] for one in body["endings"]] == sorted(one["in_days"] for one in body["endings"])
    assert body["remarks"] == []
    only = json.loads(
        provisioner("forecast", "--days", "3650", "--only", "A81001", "--format", "json", fleet=audited).out
    )
    assert {one["practice"] for one in only["endings"]} == {"A81001"}
    assert provisioner("forecast", "--days", "-1", fleet=audited).code == 2


def test_a_letter_names_the_day_on_which_what_was_told_ends(
    audited: Path, provisioner: Command, tmp_path: Path
) -> None:
    def letter(folder: str) -> str:
        ran = provisioner("report", "--per-practice", "--output", tmp_path / folder, fleet=audited)
        assert ran.code == 0, ran.err
        return (tmp_path / folder / "A81001.html").read_text("utf-8")

    # A date that lies a year ahead is none by which somebody acts now.
    assert "Nothing to do" in letter("before")
    said, day = audited / "statements.csv", date.today() + timedelta(days=30)
    rows = [
        re.sub(r"\d{4}-\d\d-\d\d,LAB-1$", f"{day},LAB-1", row) if "A81001,,R3" in row else row
        for row in said.read_text("utf-8").splitlines()
    ]
    said.write_text("\n".join(rows) + "\n", "utf-8")
    after = letter("after")
    assert f"Please do it by {day:%A} {day.day} {day:%B %Y}." in after
    assert "Tell us whether it still holds what The lab has told us." in after


def test_of_what_was_never_read_nothing_is_forecast(lab: Lab, provisioner: Command) -> None:
    folder = lab("A81001").folder
    ran = provisioner("forecast", fleet=folder)
    assert (ran.code, "A81001: not read in the last audits" in ran.err) == (0, True)
    assert "There is no audit of this fleet" in provisioner("compare", fleet=folder).err
    assert "was not asked" in provisioner("why", "A81001", "clock", fleet=folder).err


def test_the_report_shows_how_it_was(audited: Path, provisioner: Command, tmp_path: Path) -> None:
    page = tmp_path / "a.html"
    assert provisioner("report", "--output", page, fleet=audited).code == 0
    said = re.search(r"<figcaption[^>]*>([^<]*)<", page.read_text("utf-8"))
    assert said
    assert re.fullmatch(r"Ready: 2 of 2 on .*, and 1 of 2 on .* \(2 audits\)", said[1])
    first = json.loads(provisioner("compare", "--format", "json", fleet=audited).out)["old"]["audit"]
    assert provisioner("report", first, "--output", page, fleet=audited).code == 0
    assert "<figcaption" not in page.read_text("utf-8")


@pytest.mark.parametrize("words", [("compare",), ("why", "A81002", "R2-logged-in"), ("forecast", "--days", "900")])
def test_it_fits_a_screen(audited: Path, words: tuple[str, ...]) -> None:
    for columns in (80, 30):
        seen = shown(*words, fleet=audited, columns=columns, rows=24)
        lines = seen.text.rstrip().splitlines()
        assert seen.code == 0
        assert len(lines) < 24 or columns == 30
        assert max(map(len, lines)) <= columns
        assert "\t" not in seen.text
        assert [line for line in lines if line.startswith("Next: ")]


@pytest.mark.parametrize("verb", ["approve", "compare", "why", "forecast", "practices"])
def test_each_has_examples(verb: str, provisioner: Command) -> None:
    assert f"provisioner {verb} " in provisioner(verb, "--help").out.partition("Examples:")[2]
