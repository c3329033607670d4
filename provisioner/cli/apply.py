"""`provisioner apply PLAN`: do exactly what a plan says; again: go on where it stopped."""

import json
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime

import click

from provisioner import execute, playbook, remedies
from provisioner import fleet as fleets
from provisioner.cli.auditing import Auditor, open_journal, open_policy
from provisioner.cli.context import as_json, confirm, out, say, table, whole_fleet
from provisioner.cli.options import common
from provisioner.cli.plan import lookup
from provisioner.cli.watching import Watch
from provisioner.errors import InputError, JournalError
from provisioner.execute import budget, judge
from provisioner.journal import Journal
from provisioner.model import Evidence, Finding, Fleet, Gateway, Plan, Step
from provisioner.plan import START
from provisioner.playbook import Acted
from provisioner.report.words import counted


@click.command("apply")
@click.argument("plan")
@click.option("--dry-run", is_flag=True, help="Only show what Ansible would change, with differences.")
@click.option("--approved-by", default="", metavar="NAME", help="Who approved it; fleet.yml may ask for this.")
@click.option("--ticket", default="", metavar="ID", help="The change request's number, for the record.")
def command(plan: str, dry_run: bool, approved_by: str, ticket: str) -> int:
    """Do what a plan says, wave by wave, and prove each step by a new reading.

    The same command again goes on where it stopped. Ctrl-C once: what runs ends, nothing further starts; twice: at
    once. Exit 0: all done; 4: stopped or waiting; 3: gateways were unreachable.
    """
    policy = open_policy()
    fleet = whole_fleet(policy.ids)
    with open_journal(fleet) as journal:
        found = narrowed(wanted_plan(journal, plan), fleet)
        approved = bool(approved_by and ticket)
        execute.refuse(found, fleet, policy.digest, approved=approved, rehearsal=dry_run)
        verified(journal)
        auditor = Auditor(fleet, policy, journal)
        if dry_run:
            return _rehearse(found, auditor)
        _ask(found)
        ended = run(found, auditor, approved_by=approved_by, ticket=ticket)
    show(found, ended)
    return ended.exit_code


def wanted_plan(journal: Journal, plan_id: str) -> Plan:
    """The plan of that id. Errors: InputError where there is none."""
    found = lookup(journal, plan_id)
    if not isinstance(found, Plan):
        raise InputError(f"{plan_id} is an audit, not a plan.", f"provisioner plan {plan_id} makes one of it.")
    return found


def verified(journal: Journal) -> None:
    """Errors: JournalError where the journal was changed after it was written."""
    if wrong := journal.verify():
        raise JournalError(
            f"{journal.path}: {wrong}.", "Nothing is done by a journal that cannot be trusted: put a backup back."
        )


def narrowed(plan: Plan, fleet: Fleet) -> Plan:
    """The plan's steps that `--only` and `--remedy` name. The fleet stays whole: a practice is judged whole."""
    gateways = {gateway.name for gateway in fleets.only(fleet, common().only).known} if common().only else None
    asked = set(common().remedies)

    def wanted(step: Step) -> bool:
        return (gateways is None or step.gateway in gateways) and (not asked or step.remedy in asked)

    return _with(plan, wanted)


def _with(plan: Plan, wanted: Callable[[Step], bool]) -> Plan:
    waves = (replace(wave, steps=tuple(step for step in wave.steps if wanted(step))) for wave in plan.waves)
    waves_left = tuple(wave for wave in waves if wave.steps)
    gateways = {step.gateway for wave in waves_left for step in wave.steps}
    places = {name: place for name, place in plan.places.items() if name in gateways}
    return replace(plan, waves=waves_left, places=places)


def _ask(plan: Plan) -> None:
    if not plan.steps or common().yes:
        return
    say(budget.words(plan.budget, len(plan.places)))
    counts = (counted(len(plan.places), "gateway"), counted(len(plan.waves), "wave"), counted(len(plan.steps), "step"))
    confirm("Change {} in {}, {}?".format(*counts))


