"""A fleet's practices held against a national list: what closed or merged, what is not listed, what is new. Pure, but
for reading the two files that a team brings along."""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path

from provisioner.errors import InputError, suggest_code
from provisioner.fleet import codes, csvfile
from provisioner.fleet.ods import Practice
from provisioner.fleet.practices import differ

# A list whose newest date is so much before the fleet's own file is said to be old: it comes anew every night.
_OLD = timedelta(days=60)
_SUCCESSOR = re.compile(r"succ|new|into|to\b", re.I)
_HINT = "A CSV that has a column with the codes of practices that closed, and one with those that took over."


class DifferenceKind(StrEnum):
    """What differs, the heaviest first."""

    CLOSED = "closed"
    NO_GP = "no GP practice"
    UNLISTED = "not in the list"
    RENAMED = "another name"
    NEW = "new"


@dataclass(frozen=True, kw_only=True)
class FleetPractice:
    """One practice of the fleet, with its gateways and their roles."""

    code: str
    name: str
    gateways: tuple[str, ...]
    roles: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ListDifference:
    """What is to be said of one practice. `on` is when it closed or opened, `successors` who took over, as far as that
    is told; `settled`: its rows say so already."""

    kind: DifferenceKind
    code: str
    name: str
    gateways: tuple[str, ...]
    words: str
    on: date | None = None
    successors: tuple[str, ...] = ()
    settled: bool = False


def entries(path: Path) -> list[FleetPractice]:
    """The practices of a practices.csv, whatever the order of its columns. Errors: InputError with all faults."""
    table = csvfile.read(path, ("practice",), None, missing="Name the practices.csv of a fleet folder.")
    if table.faults:
        raise InputError(f"{path} cannot be read as a practices.csv.", "provisioner validate says more.", table.faults)
    rows: dict[str, list[Mapping[str, str]]] = {}
    for row in table.rows:
        rows.setdefault(codes.normal(row.cells["practice"]), []).append(row.cells)
    return [
        FleetPractice(
            code=code,
            name=next((" ".join(cells["name"].split()) for cells in its if cells.get("name")), ""),
            gateways=tuple(name for cells in its if (name := cells.get("gateway", ""))),
            roles=tuple(cells.get("role", "").lower() or "active" for cells in its),
        )
        for code, its in rows.items()
    ]


def successors(path: Path) -> dict[str, tuple[str, ...]]:
    """Who took over from whom, by the codes of practices that closed. Columns are known by what they hold, and where a
    header names the successor's by that. Errors: InputError."""
    lines = [cells for _, cells in csvfile.records(path, _HINT)]
    shaped = [[not codes.why_not_practice(codes.normal(cell)) for cell in cells] for cells in lines]
    headed = bool(lines) and not any(shaped[0])
    body = list(zip(lines, shaped, strict=True))[headed:]
    width = max((len(cells) for cells in lines), default=0)
    # Of a national list most lines are of other kinds of organisations.
    counts = [sum(fits[at : at + 1] == [True] for _, fits in body) for at in range(width)]
    holding = [at for at, count in enumerate(counts) if count * 2 > max(counts)]
    if len(holding) != 2:
        raise InputError(f"{path} has {len(holding)} columns of practices' codes, and is to have two.", _HINT)
    old, new = holding
    if headed and _names_successor(lines[0], old) and not _names_successor(lines[0], new):
        old, new = new, old
    found: dict[str, tuple[str, ...]] = {}
    for cells, fits in body:
        if len(cells) > max(old, new) and fits[old] and fits[new]:
            code = codes.normal(cells[old])
            found[code] = tuple(dict.fromkeys((*found.get(code, ()), codes.normal(cells[new]))))
    return found


def _names_successor(header: Sequence[str], at: int) -> bool:
    return at < len(header) and bool(_SUCCESSOR.search(header[at]))


