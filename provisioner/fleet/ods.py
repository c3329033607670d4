"""The national practice list (epraccur), and rows for practices.csv.

epraccur has no header and 27 columns. Codes of status and setting are read in their older and their newer form.
"""

import csv
import difflib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from provisioner.errors import InputError
from provisioner.fleet import codes
from provisioner.fleet.csvfile import records
from provisioner.fleet.suppliers import Suppliers, suppliers

__all__ = ["COLUMNS", "Practice", "Suppliers", "read", "rows", "select", "suppliers"]

COLUMNS = ("practice", "name", "gateway", "address", "role")

_WIDTH = 27
_CODE, _NAME, _ICB, _POSTCODE, _OPENED, _CLOSED, _STATUS, _COMMISSIONER, _SETTING = 0, 1, 3, 9, 10, 11, 12, 14, 25
_OPEN = frozenset({"A", "ACTIVE"})
_GP = frozenset({"4", "RO76"})
# What a header, which some exports have, calls the columns that are read by their place: any of these words.
_CALLED = {
    _NAME: ("name",), _ICB: ("geography", "icb", "board"), _CLOSED: ("clos",), _STATUS: ("status",),
    _COMMISSIONER: ("commissioner", "ccg", "sub"), _SETTING: ("setting", "role"),
}  # fmt: skip
_HEADED = frozenset({"CODE", "ORGANISATION CODE", "ORG CODE", "ODS CODE"})
_WHERE = "It is NHS England's epraccur.csv, as it is downloaded: no header, 27 columns."


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
    found = []
    for number, (line, cells) in enumerate(records(path, _WHERE)):
        if len(cells) != _WIDTH:
            raise InputError(f"{path}:{line}: {len(cells)} columns, and epraccur has {_WIDTH}.", _WHERE)
        if number == 0 and codes.normal(cells[0]).replace("_", " ") in _HEADED:
            _check_header(path, cells)
            continue
        found.append(_practice(cells))
    if not found:
        raise InputError(f"{path} is empty.", _WHERE)
    if not any(entry.open and entry.gp for entry in found):
        columns = f"column {_STATUS + 1} is A or ACTIVE for an open one, column {_SETTING + 1} is 4 or RO76 for a GP's"
        raise InputError(f"{path} has no open GP practice among its {len(found)} entries: {columns}.", _WHERE)
    return tuple(found)


def _check_header(path: Path, cells: Sequence[str]) -> None:
    """Errors: InputError where a header says that the columns are others than those that are read."""
    for at, words in _CALLED.items():
        name = " ".join(cells[at].split())
        if name and not any(word in name.lower() for word in words):
            raise InputError(f"{path}: column {at + 1} is {name!r}, where epraccur has the {words[0]}.", _WHERE)


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


def _practice(cells: Sequence[str]) -> Practice:
    return Practice(
        code=codes.normal(cells[_CODE]),
        name=" ".join(cells[_NAME].split()),
        commissioner=codes.normal(cells[_COMMISSIONER]),
        icb=codes.normal(cells[_ICB]),
        open=cells[_STATUS].strip().upper() in _OPEN,
        gp=not _GP.isdisjoint(cells[_SETTING].strip().upper().split("|")),
        closed_on=_date(cells[_CLOSED].strip()),
        opened_on=_date(cells[_OPENED].strip()),
        postcode=" ".join(cells[_POSTCODE].upper().split()),
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
    near = difflib.get_close_matches(wanted, sorted(values), 3, 0.5)
    some = [value if len(value) <= 60 else f"{value[:60]}..." for value in near or sorted(values)[:5]]
    there = f"{'The nearest' if near else 'There are'}: {', '.join(some)}{'' if near or len(values) < 6 else ' ...'}"
    raise InputError(
        f"No open GP practice of the list has the {what} {given}.", f"{there}. {columns}" if columns else there
    )
