"""practices.csv as spreadsheets leave it, and what no spreadsheet would leave."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from provisioner import files
from provisioner.fleet.csvfile import read
from tests.fixtures.fleets import HEADER, LAB, PRACTICES, check, right, write

EXPECTED = [("A81001", "GW-A81001", "active"), ("A81002", "GW-A81002", "active"), ("A81004", "", "active")]
# A row with letters beyond ASCII, whose encoding shows.
WELSH = f"{HEADER},town\nW91001,MEDDYGFA SÂN,GW1,10.1.2.3,active,Tŷ\n"


def put(folder: Path, data: bytes) -> Path:
    write(folder, {})
    (folder / "practices.csv").write_bytes(data)
    return folder


def summary(folder: Path) -> list[tuple[str, str, str]]:
    return [(gateway.practice, gateway.name, gateway.role) for gateway in right(folder).gateways]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    text = WELSH if encoding != "cp1252" else WELSH.replace("ŷ", "y")
    (gateway,) = right(put(tmp_path, text.encode(encoding))).gateways
    assert gateway.practice_name == "MEDDYGFA SÂN"
    assert gateway.variables["town"][0] == "T"


@pytest.mark.parametrize(("mark", "encoding"), [(b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")])
def test_utf_16_with_either_byte_order_mark(tmp_path: Path, mark: bytes, encoding: str) -> None:
    (gateway,) = right(put(tmp_path, mark + WELSH.encode(encoding))).gateways
    assert gateway.variables == {"town": "Tŷ"}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_line_ends_and_separators(tmp_path: Path, end: str, separator: str) -> None:
    text = PRACTICES.replace(",", separator).replace("\n", end)
    assert summary(put(tmp_path, text.encode())) == EXPECTED


def test_the_line_that_tells_excel_its_separator(tmp_path: Path) -> None:
    text = "sep=;\r\n" + PRACTICES.replace(",", ";") + "A8100;;;;\r\n"
    _, faults = check(put(tmp_path, text.encode()))
    assert [fault.line for fault in faults] == [6]


def test_stray_blanks_lower_case_and_blank_rows(tmp_path: Path) -> None:
    header = HEADER.upper().replace(",", " , ")
    text = f"\n {header} ,,\n,,,,,,\n a81001 ,\u00a0X ,gw1 , 10.0.0.1, ACTIVE ,,\n\n  \n,,,,,,\n"
    assert summary(put(tmp_path, text.encode())) == [("A81001", "gw1", "active")]
    assert right(tmp_path).gateways[0].line == 4


def test_a_file_without_an_end_of_line_at_its_end(tmp_path: Path) -> None:
    assert summary(put(tmp_path, PRACTICES.rstrip("\n").encode())) == EXPECTED


def test_invisible_characters_do_not_count(tmp_path: Path) -> None:
    text = f"{HEADER}\nA81001\u200b,X,\u200eGW1,10.0.0.1,\ufeffactive\n"
    assert summary(put(tmp_path, text.encode())) == [("A81001", "GW1", "active")]


def test_quoted_cells_may_hold_separators_and_line_ends(tmp_path: Path) -> None:
    text = (
        f'{HEADER},note\nA81001,"DENSHAM, THE\r\nSURGERY",GW1,10.0.0.1,active,"a;b\nc"\nA81002,,GW2,10.0.0.2,wrong,\n'
    )
    found, faults = check(put(tmp_path, text.encode()))
    assert found is None
    assert [fault.line for fault in faults] == [5]
    found = right(put(tmp_path, text.replace("wrong", "standby").encode()).resolve())
    assert found.gateways[0].practice_name == "DENSHAM, THE SURGERY"
    assert found.gateways[0].variables["note"] == "a;b\nc"


def test_columns_in_another_order(tmp_path: Path) -> None:
    text = "role,address,computer,practice,gateway,name\nstandby,10.0.0.1,PC1,A81001,GW1,X\n"
    (gateway,) = right(put(tmp_path, text.encode())).gateways
    assert (gateway.role, gateway.variables) == ("standby", {"computer": "PC1"})


def test_cells_that_a_spreadsheet_left_out_at_the_end(tmp_path: Path) -> None:
    text = f"{HEADER},computer,town\nA81001,X,GW1,10.0.0.1,active\n"
    assert right(put(tmp_path, text.encode())).gateways[0].variables == {"computer": "", "town": ""}


def test_cells_that_begin_like_formulas_are_data(tmp_path: Path) -> None:
    text = f'{HEADER},note\nA81001,"=CMD()",GW1,10.0.0.1,active,@SUM(A1)\n'
    (gateway,) = right(put(tmp_path, text.encode())).gateways
    assert (gateway.practice_name, gateway.variables["note"]) == ("=CMD()", "@SUM(A1)")


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", None, "is empty"),
        ("\n\n", None, "is empty"),
        ("A81001,X,GW1,10.0.0.1,active\n", 1, "there is no header line"),
        ("practice,name,gateway,address\nA81001,X,GW1,a\n", 1, "there is no column role"),
        (f"{HEADER},Role\n", 1, "the column role is there twice"),
        (f"{HEADER},Town,town\n", 1, "the column town is there twice"),
        (f"{HEADER},ansible_password\n", 1, "cannot name a column"),
        (f"{HEADER},2nd\n", 1, "cannot name a column"),
        (f"{HEADER},practice_name\n", 1, "cannot name a column"),
        (f"{HEADER}\nA81001,X,GW1 10.0.0.1,active\n", 2, "has 4 cells, and the header has 5"),
        (f"{HEADER}\nA81001\n", 2, "has 1 cells, and the header has 5"),
        (f"{HEADER}\nA81001,DENSHAM, THE,GW1,10.0.0.1,active\n", 2, "has 6 cells, and the header has 5"),
        (f"{HEADER},\nA81001,X,GW1,10.0.0.1,active,stray\n", 2, "under a column without a name"),
        (f"{HEADER}\nA81001,X,#REF!,10.0.0.1,active\n", 2, "gateway is #REF!"),
        (f"{HEADER}\nA81001,\"X,GW1,10.0.0.1,active\n", 2, "quotation marks"),
        (f"{HEADER}\nA81001,\"X\"Y,GW1,10.0.0.1,active\n", 2, "quotation marks"),
        ("PK\x03\x04", None, "is a workbook"),
        (f"{HEADER}\nA81001,X\0,GW1,10.0.0.1,active\n", None, "NUL"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_told_with_its_line(tmp_path: Path, text: str, line: int | None, message: str) -> None:
    found, faults = check(put(tmp_path, text.encode()))
    assert found is None
    assert [(fault.line, message in fault.message) for fault in faults] == [(line, True)]
    assert faults[0].hint


def test_rows_after_a_broken_one_are_still_checked(tmp_path: Path) -> None:
    text = f'{HEADER}\nA81001,"X"Y,GW1,10.0.0.1,active\nA8100,,,,\nA81002,X\nA81003,X,GW 3,,\n'
    _, faults = check(put(tmp_path, text.encode()))
    assert [fault.line for fault in faults] == [2, 3, 4, 5]


def test_a_column_that_is_nearly_right_is_suggested(tmp_path: Path) -> None:
    _, (fault,) = check(put(tmp_path, b"practice,name,gateway,adress,role\n"))
    assert fault.hint == "Did you mean adress? Rename that."


def test_bytes_that_are_no_text_name_their_line(tmp_path: Path) -> None:
    _, (fault,) = check(put(tmp_path, HEADER.encode() + b"\nA81001,\x81\x8d,,,\n"))
    assert "see line 2" in fault.message
    assert "Save it as CSV UTF-8" in fault.hint


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    write(tmp_path, {})
    (tmp_path / "practices.csv").unlink()
    (tmp_path / "practices.csv").mkdir()
    _, (fault,) = check(tmp_path)
    assert "cannot be read" in fault.message


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.binary(max_size=300) | st.text(alphabet='A81,;\t"\r\n= #', max_size=300).map(str.encode))
def test_any_bytes_become_rows_or_faults_with_lines_that_exist(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "any.csv"
    path.write_bytes(HEADER.encode() + b"\n" + data)
    table = read(path, HEADER.split(","), None)
    last = (
        files.decode(path.read_bytes()).replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
        if table.columns
        else 1
    )
    lines = [row.line for row in table.rows] + [fault.line or 1 for fault in table.faults]
    assert all(1 <= line <= last for line in lines)
    assert all(set(row.cells) == set(table.columns) - {""} for row in table.rows)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(cells=st.lists(st.text(alphabet='aB1.-é";,\n', max_size=8), min_size=2, max_size=2))
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_what_a_spreadsheet_writes_is_what_is_read(tmp_path: Path, separator: str, cells: list[str]) -> None:
    import csv

    path = tmp_path / "any.csv"
    with path.open("w", encoding="utf-16", newline="") as file:
        csv.writer(file, delimiter=separator, lineterminator="\r\n").writerows(
            [["practice", "name"], ["x", *cells[1:]]]
        )
    (row,) = read(path, ["practice", "name"]).rows
    assert row.cells == {"practice": "x", "name": cells[1].strip()}


def test_in_a_lab_many_gateways_share_an_address(tmp_path: Path) -> None:
    rows = f"{HEADER}\nA81001,X,GW1,127.0.0.1,active\nA81002,Y,GW2,127.0.0.1,active\n"
    assert check(write(tmp_path, {"fleet.yml": LAB, "practices.csv": rows}))[1] == []
