"""Serial numbers and GUIDs as makers give them, or leave them out. Pure.

Whatever a maker left in place of a number stands on every PC of a series: such a text tells no PC from another.
"""

import functools
import re
from itertools import pairwise

# What stands there in place of a serial number, as the lists of inventory programs and of boot firmware have it.
FILLERS = frozenset(
    {
        "", "0", "none", "n/a", "na", "null", "empty", "unknown", "invalid", "undefined", "default", "default string",
        "not applicable", "not available", "not specified", "not set", "o.e.m.", "oem", "serial", "serial number",
        "system serial number", "chassis serial number", "base board serial number", "board serial number",
        "to be filled by o.e.m.", "to be filled by oem", "tbd by oem", "type2 - board serial number",
        "65535", "2147483647", "4294967295", "deadbeef",
    }
)  # fmt: skip
# The field's own name or a filler's words, with something after it; a number of the firmware's own, a date.
_WORDS = re.compile(
    r"serial|default|fill|change|unknow|undefined|invalid|sample|demo|eval|generic|proto|asset|chassis|qwert|asdf|x{4}|n{4}"
    r"|placeholder|reserved|(mother|base) ?board|internal|unidentif|engineering"
    r"|type\d|o\.e\.m|\b(oem|none|empty|not|no|tb[ad]|test|ver|rev|[edp]vt)(?![a-z])|\bnot ?set|^0x"
    r"|^(\d{1,2}[/.]\d{1,2}[/.]\d{2,4}|(19|20)\d\d-?(0\d|1[0-2])-?([0-2]\d|3[01]))$"
)
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
    """Whether it is a number that counts up or down, but for two letters; or nothing but such pieces, whatever word or
    zeros stand around it, or letters and figures in turn; or one in equal steps (01020304)."""
    letters, figures = re.sub(r"[0-9]", "", bare), re.sub(r"[a-z]", "", bare)
    counted = figures.strip("0") if re.fullmatch(r"[a-z]*[0-9]+", bare) else ""
    return (
        len(bare) - max(_runs(bare), default=0) <= 2
        or any(map(_only_counts, (bare, re.sub(r"(.)\1+", r"\1", bare))))
        or (_only_counts(letters) and _only_counts(figures))
        or (counted[:1] == "1" and _only_counts(counted) and max(len(counted), len(letters) + 1) >= _SHORTEST)
        or bool(re.fullmatch(r"[a-z]*0{3,}", bare))
        or (bare.isdecimal() and len(bare) - bare.count("0") <= 2)
        or (bare.isdecimal() and any(_steps(bare, width) for width in (1, 2)))
    )


def _only_counts(text: str) -> bool:
    return bool(text) and len(text) == sum(_runs(text))


def _steps(figures: str, width: int) -> bool:
    """Whether figures, so many at a time, go up or down in equal steps."""
    each = [int(figures[at : at + width]) for at in range(0, len(figures), width)]
    return len({later - one for one, later in pairwise(each)}) == 1


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
