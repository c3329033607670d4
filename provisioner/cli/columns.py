"""Results as lines where a person looks on, and as tab-separated rows, each whole, where another program does."""

from collections.abc import Iterable, Sequence

from provisioner.cli.commands import givable
from provisioner.cli.console import for_a_person, lines, say, width
from provisioner.report.folding import flat, hanging, said
from provisioner.report.words import cell

__all__ = ["listed", "some", "width", "wrapped"]


def listed(
    found: Iterable[str], columns: Sequence[str], rows: Iterable[Sequence[object]], *, after: Sequence[str]
) -> None:
    """Either of both on stdout, and `after`, what is said at the end, where a person reads it."""
    if for_a_person():
        lines(found)
        lines(part for line in after for part in said(givable(line), width()))
        return
    lines("\t".join(cell(flat(str(one))) for one in row) for row in (columns, *rows))
    for line in after:
        say(line)


def wrapped(first: str, text: str, columns: int) -> list[str]:
    """A text behind what begins its first line, by which the others are indented, or below it where that leaves no
    room. No word is broken."""
    return hanging(first, text, columns) if flat(text) else [first.rstrip()]


def some(names: Sequence[str], most: int = 4) -> str:
    """The first of these, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
