"""What is packed comes back as it was, and what is no such thing says so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.model import packed

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), _JSON, max_size=4), st.dictionaries(st.text(), _JSON, max_size=4))
def test_a_document_comes_back(document: dict[str, object], other: dict[str, object]) -> None:
    for common in (b"", packed.common(other)):
        body = packed.pack({"part": document}, common)
        assert packed.Packed(body, common, "part") == document
        assert document == packed.Packed(body, common, "part")


@pytest.mark.parametrize("text", ["a\ud800z", "\N{BLACK HEART SUIT}", "\0", "\u2028"])
def test_any_text_comes_back(text: str) -> None:
    document = {text: [text, (text, 1.0)]}
    assert dict(packed.Packed(packed.pack({"part": document}), b"", "part")) == {text: [text, [text, 1.0]]}


def test_what_is_packed_within_what_is_packed_comes_back() -> None:
    inner = packed.Packed(packed.pack({"part": {"a": 1}}), b"", "part")
    assert packed.unpack(packed.pack({"inner": inner})) == {"inner": {"a": 1}}


def test_what_is_like_another_takes_little_room() -> None:
    one = {str(at): f"the fact number {at}" for at in range(300)}
    assert len(packed.pack({**one, "7": "another"}, packed.common(one))) < 0.1 * len(packed.pack(one))


@pytest.mark.parametrize("body", [b"", b"\x00", packed.pack({"a": 1})[:-9], packed.pack({"a": 1}, b"with another")])
def test_what_is_not_what_was_packed_says_so(body: bytes) -> None:
    with pytest.raises(ValueError):
        packed.unpack(body)
