"""A slow and polite knock: at which addresses of a range does WinRM answer? Without a log-in."""

import queue
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from provisioner.transport.http import Endpoint, identify

# How many addresses are begun with in a second, how many are under way at most, and how long one may take.
A_SECOND, AT_ONCE, SECONDS = 20.0, 32, 2.0


def estimate(addresses: int) -> float:
    """How many seconds it takes, where nobody answers."""
    return addresses * max(1 / A_SECOND, SECONDS / AT_ONCE) + SECONDS


def knock(
    addresses: Sequence[str], ask: Callable[[str], bool], a_second: float = A_SECOND
) -> Iterator[tuple[str, bool]]:
    """Each address, as it comes, with whether something answers there as `ask` has it, which must not raise.

    Leaving the loop early (Ctrl-C) begins with no further one.
    """
    done: queue.SimpleQueue[tuple[str, bool]] = queue.SimpleQueue()
    over = threading.Event()
    room = threading.Semaphore(AT_ONCE)

    def one(address: str) -> None:
        try:
            done.put((address, ask(address)))
        finally:
            room.release()

    def begin() -> None:
        for address in addresses:
            while not room.acquire(timeout=0.2):
                if over.is_set():
                    return
            if over.is_set():
                return
            try:
                # Daemons, so that an impatient operator is not held by an address that does not answer.
                threading.Thread(target=one, args=(address,), daemon=True).start()
            except RuntimeError:
                one(address)  # this computer has no thread left
            over.wait(1 / a_second)

    try:
        threading.Thread(target=begin, daemon=True).start()
    except RuntimeError:
        yield from _one_by_one(addresses, ask, a_second)
        return
    try:
        for _ in addresses:
            yield done.get()
    finally:
        over.set()


def _one_by_one(addresses: Sequence[str], ask: Callable[[str], bool], a_second: float) -> Iterator[tuple[str, bool]]:
    """The same on a computer that has no thread left."""
    for address in addresses:
        yield address, ask(address)
        time.sleep(1 / a_second)


def winrm_answers(address: str, port: int, path: str, tls: bool) -> bool:
    """Whether WinRM is there, by its own question for that, which needs no log-in and says nothing of us."""
    return identify(
        Endpoint(host=address, port=port, path=path, deadline=time.monotonic() + SECONDS, tls=_any() if tls else None)
    )


def _any() -> ssl.SSLContext:
    """TLS by which nobody is trusted: nothing is sent that could not be sent to anybody, and a certificate is for a
    name, which is not known yet."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
