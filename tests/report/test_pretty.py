"""Evidence as a person reads it is still JSON, and nothing that fits on a line is broken."""

import json
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from provisioner.report import pretty

_LEAF = some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | some.text(max_size=60)
_JSON = some.recursive(_LEAF, lambda inner: some.lists(inner) | some.dictionaries(some.text(max_size=20), inner))


@given(_JSON)
def test_says_what_was_said(value: Any) -> None:
    text = pretty.text(value)
    if len(text) < 8_000:
        assert json.loads(text) == value
        assert len(text) <= 100 or isinstance(value, str) or "\n" in text


@pytest.mark.parametrize(("length", "lines"), [(94, 1), (95, 3)])
def test_a_line_has_a_hundred_characters(length: int, lines: int) -> None:
    """With a bracket and a quotation mark on either side, and deeper by two for what is within."""
    assert len(pretty.text(["x" * (length + 2)]).splitlines()) == lines
    assert len(pretty.text({"a": ["x" * length], "b": "y" * 100}).splitlines()) == 3 + lines


def test_what_is_no_json_is_said_as_json_has_it() -> None:
    assert (
        pretty.text(MappingProxyType({True: (1, None), 2: frozenset("ba")})) == '{"true": [1, null], "2": ["a", "b"]}'
    )
    assert pretty.text({"zero": -0.0, "one": 1, "true": True}) == '{"zero": -0.0, "one": 1, "true": true}'


def test_what_nobody_reads_to_its_end_is_cut() -> None:
    assert pretty.text(["x" * 500]).endswith("… (502 characters in all)\n]")
    assert pretty.text(["x" * 90] * 200).endswith("characters in all)")
