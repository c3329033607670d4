"""Steps in shards: so many gateways each, as many shards at once as there are cores."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from provisioner.model import Step
from provisioner.playbook import Acted


def in_shards(
    steps: Sequence[Step],
    size: int,
    do: Callable[[Sequence[Step]], Mapping[str, Acted]],
    acted: dict[str, Acted],
    stop: Callable[[], bool],
) -> None:
    """Do the steps in shards of so many gateways, as many at once as there are cores, until `stop` says so."""
    gateways = list(dict.fromkeys(step.gateway for step in steps))
    groups = [set(gateways[begin : begin + size]) for begin in range(0, len(gateways), size)]
    shards = iter([[step for step in steps if step.gateway in group] for group in groups])
    running: set[Future[Mapping[str, Acted]]] = set()
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        while True:
            while len(running) < (os.cpu_count() or 1) and not stop() and (shard := next(shards, None)):
                running.add(pool.submit(do, shard))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for one in done:
                acted.update(one.result())
