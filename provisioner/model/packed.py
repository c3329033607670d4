"""Readings kept small: an audit has thousands of them, and whoever works with it looks into a few at a time."""

import functools
import json
import zlib
from collections.abc import ItemsView, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from provisioner.model import adapters
from provisioner.model.evidence import Evidence, Fact

# How far back deflate looks.
_WINDOW = 32 * 1024
# A level of deflate's that looks less for what is shorter: two thirds of the work, and a seventh more bytes.
QUICKLY = 3


# Known by itself: one is asked for by the same gateway again and again, and comparing its bytes would cost.
@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """A text that is kept packed, with the text `like` as what it has in common with another, if there is one."""

    body: bytes
    like: "Text | None" = None


Common = bytes | Text


class Packed(Mapping[str, Any]):
    """A part of a document that is kept packed, and taken apart whenever something of it is asked for.

    Errors, at the first look into it: ValueError where `body` is not what `pack` gave with that `common`.
    """

    __slots__ = ("body", "common", "part")

    def __init__(self, body: bytes, common: Common, part: str) -> None:
        self.body, self.common, self.part = body, common, part

    def __getitem__(self, name: str) -> Any:
        return unpack(self.body, self.common)[self.part][name]

    def __iter__(self) -> Iterator[str]:
        return iter(unpack(self.body, self.common)[self.part])

    def __len__(self) -> int:
        return len(unpack(self.body, self.common)[self.part])

    def items(self) -> ItemsView[str, Any]:
        """All of it, taken apart once."""
        whole: Mapping[str, Any] = unpack(self.body, self.common)[self.part]
        return whole.items()

    def __repr__(self) -> str:
        return repr(dict(self))


class PackedFacts(Packed):
    """The same of facts by their names."""

    __slots__ = ()

    def __getitem__(self, name: str) -> Fact:
        value, reason = unpack(self.body, self.common)[self.part][name]
        return Fact(value=value, reason=reason)

    def items(self) -> ItemsView[str, Fact]:
        """All of them, taken apart once."""
        return {name: Fact(value=value, reason=reason) for name, (value, reason) in super().items()}.items()


def pack(document: Mapping[str, Any], common: bytes = b"") -> bytes:
    """A JSON document as few bytes. `common` is what it has in common with others, best the text of one of them:
    only with the same is it read again."""
    return squeeze(text(document), common)


def squeeze(text: bytes, common: bytes = b"", level: int = zlib.Z_DEFAULT_COMPRESSION) -> bytes:
    """A text as few bytes, at that level of deflate's."""
    by = zlib.compressobj(level, zdict=common) if common else zlib.compressobj(level)
    return by.compress(text) + by.flush()


def stretch(body: bytes, common: Common = b"") -> bytes:
    """The text again. Errors: ValueError."""
    known = plain(common) if isinstance(common, Text) else common
    try:
        by = zlib.decompressobj(zdict=known) if known else zlib.decompressobj()
        return by.decompress(body)
    except zlib.error as error:
        raise ValueError(str(error)) from error


@functools.lru_cache(maxsize=4)
def plain(text: Text) -> bytes:
    """What a packed text says. Errors: ValueError."""
    return stretch(text.body, text.like or b"")


@functools.lru_cache(maxsize=4)
def unpack(body: bytes, common: Common = b"") -> Mapping[str, Any]:
    """The document again. Not to be changed: who asks next may get the same. Errors: ValueError."""
    document: Mapping[str, Any] = json.loads(stretch(body, common).decode())
    return document


def text(document: Mapping[str, Any]) -> bytes:
    """A document as JSON."""
    return adapters.compact(document, dict)


def common(document: Mapping[str, Any]) -> bytes:
    """What others that are like this document may have in common with it."""
    return text(document)[-_WINDOW:]


def document(evidence: Evidence, facts: Mapping[str, Fact]) -> dict[str, Any]:
    """The large parts of a reading and what is known by it, as it is packed."""
    return {
        "sections": evidence.sections,
        "errors": evidence.section_errors,
        "seconds": evidence.section_seconds,
        "facts": {name: (fact.value, fact.reason) for name, fact in facts.items()},
    }


def written(evidence: Evidence, facts: Mapping[str, Fact]) -> bytes:
    """The same as JSON: of a reading that is packed as it is, without taking it apart."""
    packed = evidence.sections
    if isinstance(packed, Packed) and isinstance(facts, PackedFacts) and facts.body == packed.body:
        return stretch(packed.body, packed.common)
    return text(document(evidence, facts))


def apart(evidence: Evidence, body: bytes, common: Common) -> tuple[Evidence, Mapping[str, Fact]]:
    """A reading and its facts, whose large parts stay packed."""
    small = replace(
        evidence,
        sections=Packed(body, common, "sections"),
        section_errors=Packed(body, common, "errors"),
        section_seconds=Packed(body, common, "seconds"),
    )
    return small, PackedFacts(body, common, "facts")
