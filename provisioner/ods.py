"""The national practice list (epraccur), the list of clinical systems, and rows for practices.csv.

epraccur has no header and 27 columns. Codes of status and setting are read in their older and their newer form.
"""

import csv
import difflib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from provisioner import codes
from provisioner.errors import InputError
from provisioner.tables import decode

COLUMNS = ("practice", "name", "gateway", "address", "role")

_WIDTH = 27
_CODE, _NAME, _ICB, _CLOSED, _STATUS, _COMMISSIONER, _SETTING = 0, 1, 3, 11, 12, 14, 25
_OPEN = frozenset({"A", "ACTIVE"})
_GP = frozenset({"4", "RO76"})
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


def read(path: Path) -> tuple[Practice, ...]:
    """Every entry of an epraccur.csv, open or not, in its order.

    Errors: InputError, with the line, where the file is none.
    """
    found = []
    for line, cells in _records(path, _WHERE):
        if line == 1 and codes.normal(cells[0]) in {"CODE", "ORGANISATION CODE", "ORGANISATION_CODE"}:
            continue
        if len(cells) != _WIDTH:
            raise InputError(f"{path}:{line}: {len(cells)} columns, and epraccur has {_WIDTH}.", _WHERE)
        found.append(_practice(cells))
    if not found:
        raise InputError(f"{path} is empty.", _WHERE)
    if not any(entry.open and entry.gp for entry in found):
        raise InputError(f"{path} has no open GP practice among its {len(found)} entries.", _WHERE)
    return tuple(found)


def suppliers(path: Path) -> dict[str, str]:
    """The clinical system's supplier of each practice, by code; several are joined by "/".

    Errors: InputError where the file has no columns for a code and a supplier.
    """
    hint = "It is a CSV with a header that has a column for the practice's code and one for the supplier."
    records = list(_records(path, hint))
    header = [cell.strip().lower() for cell in records[0][1]] if records else []
    code = next((at for at, name in enumerate(header) if "code" in name), None)
    supplier = next((at for at, name in enumerate(header) if "supplier" in name or "system" in name), None)
    if code is None or supplier is None:
        raise InputError(f"{path} has no columns for code and supplier: {', '.join(header) or 'it is empty'}.", hint)
    found: dict[str, str] = {}
    for line, cells in records[1:]:
        if len(cells) <= max(code, supplier):
            raise InputError(f"{path}:{line}: {len(cells)} columns, and the header has {len(header)}.", hint)
        practice, name = codes.normal(cells[code]), cells[supplier].strip()
        known = found.get(practice)
        found[practice] = name if known in (None, name) else f"{known}/{name}"
    return found


def select(
    practices: Sequence[Practice],
    *,
    commissioner: str = "",
    icb: str = "",
    systems: Mapping[str, str] | None = None,
    supplier: str = "",
) -> tuple[Practice, ...]:
    """The open GP practices of a commissioner, an ICB and a supplier, as far as these are given.

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
        by_code = {code: set(names.upper().split("/")) for code, names in (systems or {}).items()}
        wanted = _known(supplier, set().union(*by_code.values()), "supplier")
        found = [entry for entry in found if wanted in by_code.get(entry.code, ())]
    if not found:
        given = ", ".join(text for text in (commissioner, icb, supplier) if text)
        raise InputError(f"No open GP practice fits {given}.", "Ask for less at once.")
    return tuple(found)


def rows(practices: Iterable[Practice]) -> str:
    """Rows for practices.csv with its header: role active, the gateway not known yet."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((entry.code, entry.name, "", "", "active") for entry in practices)
    return text.getvalue()


def _records(path: Path, hint: str) -> Iterable[tuple[int, list[str]]]:
    """The records of a CSV file that are not blank, with the line on which each ends."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", hint) from error
    try:
        text = decode(data)
    except ValueError as error:
        raise InputError(f"{path} {error}", f"Unpack it first. {hint}") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: is no CSV ({error}).", hint) from error


def _practice(cells: Sequence[str]) -> Practice:
    return Practice(
        code=codes.normal(cells[_CODE]),
        name=" ".join(cells[_NAME].split()),
        commissioner=codes.normal(cells[_COMMISSIONER]),
        icb=codes.normal(cells[_ICB]),
        open=cells[_STATUS].strip().upper() in _OPEN,
        gp=not _GP.isdisjoint(cells[_SETTING].strip().upper().split("|")),
        closed_on=_date(cells[_CLOSED].strip()),
    )


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


def _known(given: str, values: set[str], what: str) -> str:
    """The value as it occurs. Errors: InputError with the nearest ones."""
    wanted = codes.normal(given)
    if wanted in values:
        return wanted
    near = difflib.get_close_matches(wanted, sorted(values), 3, 0.5)
    some = near or sorted(values)[:5]
    raise InputError(
        f"No open GP practice of the list has the {what} {given}.",
        f"{'The nearest' if near else 'There are'}: {', '.join(some)}{'' if near or len(values) < 6 else ' ...'}",
    )
