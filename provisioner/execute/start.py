"""Starting Connectors: only behind the fence, only once all that is required is in place, and a moment for Approve.

The order is the fence: look at the practice, leave our marker on all of it, look again, start, look what runs now.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from provisioner import journal as journals
from provisioner.ansible.playbook import Acted
from provisioner.execute import claims, events, judge
from provisioner.journal.standing import unsettled
from provisioner.migration import stages
from provisioner.model import Gateway, Result, Step
from provisioner.plan.rollout import connector_runs, why_not_beside, why_not_fenced, why_not_start

if TYPE_CHECKING:
    from provisioner.execute.run import Rollout

POLL = 1.0


def start(run: Rollout, steps: Sequence[Step]) -> None:
    """Start Connectors where all else of their gateway is done, and wait a moment for Approve."""
    left = list(steps)
    # Once more round for the shards that were held up: their practices are looked at again.
    while left and not run.why_stop():
        settle(run, left)
        reading = run.look(left, peers=True)
        due = _startable(run, left, reading)
        with claims.on_practices(run, due, reading) as kept_off:
            now = run.hands.now()
            run.record([(step, kept_off[step.id], judge.NOT_ACTED, now) for step in due if step.id in kept_off])
            due = [step for step in due if step.id not in kept_off]
            # Only now does what is read hold until the start: whoever comes later finds our marker.
            again = run.look([step for step in due if _peers(run, step)], peers=True)
            back = {step.id: why for step in due if (why := claims.come_back(run, step, reading, again))}
            run.record([(step, back[step.id], judge.NOT_ACTED, run.hands.now()) for step in due if step.id in back])
            due = _startable(run, [step for step in due if step.id not in back], again)
            acted, begun = run.act([claims.staying(step) if _peers(run, step) else step for step in due])
            _await(run, [step for step in due if step.id in acted], acted, begun)
        left = [step for step in due if step.id not in acted]


def _peers(run: Rollout, step: Step) -> list[Gateway]:
    """The other known gateways of a step's practice."""
    return [row for row in run.practice(step.gateway) if row.name != step.gateway]


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


def beside_another(run: Rollout, step: Step) -> judge.Verdict | None:
    """How a start ended that a run began which died before it looked again, if another Connector of the practice runs
    as well: what was started is stopped. None where it is the only one."""
    others = _beside(run, step, run.look([step], peers=True))
    return _taken_back(run, step, others) if others else None


def _startable(run: Rollout, steps: Sequence[Step], reading: judge.Reading) -> list[Step]:
    """Those that may be started by this reading of their whole practices; the others are recorded. One whose practice
    was not read again has nobody beside it."""
    asked = [step for step in steps if step.gateway in reading.evidence]
    verdicts = {step.id: why for step in asked if (why := _why_not(run, step, reading))}
    now = run.hands.now()
    run.record([(step, verdicts[step.id], judge.NOT_ACTED, now) for step in asked if step.id in verdicts])
    return [step for step in steps if step.id not in verdicts]


def _why_not(run: Rollout, step: Step, reading: judge.Reading) -> judge.Verdict | None:
    row, said, others = run.row(step.gateway), run.said(), _peers(run, step)
    strangers = reading.strangers(others, said)
    if run.strict:
        if why := why_not_fenced(others, said, reading.evidence, strangers):
            return Result.STALE, f"not started: the fence does not hold: {why}"
        if why := why_not_beside(row, said, reading.evidence.get(row.name)):
            return Result.STALE, f"not started: {why}"
    else:
        undone = [one.id for one in run.steps_of[step.gateway] if one.id != step.id and not run.through([one])]
        if undone:
            return Result.SKIPPED, f"not started, because {', '.join(undone)} is not done"
    if first := judge.unmet(step, row, reading, said):
        return Result.STALE, f"not started, because required first: {', '.join(first)}"
    if not run.strict and (gap := why_not_start(row, others, said, reading.evidence, strangers)):
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
    reading = run.look(steps, peers=True)
    ended, left = [], []
    for step in steps:
        verdict = judge.after(step, acted[step.id], reading)
        if others := _beside(run, step, reading):
            ended.append((step, _taken_back(run, step, others), acted[step.id], begun[step.id]))
            continue
        if verdict[0] is Result.DONE and not _works(run, run.row(step.gateway), reading):
            verdict = (Result.WAITING, judge.APPROVE)
        # A gateway that refuses the log-in by now is not asked again and again: that locks accounts.
        if over or verdict[0] is Result.DONE or acted[step.id].result != "ok" or reading.refused(step.gateway):
            ended.append((step, verdict, acted[step.id], begun[step.id]))
        else:
            left.append(step)
    run.record(ended)
    return left


def _beside(run: Rollout, step: Step, reading: judge.Reading) -> list[str]:
    """The other gateways of the practice on which a Connector runs, while one runs on this one or may run.

    Where another PC answers at an address, what it shows is not the practice's, and nothing is stopped there.
    """
    if reading.another(step.gateway) or connector_runs(reading.evidence.get(step.gateway)) is False:
        return []
    names = [row.name for row in _peers(run, step) if not reading.another(row.name)]
    return [name for name in names if connector_runs(reading.evidence.get(name))]


def _taken_back(run: Rollout, step: Step, others: Sequence[str]) -> judge.Verdict:
    """Stop what was just started, because another one runs; how the start ended by that.

    Done whatever else holds the run up: two active Connectors send everything to patients twice.
    """
    stop = replace(stages.stop(run.fleet, run.row(step.gateway)), id=f"{step.id}-taken-back")
    at, mark = run.hands.now(), secrets.token_hex(6)
    run.journal.append([journals.started(stop.id, stop.gateway, run.plan.id, at, mark)])
    try:
        said = run.hands.act([claims.staying(stop)], mark)[stop.id]
    except Exception as error:
        # Whatever went wrong in there: what the gateway shows now is what is said of it.
        said = Acted(result="unknown", message=f"{type(error).__name__}: {error}")
    stopped = connector_runs(run.look([stop]).evidence.get(stop.gateway)) is False
    names = " and ".join(others)
    if stopped:
        words = f"a Connector runs on {names}, of the same practice: this one was stopped again, and disabled"
        result = Result.DONE
    else:
        words = (
            f"a Connector runs on {names}, of the same practice, and this one could not be stopped again "
            f"({said.message or said.result}): have one of the two stopped at once"
        )
        result = Result.FAILED
    run.journal.append([journals.ended(run.outcome(stop, (result, words), said, at), run.plan.id)])
    return Result.FAILED, words


def _works(run: Rollout, row: Gateway, reading: judge.Reading) -> bool:
    """Whether a started Connector works. In a migration Approve is a step of its own, which comes next."""
    return run.strict or judge.works(row, reading, run.said())
