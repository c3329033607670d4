"""The national practice list, in its older and newer form, and rows for practices.csv."""

import csv
import io
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from provisioner.cli import provisioner
from provisioner.errors import InputError
from provisioner.fleet import ods
from provisioner.resources import root

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


@pytest.mark.parametrize("text", ["", "A81001,a town\n", "Town,TPP\n", "ODSCode,Supplier\nA81001\n"])
def test_a_file_without_suppliers_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "systems.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError, match="no column"):
        ods.suppliers(path)


def test_the_verb_prints_rows_on_stdout_and_their_number_on_stderr(tmp_path: Path) -> None:
    systems = tmp_path / "systems.csv"
    systems.write_text("ODSCode,Supplier\nA84002,TPP\nA84005,EMIS\n", "utf-8")
    arguments = ["practices", str(EXAMPLE / "epraccur.csv"), "--system", str(systems), "--supplier", "TPP"]
    result = CliRunner().invoke(provisioner, arguments)
    assert result.stdout == "practice,name,gateway,address,role\nA84002,THE ROTHBURY PRACTICE,,,active\n"
    said = "1 practice. Of systems.csv the codes are column 'ODSCode', the suppliers column 'Supplier'.\n"
    assert result.stderr == said


def test_a_system_without_a_supplier_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(provisioner, ["practices", str(EXAMPLE / "epraccur.csv"), "--supplier", "TPP"])
    assert result.exit_code == 2
    assert "go together" in result.stderr


# Published lists and their neighbours: the first code is not always the practice's, nor the first "system" a supplier.
# tests/systems/ has case 17: NHS Digital's POMI file (github.com/nhsuk/pomi-data-etl), the columns of Appointments in
# General Practice (github.com/eamazon/datawarp-v2.1), and three that ICBs keep themselves.
SYSTEMS = Path(__file__).parent / "systems"
SUSSEX = ("H82092", "H82095", "H82091", "J81054")
TWO = "H82092,TPP\nH82095,EMIS\n"
NEIGHBOURS: dict[str, tuple[str, tuple[str, ...], str, str]] = {
    "a title above the header": (
        "GP systems, October 2026\n\nODS Code,Practice,Supplier\nH82092,Village,TPP\nH82095,Witterings,TPP\n",
        ("H82092", "H82095"),
        "ODS Code",
        "Supplier",
    ),
    "a title in the table's own columns": (
        "Systems of choice;;;\nNHS Sussex;;;\nODS Code;Practice;Supplier;Since\nH82092;Village;TPP;\n;Closed;EMIS;\n",
        ("H82092",),
        "ODS Code",
        "Supplier",
    ),
    "no header": (TWO, ("H82092",), "number 1", "number 2"),
    "no header, blanks first": ("\n\n" + TWO, ("H82092",), "number 1", "number 2"),
    "no header, the dummy code first": ("V81999,TPP\n" + TWO, ("H82092",), "number 1", "number 2"),
    "semicolons": ("Practice, name;ODS code;System\nA, B;H82092;TPP\n", ("H82092",), "ODS code", "System"),
    "tabs": ("System\tCode\nTPP\tH82092\n", ("H82092",), "Code", "System"),
    "the separator is told": ("sep=;\nCode;Supplier\nH82092;TPP\n", ("H82092",), "Code", "Supplier"),
    "quoted headers": ('"Practice\nCode","GP System, current"\n"H82092","TPP"\n', ("H82092",), "Practice Code",
                       "GP System, current"),
    "codes as people write them": ("Code,Supplier\n h82092 ,tpp\n", ("H82092",), "Code", "Supplier"),
    "a network's code that looks like one": ("PCN_CODE,CCG code,Practice,System\nU00001,09X,H82092,TPP\n"
                                             "U00002,09X,H82095,TPP\n", ("H82092", "H82095"), "Practice", "System"),
    "a network's code beside a column of no known name": ("Network,Ref,System\nU00001,H82092,TPP\n", ("H82092",),
                                                           "Ref", "System"),
    "codes of practices that are in no list": ("Org,Ref,System\nA81099,H82092,TPP\nA81098,H82095,TPP\n",
                                               ("H82092", "H82095"), "Ref", "System"),
    "a parent's code": ("Parent practice code,Practice code,System\nH82095,H82092,TPP\nH82095,H82095,EMIS\n",
                        ("H82092",), "Practice code", "System"),
    "an empty column of that name": ("Code,Supplier,Clinical system\nH82092,,TPP\nH82095,,EMIS\n", ("H82092",), "Code",
                                     "Clinical system"),
    "a supplier of no known name": ("Code,Integrated Care System,Uses\nH82092,NHS Sussex,TPP\n", ("H82092",), "Code",
                                    "Uses"),
    "SystmOne for a supplier": ("Code,Uses\nH82092,SystmOne\nH82095,EMIS Web\n", ("H82092",), "Code", "Uses"),
    "two of the name, one of which is it": ("Code,Wi-Fi supplier,GP supplier 2\nH82092,Redcentric,TPP\n", ("H82092",),
                                            "Code", "GP supplier 2"),
    "the same twice": ("Code,System,System\nH82092,TPP,TPP\n", ("H82092",), "Code", "System"),
    "a row for the total": ("Code,System\nH82092,TPP\nH82095,EMIS\nTotal,\n", ("H82092",), "Code", "System"),
    "UTF-16": ("\ufeffCode,System\nH82092,TPP\n", ("H82092",), "Code", "System"),
}  # fmt: skip


