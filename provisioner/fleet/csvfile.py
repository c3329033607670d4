"""CSV files as spreadsheets leave them: whatever the encoding, the separator and the stray blanks.

Every fault of the table itself is found here, with its line; what the cells mean is for the caller.
"""

import csv
import io
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from provisioner import files
from provisioner.errors import Fault, InputError, suggest

_SEPARATORS = (",", ";", "\t")
# What a spreadsheet shows, and saves, where its own formula failed.
_BROKEN_CELLS = frozenset({"#REF!", "#N/A", "#NAME?", "#VALUE!", "#DIV/0!", "#NULL!", "#NUM!", "#SPILL!", "#CALC!"})
_INVISIBLE = str.maketrans("", "", "\ufeff\u200b\u200e\u200f")


@dataclass(frozen=True)
class Row:
    """One row: the line on which it begins, its cells by column, without blanks around them, and where in the table's
    text it begins."""

    line: int
    cells: Mapping[str, str]
    start: int = 0


@dataclass
class Table:
    """A table: `columns` in lower case and in order, rows that are not blank, and what is wrong with it.

    `header` is the header's line. `text` is all of it as it is written, and `separator` what parts its cells.
    """

    text: str = ""
    separator: str = ","
    columns: tuple[str, ...] = ()
    header: int = 1
    rows: list[Row] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


_FOLDER = "`provisioner init DIR` writes a whole folder."


def read(
    path: Path, required: Sequence[str], optional: Collection[str] | None = (), *, missing: str = _FOLDER
) -> Table:
    """The table of a CSV file. Columns that are neither required nor optional are faults; `optional` None takes any.
    `missing` is what to do where it cannot be read: a fleet folder's tables are written by a command, any other is not.

    A missing file, one that cannot be read or is no text is a fault like any other.
    """
    try:
        data = files.read(path, files.TABLE)
    except OSError as error:
        message = "is missing." if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}."
        return Table(faults=[Fault(path.name, None, message, missing)])
    return parse(path.name, data, required, optional)


def parse(name: str, data: bytes, required: Sequence[str], optional: Collection[str] | None = ()) -> Table:
    """The same of a file's bytes; `name` is what its faults call it."""
    table = Table()
    try:
        table.text = files.decode(data)
    except ValueError as error:
        table.faults.append(Fault(name, None, str(error), "Save it as CSV UTF-8."))
        return table
    _Cells(name, table, required, optional).read()
    return table


def written(table: Table, row: Row, column: str) -> tuple[int, int]:
    """Where in the table's text a row's cell begins and ends, with the quotation marks and blanks that it has. The
    column is a required one: of others a row may have no cell."""
    cell = rf'(?>"[^"]*(?:""[^"]*)*"|[^{table.separator}\r\n]*)'
    before = table.columns.index(column)
    found = re.compile(rf"(?:{cell}{table.separator}){{{before}}}({cell})").match(table.text, row.start)
    assert found, f"line {row.line} was read and has no cell {column}"
    return found.span(1)


def records(path: Path, hint: str) -> Iterator[tuple[int, list[str]]]:
    """The records of a CSV file of whatever columns that are not blank, with the line on which each ends: separated by
    what makes most cells of its first line.

    Errors: InputError, with this hint, where it cannot be read or is none.
    """
    try:
        text = files.decode(files.read(path, files.LIST))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", hint) from error
    except ValueError as error:
        raise InputError(f"{path} {error}", f"Unpack it first. {hint}") from error
    skipped, separator = _widest(text)
    lines = io.StringIO(text, newline="")
    for _ in range(skipped):
        next(lines)
    reader = csv.reader(lines, delimiter=separator, strict=True)
    try:
        for cells in reader:
            plain = [cell.translate(_INVISIBLE).strip() for cell in cells]
            if any(plain):
                yield skipped + reader.line_num, plain
    except csv.Error as error:
        line = skipped + reader.line_num
        raise InputError(f"{path}:{line}: is no CSV ({error}).", hint) from error


def _widest(text: str) -> tuple[int, str]:
    """How many lines come before the first record, and the separator that makes most cells of it."""
    skipped, first, told = _begin(text)
    if told:
        return skipped, told

    def width(separator: str) -> int:
        try:
            return len(next(csv.reader([first], delimiter=separator), []))
        except csv.Error:
            return 0

    return skipped, max((*_SEPARATORS, "|"), key=width)


