"""`provisioner history`: what is in the journal."""

import json

import click

from provisioner.cli.auditing import open_journal
from provisioner.cli.context import as_json, open_fleet, out, say, table
from provisioner.journal import Entry


@click.command("history")
@click.option("--last", default=20, show_default=True, type=click.IntRange(min=1), help="How many entries.")
def command(last: int) -> int:
    """Audits, plans and their runs, the latest first. No gateway is touched."""
    with open_journal(open_fleet()) as journal:
        entries = journal.history(last)
        wrong = journal.verify()
    if as_json():
        out(json.dumps({"version": 1, "entries": [_document(entry) for entry in entries]}, indent=2))
        return _told(wrong)
    from rich.table import Table

    shown = Table("when (UTC)", "what", "id", "")
    for entry in entries:
        shown.add_row(f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.kind, entry.id, entry.title)
    table(shown)
    return _told(wrong)


def _told(wrong: str) -> int:
    if wrong:
        say(f"The journal cannot be trusted: {wrong}. Put a backup back.")
    return 2 if wrong else 0


def _document(entry: Entry) -> dict[str, str]:
    return {"id": entry.id, "kind": entry.kind, "at": entry.at.isoformat(), "title": entry.title}
