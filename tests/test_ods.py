"""The national practice list, in its older and newer form, and rows for practices.csv."""

import csv
import io
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from provisioner import ods
from provisioner.cli import provisioner
from provisioner.content import root
from provisioner.errors import InputError

EXAMPLE = root() / "inventory" / "example"

Write = Callable[..., Path]


def entry(code: str, name: str = "A PRACTICE", *, status: str = "A", setting: str = "4", **other: str) -> list[str]:
    """One line of epraccur, 27 columns."""
    cells = [""] * 27
    cells[0], cells[1], cells[12], cells[25] = code, name, status, setting
    cells[3], cells[14], cells[11] = other.get("icb", "QHM"), other.get("commissioner", "00L"), other.get("closed", "")
    return cells


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(*entries: list[str], encoding: str = "utf-8") -> Path:
        text = io.StringIO()
        csv.writer(text, quoting=csv.QUOTE_ALL).writerows(entries)
        path = tmp_path / "epraccur.csv"
        path.write_bytes(text.getvalue().encode(encoding))
        return path

    return write


def test_the_example_has_the_practices_of_northumberland() -> None:
    found = ods.select(ods.read(EXAMPLE / "epraccur.csv"), commissioner="00l")
    assert len(found) == 26
    assert (found[0].code, found[0].name, found[0].icb) == ("A84002", "THE ROTHBURY PRACTICE", "QHM")
    assert ods.rows(found) == (EXAMPLE / "practices.csv").read_text("utf-8")


@pytest.mark.parametrize(("status", "is_open"), [("A", True), ("Active", True), ("ACTIVE", True), ("C", False),
                                                 ("Closed", False), ("D", False), ("P", False)])  # fmt: skip
def test_open_by_the_older_and_the_newer_status(write: Write, status: str, is_open: bool) -> None:
    first, _ = ods.read(write(entry("A81001", status=status), entry("A81002")))
    assert first.open is is_open


@pytest.mark.parametrize(("setting", "gp"), [("4", True), ("RO76", True), ("RO76|RO87", True), ("RO80|RO76", True),
                                             ("RO80|RO87", False), ("8", False), ("40", False)])  # fmt: skip
def test_gp_practices_by_the_older_and_the_newer_setting(write: Write, setting: str, gp: bool) -> None:
    first, _ = ods.read(write(entry("A81001", setting=setting), entry("A81002")))
    assert first.gp is gp


def test_only_open_gp_practices_become_rows(write: Write) -> None:
    path = write(
        entry("a81001", " THE  SURGERY "), entry("A81002", status="C", closed="20171031"), entry("A81003", setting="8")
    )
    assert [one.code for one in ods.select(ods.read(path))] == ["A81001"]
    assert ods.rows(ods.select(ods.read(path))) == "practice,name,gateway,address,role\nA81001,THE SURGERY,,,active\n"
    assert ods.read(path)[1].closed_on == date(2017, 10, 31)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_names_beyond_ascii(write: Write, encoding: str) -> None:
    (found,) = ods.read(write(entry("W91001", "MEDDYGFA SÂN"), encoding=encoding))
    assert found.name == "MEDDYGFA SÂN"


def test_filters_narrow_together(write: Write) -> None:
    listed = ods.read(write(entry("A81001"), entry("A81002", commissioner="16C"), entry("A81003", icb="QOP")))
    systems = {"A81001": "EMIS", "A81002": "EVERGREENLIFE/TPP", "A81003": "TPP"}
    assert [one.code for one in ods.select(listed, systems=systems, supplier="tpp")] == ["A81002", "A81003"]
    assert [one.code for one in ods.select(listed, icb="QOP", systems=systems, supplier="TPP")] == ["A81003"]
    with pytest.raises(InputError, match="No open GP practice fits 16C, EMIS"):
        ods.select(listed, commissioner="16C", systems=systems, supplier="EMIS")


@pytest.mark.parametrize(("option", "near"), [({"commissioner": "00I"}, "00L"), ({"icb": "QHN"}, "QHM"),
                                              ({"supplier": "TTP"}, "TPP")])  # fmt: skip
def test_an_unknown_filter_names_the_nearest(write: Write, option: dict[str, str], near: str) -> None:
    listed = ods.read(write(entry("A81001")))
    with pytest.raises(InputError) as caught:
        ods.select(listed, systems={"A81001": "TPP"}, **option)
    assert near in caught.value.hint


def test_a_file_of_another_width_is_refused_with_its_line(write: Write) -> None:
    with pytest.raises(InputError, match=r"epraccur.csv:2: 26 columns, and epraccur has 27"):
        ods.read(write(entry("A81001"), entry("A81002")[:26]))


@pytest.mark.parametrize("content", [b"", b"\n\n", b"PK\x03\x04rest", b'"A81001,never closed', b"\xff\xfe\x00\x00"])
def test_what_is_no_list_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "epraccur.csv"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        ods.read(path)
    assert "epraccur" in caught.value.message
    assert "27 columns" in caught.value.hint


def test_a_missing_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        ods.read(tmp_path / "epraccur.csv")


def test_suppliers_by_any_header_that_names_them(tmp_path: Path) -> None:
    path = tmp_path / "systems.csv"
    path.write_text("\ufeffPractice Code,Name,System\na81001,X,TPP\nA81001,X,EVERGREENLIFE\nA81002,Y,EMIS\n", "utf-8")
    assert ods.suppliers(path) == {"A81001": "TPP/EVERGREENLIFE", "A81002": "EMIS"}


@pytest.mark.parametrize("text", ["", "A81001,TPP\n", "ODSCode,Supplier\nA81001\n"])
def test_a_file_without_suppliers_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "systems.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError, match="columns"):
        ods.suppliers(path)


def test_the_verb_prints_rows_on_stdout_and_their_number_on_stderr(tmp_path: Path) -> None:
    systems = tmp_path / "systems.csv"
    systems.write_text("ODSCode,Supplier\nA84002,TPP\nA84005,EMIS\n", "utf-8")
    arguments = ["practices", str(EXAMPLE / "epraccur.csv"), "--system", str(systems), "--supplier", "TPP"]
    result = CliRunner().invoke(provisioner, arguments)
    assert result.stdout == "practice,name,gateway,address,role\nA84002,THE ROTHBURY PRACTICE,,,active\n"
    assert result.stderr == "1 practices\n"


def test_a_system_without_a_supplier_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(provisioner, ["practices", str(EXAMPLE / "epraccur.csv"), "--supplier", "TPP"])
    assert result.exit_code == 2
    assert "go together" in result.stderr
