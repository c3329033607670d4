"""Any plan, wave by wave: lease, re-read, act, prove, journal; stop past the budget, go on when called again.

What reads and what acts is passed in. A step is done when a new reading shows it, not when Ansible says ok.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from provisioner import processes
from provisioner.ansible.results import StepResult
from provisioner.errors import JournalError
from provisioner.execute import budget as budgets
from provisioner.execute import events, failpoints, recovery, retry, schedule
from provisioner.execute import wave as waves
from provisioner.execute.admission import Asked, at_home, leased, refuse, refuse_held, refuse_over
from provisioner.execute.approving import granted
from provisioner.execute.failpoints import Failpoint
from provisioner.execute.ports import Apply, Ports
from provisioner.execute.run import LEASE, Run
from provisioner.execute.shards import in_shards, limits
from provisioner.journal import Event, Journal, standing
from provisioner.model import FINISHED, Fleet, Outcome, Plan, Reason, Result, Step, Wave
from provisioner.model.results import Stands
from provisioner.plan.guards import START
from provisioner.record import approval as approvals
from provisioner.record import chain


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a run ended: one outcome for each step, in the plan's order. `stopped` is "" where it went to its end;
    `interrupted`: the operator ended it. Steps that were not begun are `skipped` here, and not in the journal."""

    outcomes: tuple[Outcome, ...]
    stopped: str
    interrupted: bool = False
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
    plan: Plan, fleet: Fleet, journal: Journal, ports: Ports, *, policy_digest: str, asked: Asked | None = None
) -> Ended:
    """Do a plan, or go on with it where an earlier run stopped.

    Errors: ReadOnlyFleet, PlanRefused (also where it is not approved), InputError, LeaseHeld, JournalError (also where
    the journal was moved or copied and not adopted).
    """
    asked = asked or Asked()
    patience = fleet.settings.rollout.approve_wait if asked.patient else 0.0
    with processes.a_run() as me:
        state = Run(
            plan=plan, fleet=fleet, journal=journal, ports=ports, me=me, now_because=asked.now_because,
            patience=patience,
        )  # fmt: skip
        return _run(state, policy_digest, asked)


def _run(state: Run, policy_digest: str, asked: Asked) -> Ended:
    plan, fleet, journal, ports = state.plan, state.fleet, state.journal, state.ports
    at_home(journal)
    refuse(plan, fleet, policy_digest, begun=standing.was_begun(journal, plan.id))
    state.approval = granted(journal, fleet, plan, asked, ports.now())
    _lease(state)
    try:
        failpoints.reached(Failpoint.PLAN_LEASED)
        _know(state)
        _begin(state, asked, policy_digest)
        _waves(state)
        if asked.wait_until and not state.why_stop():
            retry.wait(state, min(asked.wait_until, state.approval.ends) if state.approval else asked.wait_until)
        if len(state.outcomes) < len(plan.steps):
            state.stopped = state.why_stop()
        interrupted = bool(state.stopped) and ports.interrupted()
        ended = Ended(
            outcomes=state.all_outcomes(), stopped=state.stopped, interrupted=interrupted, kind=plan.kind
        )  # fmt: skip
        journal.append(_end(state, ended))
        failpoints.reached(Failpoint.RUN_END_NOTED)
    except JournalError as error:
        raise JournalError(error.message, f"{error.hint} {_not_written(state)}".strip()) from error
    finally:
        # Where not even that can be written, they are those of a process that is gone in a moment.
        with suppress(JournalError):
            journal.release(state.leased, state.me)
    state.notify(events.RunEnded(plan=plan.id, stopped=ended.stopped))
    return ended


def _not_written(run: Run) -> str:
    """What was begun when the journal could no longer be written; "" where nothing was."""
    begun = {step.gateway for step in run.plan.steps if step.id in run.begun - run.outcomes.keys()}
    if not begun:
        return ""
    rest = f"The same command looks there first when it goes on; provisioner show {run.plan.id} has all."
    return f"Begun, and how it ended is not in the journal: {budgets.names(begun)}. {rest}"


def _lease(run: Run) -> None:
    """One run of a plan at a time, and none of its way back meanwhile: the other's children look like a dead run's. Of
    a practice's migrations one at a time, to wherever they lead. Errors: LeaseHeld."""
    now, run.leased = run.ports.now(), leased(run.plan)
    held = run.journal.take(run.leased, run.me, "apply", now, now + LEASE)
    if held:
        run.journal.release(run.leased, run.me)
    refuse_held(held)


def _know(run: Run) -> None:
    """What the journal knows of this plan and of what else goes on. Errors: PlanRefused."""
    plan, journal = run.plan, run.journal
    if plan.move:
        refuse_over(plan, plan.move.practice, journal)
    recovery.recover(run)
    run.progress = journal.progress(plan.id)
    run.stood = standing.stands(journal, plan.id)
    failpoints.reached(Failpoint.RECOVERED)
    run.confirmed = standing.confirmed(journal, plan.id)
    run.durations = journal.durations()
    if run.wave_policy.in_sequence:
        # What led from one state to the next is not judged again by the state before it.
        ended = run.progress.outcomes
        run.outcomes = {step.id: ended[step.id] for step in plan.steps if step.id in ended and _over(step, ended)}


