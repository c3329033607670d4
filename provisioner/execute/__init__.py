"""Any plan, wave by wave: lease, re-read, act, prove, journal; stop past the budget, go on when called again.

What reads and what acts is passed in. A step is done when a new reading shows it, not when Ansible says ok.
"""

import secrets
import time
from collections.abc import Callable
from datetime import datetime

from provisioner import journal as journals
from provisioner import playbook
from provisioner.errors import InputError, LeaseHeld, PlanRefused, ReadOnlyFleet
from provisioner.execute import budget as budgets
from provisioner.execute import events, judge
from provisioner.execute.rollout import LEASE, Act, Ended, Read, Rollout, held_by
from provisioner.execute.shards import in_shards
from provisioner.journal import Event, Journal, Progress
from provisioner.model import Fleet, Outcome, Plan, Result
from provisioner.plan import START
from provisioner.playbook import Acted

__all__ = ["Act", "Ended", "Read", "refuse", "rehearse", "run"]


def run(
    plan: Plan,
    fleet: Fleet,
    journal: Journal,
    *,
    read: Read,
    act: Act,
    say: Callable[[events.Happening], None],
    now: Callable[[], datetime],
    interrupted: Callable[[], bool],
    policy_digest: str,
    approved_by: str = "",
    ticket: str = "",
    end: Callable[[str], object] = playbook.end_run,
    pause: Callable[[float], None] = time.sleep,
) -> Ended:
    """Do a plan, or go on with it where an earlier run stopped.

    `read` (gateways, whether to measure endpoints) gives one Evidence each and their findings. `act` (steps of one
    shard, the run's mark) does them and gives by step id what was said; it is called from several threads. `end`
    ends what a dead run with that mark left behind. Once `interrupted` is true nothing further starts.
    Errors: ReadOnlyFleet, PlanRefused, InputError (an approval is missing), LeaseHeld, JournalError.
    """
    refuse(plan, fleet, policy_digest, approved=bool(approved_by and ticket))
    rollout = Rollout(
        plan=plan, fleet=fleet, journal=journal, read=read, act=act, say=say, now=now, interrupted=interrupted,
        pause=pause,
    )  # fmt: skip
    # One run of a plan at a time: the other's children look like those of a dead run.
    if held := journal.take([plan.id], rollout.me, "apply", now(), now() + LEASE):
        raise LeaseHeld(f"{plan.id} is being applied: {held_by(held[plan.id])}.", "Wait until it is through.")
    try:
        rollout.progress = _recovered(plan, journal, now, end)
        budget = budgets.words(plan.budget, len(plan.places))
        words = f"by {rollout.me}" + (f", approved by {approved_by}" if approved_by else "")
        body = {"words": words + (f", {ticket}" if ticket else ""), "budget": budget}
        body |= {"by": str(rollout.me), "approved_by": approved_by, "ticket": ticket}
        journal.append([Event(at=now(), kind="run_started", plan=plan.id, body=body)])
        say(events.RunStarted(plan=plan.id, steps=len(plan.steps), gateways=len(plan.places), budget=budget))
        for wave in plan.waves:
            if rollout.why_stop():
                break
            rollout.wave(wave)
        if len(rollout.outcomes) < len(plan.steps):
            rollout.stopped = rollout.why_stop()
        ended = rollout.ended()
        journal.append([Event(at=now(), kind="run_ended", plan=plan.id, body=_counted(ended))])
    finally:
        journal.release([plan.id], rollout.me)
    say(events.RunEnded(plan=plan.id, stopped=ended.stopped))
    return ended


def rehearse(plan: Plan, shard: int, act: Act, interrupted: Callable[[], bool]) -> dict[str, Acted]:
    """What Ansible would change, by an `act` that changes nothing; no journal, no lease.

    A start is left out: in check mode there is nothing to start until the rest is there.
    """
    steps = [step for step in plan.steps if step.kind == "playbook" and step.remedy != START]
    found: dict[str, Acted] = {}
    in_shards(steps, shard, lambda one: dict(act(one, secrets.token_hex(6))), found, interrupted)
    return found


def refuse(plan: Plan, fleet: Fleet, policy_digest: str, *, approved: bool, rehearsal: bool = False) -> None:
    """Errors: ReadOnlyFleet, PlanRefused, InputError where this plan may not be applied to this fleet as it is.

    `approved`: both a name and a ticket were given. A `rehearsal` changes nothing, and needs no approval.
    """
    if fleet.settings.read_only and not rehearsal:
        raise ReadOnlyFleet("fleet.yml says read_only: nothing is changed.", "Audits, plans and --dry-run work.")
    if plan.policy_digest != policy_digest:
        raise PlanRefused(f"{plan.id} was made by another policy than the one of now.", "Audit and plan again.")
    if fleet.settings.rollout.approval and not approved and not rehearsal:
        raise InputError("fleet.yml asks for an approval.", "Say whose: --approved-by NAME, and --ticket ID.")
    rows = {gateway.name: gateway for gateway in fleet.gateways}
    why = {gateway: judge.moved(plan, rows.get(gateway), gateway) for gateway in plan.places}
    if why and all(why.values()):
        first = next(iter(why))
        raise PlanRefused(f"{plan.id} is not for this fleet: {first}: {why[first]}.", "Audit and plan again.")


def _recovered(plan: Plan, journal: Journal, now: Callable[[], datetime], end: Callable[[str], object]) -> Progress:
    """How far the plan is, after what a dead run left behind was ended and its open steps recorded as unknown."""
    progress = journal.progress(plan.id)
    for mark in sorted({str(event.body.get("mark", "")) for event in progress.unended.values()} - {""}):
        try:
            end(mark)
        except OSError as error:
            raise PlanRefused(str(error), "End them by hand; then give the same command again.") from error
    journal.append(
        journals.ended(
            Outcome(
                step=event.step,
                gateway=event.gateway,
                result=Result.UNKNOWN,
                changed=False,
                started=event.at,
                ended=now(),
                message="the run that began it ended before it did",
            ),
            plan.id,
        )
        for event in progress.unended.values()
    )
    return progress


def _counted(ended: Ended) -> dict[str, str]:
    counts: dict[str, int] = {}
    for outcome in ended.outcomes:
        counts[outcome.result] = counts.get(outcome.result, 0) + 1
    words = ", ".join(f"{count} {result}" for result, count in sorted(counts.items()))
    return {"words": words + (f"; {ended.stopped}" if ended.stopped else ""), "stopped": ended.stopped}
