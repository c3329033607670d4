"""`provisioner plan`: what would be changed, in waves."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import click

from provisioner import fleet as fleets
from provisioner.cli.completion import ids
from provisioner.cli.console import as_json, folded, follows, out, say
from provisioner.cli.fleets import whole_fleet
from provisioner.cli.lookup import open_journal, practice_names, wanted_audit
from provisioner.cli.options import common
from provisioner.cli.plans import following, show
from provisioner.journal import Journal, new_id
from provisioner.model import Audit, Fleet, Plan
from provisioner.plan import rollout as planning
from provisioner.report.words import counted, part, part_of

# Older than this, an audit is said to be old: apply reads everything again anyway.
OLD = timedelta(hours=24)


@click.command("plan")
@click.argument("audit", required=False, shell_complete=ids("audit"))
def command(audit: str | None) -> int:
    """Plan what an audit (default: the latest of the whole fleet) says must change, and save the plan.

    Changes nothing. `provisioner apply PLAN` does exactly what is planned.
    """
    fleet = whole_fleet(credentials=False)
    with open_journal(fleet) as journal:
        found = wanted_audit(journal, audit, fleet)
        if common().only:
            chosen = {gateway.name for gateway in fleets.only(fleet, common().only).known}
            found = replace(found, gateways=tuple(gateway for gateway in found.gateways if gateway.name in chosen))
        made = make(fleet, found, journal)
    show(made, practice_names(fleet))
    if not as_json():
        _then(made, fleet)
    return 0


def _then(made: Plan, fleet: Fleet) -> None:
    """The commands that follow."""
    out("")
    if not made.steps:
        folded(f"{made.id}: nothing to do.")
    else:
        follows(f"The change request: provisioner report {made.id} --as html --output change.html")
    follows(following(made, fleet, approved=False))


def make(fleet: Fleet, audit: Audit, journal: Journal) -> Plan:
    """A plan from an audit, saved. Errors: InputError for a remedy that does not exist."""
    at = datetime.now(UTC)
    if at - audit.at > OLD:
        say(f"warning: {audit.id} is {(at - audit.at).days} days old. apply will read everything again first.")
    some = part(audit)
    unread = {gateway.name for gateway in fleet.known} - {evidence.gateway for evidence in audit.evidence}
    if some:
        say(f"warning: {audit.id} is of a part of the fleet only ({some}): nothing is planned at the others.")
    elif unread:
        say(f"warning: {audit.id} left out {len(unread)} of {len(fleet.known)} gateways: nothing is planned there.")
    if audit.fleet_digest != fleet.digest:
        say(f"warning: the fleet folder has changed since {audit.id}.")
    made = planning.make(
        audit,
        fleet,
        at=at,
        plan_id=new_id("plan", at),
        remedies=common().remedies or None,
        durations=journal.durations(),
    )
    made = replace(made, part=_part(audit, fleet))
    whence = f"{audit.id} (only {made.part})" if made.part else audit.id
    journal.save(made, f"{counted(len(made.steps), 'step')} on {counted(len(made.places), 'gateway')}, from {whence}")
    return made


def _part(audit: Audit, fleet: Fleet) -> str:
    """Of how many gateways, and of which remedies alone, a plan is made; "" where of all."""
    left_out = {gateway.name for gateway in fleet.known} - {gateway.name for gateway in audit.gateways}
    alone = f"{', '.join(dict.fromkeys(common().remedies))} alone" if common().remedies else ""
    return "; ".join(filter(None, (part_of(audit.gateways, len(left_out)), alone)))
