"""`provisioner undo PLAN`: put back what was there before a plan, and prove it."""

from dataclasses import replace
from datetime import UTC, datetime

import click

from provisioner import fleet as fleets
from provisioner.audit.shipped import open_policy
from provisioner.cli import asking
from provisioner.cli.commands import narrowing
from provisioner.cli.completion import ids
from provisioner.cli.console import as_json, folded, out, say
from provisioner.cli.fleets import whole_fleet
from provisioner.cli.lookup import narrowed, open_journal, practice_names, wanted_plan
from provisioner.cli.options import common
from provisioner.cli.plans import show as show_plan
from provisioner.execute import admission, approving
from provisioner.execute.admission import Asked, at_home, refuse, trusted
from provisioner.execute.undoing import keep, way_back
from provisioner.model import Fleet, Plan
from provisioner.report import json
from provisioner.report.words import part_of


@click.command("undo")
@click.argument("plan", shell_complete=ids("plan"))
@click.option("--approved-by", default="", metavar="NAME", help="Who approved it, where no `approve` is asked for.")
@click.option("--ticket", default="", metavar="ID", help="The change request's number, for the record.")
def command(plan: str, approved_by: str, ticket: str) -> int:
    """Put back what a plan's steps found: settings from the journal, files that were kept on the gateway.

    With --only for some gateways. Each step is proved by a new reading that shows what was there before. Exit 5: a
    step could not be put back, and a person is needed.
    """
    policy = open_policy()
    fleet = whole_fleet(policy.ids)
    with open_journal(fleet) as journal:
        trusted(journal, datetime.now(UTC))
        at_home(journal)
        done = wanted_plan(journal, plan)
        admission.refuse_running(journal, done, datetime.now(UTC))
        back = approving.waiting(journal, way_back(journal, done, _chosen(done, fleet)))
        if not back.steps and not back.gaps:
            nothing = f"{done.id}: nothing was done yet that could be undone."
            if as_json():
                say(nothing)
                out(json.outcomes(done.id, ()))
            else:
                folded(nothing)
            return 0
        asked = Asked(approved_by=approved_by, ticket=ticket)
        refuse(back, fleet, policy.digest)
        for gap in back.gaps:
            say(f"{gap.gateway}: {gap.message}. {gap.ask}")
        if not as_json():
            show_plan(back, practice_names(fleet))
        if back.steps and fleet.settings.rollout.approval:
            keep(journal, done, back)
            approving.granted_or_asked(journal, fleet, back, asked, datetime.now(UTC))
        asking.ask(back, journal)
        keep(journal, done, back)
        # Only here: nobody who is refused, or asked, waits for what reads and acts.
        from provisioner.cli import progress, runs

        ended = runs.run(back, progress.auditor(fleet, policy, journal), asked)
        runs.show(
            back, ended, fleet, journal, again=f"provisioner undo {done.id}{narrowing()}", then="provisioner audit"
        )
    return 5 if back.gaps else ended.exit_code


def _chosen(done: Plan, fleet: Fleet) -> Plan:
    """The plan's steps at the gateways that `--only` names."""
    if not common().only:
        return done
    chosen = fleets.only(fleet, common().only).known
    names = {gateway.name for gateway in chosen}
    some = narrowed(done, lambda step: step.gateway in names)
    return replace(some, part=part_of(chosen, len({row.name for row in fleet.known} - names)))
