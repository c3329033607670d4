"""How a conversation with a gateway waits: in its own thread by the system, or as one of hundreds in one thread, where
the others go on meanwhile. What waits is written once, and need not know which.

Why by ourselves, over greenlet: docs/architecture.md, "Why one thread reads hundreds".
"""

import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar, cast

from greenlet import getcurrent, greenlet

T = TypeVar("T")

# How often it is looked whose time is over, in seconds.
_TICK = 0.1
# For one socket alone: it takes no file descriptor.
_Poll = getattr(selectors, "PollSelector", selectors.SelectSelector)


class Loop:
    """Many conversations in one thread: each goes on until it waits.

    Errors, of making one: OSError where this computer has no file descriptor left.
    """

    def __init__(self) -> None:
        self._told: deque[Callable[[], object]] = deque()
        # Who waits for a socket, and until when (time.monotonic).
        self._waiting: dict[socket.socket, tuple[greenlet, float]] = {}
        # A byte into the one wakes who waits for all sockets, the other among them.
        self._rings, self._bell = socket.socketpair()
        self._rings.setblocking(False)
        self._sockets = selectors.DefaultSelector()
        self._sockets.register(self._bell, selectors.EVENT_READ)
        self._asleep, self._ending, self._under_way, self._ticked = False, False, 0, 0.0

    def run(self) -> None:
        """Carry on what is begun, in this thread, until `end` was told and all of it is over."""
        self._root = getcurrent()
        try:
            while self._under_way or not self._ending:
                while self._told:
                    self._told.popleft()()
                self._wait()
        finally:
            self.close()

    def close(self) -> None:
        """Give back what it holds of the system. For one that never ran."""
        for one in (self._rings, self._bell, self._sockets):
            one.close()

    def tell(self, act: Callable[[], object]) -> None:
        """Have that done in the loop's thread. Of any thread. `act` must neither wait nor raise."""
        self._told.append(act)
        if self._asleep:
            # A loop that is over hears none.
            with suppress(OSError):
                self._rings.send(b"\0")

    def begin(self, talk: Callable[[], object]) -> None:
        """Begin a conversation, which must not raise. In the loop's thread."""
        self._under_way += 1
        # Not a child of whoever begins it: that may be another one, which would have to wait for its end.
        self._told.append(_Conversation(self, talk, self._root).switch)

    def over(self) -> None:
        """One of the conversations has ended. In the loop's thread."""
        self._under_way -= 1

    def end(self) -> None:
        """Nothing more is begun. In the loop's thread."""
        self._ending = True

    def hand_on(self) -> object:
        """Let the others go on, until somebody switches back to the conversation that calls this; what they gave."""
        return self._root.switch()

    def ready(self, sock: socket.socket, seconds: float, event: int) -> bool:
        """As the function below, for the conversation that calls it."""
        self._sockets.register(sock, event)
        self._waiting[sock] = (getcurrent(), time.monotonic() + seconds)
        return bool(self.hand_on())

    def _wait(self) -> None:
        """Wait until somebody can go on, and let all go on who can."""
        self._asleep = True
        # What is told from here on rings; what was told just before has not, and does not wait.
        ready = self._sockets.select(0 if self._told else _TICK)
        self._asleep = False
        for key, _ in ready:
            if key.fileobj is self._bell:
                self._bell.recv(2**12)
            else:
                self._go_on(cast(socket.socket, key.fileobj), ready=True)
        if (now := time.monotonic()) > self._ticked + _TICK:
            self._ticked = now
            for sock in [sock for sock, (_, until) in self._waiting.items() if until <= now]:
                self._go_on(sock, ready=False)

    def _go_on(self, sock: socket.socket, *, ready: bool) -> None:
        who, _ = self._waiting.pop(sock)
        self._sockets.unregister(sock)
        who.switch(ready)


class _Conversation(greenlet):
    """One of a loop's conversations."""

    def __init__(self, loop: Loop, talk: Callable[[], object], parent: greenlet) -> None:
        super().__init__(None, parent)
        self.loop = loop
        self._talk = talk

    def run(self) -> None:
        """greenlet's: what it does."""
        try:
            self._talk()
        finally:
            self.loop.over()


def _loop() -> Loop | None:
    """The one whose conversation this is."""
    current = getcurrent()
    return current.loop if isinstance(current, _Conversation) else None


def ready(sock: socket.socket, seconds: float, *, writing: bool = False) -> bool:
    """Whether a socket can be read (or written) within so many seconds."""
    event = selectors.EVENT_WRITE if writing else selectors.EVENT_READ
    if loop := _loop():
        return loop.ready(sock, seconds, event)
    with _Poll() as poll:
        poll.register(sock, event)
        return bool(poll.select(seconds))


def aside(act: Callable[[], T]) -> T:
    """What `act` gives, which waits where nobody else could go on meanwhile: in a library, or for another thread."""
    if (loop := _loop()) is None:
        return act()
    me, done = getcurrent(), Future[T]()

    def work() -> None:
        try:
            done.set_result(act())
        except BaseException as error:
            done.set_exception(error)
        loop.tell(me.switch)

    try:
        # A daemon, so that an impatient operator is not held by a name server that does not answer.
        threading.Thread(target=work, daemon=True).start()
    except RuntimeError:
        return act()  # this computer has no thread left
    loop.hand_on()
    return done.result()


class Signal:
    """What one waits for until another gives it, once. Made by who waits, right before it does; given by any thread."""

    def __init__(self) -> None:
        self._loop, self._who = _loop(), getcurrent()
        self._given = threading.Event()

    def give(self) -> None:
        """Let who waits go on."""
        self._given.set()
        if self._loop:
            self._loop.tell(self._who.switch)

    def wait(self) -> None:
        """Until it is given."""
        if self._loop:
            self._loop.hand_on()
        else:
            self._given.wait()
