"""`provisioner show ID`: an audit or a plan, from the journal."""

import click

from provisioner.cli import audit as audits
from provisioner.cli import plan as plans
from provisioner.cli.auditing import open_journal
from provisioner.cli.context import as_json, open_fleet, out, table
from provisioner.model import Audit, Plan
from provisioner.report import table as tables


@click.command("show")
@click.argument("id_")
def command(id_: str) -> int:
    """An audit, or a plan with what became of its steps. No gateway is touched."""
    fleet = open_fleet()
    with open_journal(fleet) as journal:
        found = plans.lookup(journal, id_)
        outcomes = list(journal.progress(id_).outcomes.values()) if isinstance(found, Plan) else []
    if isinstance(found, Audit):
        audits.show(found)
        return 0
    plans.show(found, plans.practice_names(fleet))
    if outcomes and not as_json():
        table(tables.outcomes(outcomes))
        out(f"{found.id}: {len(outcomes)} of {len(found.steps)} steps have ended.")
    return 0
