"""Where passwords come from, and the guard that keeps a wrong one from locking an account."""

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from provisioner.errors import InputError, NotTried, Refused, Unreachable
from provisioner.model.settings import Connection
from provisioner.transport import credentials, waiting
from provisioner.transport.credentials import Credential, LoginGuard


def no_prompt(question: str) -> str:
    raise AssertionError(f"asked: {question}")


def attempt(guard: LoginGuard, error: Exception | None) -> None:
    with guard.turn():
        if error:
            raise error


def refused(guard: LoginGuard) -> None:
    with pytest.raises(Refused):
        attempt(guard, Refused("no"))


def test_two_refusals_before_a_success_end_the_trying() -> None:
    guard = LoginGuard()
    refused(guard)
    refused(guard)
    with pytest.raises(NotTried, match="2 others were refused"):
        attempt(guard, None)


def test_a_broken_line_is_no_refusal() -> None:
    guard = LoginGuard()
    for _ in range(5):
        with pytest.raises(Unreachable):
            attempt(guard, Unreachable("gone"))
    attempt(guard, None)


def test_after_a_success_only_five_refusals_in_a_row_end_it() -> None:
    guard = LoginGuard()
    attempt(guard, None)
    for _ in range(4):
        refused(guard)
    attempt(guard, None)
    for _ in range(5):
        refused(guard)
    with pytest.raises(NotTried):
        attempt(guard, None)


@dataclass
class Account:
    """An account behind a guard, tried by as many threads as there are gateways, or conversations of one loop: so that
    what could happen at once does."""

    guard: LoginGuard = field(default_factory=LoginGuard)
    tried: list[int] = field(default_factory=list)
    kept_out: list[int] = field(default_factory=list)
    under_way: int = 0
    most: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    in_one_thread: bool = False

    def log_in(self, gateways: int, refuses: Callable[[int], bool]) -> None:
        each = [partial(self._one, number, refuses) for number in range(gateways)]
        if self.in_one_thread:
            loop = waiting.Loop()
            for one in each:
                loop.tell(partial(loop.begin, one))
            loop.tell(loop.end)
            loop.run()
        else:
            threads = [threading.Thread(target=one) for one in each]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
        assert len(self.tried) + len(self.kept_out) == gateways

    def _one(self, number: int, refuses: Callable[[int], bool]) -> None:
        try:
            with suppress(Refused), self.guard.turn(str(number)):
                with self._lock:
                    self.under_way += 1
                    self.most = max(self.most, self.under_way)
                    self.tried.append(number)
                    refused = refuses(len(self.tried))
                # The others' turn.
                waiting.aside(os.sched_yield)
                with self._lock:
                    self.under_way -= 1
                if refused:
                    raise Refused("no")
        except NotTried:
            with self._lock:
                self.kept_out.append(number)


TOGETHER = pytest.mark.parametrize("in_one_thread", [False, True], ids=["threads", "one loop"])


@TOGETHER
def test_two_hundred_with_a_wrong_password_try_it_twice(in_one_thread: bool) -> None:
    account = Account(in_one_thread=in_one_thread)
    account.log_in(200, lambda number: True)
    assert (len(account.tried), len(account.kept_out), account.most) == (2, 198, 1)


@TOGETHER
def test_one_success_and_then_refusals_at_once_are_five_at_most(in_one_thread: bool) -> None:
    """The first gateway may take what no other takes: the other 199 must not all find out at the same time."""
    account = Account(in_one_thread=in_one_thread)
    account.log_in(200, lambda number: number > 1)
    assert len(account.tried) == 6
    assert account.most <= 5


@TOGETHER
def test_a_password_that_is_changed_in_the_middle_is_refused_five_times_at_most(in_one_thread: bool) -> None:
    account = Account(in_one_thread=in_one_thread)
    account.log_in(200, lambda number: number > 80)
    assert len(account.tried) == 85


@TOGETHER
def test_a_right_password_gets_everybody_in(in_one_thread: bool) -> None:
    account = Account(in_one_thread=in_one_thread)
    account.log_in(200, lambda number: number % 3 == 2)
    assert account.kept_out == []