def asked(tmp_path: Path, write: Write, systems: Path, supplier: str = "TPP") -> Result:
    listed = write(*(entry(code) for code in SUSSEX))
    return CliRunner().invoke(
        provisioner, ["practices", str(listed), "--system", str(systems), "--supplier", supplier],
        standalone_mode=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "practices", "code", "supplier"),
    [
        ("a-pomi", ("H82092", "H82095", "J81054"), "GPPracticeCode", "Supplier"),
        ("b-gpad", ("H82092", "H82095"), "GP_CODE", "SUPPLIER"),
        ("c-icb-own-list", ("H82092", "H82095", "J81054"), "Practice Code", "Clinical System Supplier"),
        ("d-postcode-first", ("H82092", "H82095"), "ODS Code", "System"),
        ("e-system-enabled-first", ("H82092", "H82095"), "GPPracticeCode", "Supplier"),
    ],
)
def test_the_columns_of_published_lists(
    tmp_path: Path, write: Write, name: str, practices: tuple[str, ...], code: str, supplier: str
) -> None:
    result = asked(tmp_path, write, SYSTEMS / f"{name}.csv")
    assert [row[:6] for row in result.stdout.splitlines()[1:]] == list(practices)
    assert f"the codes are column '{code}', the suppliers column '{supplier}'" in result.stderr


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_the_columns_of_their_neighbours(tmp_path: Path, write: Write, name: str) -> None:
    text, practices, code, supplier = NEIGHBOURS[name]
    path = tmp_path / "systems.csv"
    path.write_bytes(text.encode("utf-16-le" if name == "UTF-16" else "utf-8"))
    result = asked(tmp_path, write, path, "SystmOne" if "SystmOne" in name else "TPP")
    assert result.exception is None, result.exception
    assert [row[:6] for row in result.stdout.splitlines()[1:]] == list(practices)
    assert f"the codes are column '{code}', the suppliers column '{supplier}'" in result.stderr


@pytest.mark.parametrize(
    ("text", "supplier", "words"),
    [
        ("Code,Supplier\nH82092,TPP\n", "TTP", ("TPP", "'Code'", "'Supplier'")),
        ("Code,Supplier\nH82092,TPP\nH82099,EMIS\n", "EMIS", ("fits EMIS", "'Code'", "'Supplier'")),
        ("Code,Supplier\nA81001,TPP\n", "TPP", ("is in the list of systems", "'Code'", "'Supplier'")),
        ("Code,Supplier\nH82095,TPP\nH82092\n", "TPP", (":3: 1 columns", "'Code'", "'Supplier'")),
        ("Code,Current supplier,Next supplier\nH82092,TPP,EMIS\n", "TPP", ("'Current supplier' or 'Next supplier'",)),
        ("Ref,Ref 2,System\nH82092,H82095,TPP\nH82095,H82092,TPP\n", "TPP", ("'Ref' or 'Ref 2'",)),
        ("Postcode,System\nBN6 9UQ,TPP\n", "TPP", ("no column that holds practices' codes; it has Postcode, System.",)),
        ("Code,Town,\nH82092,Lewes,\n", "TPP", ("no column that says the supplier; it has Code (the codes), Town.",)),
        ("Code,Supplier\nH82092,\n", "TPP", ("it has Code (the codes), Supplier (empty).",)),
        ("H82092,Lewes\n", "TPP", ("says the supplier; its first line names none of its 2 columns.",)),
    ],
)
def test_every_refusal_names_the_columns(
    tmp_path: Path, write: Write, text: str, supplier: str, words: tuple[str, ...]
) -> None:
    path = tmp_path / "systems.csv"
    path.write_text(text, "utf-8")
    error = asked(tmp_path, write, path, supplier).exception
    assert isinstance(error, InputError)
    for word in words:
        assert word in f"{error.message} {error.hint}"


