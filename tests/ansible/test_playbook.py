"""A real ansible-playbook on roles made for the purpose: what it says of each step, and what it must never learn."""

import multiprocessing
import multiprocessing.synchronize
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from provisioner import processes
from provisioner.ansible import playbook, results
from provisioner.errors import GatewayError, Refused, Unreachable
from provisioner.transport.diagnosis import REFUSED
from tests.ansible.playbooks import LOCAL, MARK, ROLES, filled, root, run, step
from tests.conftest import own_run_tag

__all__ = ["root"]  # fixtures


def left_over(run_tag: str) -> list[object]:
    return [*processes.tagged(run_tag), *Path(tempfile.gettempdir()).glob(f"provisioner-{run_tag}-*")]


def test_each_step_has_its_own_answer(root: Path, tmp_path: Path) -> None:
    acted = run(
        root,
        step("B84001", "quiet"),
        step("B84001", "changes", changes_path=str(tmp_path / "made")),
        step("B84002", "quiet"),
        step("B84002", "breaks"),
        step("B84002", "changes", changes_path=str(tmp_path / "never")),
        step("B84003", "stops_early"),
        step("B84003", "rescued"),
    )
    assert {id: (one.result, one.changed) for id, one in acted.items()} == {
        "B84001-quiet": ("ok", False),
        "B84001-changes": ("ok", True),
        "B84002-quiet": ("ok", False),
        "B84002-breaks": ("failed", False),
        "B84002-changes": ("skipped", False),
        "B84003-stops_early": ("unknown", False),
        "B84003-rescued": ("ok", False),
    }
    assert acted["B84001-quiet"].before == {"rule": "none"}
    # Told before anything was changed: it is known of a failure too, and hides none.
    assert acted["B84002-breaks"].before == {"rule": "as it was"}
    assert acted["B84002-breaks"].message == "Look at it: [31maccess denied"
    assert acted["B84002-changes"].message == "not tried, because breaks did not finish here"
    assert acted["B84001-changes"].seconds > 0
    assert (tmp_path / "made").read_text() == "new\n"
    assert left_over(own_run_tag("m0")) == []


def test_what_ansible_said_is_kept_a_line_a_task_without_what_is_hidden(root: Path, tmp_path: Path) -> None:
    path = str(tmp_path / "made")
    files = [{"secrets": {"pin": "pin"}}]
    steps = [
        step("B84001", "changes", changes_path=path), step("B84001", "breaks"), step("B84001", "quiet"),
        step("B84002", "hides", hides_path=str(tmp_path / "secret"), connector_files=files),
    ]  # fmt: skip
    acted = run(root, *steps)
    assert acted["B84001-changes"].output == ("changed: Write a file", "ok: Say what was there")
    assert acted["B84001-breaks"].output == (
        "ok: Keep what was there", "failed: Look at it: [31maccess denied",
    )  # fmt: skip
    assert acted["B84001-quiet"].output == ()
    hidden = acted["B84002-hides"].output
    assert [line.split(":")[:2] for line in hidden] == [
        ["failed", " Say it"], ["failed", " Look at what is not there"], ["skipped", " Leave it out"],
        ["ok or changed", " Write it"], ["failed", " Break"],
    ]  # fmt: skip
    assert hidden[0].endswith("(passed over)")
    assert (tmp_path / "secret").read_text() == f"{MARK}-secret:pin"
    assert MARK not in repr(acted)


def test_what_ansible_said_has_an_end() -> None:
    events = [
        {"event": "runner_on_ok", "event_data": {"host": "B84001", "role": "quiet", "task": f"{number} {'x' * 900}"}}
        for number in range(500)
    ]
    output = results.by_step([step("B84001", "quiet")], events, "", False)["B84001-quiet"].output
    assert len(output) == 200
    assert max(map(len, output)) <= 600
    assert (output[0][:5], output[100], output[-1][:7]) == ("ok: 0", "... 301 lines are left out", "ok: 499")