def _over(step: Step, ended: Mapping[str, Outcome]) -> bool:
    """Whether a step of a sequence need not be looked at again. One that a PC which is off did not need does: it may
    be on again, and its Connector with it."""
    outcome = ended[step.id]
    unneeded = step.kind == "playbook" and outcome.reason is Reason.STATED_OFF
    return outcome.result in FINISHED and not unneeded


def _begin(run: Run, asked: Asked, policy_digest: str) -> None:
    plan, budget = run.plan, budgets.words(run.plan.budget, len(run.plan.places))
    started = Event(
        at=run.ports.now(), kind="run_started", plan=plan.id, body=_asked(run, asked, policy_digest, budget)
    )
    begun = [started]
    if plan.kind == "migration" and plan.move and not standing.was_opened(run.journal, plan.id):
        move = {"practice": plan.move.practice, "old": plan.move.old, "new": plan.move.new}
        begun.append(Event(at=run.ports.now(), kind="migration_opened", plan=plan.id, body=move))
    run.journal.append(begun)
    run.names = run.journal.names()
    failpoints.reached(Failpoint.RUN_NOTED)
    well = tuple(id_ for id_, outcome in run.progress.outcomes.items() if outcome.result in FINISHED)
    steps, gateways = len(plan.steps), len(plan.places)
    run.notify(events.RunStarted(plan=plan.id, steps=steps, gateways=gateways, budget=budget, through=well))


def _asked(run: Run, asked: Asked, policy_digest: str, budget: str) -> dict[str, str]:
    """What the journal keeps of who asked for this run, and how."""
    given = run.approval
    approver = given.name if given else asked.approved_by
    ticket = asked.ticket or (given.ticket if given else "")
    parts = [f"by {run.me}", f"approved by {approver}" if approver else "", ticket]
    parts.append(f"outside hours because {asked.now_because}" if asked.now_because else "")
    parts.append("by another policy than when it was planned" if run.plan.policy_digest != policy_digest else "")
    return {
        "words": ", ".join(part for part in parts if part),
        "budget": budget,
        "by": str(run.me),
        "name": f"{run.journal.id}.{secrets.token_hex(4)}",
        "approved_by": approver,
        "ticket": ticket,
        "approval": chain.sha256(approvals.text(given)) if given else "",
        "now_because": asked.now_because,
        "because": asked.now_because,  # as a record reads it
    }


def _waves(run: Run) -> None:
    """Wave by wave, until something stops it."""
    for number, wave in enumerate(run.plan.waves):
        if run.why_stop():
            return
        if run.wave_policy.in_sequence and run.through(wave.steps):
            continue
        if over := schedule.not_approved(run):
            run.stopped = over
            return
        waves.do(run, wave)
        if run.wave_policy.in_sequence and not run.through(wave.steps):
            run.stopped = run.why_stop() or _not_through(run, wave)
        elif why := _unsure(run, run.plan.waves[number:]):
            run.stopped = "" if run.ports.ask(why) else f"cannot tell whether to go on: {why}"


def _not_through(run: Run, wave: Wave) -> str:
    outcomes = [run.outcomes[step.id] for step in wave.steps if step.id in run.outcomes]
    first = next((outcome for outcome in outcomes if outcome.result not in FINISHED), None)
    return f"{first.step} is {first.result}" if first else "a step was not begun"


def _unsure(run: Run, left: Sequence[Wave]) -> str:
    """Whether a person has to say that the rollout goes on after the first of these waves; "" where not."""
    if len(left) < 2 or run.wave_policy.in_sequence or run.why_stop():
        return ""
    return budgets.unsure(run.outcomes[step.id] for step in left[0].steps if step.id in run.outcomes)


def _end(run: Run, ended: Ended) -> list[Event]:
    plan, now = run.plan, run.ports.now()
    noted = [Event(at=now, kind="run_ended", plan=plan.id, body=_counted(ended, run.stood))]
    if plan.of and run.through(plan.steps):
        # What it was the end of, or the way back from, is over with it; a rollout can be done again.
        closed = (plan.id, plan.of) if plan.move else (plan.id,)
        noted += [Event(at=now, kind="closed", plan=id_) for id_ in closed]
    return noted


def _counted(ended: Ended, stood: Mapping[str, Stands]) -> dict[str, str]:
    counts: dict[Result, int] = {}
    for outcome in ended.outcomes:
        counts[outcome.result] = counts.get(outcome.result, 0) + 1
    unchanged = {outcome.step for outcome in ended.outcomes if outcome.result is Result.UNCHANGED}
    before = sum(id_ in unchanged and stands.result is Result.DONE for id_, stands in stood.items())
    also = {Result.UNCHANGED: f" ({before} done by an earlier run)" if before else ""}
    words = ", ".join(f"{count} {result}{also.get(result, '')}" for result, count in sorted(counts.items()))
    return {"words": words + (f"; {ended.stopped}" if ended.stopped else ""), "stopped": ended.stopped}


def rehearse(plan: Plan, fleet: Fleet, apply: Apply, interrupted: Callable[[], bool]) -> dict[str, StepResult]:
    """What Ansible would change, by an `apply` that changes nothing; no journal, no lease.

    A start is left out: in check mode there is nothing to start until the rest is there.
    """
    steps = [step for step in plan.steps if step.kind == "playbook" and step.remedy != START]
    changes: dict[str, StepResult] = {}
    in_shards(steps, limits(fleet), lambda some: dict(apply(some, secrets.token_hex(6))), changes, interrupted)
    return changes
