"""Many gateways at once; exactly one Evidence for each, whatever happens, handed on as it comes."""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from provisioner import foreign, processes
from provisioner.errors import GatewayError
from provisioner.evidence.answer import parse
from provisioner.model import Evidence, Gateway, Problem

# How many readings wait to be taken.
_WAITING = 16
Ask = Callable[[Gateway], bytes]


def collect(gateways: Sequence[Gateway], ask: Ask, at_once: int) -> Iterator[Evidence]:
    """Ask every gateway, `at_once` at the same time, and give each one's Evidence as soon as it is there.

    `ask` runs the script on one gateway and gives what it printed; what it raises becomes that gateway's Problem.
    Leaving the loop early (Ctrl-C) does not wait for the gateways that are still being asked.
    """
    waiting: queue.SimpleQueue[Gateway] = queue.SimpleQueue()
    for gateway in gateways:
        waiting.put(gateway)
    # Who judges is slower than hundreds who read: what waits for it must not pile up.
    done: queue.Queue[Evidence] = queue.Queue(_WAITING)
    threads = [
        # Daemons, so that an impatient operator is not held by a gateway that does not answer.
        threading.Thread(target=_work, args=(waiting, ask, done), daemon=True)
        for _ in range(min(at_once, len(gateways)))
    ]
    processes.one_heap()
    started = _begin(threads)
    try:
        for _ in gateways:
            if not started:
                done.put(one(waiting.get(), ask))
            yield done.get()
    finally:
        _drain(waiting)


def _begin(threads: Sequence[threading.Thread]) -> int:
    """Start as many as this computer lets us. How many those are."""
    for number, thread in enumerate(threads):
        try:
            thread.start()
        except RuntimeError:
            return number
    return len(threads)


def _drain(waiting: "queue.SimpleQueue[Gateway]") -> None:
    try:
        while True:
            waiting.get_nowait()
    except queue.Empty:
        return


def _work(waiting: "queue.SimpleQueue[Gateway]", ask: Ask, done: "queue.Queue[Evidence]") -> None:
    while True:
        try:
            gateway = waiting.get_nowait()
        except queue.Empty:
            return
        done.put(one(gateway, ask))


def one(gateway: Gateway, ask: Ask) -> Evidence:
    """One gateway's Evidence. Never raises for anything that a gateway can cause."""
    begun, at = time.monotonic(), datetime.now(UTC)
    try:
        sections = parse(ask(gateway))
    except GatewayError as error:
        kind = type(error).__name__
        problem = Problem(kind=kind, message=error.message, hint=error.hint, absent=error.absent)
        return Evidence(gateway=gateway.name, taken_at=at, seconds=time.monotonic() - begun, error=problem)
    except Exception as error:
        # A fault of ours must cost one gateway only, and must be seen.
        words = foreign.readable(f"{type(error).__name__}: {error}")
        problem = Problem(kind="Fault", message=words, hint="Please report this.")
        return Evidence(gateway=gateway.name, taken_at=at, seconds=time.monotonic() - begun, error=problem)
    data, errors, seconds = sections
    return Evidence(
        gateway=gateway.name,
        # When the answer came: the gateway looked at its clock before that, and not longer ago than all of it took.
        taken_at=datetime.now(UTC),
        seconds=time.monotonic() - begun,
        sections=data,
        section_errors=errors,
        section_seconds=seconds,
    )
