"""`provisioner show ID`: an audit or a plan, from the journal."""

import click

from provisioner.cli.completion import ids
from provisioner.cli.console import as_json, open_journal, out, table, whole_fleet
from provisioner.cli.lookup import lookup, practice_names
from provisioner.cli.options import refuse_idle
from provisioner.cli.verbs import audit as audits
from provisioner.cli.verbs import plan as plans
from provisioner.journal import Journal, standing
from provisioner.model import Audit, Fleet, Plan
from provisioner.report import standing as standings
from provisioner.report import table as tables


@click.command("show")
@click.argument("id_", metavar="ID", shell_complete=ids())
@click.option("--all", "whole", is_flag=True, help="Of an audit: every gateway and cause, with all its words.")
def command(id_: str, whole: bool) -> int:
    """An audit, or a plan with what became of its steps. No gateway is touched."""
    audits.refuse_all_as_json(whole)
    fleet = whole_fleet()
    with open_journal(fleet) as journal:
        found = lookup(journal, id_, fleet)
        refuse_idle("--all", f"for a plan, and {found.id} is one", whole and isinstance(found, Plan))
        show(found, fleet, journal, whole)
    return 0


def show(found: Audit | Plan, fleet: Fleet, journal: Journal, whole: bool = False) -> None:
    """An audit or a plan on stdout, in the format asked for; of a plan also what became of its steps."""
    if isinstance(found, Audit):
        audits.show(found, fleet, whole)
        return
    stands = standing.stands(journal, found.id)
    plans.show(found, practice_names(fleet), stands)
    if as_json():
        return
    if stands:
        table(tables.standing(found, stands))
    for one in journal.family(found)[1:]:
        if its := standing.stands(journal, one.id):
            out(f"Since then {one.id} ({one.kind}): {standings.counted(one, its)} provisioner show {one.id}")
