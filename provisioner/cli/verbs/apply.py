"""`provisioner apply PLAN`: do exactly what a plan says; again: go on where it stopped."""

import json
from dataclasses import asdict
from datetime import UTC, datetime

import click

from provisioner import fleet as fleets
from provisioner.ansible.results import StepResult
from provisioner.audit.auditor import Auditor
from provisioner.audit.shipped import open_policy
from provisioner.cli import progress, runs
from provisioner.cli.commands import narrowing
from provisioner.cli.completion import ids
from provisioner.cli.console import as_json, folded, follows, out, say
from provisioner.cli.fleets import whole_fleet
from provisioner.cli.lookup import narrowed, open_journal, reason, wanted_plan
from provisioner.cli.options import common, moment, refuse_idle
from provisioner.cli.verbs import plan as plans
from provisioner.cli.watch import Screen, Watch
from provisioner.execute import admission, approving, by_ansible, engine, judge
from provisioner.execute.by_ansible import Stopping
from provisioner.journal import standing
from provisioner.model import Fleet, Plan, Step
from provisioner.plan.guards import START
from provisioner.report import differences
from provisioner.report.words import counted


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
        auditor = progress.auditor(fleet, policy, journal)
        if dry_run:
            approved = standing.was_approved(journal, found.id)
            return _rehearse(found, auditor, plans.following(found, fleet, approved=approved, part=narrowing()))
        engine.refuse_running(journal, found, datetime.now(UTC))
        runs.ask(found, journal)
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


def _rehearse(plan: Plan, auditor: Auditor, then: str) -> int:
    rows = {gateway.name: gateway for gateway in auditor.fleet.gateways}
    moved = {name: why for name in plan.places if (why := judge.why_stale(plan, rows.get(name), name))}
    for name, why in moved.items():
        say(f"{name}: left out: {why}")
    gateways = [rows[name] for name in plan.places if name not in moved]
    # Read first: the login guard keeps a wrong password from being tried by Ansible on every gateway.
    lost = {
        evidence.gateway: evidence.error
        for evidence in auditor.look(gateways, measure=False).evidence
        if evidence.error
    }
    for name, problem in lost.items():
        say(f"{name}: {problem}")
    interrupts = runs.Interrupts()
    with interrupts.caught(), Screen() as screen, Watch(plan, auditor.fleet, screen) as watch:
        found = by_ansible.rehearse(
            narrowed(plan, lambda step: step.gateway not in lost and step.gateway not in moved),
            auditor,
            on_task=watch.task,
            stopping=Stopping(begin_nothing=interrupts.once),
        )
    if as_json():
        steps = [_rehearsed(step, acted) for step, acted in found.items()]
        out(json.dumps({"version": 1, "plan": plan.id, "steps": steps}, indent=2))
    else:
        for step, acted in found.items():
            _show_rehearsed(step, acted)
        for start in (step for step in plan.steps if step.remedy == START):
            folded(f"{start.id}: not rehearsed: there is nothing to start until the rest is there")
        folded(f"{counted(len(found), 'step')} rehearsed; nothing was changed.")
        follows(then)
    return 3 if lost or moved or any(acted.result != "ok" for acted in found.values()) else 0


def _rehearsed(step: str, acted: StepResult) -> dict[str, object]:
    return {
        "id": step,
        "result": acted.result,
        "changed": acted.changed,
        "message": acted.message,
        "differences": [asdict(difference) for difference in acted.differences],
    }


def _show_rehearsed(step: str, acted: StepResult) -> None:
    if acted.result != "ok":
        folded(f"{step}: {acted.result}: {acted.message}")
        return
    folded(f"{step}: {'would change' if acted.changed else 'nothing to change'}")
    for difference in acted.differences:
        folded(f"  {difference.task}")
        for mark, line in differences.lines(difference.before, difference.after):
            folded(f"    {mark} {line}")
