"""Whether there is time: hours in which a practice may be touched, and what its steps will take."""

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from provisioner.execute.estimate import Costs, UnderWay, seconds_left
from provisioner.execute.run import Run
from provisioner.fleet import hours
from provisioner.model import Step
from provisioner.model.plan import STOP

_LONDON = ZoneInfo("Europe/London")
# For reading a gateway before and after, and for Ansible's own beginning.
MARGIN = 60.0


def shut(run: Run, gateway: str, steps: Sequence[Step]) -> str:
    """Why these steps, which have to fit into one of the gateway's windows, are not begun now; "" where they may be."""
    text = run.row(gateway).hours
    # The way back is open at any hour: it is taken when something is wrong.
    if not text or run.now_because or run.plan.kind == "undo" or _between(run):
        return ""
    now, needs = run.ports.now(), timedelta(seconds=MARGIN + sum(seconds(run, step) for step in steps))
    open_ = hours.parse(text)
    window = open_.window(now)
    if window and now + needs <= window.closes:
        return ""
    later = open_.next(window.closes if window else now)
    moved = f"moved to {_when(later.opens)}" if later else "its hours never open again"
    if window is None:
        return f"outside its hours ({text}): {moved}"
    return f"it takes about {_minutes(needs)} and its window closes at {_when(window.closes)}: {moved}"


def outlasts(run: Run, steps: Sequence[Step]) -> str:
    """Why these steps of one wave are not begun: what one logs in with ends before they do; "" where it does not."""
    acts = tuple(step for step in steps if step.kind == "playbook")
    if not acts:
        return ""
    plan = replace(run.plan, waves=(replace(run.wave, steps=acts),))
    shard, cores = run.fleet.settings.rollout.shard, os.cpu_count() or 1
    # Half of a migration is worse than a ticket that may not reach to its end.
    needs = (
        0.0
        if _between(run)
        else seconds_left(plan, UnderWay(), Costs(durations=run.durations), 0.0, shard=shard, cores=cores)
    )
    return run.ports.why_not_until(run.ports.now() + timedelta(seconds=MARGIN + (needs or 0.0)))


def not_approved(run: Run) -> str:
    """Why no further wave is begun: the approval has ended meanwhile; "" where it has not."""
    given = run.approval
    if given is None or run.ports.now() <= given.ends or _between(run):
        return ""
    return f"its approval by {given.name} ended at {_when(given.ends)}"


def _between(run: Run) -> bool:
    """Whether a migration has stopped the old gateway, or may have: the practice is not left without one until the
    next window."""
    stops = [step for step in run.plan.steps if run.wave_policy.hands_over and step.remedy == STOP]
    return any(run.touched(step.gateway) or step not in run.left(step.gateway) for step in stops)


def at_once(run: Run, step: Step) -> list[Step]:
    """What has to fit into the window together with a step: all that is left on its gateway. Of a migration what is
    left until the old gateway is stopped, which may be days later; and with that stop all that is left."""
    if not run.wave_policy.in_sequence:
        return run.left(step.gateway)
    now = run.wave.number
    stop = next((wave.number for wave in run.plan.waves if any(each.remedy == STOP for each in wave.steps)), 0)
    waves = [wave for wave in run.plan.waves if wave.number >= now and (wave.number < stop or now >= stop)]
    return [each for wave in waves for each in wave.steps if each in run.left(each.gateway)]


def seconds(run: Run, step: Step) -> float:
    """What a step takes, by what was measured so far."""
    return max(step.seconds, run.durations.get(step.remedy, 0.0))


def _when(at: datetime) -> str:
    return f"{at.astimezone(_LONDON):%a %d %b %H:%M}"


def _minutes(span: timedelta) -> str:
    minutes = max(1, round(span.total_seconds() / 60))
    return "a minute" if minutes == 1 else f"{minutes} minutes"
