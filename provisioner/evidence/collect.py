"""Many gateways at once; exactly one Evidence for each, whatever happens, handed on as it comes."""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from provisioner import foreign, processes
from provisioner.errors import GatewayError
from provisioner.evidence.answer import parse
from provisioner.model import Evidence, Gateway, Problem
from provisioner.model.lines import Lines

# How many readings are taken apart and wait to be judged: who judges is slower than hundreds who read, and taken apart
# an answer is three times as large.
_WAITING = 16
Ask = Callable[[Gateway], bytes]


def collect(gateways: Sequence[Gateway], ask: Ask, at_once: int, lines: Lines | None = None) -> Iterator[Evidence]:
    """Ask every gateway, `at_once` at the same time and no more than `lines` have room for, and give each one's
    Evidence as soon as it is there.

    `ask` runs the script on one gateway and gives what it printed; what it raises becomes that gateway's Problem.
    Leaving the loop early (Ctrl-C) does not wait for the gateways that are still being asked.
    """
    waiting = _Waiting(gateways, lines or Lines((), {}))
    done: queue.Queue[Evidence] = queue.Queue()
    room = threading.Semaphore(_WAITING)
    threads = [
        # Daemons, so that an impatient operator is not held by a gateway that does not answer.
        threading.Thread(target=_work, args=(waiting, ask, room, done), daemon=True)
        for _ in range(min(at_once, len(gateways)))
    ]
    processes.one_heap()
    started = _begin(threads)
    try:
        for _ in gateways:
            if not started and (gateway := waiting.next()):
                found = one(gateway, ask)
                waiting.over(gateway)
            else:
                found = done.get()
                room.release()
            yield found
    finally:
        waiting.clear()


class _Waiting:
    """The gateways that are still to be asked, those that share the same lines in one row each."""

    def __init__(self, gateways: Sequence[Gateway], lines: Lines) -> None:
        self._lines = lines
        self._changed = threading.Condition()
        self._rows: dict[object, deque[Gateway]] = {}
        for gateway in gateways:
            self._rows.setdefault(lines.of(gateway.name), deque()).append(gateway)

    def next(self) -> Gateway | None:
        """The next one for which there is room, waited for, and from now on at work; None when all had their turn."""
        with self._changed:
            while self._rows:
                for key, row in self._rows.items():
                    if self._lines.free(row[0].name):
                        gateway = row.popleft()
                        if not row:
                            del self._rows[key]
                        self._lines.begin(gateway.name)
                        return gateway
                self._changed.wait()
        return None

    def over(self, gateway: Gateway) -> None:
        """That one is not at work any more."""
        with self._changed:
            self._lines.end(gateway.name)
            self._changed.notify_all()

    def clear(self) -> None:
        """Nobody further is asked."""
        with self._changed:
            self._rows.clear()
            self._changed.notify_all()


def _begin(threads: Sequence[threading.Thread]) -> int:
    """Start as many as this computer lets us. How many those are."""
    for number, thread in enumerate(threads):
        try:
            thread.start()
        except RuntimeError:
            return number
    return len(threads)


def _work(waiting: _Waiting, ask: Ask, room: threading.Semaphore, done: "queue.Queue[Evidence]") -> None:
    while gateway := waiting.next():
        said = _asked(gateway, ask)
        waiting.over(gateway)
        room.acquire()
        done.put(_evidence(said))


def one(gateway: Gateway, ask: Ask) -> Evidence:
    """One gateway's Evidence. Never raises for anything that a gateway can cause."""
    return _evidence(_asked(gateway, ask))


@dataclass(frozen=True, kw_only=True)
class _Said:
    """What a gateway answered, as it came, or why it did not; when it was asked, when that came, and how many seconds
    that took."""

    gateway: str
    asked_at: datetime
    came_at: datetime
    seconds: float
    answer: bytes | Exception


def _asked(gateway: Gateway, ask: Ask) -> _Said:
    begun, at = time.monotonic(), datetime.now(UTC)
    answer: bytes | Exception
    try:
        answer = ask(gateway)
    except Exception as error:
        answer = error
    now, took = datetime.now(UTC), time.monotonic() - begun
    return _Said(gateway=gateway.name, asked_at=at, came_at=now, seconds=took, answer=answer)


def _evidence(said: _Said) -> Evidence:
    try:
        if isinstance(said.answer, Exception):
            raise said.answer
        data, errors, seconds = parse(said.answer)
    except GatewayError as error:
        kind = type(error).__name__
        return _none(said, Problem(kind=kind, message=error.message, hint=error.hint, absent=error.absent))
    except Exception as error:
        # A fault of ours must cost one gateway only, and must be seen.
        words = foreign.readable(f"{type(error).__name__}: {error}")
        return _none(said, Problem(kind="Fault", message=words, hint="Please report this."))
    return Evidence(
        gateway=said.gateway,
        # When the answer came: the gateway looked at its clock before that, and not longer ago than all of it took.
        taken_at=said.came_at,
        seconds=said.seconds,
        sections=data,
        section_errors=errors,
        section_seconds=seconds,
    )


def _none(said: _Said, problem: Problem) -> Evidence:
    return Evidence(gateway=said.gateway, taken_at=said.asked_at, seconds=said.seconds, error=problem)