HEADER = {
    "Organisation Code": "code", "Name": "name", "High Level Health Geography": "icb", "Postcode": "postcode",
    "Open Date": "opened", "Close Date": "closed", "Status Code": "status", "Organisation Sub-Type Code": "",
    "Commissioner": "commissioner", "Provider/Purchaser": "", "Prescribing Setting": "setting",
}  # fmt: skip
VALUES = {
    "code": "A81001", "name": "THE SURGERY", "icb": "QHM", "postcode": "TS1 1AA", "opened": "19740401", "closed": "",
    "status": "A", "commissioner": "00L", "setting": "4", "": "X",
}  # fmt: skip
# As people who work with the list call its columns.
OTHERS = {
    "ODS_Code": "code", "ODS_Name": "name", "Health_geography": "icb", "Open_date": "opened", "Status": "status",
    "Commissioner": "commissioner", "Prescribing_setting": "setting",
}  # fmt: skip
SUB_ICB = {
    "PRACTICE_CODE": "code", "PRACTICE_NAME": "name", "PRACTICE_STATUS": "status", "PRESCRIBING_SETTING": "setting",
    "POSTCODE": "postcode", "OPEN_DATE": "opened", "CLOSE_DATE": "closed", "SUB_ICB_CODE": "commissioner",
    "SUB_ICB_NAME": "", "ICB_CODE": "icb", "ICB_NAME": "",
}  # fmt: skip


def headed(columns: Mapping[str, str], **values: str) -> tuple[list[str], list[str]]:
    """A header, and one entry with these values beside the usual ones."""
    return list(columns), [{**VALUES, **values}[what] for what in columns.values()]


@pytest.mark.parametrize("columns", [HEADER, OTHERS, SUB_ICB], ids=["epraccur", "ODS", "sub-ICB"])
@pytest.mark.parametrize("turn", [0, 3, 5])
def test_columns_are_known_by_their_header_whatever_their_order(
    write: Write, columns: Mapping[str, str], turn: int
) -> None:
    names = list(columns)
    (found,) = ods.read(write(*headed({name: columns[name] for name in [*names[turn:], *names[:turn]]})))
    assert (found.code, found.name, found.open, found.gp) == ("A81001", "THE SURGERY", True, True)
    assert (found.commissioner, found.icb, found.opened_on) == ("00L", "QHM", date(1974, 4, 1))


@pytest.mark.parametrize("missing", ["Organisation Code", "Name", "Status Code", "Prescribing Setting"])
def test_a_header_without_a_needed_column_is_refused_by_its_name(write: Write, missing: str) -> None:
    kept = {name: what for name, what in HEADER.items() if name != missing} | {"ODS code of the parent": ""}
    with pytest.raises(InputError) as caught:
        ods.read(write(*headed(kept)))
    words = f"no column for the {HEADER[missing]}" if missing != "Organisation Code" else "11 columns, and epraccur has"
    assert words in caught.value.message
    assert missing in caught.value.hint


def test_a_header_with_two_that_may_be_it_is_refused(write: Write) -> None:
    with pytest.raises(InputError, match="the status may be column 'Status Code' or 'Status'"):
        ods.read(write(*headed({**HEADER, "Status": "status"})))


def test_what_a_list_does_not_say_cannot_be_asked_of_it(write: Write) -> None:
    listed = ods.read(write(*headed({name: what for name, what in HEADER.items() if what != "commissioner"})))
    assert [one.code for one in ods.select(listed, icb="QHM")] == ["A81001"]
    with pytest.raises(InputError, match="The list says no commissioner"):
        ods.select(listed, commissioner="00L")


def test_a_row_that_is_not_as_wide_as_the_header_is_refused_with_its_line(write: Write) -> None:
    header, cells = headed(HEADER)
    with pytest.raises(InputError, match=r"epraccur.csv:3: 10 columns, and its header has 11"):
        ods.read(write(header, cells, cells[:10]))


def test_a_header_over_all_of_epraccur_may_leave_names_out(write: Write) -> None:
    names = entry("Organisation Code", "Name", status="Status Code", setting="Prescribing Setting", closed="Close Date",
                  icb="High Level Health Geography", commissioner="Commissioner")  # fmt: skip
    assert len(ods.read(write(names, entry("A81001")))) == 1
    names[12] = ""
    assert len(ods.read(write(names, entry("A81001")))) == 1
    # What stands there is another column by its name, and the status is nowhere.
    names[12] = "Organisation Sub-Type"
    with pytest.raises(InputError, match="its header has no column for the status"):
        ods.read(write(names, entry("A81001")))
