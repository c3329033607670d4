"""Gateways that were away, or whose hours had not begun: they are probed, and gone on with as each is back."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from provisioner.execute import events, schedule, wave
from provisioner.execute.run import Run
from provisioner.model import Result, Step, Wave

# How long between two rounds of probing, in seconds, and at how many gateways at once.
_PROBE_EVERY = 15.0
_AT_ONCE = 32


def wait(run: Run, until: datetime) -> None:
    """Go on with what waits until all of it is through, the time is over, or the run must stop."""
    number, announced = len(run.plan.waves), frozenset[str]()
    while (waiting := _waiting(run)) and not run.why_stop() and run.ports.now() < until:
        back = _back(run, [gateway for gateway in waiting if not schedule.shut(run, gateway, waiting[gateway])])
        if back and not schedule.outlasts(run, [step for gateway in back for step in waiting[gateway]]):
            number += 1
            wave.do(run, Wave(number=number, steps=tuple(step for gateway in back for step in waiting[gateway])))
            if not _waiting(run).keys() & set(back):
                continue
        if announced != waiting.keys():
            announced = frozenset(waiting)
            run.notify(events.Queued(gateways=tuple(waiting), until=until))
        run.ports.pause(_PROBE_EVERY)
        wave.hold(run)


def _waiting(run: Run) -> dict[str, list[Step]]:
    """By gateway the steps that were unreachable or put off for want of time, and those skipped with them."""
    off = {step.gateway for step in run.plan.steps if _away(run, step) or step.id in run.postponed}
    return {
        gateway: [step for step in steps if _away(run, step) or step.id in run.postponed or _skipped(run, step)]
        for gateway, steps in run.steps_of.items()
        if gateway in off
    }


def _away(run: Run, step: Step) -> bool:
    return step.id in run.outcomes and run.outcomes[step.id].result is Result.UNREACHABLE


def _skipped(run: Run, step: Step) -> bool:
    return step.id in run.outcomes and run.outcomes[step.id].result is Result.SKIPPED


def _back(run: Run, gateways: Sequence[str]) -> list[str]:
    """Those that answer: the ones that were only postponed are not probed."""
    away = [gateway for gateway in gateways if any(_away(run, step) for step in run.steps_of[gateway])]
    rows = [run.row(gateway) for gateway in away]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = dict(zip(away, pool.map(run.ports.probe, rows), strict=True))
    return [gateway for gateway in gateways if answers.get(gateway, True)]
