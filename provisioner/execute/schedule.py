"""Whether there is time: hours in which a practice may be touched, and what its steps will take."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from provisioner.fleet import hours
from provisioner.migration.stages import STOP
from provisioner.model import Step, Wave

if TYPE_CHECKING:
    from provisioner.execute.run import Rollout

_LONDON = ZoneInfo("Europe/London")
# For reading a gateway before and after, and for Ansible's own beginning.
_MARGIN = 60.0


def shut(run: Rollout, gateway: str, steps: Sequence[Step]) -> str:
    """Why these steps, which have to fit into one of the gateway's windows, are not begun now; "" where they may be."""
    text = run.row(gateway).hours
    # The way back is open at any hour: it is taken when something is wrong.
    if not text or run.now_because or run.plan.kind == "undo" or _between(run):
        return ""
    now, needs = run.hands.now(), timedelta(seconds=_MARGIN + sum(seconds(run, step) for step in steps))
    open_ = hours.parse(text)
    window = open_.window(now)
    if window and now + needs <= window.closes:
        return ""
    later = open_.next(window.closes if window else now)
    moved = f"moved to {_when(later.opens)}" if later else "its hours never open again"
    if window is None:
        return f"outside its hours ({text}): {moved}"
    return f"it takes about {_minutes(needs)} and its window closes at {_when(window.closes)}: {moved}"


def _between(run: Rollout) -> bool:
    """Whether a migration has stopped the old gateway, or may have: the practice is not left without one until the
    next window."""
    stops = [step for step in run.plan.steps if run.strict and step.remedy == STOP]
    return any(run.touched(step.gateway) or step not in run.left(step.gateway) for step in stops)


def at_once(run: Rollout, step: Step, wave: Wave) -> list[Step]:
    """What has to fit into the window together with a step: all that is left on its gateway. Of a migration what is
    left until the old gateway is stopped, which may be days later; and with that stop all that is left."""
    if not run.strict:
        return run.left(step.gateway)
    stop = next((one.number for one in run.plan.waves if STOP in {step.remedy for step in one.steps}), 0)
    waves = [one for one in run.plan.waves if one.number >= wave.number and (one.number < stop or wave.number >= stop)]
    return [step for one in waves for step in one.steps if step in run.left(step.gateway)]


def seconds(run: Rollout, step: Step) -> float:
    """What a step takes, by what was measured so far."""
    return max(step.seconds, run.durations.get(step.remedy, 0.0))


def _when(at: datetime) -> str:
    return f"{at.astimezone(_LONDON):%a %d %b %H:%M}"


def _minutes(span: timedelta) -> str:
    minutes = max(1, round(span.total_seconds() / 60))
    return "a minute" if minutes == 1 else f"{minutes} minutes"
