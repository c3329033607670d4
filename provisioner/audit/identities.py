"""Which rows take which PC for their gateway: one PC is the gateway of one row.

A row with a typing error leads to another practice's PC, an alias leads to the PC of another row; set up as both, it
would get the Connector of the one that came last.
"""

from collections.abc import Iterable, Mapping

from provisioner.audit.facts import identity
from provisioner.audit.facts.context import listed
from provisioner.model import Evidence, Gateway, Role

# So many gateways of one PC are named.
_MOST = 4


class Identities:
    """The PC of each of a fleet's `rows`, as far as it is known: as it last took one (`before`), as last seen there
    (`seen`), and as this reading finds it. A candidate, on which nothing is ever done, takes none."""

    def __init__(
        self, rows: Iterable[Gateway], seen: Mapping[str, Mapping[str, str]], before: Mapping[str, Mapping[str, str]]
    ) -> None:
        taking = [row for row in rows if row.role is not Role.CANDIDATE]
        self._named = {row.name: bool(row.computer) for row in taking}
        self._of: dict[str, identity.Marks] = {}
        self._at: dict[int, tuple[str, ...]] = {}
        # What was read of each row, and what was said of it.
        self._told: dict[str, tuple[Gateway, identity.Marks, str]] = {}
        for name in self._named:
            if last := before.get(name, seen.get(name)):
                self._take(name, identity.marks(last))

    def elsewhere(self, row: Gateway, read: Evidence, seen: Mapping[str, str] | None) -> str:
        """The gateways of other rows that are this PC, in words; "" for none. Where a person has written its name into
        the row, those count alone at which the same is written."""
        now = read.sections.get("identity")
        if now is None:
            return ""
        self._drop(row.name)
        marks = identity.marks(now)
        if row.name in self._named and identity.fits(row, now, seen):
            self._take(row.name, marks)
        found = self._others(row, marks)
        self._told[row.name] = row, marks, found
        return found

    def takes(self, name: str) -> bool:
        """Whether that row takes a PC for its gateway."""
        return name in self._of

    def late(self) -> list[str]:
        """The gateways of which something else would be said now than was when they were read."""
        return [name for name, (row, marks, found) in self._told.items() if self._others(row, marks) != found]

    def _others(self, row: Gateway, marks: identity.Marks) -> str:
        near = {name for key in _keys(marks) for name in self._at.get(key, ())} - {row.name}
        written = bool(row.computer)
        same = (name for name in near if identity.one_pc(self._of[name], marks) and (self._named[name] or not written))
        return _words(sorted(same))

    def _take(self, name: str, marks: identity.Marks) -> None:
        self._of[name] = marks
        for key in _keys(marks):
            self._at[key] = (*self._at.get(key, ()), name)

    def _drop(self, name: str) -> None:
        for key in _keys(self._of.pop(name, ("", "", ""))):
            self._at[key] = tuple(other for other in self._at[key] if other != name)


def _words(names: list[str]) -> str:
    some = names if len(names) <= _MOST else [*names[: _MOST - 1], f"{len(names) - _MOST + 1} more"]
    return listed(some) if some else ""


def _keys(marks: identity.Marks) -> list[int]:
    """Where those lie that may be the same: many PCs share a name, or an installation that was cloned, few share both.
    Numbers, of which two may be the same by chance, for there are thousands."""
    serial, windows, name = marks
    return [hash((mark, name)) for mark in (serial, windows) if mark]
