"""`provisioner apply PLAN`: do exactly what a plan says; again: go on where it stopped."""

from datetime import UTC, datetime

import click

from provisioner import fleet as fleets
from provisioner.audit.shipped import open_policy
from provisioner.cli import asking, plans
from provisioner.cli.commands import narrowing
from provisioner.cli.completion import ids
from provisioner.cli.fleets import whole_fleet
from provisioner.cli.lookup import narrowed, open_journal, reason, wanted_plan
from provisioner.cli.options import common, moment, refuse_idle
from provisioner.execute import admission, approving
from provisioner.journal import standing
from provisioner.model import Fleet, Plan, Step


@click.command("apply")
@click.argument("plan", shell_complete=ids("plan"))
@click.option("--dry-run", is_flag=True, help="Only show what Ansible would change, with differences.")
@click.option("--approved-by", default="", metavar="NAME", help="Who approved it, where no `approve` is asked for.")
@click.option("--ticket", default="", metavar="ID", help="The change request's number, for the record.")
@click.option("--now", "at_once", is_flag=True, help="Outside the practices' hours too; needs --because.")
@click.option("--because", default="", metavar="TEXT", help="Why --now; it is kept in the journal.")
@click.option("--wait", "wait_until", metavar="UNTIL", help="Wait for gateways that are away: 22:00, 90m or 8h.")
@click.option("--unsure", type=click.Choice(["go-on", "stop"]), help="What to do where it cannot be told after a wave.")
def command(
    plan: str,
    dry_run: bool,
    approved_by: str,
    ticket: str,
    at_once: bool,
    because: str,
    wait_until: str | None,
    unsure: str | None,
) -> int:
    """Do what a plan says, wave by wave, and prove each step by a new reading.

    The same command again goes on where it stopped. Ctrl-C once: what runs ends, nothing further starts; twice: at
    once. Exit 0: all done; 4: stopped or waiting; 3: gateways were unreachable; 5: a way back failed.
    """
    for option, given in (
        ("--approved-by", approved_by), ("--ticket", ticket), ("--now", at_once), ("--wait", wait_until),
        ("--unsure", unsure), ("--yes", common().yes),
    ):  # fmt: skip
        refuse_idle(option, "with --dry-run, which changes nothing", dry_run and given)
    asked = admission.Asked(
        approved_by=approved_by,
        ticket=ticket,
        now_because=reason(at_once, because),
        wait_until=moment(wait_until, datetime.now(UTC)) if wait_until else None,
    )
    policy = open_policy()
    fleet = whole_fleet(policy.ids)
    with open_journal(fleet) as journal:
        found = _chosen(wanted_plan(journal, plan), fleet)
        admission.refuse(found, fleet, policy.digest, rehearsal=dry_run)
        admission.trusted(journal, datetime.now(UTC))
        if not dry_run:
            admission.at_home(journal)
            approving.granted(journal, fleet, found, asked, datetime.now(UTC))
            admission.refuse_running(journal, found, datetime.now(UTC))
            asking.ask(found, journal)
        # Only here: nobody who is refused, or asked, waits for what reads and acts, which takes as long as all before.
        from provisioner.cli import progress, rehearsing, runs

        auditor = progress.auditor(fleet, policy, journal)
        if dry_run:
            approved = standing.was_approved(journal, found.id)
            then = plans.following(found, fleet, approved=approved, part=narrowing())
            return rehearsing.rehearse(found, auditor, then)
        ended = runs.run(found, auditor, asked, unsure or "")
        runs.show(
            found, ended, fleet, journal, again=f"provisioner apply {found.id}{narrowing()}", then="provisioner audit"
        )
    return ended.exit_code


def _chosen(plan: Plan, fleet: Fleet) -> Plan:
    """The plan's steps that `--only` and `--remedy` name. The fleet stays whole: a practice is judged whole."""
    gateways = {gateway.name for gateway in fleets.only(fleet, common().only).known} if common().only else None
    asked = set(common().remedies)

    def wanted(step: Step) -> bool:
        return (gateways is None or step.gateway in gateways) and (not asked or step.remedy in asked)

    return narrowed(plan, wanted)
