"""`provisioner show ID`: an audit or a plan, from the journal."""

from collections.abc import Collection, Mapping

import click

from provisioner.cli import plans
from provisioner.cli.columns import listed
from provisioner.cli.completion import ids
from provisioner.cli.console import as_json, for_a_person, lines, refuse_all_as_json, width
from provisioner.cli.fleets import fleet_on_paper
from provisioner.cli.lookup import look_into, lookup, practice_names
from provisioner.cli.options import refuse_idle
from provisioner.journal import Journal, standing
from provisioner.migration.stand import after, newest
from provisioner.model import Audit, Fleet, Plan
from provisioner.model.results import Stands
from provisioner.report import planned, words
from provisioner.report import standing as standings


@click.command("show")
@click.argument("id_", metavar="ID", shell_complete=ids())
@click.option("--all", "whole", is_flag=True, help="Of an audit: every gateway and cause, with all its words.")
def command(id_: str, whole: bool) -> int:
    """An audit, or a plan with what became of its steps. No gateway is touched. In a pipe: rows with tabs."""
    refuse_all_as_json(whole)
    fleet = fleet_on_paper()
    with look_into(fleet) as journal:
        found = lookup(journal, id_, fleet)
        refuse_idle("--all", f"for a plan, and {found.id} is one", whole and isinstance(found, Plan))
        show(found, fleet, journal, whole)
    return 0


def show(found: Audit | Plan, fleet: Fleet, journal: Journal, whole: bool = False) -> None:
    """An audit or a plan on stdout, in the format asked for; of a plan also what became of its steps."""
    if isinstance(found, Audit):
        # Here, because a plan's screen needs nothing of what judges.
        from provisioner.cli.verbs import audit as audits

        audits.show(found, fleet, whole)
        return
    stands = standing.stands(journal, found.id)
    if as_json():
        plans.show(found, practice_names(fleet), stands)
        return
    since = [
        f"Since then {one.id} ({one.kind}): {standings.counted(one, its)} provisioner show {one.id}"
        for one in journal.family(found)[1:]
        if (its := standing.stands(journal, one.id))
    ]
    if back := standing.put_back(journal, found):
        since.append(f"Put back since, and not done again: {words.counted(len(back), 'step')} of {len(found.steps)}.")
    below = [*since, _next(found, fleet, journal)]
    unended = journal.progress(found.id).unended
    unheard = standings.unheard(found, unended)
    if for_a_person():
        below = [*unheard, *below]
        lines(screen(found, practice_names(fleet), stands, width(), unended))
    else:
        counted = standings.counted(found, stands, unended)
        below = [f"{found.id}: {counted}", *standings.who(stands.values()), *unheard, *below]
        below += [f"{words.counted(len(found.gaps), 'thing')} it does not do: --format table"] if found.gaps else []
    listed([], standings.COLUMNS, standings.rows(found, stands), after=below)


def screen(
    found: Plan, names: Mapping[str, str], stands: Mapping[str, Stands], columns: int, unended: Collection[str] = ()
) -> list[str]:
    """A plan in lines, and what became of it where it was begun."""
    told = ["", *standings.lines(found, stands, columns, unended)] if stands else []
    return [*planned.plan(found, names, columns), *told, ""]


def _next(found: Plan, fleet: Fleet, journal: Journal) -> str:
    """The line with the command that goes on with a plan, or with its end or way back where that has begun."""
    last = newest(journal, found)
    left = standing.open_steps(journal, last)
    if last.move:
        return f"Next: {words.command(last) if left else after(last)}"
    if not left:
        return "Next: provisioner audit"
    if last.of:
        return f"Next: {words.command(last)}"
    return plans.following(last, fleet, approved=standing.was_approved(journal, last.id))
