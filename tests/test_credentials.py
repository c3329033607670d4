"""Where passwords come from, and the guard that keeps a wrong one from locking an account."""

import threading
from pathlib import Path

import pytest

from provisioner import credentials
from provisioner.credentials import LoginGuard
from provisioner.errors import InputError, NotTried, Refused, Unreachable
from provisioner.settings import Connection


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


def test_many_threads_with_a_wrong_password_try_it_twice() -> None:
    guard, tried, kept_out = LoginGuard(), [], []

    def run(number: int) -> None:
        try:
            with guard.turn():
                tried.append(number)
                raise Refused("no")
        except Refused:
            return
        except NotTried:
            kept_out.append(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (len(tried), len(kept_out)) == (2, 38)


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
    import os

    monkeypatch.setenv("PROVISIONER_PASSWORD", "geheim")
    assert credentials.find(Connection(credential="environment"), tmp_path, no_prompt).password == "geheim"
    assert "PROVISIONER_PASSWORD" not in os.environ
    with pytest.raises(InputError, match="is not set"):
        credentials.find(Connection(credential="environment"), tmp_path, no_prompt)
