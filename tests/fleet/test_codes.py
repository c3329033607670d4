"""The shape of practice codes, and what is said of others."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.errors import suggest, suggest_code
from provisioner.fleet.codes import normal, why_not_practice


@pytest.mark.parametrize("code", ["A81001", "Y00001", "W91050", "ALD001", "GUE123", "JER999", "V81990", "P87001"])
def test_practice_codes_have_no_why_not(code: str) -> None:
    assert why_not_practice(code) == ""


@pytest.mark.parametrize("given", [" a81001 ", "A81001\t", "\u00a0a81001"])
def test_codes_are_read_in_lower_case_and_with_blanks(given: str) -> None:
    assert normal(given) == "A81001"


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("", "no practice code"),
        ("K81003001", "branch surgery's code: give its parent practice, K81003"),
        ("ALD001002", "parent practice, ALD001"),
        ("A8100O", "letter where a digit belongs: is it A81000?"),
        ("AB1OO1", "is it A81001?"),
        ("A8I0L1", "is it A81011?"),
        ("JER00O", "is it JER000?"),
        ("V81997", "dummy"),
        ("V81998", "dummy"),
        ("V81999", "dummy"),
        ("G3472185", "doctor's own code"),
        ("00L", "commissioner's code"),
        ("W2U3Z", "commissioner's code"),
        ("QHM", "commissioner's code"),
        ("I81001", "not a practice code"),
        ("A8100", "not a practice code"),
        ("A810011", "not a practice code"),
        ("A81\u0660\u06601", "not a practice code"),
        ("THE SURGERY", "not a practice code"),
    ],
)
def test_the_reason_says_what_to_give_instead(code: str, why: str) -> None:
    assert why in why_not_practice(code)


@given(st.text())
def test_any_text_gets_a_short_answer_that_can_be_shown(text: str) -> None:
    assert why_not_practice(normal(text)).isprintable()
    assert len(why_not_practice(normal(text))) < 400


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("A84O05", "Did you mean A84005?"),
        ("A8400Z", "Did you mean A84002?"),
        ("A84050", "Did you mean A84005?"),
        ("A84055", "Did you mean A84005 or A84045 or A84025?"),
    ],
)
def test_of_codes_none_is_picked_out_of_several_as_near(typed: str, hint: str) -> None:
    """Who is told one of them takes it for the right one, and works at another practice."""
    words = re.findall(r"\w\d+", hint)
    found = suggest(typed, ["A84045", "A84002", "A84005", "A84025", "B81999"])
    assert sorted(re.findall(r"\w\d+", found)) == sorted(words)
    assert suggest("A84009", [f"A8400{number}" for number in range(9)]) == ""


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("A81201", "Did you mean A18201 or A82101?"),
        ("A8100A", ""),
        ("B81001", "Did you mean A81001?"),
    ],
)
def test_of_a_national_list_all_that_are_as_near_are_named(typed: str, meant: str) -> None:
    """One of two would be taken for the right one. Nine that are as near say nothing."""
    listed = {"A18201", "A82101", "A18001", *(f"A8100{number}" for number in range(9))}
    assert suggest_code(typed, listed) == meant
