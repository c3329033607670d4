"""Whether there is time: hours in which a practice may be touched, and what its steps will take."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from provisioner import hours
from provisioner.model import Step

if TYPE_CHECKING:
    from provisioner.execute.rollout import Rollout

_LONDON = ZoneInfo("Europe/London")
# For reading a gateway before and after, and for Ansible's own beginning.
_MARGIN = 60.0


def shut(run: Rollout, steps: Sequence[Step]) -> str:
    """Why one gateway's steps are not begun now, in words; "" where they may be."""
    text = run.row(steps[0].gateway).hours if steps else ""
    # The way back is open at any hour: it is taken when something is wrong.
    if not text or run.now_because or run.plan.kind == "undo":
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


def seconds(run: Rollout, step: Step) -> float:
    """What a step takes, by what was measured so far."""
    return max(step.seconds, run.durations.get(step.remedy, 0.0))


def _when(at: datetime) -> str:
    return f"{at.astimezone(_LONDON):%a %d %b %H:%M}"


def _minutes(span: timedelta) -> str:
    minutes = max(1, round(span.total_seconds() / 60))
    return "a minute" if minutes == 1 else f"{minutes} minutes"
