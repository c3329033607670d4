"""How long a run still takes: by what its steps are thought or were measured to take, in the waves and shards in which
they run. Pure: the time of day is an argument.

Nothing that only passes makes it longer: a step that takes longer than was thought counts as nearly through until
there is news of it, and `overdue` says that it does.
"""

import heapq
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from provisioner.execute.shards import Limits, shards
from provisioner.model import Plan, Step
from provisioner.plan.guards import START

# What is taken for a step of which nobody knows anything, in seconds.
_UNKNOWN = 15.0
# By so many seconds one gateway of a playbook may begin a step after another.
_BEHIND = 10.0
# As if a shard of so many seconds had taken as long as was thought, and one with so many steps of other gateways.
_PACE_SURE, _OURS_SURE = 10.0, 10.0
_LEAST_PACE = 0.05


@dataclass(frozen=True, kw_only=True)
class Under:
    """What is left of a gateway's steps in a shard that runs: the first of them has run since then."""

    steps: tuple[Step, ...]
    since: float


# A shard that runs, by gateway.
Running = Mapping[str, Under]
# All steps that a shard began with, and when that was.
Begun = tuple[float, Sequence[Step]]


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What steps take: `durations`, the seconds that remedies were measured to take, times `pace`, which is this
    evening's; `ours`, the seconds that a step costs this computer, for which the other gateways of its shard wait;
    `taught`, whether this evening has taught these two. A start is another kind of work, with readings around it: it
    has `start`, or where that is None the same."""

    durations: Mapping[str, float] = field(default_factory=dict)
    ours: float = 0.0
    pace: float = 1.0
    taught: bool = False
    start: "Costs | None" = None

    def of(self, steps: Sequence[Step]) -> "Costs":
        """Those of these steps, which are done together."""
        return self.start if self.start and steps and steps[0].remedy == START else self


@dataclass(frozen=True, kw_only=True)
class UnderWay:
    """Where a run is. `ended`: the steps with an end, in this run or well in an earlier one, and those that Ansible is
    through with; `begun`: each that runs, as it began, where that is known; `waiting`: a person, an hour or a gateway
    is waited for, and nobody knows how long."""

    ended: Collection[str] = ()
    running: Sequence[Running] = ()
    begun: Sequence[Begun] = ()
    waiting: bool = False


def seconds_left(plan: Plan, state: UnderWay, costs: Costs, now: float, *, shard: int, cores: int) -> float | None:
    """Seconds until the last of the steps that nobody has to do by hand is through; None while something is waited for
    of which nobody knows how long it takes.

    `now`, each `since` and `begun` are of one clock; `shard` and `cores` say how many gateways one playbook has and how
    many playbooks run at once; of shared lines and of memory nothing is known here.
    """
    if state.waiting:
        return None
    busy = {step.id for running in state.running for under in running.values() for step in under.steps}
    gone, left = busy | set(state.ended), 0.0
    begun_of: Sequence[Begun | None] = state.begun or [None] * len(state.running)
    for wave in plan.waves:
        # A Connector is started when all else of its wave is through.
        for starts in (False, True):
            phase = [step for step in wave.steps if step.kind == "playbook" and (step.remedy == START) is starts]
            ids, its = {step.id for step in phase}, costs.of(phase)
            within = Limits(largest=shard, cores=cores, workers=shard * cores)
            queue = shards([step for step in phase if step.id not in gone], within)
            mine = [
                _left(running, begun, its, now)
                for running, begun in zip(state.running, begun_of, strict=True)
                if _of(running) & ids
            ]
            left += _makespan(mine, [_whole(steps, its) for steps in queue], cores)
    return left


def learned(costs: Costs, ended: Iterable[tuple[Sequence[Step], float]]) -> Costs:
    """The costs as they are this evening, by the shards that have ended: the steps of each, and the seconds that it
    took, with all that is around them. Least squares over both that they have, in which what was thought before counts
    for some seconds too."""
    thought = _PACE_SURE**2, 0.0, _OURS_SURE**2
    told = _PACE_SURE**2, _OURS_SURE**2 * costs.ours
    plain, taught = replace(costs, pace=1.0, ours=0.0), False
    for steps, seconds in ended:
        taught = True
        own = _whole(steps, plain)
        others = _whole(steps, replace(plain, ours=1.0)) - own
        thought = thought[0] + own * own, thought[1] + own * others, thought[2] + others * others
        told = told[0] + own * seconds, told[1] + others * seconds
    (a, b, c), (x, y) = thought, told
    divisor = a * c - b * b
    return replace(
        costs,
        pace=max((x * c - y * b) / divisor, _LEAST_PACE),
        ours=max((y * a - x * b) / divisor, 0.0),
        taught=taught,
    )


def overdue(state: UnderWay, costs: Costs, now: float) -> bool:
    """Whether something that runs takes longer than was thought: a step, and its shard as a whole where its beginning
    is known."""
    if state.begun and all(_by_its_time(begun, costs.of(begun[1]), now) > 0 for begun in state.begun):
        return False
    every = [under for shard in state.running for under in shard.values() if under.steps]
    return any(now - under.since > _takes(under.steps[0], costs.of(under.steps)) for under in every)


def takes(step: Step, durations: Mapping[str, float]) -> float:
    """What a step takes on a gateway, as far as is known; nothing of ours where a person does it."""
    return durations.get(step.remedy) or step.seconds or _UNKNOWN if step.kind == "playbook" else 0.0


def _of(running: Running) -> set[str]:
    return {step.id for under in running.values() for step in under.steps}


def _left(running: Running, begun: Begun | None, costs: Costs, now: float) -> float:
    """A shard is through when the slowest of its gateways is, which waits for what the others cost this computer. That
    it costs is known by the time that the shard has run, for of news there may be little; but never less than what its
    gateways still have to do. What is around its steps, its beginning and the reading after it, no news tells of: what
    this evening has taught counts for more."""
    each = [(_under(under, costs, now), len(under.steps)) for under in _going_on(running, costs, now)]
    by_news, own = _slowest(each, costs.ours), _slowest(each, 0.0)
    if begun is None:
        return by_news
    by_its_time = max(own, _by_its_time(begun, costs, now))
    return by_its_time if costs.taught else min(by_news, by_its_time)


def _going_on(running: Running, costs: Costs, now: float) -> list[Under]:
    """Without the gateways that stay behind: a playbook's go from task to task together, but for those that failed."""
    newest = max((under.since for under in running.values()), default=0.0)
    return [
        under
        for under in running.values()
        if not under.steps or newest - under.since <= _BEHIND or now - under.since <= _takes(under.steps[0], costs)
    ]


def _by_its_time(begun: Begun, costs: Costs, now: float) -> float:
    since, steps = begun
    return _whole(steps, costs) - (now - since)


def _under(under: Under, costs: Costs, now: float) -> float:
    first, *rest = (_takes(step, costs) for step in under.steps) if under.steps else (0.0,)
    return max(0.0, first - (now - under.since)) + sum(rest)


def _takes(step: Step, costs: Costs) -> float:
    return takes(step, costs.durations) * costs.pace


def _whole(steps: Iterable[Step], costs: Costs) -> float:
    of: dict[str, tuple[float, int]] = {}
    for step in steps:
        seconds, number = of.get(step.gateway, (0.0, 0))
        of[step.gateway] = seconds + _takes(step, costs), number + 1
    return _slowest(of.values(), costs.ours)


def _slowest(each: Collection[tuple[float, int]], ours: float) -> float:
    """Of each gateway's seconds and steps."""
    seconds, own = max(each, default=(0.0, 0))
    return seconds + ours * (sum(number for _, number in each) - own)


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
