"""`provisioner undo PLAN`: put back what was there before a plan, and prove it."""

from datetime import UTC, datetime

import click

from provisioner import fleet as fleets
from provisioner.cli import runs
from provisioner.cli.auditing import Auditor, new_id, open_journal, open_policy
from provisioner.cli.console import as_json, out, say, whole_fleet
from provisioner.cli.options import common
from provisioner.cli.verbs.apply import verified, wanted_plan
from provisioner.cli.verbs.plan import practice_names
from provisioner.cli.verbs.plan import show as show_plan
from provisioner.errors import InputError, PlanRefused
from provisioner.execute.admission import Asked, at_home, refuse
from provisioner.journal import Journal, standing
from provisioner.model import Audit, Fleet, Plan
from provisioner.plan import undo


@click.command("undo")
@click.argument("plan")
@click.option("--approved-by", default="", metavar="NAME", help="Who approved it; fleet.yml may ask for this.")
@click.option("--ticket", default="", metavar="ID", help="The change request's number, for the record.")
def command(plan: str, approved_by: str, ticket: str) -> int:
    """Put back what a plan's steps found: settings from the journal, files that were kept on the gateway.

    With --only for some gateways. Each step is proved by a new reading that shows what was there before. Exit 5: a
    step could not be put back, and a person is needed.
    """
    policy = open_policy()
    fleet = whole_fleet(policy.ids)
    with open_journal(fleet) as journal:
        verified(journal)
        at_home(journal)
        done = wanted_plan(journal, plan)
        fresh = _made(journal, done, fleet)
        back = begun(journal, done, fresh) or fresh
        if not back.steps and not back.gaps:
            out(f"{done.id}: nothing was done yet that could be undone.")
            return 0
        asked = Asked(approved_by=approved_by, ticket=ticket)
        refuse(back, fleet, policy.digest, asked)
        for gap in back.gaps:
            say(f"{gap.gateway}: {gap.message}. {gap.ask}")
        if not as_json():
            show_plan(back, practice_names(fleet))
        runs.ask(back, journal)
        if back is fresh and back.steps:
            journal.save(back, f"undo of {done.id}: {len(back.steps)} steps on {len(back.places)} gateways")
        ended = runs.run(back, Auditor(fleet, policy, journal), asked)
        runs.show(back, ended, f"provisioner undo {done.id}", journal)
    return 5 if back.gaps else ended.exit_code


def begun(journal: Journal, done: Plan, fresh: Plan) -> Plan | None:
    """The same undo, where an earlier command began it and it is not through. One of fewer steps is another."""
    steps = {step.id for step in fresh.steps}
    for found in reversed(journal.family(done)[1:]):
        same = found.kind == "undo" and {step.id for step in found.steps} == steps
        if same and standing.was_begun(journal, found.id) and standing.open_steps(journal, found):
            return found
    return None


def _made(journal: Journal, done: Plan, fleet: Fleet) -> Plan:
    """The way back from all that has been done by now. Errors: PlanRefused where a plan is one already."""
    if done.kind == "undo":
        raise PlanRefused(f"{done.id} is a way back itself.", f"provisioner apply {done.of} does that plan again.")
    audit = journal.load(done.audit)
    if not isinstance(audit, Audit):
        raise InputError(f"{done.audit}, from which {done.id} was made, is no audit.", "The journal is not right.")
    chosen = done
    if common().only:
        names = {gateway.name for gateway in fleets.only(fleet, common().only).known}
        chosen = runs.narrowed(done, lambda step: step.gateway in names)
    at = datetime.now(UTC)
    return undo.make(chosen, audit, acted_on(journal, done.id), at=at, plan_id=new_id("undo", at))


def acted_on(journal: Journal, plan: str) -> dict[str, undo.Attempts]:
    """What that plan began, by step."""
    events = journal.events(plan, kinds=("step_started", "step_ended"))
    return undo.acted_on((event.kind, event.step, event.body) for event in events)
