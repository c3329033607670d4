"""Steps in shards: some gateways each, as many shards at once as there are cores and memory for."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TypeVar

from provisioner import capacity
from provisioner.ansible.results import StepResult
from provisioner.model import Fleet, Step
from provisioner.model.lines import Lines

# Fewer gateways than this are not worth an ansible-playbook of their own, which takes a second to begin.
_WORTH_IT = 3
# So many cores are kept busy by the workers that one ansible-playbook leads: leading takes an eighth of what they take.
_LED = 4
# Seconds after which a signal is heard at the latest.
_LOOKS_UP = 0.2

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How many gateways are changed at once: at most `largest` in a shard, `cores` shards, `workers` in all of them,
    and what `lines` have room for."""

    largest: int
    cores: int = field(default_factory=lambda: os.cpu_count() or 1)
    workers: int = field(default_factory=capacity.workers)
    lines: Lines = field(default_factory=lambda: Lines((), {}))

    @property
    def at_once(self) -> int:
        """How many shards."""
        return min(self.cores, self.workers)

    @property
    def size(self) -> int:
        """How many gateways a shard may have."""
        return max(1, min(self.largest, self.workers // self.at_once))


def limits(fleet: Fleet) -> Limits:
    """What a fleet's settings and this computer allow."""
    lines = Lines(fleet.gateways, fleet.settings.connection.at_once_per)
    return Limits(largest=fleet.settings.rollout.shard, lines=lines)


def sizes(gateways: int, largest: int, cores: int) -> list[int]:
    """How many gateways are in each shard: enough shards that those who lead the workers keep all cores busy, and no
    more, because each begins with a second of CPU (20 gateways on 2 cores: 1.6 s of CPU each in one, 1.9 in two)."""
    count = max(-(-gateways // largest), min(-(-cores // _LED), gateways // _WORTH_IT), 1)
    return [-(-(place + 1) * gateways // count) - -(-place * gateways // count) for place in range(count)]


def shards(steps: Sequence[Step], within: Limits) -> Iterator[list[Step]]:
    """The steps, shard by shard: of each as many gateways as there is room for when it is asked for. An empty one where
    there is room for none, until some are given back to the lines."""
    left = dict.fromkeys(step.gateway for step in steps)
    planned = sizes(len(left), within.size, within.at_once)
    while left:
        taken = within.lines.take(left, planned[0] if planned else within.size)
        del planned[: bool(taken)]
        for gateway in taken:
            del left[gateway]
        yield [step for step in steps if step.gateway in taken]


def ended(running: Collection[Future[T]]) -> set[Future[T]]:
    """Those that have ended, once any has.

    Python hears a signal in its main thread alone. One that comes while another thread forks, as Ansible's start does,
    may be given to that thread, and does not wake the main thread: so that looks up by itself.
    """
    while not (done := wait(running, timeout=_LOOKS_UP, return_when=FIRST_COMPLETED).done):
        pass
    return done


def in_shards(
    steps: Sequence[Step],
    within: Limits,
    do: Callable[[Sequence[Step]], Mapping[str, StepResult]],
    acted: dict[str, StepResult],
    stop: Callable[[], bool],
) -> None:
    """Do the steps, shard by shard on each core, until `stop` says so; what was said of them goes into `acted`.

    Errors: what `do` raises, once the shards that run have ended.
    """
    left = shards(steps, within)
    running: dict[Future[Mapping[str, StepResult]], list[Step]] = {}
    with ThreadPoolExecutor(max_workers=within.at_once) as pool:
        while True:
            while len(running) < within.at_once and not stop() and (shard := next(left, None)):
                running[pool.submit(do, shard)] = shard
            if not running:
                return
            for future in ended(running):
                for gateway in {step.gateway for step in running.pop(future)}:
                    within.lines.end(gateway)
                acted.update(future.result())
