"""Steps in shards: some gateways each, as many shards at once as there are cores."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from provisioner.ansible.results import StepResult
from provisioner.model import Step

# Fewer gateways than this are not worth an ansible-playbook of their own, which takes a second to begin.
_WORTH_IT = 3


def shards(steps: Sequence[Step], largest: int, cores: int) -> list[list[Step]]:
    """The steps by shards of at most so many gateways: enough shards for all cores, because the one process that
    leads a playbook's workers is what a wave waits for (20 gateways on 2 cores: 31 s in two shards, 45 s in one)."""
    gateways = list(dict.fromkeys(step.gateway for step in steps))
    count = max(-(-len(gateways) // largest), min(cores, len(gateways) // _WORTH_IT), 1)
    shard_of = {gateway: place * count // len(gateways) for place, gateway in enumerate(gateways)}
    parts: list[list[Step]] = [[] for _ in range(count)]
    for step in steps:
        parts[shard_of[step.gateway]].append(step)
    return [part for part in parts if part]


def in_shards(
    steps: Sequence[Step],
    largest: int,
    do: Callable[[Sequence[Step]], Mapping[str, StepResult]],
    acted: dict[str, StepResult],
    stop: Callable[[], bool],
) -> None:
    """Do the steps, shard by shard on each core, until `stop` says so; what was said of them goes into `acted`.

    Errors: what `do` raises, once the shards that run have ended.
    """
    cores = os.cpu_count() or 1
    left = iter(shards(steps, largest, cores))
    running: set[Future[Mapping[str, StepResult]]] = set()
    with ThreadPoolExecutor(max_workers=cores) as pool:
        while True:
            while len(running) < cores and not stop() and (shard := next(left, None)):
                running.add(pool.submit(do, shard))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for shard_done in done:
                acted.update(shard_done.result())
