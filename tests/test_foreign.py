"""What comes from a gateway can be kept and shown, whatever it is; what is put back is what was there."""

import json
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from provisioner import foreign

ANY_TEXT = st.text(st.characters(exclude_categories=()))
NUMBERS = st.integers() | st.floats() | st.just(10**400)
ANY = st.recursive(
    st.none() | st.booleans() | NUMBERS | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=20,
)
ADAPTER: TypeAdapter[Any] = TypeAdapter(Any)


def texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for name, one in value.items() for text in (name, *texts(one))]
    if isinstance(value, list):
        return [text for one in value for text in texts(one)]
    return [value] if isinstance(value, str) else []


@given(ANY)
def test_whatever_is_taken_can_be_kept(value: Any) -> None:
    for fit in (foreign.evidence, foreign.kept):
        try:
            found = fit(value)
        except foreign.Unfit:
            continue
        assert json.loads(ADAPTER.dump_json(found)) == found
        for text in texts(found):
            assert text.encode("utf-8").decode("utf-8") == text
            assert "\0" not in text


def nested(depth: int) -> Any:
    return [nested(depth - 1)] if depth else "x"


@given(ANY | st.integers(35, 45).map(nested))
def test_what_needs_no_change_is_found_by_looking_as_by_making_it_anew(value: Any) -> None:
    try:
        anew = foreign._each(value, foreign.readable, 0)
    except foreign.Unfit:
        with pytest.raises(foreign.Unfit):
            foreign.evidence(value)
    else:
        assert foreign.evidence(value) == anew


@given(ANY_TEXT)
def test_what_is_readable_is_one_line_that_any_terminal_and_any_file_takes(text: str) -> None:
    found = foreign.readable(text)
    assert found.isprintable()
    assert ET.fromstring(ET.tostring(ET.Element("a", {"b": found}))).get("b") == found
    assert foreign.readable(found) == found
    for line in foreign.lines(text).split("\n"):
        assert line.isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Meddygfa T\u0177 \u0174yl \U0001f600", "Meddygfa T\u0177 \u0174yl \U0001f600"),
        ("a  b", "a  b"),
        ("Dell\u00a0Inc.\r\n", "Dell Inc."),
        ("\x1b[2J\a", "[2J"),
        ("\u202egnp.exe", "\ufffdgnp.exe"),
        ("\ud800", "\ufffd"),
        ("", ""),
    ],
)
def test_readable(text: str, shown: str) -> None:
    assert foreign.readable(text) == shown


@given(st.text())
def test_what_is_put_back_is_as_it_was(text: str) -> None:
    assert foreign.kept({"path": text}) == {"path": text.replace("\0", "\ufffd")}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**20, -(10**20), 1e300])
def test_a_number_that_is_none_or_too_large_is_unfit(value: float) -> None:
    with pytest.raises(foreign.Unfit):
        foreign.evidence({"free": [value]})


def test_the_largest_that_windows_has_are_fit() -> None:
    assert foreign.evidence([2**64 - 1, -(2**63)]) == [2**64 - 1, -(2**63)]


def test_too_deep_is_unfit() -> None:
    value: Any = 1
    for _ in range(200):
        value = [value]
    with pytest.raises(foreign.Unfit):
        foreign.evidence(value)