class _Cells:
    """Reads one text into one table."""

    def __init__(self, name: str, table: Table, required: Sequence[str], optional: Collection[str] | None) -> None:
        self._name, self._table = name, table
        self._required, self._optional = required, optional

    def read(self) -> None:
        records = self._records(self._table.text)
        header = next(records, None)
        if header is None:
            self._fault(None, "is empty.", f"Its first line is to be: {','.join(self._required)}")
            return
        line, _, cells = header
        if self._header(line, cells):
            for record in records:
                self._row(*record)

    def _records(self, text: str) -> Iterator[tuple[int, int, list[str]]]:
        """Each record that is not blank, with the line on which it begins and where in the text that is; the rest of
        a broken one is left out."""
        skipped, self._table.separator = _separator(text, self._required)
        read = 0

        def lines() -> Iterator[str]:
            nonlocal read
            for line in io.StringIO(text, newline=""):
                read += len(line)
                yield line

        rest = lines()
        for _ in range(skipped):
            next(rest)
        reader = csv.reader(rest, delimiter=self._table.separator, strict=True)
        while True:
            line, start = skipped + reader.line_num + 1, read
            try:
                cells = [cell.translate(_INVISIBLE).strip() for cell in next(reader)]
            except StopIteration:
                return
            except csv.Error:
                hint = "Look for a lone quotation mark, here or in the lines that follow."
                self._fault(line, "the quotation marks of the row that begins here do not match.", hint)
                continue
            if any(cells):
                yield line, start, cells

    def _header(self, line: int, cells: list[str]) -> bool:
        """Take the column names. Whether the rows can be read by them."""
        names = [" ".join(cell.split()).lower().replace(" ", "_") for cell in cells]
        before = len(self._table.faults)
        missing = [name for name in self._required if name not in names]
        if len(missing) == len(self._required):
            self._fault(line, "there is no header line.", f"The first line is to be: {','.join(self._required)}")
            return False
        for name in sorted({name for name in names if name and names.count(name) > 1}):
            self._fault(line, f"the column {name} is there twice.", "Rename or remove one of them.")
        others = [name for name in names if name and name not in self._required]
        for name in missing:
            meant = suggest(name, others)
            hint = f"{meant} Rename that." if meant else f"The columns are to be: {','.join(self._required)}"
            self._fault(line, f"there is no column {name}.", hint)
        if self._optional is not None and not missing:
            for name in others:
                if name not in self._optional:
                    known = ", ".join([*self._required, *self._optional])
                    self._fault(line, f"there is no use for a column {name!r}.", f"The columns are: {known}")
        self._table.columns, self._table.header = tuple(names), line
        return len(self._table.faults) == before

    def _row(self, line: int, start: int, cells: list[str]) -> None:
        columns = self._table.columns
        # Spreadsheets leave out blank cells at the end of a row. Of a column that must be there it is more likely
        # that a separator is missing and the cells stand in the wrong columns.
        lacking = [name for name in columns[len(cells) :] if name in self._required]
        if lacking:
            message = f"the row has {len(cells)} cells, and the header has {len(columns)}."
            self._fault(line, message, f"Is a separator missing? There is no cell for {', '.join(lacking)}.")
            return
        beyond = [cell for cell in cells[len(columns) :] if cell]
        if beyond:
            message = f"the row has {len(cells)} cells, and the header has {len(columns)}."
            self._fault(line, message, "A cell that holds the separator itself is to be in quotation marks.")
            return
        named = dict.fromkeys(columns, "") | dict(zip(columns, cells, strict=False))
        nameless = any(cell and not name for name, cell in zip(columns, cells, strict=False))
        if nameless:
            self._fault(line, "a cell stands under a column without a name.", "Name the column, or clear the cell.")
        for name, cell in named.items():
            if cell.upper() in _BROKEN_CELLS:
                self._fault(line, f"{name} is {cell}: a formula of the spreadsheet failed.", "Write the value itself.")
                return
        named.pop("", None)
        self._table.rows.append(Row(line, named, start))

    def _fault(self, line: int | None, message: str, hint: str) -> None:
        self._table.faults.append(Fault(self._name, line, message, hint))


def _separator(text: str, known: Collection[str]) -> tuple[int, str]:
    """How many lines come before the header, and what separates its cells: what gives most known columns."""
    skipped, first, told = _begin(text)

    def hits(separator: str) -> int:
        names = first.translate(_INVISIBLE).lower().split(separator)
        return sum(name.strip(' "') in known for name in names)

    return skipped, told or max(_SEPARATORS, key=hits)


def _begin(text: str) -> tuple[int, str, str]:
    """How many lines come before the first record, its first line, and the separator that the file itself tells."""
    skipped, first = 0, ""
    for line in io.StringIO(text, newline=""):
        first = line.strip("\r\n")
        # The line with which Excel is told the separator.
        if first[:4].lower() == "sep=" and first[4:5] in _SEPARATORS and len(first) == 5:
            return skipped + 1, "", first[4]
        if first.strip():
            break
        skipped += 1
    return skipped, first, ""
