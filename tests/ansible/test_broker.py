"""The socket by which Ansible asks for secrets and turns: who gets what, and no refused password is tried again."""

import json
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provisioner import remedies
from provisioner.ansible import inventory, playbook, results
from provisioner.ansible.broker import SecretsSocket
from provisioner.ansible.results import StepResult
from provisioner.errors import InputError, NotTried
from provisioner.fleet import load
from provisioner.lab import Handle
from provisioner.transport.credentials import LoginGuard
from provisioner.transport.diagnosis import REFUSED
from tests.ansible.playbooks import root, step
from tests.conftest import own_run_tag

__all__ = ["root"]  # fixtures


def test_roles_on_a_real_winrm_and_a_refused_password(lab: Callable[..., Handle]) -> None:
    pretend = lab("A81001", "A81002")
    fleet = load(pretend.folder)
    one, other = fleet.known
    hosts = {row.name: inventory.connection(fleet, row) for row in fleet.known}
    steps = []
    for row in (one, other):
        role, values = remedies.values(fleet, row, "firewall")
        steps.append(replace(step(row.name, role), values=values))
    password = (pretend.folder / fleet.settings.connection.credential_file).read_text().strip()
    answers = {one.name: password, other.name: "wrong"}
    acted = playbook.run(steps, hosts, answers.__getitem__, run_tag=own_run_tag("m3"), turn=LoginGuard().turn)
    assert (acted[f"{one.name}-firewall"].result, acted[f"{one.name}-firewall"].changed) == ("ok", True)
    assert acted[f"{other.name}-firewall"].result == "refused"
    again = playbook.run(steps[:1], hosts, answers.__getitem__, run_tag=own_run_tag("m3"))
    assert (again[f"{one.name}-firewall"].result, again[f"{one.name}-firewall"].changed) == ("ok", False)
    assert not [said for said in (*acted.values(), *again.values()) if password in repr(said)]


def refusals(pretend: Handle) -> int:
    return sum(event["event"] == "login_refused" for event in pretend.events())


def knocking(pretend: Handle, root: Path, guard: LoginGuard | None, **options: Any) -> list[StepResult]:
    """What comes of reaching every gateway of the lab, over and over."""
    fleet = load(pretend.folder)
    steps = [step(row.name, "knocks") for row in fleet.known]
    hosts = {row.name: inventory.connection(fleet, row) for row in fleet.known}
    given = {
        "run_tag": own_run_tag("m4"),
        "secrets": lambda name: pretend.password,
        "turn": guard.turn if guard else None,
        **options,
    }
    return list(playbook.run(steps, hosts, root=root, **given).values())


def test_a_guarded_log_in_is_a_log_in(lab: Callable[..., Handle], root: Path) -> None:
    pretend, guard = lab("A81001", "A81002"), LoginGuard()
    assert [one.result for one in knocking(pretend, root, guard)] == ["ok", "ok"]
    assert refusals(pretend) == 0


def test_a_refused_password_is_not_tried_again_by_the_next_item_of_a_loop(
    lab: Callable[..., Handle], root: Path
) -> None:
    pretend, guard = lab("A81001"), LoginGuard()
    (said,) = knocking(pretend, root, guard, secrets=lambda name: "wrong")
    assert said.result == "refused"
    assert "the log-in of LAB\\provisioner by ntlm was refused" in said.message
    assert refusals(pretend) == 1
    with pytest.raises(NotTried, match="refused it before"):
        guard.check("A81001")


def test_a_password_that_is_changed_under_ansible_is_refused_five_times_at_most(
    lab: Callable[..., Handle], root: Path
) -> None:
    """The gateways have been read, and all start at once; unguarded each of them would refuse three times."""
    pretend, guard = lab(*(f"A8100{number}" for number in range(9))), LoginGuard()
    with guard.turn("read before"):
        pass
    changed = threading.Event()

    def task(gateway: str, role: str, name: str) -> None:
        if name == "Reach it once more" and not changed.is_set():
            changed.set()
            pretend.set("*", "refuses_login")

    acted = knocking(pretend, root, guard, on_task=task)
    assert changed.is_set()
    assert 1 <= refusals(pretend) <= LoginGuard.after_success
    assert {one.result for one in acted} <= {"ok", "refused"}
    before = refusals(pretend)
    if before == LoginGuard.after_success:
        with pytest.raises(NotTried):
            guard.check("A81000")
    assert {one.result for one in knocking(pretend, root, guard)} == {"refused"}
    assert refusals(pretend) <= LoginGuard.after_success


def ask(path: Path, question: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(path))
        client.sendall(question)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(4096), b""))


def test_the_socket_answers_what_it_was_told_and_no_more(tmp_path: Path) -> None:
    def secret(name: str) -> str:
        if name == "B84002":
            raise InputError("no credential for B84002")
        return f"of {name}"

    path = tmp_path / "ask"
    with SecretsSocket(path, ["B84001", "B84002"], secret):
        assert path.stat().st_mode & 0o077 == 0
        assert ask(path, b"B84001\n") == b"of B84001"
        assert ask(path, b"B84002\n") == ask(path, b"B84003\n") == ask(path, b"\xff" * 5000) == ask(path, b"") == b""
        assert ask(path, b"B84001\n") == b"of B84001"
    with pytest.raises(OSError):
        ask(path, b"B84001\n")


def test_what_a_role_found_is_heard_before_it_is_answered(tmp_path: Path) -> None:
    path, heard = tmp_path / "ask", list[tuple[str, str, Any]]()
    found = {"changed": {"Description": "x" * 100_000}}
    with SecretsSocket(path, ["B84001"], lambda name: "", found=lambda *told: heard.append(told)):
        line = f"found:{json.dumps(['B84001', 'firewall', found])}\n".encode()
        assert ask(path, line) == b"ok\n"
        assert heard == [("B84001", "firewall", found)]
        # Nobody of this run; no whole line.
        for other in (line.replace(b"B84001", b"B84002"), b"found:[1]\n", line[:500], b"found:\xff\n"):
            ask(path, other)
    assert len(heard) == 1


def test_a_turn_is_the_guards(tmp_path: Path) -> None:
    path, guard = tmp_path / "ask", LoginGuard()
    with SecretsSocket(path, ["B84001", "B84002"], lambda name: "", guard.turn):
        assert ask(path, b"turn:B84003\n") == b""
        # Who goes away without a word was neither let in nor refused, and has no turn any more.
        for _ in range(3):
            assert ask(path, b"turn:B84001\n") == b"go\n"
        assert ask(path, b"turn:B84001\nin\n") == b"go\n"
        assert ask(path, b"turn:B84001\nntlm: Connection reset\n") == b"go\n"
        guard.check("B84001")
        assert ask(path, f"turn:B84001\n{REFUSED}in whatever words\n".encode()) == b"go\n"
        assert ask(path, b"turn:B84001\n").startswith(b"<provisioner:not-tried> no log-in was tried again")
        assert ask(path, b"turn:B84002\nin\n") == b"go\n"


def test_why_a_loop_did_not_get_in_is_what_its_items_say() -> None:
    words = "in whatever words"
    item = {"unreachable": True, "msg": f"{REFUSED}{words}"}
    res = {"unreachable": True, "msg": "All items completed", "results": [item]}
    data = {"host": "B84001", "role": "quiet", "res": res}
    said = results.by_step(
        [step("B84001", "quiet")], [{"event": "runner_on_unreachable", "event_data": data}], "", False
    )
    assert (said["B84001-quiet"].result, said["B84001-quiet"].message) == ("refused", words)
