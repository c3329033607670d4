"""`provisioner apply PLAN`: do exactly what a plan says; again: go on where it stopped."""

import json
from dataclasses import asdict
from datetime import UTC, datetime

import click

from provisioner import fleet as fleets
from provisioner.ansible.playbook import StepResult
from provisioner.cli import runs
from provisioner.cli.auditing import Auditor, open_journal, open_policy
from provisioner.cli.console import as_json, out, say, whole_fleet
from provisioner.cli.moments import moment
from provisioner.cli.options import common
from provisioner.cli.progress import Watch
from provisioner.errors import InputError, JournalError
from provisioner.execute import admission, engine, judge
from provisioner.journal import Journal
from provisioner.model import Fleet, Plan, Step
from provisioner.plan.rollout import START


@click.command("apply")
@click.argument("plan")
@click.option("--dry-run", is_flag=True, help="Only show what Ansible would change, with differences.")
@click.option("--approved-by", default="", metavar="NAME", help="Who approved it; fleet.yml may ask for this.")
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
        admission.refuse(found, fleet, policy.digest, asked, rehearsal=dry_run)
        verified(journal)
        if not dry_run:
            admission.at_home(journal)
        auditor = Auditor(fleet, policy, journal)
        if dry_run:
            return _rehearse(found, auditor)
        runs.ask(found, journal)
        ended = runs.run(found, auditor, asked, unsure or "")
        runs.show(found, ended, f"provisioner apply {found.id}", journal)
    return ended.exit_code


def reason(at_once: bool, because: str) -> str:
    """Why hours do not count; "" where they do. Errors: InputError where --now has no reason."""
    if at_once and not because.strip():
        raise InputError("--now needs a reason, which is kept in the journal.", "Say it: --now --because TEXT.")
    if because and not at_once:
        raise InputError("--because belongs to --now.", "Say both, or none.")
    return because.strip()


def any_plan(journal: Journal, plan_id: str) -> Plan:
    """The plan of that id. Errors: InputError where there is none."""
    found = journal.load(plan_id)
    if not isinstance(found, Plan):
        raise InputError(f"{plan_id} is an audit, not a plan.", f"provisioner plan {plan_id} makes one of it.")
    return found


def wanted_plan(journal: Journal, plan_id: str) -> Plan:
    """The plan of that id, to be done or undone. Errors: InputError where there is none, or it is a migration's."""
    found = any_plan(journal, plan_id)
    if found.move:
        hint = f"provisioner migrate status {found.move.practice} says how to go on."
        raise InputError(f"{plan_id} belongs to a migration of {found.move.practice}.", hint)
    return found


def verified(journal: Journal, *, whole: bool = False) -> None:
    """Errors: JournalError where the journal was changed after it was written; `whole`: all of it is looked at, and not
    only what came since it was looked at today."""
    if wrong := journal.verify(None if whole else datetime.now(UTC)):
        raise JournalError(
            f"{journal.path}: {wrong}.", "Nothing is done by a journal that cannot be trusted: put a backup back."
        )


def _chosen(plan: Plan, fleet: Fleet) -> Plan:
    """The plan's steps that `--only` and `--remedy` name. The fleet stays whole: a practice is judged whole."""
    gateways = {gateway.name for gateway in fleets.only(fleet, common().only).known} if common().only else None
    asked = set(common().remedies)

    def wanted(step: Step) -> bool:
        return (gateways is None or step.gateway in gateways) and (not asked or step.remedy in asked)

    return runs.narrowed(plan, wanted)


def _rehearse(plan: Plan, auditor: Auditor) -> int:
    rows = {gateway.name: gateway for gateway in auditor.fleet.gateways}
    moved = {name: why for name in plan.places if (why := judge.why_stale(plan, rows.get(name), name))}
    for name, why in moved.items():
        say(f"{name}: left out: {why}")
    gateways = [rows[name] for name in plan.places if name not in moved]
    # Read first: the login guard keeps a wrong password from being tried by Ansible on every gateway.
    lost = {one.gateway: one.error for one in auditor.look(gateways, measure=False).evidence if one.error}
    for name, problem in lost.items():
        say(f"{name}: {problem}")
    interrupts = runs.Interrupts()
    with interrupts.caught(), Watch(plan) as watch:
        act = runs.actor(auditor, watch.task, interrupts.once, check=True)
        found = engine.rehearse(
            runs.narrowed(plan, lambda step: step.gateway not in lost and step.gateway not in moved),
            auditor.fleet.settings.rollout.shard,
            act,
            interrupts.once,
        )
    if as_json():
        steps = [_rehearsed(step, acted) for step, acted in found.items()]
        out(json.dumps({"version": 1, "plan": plan.id, "steps": steps}, indent=2))
    else:
        for step, acted in found.items():
            _show_rehearsed(step, acted)
        for start in (one for one in plan.steps if one.remedy == START):
            out(f"{start.id}: not rehearsed: there is nothing to start until the rest is there")
        out(f"{len(found)} steps rehearsed; nothing was changed.")
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
        out(f"{step}: {acted.result}: {acted.message}")
        return
    out(f"{step}: {'would change' if acted.changed else 'nothing to change'}")
    for difference in acted.differences:
        out(f"  {difference.task}")
        for mark, text in (("-", difference.before), ("+", difference.after)):
            for line in text.splitlines():
                out(f"    {mark} {line}")
