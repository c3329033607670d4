"""What the verbs share: printing, asking, and which folder is meant."""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

import click

from provisioner import foreign
from provisioner.cli.commands import givable
from provisioner.cli.options import common, refuse_idle
from provisioner.errors import Fault, InputError


def out(text: str) -> None:
    """A result, on stdout."""
    # Named: without a file click goes round an output that is in ASCII, and writes UTF-8 to it.
    click.echo(text, file=sys.stdout)


def lines(found: Iterable[str]) -> None:
    """Lines of a result, on stdout, as they come."""
    for line in found:
        out(line)


def folded(text: str) -> None:
    """Lines for a person, none of them wider than the terminal, with commands that can be given as they stand."""
    lines(_folded(givable(text), room(sys.stdout)))


def follows(line: str) -> None:
    """A line that ends in the command to give next."""
    from provisioner.report.folding import said

    lines(said(givable(line), room(sys.stdout)))


def _folded(text: str, wide: int) -> Iterator[str]:
    from provisioner.report.folding import folded as fold

    for line in text.splitlines():
        yield from fold(line, wide)


def width() -> int:
    """The columns of the terminal that a person looks at; 80 where there is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 80


def room(stream: TextIO) -> int:
    """How long a line of words may be there: as wide as the terminal, and of any length for a program that reads it."""
    return shutil.get_terminal_size().columns if stream.isatty() else sys.maxsize


def for_a_person() -> bool:
    """Whether a result is laid out to be read: on a terminal, and where `--format table` says so."""
    return common().format == "table" or (common().format != "json" and sys.stdout.isatty())


def document(text: str) -> None:
    """A whole file, on stdout: in UTF-8, as it is in a file, except where a person looks on."""
    click.echo(text if sys.stdout.isatty() else text.encode("utf-8", "replace"), file=sys.stdout)


def say(text: str) -> None:
    """Progress or a remark, on stderr, for a person no wider than the terminal."""
    wide, text = room(sys.stderr), givable(text)
    for line in _folded(text, wide) if len(text) > wide else [text]:
        click.echo(line, file=sys.stderr)


def warn(faults: list[Fault]) -> None:
    """Warnings, on stderr."""
    for fault in faults:
        say(f"warning: {fault}")


def as_json() -> bool:
    """Whether results are asked for as JSON."""
    return common().format == "json"


def fleet_folder() -> Path:
    """The fleet folder: `--fleet`, PROVISIONER_FLEET, or this folder. Errors: InputError for a name that is no text."""
    folder = Path(os.path.realpath(common().fleet or Path()))
    if not foreign.is_text(str(folder)):
        raise InputError(f"{foreign.readable(str(folder))}: a part of this name is no text.", "Rename the folder.")
    return folder


def refuse_all_as_json(whole: bool) -> None:
    """Errors: InputError where both are asked for."""
    refuse_idle("--all", "with --format json, which has all", whole and as_json())


def confirm(question: str) -> None:
    """Go on only with a person's yes, or `--yes`.

    Errors: InputError where nobody can be asked; click.Abort where the answer is no.
    """
    if common().yes:
        return
    if not sys.stdin.isatty():
        raise InputError(f"{question} Nobody can be asked here.", "Say it with --yes.")
    click.confirm(question, abort=True, err=True)


def ask_password(question: str) -> str:
    """A password that a person types, unseen."""
    answer: str = click.prompt(question, hide_input=True, err=True)
    return answer
