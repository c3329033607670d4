"""The verb `journal`: all of it verified; one that was moved or copied becomes one of its own."""

import json
from datetime import UTC, datetime

import click

from provisioner import processes
from provisioner.cli.console import as_json, confirm, folded, out, say
from provisioner.cli.lookup import journal_path, look_into
from provisioner.cli.options import add_common_options
from provisioner.journal import Journal


@click.group("journal")
def journal() -> None:
    """The journal's file: is all of it as it was written? A copy, or one that was moved, takes an id of its own."""


command = journal


@journal.command("adopt")
def adopt() -> None:
    """Work with the journal from where it lies now, under a new id.

    What it remembers stays. Of what was begun and not ended in the journal that it was copied from nothing is known
    here: such steps are noted as unknown, and its leases are given up.
    """
    with Journal.open(journal_path(), create=False) as kept:
        home, id_ = kept.moved(), kept.id
        new = id_
        if home is not None:
            confirm(f"{kept.path} was at {home}. Does nobody run `apply`, `migrate` or `undo` with that one now?")
            new = kept.adopt(str(processes.this()), datetime.now(UTC))
    if as_json():
        out(json.dumps({"version": 1, "journal": new, "was": id_}, indent=2))
    elif home is None:
        folded(f"{kept.path} is at home where it lies; nothing was changed.")
    else:
        folded(f"{kept.path} is a journal of its own now: {new}. It was {id_}, at {home}.")


@journal.command("verify")
def verify() -> int:
    """Hold all of the journal against its hashes: events, audits, plans, readings.

    What changes gateways looks only at what came since you last did. Where the journal is not the one that you then
    verified, because a backup was put back or somebody wrote it anew, it asks whether to go on with it. Exit 0: all is
    as it was written; 2: it is not.
    """
    now = datetime.now(UTC)
    with look_into(create=False) as kept:
        if behind := kept.behind():
            say(f"{kept.path}: {behind}.")
            say("Of what was begun since, and may still run on a gateway, it knows nothing.")
            confirm("Go on with the journal as it is now?")
            kept.forget_head()
        wrong, (newest, _) = kept.verify(now), kept.head()
    if as_json():
        out(json.dumps({"version": 1, "event": newest, "wrong": wrong, "behind": behind}, indent=2))
    elif not wrong:
        folded(f"{kept.path} is as it was written, up to event {newest}, with all audits, plans and readings.")
    if wrong:
        say(f"The journal cannot be trusted: {wrong}. Put a backup back.")
    return 2 if wrong else 0


for each in journal.commands.values():
    add_common_options(each, f"journal {each.name}")
