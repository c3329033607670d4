"""Any plan, wave by wave: lease, re-read, act, prove, journal; stop past the budget, go on when called again.

What reads and what acts is passed in. A step is done when a new reading shows it, not when Ansible says ok.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from provisioner import journal as journals
from provisioner.ansible.playbook import Acted
from provisioner.errors import InputError, JournalError, LeaseHeld, PlanRefused, ReadOnlyFleet
from provisioner.execute import budget as budgets
from provisioner.execute import events, failpoints, judge, retry
from provisioner.execute.failpoints import Point
from provisioner.execute.ports import Act, Hands, Read
from provisioner.execute.run import FINISHED, INTERRUPTED, LEASE, Rollout, held_by
from provisioner.execute.shards import in_shards
from provisioner.journal import Event, Journal, standing
from provisioner.model import Fleet, Outcome, Plan, Reason, Result, Step, Wave
from provisioner.model.results import Stands
from provisioner.plan.rollout import START

__all__ = ["FINISHED", "INTERRUPTED", "Act", "Asked", "Ended", "Hands", "Read", "at_home", "refuse", "rehearse", "run"]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a person asks of a run beside its plan: who approved it under which ticket, why hours do not count
    (`now_because`), until when gateways that are away are waited for, and whether persons are waited for at all."""

    approved_by: str = ""
    ticket: str = ""
    now_because: str = ""
    wait_until: datetime | None = None
    patient: bool = True


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a run ended: one outcome for each step, in the plan's order. `stopped` is "" where it went to its end.
    Steps that were not begun are `skipped` here, and not in the journal."""

    outcomes: tuple[Outcome, ...]
    stopped: str
    kind: str = "rollout"

    @property
    def exit_code(self) -> int:
        """0 all done; 5 a way back failed; 4 stopped, waiting or gone wrong, can go on; 3 some gateways could not be
        got into."""
        results = {outcome.result for outcome in self.outcomes} - set(FINISHED)
        if self.kind == "undo" and Result.FAILED in results:
            return 5
        if self.stopped or results - {Result.UNREACHABLE, Result.REFUSED}:
            return 4
        return 3 if results else 0


def run(
    plan: Plan, fleet: Fleet, journal: Journal, hands: Hands, *, policy_digest: str, asked: Asked | None = None
) -> Ended:
    """Do a plan, or go on with it where an earlier run stopped.

    Errors: ReadOnlyFleet, PlanRefused, InputError (an approval is missing), LeaseHeld, JournalError (also where the
    journal was moved or copied and not adopted).
    """
    asked = asked or Asked()
    at_home(journal)
    rollout = Rollout(plan=plan, fleet=fleet, journal=journal, hands=hands, now_because=asked.now_because)
    rollout.patience = fleet.settings.rollout.approve_wait if asked.patient else 0.0
    refuse(plan, fleet, policy_digest, asked, operator=rollout.me.user, begun=standing.was_begun(journal, plan.id))
    # One run of a plan at a time, and none of its way back meanwhile: the other's children look like a dead run's. Of a
    # practice's migrations one at a time, to wherever they lead.
    ids = [id_ for id_ in (plan.id, plan.of, f"migration-{plan.move.practice}" if plan.move else "") if id_]
    rollout.ids = ids
    if held := journal.take(ids, rollout.me, "apply", hands.now(), hands.now() + LEASE):
        journal.release(ids, rollout.me)
        id_, lease = next(iter(held.items()))
        raise LeaseHeld(f"{id_} is being applied: {held_by(lease)}.", "Wait until it is through.")
    try:
        failpoints.reach(Point.PLAN_LEASED)
        _know(rollout)
        _begin(rollout, asked, policy_digest)
        _waves(rollout)
        if asked.wait_until and not rollout.why_stop():
            retry.wait(rollout, asked.wait_until)
        if len(rollout.outcomes) < len(plan.steps):
            rollout.stopped = rollout.why_stop()
        ended = Ended(outcomes=rollout.ended(), stopped=rollout.stopped, kind=plan.kind)
        journal.append(_end(rollout, ended))
        failpoints.reach(Point.RUN_END_NOTED)
    finally:
        journal.release(ids, rollout.me)
    rollout.tell(events.RunEnded(plan=plan.id, stopped=ended.stopped))
    return ended


def at_home(journal: Journal) -> None:
    """Errors: JournalError where the journal is not where it was, and may be a copy of one that others work with."""
    if home := journal.moved():
        raise JournalError(
            f"{journal.path} is a journal that was at {home} when it was last written to: it was moved, or is a copy.",
            "Both would take each other's work on a gateway for their own. If this is the one to go on with: "
            "provisioner journal adopt",
        )


def _know(rollout: Rollout) -> None:
    """What the journal knows of this plan and of what else goes on. Errors: PlanRefused."""
    plan, journal = rollout.plan, rollout.journal
    if plan.move:
        _refuse_over(plan, plan.move.practice, journal)
    _recover(rollout)
    rollout.progress = journal.progress(plan.id)
    rollout.stood = standing.stands(journal, plan.id)
    failpoints.reach(Point.RECOVERED)
    rollout.confirmed = standing.confirmed(journal, plan.id)
    rollout.durations = journal.durations()
    if rollout.strict:
        # What led from one state to the next is not judged again by the state before it.
        ended = rollout.progress.outcomes
        rollout.outcomes = {step.id: ended[step.id] for step in plan.steps if step.id in ended and _over(step, ended)}


def _over(step: Step, ended: Mapping[str, Outcome]) -> bool:
    """Whether a step of a strict plan need not be looked at again. One that a PC which is off did not need does: it may
    be on again, and its Connector with it."""
    outcome = ended[step.id]
    unneeded = step.kind == "playbook" and outcome.reason is Reason.STATED_OFF
    return outcome.result in FINISHED and not unneeded


def _refuse_over(plan: Plan, practice: str, journal: Journal) -> None:
    """Errors: PlanRefused where another migration of the practice is open, or the plan's own is over: it has been
    finished or undone since the plan was looked for."""
    ours, open_ = plan.of or plan.id, standing.open_migrations(journal).get(practice, "")
    hint = f"provisioner migrate status {practice}"
    if open_ not in ("", ours):
        raise PlanRefused(f"{practice}: another migration is open: {open_}.", f"{hint}; finish or undo that one first.")
    if not open_ and (plan.of or standing.was_opened(journal, ours)):
        raise PlanRefused(f"{practice}: the migration {ours} is over, finished or undone.", f"{hint}; or begin anew.")


def _begin(rollout: Rollout, asked: Asked, policy_digest: str) -> None:
    plan, hands = rollout.plan, rollout.hands
    budget = budgets.words(plan.budget, len(plan.places))
    parts = [f"by {rollout.me}", f"approved by {asked.approved_by}" if asked.approved_by else "", asked.ticket]
    parts.append(f"outside hours because {asked.now_because}" if asked.now_because else "")
    parts.append("by another policy than when it was planned" if plan.policy_digest != policy_digest else "")
    body = {"words": ", ".join(part for part in parts if part), "budget": budget, "by": str(rollout.me)}
    body |= {"name": f"{rollout.journal.id}.{secrets.token_hex(4)}"}
    body |= {"approved_by": asked.approved_by, "ticket": asked.ticket, "now_because": asked.now_because}
    body["because"] = asked.now_because  # as a record reads it
    begun = [Event(at=hands.now(), kind="run_started", plan=plan.id, body=body)]
    if plan.kind == "migration" and plan.move and not standing.was_opened(rollout.journal, plan.id):
        move = {"practice": plan.move.practice, "old": plan.move.old, "new": plan.move.new}
        begun.append(Event(at=hands.now(), kind="migration_opened", plan=plan.id, body=move))
    rollout.journal.append(begun)
    rollout.names = rollout.journal.names()
    failpoints.reach(Point.RUN_NOTED)
    well = tuple(id_ for id_, one in rollout.progress.outcomes.items() if one.result in FINISHED)
    steps, gateways = len(plan.steps), len(plan.places)
    rollout.tell(events.RunStarted(plan=plan.id, steps=steps, gateways=gateways, budget=budget, through=well))


def _waves(rollout: Rollout) -> None:
    """Wave by wave, until something stops it."""
    for number, wave in enumerate(rollout.plan.waves):
        if rollout.why_stop():
            return
        if rollout.strict and rollout.through(wave.steps):
            continue
        rollout.wave(wave)
        if rollout.strict and not rollout.through(wave.steps):
            rollout.stopped = rollout.why_stop() or _not_through(rollout, wave)
        elif why := _unsure(rollout, rollout.plan.waves[number:]):
            rollout.stopped = "" if rollout.hands.ask(why) else f"cannot tell whether to go on: {why}"


def _not_through(rollout: Rollout, wave: Wave) -> str:
    open_ = [rollout.outcomes[step.id] for step in wave.steps if step.id in rollout.outcomes]
    first = next((one for one in open_ if one.result not in FINISHED), None)
    return f"{first.step} is {first.result}" if first else "a step was not begun"


def _unsure(rollout: Rollout, waves: Sequence[Wave]) -> str:
    """Whether a person has to say that the rollout goes on after the first of these waves; "" where not."""
    if len(waves) < 2 or rollout.strict or rollout.why_stop():
        return ""
    return budgets.unsure(rollout.outcomes[step.id] for step in waves[0].steps if step.id in rollout.outcomes)


def _end(rollout: Rollout, ended: Ended) -> list[Event]:
    plan, now = rollout.plan, rollout.hands.now()
    found = [Event(at=now, kind="run_ended", plan=plan.id, body=_counted(ended, rollout.stood))]
    if plan.of and rollout.through(plan.steps):
        # What it was the end of, or the way back from, is over with it; a rollout can be done again.
        closed = (plan.id, plan.of) if plan.move else (plan.id,)
        found += [Event(at=now, kind="closed", plan=id_) for id_ in closed]
    return found


def rehearse(plan: Plan, shard: int, act: Act, interrupted: Callable[[], bool]) -> dict[str, Acted]:
    """What Ansible would change, by an `act` that changes nothing; no journal, no lease.

    A start is left out: in check mode there is nothing to start until the rest is there.
    """
    steps = [step for step in plan.steps if step.kind == "playbook" and step.remedy != START]
    found: dict[str, Acted] = {}
    in_shards(steps, shard, lambda one: dict(act(one, secrets.token_hex(6))), found, interrupted)
    return found


def refuse(
    plan: Plan,
    fleet: Fleet,
    policy_digest: str,
    asked: Asked,
    *,
    operator: str = "",
    rehearsal: bool = False,
    begun: bool = False,
) -> None:
    """Errors: ReadOnlyFleet, PlanRefused, InputError where this plan may not be applied to this fleet as it is.

    A `rehearsal` changes nothing, and needs no approval; `begun`: whether the plan has been run before.
    """
    if fleet.settings.read_only and not rehearsal:
        raise ReadOnlyFleet("fleet.yml says read_only: nothing is changed.", "Audits, plans and --dry-run work.")
    # The way back is never barred by a policy that has changed since, nor the rest of a migration that has begun.
    barred = plan.kind != "undo" and not (plan.move and begun)
    if plan.policy_digest != policy_digest and barred:
        raise PlanRefused(f"{plan.id} was made by another policy than the one of now.", "Audit and plan again.")
    if fleet.settings.rollout.approval and not rehearsal:
        _refuse_unapproved(asked, operator)
    rows = {gateway.name: gateway for gateway in fleet.gateways}
    why = {gateway: judge.moved(plan, rows.get(gateway), gateway) for gateway in plan.places}
    if why and all(why.values()):
        first = next(iter(why))
        raise PlanRefused(f"{plan.id} is not for this fleet: {first}: {why[first]}.", "Audit and plan again.")


def _refuse_unapproved(asked: Asked, operator: str) -> None:
    if not (asked.approved_by and asked.ticket):
        raise InputError("fleet.yml asks for an approval.", "Say whose: --approved-by NAME, and --ticket ID.")
    if asked.approved_by.strip().lower() == operator.lower():
        raise InputError(
            f"{asked.approved_by} runs this command, and cannot approve it too.", "Somebody else has to: --approved-by."
        )


def _recover(rollout: Rollout) -> None:
    """End what dead runs left behind, of whichever plan, and record their open steps as unknown: an Ansible without
    its parent goes on by itself, on gateways that this run will change too.

    Errors: PlanRefused where something cannot be ended.
    """
    journal, hands, me, now = rollout.journal, rollout.hands, rollout.me, rollout.hands.now()
    others = journal.unended().keys() - {rollout.plan.id, rollout.plan.of}
    # A plan that somebody runs is held by them; what one that was held until now has ended meanwhile is not open.
    alive = journal.take(others, me, "recovery", now, now + LEASE)
    try:
        for plan, events in journal.unended().items():
            if plan in (rollout.plan.id, rollout.plan.of) or plan in others - alive.keys():
                _end_dead(events, journal, hands)
    finally:
        journal.release(others - alive.keys(), me)


def _end_dead(events: Sequence[Event], journal: Journal, hands: Hands) -> None:
    for mark in sorted({str(event.body.get("mark", "")) for event in events} - {""}):
        try:
            hands.end(mark)
        except OSError as error:
            raise PlanRefused(str(error), "End them by hand; then give the same command again.") from error
    journal.append(
        journals.broken_off(event, hands.now(), "the run that began it ended before it did") for event in events
    )


def _counted(ended: Ended, stood: Mapping[str, Stands]) -> dict[str, str]:
    counts: dict[Result, int] = {}
    for outcome in ended.outcomes:
        counts[outcome.result] = counts.get(outcome.result, 0) + 1
    unchanged = {outcome.step for outcome in ended.outcomes if outcome.result is Result.UNCHANGED}
    before = sum(id_ in unchanged and one.result is Result.DONE for id_, one in stood.items())
    also = {Result.UNCHANGED: f" ({before} done by an earlier run)" if before else ""}
    words = ", ".join(f"{count} {result}{also.get(result, '')}" for result, count in sorted(counts.items()))
    return {"words": words + (f"; {ended.stopped}" if ended.stopped else ""), "stopped": ended.stopped}
