"""A real ansible-playbook on roles made for the purpose: what it says of each step, and what it must never learn."""

import json
import multiprocessing
import multiprocessing.synchronize
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader

from provisioner import journal as journals
from provisioner import processes, remedies, resources
from provisioner.ansible import inventory, playbook, results
from provisioner.ansible.broker import SecretsSocket
from provisioner.ansible.playbook import StepResult
from provisioner.errors import InputError, NotTried
from provisioner.fleet import load
from provisioner.journal import Journal
from provisioner.lab import Handle
from provisioner.model import Outcome, Result, Step
from provisioner.transport.credentials import LoginGuard
from tests.conftest import own_mark

MARK = "s3cret-marked"

ROLES = {
    "quiet": """
- name: Say what was there
  ansible.builtin.set_fact:
    provisioner_before: {rule: "{{ quiet_text | default('none') }}"}
""",
    "changes": """
- name: Write a file
  ansible.builtin.copy:
    dest: "{{ changes_path }}"
    content: "new\\n"
    mode: "0600"
- name: Say what was there
  ansible.builtin.set_fact:
    provisioner_before: {}
""",
    "breaks": """
- name: Keep what was there
  ansible.builtin.set_fact:
    provisioner_found: {rule: as it was}
- name: Look at it
  ansible.builtin.fail:
    msg: "\\x1b[31maccess\\n denied"
- name: Say what was there
  ansible.builtin.set_fact:
    provisioner_before: {}
""",
    "stops_early": """
- name: Do nothing
  ansible.builtin.meta: noop
""",
    "package": """
- name: Write another file
  ansible.builtin.copy:
    dest: "{{ package_path }}"
    content: "new\\n"
    mode: "0600"
  when: package_path != ""
- name: Refuse
  ansible.builtin.fail:
    msg: the helper gave up
  when: package_path == ""
""",
    "helped": """
- name: Let a helper do it
  ansible.builtin.include_role:
    name: package
  vars:
    package_path: "{{ helped_path }}"
- name: Say what was there
  ansible.builtin.set_fact:
    provisioner_before: {helped: true}
""",
    "rescued": """
- block:
    - ansible.builtin.fail:
        msg: no
  rescue:
    - ansible.builtin.set_fact:
        provisioner_before: {}
""",
    "hides": """
- name: Say it
  no_log: true
  ignore_errors: true
  ansible.builtin.fail:
    msg: "{{ item }} {{ lookup('gateway_secret', 'secret:pin') }}"
  loop: [one, two]
- name: Look at what is not there
  no_log: true
  ignore_errors: true
  ansible.builtin.debug:
    msg: "{{ (lookup('gateway_secret', 'secret:pin') ~ not_there) | int }}"
- name: Leave it out
  ansible.builtin.debug:
  when: false
- name: Write it
  no_log: true
  ansible.builtin.copy:
    dest: "{{ hides_path }}"
    content: "{{ lookup('gateway_secret', 'secret:pin') }}"
    mode: "0600"
- name: Break
  no_log: true
  ansible.builtin.copy:
    dest: "{{ hides_path }}/below/a/file"
    content: "{{ lookup('gateway_secret', 'secret:pin') }}"
    mode: "0600"
""",
    "asks": """
- name: Say what was there
  ansible.builtin.set_fact:
    provisioner_before:
      length: "{{ ansible_password | length }}"
      named: "{{ lookup('gateway_secret', 'secret:pin') | length }}"
      environment: "{{ lookup('env', 'PROVISIONER_PASSWORD') }}{{ lookup('env', 'PROVISIONER_OTHER') }}"
""",
    "asks_another": """
- name: Say what was there
  ansible.builtin.set_fact:
    provisioner_before: "{{ lookup('gateway_secret', 'B84999') }}"
""",
    "sleeps": """
- name: Wait
  ansible.builtin.command: sleep 600
""",
    "talks_and_ends": """
- name: Talk
  ansible.builtin.debug:
    msg: "{{ item }} and so on, and so on, and so on, and so on"
  loop: "{{ range(30) }}"
- name: Go on
  ansible.builtin.include_tasks: "{{ 'one' if 1 == 1 else 'two' }}.yml"
""",
    "touches": """
- name: Reach it
  ansible.builtin.ping:
""",
    "knocks": """
- name: Reach it three times
  ansible.windows.win_ping:
    data: "{{ item }}"
  loop: [a, b, c]
- name: Reach it once more
  ansible.windows.win_ping:
- name: Say what was there
  ansible.builtin.set_fact:
    provisioner_before: {}
""",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A content folder with the real playbook, and with roles that need no gateway."""
    return filled(tmp_path_factory.mktemp("content"), ROLES)


def filled(folder: Path, roles: Mapping[str, str], library: str = "") -> Path:
    """A folder filled with the real playbook and these roles; modules of `library` go before ours."""
    plugins = resources.root() / "plugins"
    kinds = "".join(f"{kind}_plugins = {plugins / kind}\n" for kind in ("lookup", "connection"))
    kinds += f"doc_fragment_plugins = {plugins / 'doc_fragments'}\n"
    (folder / "ansible.cfg").write_text(
        f"[defaults]\nroles_path = roles\nlibrary = {library}:{plugins}/modules\n{kinds}"
    )
    (folder / "playbooks").mkdir()
    shutil.copy(resources.root() / "playbooks" / "rollout.yml", folder / "playbooks")
    for name, tasks in roles.items():
        (folder / "roles" / name / "tasks").mkdir(parents=True)
        (folder / "roles" / name / "tasks" / "main.yml").write_text(tasks)
    return folder


LOCAL: Mapping[str, Any] = {
    "ansible_connection": "local",
    "ansible_python_interpreter": "{{ ansible_playbook_python }}",
    "ansible_password": "{{ lookup('gateway_secret', inventory_hostname) }}",
}


def step(gateway: str, role: str, **values: Any) -> Step:
    return Step(
        id=f"{gateway}-{role}",
        gateway=gateway,
        practice=gateway,
        kind="playbook",
        remedy=role,
        role=role,
        values=values,
    )


def run(
    root: Path, *steps: Step, hosts: Mapping[str, Mapping[str, Any]] | None = None, **options: Any
) -> dict[str, StepResult]:
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    password = {"ansible_password": LOCAL["ansible_password"]}
    arguments: dict[str, Any] = {"mark": own_mark("m0"), "secrets": lambda name: f"{MARK}-{name}", "root": root}
    found = hosts or {one.gateway: {**here, **password} for one in steps}
    return playbook.run(steps, found, **arguments | options)


def left_over(mark: str) -> list[object]:
    return [*processes.marked(mark), *Path(tempfile.gettempdir()).glob(f"provisioner-{mark}-*")]


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
    assert left_over(own_mark("m0")) == []


def test_what_a_helper_does_is_done_by_the_role_that_includes_it(root: Path, tmp_path: Path) -> None:
    heard: list[tuple[str, str, str]] = []
    acted = run(
        root,
        step("B84001", "quiet"),
        step("B84001", "helped", helped_path=str(tmp_path / "made")),
        step("B84002", "helped", helped_path=""),
        step("B84002", "quiet"),
        on_task=lambda gateway, role, task: heard.append((gateway, role, task)),
    )
    assert {id: (one.result, one.changed) for id, one in acted.items()} == {
        "B84001-quiet": ("ok", False),
        "B84001-helped": ("ok", True),
        "B84002-helped": ("failed", False),
        "B84002-quiet": ("skipped", False),
    }
    assert "changed: Write another file" in acted["B84001-helped"].output
    assert acted["B84002-helped"].message == "Refuse: the helper gave up"
    assert ("B84001", "helped", "Write another file") in heard
    assert "package" not in {role for _, role, _ in heard}


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
        ("ntlm: the specified credentials were rejected by the server", "refused"),
        ("ntlm: HTTPConnectionPool(host='x'): Max retries exceeded", "unreachable"),
    ],
)
def test_a_refused_password_is_told_apart(words: str, result: str) -> None:
    data = {"host": "B84001", "role": "quiet", "res": {"unreachable": True, "msg": words}}
    said = results.by_step(
        [step("B84001", "quiet")], [{"event": "runner_on_unreachable", "event_data": data}], "", False
    )
    assert (said["B84001-quiet"].result, said["B84001-quiet"].message) == (result, words)


def test_what_ansible_brings_of_a_gateway_can_be_kept_and_shown(tmp_path: Path) -> None:
    """A name with half a character in it, as a module hands it on; what is put back stays as it was otherwise."""
    found = {"image": "C:\\Caf\u00e9 \u00a0x\ud800\0.exe", "delay": 5}
    facts = {"provisioner_found": found, "provisioner_before": found}
    ok = {"host": "B84001", "role": "quiet", "task": "t", "res": {"changed": True, "ansible_facts": facts}}
    bad = {"host": "B84002", "role": "quiet", "task": "t", "res": {"msg": "no\a \u202e\x1b[2J\ud800\r\nmore"}}
    events = [{"event": "runner_on_ok", "event_data": ok}, {"event": "runner_on_failed", "event_data": bad}]
    said = results.by_step([step("B84001", "quiet"), step("B84002", "quiet")], events, "", False)
    assert said["B84001-quiet"].before == {"image": "C:\\Caf\u00e9 \u00a0x\ufffd\ufffd.exe", "delay": 5}
    failed = said["B84002-quiet"]
    assert (failed.message + "".join(failed.output)).isprintable()
    with Journal.open(tmp_path / "journal.db") as kept:
        for acted in said.values():
            at = datetime(2026, 11, 23, tzinfo=UTC)
            outcome = Outcome(
                step="s", gateway="g", result=Result.DONE, changed=True, started=at, ended=at,
                message=acted.message, before=acted.before, output=acted.output,
            )  # fmt: skip
            kept.append([journals.ended(outcome, "p")])
            assert kept.progress("p").outcomes["s"] == outcome


@pytest.mark.parametrize("found", [{"size": float("nan")}, {"size": 10**400}])
def test_what_cannot_be_kept_at_all_is_not_known(found: dict[str, float]) -> None:
    facts = {"provisioner_before": found}
    data = {"host": "B84001", "role": "quiet", "task": "t", "res": {"ansible_facts": facts}}
    said = results.by_step([step("B84001", "quiet")], [{"event": "runner_on_ok", "event_data": data}], "", False)
    assert (said["B84001-quiet"].result, said["B84001-quiet"].before) == ("ok", {"untold": ["all of it"]})


def test_what_a_row_says_is_never_a_template(root: Path, tmp_path: Path) -> None:
    text = "{{ lookup('pipe', 'touch " + str(tmp_path / "run") + "') }}"
    acted = run(root, step("B84001", "quiet", quiet_text=text))
    assert acted["B84001-quiet"].before == {"rule": text}
    assert not (tmp_path / "run").exists()


def test_a_text_stays_a_text(root: Path) -> None:
    texts = ["0042", "", "null", "True", "no", "1:30", "2025-01-05", "*", "=", "<<", "- a: b", "#", "!x", "{ a", "{% a"]
    acted = run(root, step("B84001", "quiet", quiet_text=texts))
    assert acted["B84001-quiet"].before == {"rule": texts}


def test_secrets_come_by_the_socket_and_nothing_else_does(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVISIONER_PASSWORD", MARK)
    monkeypatch.setenv("PROVISIONER_OTHER", MARK)
    files = [{"secrets": {"pin": "pin"}}]
    found: set[str] = set()
    stop = threading.Event()
    watching = threading.Thread(target=_watch, args=(own_mark("m0"), stop, found))
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


def _watch(mark: str, stop: threading.Event, found: set[str]) -> None:
    """Search what the run's processes were given, and its folder, for the marked secret."""
    while not stop.wait(0.01):
        places = [Path(f"/proc/{pid}/{name}") for pid in processes.marked(mark) for name in ("cmdline", "environ")]
        for folder in Path(tempfile.gettempdir()).glob(f"provisioner-{mark}-*"):
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
        mark=own_mark("m1"),
    )
    assert asked.is_set()
    assert {one.result for one in acted.values()} == {"unknown"}
    assert "stopped" in acted["B84001-sleeps"].message
    assert left_over(own_mark("m1")) == []


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
    assert processes.marked(own_mark("m2"))
    assert playbook.end_run(own_mark("m2")) > 0
    assert left_over(own_mark("m2")) == []
    assert playbook.end_run(own_mark("m2")) == 0


