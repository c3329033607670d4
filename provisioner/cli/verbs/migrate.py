"""The verb `migrate`: a practice's gateway moves from one PC to another, with the way back open until `finish`."""

import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from provisioner.audit.auditor import Auditor
from provisioner.audit.shipped import open_policy
from provisioner.cli import moves, progress, runs
from provisioner.cli.completion import practices
from provisioner.cli.console import as_json, confirm, folded, follows, out, say
from provisioner.cli.fleets import fleet_on_paper, whole_fleet
from provisioner.cli.lookup import look_into, open_journal, reason
from provisioner.cli.options import add_common_options, common, refuse_idle
from provisioner.errors import Fault, InputError, PlanRefused
from provisioner.execute import admission, approving
from provisioner.execute.admission import Asked
from provisioner.fleet import codes
from provisioner.fleet.moves import moves as moves_of
from provisioner.journal import Journal, standing
from provisioner.migration import case
from provisioner.migration.case import Planned
from provisioner.migration.stand import after, not_open, open_migration, stand
from provisioner.migration.stand import confirm as note
from provisioner.model import Plan
from provisioner.report.words import command as command_of

Command = Callable[..., Any]


@click.group("migrate")
def migrations() -> None:
    """Move a practice's gateway from one PC to another: never two active, and always a way back."""


command = migrations


def _approval(function: Command) -> Command:
    """The options of a verb that acts, handed to it as one `asked`."""

    @functools.wraps(function)
    def verb(*, approved_by: str, ticket: str, at_once: bool, because: str, **given: Any) -> int:
        asked = Asked(approved_by=approved_by, ticket=ticket, now_because=reason(at_once, because))
        return int(function(asked=asked, **given))

    options = (
        click.option(
            "--approved-by", default="", metavar="NAME", help="Who approved it, where no `approve` is asked for."
        ),
        click.option("--ticket", default="", metavar="ID", help="The change request's number, for the record."),
        click.option("--now", "at_once", is_flag=True, help="Outside the practice's hours too; needs --because."),
        click.option("--because", default="", metavar="TEXT", help="Why --now; it is kept in the journal."),
    )
    for option in reversed(options):
        verb = option(verb)
    return verb


