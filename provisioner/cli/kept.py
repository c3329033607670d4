"""What the journal keeps for a fleet: the audit that a verb takes by itself, and whose an audit is."""

from dataclasses import replace

from provisioner.cli.console import say
from provisioner.errors import InputError
from provisioner.journal import Journal
from provisioner.model import Audit, Fleet, Plan
from provisioner.report.view import part


def lookup(journal: Journal, id_: str | None, fleet: Fleet) -> Audit | Plan:
    """What the journal has under that id; for None the latest audit of this whole fleet. What is of a part, or
    of another fleet folder, is said to be so.

    Errors: InputError where there is nothing.
    """
    if not id_:
        return latest(journal, fleet)
    found = journal.load(id_)
    if not isinstance(found, Audit):
        return found
    if not is_of(found, fleet):
        say(f"warning: {id_} is an audit of another fleet folder{f' ({found.folder})' if found.folder else ''}.")
        return found
    return _known(found, fleet)


def latest(journal: Journal, fleet: Fleet) -> Audit:
    """The latest audit of the whole fleet; where there is none the latest of a part of it, and that is said.

    Errors: InputError where there is no audit of this fleet.
    """
    newest: Audit | None = None
    for id_ in journal.kept("audit"):
        found = journal.load(id_)
        if not isinstance(found, Audit) or not is_of(found, fleet):
            continue
        found = _known(found, fleet)
        if is_whole(found, fleet):
            if newest:
                say(f"{newest.id} is newer, but of a part only ({part(newest)}); this is {found.id}, of all.")
            if new := _not_asked(found, fleet):
                say(f"warning: {', '.join(new)} came into the fleet after {found.id}, which says nothing of it.")
            return found
        newest = newest or found
    if newest is None:
        raise InputError("There is no audit of this fleet in this journal yet.", "provisioner audit makes one.")
    say(f"warning: {newest.id} is of a part only ({part(newest)}). provisioner audit makes one of the whole fleet.")
    return newest


def is_of(audit: Audit, fleet: Fleet) -> bool:
    """Whether an audit is of this fleet: of its folder, or of gateways that are all its own; several folders may share
    a journal. One of before folders were kept is, where any of its gateways is here."""
    if audit.folder == fleet.folder:
        return True
    rows = {(row.name, row.practice, row.address) for row in fleet.gateways}
    here = [(row.name, row.practice, row.address) in rows for row in audit.gateways]
    return all(here) if audit.folder else any(here)


def is_whole(audit: Audit, fleet: Fleet) -> bool:
    """Whether an audit of this fleet left none out: of what the folder had then, or of all that it has now."""
    return (audit.folder == fleet.folder and not audit.left_out) or not _not_asked(audit, fleet)


def _not_asked(audit: Audit, fleet: Fleet) -> dict[str, str]:
    """The fleet's gateways of now that are not in the audit, with their practices."""
    asked = {row.name for row in audit.gateways}
    return {row.name: row.practice for row in fleet.known if row.name not in asked}


def _known(audit: Audit, fleet: Fleet) -> Audit:
    """The audit with what it left out. One of before that was kept is held against the fleet as it is now."""
    return audit if audit.left_out is not None else replace(audit, left_out=_not_asked(audit, fleet))
