"""How long a whole plan takes, and when it has to begin to be through while all its gateways may be touched. Pure."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from provisioner.execute.estimate import Costs, UnderWay, seconds_left
from provisioner.execute.schedule import MARGIN
from provisioner.fleet import hours
from provisioner.fleet.hours import Hours, Window
from provisioner.model import Fleet, Plan, Timing

# How many windows ahead are looked at: two weeks of evenings.
_AHEAD = 14


def timing(plan: Plan, fleet: Fleet, at: datetime, cores: int) -> Timing:
    """A plan's timing at a moment (with a time zone), by its steps' own estimates and its gateways' hours; `cores` is
    how many playbooks run at once. A gateway that fleet has no more is passed over: nothing is done to it."""
    acting = {step.gateway for step in plan.steps if step.kind == "playbook"}
    texts = Counter(row.hours for row in fleet.gateways if row.name in acting)
    waves = sum(any(step.kind == "playbook" for step in wave.steps) for wave in plan.waves)
    left = seconds_left(plan, UnderWay(), Costs(), 0.0, shard=fleet.settings.rollout.shard, cores=cores) or 0.0
    # Each wave is read before and after.
    seconds = left + MARGIN * waves
    # The way back is open at any hour.
    kept = [] if plan.kind == "undo" else [parsed for text in texts if (parsed := hours.parse(text)).weekly]
    if not kept:
        return Timing(seconds=seconds, hours=texts)
    window, fits = _window(kept, at, timedelta(seconds=seconds))
    return Timing(
        seconds=seconds,
        hours=texts,
        opens=window.opens if window else None,
        closes=window.closes if window else None,
        last=window.closes - timedelta(seconds=seconds) if window and fits else None,
    )


def _window(kept: Sequence[Hours], at: datetime, needs: timedelta) -> tuple[Window | None, bool]:
    """The next window in which all of it fits; where none of the next is long enough the first, and that it is not."""
    first: Window | None = None
    for _ in range(_AHEAD):
        window = _common(kept, at)
        if window is None:
            break
        if window.closes - max(window.opens, at) >= needs:
            return window, True
        first, at = first or window, window.closes
    return first, False


def _common(kept: Sequence[Hours], at: datetime) -> Window | None:
    """The next time that lies in a window of each; None where they do not meet."""
    for _ in range(_AHEAD * len(kept)):
        windows = [window for each in kept if (window := each.next(at))]
        if len(windows) < len(kept):
            return None
        opens, closes = max(window.opens for window in windows), min(window.closes for window in windows)
        if opens < closes:
            return Window(opens, closes)
        at = opens
    return None
