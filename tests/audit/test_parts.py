"""An audit of a part is named as one wherever it is shown, and none that is not this fleet's is ever taken for it."""

import csv as csvs
import io
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import time_machine
from click.testing import CliRunner, Result

from provisioner import fleet as fleets
from provisioner.audit.auditor import Auditor
from provisioner.audit.causes import causes
from provisioner.audit.evaluate import readiness
from provisioner.audit.shipped import open_policy
from provisioner.cli import provisioner
from provisioner.errors import InputError, ProvisionerError
from provisioner.journal import Journal
from provisioner.model import Audit, Evidence, Plan, Problem
from provisioner.report import approval, csv, html, junit
from provisioner.report.view import view, views
from provisioner.report.words import part
from tests.conftest import told, unfolded
from tests.fixtures.fleets import FLEET, HEADER, write

NOW = datetime.now(UTC) - timedelta(hours=2)
ROWS = """\
A81001,THE DENSHAM SURGERY,GW-A81001,192.0.2.1,active
A81001,THE DENSHAM SURGERY,SB-A81001,192.0.2.2,standby
A81002,QUEENS PARK,GW-A81002,192.0.2.3,active
A81004,BLUEBELL,,,active
"""
ALL = ("GW-A81001", "SB-A81001", "GW-A81002")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A fleet of three known gateways of two practices, and a third practice whose PC is not known; its journal lies
    beside it."""
    text = f"{FLEET}journal: {tmp_path / 'journal.db'}\n"
    return write(tmp_path / "fleet", {"practices.csv": f"{HEADER}\n{ROWS}", "fleet.yml": text})


def audited(folder: Path, names: Collection[str] = ALL, *, hour: float = 0, purpose: str = "") -> Audit:
    """An audit of these gateways as `audit --only` makes it, kept; nobody answered."""
    whole = fleets.load(folder)
    with Journal.open(folder.parent / "journal.db") as journal, time_machine.travel(NOW + timedelta(hours=hour)):
        auditor = Auditor(whole, open_policy(), journal)
        auditor.__dict__["_reader"] = _Nobody()
        rows = [row for row in whole.gateways if row.name in names or (names == ALL and not row.known)]
        return auditor.audit_of(rows, purpose)


class _Nobody:
    """Reads gateways that are all away."""

    def read(self, gateways: Collection[object], sections: object) -> list[Evidence]:
        gone = Problem(kind="Unreachable", message="no answer", hint="Is it on?")
        return [Evidence(gateway=one.name, taken_at=NOW, seconds=1.0, error=gone) for one in gateways]  # type: ignore[attr-defined]


def run(folder: Path, *arguments: str) -> Result:
    ran = CliRunner().invoke(provisioner, ["--fleet", str(folder), *arguments], standalone_mode=False)
    if isinstance(ran.exception, ProvisionerError):
        raise ran.exception
    assert ran.exception is None, ran.exception
    return ran


def taken(folder: Path) -> tuple[str, str]:
    """Which audit `report` takes by itself, and what it says beside it."""
    ran = run(folder, "report", "--as", "json")
    return json.loads(ran.stdout)["audit"], ran.stderr


def test_a_part_is_named_in_every_form(folder: Path) -> None:
    some = audited(folder, ("GW-A81001",))
    said = "Only a part, 1 of 3 gateways: "
    ready = readiness(some)
    assert view(some, ready, ()).sentence == f"{said}the gateway could not be read"
    page = html.audit(some, ready, causes(some))
    assert f"<h1>{said}" in page and "This audit asked 1 of 3 gateways only" in page
    assert {row["part"] for row in csvs.DictReader(io.StringIO(csv.audit(some, ready)))} == {"1 of 3 gateways"}
    assert ET.fromstring(junit.audit(some, ready)).get("name") == f"audit {some.id} (only 1 of 3 gateways)"
    shown = run(folder, "show", some.id)
    assert f"{some.id}: {said}" in shown.stderr
    assert {row["part"] for row in csvs.DictReader(io.StringIO(shown.stdout), delimiter="\t")} == {"1 of 3 gateways"}
    assert run(folder, "--format", "table", "show", some.id).stdout.startswith(said)
    told = json.loads(run(folder, "--format", "json", "show", some.id).stdout)
    assert (told["partial"], told["of"], len(told["gateways"])) == (True, 3, 1)
    entries = json.loads(run(folder, "--format", "json", "history").stdout)["entries"]
    assert entries[0]["title"].startswith(said)
    # What is said of one practice counts its own gateways, and names nobody else's.
    mine = html.letters(some, ready, causes(some))("A81001")
    assert "1 of 2 gateways of this practice" in mine and "A81002" not in mine


@pytest.mark.parametrize(
    ("asked", "options", "is_part"),
    [
        (ALL, (), ""),
        (ALL, ("--only", "A81002"), "1 of 3 gateways"),
        (ALL, ("--remedy", "firewall"), "firewall alone"),
        (
            ALL,
            ("--remedy", "java", "--remedy", "firewall", "--only", "A81001"),
            "2 of 3 gateways; java, firewall alone",
        ),
        (ALL[:2], (), "2 of 3 gateways"),
        (ALL[:2], ("--only", "GW-A81001"), "1 of 3 gateways"),
    ],
)
def test_a_plan_of_a_part_is_named_as_one_in_every_form(
    asked: Collection[str], options: Sequence[str], is_part: str, folder: Path
) -> None:
    """Nothing is to change in a part, or all that was planned is done: neither is so of the fleet."""
    audited(folder, asked)
    made = json.loads(run(folder, "plan", *options, "--format", "json").stdout)
    assert made["part"] == is_part
    words = f"Only a part, {is_part}: "
    shown = run(folder, "show", made["plan"], "--format", "table").stdout
    page = run(folder, "report", made["plan"], "--as", "html").stdout
    titles = [one["title"] for one in json.loads(run(folder, "history", "--format", "json").stdout)["entries"]]
    for text in (shown.splitlines()[0], re.findall("<h1>(.*?)</h1>", page)[0]):
        assert text.startswith(words) == bool(is_part), text
    assert (f"(only {is_part})" in titles[0]) == bool(is_part)
    with Journal.open(folder.parent / "journal.db") as journal:
        plan = journal.load(made["plan"])
    assert isinstance(plan, Plan)
    assert (f"Only a part: {is_part}" in approval.lines(plan, {}, "x")) == bool(is_part)


def test_a_whole_audit_is_no_part(folder: Path) -> None:
    whole = audited(folder)
    assert part(whole) == part_of_a81001(whole) == ""
    told = json.loads(run(folder, "--format", "json", "show", whole.id).stdout)
    assert (told["partial"], told["of"]) == (False, 3)
    assert html.audit(whole, readiness(whole), ()).count("Only a part") == 0


def test_of_a_practice_that_was_asked_whole_nothing_is_missing(folder: Path) -> None:
    some = audited(folder, ("GW-A81001", "SB-A81001"))
    assert part(some) == "2 of 3 gateways" and part_of_a81001(some) == ""


def part_of_a81001(audit: Audit) -> str:
    return views(audit, {}, ())("A81001").part


def test_the_latest_of_the_whole_fleet_is_taken_though_a_part_is_newer(folder: Path) -> None:
    whole = audited(folder)
    some = audited(folder, ("GW-A81002",), hour=1)
    id_, said = taken(folder)
    assert id_ == whole.id
    assert f"{some.id} is newer, but of a part only (1 of 3 gateways)" in said
    planned = run(folder, "plan")
    assert f"from {whole.id}" in json.loads(run(folder, "--format", "json", "history").stdout)["entries"][0]["title"]
    assert some.id in planned.stderr


def test_where_there_is_only_a_part_it_is_taken_and_said_to_be_one(folder: Path) -> None:
    some = audited(folder, ("GW-A81002",))
    id_, said = taken(folder)
    assert id_ == some.id and "of a part only (1 of 3 gateways)" in said
    planned = run(folder, "plan")
    assert f"{some.id} is of a part of the fleet only (1 of 3 gateways)" in planned.stderr
    entries = json.loads(run(folder, "--format", "json", "history").stdout)["entries"]
    assert "(only 1 of 3 gateways)" in entries[0]["title"]


def test_an_audit_of_before_parts_were_kept_is_held_against_the_fleet(folder: Path) -> None:
    some = audited(folder, ("GW-A81002",))
    with Journal.open(folder.parent / "journal.db") as journal:
        journal.save(replace(some, id="old", folder="", left_out=None, at=NOW + timedelta(hours=1)))
    assert run(folder, "--format", "table", "show", "old").stdout.startswith("Only a part, 1 of 3 gateways: ")


def test_a_fleet_that_has_grown_is_said_to_have_grown(folder: Path) -> None:
    whole = audited(folder)
    rows = (folder / "practices.csv").read_text("utf-8") + "A81005,SPRINGWOOD,GW-A81005,192.0.2.9,active\n"
    (folder / "practices.csv").write_text(rows, "utf-8")
    audited(folder, ("GW-A81002",), hour=1)
    id_, said = taken(folder)
    assert id_ == whole.id and "GW-A81005 came into the fleet after" in said


def other(folder: Path, rows: str) -> Path:
    """Another fleet folder with the same journal."""
    files = {"practices.csv": f"{HEADER}\n{rows}", "fleet.yml": (folder / "fleet.yml").read_text("utf-8")}
    return write(folder.parent / "other", files)


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        ("B84001,ELSEWHERE,GW-B84001,198.51.100.1,active\n", ("GW-B84001",)),
        # The same practice and name at another address, as in a lab: another PC.
        ("A81002,QUEENS PARK,GW-A81002,198.51.100.3,active\n", ("GW-A81002",)),
        # More than this fleet has: of that one, not of this.
        (f"{ROWS}B84001,ELSEWHERE,GW-B84001,198.51.100.1,active\n", (*ALL, "GW-B84001")),
    ],
    ids=["other practices", "other PCs", "more than these"],
)
def test_another_fleets_audit_in_the_same_journal_is_never_taken(
    folder: Path, rows: str, names: tuple[str, ...]
) -> None:
    there = audited(other(folder, rows), names, hour=1)
    with pytest.raises(InputError, match="no audit of this fleet"):
        run(folder, "report")
    with pytest.raises(InputError, match="another fleet folder"):
        run(folder, "plan", there.id)
    assert "another fleet folder" in run(folder, "show", there.id).stderr
    mine = audited(folder)
    assert taken(folder)[0] == mine.id


def test_another_folder_of_some_of_the_same_gateways_is_a_part_of_this(folder: Path) -> None:
    whole = audited(folder)
    pilot = other(folder, ROWS.splitlines()[2] + "\n")
    there = audited(pilot, ("GW-A81002",), hour=1)
    assert taken(pilot)[0] == there.id
    assert taken(folder)[0] == whole.id


def test_a_migrations_audit_is_never_taken_for_the_fleets(folder: Path) -> None:
    before = audited(folder, ("GW-A81001", "SB-A81001"), hour=1, purpose="before A81001 moves to SB-A81001")
    with pytest.raises(InputError, match="no audit of this fleet"):
        run(folder, "report")
    with pytest.raises(InputError, match="made for a migration"):
        run(folder, "plan", before.id)
    shown = run(folder, "--format", "table", "show", before.id).stdout
    assert shown.startswith("Before A81001 moves to SB-A81001, 2 of 3 gateways: ")
    assert f"Next: {told('migrate status', folder)}" in unfolded(shown)


def test_pruning_keeps_the_newest_of_the_whole_fleet(folder: Path) -> None:
    whole = audited(folder, hour=-24 * 90)
    audited(folder, ALL, hour=-24 * 95)
    some = audited(folder, ("GW-A81002",), hour=-24 * 80)
    run(folder, "history", "--prune", "30", "--yes")
    with Journal.open(folder.parent / "journal.db") as journal:
        assert journal.kept("audit") == [some.id, whole.id]