def newest(listed: Iterable[Practice], today: date) -> date | None:
    """The newest date in a list, up to today: so old it is at most. None where it has none."""
    dates = (on for entry in listed for on in (entry.opened_on, entry.closed_on) if on and on <= today)
    return max(dates, default=None)


def is_old(latest: date | None, fleet: date) -> bool:
    """Whether a list is older than a fleet of that date, and may know less than that does."""
    return latest is not None and fleet - latest > _OLD


def differences(
    fleet: Sequence[FleetPractice],
    listed: Sequence[Practice],
    wanted: Sequence[Practice],
    took_over: Mapping[str, Sequence[str]],
) -> list[ListDifference]:
    """What differs, in the order of kinds. `wanted` are the open practices that the fleet is to have."""
    by_code = {entry.code: entry for entry in listed}
    own = {entry.code for entry in fleet}
    found = list(itertools.chain.from_iterable(_of(one, by_code, own, took_over) for one in fleet))
    found += [
        ListDifference(
            kind=DifferenceKind.NEW, code=entry.code, name=entry.name, gateways=(), on=entry.opened_on,
            words=f"opened on {entry.opened_on}" if entry.opened_on else "open",
        )
        for entry in wanted
        if entry.code not in own
    ]  # fmt: skip
    order = list(DifferenceKind)
    return sorted(found, key=lambda one: order.index(one.kind))


def _of(
    one: FleetPractice, by_code: Mapping[str, Practice], own: set[str], took_over: Mapping[str, Sequence[str]]
) -> Iterator[ListDifference]:
    entry = by_code.get(one.code)

    def told(kind: DifferenceKind, text: str, on: date | None = None, after: Sequence[str] = ()) -> ListDifference:
        name = one.name or (entry.name if entry else "")
        return ListDifference(
            kind=kind, code=one.code, name=name, gateways=one.gateways, words=text, on=on, successors=tuple(after)
        )  # fmt: skip

    if entry is None:
        yield told(
            DifferenceKind.UNLISTED, suggest_code(one.code, by_code) or "is the list an old one, or the code wrong?"
        )
    elif not entry.open:
        after = took_over.get(one.code, ())
        parts = [f"closed on {entry.closed_on}" if entry.closed_on else "closed"]
        parts.append(_after(after, by_code, own) if after else _near(entry, by_code))
        settled = set(one.roles) == {"retired"}
        parts.append("retired here already" if settled else "")
        closed = told(DifferenceKind.CLOSED, "; ".join(part for part in parts if part), entry.closed_on, after)
        yield replace(closed, settled=settled)
    elif not entry.gp:
        yield told(DifferenceKind.NO_GP, f"it is {entry.name} there")
    elif one.name and differ(one.name, entry.name):
        yield told(DifferenceKind.RENAMED, f"it is {entry.name} there")


def _after(after: Sequence[str], by_code: Mapping[str, Practice], own: set[str]) -> str:
    """Who took over, and whether the fleet has them."""
    told = [
        f"{code} {by_code[code].name if code in by_code else ''}".strip()
        + (" (in the fleet)" if code in own else " (not in the fleet)")
        for code in after
    ]
    return f"merged into {' and '.join(told)}"


def _near(entry: Practice, by_code: Mapping[str, Practice]) -> str:
    """Open GP practices at the same postcode: who took over the list does not say, and nothing is guessed."""
    if not entry.postcode:
        return ""
    same = [one for one in by_code.values() if one.open and one.gp and one.postcode == entry.postcode]
    told = ", ".join(f"{one.code} {one.name}" for one in same[:3])
    return f"open at the same postcode: {told}; ask whether it took over" if told else ""


COLUMNS = ("what", "practice", "name", "gateways", "on", "successors", "why")


def row(one: ListDifference) -> tuple[str, ...]:
    """A difference as a row of a table."""
    on = one.on.isoformat() if one.on else ""
    return (one.kind, one.code, one.name, " ".join(one.gateways), on, " ".join(one.successors), one.words)
