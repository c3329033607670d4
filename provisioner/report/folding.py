"""Text in the lines of a terminal: folded, cut or filled up to a width, and nothing in it obeyed. Pure."""

import os
import re
import textwrap

from rich.cells import cell_len, chop_cells

from provisioner.report import words

# A command that runs to the end of its line; a sentence that names one has a comma, a semicolon or its full stop.
_COMMAND_LAST = re.compile(r"(?:^|: )provisioner [^;,]*[^;,.]$")
_GOES_ON = " \\"
# What a path with blanks stands in; between the two a blank is none that a line may end at.
_QUOTED = re.compile(r"""(?<=\s)(?:'[^']+'|"[^"]+")""")
_GLUE = "\0"
# From so many columns on a line has room for a practice's name.
WIDE = 110


def said(line: str, width: int) -> list[str]:
    """A line that may end in a command, which is there to be copied: no word of it is broken, and where it takes more
    lines than one a shell takes them for one."""
    return _commanded(flat(line), width, "      ")


def _commanded(text: str, width: int, indent: str) -> list[str]:
    if cell_len(text) <= width or os.name != "posix" or not _COMMAND_LAST.search(text):
        return _wrapped(text, width, indent)
    *others, last = _wrapped(text, width - len(_GOES_ON), indent)
    begins = next((number for number, one in enumerate(others) if "provisioner" in one), len(others))
    return [*others[:begins], *(f"{one}{_GOES_ON}" for one in others[begins:]), last]


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Text on as many lines as it takes, those after the first indented. No word is broken, nor what is in quotes."""
    return _wrapped(flat(text), width, indent)


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    glued = _QUOTED.sub(lambda quoted: quoted[0].replace(" ", _GLUE), text) if "provisioner " in text else text
    found = textwrap.wrap(
        glued, max(width, 10), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return [line.replace(_GLUE, " ") for line in found]


def folded(line: str, width: int) -> list[str]:
    """A line as it is where it fits, else on as many as it takes, further in than it begins. Nothing of it is left
    out."""
    if cell_len(line) <= width:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()))
    whole = " ".join(words.clean(line).split())
    return [indent + one for one in _commanded(whole, width - len(indent), "    ")]


def hanging(start: str, text: str, width: int) -> list[str]:
    """Text beside its beginning, or below it where that leaves no room."""
    room = width - cell_len(start)
    if room < 24:
        return [cut(start.rstrip(), width), *(f"    {line}" for line in wrapped(text, width - 4))]
    first, *rest = wrapped(text, room)
    return [start + first, *(" " * cell_len(start) + line for line in rest)]


def cut(text: str, width: int) -> str:
    """Text on one line that is no wider."""
    return text if cell_len(text) <= width else chop_cells(text, max(width - 1, 1))[0].rstrip() + "…"


def pad(text: str, width: int) -> str:
    """Text in a column: cut or filled up."""
    short = cut(text, width)
    return short + " " * (width - cell_len(short))


def flat(text: str) -> str:
    """Text that a terminal neither obeys nor breaks."""
    return " ".join(words.clean(words.clip(text, 400)).split())
