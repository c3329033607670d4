"""The list of clinical systems: which supplier each practice has, from whatever file an organisation keeps of it.

Such files have many columns in any order, of which several hold codes and several say "system". So the codes' column is
known by its cells, and the supplier's by its name first and its cells else; both are named in whatever is said.
Headers of published ones: NHS Digital's POMI (CommissioningRegionCode, ..., GPPracticeCode, ..., Supplier, ...,
SystemEnabled) and Appointments in General Practice (GP_CODE, ..., SUPPLIER, PCN_CODE, ...).
"""

import itertools
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import InputError
from provisioner.fleet import codes
from provisioner.fleet.csvfile import records

_HINT = "It is a CSV that has a column with the practices' codes and one with their clinical system's supplier."
# So many records show what a column holds.
_SAMPLE = 2000
# Names as `_letters` has them: the nearest first. A code of something else is no practice's, whatever it looks like.
_CODE_NAMES = (
    frozenset({"practicecode", "gppracticecode", "gpcode", "odscode", "practiceodscode", "gpodscode"}),
    frozenset({"code", "orgcode", "organisationcode", "practice", "gppractice", "ods", "practiceid"}),
)
_OTHER_CODE = re.compile(r"pcn|network|parent|main|branch|previous|former|old|new|successor|ccg|icb|ics|region")
_SUPPLIER_NAMES = (
    frozenset({"supplier"}),
    frozenset(
        {
            "clinicalsystemsupplier", "systemsupplier", "gpsystemsupplier", "gpsupplier", "gpitsupplier",
            "suppliername", "clinicalsystem", "gpclinicalsystem", "gpsystem", "gpitsystem", "system", "systemname",
            "clinicalsystemname", "gpsystemname", "vendor", "systemvendor",
        }
    ),
)  # fmt: skip
_SUPPLIERS = re.compile(
    r"(TPP|THE PHOENIX|SYSTMONE|EMIS|OPTUM|INPS|IN PRACTICE|VISION|CEGEDIM|MICROTEST|EVERGREEN|MEDICUS)\b.*"
)


class Suppliers(dict[str, str]):
    """Each practice's supplier, by its code; several are joined by "/". `columns` says where that stood."""

    columns = ""


@dataclass(frozen=True)
class _Column:
    """A column: its place, from 0, what its header calls it (`named`) or else its number, and the cells of a sample
    that are not blank."""

    at: int
    name: str
    cells: Sequence[str]
    named: bool

    @property
    def letters(self) -> str:
        return re.sub(r"[^a-z]", "", self.name.lower())

    def share(self, fits: Collection[str]) -> float:
        """How much of it is among these; 0 for an empty one."""
        return sum(cell in fits for cell in self.cells) / len(self.cells) if self.cells else 0.0


def suppliers(path: Path, listed: Collection[str] = (), supplier: str = "") -> Suppliers:
    """The clinical system's supplier of each practice. `listed` are codes that are practices', and `supplier` is one
    that the file should have, as far as that is known.

    Errors: InputError where the file has no column for a code or for a supplier, or several that may be it.
    """
    lines = iter(records(path, _HINT))
    sample = list(itertools.islice(lines, _SAMPLE))
    if not sample:
        raise InputError(f"{path} has no columns for code and supplier: it is empty.", _HINT)
    sample = sample[_title(sample) :]
    wanted = codes.normal(supplier)
    headed = _is_header([codes.normal(cell) for cell in sample[0][1]], wanted)
    columns = _columns(sample, headed)
    code = _code(path, columns, listed)
    system = _supplier(path, columns, code, wanted)
    by_practice = Suppliers()
    by_practice.columns = f"Of {path.name} the codes are column {code.name!r}, the suppliers column {system.name!r}."
    for line, cells in itertools.chain(sample[headed:], lines):
        if len(cells) <= max(code.at, system.at):
            message = f"{path}:{line}: {len(cells)} columns, and the first line has {len(columns)}."
            raise InputError(message, f"{by_practice.columns} {_HINT}")
        practice, name = codes.normal(cells[code.at]), cells[system.at].strip()
        known = by_practice.get(practice)
        if known is None or not known:
            by_practice[practice] = name
        elif name and name not in known.split("/"):
            by_practice[practice] = f"{known}/{name}"
    return by_practice


