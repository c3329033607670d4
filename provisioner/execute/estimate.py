"""How long a run still takes: by what its steps are thought or were measured to take, in the waves and shards in which
they run. Pure: the time of day is an argument.

Nothing that only passes makes it longer: a step that takes longer than was thought counts as nearly through until
there is news of it, and `overdue` says that it does.
"""

import heapq
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from provisioner.execute.shards import Limits, shards
from provisioner.model import Plan, Step
from provisioner.plan.guards import START

# What is taken for a step of which nobody knows anything, in seconds.
_UNKNOWN = 15.0


@dataclass(frozen=True, kw_only=True)
class Under:
    """What is left of a gateway's steps in a shard that runs: the first of them has run since then."""

    steps: tuple[Step, ...]
    since: float


# A shard that runs, by gateway.
Running = Mapping[str, Under]


@dataclass(frozen=True, kw_only=True)
class UnderWay:
    """Where a run is. `ended`: the steps with an end, in this run or well in an earlier one, and those that Ansible is
    through with; `waiting`: a person, an hour or a gateway is waited for, and nobody knows how long."""

    ended: Collection[str] = ()
    running: Sequence[Running] = ()
    waiting: bool = False


def seconds_left(
    plan: Plan, state: UnderWay, durations: Mapping[str, float], now: float, *, shard: int, cores: int
) -> float | None:
    """Seconds until the last of the steps that nobody has to do by hand is through; None while something is waited for
    of which nobody knows how long it takes.

    `durations` are the seconds that remedies were measured to take; `now` and each `since` are of one clock; `shard`
    and `cores` say how many gateways one playbook has and how many playbooks run at once; of shared lines and of memory
    nothing is known here.
    """
    if state.waiting:
        return None
    busy = {step.id for running in state.running for under in running.values() for step in under.steps}
    gone, left = busy | set(state.ended), 0.0
    for wave in plan.waves:
        # A Connector is started when all else of its wave is through.
        for starts in (False, True):
            phase = [step for step in wave.steps if step.kind == "playbook" and (step.remedy == START) is starts]
            ids = {step.id for step in phase}
            within = Limits(largest=shard, cores=cores, workers=shard * cores)
            queue = shards([step for step in phase if step.id not in gone], within)
            mine = [_left(running, durations, now) for running in state.running if _of(running) & ids]
            left += _makespan(mine, [_whole(steps, durations) for steps in queue], cores)
    return left


def overdue(state: UnderWay, durations: Mapping[str, float], now: float) -> bool:
    """Whether something that runs takes longer than was thought."""
    every = [under for shard in state.running for under in shard.values() if under.steps]
    return any(now - under.since > takes(under.steps[0], durations) for under in every)


def takes(step: Step, durations: Mapping[str, float]) -> float:
    """What a step takes on a gateway, as far as is known; nothing of ours where a person does it."""
    return durations.get(step.remedy) or step.seconds or _UNKNOWN if step.kind == "playbook" else 0.0


def _of(running: Running) -> set[str]:
    return {step.id for under in running.values() for step in under.steps}


def _left(running: Running, durations: Mapping[str, float], now: float) -> float:
    """A shard is through when the slowest of its gateways is."""
    return max((_under(under, durations, now) for under in running.values()), default=0.0)


def _under(under: Under, durations: Mapping[str, float], now: float) -> float:
    first, *rest = (takes(step, durations) for step in under.steps) if under.steps else (0.0,)
    return max(0.0, first - (now - under.since)) + sum(rest)


def _whole(steps: Iterable[Step], durations: Mapping[str, float]) -> float:
    of: dict[str, float] = {}
    for step in steps:
        of[step.gateway] = of.get(step.gateway, 0.0) + takes(step, durations)
    return max(of.values(), default=0.0)


def _makespan(running: Iterable[float], queue: Iterable[float], cores: int) -> float:
    """When the last is through: each of the queue begins, in its order, when a core is free."""
    free = sorted(running)
    free = [0.0] * (cores - len(free)) + free
    last = max(free, default=0.0)
    heapq.heapify(free)
    for seconds in queue:
        ends = heapq.heappop(free) + seconds
        heapq.heappush(free, ends)
        last = max(last, ends)
    return last
