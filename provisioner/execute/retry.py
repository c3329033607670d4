"""Gateways that were away, or whose hours had not begun: they are knocked at, and gone on with as each is back."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING

from provisioner.execute import events, schedule
from provisioner.model import Result, Step, Wave

if TYPE_CHECKING:
    from provisioner.execute.run import Rollout

# How long between two rounds of knocking, in seconds, and at how many gateways at once.
_KNOCK_EVERY = 15.0
_AT_ONCE = 32


def wait(run: Rollout, until: datetime) -> None:
    """Go on with what waits until all of it is through, the time is over, or the run must stop."""
    number, told = len(run.plan.waves), frozenset[str]()
    while (waiting := _waiting(run)) and not run.why_stop() and run.hands.now() < until:
        back = _back(run, [gateway for gateway in waiting if not schedule.shut(run, gateway, waiting[gateway])])
        if back:
            number += 1
            run.wave(Wave(number=number, steps=tuple(step for gateway in back for step in waiting[gateway])))
            if not _waiting(run).keys() & set(back):
                continue
        if told != waiting.keys():
            told = frozenset(waiting)
            run.tell(events.Queued(gateways=tuple(waiting), until=until))
        run.hands.pause(_KNOCK_EVERY)
        run.hold()


def _waiting(run: Rollout) -> dict[str, list[Step]]:
    """By gateway the steps that were put off (unreachable, or moved for want of time), and those skipped with them."""
    off = {step.gateway for step in run.plan.steps if _away(run, step) or step.id in run.moved}
    return {
        gateway: [one for one in steps if _away(run, one) or one.id in run.moved or _skipped(run, one)]
        for gateway, steps in run.steps_of.items()
        if gateway in off
    }


def _away(run: Rollout, step: Step) -> bool:
    return step.id in run.outcomes and run.outcomes[step.id].result is Result.UNREACHABLE


def _skipped(run: Rollout, step: Step) -> bool:
    return step.id in run.outcomes and run.outcomes[step.id].result is Result.SKIPPED


def _back(run: Rollout, gateways: Sequence[str]) -> list[str]:
    """Those that answer: the ones that were only moved are not knocked at."""
    away = [gateway for gateway in gateways if any(_away(run, step) for step in run.steps_of[gateway])]
    rows = [run.row(gateway) for gateway in away]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = dict(zip(away, pool.map(run.hands.knock, rows), strict=True))
    return [gateway for gateway in gateways if answers.get(gateway, True)]