def _title(sample: Sequence[tuple[int, Sequence[str]]]) -> int:
    """How many lines stand above the header, such as a publication's title: of those before the first practice's code
    the header is the one with most cells."""
    first = next((at for at, (_, cells) in enumerate(sample) if any(map(_is_code, cells))), 0)
    return max(range(first), key=lambda at: sum(map(bool, sample[at][1])), default=0)


def _is_code(cell: str) -> bool:
    return not codes.why_not_practice(codes.normal(cell))


def _is_header(cells: Sequence[str], wanted: str) -> bool:
    """Whether a first line names columns: then no cell of it is a practice's code or a supplier."""
    return all(codes.why_not_practice(cell) and not _is_supplier(cell, wanted) for cell in cells)


def _is_supplier(text: str, wanted: str) -> bool:
    return bool(text) and (text == wanted or bool(_SUPPLIERS.match(text)))


def _columns(sample: Sequence[tuple[int, Sequence[str]]], headed: bool) -> list[_Column]:
    names = [" ".join(cell.split()) for cell in sample[0][1]]
    rows = [cells for _, cells in sample[headed:]]
    return [
        _Column(
            at,
            name if headed and name else f"number {at + 1}",
            [text for cells in rows if len(cells) > at and (text := codes.normal(cells[at]))],
            headed and bool(name),
        )
        for at, name in enumerate(names)
    ]


def _code(path: Path, columns: Sequence[_Column], listed: Collection[str]) -> _Column:
    """The column of the practices' codes: by what it holds, then by the national list, and last by its name."""
    holding = [
        (column, column.share({cell for cell in column.cells if not codes.why_not_practice(cell)}))
        for column in columns
    ]
    candidates = [column for column, share in holding if share > 0.5]
    if not candidates:
        raise _missing(path, "holds practices' codes", columns)
    in_list = max(column.share(listed) for column in candidates)
    candidates = [column for column in candidates if not in_list or column.share(listed) > in_list / 2]
    # A network's or a parent's code may look like a practice's, and a practice may even have the same.
    plain = [column for column in candidates if not _OTHER_CODE.search(column.letters)]
    return _only(path, "code", _nearest(plain or candidates, _CODE_NAMES) or plain or candidates)


def _supplier(path: Path, every: Sequence[_Column], code: _Column, wanted: str) -> _Column:
    """The supplier's column: by its exact name, by a name that says supplier, by what it holds, and last by a name that
    says system. One without a cell is none."""
    filled = [column for column in every if column.cells and column is not code]
    holding = [
        column for column in filled if column.share({text for text in column.cells if _is_supplier(text, wanted)}) > 0.5
    ]
    named = _nearest(filled, _SUPPLIER_NAMES) or [column for column in filled if "supplier" in column.letters]
    candidates = named or holding or [column for column in filled if "system" in column.letters]
    if not candidates:
        raise _missing(path, "says the supplier", every, code)
    both = [column for column in candidates if column in holding]
    return _only(path, "supplier", both if len(candidates) > 1 and both else candidates)


def _missing(path: Path, does: str, columns: Sequence[_Column], code: _Column | None = None) -> InputError:
    """What to say where one of the two columns is not there: which one, and which there are."""
    known = {id(one): " (the codes)" if one is code else "" if one.cells else " (empty)" for one in columns}
    named = [f"{one.name}{known[id(one)]}" for one in columns if one.named]
    there = f"it has {', '.join(named)}" if named else f"its first line names none of its {len(columns)} columns"
    return InputError(f"{path} has no column that {does}; {there}.", _HINT)


def _nearest(columns: Sequence[_Column], names: Sequence[Collection[str]]) -> list[_Column]:
    """Those with one of the first of these names that any has."""
    for some in names:
        if candidates := [column for column in columns if column.letters in some]:
            return candidates
    return []


def _only(path: Path, what: str, columns: Sequence[_Column]) -> _Column:
    """The one of these, which may be there twice. Errors: InputError where they differ."""
    if any(column.cells != columns[0].cells for column in columns):
        names = " or ".join(repr(column.name) for column in columns)
        hint = "Which one is not guessed: take the others out of a copy of the file."
        raise InputError(f"{path}: the {what} may be column {names}.", hint)
    return columns[0]