def run_until_killed(root: Path, asked: "multiprocessing.synchronize.Event") -> None:
    run(root, step("B84001", "sleeps"), on_task=lambda *_: asked.set(), mark=own_mark("m2"))


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


def test_a_difference_that_a_module_has_put_together_is_taken_apart() -> None:
    result = {"changed": True, "diff": {"prepared": "-[rule]\n-Enabled='False'\n+[rule]\n+Enabled='True'\n"}}
    (difference,) = results.differences("The rule", result)
    assert (difference.before, difference.after) == ("[rule]\nEnabled='False'", "[rule]\nEnabled='True'")


def test_an_empty_text_stays_one() -> None:
    """Ansible makes null of an empty text that is tagged, and `None` of that in a text."""
    loaded = DataLoader().load(f'{{"a": {inventory.tagged("")}, "b": {inventory.tagged("x")}}}')
    assert loaded == {"a": "", "b": "x"}


def test_inventory_text_is_json_but_for_its_tags() -> None:
    """What Ansible may evaluate is known by its place, not by its words: a row could hold the same words."""
    own = inventory.Template(LOCAL["ansible_password"])
    tagged = inventory.tagged({"a": ['x "y"\n', None, True, 1.5], "b": LOCAL["ansible_password"], "password": own})
    assert json.loads(tagged.replace("!unsafe ", "")) == {
        "a": ['x "y"\n', None, True, 1.5],
        "b": LOCAL["ansible_password"],
        "password": LOCAL["ansible_password"],
    }
    assert tagged.count("!unsafe") == 1
    assert f'"b": !unsafe {json.dumps(LOCAL["ansible_password"])}' in tagged


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
    acted = playbook.run(steps, hosts, answers.__getitem__, mark=own_mark("m3"))
    assert (acted[f"{one.name}-firewall"].result, acted[f"{one.name}-firewall"].changed) == ("ok", True)
    assert acted[f"{other.name}-firewall"].result == "refused"
    again = playbook.run(steps[:1], hosts, answers.__getitem__, mark=own_mark("m3"))
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
        "mark": own_mark("m4"),
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
    assert "rejected by the server" in said.message
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
        assert ask(path, b"turn:B84001\nntlm: the specified credentials were rejected by the server\n") == b"go\n"
        assert ask(path, b"turn:B84001\n").startswith(b"<provisioner:not-tried> no log-in was tried again")
        assert ask(path, b"turn:B84002\nin\n") == b"go\n"


def test_why_a_loop_did_not_get_in_is_what_its_items_say() -> None:
    words = "ntlm: the specified credentials were rejected by the server"
    res = {"unreachable": True, "msg": "All items completed", "results": [{"unreachable": True, "msg": words}]}
    data = {"host": "B84001", "role": "quiet", "res": res}
    said = results.by_step(
        [step("B84001", "quiet")], [{"event": "runner_on_unreachable", "event_data": data}], "", False
    )
    assert (said["B84001-quiet"].result, said["B84001-quiet"].message) == ("refused", words)
