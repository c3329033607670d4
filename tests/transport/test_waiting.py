"""Conversations that share one thread: who waits holds up nobody, and what comes of it is what a thread of its own
would have had."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from provisioner.errors import GatewayError
from provisioner.transport import waiting
from provisioner.transport.http import Endpoint, HttpConnection


def together(*talks: Callable[[], object]) -> None:
    """All of them as conversations of one loop, in this thread, to their ends."""
    loop = waiting.Loop()
    for talk in talks:
        loop.tell(lambda talk=talk: loop.begin(talk))  # type: ignore[misc]
    loop.tell(loop.end)
    loop.run()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a line, neither of which blocks."""
    ends = socket.socketpair()
    for end in ends:
        end.setblocking(False)
    yield ends
    for end in ends:
        end.close()


def test_who_waits_for_a_socket_lets_the_others_go_on(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    heard = []

    def hears() -> None:
        assert waiting.ready(ours, 10)
        heard.append(ours.recv(10))

    def says() -> None:
        assert waiting.ready(theirs, 10, writing=True)
        theirs.send(b"hello")

    together(hears, says)
    assert heard == [b"hello"]


def test_a_line_that_stays_silent_is_given_up_when_its_time_is_over(pair: tuple[socket.socket, socket.socket]) -> None:
    """And not before, however much the others have to do."""
    begun, ended = time.monotonic(), []

    def waits(seconds: float) -> None:
        assert not waiting.ready(pair[0 if seconds < 1 else 1], seconds)
        ended.append((seconds, time.monotonic() - begun))

    def works() -> None:
        for _ in range(200):
            waiting.aside(lambda: time.sleep(0.005))

    together(lambda: waits(1.2), lambda: waits(0.3), works)
    assert [seconds for seconds, _ in ended] == [0.3, 1.2]
    assert all(seconds <= took for seconds, took in ended)


def test_what_would_block_is_done_aside_and_its_error_is_ones_own() -> None:
    hung, order = threading.Event(), []

    def blocks() -> None:
        assert waiting.aside(lambda: hung.wait(30))
        order.append("blocked")
        with pytest.raises(KeyError, match="of its own"):
            waiting.aside(lambda: dict[str, int]()["of its own"])

    def goes_on() -> None:
        order.append("went on")
        hung.set()

    together(blocks, goes_on)
    assert order == ["went on", "blocked"]


@pytest.mark.parametrize("by", ["a conversation", "a thread"])
def test_a_signal_wakes_who_waits_for_it(by: str) -> None:
    signals: list[waiting.Signal] = []

    def waits() -> None:
        signals.append(waiting.Signal())
        signals[0].wait()

    def gives() -> None:
        if by == "a thread":
            waiting.aside(lambda: signals[0].give())
        else:
            signals[0].give()

    together(waits, gives)
    assert len(signals) == 1


def test_a_loop_that_is_over_hears_no_more() -> None:
    """Who judged the last answer tells it so when it may have ended."""
    loop = waiting.Loop()
    loop.tell(loop.end)
    loop.run()
    loop.tell(loop.end)


@pytest.fixture
def doors() -> Iterator[dict[str, tuple[str, int]]]:
    """Addresses by what happens to who knocks there."""
    with ExitStack() as stack:
        busy, free = stack.enter_context(socket.socket()), stack.enter_context(socket.socket())
        for door, queue in ((busy, 0), (free, 5)):
            door.bind(("127.0.0.1", 0))
            door.listen(queue)
        for _ in range(3):
            # The first waits to be accepted; who comes after it is not answered.
            knocks = stack.enter_context(socket.socket())
            knocks.setblocking(False)
            knocks.connect_ex(busy.getsockname())
        yield {
            "somebody accepts": free.getsockname(),
            "nobody answers": busy.getsockname(),
            "it is refused": ("127.0.0.1", 1),
            "no such name": ("no-such-name.invalid", 5985),
        }


def opened(host: str, port: int) -> tuple[str, bool]:
    """What comes of opening a line: why it failed, and whether nothing accepted it."""
    line = HttpConnection(Endpoint(host=host, port=port, path="/", deadline=time.monotonic() + 1))
    try:
        line.open()
    except GatewayError as error:
        return error.message, error.absent
    finally:
        line.close()
    return "", False


@pytest.mark.parametrize("case", ["somebody accepts", "nobody answers", "it is refused", "no such name"])
def test_a_line_of_a_conversation_fails_as_one_of_a_thread_does(case: str, doors: dict[str, tuple[str, int]]) -> None:
    """Above all in whether that PC may be on: by that a migration is fenced."""
    found: list[tuple[str, bool]] = []
    together(lambda: found.append(opened(*doors[case])))
    assert found == [opened(*doors[case])]
    assert bool(found[0][0]) == (case != "somebody accepts")
    if case in {"nobody answers", "it is refused"}:
        assert found[0][1] == (case == "nobody answers")
