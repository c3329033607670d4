"""Serial numbers and GUIDs as makers give them, or leave them out. Pure.

Whatever a maker left in place of a number stands on every PC of a series: such a text tells no PC from another.
"""

import functools
import re

# What stands there in place of a serial number, as the lists of inventory programs and of boot firmware have it.
FILLERS = frozenset(
    {
        "", "0", "none", "n/a", "na", "null", "empty", "unknown", "invalid", "undefined", "default", "default string",
        "not applicable", "not available", "not specified", "not set", "o.e.m.", "oem", "serial", "serial number",
        "system serial number", "chassis serial number", "base board serial number", "board serial number",
        "to be filled by o.e.m.", "to be filled by oem", "tbd by oem", "type2 - board serial number",
    }
)  # fmt: skip
# The field's own name or a filler's words, with something after it.
_WORDS = re.compile(r"serial|default|filled|unknown|invalid|sample|chassis|type\d|o\.e\.m|\b(oem|none|empty)")
# What stands before a number that only counts: the field's name in short.
_PREFIX = re.compile(r"(sn|bsn|csn|ssn|msn|psn|sys|mb|nb|pc|no|eval|test)(?=[0-9]+$)")
_SHORTEST = 5
_UPWARDS = (
    "01234567890123456789",
    "123456789012345678901234567890",
    "0123456789abcdef",
    "123456789abcdef",
    "abcdefghijklmnopqrstuvwxyz",
)
_WAYS = (*_UPWARDS, *(way[::-1] for way in _UPWARDS))
# All 1,296 of them, which is quicker to ask than each way.
_PARTS = frozenset(way[at:end] for way in _WAYS for at in range(len(way)) for end in range(at + 1, len(way) + 1))


# What a PC says now it mostly said before: it is held against that.
@functools.lru_cache(maxsize=64)
def number(text: str | None) -> str:
    """A serial number in the form in which two of them are compared; "" where it is none.

    It is one by its shape: five letters or figures and a figure among them, more than two kinds of them, no counting
    run, nothing said again and again, and no word that makers leave in its place.
    """
    said = " ".join((text or "").lower().split())
    bare = _PREFIX.sub("", re.sub(r"[^0-9a-z]", "", said), count=1)
    short = len(bare) < _SHORTEST or len(set(bare)) < 3 or not re.search(r"[0-9]", bare)
    return "" if said in FILLERS or _WORDS.search(said) or short or _counts(bare) or _repeats(bare) else said


@functools.lru_cache(maxsize=64)
def guid(text: str | None) -> str:
    """The same of a GUID: in one that was drawn no figure takes half of the places, as in
    03000200-0400-0500-0006-000700080009 and its like, and none counts up."""
    said = " ".join((text or "").lower().split()).strip("{}")
    figures = said.replace("-", "")
    if re.fullmatch(r"[0-9a-f]{32}", figures):
        drawn = max(figures.count(one) for one in set(figures)) < 16 and "0123456789" not in figures
        return said if drawn and not figures.startswith(("12345678", "01234567")) else ""
    return "" if said in FILLERS else said


def _counts(bare: str) -> bool:
    """Whether it is a number that counts up or down, but for two letters; or nothing but such pieces."""
    runs, steps = _runs(bare), re.sub(r"(.)\1+", r"\1", bare)
    return len(bare) - max(runs, default=0) <= 2 or len(bare) == sum(runs) or len(steps) == sum(_runs(steps))


def _runs(bare: str) -> list[int]:
    """The lengths of the pieces, of three and more, that count."""
    runs, at = [], 0
    while at < len(bare):
        end = at + 1
        # What is part of a way has only parts of it within.
        while end < len(bare) and bare[at : end + 1] in _PARTS:
            end += 1
        length = end - at
        runs += [length] if length >= 3 else []
        at += length if length >= 3 else 1
    return runs


def _repeats(bare: str) -> bool:
    """Whether it is a short piece said again and again."""
    return bool(re.fullmatch(r"(.{1,4}?)\1{2,}.{0,2}", bare))
