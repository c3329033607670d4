"""`provisioner init`: a new fleet folder."""

from pathlib import Path

import click

from provisioner import fleet
from provisioner.cli.commands import word
from provisioner.cli.console import folded, say
from provisioner.errors import InputError


@click.command("init")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
def command(folder: Path) -> int:
    """Write a new fleet folder with comments, to be kept in git. Files that are there are never written over."""
    files = fleet.starter()
    there = [name for name in files if (folder / name).exists()]
    if there:
        hint = "Give another folder. Nothing was written."
        raise InputError(f"{folder} has {', '.join(there)} already.", hint)
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            with (folder / name).open("x", encoding="utf-8", newline="\n") as file:
                written.append(folder / name)
                file.write(text)
    except BaseException as error:
        for path in written:
            path.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        raise InputError(f"{folder} cannot be written: {error.strerror}.", "Give another folder.") from error
    folded(f"{folder}: {', '.join(files)}")
    _, faults = fleet.check(folder)
    if faults:
        say("To be filled in:")
    for fault in faults:
        say(f"  {fault}")
    say(f"Next: fill these in; then provisioner validate {word(folder)}")
    return 0