@migrations.command("start")
@click.argument("practice", required=False, shell_complete=practices)
@click.option("--to", metavar="GATEWAY", help="The new PC: a standby or candidate row of the practice.")
@click.option("--many", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Rows: practice,to.")
@_approval
def start(practice: str | None, to: str | None, many: Path | None, asked: Asked) -> int:
    """Plan a migration and begin it; again: go on with it.

    Where a person has to do something it ends as waiting (exit 4), and the same command goes on, days later if need be.
    """
    if bool(practice) == bool(many):
        raise InputError("Give a practice, or a file with --many.", "provisioner migrate start PRACTICE --to GATEWAY")
    refuse_idle("--to", "with --many, whose rows say it", many and to)
    policy = open_policy()
    fleet = whole_fleet(policy.ids)
    wanted = moves_of(many) if many else [(practice or "", to or "")]
    with open_journal(fleet) as journal:
        admission.trusted(journal, datetime.now(UTC))
        admission.at_home(journal)
        auditor = progress.auditor(fleet, policy, journal)
        planned = case.planned(auditor, wanted)
        for move in planned:
            if move.remark:
                say(move.remark)
        plans = [move.plan for move in planned]
        if len(planned) > 1 or planned[0].new:
            say(case.stops(plans, fleet))
        planned = [replace(move, plan=approving.waiting(journal, move.plan)) if move.new else move for move in planned]
        plans = [move.plan for move in planned]
        _approved(planned, auditor, asked)
        if not _agreed([move for move in planned if move.new], journal):
            return 4
        return moves.run(auditor, plans, asked)


def _approved(planned: Sequence[Planned], auditor: Auditor, asked: Asked) -> None:
    """Errors: PlanRefused, InputError where fleet.yml asks for approvals and one of these has none: it is kept, so that
    it can be approved, and the same command goes on with it."""
    fleet, journal, now = auditor.fleet, auditor.journal, datetime.now(UTC)
    faults = list[Fault]()
    for move in planned if fleet.settings.rollout.approval else ():
        case.keep(journal, move)
        try:
            approving.granted_or_asked(journal, fleet, move.plan, asked, now)
        except PlanRefused as error:
            if len(planned) == 1:
                if move.new:
                    moves.show(move.plan)
                raise
            faults.append(Fault(move.plan.move.practice if move.plan.move else "", None, error.message, error.hint))
    if faults:
        raise InputError("Nothing is begun: some of these are not approved.", "The same command goes on then.", faults)


def _agreed(new: Sequence[Planned], journal: Journal) -> bool:
    """Show what is new and ask; nothing has been changed before the answer."""
    if not new:
        return True
    for move in new:
        moves.show(move.plan)
    if not common().yes:
        confirm(f"Move {', '.join(move.plan.move.practice for move in new if move.plan.move)}?")
    for move in new:
        case.keep(journal, move)
    return True


@migrations.command("confirm")
@click.argument("practice", shell_complete=practices)
@click.argument("step", required=False, default="")
@click.option("--by", default="", metavar="NAME", help="The person who did it, or saw it.")
@click.option("--words", default="", metavar="TEXT", help="What was seen.")
def confirm_step(practice: str, step: str, by: str, words: str) -> int:
    """Say that a person's step is done, where no reading shows it. Without STEP: which steps wait."""
    fleet = fleet_on_paper()
    with open_journal(fleet) as journal:
        plan = note(journal, practice, step, by=by, words=words)
    folded(f"{practice}: {step} is confirmed by {by.strip()}.")
    follows(f"Next: {command_of(plan)}")
    return 0


@migrations.command("status")
@click.argument("practice", required=False, shell_complete=practices)
def status(practice: str | None) -> int:
    """Where each open migration stands, what it waits for, and what comes next. Touches no gateway."""
    fleet, wanted = fleet_on_paper(), codes.normal(practice or "")
    with look_into(fleet) as journal:
        found = standing.open_migrations(journal)
        if wanted and wanted not in found:
            raise InputError(f"{wanted} has no open migration.", not_open(wanted, found))
        stands = [stand(journal, id_) for code, id_ in sorted(found.items()) if wanted in ("", code)]
    if as_json():
        out(json.dumps({"version": 1, "migrations": [moves.document(one) for one in stands]}, indent=2))
    else:
        for one in stands:
            folded(moves.text(one, fleet))
        if not stands:
            folded("No migration is open.")
    return 4 if stands else 0


@migrations.command("finish")
@click.argument("practice", shell_complete=practices)
@_approval
def finish(practice: str, asked: Asked) -> int:
    """Retire the old gateway: all of ours is taken away there. After it there is no way back."""
    return _another(practice, asked, case.finishing)


@migrations.command("undo")
@click.argument("practice", shell_complete=practices)
@_approval
def undo(practice: str, asked: Asked) -> int:
    """Lead back to the old gateway from wherever the migration stands. Exit 5: a person is needed."""
    return _another(practice, asked, case.going_back)


def _another(practice: str, asked: Asked, plan_of: Callable[[Auditor, Plan], Planned]) -> int:
    """Do a plan that belongs to an open migration: its end, or its way back."""
    policy = open_policy()
    fleet = whole_fleet(policy.ids)
    with open_journal(fleet) as journal:
        admission.trusted(journal, datetime.now(UTC))
        admission.at_home(journal)
        migration = open_migration(journal, practice)
        admission.refuse_running(journal, migration, datetime.now(UTC))
        auditor = progress.auditor(fleet, policy, journal)
        planned = plan_of(auditor, migration)
        if planned.new:
            planned = replace(planned, plan=approving.waiting(journal, planned.plan))
        plan = planned.plan
        admission.refuse(plan, fleet, policy.digest, begun=not planned.new)
        _approved([planned], auditor, asked)
        if planned.new and not _agreed([planned], journal):
            return 4
        for gap in plan.gaps:
            say(f"{gap.gateway}: {gap.message}. {gap.ask}")
        ended = runs.run(plan, auditor, asked)
        runs.show(plan, ended, fleet, journal, again=command_of(plan), then=after(plan))
        if ended.exit_code == 5:
            (say if as_json() else out)(moves.by_hand(plan, ended))
        return 5 if plan.gaps and plan.kind == "undo" and not ended.exit_code else ended.exit_code


for verb in (start, confirm_step, status, finish, undo):
    add_common_options(verb, f"migrate {verb.name}")

__all__ = ["command"]
