"""Everything that can be wrong in statements.csv and waivers.yml."""

from pathlib import Path

import pytest

from tests.fixtures.fleets import HEADER, check, told, write

CONTROLS = frozenset({"R3-dedicated", "R7-disk", "R8-windows"})

STATEMENT = {"practice": "A81001", "gateway": "", "control": "R3-dedicated", "says": "words", "by": "A. Person",
             "on": "2026-01-01", "until": "2026-12-31", "ticket": ""}  # fmt: skip
STATEMENT_FAULTS: dict[str, tuple[dict[str, str], str, str]] = {
    "nobody": ({"practice": ""}, "neither a practice nor a gateway", ""),
    "an unknown practice": ({"practice": "A81003"}, "no practice A81003 in practices.csv", ""),
    "a branch": ({"practice": "A81001001"}, "give its parent practice, A81001", ""),
    "an unknown gateway": ({"gateway": "GW9"}, "no gateway GW9", "The practice has GW-A81001."),
    "another's gateway": ({"gateway": "GW-A81002"}, "a gateway of A81002, not of A81001", ""),
    "no control": ({"control": ""}, "control is missing", ""),
    "an unknown control": ({"control": "r3-dedicated"}, "no control r3-dedicated", "Did you mean R3-dedicated?"),
    "nobody says so": ({"by": ""}, "by is missing", "A person's name"),
    "no end": ({"until": ""}, "until is missing", ""),
    "no date": ({"until": "next year"}, "'next year', which is no date", "2026-12-31"),
    "a month that is none": ({"until": "12/31/2026"}, "no date", "31/12/2026"),
    "an end before its beginning": ({"until": "2025-12-31"}, "before it begins", ""),
}


@pytest.mark.parametrize("name", STATEMENT_FAULTS)
def test_a_fault_of_a_statement(tmp_path: Path, name: str) -> None:
    changed, message, hint = STATEMENT_FAULTS[name]
    row = STATEMENT | changed
    text = f"{','.join(row)}\n{','.join(row.values())}\n"
    found, faults = check(write(tmp_path, {"statements.csv": text}), CONTROLS)
    assert found is None
    assert [(fault.file, fault.line) for fault in faults] == [("statements.csv", 2)], told(faults)
    assert message in faults[0].message
    assert hint in faults[0].hint


@pytest.mark.parametrize("name", STATEMENT_FAULTS)
def test_a_fault_of_a_waiver(tmp_path: Path, name: str) -> None:
    changed, message, hint = STATEMENT_FAULTS[name]
    entry = {**STATEMENT, "words": "words", **changed}
    del entry["says"]
    lines = [f"{key}: {value}" for key, value in entry.items()]
    found, faults = check(write(tmp_path, {"waivers.yml": "- " + "\n  ".join(lines) + "\n"}), CONTROLS)
    assert found is None
    (fault,) = faults
    assert fault.line == next((at for at, line in enumerate(lines, 1) if line.split(":")[0] in changed), None)
    assert message in fault.message
    assert hint in fault.hint


def test_a_statement_without_words(tmp_path: Path) -> None:
    text = "practice,control,says,by,on,until\nA81001,R3-dedicated,,me,2026-01-01,2026-12-31\n"
    _, (fault,) = check(write(tmp_path, {"statements.csv": text}))
    assert fault.message == "says is missing."


@pytest.mark.parametrize("control", ["only-connector", "no-connector-wanted"])
def test_a_statement_may_be_about_what_no_control_asks_and_a_waiver_may_not(tmp_path: Path, control: str) -> None:
    row = STATEMENT | {"control": control}
    statements = f"{','.join(row)}\n{','.join(row.values())}\n"
    assert check(write(tmp_path, {"statements.csv": statements}), CONTROLS)[1] == []
    waiver = f"- {{control: {control}, practice: A81001, words: w, by: me, on: 2026-01-01, until: 2026-12-31}}\n"
    _, (fault,) = check(write(tmp_path, {"waivers.yml": waiver}), CONTROLS)
    assert f"no control {control}" in fault.message


@pytest.mark.parametrize(("on", "until", "word"), [("2025-01-01", "2026-02-28", "ended"),
                                                   ("2026-03-02", "2026-12-31", "begins")])  # fmt: skip
def test_a_statement_that_does_not_count_today_is_a_warning(tmp_path: Path, on: str, until: str, word: str) -> None:
    text = f"practice,control,says,by,on,until\nA81001,R3-dedicated,w,me,{on},{until}\n"
    found, (fault,) = check(write(tmp_path, {"statements.csv": text}))
    assert found is not None
    assert fault.warning
    assert word in fault.message


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("control: R7-disk\n", 1, "is to be a list"),
        ("- R7-disk\n", 1, "a waiver has keys"),
        ("- {control: R7-disk, practise: A81001}\n", 1, "no practise in a waiver"),
        ("- control: [R7-disk]\n", 1, "is to be one text"),
        ("- control: {\n", 2, "is not YAML"),
    ],
)
def test_waivers_of_another_shape(tmp_path: Path, text: str, line: int, message: str) -> None:
    found, faults = check(write(tmp_path, {"waivers.yml": text}))
    assert found is None
    assert (faults[0].file, faults[0].line) == ("waivers.yml", line)
    assert message in faults[0].message


def test_statements_about_rows_that_are_wrong_are_no_faults_of_their_own(tmp_path: Path) -> None:
    text = "practice,control,says,by,on,until\nA81009,R3-dedicated,w,me,2026-01-01,2026-12-31\n"
    rows = f"{HEADER}\nA81009,,GW 9,10.0.0.9,\n"
    _, faults = check(write(tmp_path, {"practices.csv": rows, "statements.csv": text}))
    assert [fault.file for fault in faults] == ["practices.csv"]
    (tmp_path / "practices.csv").unlink()
    _, faults = check(tmp_path)
    assert told(faults) == ["practices.csv: is missing. `provisioner init DIR` writes a whole folder."]
