"""Which practice a computer is of: by the team's own table, a code, or the practice's name. Pure.

Wrong is worse than nothing: where two practices fit, none is taken, and it is said.
"""

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioner.directory.computers import is_under
from provisioner.errors import Fault, InputError
from provisioner.fleet import codes, csvfile

_HINT = "Columns: practice, and name (a pattern: * and ?) or ou (a DN in quotation marks), or both."
# Followed by a digit it is a longer number; what stands before may belong to the name (WSA81001).
_CODE = re.compile(r"(?=((?:[A-HJ-NP-WY][0-9]{5}|(?:ALD|GUE|JER)[0-9]{3})(?![0-9])))", re.I)
# Of these words alone a name says nothing of whose practice it is.
_COMMON = frozenset(
    ["the", "and", "a", "of", "gp", "medical", "group", "practice", "surgery", "surgeries", "health", "centre",
     "center", "clinic", "doctors", "dr", "partners", "family"]
)  # fmt: skip


@dataclass(frozen=True)
class Pairing:
    """One line of the team's table: computers of that name (a pattern) in that OU, as far as given, are the
    practice's."""

    practice: str
    name: str
    ou: str
    line: int


@dataclass(frozen=True)
class Match:
    """The practice's code, and by what; "" and why not where there is none."""

    practice: str
    why: str


def pairings(path: Path) -> tuple[Pairing, ...]:
    """The team's table, a CSV file. Errors: InputError with every fault."""
    table = csvfile.read(path, ("practice",), ("name", "ou"), missing="Name the table that you made.")
    found, faults = [], [fault for fault in table.faults if not fault.warning]
    for row in table.rows:
        code = codes.normal(row.cells["practice"])
        name, ou = row.cells.get("name", ""), row.cells.get("ou", "")
        if why := codes.why_not_practice(code):
            faults.append(Fault(path.name, row.line, why, "The column practice is the ODS code."))
        elif not name.strip("*") and not ou:
            faults.append(Fault(path.name, row.line, f"nothing says which computers are {code}'s.", _HINT))
        elif ou and "=" not in ou:
            faults.append(Fault(path.name, row.line, f"{ou!r} is no place in a directory.", _HINT))
        found.append(Pairing(code, name, ou, row.line))
    if faults:
        raise InputError(f"{path} cannot be used.", _HINT, sorted(faults, key=lambda fault: fault.line or 0))
    return tuple(found)


class Matcher:
    """Matches computers to practices. `practices` are the names by code; `table` is the team's."""

    def __init__(self, practices: Mapping[str, str], table: Sequence[Pairing] = ()) -> None:
        self._practices, self._table = practices, table
        by_words: dict[tuple[str, ...], set[str]] = {}
        for code, name in practices.items():
            by_words.setdefault(_words(name), set()).add(code)
        self._by_words = {words: found for words, found in by_words.items() if set(words) - _COMMON}
        self._longest = max(map(len, self._by_words), default=0)

    def match(self, name: str, description: str = "", ou: str = "") -> Match:
        """The practice of a computer: the table's first line that fits, else a code in its name or description, else
        a practice's whole name in the description."""
        for one in self._table:
            if _fits(one, name, ou):
                return Match(one.practice, f"line {one.line} of the table")
        coded = dict.fromkeys(self._codes(name), "its name")
        for code in self._codes(description):
            coded.setdefault(code, "its description")
        if coded:
            return _only(coded, "the code in {}")
        return _only(dict.fromkeys(self._named(description), "its description"), "the practice's name in {}")

    def _codes(self, text: str) -> list[str]:
        """The codes of practices in a text. A number that is nobody's code is a number."""
        return [code for one in _CODE.findall(text) if (code := codes.normal(one)) in self._practices]

    def _named(self, text: str) -> set[str]:
        """The practices whose whole name is in a text; of names in one another the longest (West Park, Park)."""
        words, at, found = _words(text), 0, set[str]()
        while at < len(words):
            length = next((size for size in range(self._longest, 0, -1) if words[at : at + size] in self._by_words), 0)
            found |= self._by_words[words[at : at + length]] if length else set()
            at += length or 1
        return found


def _only(found: Mapping[str, str], words: str) -> Match:
    if len(found) == 1:
        code, where = next(iter(found.items()))
        return Match(code, words.format(where))
    if not found:
        return Match("", "nothing says whose it is")
    return Match("", f"it may be {' or '.join(sorted(found))}")


def _fits(one: Pairing, name: str, ou: str) -> bool:
    if one.name and not fnmatch.fnmatchcase(name.lower(), re.sub(r"\[", "[[]", one.name.lower())):
        return False
    return not one.ou or is_under(ou, one.ou)


def _words(text: str) -> tuple[str, ...]:
    plain = re.sub("['\u2019]", "", text.lower().replace("&", " and "))
    return tuple(word for word in re.findall(r"\w+", plain) if word not in {"the", "and"})
