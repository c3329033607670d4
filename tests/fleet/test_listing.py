"""A fleet's practices against a national list: closures, mergers, new ones; and a list that is older than the fleet."""

import csv
import io
import json
import os
from datetime import date, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from provisioner.cli import provisioner
from provisioner.errors import InputError
from provisioner.fleet import listing, ods
from provisioner.fleet.listing import DifferenceKind

# Another order of columns, one that we do not know, and a separator that a spreadsheet may choose.
OWN = """\
gateway;role;practice;notes;name;address
GW1;active;A81001;;THE DENSHAM SURGERY;gw1.example.nhs.uk
GW2;retired;a81002 ;;QUEENS PARK;gw2.example.nhs.uk
;active;A81003;;OLD NAME;
GW4;active;A81004;;BLUEBELL;192.0.2.4
GW5;active;A81050;;PRISON;192.0.2.5
;active;A81099;;NOWHERE;
"""


def entry(code: str, name: str, *, status: str = "A", setting: str = "4", **other: str) -> list[str]:
    cells = [""] * 27
    cells[0], cells[1], cells[12], cells[25] = code, name, status, setting
    cells[3], cells[14] = "QHM", other.get("commissioner", "00L")
    cells[9], cells[10], cells[11] = other.get("postcode", ""), other.get("opened", ""), other.get("closed", "")
    return cells


LISTED = (
    entry("A81001", "DENSHAM SURGERY", status="C", closed="2026-06-30", postcode="TS1 1AA"),
    entry("A81002", "QUEENS PARK", status="C", closed="2026-07-31"),
    entry("A81003", "WILLOWS", opened="1974-04-01"),
    entry("A81004", "BLUEBELL", opened="1974-04-01"),
    entry("A81050", "HMP", setting="8"),
    entry("A81060", "NEW ALLIANCE", opened="2026-07-01", postcode="TS1 1AA"),
    entry("A81061", "OF ANOTHER PLACE", commissioner="16C"),
    entry("A81062", "OF ANOTHER SUPPLIER", opened="1974-04-01"),
)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    text = io.StringIO()
    csv.writer(text).writerows(LISTED)
    listed, own = tmp_path / "epraccur.csv", tmp_path / "practices.csv"
    listed.write_text(text.getvalue())
    own.write_text(OWN)
    stamp = datetime(2026, 8, 1).timestamp()
    os.utime(own, (stamp, stamp))
    return listed, own


def run(*arguments: str | Path) -> Result:
    ran = CliRunner().invoke(provisioner, ["practices", *map(str, arguments)], standalone_mode=False)
    if isinstance(ran.exception, InputError):
        raise ran.exception
    assert ran.exception is None, ran.exception
    return ran


def told(*arguments: str | Path) -> dict[str, dict[str, str]]:
    body = json.loads(run(*arguments, "--format", "json").stdout)
    return {one["practice"]: one for one in body["differences"]}


def systems(own: Path) -> tuple[str | Path, ...]:
    """What is open is of one supplier, but for one practice."""
    path = own.with_name("systems.csv")
    path.write_text("ODSCode,Supplier\nA81003,TPP\nA81004,TPP\nA81060,TPP\nA81061,TPP\nA81062,EMIS\n")
    return "--system", path, "--supplier", "TPP"


def test_without_the_suppliers_no_other_practice_is_called_new(files: tuple[Path, Path]) -> None:
    listed, own = files
    ran = run(listed, "--compare", own, "--format", "json")
    body = json.loads(ran.stdout)
    assert "new" not in {one["what"] for one in body["differences"]}
    assert body["remarks"][-1].startswith("2 other open practices of the same commissioners are not in practices.csv.")
    with_them = told(listed, "--compare", own, *systems(own))
    assert [code for code, one in with_them.items() if one["what"] == "new"] == ["A81060"]


def test_what_closed_merged_is_not_listed_is_named_otherwise_or_is_new(files: tuple[Path, Path]) -> None:
    listed, own = files
    found = told(listed, "--compare", own, *systems(own))
    assert {code: one["what"] for code, one in found.items()} == {
        "A81001": "closed", "A81002": "closed", "A81050": "no GP practice", "A81099": "not in the list",
        "A81003": "another name", "A81060": "new",
    }  # fmt: skip
    assert found["A81001"]["on"] == "2026-06-30"
    # Who took over the list does not say, and nothing is guessed.
    assert found["A81001"]["successors"] == ""
    assert "open at the same postcode: A81060 NEW ALLIANCE; ask" in found["A81001"]["why"]
    assert "retired here already" in found["A81002"]["why"]
    assert found["A81004" if "A81004" in found else "A81001"]["gateways"] == "GW1"


@pytest.mark.parametrize(
    "mergers",
    [
        "A81001,A81060\n",
        "Reason,Successor code,Effective,Predecessor code\nmerger,A81060,2026-07-01,A81001\n",
        "Code,Succeeded by,When\nA81001,A81060,20260701\nRVV,RYR,20200101\n",
    ],
    ids=["no header", "another order", "others between"],
)
def test_who_took_over_is_read_from_a_list_of_successors(files: tuple[Path, Path], mergers: str) -> None:
    listed, own = files
    path = own.with_name("mergers.csv")
    path.write_text(mergers)
    found = told(listed, "--compare", own, "--successors", path)["A81001"]
    assert found["successors"] == "A81060"
    assert "merged into A81060 NEW ALLIANCE (not in the fleet)" in found["why"]


def test_a_list_of_successors_that_is_none(files: tuple[Path, Path]) -> None:
    path = files[1].with_name("mergers.csv")
    path.write_text("A81001,merged\n")
    with pytest.raises(InputError, match="has 1 columns of practices' codes, and is to have two"):
        run(files[0], "--compare", files[1], "--successors", path)


def test_new_ones_are_those_of_the_commissioners_that_are_asked_for(files: tuple[Path, Path]) -> None:
    listed, own = files
    new = [
        code
        for code, one in told(listed, "--compare", own, "--icb", "QHM", *systems(own)).items()
        if one["what"] == "new"
    ]
    assert new == ["A81060", "A81061"]


def test_a_list_that_is_older_than_the_fleet_is_said(files: tuple[Path, Path]) -> None:
    listed, own = files
    assert "older than the fleet" not in run(listed, "--compare", own).stderr
    stamp = datetime(2026, 11, 1).timestamp()
    os.utime(own, (stamp, stamp))
    assert "knows nothing after 2026-07-31, and practices.csv is of 2026-11-01: the list is older" in run(
        listed, "--compare", own
    ).stderr.replace("\n", " ")
    assert listing.newest(ods.read(listed), date(2026, 7, 15)) == date(2026, 7, 1)


def test_in_a_pipe_it_is_a_table_with_tabs(files: tuple[Path, Path]) -> None:
    ran = run(files[0], "--compare", files[1])
    head, *rows = (line.split("\t") for line in ran.stdout.splitlines())
    assert tuple(head) == listing.COLUMNS
    assert [cells[0] for cells in rows] == sorted((cells[0] for cells in rows), key=[*DifferenceKind].index)
    assert all(len(cells) == len(head) for cells in rows)
    assert "Next: in practices.csv the role retired" in ran.stderr


def test_a_table_without_the_column_is_refused(files: tuple[Path, Path]) -> None:
    files[1].write_text("code,name\nA81001,X\n")
    with pytest.raises(InputError, match=r"cannot be read as a practices\.csv"):
        run(files[0], "--compare", files[1])
