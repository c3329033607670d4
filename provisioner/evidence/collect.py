"""Many gateways at once; exactly one Evidence for each, whatever happens, handed on as it comes."""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from provisioner import foreign
from provisioner.errors import GatewayError
from provisioner.evidence.answer import parse
from provisioner.model import Evidence, Gateway, Problem
from provisioner.model.lines import Lines
from provisioner.transport.waiting import Loop

Ask = Callable[[Gateway], bytes]


def collect(gateways: Sequence[Gateway], ask: Ask, at_once: int, lines: Lines | None = None) -> Iterator[Evidence]:
    """Ask every gateway, `at_once` at the same time and no more than `lines` have room for, and give each one's
    Evidence as soon as it is there.

    `ask` runs the script on one gateway and gives what it printed; what it raises becomes that gateway's Problem. All
    are asked in one thread beside the caller's, so `ask` must wait by transport/waiting.py. Leaving the loop early
    (Ctrl-C) does not wait for the gateways that are still being asked.
    """
    try:
        reading = _Reading(gateways, ask, at_once, lines or Lines((), {}))
    except (OSError, RuntimeError):
        # This computer has no file descriptor or no thread left.
        yield from (one(gateway, ask) for gateway in gateways)
        return
    try:
        for _ in gateways:
            if (said := reading.said.get()) is None:
                raise RuntimeError("the thread that reads the gateways has ended")
            # Only now, as an answer that is taken apart is three times as large.
            yield _evidence(said)
            reading.judged()
    finally:
        reading.leave()


class _Reading:
    """Gateways that are asked in a thread of its own. So many are asked or have answered and wait to be judged, at the
    most, as may be asked at once: who judges can be slower than hundreds who answer.

    Errors: OSError, RuntimeError where this computer has no room for that.
    """

    def __init__(self, gateways: Sequence[Gateway], ask: Ask, at_once: int, lines: Lines) -> None:
        # None: whatever it was, nothing more will come.
        self.said: queue.SimpleQueue[_Said | None] = queue.SimpleQueue()
        self._ask, self._room, self._lines = ask, at_once, lines
        # Those that are still to be asked, those that share the same lines in one row each.
        self._rows: dict[object, deque[Gateway]] = {}
        for gateway in gateways:
            self._rows.setdefault(lines.of(gateway.name), deque()).append(gateway)
        self._loop = Loop()
        self._loop.tell(self._go_on)
        try:
            # A daemon, so that an impatient operator is not held by a gateway that does not answer.
            threading.Thread(target=self._run, daemon=True).start()
        except RuntimeError:
            self._loop.close()
            raise

    def _run(self) -> None:
        try:
            self._loop.run()
        finally:
            self.said.put(None)

    def judged(self) -> None:
        """One that was said is dealt with. Of any thread."""
        self._loop.tell(self._one_more)

    def leave(self) -> None:
        """Nobody further is asked. Of any thread."""
        self._loop.tell(self._end)

    def _one_more(self) -> None:
        self._room += 1
        self._go_on()

    def _end(self) -> None:
        self._rows.clear()
        self._loop.end()

    def _go_on(self) -> None:
        """Ask those for which there is room."""
        while self._room and (gateway := self._next()):
            self._room -= 1
            self._loop.begin(partial(self._talk, gateway))

    def _next(self) -> Gateway | None:
        """The next one for which its lines have room, and which is at work from now on."""
        for key, row in self._rows.items():
            if self._lines.free(row[0].name):
                gateway = row.popleft()
                if not row:
                    del self._rows[key]
                self._lines.begin(gateway.name)
                return gateway
        return None

    def _talk(self, gateway: Gateway) -> None:
        self.said.put(_asked(gateway, self._ask))
        self._lines.end(gateway.name)
        self._go_on()


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
