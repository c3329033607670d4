"""The verb `journal`: a journal that was moved or copied becomes one of its own."""

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from provisioner import processes
from provisioner.cli.console import as_json, confirm, out, whole_fleet
from provisioner.cli.options import add_common_options
from provisioner.journal import Journal


@click.group("journal")
def journal() -> None:
    """The journal's file: a copy of it, or one that was moved, takes an id of its own."""


command = journal


@journal.command("adopt")
def adopt() -> None:
    """Work with the journal from where it lies now, under a new id.

    What it remembers stays. Of what was begun and not ended in the journal that it was copied from nothing is known
    here: such steps are noted as unknown, and its leases are given up.
    """
    fleet = whole_fleet()
    with Journal.open(Path(fleet.folder) / fleet.settings.journal, create=False) as kept:
        home, id_ = kept.moved(), kept.id
        new = id_
        if home is not None:
            confirm(f"{kept.path} was at {home}. Does nobody run `apply`, `migrate` or `undo` with that one now?")
            new = kept.adopt(str(processes.this()), datetime.now(UTC))
    if as_json():
        out(json.dumps({"version": 1, "journal": new, "was": id_}, indent=2))
    elif home is None:
        out(f"{kept.path} is at home where it lies; nothing was changed.")
    else:
        out(f"{kept.path} is a journal of its own now: {new}. It was {id_}, at {home}.")


for each in journal.commands.values():
    add_common_options(each, f"journal {each.name}")
