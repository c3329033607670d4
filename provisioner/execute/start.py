"""Starting Connectors: only behind the fence, only once all that is required is in place, and a moment for Approve.

The order is the fence: look at the practice, leave our marker on all of it, look again, start, look what runs now.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain, repeat

from provisioner import journal as journals
from provisioner.ansible.results import StepResult
from provisioner.execute import act, claims, events, judge
from provisioner.execute.ports import POLL, applied
from provisioner.execute.run import Run
from provisioner.journal.standing import unsettled
from provisioner.model import Result, Step
from provisioner.plan import stopping
from provisioner.plan.guards import connector_runs, why_not_beside, why_not_fenced, why_not_start

# Between the looks at what was started, in seconds: what comes up comes up at once.
_LOOKS = (0.2, 0.4, 0.8)


def start(run: Run, steps: Sequence[Step]) -> None:
    """Start Connectors where all else of their gateway is done, and wait a moment for Approve."""
    left = list(steps)
    # Once more round for the shards that were held up: their practices are looked at again.
    while left and not run.why_stop():
        settle(run, left)
        reading = act.observe(run, left, peers=True)
        due = _startable(run, left, reading)
        with claims.on_practices(run, due, reading) as kept_off:
            due = act.leave_out(run, due, kept_off)
            # Only now does what is read hold until the start: whoever comes later finds our marker.
            again = act.observe(run, [step for step in due if run.peers(step.gateway)], peers=True)
            back = {step.id: why for step in due if (why := claims.come_back(run, step, reading, again))}
            due = _startable(run, act.leave_out(run, due, back), again)
            starts = [_alone(run, step) for step in due]
            acted, begun = act.act(run, [claims.staying(step) if run.peers(step.gateway) else step for step in starts])
            _await(run, [step for step in due if step.id in acted], acted, begun)
        left = [step for step in due if step.id not in acted]


def _alone(run: Run, step: Step) -> Step:
    """The start and no more, where this run has set the service itself and proved it: nothing of that is set twice. Any
    other start sets all of it, also what no reading shows."""
    same = [other for other in run.steps_of[step.gateway] if other.role == step.role and other.id != step.id]
    if not same or not all(other.id in run.begun and run.through([other]) for other in same):
        return step
    return replace(step, values={**step.values, f"{step.role}_state": "started"})


def settle(run: Run, steps: Sequence[Step]) -> None:
    """Wait until nothing that we began in these practices, and of which we never heard the end, can still be at work
    on a gateway: a command whose client is gone runs to its end there, and could start what the fence saw stopped."""
    gateways = [row.name for step in steps for row in run.practice(step.gateway)]
    span = timedelta(seconds=run.fleet.settings.rollout.settle)
    open_since = unsettled(run.journal, gateways, run.ports.now() - span)
    if not open_since:
        return
    until = max(open_since.values()) + span
    run.notify(events.Settling(gateways=tuple(open_since), until=until))
    while run.ports.now() < until and not run.ports.interrupted():
        run.ports.pause(POLL)


def beside_another(run: Run, step: Step) -> judge.Verdict | None:
    """How a start ended that a run began which died before it looked again, if another Connector of the practice runs
    as well: what was started is stopped. None where it is the only one."""
    others = _beside(run, step, act.observe(run, [step], peers=True))
    return _taken_back(run, step, others) if others else None


def _startable(run: Run, steps: Sequence[Step], reading: judge.Observation) -> list[Step]:
    """Those that may be started by this reading of their whole practices; the others are recorded. One whose practice
    was not read again has nobody beside it."""
    read = [step for step in steps if step.gateway in reading.evidence]
    return act.leave_out(run, steps, {step.id: why for step in read if (why := _why_not(run, step, reading))})


def _why_not(run: Run, step: Step, reading: judge.Observation) -> judge.Verdict | None:
    row, statements, others = run.row(step.gateway), run.statements(), run.peers(step.gateway)
    strangers = reading.strangers(others, statements)
    if run.wave_policy.hands_over:
        if why := why_not_fenced(others, statements, reading.evidence, strangers):
            return Result.STALE, f"not started: the fence does not hold: {why}"
        if why := why_not_beside(row, statements, reading.evidence.get(row.name)):
            return Result.STALE, f"not started: {why}"
    elif undone := [other.id for other in run.steps_of[row.name] if other.id != step.id and not run.through([other])]:
        return Result.SKIPPED, f"not started, because {', '.join(undone)} is not done"
    if first := judge.unmet(step, row, reading, statements):
        return Result.STALE, f"not started, because required first: {', '.join(first)}"
    if run.wave_policy.hands_over:
        return None
    gap = why_not_start(row, others, statements, reading.evidence, strangers)
    return (Result.STALE, f"{gap.message}. {gap.ask}".strip()) if gap else None


def _await(run: Run, steps: Sequence[Step], acted: Mapping[str, StepResult], begun: Mapping[str, datetime]) -> None:
    """Look at what was started until all of it works or the time to wait for Approve is over."""
    until = run.ports.now() + timedelta(seconds=run.patience)
    left, asked, pauses = list(steps), False, chain(_LOOKS, repeat(POLL))
    while left:
        over = run.ports.now() >= until or run.ports.interrupted()
        left = _started(run, left, acted, begun, over=over)
        if left and not asked:
            run.notify(events.PersonAwaited(steps=tuple(left), words=judge.APPROVE, until=until))
            asked = True
        if left:
            run.ports.pause(next(pauses))


def _started(
    run: Run, steps: Sequence[Step], acted: Mapping[str, StepResult], begun: Mapping[str, datetime], *, over: bool
) -> list[Step]:
    """Look at what was started, and record what has ended; those for which there is still time to wait."""
    reading = act.observe(run, steps, peers=True)
    endings, left = list[act.Ending](), []
    for step in steps:
        verdict: judge.Verdict = judge.decide_after(step, acted[step.id], reading)
        if others := _beside(run, step, reading):
            endings.append((step, _taken_back(run, step, others), acted[step.id], begun[step.id]))
            continue
        if verdict[0] is Result.DONE and not is_working(run, step.gateway, reading):
            verdict = judge.APPROVING
        if verdict[0] is Result.DONE and (unseen := _unseen_beside(run, step, reading)):
            verdict = (Result.DONE, "; ".join(part for part in (verdict[1], unseen) if part))
        # A gateway that refuses the log-in by now is not asked again and again: that locks accounts.
        if over or verdict[0] is Result.DONE or acted[step.id].result != "ok" or reading.refused(step.gateway):
            endings.append((step, verdict, acted[step.id], begun[step.id]))
        else:
            left.append(step)
    act.record(run, endings)
    return left


def _beside(run: Run, step: Step, reading: judge.Observation) -> list[str]:
    """The other gateways of the practice on which a Connector runs, while one runs on this one or may run.

    Where another PC answers at an address, what it shows is not the practice's, and nothing is stopped there.
    """
    if reading.another(step.gateway) or connector_runs(reading.evidence.get(step.gateway)) is False:
        return []
    names = [row.name for row in run.peers(step.gateway) if not reading.another(row.name)]
    return [name for name in names if connector_runs(reading.evidence.get(name))]


def _unseen_beside(run: Run, step: Step, reading: judge.Observation) -> str:
    """Which other gateways of the practice could not be looked at after a start, in words; "" for none. Those at which
    nothing accepts a connection, as a person has said, are none of them."""
    peers = [row for row in run.peers(step.gateway) if not claims.away(run, row, reading)]
    unseen = [f"{row.name} ({why})" for row in peers if (why := reading.trouble(row.name))]
    return f"whether one runs on {' or '.join(unseen)} could not be looked at afterwards: audit again" if unseen else ""


def _taken_back(run: Run, step: Step, others: Sequence[str]) -> judge.Verdict:
    """Stop what was just started, because another one runs; how the start ended by that.

    Done whatever else holds the run up: two active Connectors send everything to patients twice.
    """
    stop = replace(stopping.stop(run.fleet, run.row(step.gateway)), id=f"{step.id}-taken-back")
    at, run_tag = run.ports.now(), secrets.token_hex(6)
    run.journal.append([journals.started(stop.id, stop.gateway, run.plan.id, at, run_tag)])
    acted = applied(run.ports, [claims.staying(stop)], run_tag)[stop.id]
    stopped = connector_runs(act.observe(run, [stop]).evidence.get(stop.gateway)) is False
    names = " and ".join(others)
    if stopped:
        words = f"a Connector runs on {names}, of the same practice: this one was stopped again, and disabled"
        result = Result.DONE
    else:
        words = (
            f"a Connector runs on {names}, of the same practice, and this one could not be stopped again "
            f"({acted.message or acted.result}): have one of the two stopped at once"
        )
        result = Result.FAILED
    run.journal.append([journals.ended(run.outcome(stop, (result, words), acted, at), run.plan.id)])
    return Result.FAILED, words


def is_working(run: Run, gateway: str, reading: judge.Observation) -> bool:
    """Whether a started Connector works, as far as its start has to say."""
    return run.wave_policy.approve_apart or judge.is_working(run.row(gateway), reading, run.statements())