def test_a_success_that_began_before_a_refusal_does_not_wipe_it_out() -> None:
    """It shows what the password was when it began, not what it is."""
    guard = LoginGuard()
    attempt(guard, None)
    with guard.turn():
        for _ in range(4):
            refused(guard)
    refused(guard)
    with pytest.raises(NotTried, match="5 others were refused"):
        attempt(guard, None)


def test_who_waits_no_longer_leaves_the_turn_to_the_next() -> None:
    """Ctrl-C, while two wait for the turn of a third."""
    guard, let_in = LoginGuard(), threading.Event()

    class Impatient(BaseException):
        pass

    def waits(patient: bool) -> None:
        with pytest.MonkeyPatch.context() as patch, suppress(Impatient):
            if not patient:
                patch.setattr(waiting.Signal, "wait", gives_up)
            with guard.turn("patient"):
                let_in.set()

    def gives_up(signal: waiting.Signal) -> None:
        raise Impatient

    with guard.turn("first"):
        waits(patient=False)
        threading.Thread(target=waits, args=(True,), daemon=True).start()
        time.sleep(0.1)
    assert let_in.wait(10)


def test_who_hangs_in_a_log_in_does_not_keep_the_others_out_once_one_was_let_in() -> None:
    guard = LoginGuard()
    attempt(guard, None)
    with guard.turn("hangs"), guard.turn("hangs too"):
        attempt(guard, None)


def test_a_gateway_that_refused_is_not_asked_again() -> None:
    guard = LoginGuard()
    attempt(guard, None)
    with pytest.raises(Refused), guard.turn("gw1"):
        raise Refused("no")
    with pytest.raises(NotTried, match="this gateway has refused it before"):
        guard.check("gw1")
    with pytest.raises(NotTried, match="this gateway has refused it before"), guard.turn("gw1"):
        pass
    guard.check("gw2")
    with guard.turn("gw2"):
        pass


def test_a_shut_guard_says_so_before_anything_is_connected() -> None:
    guard = LoginGuard()
    refused(guard)
    refused(guard)
    with pytest.raises(NotTried, match="2 others were refused"):
        guard.check("gw1")


def test_the_password_of_a_file_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("geheim\n")
    (tmp_path / "password").chmod(0o600)
    found = credentials.find(
        Connection(user="LAB\\me", credential="file", credential_file="password"), tmp_path, no_prompt
    )
    assert found.password == "geheim"
    assert "geheim" not in repr(found)


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("geheim\n")
    (tmp_path / "password").chmod(0o640)
    with pytest.raises(InputError, match="can be read by others") as caught:
        credentials.find(Connection(credential="file", credential_file="password"), tmp_path, no_prompt)
    assert "chmod 600" in caught.value.hint
    assert "geheim" not in str(caught.value)


def test_the_environment_is_emptied_when_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVISIONER_PASSWORD", "geheim")
    assert credentials.find(Connection(credential="environment"), tmp_path, no_prompt).password == "geheim"
    assert "PROVISIONER_PASSWORD" not in os.environ
    with pytest.raises(InputError, match="is not set"):
        credentials.find(Connection(credential="environment"), tmp_path, no_prompt)


def test_windows_keeps_its_tickets_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """There is no library of ours there: SSPI has the ticket of whoever is logged on."""
    monkeypatch.setattr(credentials, "_KEEPS_TICKETS", True)
    assert credentials.ticket(Connection(), Credential("", ""), tmp_path) is None
    assert credentials.ticket(Connection(credential="file", user="u@R"), Credential("u@R", "p"), tmp_path) is None
    with pytest.raises(InputError, match="Windows takes no keytab"):
        credentials.ticket(Connection(credential="keytab", credential_file="k"), Credential("", ""), tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_secret_is_without_the_mark_of_its_file(encoding: str, tmp_path: Path) -> None:
    """Notepad and PowerShell put one before it, and a password with it counts towards locking the account."""
    path = tmp_path / "password"
    path.touch(mode=0o600)
    path.write_bytes("p\u00e4ss word\r\n".encode(encoding))
    assert credentials.read_private(path) == "p\u00e4ss word"
    path.write_bytes("p\u00e4ss".encode("cp1252"))
    with pytest.raises(InputError, match="cannot be read"):
        credentials.read_private(path)
