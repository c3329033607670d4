"""Who waits for shards, and for migrations, hears the operator meanwhile."""

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from provisioner.execute.shards import ended


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals are given to threads on POSIX alone")
def test_a_signal_that_another_thread_was_given_is_heard_while_that_goes_on() -> None:
    """As it is to one that forks: nothing wakes the main thread, in which Python hears it."""
    heard = threading.Event()
    before = signal.signal(signal.SIGUSR1, lambda *_: heard.set())
    try:
        with ThreadPoolExecutor(1) as pool:

            def work() -> bool:
                # By then the main thread waits.
                time.sleep(0.5)
                signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
                return heard.wait(10)

            running = pool.submit(work)
            assert ended([running]) == {running}
            assert running.result()
    finally:
        signal.signal(signal.SIGUSR1, before)
