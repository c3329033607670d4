"""Read gateways, act on them, record what came of it: what every part of a run does."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

from provisioner import journal as journals
from provisioner.ansible.results import StepResult
from provisioner.execute import admission, events, failpoints, judge, schedule
from provisioner.execute.failpoints import Failpoint
from provisioner.execute.ports import applied
from provisioner.execute.run import Run
from provisioner.execute.shards import in_shards, limits
from provisioner.journal import Lease
from provisioner.model import Result, Step
from provisioner.model.controls import INTERNET, REACHABLE

# A step's verdict, what was said of the act, and when it began.
Ending = tuple[Step, judge.Verdict, StepResult, datetime]

# What these controls say comes from the endpoints section: a proof of them measures.
_MEASURED = frozenset({INTERNET, REACHABLE})
# What Ansible says of a step that is no proof yet, but enough to begin nothing further.
_BAD = {"failed": Result.FAILED, "refused": Result.REFUSED, "unreachable": Result.UNREACHABLE}


def observe(run: Run, steps: Sequence[Step], *, peers: bool = False) -> judge.Observation:
    """A fresh reading of the steps' gateways; with `peers` of all gateways of their practices."""
    names = dict.fromkeys(step.gateway for step in steps)
    if peers:
        names = dict.fromkeys(row.name for name in names for row in run.practice(name))
    if not names:
        return judge.Observation(evidence={}, findings={})
    measure = any(_MEASURED & set(step.proves) for step in steps)
    evidence, findings = run.ports.read([run.row(name) for name in names], measure)
    run.latest |= run.journal.keep_readings(evidence)
    return judge.Observation.of(evidence, findings)


def act(run: Run, steps: Sequence[Step]) -> tuple[dict[str, StepResult], dict[str, datetime]]:
    """Act on the steps, a shard at a time on each core: what was said of each, and when it began. Those of shards that
    were not begun are not in it."""
    acted: dict[str, StepResult] = {}
    begun: dict[str, datetime] = {}

    def stop() -> bool:
        ends = ((step, acted[step.id]) for step in steps if step.id in acted)
        wrong = [(step, said, _BAD[said.result]) for step, said in ends if said.result in _BAD]
        return bool(run.why_stop([run.outcome(step, (bad, ""), said, begun[step.id]) for step, said, bad in wrong]))

    in_shards(steps, limits(run.fleet), partial(_shard, run, begun), acted, stop)
    return acted, begun


def _shard(run: Run, begun: dict[str, datetime], steps: Sequence[Step]) -> Mapping[str, StepResult]:
    """Act on one shard's steps, but those for which there is no time any more, or no lease."""
    run_tag, at, left_out = secrets.token_hex(6), run.ports.now(), _late(run, steps)
    begun.update((step.id, at) for step in steps)
    due = [step for step in steps if step.id not in left_out]
    if due:
        started = [journals.started(step.id, step.gateway, run.plan.id, at, run_tag) for step in due]
        left_out |= _lost(run, due, run.journal.begin(started, run.me, run.leased))
        due = [step for step in due if step.id not in left_out]
    if not due:
        return left_out
    failpoints.reached(Failpoint.STARTS_NOTED)
    run.begun.update(step.id for step in due)
    run.before.update((step.id, run.latest.get(step.gateway, "")) for step in due)
    run.notify(events.StepsStarted(steps=tuple(due)))
    acted = applied(run.ports, due, run_tag)
    failpoints.reached(Failpoint.ACTED)
    run.notify(events.StepsActed(steps=tuple(due)))
    return left_out | acted


def _late(run: Run, steps: Sequence[Step]) -> dict[str, StepResult]:
    """Those for which there is no time any more, with why: the shards before took longer than was thought."""
    step_of = {step.gateway: step for step in steps}
    shut = {gateway: schedule.shut(run, gateway, schedule.at_once(run, step)) for gateway, step in step_of.items()}
    late = {step.id: StepResult(result="late", message=why) for step in steps if (why := shut[step.gateway])}
    run.postponed.update(late)
    return late


def _lost(run: Run, steps: Sequence[Step], lost: Mapping[str, Lease | None]) -> dict[str, StepResult]:
    """Those that may not be done, because a lease was taken from this run; where it is one of its own, none may."""
    holders = {name: admission.held_by(lease) if lease else "and nobody holds it now" for name, lease in lost.items()}
    if own := next((id_ for id_ in run.leased if id_ in lost), ""):
        run.stopped = f"{own} was taken from this run: {holders[own]}"
    why = {step.gateway: own or step.gateway for step in steps if own or step.gateway in lost}
    return {
        step.id: StepResult(result="lost", message=f"the lease of {name} was taken from this run: {holders[name]}")
        for step in steps
        if (name := why.get(step.gateway, ""))
    }


def record(run: Run, endings: Sequence[Ending]) -> None:
    """Outcomes into the journal, all at once, and then said."""
    if not endings:
        return
    outcomes = [run.outcome(step, verdict, acted, started) for step, verdict, acted, started in endings]
    run.journal.append(journals.ended(outcome, run.plan.id) for outcome in outcomes)
    failpoints.reached(Failpoint.ENDS_NOTED)
    for outcome in outcomes:
        run.outcomes[outcome.step] = outcome
        run.notify(events.StepEnded(outcome=outcome))


def leave_out(run: Run, steps: Sequence[Step], verdicts: Mapping[str, judge.Verdict]) -> list[Step]:
    """The steps without those that have a verdict, by id, before they are acted on; these are recorded."""
    now = run.ports.now()
    record(run, [(step, verdicts[step.id], judge.NOT_ACTED, now) for step in steps if step.id in verdicts])
    return [step for step in steps if step.id not in verdicts]
