"""Whether a gateway is back, without a log-in."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from provisioner.lab.process.client import Handle
from provisioner.model import Gateway, Role
from provisioner.model.settings import Connection
from provisioner.transport import winrm
from provisioner.transport.credentials import LoginGuard
from provisioner.transport.session import Login
from tests.transport.calls import shared

__all__ = ["shared"]  # fixtures


@pytest.fixture
def knock(shared: Handle) -> Iterator[Callable[..., bool]]:
    """Knocks at a gateway of the lab, or at another port. The password would be refused, and is never asked."""

    def run(
        name: str = "A84002", *, tls: bool = False, trusted: bool = True, port: int = 0, seconds: float = 5.0
    ) -> bool:
        connection = Connection(transport="ntlm", tls=tls, ca_file=str(shared.ca_file) if trusted else "")
        gateway = Gateway(
            name=name, practice=name, practice_name="", address="127.0.0.1", role=Role.ACTIVE, path=f"/{name}/wsman",
            port=port or (shared.tls_port if tls else shared.port),
        )  # fmt: skip
        login = Login(transport="ntlm", user="nobody", password="wrong", turn=LoginGuard().turn)
        caller = winrm.Caller(connection=connection, tls=winrm.tls_context(connection, Path()), login=login)
        return winrm.probe(gateway, caller, seconds)

    yield run
    shared.set("*", "none")


@pytest.mark.parametrize("tls", [False, True])
def test_a_gateway_that_is_there_answers_a_knock(tls: bool, knock: Callable[..., bool], shared: Handle) -> None:
    before = len(shared.events())
    assert knock(tls=tls)
    assert len(shared.events()) == before


@pytest.mark.parametrize("fault", ["refuses_login", "locked_account", "no_rights", "shell_quota", "clock_skew"])
def test_a_gateway_that_is_there_and_not_well_answers_a_knock(
    fault: str, knock: Callable[..., bool], shared: Handle
) -> None:
    shared.set("A84005", fault)
    assert knock("A84005")


@pytest.mark.parametrize("fault", ["offline", "proxy", "proxy=407"])
def test_who_is_not_there_does_not_answer_a_knock(fault: str, knock: Callable[..., bool], shared: Handle) -> None:
    shared.set("A84005", fault)
    assert not knock("A84005")


def test_a_knock_at_what_is_something_else(knock: Callable[..., bool], shared: Handle) -> None:
    assert not knock(port=9)
    assert not knock("A89999")
    assert not knock(tls=True, port=shared.port)
    assert not knock(tls=False, port=shared.tls_port)
    assert not knock(tls=True, trusted=False)


def test_a_knock_is_over_in_its_time(knock: Callable[..., bool], shared: Handle) -> None:
    shared.set("A84005", "hangs")
    begun = time.monotonic()
    assert not knock("A84005", seconds=0.2)
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("answer", "there"),
    [
        (b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n", True),
        (b'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="WSMAN"\r\nContent-Length: 0\r\n\r\n', True),
        (b'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="Router"\r\nContent-Length: 0\r\n\r\n', False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nIdentifyResponse, and then gone", False),
        (b"SSH-2.0-OpenSSH_9.2\r\n", False),
        (b"\x00" * 70000, False),
        (b"", False),
    ],
)
def test_what_counts_as_winrm(answer: bytes, there: bool, knock: Callable[..., bool]) -> None:
    asked: list[bytes] = []

    def serve() -> None:
        taken, _ = listener.accept()
        with taken, suppress(OSError):
            asked.append(taken.recv(65536))
            taken.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        assert knock(port=listener.getsockname()[1]) is there
        thread.join(10)
    assert b"WSMANIDENTIFY: unauthenticated" in asked[0]
    assert b"Authorization" not in asked[0]


def test_many_knocks_leave_nothing_open(knock: Callable[..., bool], shared: Handle) -> None:
    """`apply --wait` knocks for hours: not one thread or connection may stay behind."""
    shared.set("A84005", "offline")
    shared.set("A84006", "proxy")
    threads, files = threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(10):
        assert [knock(name) for name in ("A84002", "A84005", "A84006")] == [True, False, False]
        assert not knock(port=9)
        assert not knock(tls=True, trusted=False)
    assert (threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))) == (threads, files)
