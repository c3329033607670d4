"""`provisioner show ID`: an audit or a plan, from the journal."""

import click

from provisioner.cli.completion import ids
from provisioner.cli.console import as_json, open_journal, out, table, whole_fleet
from provisioner.cli.lookup import lookup, practice_names
from provisioner.cli.verbs import audit as audits
from provisioner.cli.verbs import plan as plans
from provisioner.journal import standing
from provisioner.model import Audit
from provisioner.report import standing as standings
from provisioner.report import table as tables


@click.command("show")
@click.argument("id_", metavar="ID", shell_complete=ids())
def command(id_: str) -> int:
    """An audit, or a plan with what became of its steps. No gateway is touched."""
    fleet = whole_fleet()
    with open_journal(fleet) as journal:
        found = lookup(journal, id_, fleet)
        if isinstance(found, Audit):
            audits.show(found, fleet)
            return 0
        stands = standing.stands(journal, found.id)
        later = [(plan, standing.stands(journal, plan.id)) for plan in journal.family(found)[1:]]
    plans.show(found, practice_names(fleet), stands)
    if as_json():
        return 0
    if stands:
        table(tables.standing(found, stands))
    for one, its in later:
        if its:
            out(f"Since then {one.id} ({one.kind}): {standings.counted(one, its)} provisioner show {one.id}")
    return 0
