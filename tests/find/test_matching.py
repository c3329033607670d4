"""Which practice a computer is of, and what cannot be told: pure."""

from pathlib import Path

import pytest

from provisioner.errors import InputError
from provisioner.find.matching import Matcher, pairings

PRACTICES = {
    "A81001": "The Park Surgery",
    "A81002": "West Park Surgery",
    "A81003": "The Surgery",
    "A81004": "Dr Évans & Partners",
    "A81005": "St Mary's Medical Centre",
    "A81006": "St Mary's Medical Centre",
    "ALD001": "Island Practice",
}


def matched(name: str, description: str = "", ou: str = "") -> str:
    return Matcher(PRACTICES).match(name, description, ou).practice


@pytest.mark.parametrize(
    ("name", "description", "practice"),
    [
        ("A81001", "", "A81001"),
        ("gw-a81002-01", "", "A81002"),
        ("WSA81003GW", "", "A81003"),
        ("ALD001-PC", "", "ALD001"),
        ("PC-7", "SystmOne gateway (a81004)", "A81004"),
        # An asset's number, a longer number, and a code of nobody's.
        ("PC-B12345", "", ""),
        ("PC-A810012", "", ""),
        ("A81099-GW", "", ""),
        # Two practices: none is taken.
        ("A81001-A81002", "", ""),
        ("A81001-GW", "was A81002", ""),
        ("PC-1", "Reception, the park surgery", "A81001"),
        ("PC-1", "West  Park SURGERY back office", "A81002"),
        ("PC-1", "Dr Évans and Partners", "A81004"),
        # A name that says nothing, one that two have, a part of one.
        ("PC-1", "The Surgery", ""),
        ("PC-1", "St Marys Medical Centre", ""),
        ("PC-1", "car park", ""),
        ("PC-1", "Dr Evan", ""),
        ("", "", ""),
        ("*[!A]*", "(cn=*)", ""),
    ],
)
def test_by_code_and_by_name(name: str, description: str, practice: str) -> None:
    assert matched(name, description) == practice


def test_what_may_be_two_says_which() -> None:
    assert Matcher(PRACTICES).match("PC-1", "St Mary\u2019s Medical Centre").why == "it may be A81005 or A81006"


def table(folder: Path, text: str) -> Path:
    path = folder / "pairs.csv"
    path.write_text(text, "utf-8")
    return path


def test_the_teams_table_comes_first(tmp_path: Path) -> None:
    pairs = pairings(
        table(
            tmp_path,
            "practice;name;ou\nA81002;KIOSK-?;\nA81004;;OU=North\\, Évry,DC=x\nA81001;PC-*;ou=south , dc=x\n",
        )
    )
    matcher = Matcher(PRACTICES, pairs)
    assert matcher.match("kiosk-1").practice == "A81002"
    assert matcher.match("KIOSK-12").practice == ""
    assert matcher.match("A81001", "", "OU=Rooms,OU=north\\2c Évry,DC=X") == matcher.match(
        "x", "", "OU=North\\, Évry,DC=x"
    )
    assert matcher.match("PC-1", "", "OU=South,DC=x").practice == "A81001"
    assert matcher.match("PC-1", "", "OU=Far South,DC=x").practice == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("practice,name\nA8100,PC\n", "pairs.csv:2"),
        ("practice,name\nA81001,PC-*\nA81001,\n", "pairs.csv:3: nothing says which computers"),
        ("practice,ou\nA81001,Gateways\n", "is no place in a directory"),
        ("practice,nam\nA81001,PC\n", "The columns are: practice, name, ou"),
        ("", "pairs.csv"),
    ],
)
def test_a_wrong_table_is_refused_with_its_line(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        pairings(table(tmp_path, text))
    assert words in " ".join(map(str, caught.value.faults))


def test_ten_thousand_computers_are_matched_at_once() -> None:
    many = {f"A{number:05}": f"Practice number {number} of the county" for number in range(1, 7000)}
    matcher = Matcher(many)
    found = [
        matcher.match(f"WS-{number:05}", f"Practice number {number} of the county").practice for number in range(10_000)
    ]
    assert sum(map(bool, found)) == 6999
