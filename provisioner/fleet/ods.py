"""The national practice list (epraccur), and rows for practices.csv.

epraccur has no header and 27 columns; where an export has one, its columns are known by their names, in any order and
number. Codes of status and setting are read in their older and their newer form.
"""

import csv
import difflib
import io
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType

from provisioner.errors import InputError
from provisioner.fleet import codes
from provisioner.fleet.csvfile import records
from provisioner.fleet.suppliers import Suppliers, suppliers

__all__ = ["COLUMNS", "Practice", "Suppliers", "read", "rows", "select", "suppliers"]

COLUMNS = ("practice", "name", "gateway", "address", "role")

_WIDTH = 27
_PLACES: Mapping[str, int] = MappingProxyType(
    {
        "code": 0, "name": 1, "icb": 3, "postcode": 9, "opened": 10, "closed": 11, "status": 12, "commissioner": 14,
        "setting": 25,
    }
)  # fmt: skip
_OPEN = frozenset({"A", "ACTIVE"})
_GP = frozenset({"4", "RO76"})
# What a header, which some exports have, calls each column, in its letters alone; the likelier names first.
_CALLED: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "code": ("(organisation|org|ods|practice|gppractice|practiceods)?code",),
        "name": ("name|(organisation|org|ods|practice|gppractice)name",),
        "icb": ("(highlevel)?healthgeography(code)?", "(icb|integratedcareboard)(ods)?code", "icb|integratedcareboard"),
        "postcode": ("postcode",),
        "opened": ("open(ed)?date|opened(on)?",),
        "closed": ("closed?date|closed(on)?",),
        "status": ("(practice|organisation|org)?status(code)?",),
        "commissioner": ("commissioner(code)?", "(subicb|subicblocation|ccg)(ods)?(code)?"),
        "setting": ("prescribingsetting(code)?", "setting|(nonprimary)?roles?(code|id)?"),
    }
)
# Without these it cannot be told which entries are open GP practices.
_NEEDED = ("code", "name", "status", "setting")
_WHERE = (
    "It is NHS England's epraccur.csv: 27 columns without a header, as it is downloaded; or with one, which has "
    "Organisation Code, Name, Status Code and Prescribing Setting in any order."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Practice:
    """One entry of the list. `gp`: a GP practice, and not a clinic or a prison, which have such codes too."""

    code: str
    name: str
    commissioner: str
    icb: str
    open: bool
    gp: bool
    closed_on: date | None
    opened_on: date | None = None
    postcode: str = ""


def read(path: Path) -> tuple[Practice, ...]:
    """Every entry of an epraccur.csv, open or not, in its order.

    Errors: InputError, with the line, where the file is none.
    """
    lines = iter(records(path, _WHERE))
    first = next(lines, None)
    if first is None:
        raise InputError(f"{path} is empty.", _WHERE)
    headed = _is_header(first[1])
    places, width = (_places(path, first[1]), len(first[1])) if headed else (_PLACES, _WIDTH)
    found = []
    for line, cells in lines if headed else itertools.chain([first], lines):
        if len(cells) != width:
            whose = "its header" if headed else "epraccur"
            raise InputError(f"{path}:{line}: {len(cells)} columns, and {whose} has {width}.", _WHERE)
        found.append(_practice(cells, places))
    if not any(entry.open and entry.gp for entry in found):
        status, setting = places["status"] + 1, places["setting"] + 1
        columns = f"column {status} is A or ACTIVE for an open one, column {setting} is 4 or RO76 for a GP's"
        raise InputError(f"{path} has no open GP practice among its {len(found)} entries: {columns}.", _WHERE)
    return tuple(found)


def _letters(cell: str) -> str:
    return re.sub(r"[^a-z]", "", cell.lower())


def _is_header(cells: Sequence[str]) -> bool:
    """Whether a first line names columns: one of them the code's, and none of them is a practice's code."""
    named = any(re.fullmatch(_CALLED["code"][0], _letters(cell)) for cell in cells)
    return named and all(codes.why_not_practice(codes.normal(cell)) for cell in cells)


def _places(path: Path, header: Sequence[str]) -> dict[str, int]:
    """Where each column stands by its name. One without a name, in a list as wide as epraccur, by its place.

    Errors: InputError where one that is needed is not there, or several may be it.
    """
    found = {what: place for what in _CALLED if (place := _place(path, header, what)) is not None}
    if missing := [what for what in _NEEDED if what not in found]:
        names = ", ".join(repr(" ".join(cell.split())) for cell in header if cell.strip())
        raise InputError(f"{path}: its header has no column for the {' and the '.join(missing)}: {names}.", _WHERE)
    return found


def _place(path: Path, header: Sequence[str], what: str) -> int | None:
    for names in _CALLED[what]:
        places = [place for place, cell in enumerate(header) if re.fullmatch(names, _letters(cell))]
        if len(places) > 1:
            several = " or ".join(repr(" ".join(header[place].split())) for place in places)
            hint = "Which one is not guessed: take the others out of a copy of the file."
            raise InputError(f"{path}: the {what} may be column {several}.", hint)
        if places:
            return places[0]
    place = _PLACES[what]
    return place if len(header) == _WIDTH and not header[place].strip() else None


def select(
    practices: Sequence[Practice],
    *,
    commissioner: str = "",
    icb: str = "",
    systems: Mapping[str, str] | None = None,
    supplier: str = "",
) -> tuple[Practice, ...]:
    """The open GP practices of a commissioner, an ICB and a supplier, as far as these are given. `systems`: as
    `suppliers` reads them.

    Errors: InputError for one that does not occur, with the nearest that does, and where nothing is left.
    """
    found = [entry for entry in practices if entry.open and entry.gp]
    if commissioner:
        wanted = _known(commissioner, {entry.commissioner for entry in found}, "commissioner")
        found = [entry for entry in found if entry.commissioner == wanted]
    if icb:
        wanted = _known(icb, {entry.icb for entry in found}, "ICB")
        found = [entry for entry in found if entry.icb == wanted]
    if supplier:
        found = _supplied(found, systems or {}, supplier)
    if not found:
        given = ", ".join(text for text in (commissioner, icb, supplier) if text)
        columns = systems.columns if isinstance(systems, Suppliers) else ""
        raise InputError(f"No open GP practice fits {given}.", " ".join(["Ask for less at once.", columns]).strip())
    return tuple(found)


def _supplied(practices: Sequence[Practice], systems: Mapping[str, str], supplier: str) -> list[Practice]:
    """Those with that supplier. Errors: InputError where nobody has it, or no practice is in the list of systems."""
    columns = systems.columns if isinstance(systems, Suppliers) else ""
    by_code = {code: set(names.upper().split("/")) for code, names in systems.items()}
    wanted = _known(supplier, set().union(*by_code.values()) - {""}, "supplier", columns)
    if not any(entry.code in by_code for entry in practices):
        words = f"None of these {len(practices)} open GP practices is in the list of systems. {columns}".strip()
        raise InputError(words, "Are both lists of the same part of the country, and of about the same date?")
    return [entry for entry in practices if wanted in by_code.get(entry.code, ())]


def rows(practices: Iterable[Practice]) -> str:
    """Rows for practices.csv with its header: role active, the gateway not known yet."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((entry.code, entry.name, "", "", "active") for entry in practices)
    return text.getvalue()


def _practice(cells: Sequence[str], places: Mapping[str, int]) -> Practice:
    def cell(what: str) -> str:
        return cells[places[what]].strip() if what in places else ""

    return Practice(
        code=codes.normal(cell("code")),
        name=" ".join(cell("name").split()),
        commissioner=codes.normal(cell("commissioner")),
        icb=codes.normal(cell("icb")),
        open=cell("status").upper() in _OPEN,
        gp=not _GP.isdisjoint(cell("setting").upper().split("|")),
        closed_on=_date(cell("closed")),
        opened_on=_date(cell("opened")),
        postcode=" ".join(cell("postcode").upper().split()),
    )


def _date(text: str) -> date | None:
    try:
        # 2026-11-23, and 20261123 in older lists.
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


def _known(given: str, values: set[str], what: str, columns: str = "") -> str:
    """The value as it occurs. Errors: InputError with the nearest ones."""
    wanted = codes.normal(given)
    if wanted in values:
        return wanted
    if values <= {""}:
        raise InputError(f"The list says no {what} of any open GP practice.", f"Give one that does, or no {what}.")
    near = difflib.get_close_matches(wanted, sorted(values), 3, 0.5)
    some = [value if len(value) <= 60 else f"{value[:60]}..." for value in near or sorted(values)[:5]]
    there = f"{'The nearest' if near else 'There are'}: {', '.join(some)}{'' if near or len(values) < 6 else ' ...'}"
    raise InputError(
        f"No open GP practice of the list has the {what} {given}.", f"{there}. {columns}" if columns else there
    )
