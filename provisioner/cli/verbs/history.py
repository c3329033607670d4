"""`provisioner history`: what is in the journal; and letting go of what is old."""

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import click

from provisioner import processes
from provisioner.cli.console import as_json, confirm, folded, lines, out, say, width
from provisioner.cli.lookup import look_into, open_journal
from provisioner.cli.options import common, is_typed, refuse_idle
from provisioner.errors import JournalError
from provisioner.journal import Entry, Journal, Pruned
from provisioner.report import table
from provisioner.report.words import counted

# How wide a line is where no terminal has it.
_WIDE = 160
# After that long all of a journal is to be looked at again.
_LONG_AGO = timedelta(days=31)


@click.command("history")
@click.option("--last", default=20, show_default=True, type=click.IntRange(min=1), help="How many entries.")
@click.option("--prune", type=click.IntRange(min=1, max=36500), metavar="DAYS", help="Remove what is older than that.")
def command(last: int, prune: int | None) -> int:
    """Audits, plans and their runs, the latest first. No gateway is touched.

    --prune removes older audits, plans and readings for good; nothing of a plan that is still open.
    """
    refuse_idle("--yes", "without --prune", prune is None and common().yes)
    refuse_idle("--last", "with --prune", prune is not None and is_typed("last"))
    with open_journal() if prune is not None else look_into() as journal:
        wrong = journal.verify(datetime.now(UTC), everything=prune is not None)
        if prune is not None:
            return _told(wrong) or _prune(journal, prune)
        entries, verified = journal.history(last), journal.verified()
    if as_json():
        out(json.dumps({"version": 1, "entries": [_document(entry) for entry in entries]}, indent=2))
        return _told(wrong)
    lines(table.history([(one.at, one.kind, one.id, one.title) for one in entries], _columns()))
    if verified and datetime.now(UTC) - verified > _LONG_AGO:
        say(f"All of the journal was last verified on {verified:%-d %B %Y}: provisioner journal verify")
    return _told(wrong)


def _columns() -> int:
    return width() if sys.stdout.isatty() else _WIDE


def _prune(journal: Journal, days: int) -> int:
    now = datetime.now(UTC)
    before = now - timedelta(days=days)
    removed = journal.old(before)
    if removed != Pruned():
        confirm(f"Remove for good what is older than {before:%d %B %Y}: {_counted(removed)}?")
        removed = journal.prune(before, str(processes.this()), now)
    if as_json():
        out(json.dumps({"version": 1, "before": before.isoformat(), "removed": asdict(removed)}, indent=2))
    else:
        none = f"Nothing that is older than {before:%d %B %Y} may go."
        folded(none if removed == Pruned() else f"Removed: {_counted(removed)}.")
    try:
        journal.compact()
    except JournalError as error:
        # It has gone already; only its room, and what was written there, is still in the file.
        say(f"{error.message} What was removed is still in the file's unused room: give the same command again.")
    return 0


def _counted(removed: Pruned) -> str:
    kinds = ((removed.audits, "audit"), (removed.plans, "plan"), (removed.events, "event"))
    return ", ".join(counted(count, one) for count, one in (*kinds, (removed.readings, "reading")))


def _told(wrong: str) -> int:
    if wrong:
        say(f"The journal cannot be trusted: {wrong}. Put a backup back; or see provisioner journal verify.")
    return 2 if wrong else 0


def _document(entry: Entry) -> dict[str, str]:
    return {"id": entry.id, "kind": entry.kind, "at": entry.at.isoformat(), "title": entry.title}
