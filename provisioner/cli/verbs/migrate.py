"""The verb `migrate`: a practice's gateway moves from one PC to another, with the way back open until `finish`."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from provisioner.cli import moving, runs
from provisioner.cli.auditing import Auditor, open_journal, open_policy
from provisioner.cli.console import as_json, confirm, out, say, whole_fleet
from provisioner.cli.options import add_common_options, common
from provisioner.cli.verbs.apply import reason, verified
from provisioner.errors import InputError
from provisioner.execute import admission
from provisioner.execute.admission import Asked
from provisioner.fleet import codes
from provisioner.journal import Event, standing
from provisioner.migration import stages
from provisioner.model import Plan
from provisioner.processes import this

Command = Callable[..., Any]


@click.group("migrate")
def migrations() -> None:
    """Move a practice's gateway from one PC to another: never two active, and always a way back."""


command = migrations


def _approval(function: Command) -> Command:
    options = (
        click.option("--approved-by", default="", metavar="NAME", help="Who approved it; fleet.yml may ask for this."),
        click.option("--ticket", default="", metavar="ID", help="The change request's number, for the record."),
        click.option("--now", "at_once", is_flag=True, help="Outside the practice's hours too; needs --because."),
        click.option("--because", default="", metavar="TEXT", help="Why --now; it is kept in the journal."),
    )
    for option in reversed(options):
        function = option(function)
    return function


@migrations.command("start")
@click.argument("practice", required=False)
@click.option("--to", metavar="GATEWAY", help="The new PC: a standby or candidate row of the practice.")
@click.option("--many", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Rows: practice,to.")
@_approval
def start(
    practice: str | None,
    to: str | None,
    many: Path | None,
    approved_by: str,
    ticket: str,
    at_once: bool,
    because: str,
) -> int:
    """Plan a migration and begin it; again: go on with it.

    Where a person has to do something it ends as waiting (exit 4), and the same command goes on, days later if need be.
    """
    if bool(practice) == bool(many):
        raise InputError("Give a practice, or a file with --many.", "provisioner migrate start PRACTICE --to GATEWAY")
    asked = Asked(approved_by=approved_by, ticket=ticket, now_because=reason(at_once, because))
    policy = open_policy()
    fleet = whole_fleet(policy.ids)
    wanted = moving.wanted(many) if many else [(practice or "", to or "")]
    with open_journal(fleet) as journal:
        verified(journal)
        admission.at_home(journal)
        auditor = Auditor(fleet, policy, journal)
        plans = moving.planned(auditor, wanted)
        if len(plans) > 1 or plans[0][1]:
            say(moving.stops([plan for plan, _ in plans], fleet))
        if not _agreed([plan for plan, new in plans if new], auditor):
            return 4
        return moving.run(auditor, [plan for plan, _ in plans], asked)


def _agreed(new: Sequence[Plan], auditor: Auditor) -> bool:
    """Show what is new and ask; nothing has been changed before the answer."""
    if not new:
        return True
    for plan in new:
        moving.show(plan, auditor.fleet)
    if not common().yes:
        confirm(f"Move {', '.join(plan.move.practice for plan in new if plan.move)}?")
    for plan in new:
        auditor.journal.save(plan, moving.title(plan))
    return True


@migrations.command("confirm")
@click.argument("practice")
@click.argument("step")
@click.option("--by", required=True, metavar="NAME", help="The person who did it, or saw it.")
@click.option("--words", default="", metavar="TEXT", help="What was seen.")
def confirm_step(practice: str, step: str, by: str, words: str) -> int:
    """Say that a person's step is done, where no reading shows it. `migrate status` lists them."""
    fleet = whole_fleet()
    with open_journal(fleet) as journal:
        plan = moving.running_now(journal, practice)
        persons = {one.remedy: one for one in plan.steps if one.kind == "person" or one.remedy == stages.CARRY}
        if step not in persons:
            raise InputError(f"{practice} has no step {step!r} of a person.", f"There are {', '.join(persons)}.")
        if not by.strip():
            raise InputError("Who did it?", "--by NAME: a person's name, for the record.")
        moving.in_turn(journal, plan, persons[step])
        body = {"step": step, "by": by.strip(), "words": words.strip(), "noted_by": str(this())}
        at, done = datetime.now(UTC), persons[step]
        journal.append([Event(at=at, kind="confirmed", plan=plan.id, step=done.id, gateway=done.gateway, body=body)])
    out(f"{practice}: {step} is confirmed by {by.strip()}.")
    out(f"Next: {moving.again(plan)}")
    return 0


@migrations.command("status")
@click.argument("practice", required=False)
def status(practice: str | None) -> int:
    """Where each open migration stands, what it waits for, and what comes next. Touches no gateway."""
    fleet, wanted = whole_fleet(), codes.normal(practice or "")
    with open_journal(fleet) as journal:
        found = standing.open_migrations(journal)
        if wanted and wanted not in found:
            raise InputError(f"{wanted} has no open migration.", "provisioner history lists what there was.")
        told = [moving.stand(journal, id_) for code, id_ in sorted(found.items()) if wanted in ("", code)]
    if as_json():
        out(json.dumps({"version": 1, "migrations": [one.document() for one in told]}, indent=2))
    else:
        for one in told:
            out(one.text())
        if not told:
            out("No migration is open.")
    return 4 if told else 0


@migrations.command("finish")
@click.argument("practice")
@_approval
def finish(practice: str, approved_by: str, ticket: str, at_once: bool, because: str) -> int:
    """Retire the old gateway: all of ours is taken away there. After it there is no way back."""
    asked = Asked(approved_by=approved_by, ticket=ticket, now_because=reason(at_once, because))
    return _another(practice, asked, moving.finishing)


@migrations.command("undo")
@click.argument("practice")
@_approval
def undo(practice: str, approved_by: str, ticket: str, at_once: bool, because: str) -> int:
    """Lead back to the old gateway from wherever the migration stands. Exit 5: a person is needed."""
    asked = Asked(approved_by=approved_by, ticket=ticket, now_because=reason(at_once, because))
    return _another(practice, asked, moving.going_back)


def _another(practice: str, asked: Asked, plan_of: Callable[[Auditor, Plan], tuple[Plan, bool]]) -> int:
    """Do a plan that belongs to an open migration: its end, or its way back."""
    policy = open_policy()
    fleet = whole_fleet(policy.ids)
    with open_journal(fleet) as journal:
        verified(journal)
        admission.at_home(journal)
        migration = moving.open_migration(journal, practice)
        auditor = Auditor(fleet, policy, journal)
        plan, new = plan_of(auditor, migration)
        admission.refuse(plan, fleet, policy.digest, asked, operator=this().user, begun=not new)
        if new and not _agreed([plan], auditor):
            return 4
        for gap in plan.gaps:
            say(f"{gap.gateway}: {gap.message}. {gap.ask}")
        ended = runs.run(plan, auditor, asked)
        runs.show(plan, ended, moving.again(plan), journal, moving.confirming(plan, ended.outcomes))
        if ended.exit_code == 5:
            out(moving.by_hand(plan, ended))
        return 5 if plan.gaps and plan.kind == "undo" and not ended.exit_code else ended.exit_code


for verb in (start, confirm_step, status, finish, undo):
    add_common_options(verb)

__all__ = ["command"]
