"""Results as lines where a person looks on, and as tab-separated rows, each whole, where another program does."""

import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence

from provisioner.cli.console import out, say
from provisioner.report.words import clean


def width() -> int:
    """How many columns the screen has."""
    return max(shutil.get_terminal_size().columns, 30)


def listed(
    lines: Iterable[str], columns: Sequence[str], rows: Iterable[Sequence[object]], *, after: Sequence[str]
) -> None:
    """Either of both on stdout, and `after`, what is said at the end, where a person reads it."""
    if sys.stdout.isatty():
        for line in (*lines, *after):
            out(line)
        return
    for row in (columns, *rows):
        out("\t".join(" ".join(clean(str(cell)).split()) for cell in row))
    for line in after:
        say(line)


def wrapped(first: str, text: str, columns: int) -> list[str]:
    """A text behind what begins its first line, which the others are indented by."""
    return textwrap.wrap(
        " ".join(clean(text).split()), max(columns, len(first) + 20), initial_indent=first,
        subsequent_indent=" " * len(first), break_long_words=False, break_on_hyphens=False,
    ) or [first.rstrip()]  # fmt: skip


def some(names: Sequence[str], most: int = 4) -> str:
    """The first of these, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
