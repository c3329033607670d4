"""What ends a run from outside: each signal, as the system sends it."""

import os
import signal
import sys
from collections.abc import Iterator

import pytest

from provisioner.cli.runs import Interrupts

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@pytest.fixture(autouse=True)
def heeded() -> Iterator[None]:
    """As in a terminal, also where the tests themselves run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("number", "times"), [(signal.SIGINT, 1), (signal.SIGTERM, 2), (getattr(signal, "SIGHUP", 0), 1)]
)
def test_what_counts_as_ctrl_c(number: signal.Signals, times: int) -> None:
    """A closed terminal too: else the process dies in the middle of a step, and nobody is told what it had begun."""
    before, interrupts = signal.getsignal(number), Interrupts()
    with interrupts.caught():
        os.kill(os.getpid(), number)
        assert interrupts.count == times
    assert signal.getsignal(number) == before


def test_under_nohup_a_closed_terminal_ends_nothing() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    interrupts = Interrupts()
    try:
        with interrupts.caught():
            os.kill(os.getpid(), signal.SIGHUP)
            assert not interrupts.once()
    finally:
        signal.signal(signal.SIGHUP, before)