class Interrupts:
    """What the operator's Ctrl-C asks: once to begin nothing further, twice to end at once."""

    def __init__(self) -> None:
        self.count = 0

    def once(self) -> bool:
        """Nothing further starts."""
        return self.count >= 1

    def twice(self) -> bool:
        """What runs is ended."""
        return self.count >= 2

    @contextmanager
    def caught(self) -> Iterator[None]:
        """While this lasts, Ctrl-C is counted; SIGTERM counts as both."""

        def note(number: int, _: object) -> None:
            self.count += 2 if number == signal.SIGTERM else 1
            if self.count == 1:
                say("Ending what runs; nothing further starts. Ctrl-C again ends it at once.")

        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def run(plan: Plan, auditor: Auditor, *, approved_by: str = "", ticket: str = "") -> execute.Ended:
    """Do a plan with real gateways, real Ansible, and a person who looks on."""
    interrupts = Interrupts()

    def read(gateways: Sequence[Gateway], measure: bool) -> tuple[Sequence[Evidence], Mapping[str, Sequence[Finding]]]:
        judged = auditor.look(gateways, measure=measure)
        found: dict[str, list[Finding]] = {gateway.name: [] for gateway in gateways}
        for finding in judged.findings:
            found[finding.gateway].append(finding)
        return judged.evidence, found

    with interrupts.caught(), Watch(plan) as watch:
        return execute.run(
            plan,
            auditor.fleet,
            auditor.journal,
            read=read,
            act=actor(auditor, watch.task, interrupts.twice),
            say=watch.say,
            now=lambda: datetime.now(UTC),
            interrupted=interrupts.once,
            policy_digest=auditor.policy.digest,
            approved_by=approved_by,
            ticket=ticket,
        )


def actor(
    auditor: Auditor, on_task: Callable[[str, str, str], None], cancelled: Callable[[], bool], *, check: bool = False
) -> execute.Act:
    """What acts on gateways: Ansible, with this fleet's way in."""
    rows = {gateway.name: gateway for gateway in auditor.fleet.gateways}

    def act(steps: Sequence[Step], mark: str) -> Mapping[str, Acted]:
        hosts = {step.gateway: remedies.connection(auditor.fleet, rows[step.gateway]) for step in steps}
        return playbook.run(steps, hosts, auditor.secret, mark=mark, check=check, on_task=on_task, cancelled=cancelled)

    return act


def show(plan: Plan, ended: execute.Ended) -> None:
    """How a run ended, on stdout."""
    from provisioner.report import json as documents
    from provisioner.report import table as tables

    if as_json():
        out(documents.outcomes(plan.id, ended.outcomes))
        return
    table(tables.outcomes(ended.outcomes))
    if ended.exit_code:
        out(f"Not all is done. Mend what is said above; then: provisioner apply {plan.id}")
    else:
        done = counted(len(plan.steps), "step")
        out(f"{plan.id}: {done} done, each proved by a new reading." if plan.steps else f"{plan.id}: nothing to do.")


def _rehearse(plan: Plan, auditor: Auditor) -> int:
    rows = {gateway.name: gateway for gateway in auditor.fleet.gateways}
    moved = {name: why for name in plan.places if (why := judge.moved(plan, rows.get(name), name))}
    for name, why in moved.items():
        say(f"{name}: left out: {why}")
    gateways = [rows[name] for name in plan.places if name not in moved]
    # Read first: the login guard keeps a wrong password from being tried by Ansible on every gateway.
    lost = {one.gateway: one.error for one in auditor.look(gateways, measure=False).evidence if one.error}
    for name, problem in lost.items():
        say(f"{name}: {problem}")
    interrupts = Interrupts()
    with interrupts.caught(), Watch(plan) as watch:
        act = actor(auditor, watch.task, interrupts.once, check=True)
        found = execute.rehearse(
            _with(plan, lambda step: step.gateway not in lost and step.gateway not in moved),
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


def _rehearsed(step: str, acted: Acted) -> dict[str, object]:
    return {
        "id": step,
        "result": acted.result,
        "changed": acted.changed,
        "message": acted.message,
        "differences": [asdict(difference) for difference in acted.differences],
    }


def _show_rehearsed(step: str, acted: Acted) -> None:
    if acted.result != "ok":
        out(f"{step}: {acted.result}: {acted.message}")
        return
    out(f"{step}: {'would change' if acted.changed else 'nothing to change'}")
    for difference in acted.differences:
        out(f"  {difference.task}")
        for mark, text in (("-", difference.before), ("+", difference.after)):
            for line in text.splitlines():
                out(f"    {mark} {line}")