@pytest.mark.parametrize("told", [-3600.0, 3600.0, float("nan"), None, "1"])
def test_a_clock_that_is_set_while_a_task_runs_makes_it_no_longer(told: Any) -> None:
    """What remedies are thought to take is what was measured: a plan said that it takes less than nothing, or an hour
    too much, and was begun, or was not, by that."""
    events = list[Mapping[str, Any]]()
    keep = playbook._keeper(events, lambda *_: None)
    data = {"host": "B84001", "role": "quiet", "task": "Say what was there", "duration": told, "res": {}}
    assert keep({"event": "runner_on_ok", "event_data": data})
    took = results.by_step([step("B84001", "quiet")], events, "", False)["B84001-quiet"].seconds
    assert 0 <= took < 5


def test_a_check_changes_nothing_and_shows_the_difference(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_text("old\n")
    acted = run(root, step("B84001", "changes", changes_path=str(path)), check=True)
    assert path.read_text() == "old\n"
    assert acted["B84001-changes"].changed
    (difference,) = acted["B84001-changes"].differences
    assert (difference.task, difference.before, difference.after) == ("Write a file", "old\n", "new\n")


def test_each_gateway_has_its_roles_in_its_own_order(tmp_path: Path) -> None:
    """By the real playbook. What several gateways answer is handled at once, as it is on a busy controller."""
    root, order = filled(tmp_path, dict.fromkeys(("first", "second", "last"), ROLES["quiet"])), list[tuple[str, str]]()
    config = root / "ansible.cfg"
    config.write_text(config.read_text().replace("[defaults]\n", "[defaults]\ninternal_poll_interval = 0.5\n"))
    steps = [step(f"B8400{number}", "last") for number in range(5)]
    steps += [step("B84009", role) for role in ("first", "second", "last")]
    acted = run(root, *steps, on_task=lambda gateway, role, task: order.append((gateway, role)))
    assert {one.result for one in acted.values()} == {"ok"}
    assert [role for gateway, role in order if gateway == "B84009"] == ["first", "second", "last"]


def test_a_gateway_without_an_answer_is_unreachable(root: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        host = {
            "ansible_connection": "winrm", "ansible_host": "127.0.0.1", "ansible_port": closed.getsockname()[1],
            "ansible_winrm_scheme": "http", "ansible_winrm_transport": "ntlm", "ansible_user": "u",
            "ansible_password": LOCAL["ansible_password"],
        }  # fmt: skip
        acted = run(root, step("B84001", "touches"), hosts={"B84001": host})
    assert acted["B84001-touches"].result == "unreachable"
    assert "refused" in acted["B84001-touches"].message


@pytest.mark.parametrize(
    ("words", "result"),
    [
        (f"{REFUSED}in whatever words", "refused"),
        ("ntlm: HTTPConnectionPool(host='x'): Max retries exceeded", "unreachable"),
    ],
)
def test_a_refused_password_is_told_apart(words: str, result: str) -> None:
    data = {"host": "B84001", "role": "quiet", "res": {"unreachable": True, "msg": words}}
    said = results.by_step(
        [step("B84001", "quiet")], [{"event": "runner_on_unreachable", "event_data": data}], "", False
    )
    assert (said["B84001-quiet"].result, said["B84001-quiet"].message) == (result, words.removeprefix(REFUSED))


@pytest.mark.parametrize(("kind", "result"), [(Refused, "refused"), (Unreachable, "unreachable")])
def test_without_a_ticket_nothing_is_begun(kind: type[GatewayError], result: str, root: Path, tmp_path: Path) -> None:
    def ticket(path: Path) -> None:
        raise kind("the ticket has expired", "Get a new one.")

    made = tmp_path / "made"
    acted = run(root, step("B84001", "changes", changes_path=str(made)), ticket=ticket)
    assert acted["B84001-changes"].result == result
    assert acted["B84001-changes"].message == "the ticket has expired. Get a new one."
    assert not made.exists()


def test_secrets_come_by_the_socket_and_nothing_else_does(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVISIONER_PASSWORD", MARK)
    monkeypatch.setenv("PROVISIONER_OTHER", MARK)
    files = [{"secrets": {"pin": "pin"}}]
    found: set[str] = set()
    stop = threading.Event()
    watching = threading.Thread(target=_watch, args=(own_run_tag("m0"), stop, found))
    watching.start()
    try:
        acted = run(root, step("B84001", "asks", connector_files=files), step("B84002", "asks_another"))
    finally:
        stop.set()
        watching.join()
    assert acted["B84001-asks"].before == {
        "length": len(f"{MARK}-B84001"),
        "named": len(f"{MARK}-secret:pin"),
        "environment": "",
    }
    assert acted["B84002-asks_another"].result == "failed"
    assert "B84999" in acted["B84002-asks_another"].message
    assert found == {"something was looked at"}


def _watch(run_tag: str, stop: threading.Event, found: set[str]) -> None:
    """Search what the run's processes were given, and its folder, for the marked secret."""
    while not stop.wait(0.01):
        places = [Path(f"/proc/{pid}/{name}") for pid in processes.tagged(run_tag) for name in ("cmdline", "environ")]
        for folder in Path(tempfile.gettempdir()).glob(f"provisioner-{run_tag}-*"):
            # Not Path.rglob: it breaks where a folder goes away meanwhile.
            places += [Path(at, name) for at, _, names in os.walk(folder) for name in names]
        for path in places:
            try:
                held = b"" if path.is_socket() else path.read_bytes()
            except OSError:
                continue
            found.add(f"the secret in {path}" if MARK.encode() in held else "something was looked at")


def test_a_run_that_is_stopped_leaves_nothing(root: Path) -> None:
    asked = threading.Event()

    def task(gateway: str, role: str, name: str) -> None:
        if name == "Wait":
            asked.set()

    acted = run(
        root,
        step("B84001", "sleeps"),
        step("B84002", "sleeps"),
        on_task=task,
        cancelled=asked.is_set,
        run_tag=own_run_tag("m1"),
    )
    assert asked.is_set()
    assert {one.result for one in acted.values()} == {"unknown"}
    assert "stopped" in acted["B84001-sleeps"].message
    assert left_over(own_run_tag("m1")) == []


def test_what_a_dead_run_left_is_ended_by_its_mark(root: Path) -> None:
    context = multiprocessing.get_context("spawn")
    asked = context.Event()
    child = context.Process(target=run_until_killed, args=(root, asked))
    child.start()
    assert asked.wait(60)
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    # ansible-playbook itself notices that nobody reads it any more; its worker sleeps on, in a session of its own.
    assert processes.tagged(own_run_tag("m2"))
    assert playbook.end_run(own_run_tag("m2")) > 0
    assert left_over(own_run_tag("m2")) == []
    assert playbook.end_run(own_run_tag("m2")) == 0


def run_until_killed(root: Path, asked: "multiprocessing.synchronize.Event") -> None:
    run(root, step("B84001", "sleeps"), on_task=lambda *_: asked.set(), run_tag=own_run_tag("m2"))


def test_ansible_that_cannot_begin_says_why(tmp_path: Path) -> None:
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "ansible.cfg").write_text("[defaults]\n")
    acted = run(tmp_path, step("B84001", "quiet"))
    assert acted["B84001-quiet"].result == "unknown"
    assert "rollout.yml" in acted["B84001-quiet"].message


def test_ansible_that_ends_in_the_middle_says_why(root: Path) -> None:
    acted = run(root, step("B84001", "talks_and_ends"))["B84001-talks_and_ends"]
    assert acted.result == "unknown"
    assert acted.message.startswith("Ansible ended with 4: [ERROR]: Invalid options for ansible.builtin.include_tasks")


def test_the_same_role_twice_on_a_gateway_is_our_own_mistake(root: Path) -> None:
    with pytest.raises(ValueError, match="twice"):
        run(root, step("B84001", "quiet"), step("B84001", "quiet"))


def test_the_parents_signal_handlers_stay(root: Path) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    run(root, step("B84001", "quiet"))
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
