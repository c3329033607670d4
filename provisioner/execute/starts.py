"""Starting Connectors: only behind the fence, only once all that is required is in place, and a moment for Approve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from provisioner.execute import events, judge
from provisioner.journal.standing import unsettled
from provisioner.model import Gateway, Result, Step
from provisioner.plan import why_not_fenced, why_not_start
from provisioner.playbook import Acted

if TYPE_CHECKING:
    from provisioner.execute.rollout import Rollout

POLL = 1.0


def start(run: Rollout, steps: Sequence[Step]) -> None:
    """Start Connectors where all else of their gateway is done, and wait a moment for Approve."""
    left = list(steps)
    # Once more round for the shards that were held up: their practices are looked at again.
    while left and not run.why_stop():
        settle(run, left)
        due = _startable(run, left)
        acted, begun = run.act(due)
        _await(run, [step for step in due if step.id in acted], acted, begun)
        left = [step for step in due if step.id not in acted]


def settle(run: Rollout, steps: Sequence[Step]) -> None:
    """Wait until nothing that we began in these practices, and of which we never heard the end, can still be at work
    on a gateway: a command whose client is gone runs to its end there, and could start what the fence saw stopped."""
    gateways = [one.name for step in steps for one in run.practice(step.gateway)]
    settle = timedelta(seconds=run.fleet.settings.rollout.settle)
    open_since = unsettled(run.journal, gateways, run.hands.now() - settle)
    if not open_since:
        return
    until = max(open_since.values()) + settle
    run.tell(events.Settling(gateways=tuple(open_since), until=until))
    while run.hands.now() < until and not run.hands.interrupted():
        run.hands.pause(POLL)


def _startable(run: Rollout, steps: Sequence[Step]) -> list[Step]:
    """Those that may be started by a fresh reading of their whole practices; the others are recorded."""
    reading = run.look(steps, peers=True)
    due, verdicts = [], []
    for step in steps:
        if why := _why_not(run, step, reading):
            verdicts.append((step, why))
        else:
            due.append(step)
    now = run.hands.now()
    run.record([(step, verdict, Acted(result="skipped"), now) for step, verdict in verdicts])
    return due


def _why_not(run: Rollout, step: Step, reading: judge.Reading) -> judge.Verdict | None:
    row, said = run.row(step.gateway), run.said()
    others = [one for one in run.practice(step.gateway) if one.name != row.name]
    if run.strict:
        if why := why_not_fenced(others, said, reading.evidence):
            return Result.STALE, f"not started: the fence does not hold: {why}"
    else:
        undone = [one.id for one in run.steps_of[step.gateway] if one.id != step.id and not run.through([one])]
        if undone:
            return Result.SKIPPED, f"not started, because {', '.join(undone)} is not done"
    if first := judge.unmet(step, row, reading, said):
        return Result.STALE, f"not started, because required first: {', '.join(first)}"
    if not run.strict and (gap := why_not_start(row, others, said, reading.evidence)):
        return Result.STALE, f"{gap.message}. {gap.ask}".strip()
    return None


def _await(run: Rollout, steps: Sequence[Step], acted: Mapping[str, Acted], begun: Mapping[str, datetime]) -> None:
    """Look at what was started until all of it works or the time to wait for Approve is over."""
    until = run.hands.now() + timedelta(seconds=run.patience)
    left, told = list(steps), False
    while left:
        over = run.hands.now() >= until or run.hands.interrupted()
        left = _started(run, left, acted, begun, over=over)
        if left and not told:
            gateways = tuple(step.gateway for step in left)
            run.tell(events.PersonAwaited(gateways=gateways, words=judge.APPROVE, until=until))
            told = True
        if left:
            run.hands.pause(POLL)


def _started(
    run: Rollout, steps: Sequence[Step], acted: Mapping[str, Acted], begun: Mapping[str, datetime], *, over: bool
) -> list[Step]:
    """Look at what was started, and record what has ended; those for which there is still time to wait."""
    reading = run.look(steps, peers=run.strict)
    ended, left = [], []
    for step in steps:
        verdict = judge.after(step, acted[step.id], reading)
        if verdict[0] is Result.DONE and not _works(run, run.row(step.gateway), reading):
            verdict = (Result.WAITING, judge.APPROVE)
        # A gateway that refuses the log-in by now is not asked again and again: that locks accounts.
        if over or verdict[0] is Result.DONE or acted[step.id].result != "ok" or reading.refused(step.gateway):
            ended.append((step, verdict, acted[step.id], begun[step.id]))
        else:
            left.append(step)
    run.record(ended)
    return left


def _works(run: Rollout, row: Gateway, reading: judge.Reading) -> bool:
    """Whether a started Connector works. In a migration Approve is a step of its own, which comes next."""
    return run.strict or judge.works(row, reading, run.said())
