"""The main job, end to end, by the commands that a person gives: real WinRM, real Ansible, the lab's own word."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from provisioner import fleet as fleets
from provisioner import processes, remedies
from provisioner.audit.auditor import Auditor
from provisioner.audit.shipped import open_policy
from provisioner.evidence.question import SECTIONS
from provisioner.evidence.reader import Reader
from provisioner.execute.by_ansible import actor
from provisioner.journal import Journal
from provisioner.lab.process import client as process
from provisioner.lab.process.client import Handle
from provisioner.model import Gateway, Step
from tests.conftest import ROOT, Command, Ran, command, environment, own_run_tag, rows
from tests.roads.planning import planned, steps

Lab = Callable[..., Handle]


def test_a_bare_fleet_becomes_ready_and_stays_so(lab: Lab, cold: Command) -> None:
    """plan, apply, plan: nothing is left to do; the first plan again does nothing and runs no Ansible."""
    handle = lab("A84002", "A84005")
    plan = planned(cold, handle.folder)
    assert {"A84002-firewall", "A84005-start"} <= set(steps(plan))

    applied = cold("apply", str(plan["plan"]), "--yes", fleet=handle.folder)
    assert applied.code == 0, applied.out + applied.err
    audit = cold("audit", "--format", "json", fleet=handle.folder)
    assert audit.code == 0, audit.out
    assert [one["ready"] for one in json.loads(audit.out)["gateways"]] == [True, True]
    assert steps(planned(cold, handle.folder)) == []

    before, happened = handle.state(), len(handle.events())
    # No Ansible can run at all: it is not importable and not on PATH.
    again = cold("apply", str(plan["plan"]), "--yes", "--format", "json", fleet=handle.folder, env=NO_ANSIBLE)
    assert again.code == 0, again.err
    assert {outcome["result"] for outcome in json.loads(again.out)["outcomes"]} <= {"unchanged", "done"}
    assert handle.state() == before
    assert len(handle.events()) == happened


NO_ANSIBLE = {"PROVISIONER_TEST_WITHOUT": "ansible ansible_runner"}


def test_looking_changes_nothing(lab: Lab, provisioner: Command) -> None:
    handle = lab("A84002", "A84005", "A84006", state="mixed", seed=3)
    before = handle.state()
    provisioner("ping", fleet=handle.folder)
    provisioner("audit", fleet=handle.folder)
    provisioner("plan", fleet=handle.folder)
    provisioner("read", "A84002", fleet=handle.folder)
    assert handle.state() == before
    assert handle.events() == []


def test_a_rehearsal_shows_differences_and_changes_nothing(lab: Lab, provisioner: Command) -> None:
    handle = lab("A84002")
    plan = planned(provisioner, handle.folder)
    before = handle.state()
    ran = provisioner("apply", str(plan["plan"]), "--dry-run", fleet=handle.folder)
    assert ran.code == 0, ran.out + ran.err
    assert "A84002-firewall: would change" in ran.out
    assert "+ " in ran.out
    assert handle.state() == before


def test_plain_ansible_needs_no_help_from_us(lab: Lab) -> None:
    handle = lab("A84002")
    before = handle.state()
    binary = Path(sys.executable).parent / "ansible-playbook"
    done = subprocess.run(
        [binary, "-i", "inventory/provisioner.yml", "playbooks/rollout.yml", "--check", "--diff"],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
        env=environment({"PROVISIONER_FLEET": str(handle.folder)}),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed=0" in done.stdout
    assert handle.state() == before


def test_a_wrong_password_is_tried_twice_at_most(lab: Lab, provisioner: Command) -> None:
    handle = lab(*(f"A8400{number}" for number in range(1, 9)))
    password = handle.folder / ".provisioner" / "lab" / "password"
    right = password.read_text("utf-8")
    plan = planned(provisioner, handle.folder)
    password.write_text("wrong-" + right, "utf-8")
    for verb in (("audit",), ("apply", str(plan["plan"]), "--yes"), ("apply", str(plan["plan"]), "--dry-run")):
        seen = len(handle.events())
        ran = provisioner(*verb, fleet=handle.folder)
        assert ran.code in (3, 4), ran.out + ran.err
        refused = [event for event in handle.events()[seen:] if event["event"] == "login_refused"]
        assert 1 <= len(refused) <= 2, verb
        assert "refused" in ran.out + ran.err


def kinds(reader: Reader, gateways: Sequence[Gateway], sections: Sequence[str]) -> list[str]:
    """What kept it from reading the gateways, by the kind of error."""
    return [one.error.kind if one.error else "" for one in reader.read(gateways, lambda _: sections)]


def test_2225_gateways_see_a_wrong_password_twice_at_most(tmp_path: Path) -> None:
    """Every active SystmOne practice in England, by a ping and by an audit; each a command of its own."""
    codes = [f"{letter}{number}" for letter in "ABC" for number in range(81000, 81742)][:2225]
    with process.running(tmp_path / "fleet", rows(*codes)) as handle:
        password = handle.folder / ".provisioner" / "lab" / "password"
        password.write_text("wrong-" + password.read_text("utf-8"), "utf-8")
        fleet = fleets.load(handle.folder)
        for sections in (("account", "windows"), SECTIONS):
            before = len(handle.events())
            found = Counter(kinds(Reader(fleet), fleet.known, sections))
            assert found == {"Refused": 2, "NotTried": 2223}
            assert [one["event"] for one in handle.events()[before:]] == ["login_refused"] * 2


def test_who_has_refused_ansible_is_not_asked_by_the_reading_after_it(lab: Lab, tmp_path: Path) -> None:
    """The password is changed between the reading of a wave and Ansible: one guard knows of both."""
    handle = lab("A84001", "A84002")
    fleet = fleets.load(handle.folder)
    with Journal.open(tmp_path / "journal.db") as journal:
        auditor = Auditor(fleet, open_policy(), journal)
        assert not [one.error for one in auditor.look(fleet.known, measure=False).evidence if one.error]
        handle.set("*", "refuses_login")
        role, values = remedies.values(fleet, fleet.known[0], "firewall")
        step = Step(
            id="A84001-firewall", gateway="A84001", practice="A84001", kind="playbook", remedy="firewall", role=role,
            values=values,
        )  # fmt: skip
        acted = actor(auditor, lambda *_: None, lambda: False)([step], own_run_tag("m5"))
        assert acted["A84001-firewall"].result == "refused"
        after = auditor.look(fleet.known, measure=False).evidence
    assert {one.gateway: one.error and one.error.kind for one in after} == {"A84001": "NotTried", "A84002": "Refused"}
    assert [one["event"] for one in handle.events()] == ["faults_set", "faults_set", "login_refused", "login_refused"]


def test_the_password_is_nowhere(lab: Lab, provisioner: Command, tmp_path: Path) -> None:
    """A whole rollout, at its most talkative, with the process list watched: the password is in none of it."""
    handle = lab("A84002")
    mark = handle.password.encode()
    own = handle.folder / ".provisioner" / "lab" / "password"
    plan = str(planned(provisioner, handle.folder)["plan"])
    home = tmp_path / "home"
    home.mkdir()
    temporary = tmp_path / "t"
    temporary.mkdir()
    process = subprocess.Popen(
        command("-vvv", "apply", plan, "--yes", fleet=handle.folder),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=environment({"HOME": str(home), "TMPDIR": str(temporary)}),
    )  # fmt: skip
    found: set[str] = set()
    while process.poll() is None:
        found |= in_processes(mark)
        found |= in_files(temporary, mark)
    assert process.stdout is not None
    said = process.stdout.read()
    process.stdout.close()
    assert process.returncode == 0, said.decode()
    provisioner("audit", fleet=handle.folder)
    for as_ in ("html", "csv", "json", "junit"):
        provisioner("report", "--as", as_, "--output", tmp_path / f"audit.{as_}", fleet=handle.folder)
    provisioner("report", plan, "--output", tmp_path / "plan.html", fleet=handle.folder)
    found |= {"output"} if mark in said else set()
    assert found | in_files(tmp_path, mark) - {str(own)} == set()


def in_processes(mark: bytes) -> set[str]:
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                if mark in (folder / name).read_bytes():
                    found.add(f"{name} of {(folder / 'comm').read_text('utf-8').strip()}")
            except OSError:
                continue
    return found


def in_files(folder: Path, mark: bytes) -> set[str]:
    found = set()
    for path in folder.rglob("*"):
        try:
            if path.is_file() and mark in path.read_bytes():
                found.add(str(path))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("after", ["service_created", "package_unpacked", "service_started"])
def test_killed_it_goes_on(after: str, lab: Lab, provisioner: Command) -> None:
    """kill -9 as soon as the lab says that something has happened; the same command then ends the job."""
    handle = lab("A84002", "A84005")
    plan = str(planned(provisioner, handle.folder)["plan"])
    process = subprocess.Popen(
        command("apply", plan, "--yes", fleet=handle.folder),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(),
    )  # fmt: skip
    until = time.monotonic() + 250
    while not any(event["event"] == after for event in handle.events()) and time.monotonic() < until:
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    ran = provisioner("apply", plan, "--yes", fleet=handle.folder)
    while ran.code == 4 and time.monotonic() < until:
        ran = provisioner("apply", plan, "--yes", fleet=handle.folder)
    assert ran.code == 0, ran.out + ran.err
    assert provisioner("audit", fleet=handle.folder).code == 0
    starts = [event["gateway"] for event in handle.events() if event["event"] == "service_started"]
    assert sorted(starts) == ["A84002", "A84005"]
    with Journal.open(handle.folder / ".provisioner" / "journal.db") as journal:
        run_tags = {event.body["mark"] for event in journal.events(kinds=("step_started",))}
    assert run_tags
    assert [pid for tag in run_tags for pid in processes.tagged(tag)] == []


@pytest.mark.parametrize("garbage", ["empty", "cut", "html", "notjson", "huge", "codepage", "formulas", "deep"])
def test_a_gateway_that_answers_rubbish_costs_itself_only(garbage: str, lab: Lab, provisioner: Command) -> None:
    handle = lab("A84002", "A84005", state="ready")
    handle.set("A84002", f"garbage={garbage}")
    ran = provisioner("audit", "--format", "json", fleet=handle.folder)
    gateways = {one["gateway"]: one for one in json.loads(ran.out)["gateways"]}
    assert gateways["A84005"]["ready"]
    # HTML and formulas stand in right evidence, as text: that they do no harm is for the reports' tests.
    if garbage not in {"html", "formulas"}:
        assert ran.code == 3
        assert gateways["A84002"]["error"]
        assert "Traceback" not in ran.err


@pytest.mark.parametrize("garbage", ["surrogate", "control", "numbers", "nan"])
def test_what_no_file_can_hold_and_no_terminal_should_get_costs_nothing_else(
    garbage: str, lab: Lab, provisioner: Command, tmp_path: Path
) -> None:
    """An audit that keeps it, its report, and a rollout that reads it again and again."""
    handle = lab("A84002", "A84005", state="ready")
    handle.set("A84002", f"garbage={garbage}")
    ran = provisioner("audit", fleet=handle.folder)
    assert ran.code in (0, 1, 3), ran.err
    assert "Traceback" not in ran.err
    plain(ran.out + ran.err)
    read = provisioner("read", "A84002", fleet=handle.folder)
    plain(read.out + read.err)
    plain(provisioner("ping", fleet=handle.folder).out)
    page = tmp_path / "audit.html"
    assert provisioner("report", "--output", str(page), fleet=handle.folder).code == 0
    plain(page.read_text("utf-8"))


def test_a_rollout_keeps_its_readings_of_one_that_says_what_no_file_can_hold(lab: Lab, provisioner: Command) -> None:
    handle = lab("A84002", "A84005")
    plan = str(planned(provisioner, handle.folder)["plan"])
    handle.set("A84002", "garbage=surrogate")
    ran = provisioner("apply", plan, "--yes", "--remedy", "firewall", "--format", "json", fleet=handle.folder)
    assert ran.code in (0, 4), ran.err
    assert "Traceback" not in ran.err
    results = {one["gateway"]: one["result"] for one in json.loads(ran.out)["outcomes"] if one["step"].endswith("wall")}
    assert results.keys() == {"A84002", "A84005"}
    assert provisioner("show", plan, fleet=handle.folder).code == 0


def plain(text: str) -> None:
    """Nothing that a terminal obeys, or that turns the direction of writing."""
    assert {char for char in text if not (char.isprintable() or char in "\n\t\u00a0\u2009\u202f")} == set()


def test_looking_needs_no_ansible(lab: Lab, provisioner: Command, tmp_path: Path) -> None:
    handle = lab("A84002", state="ready")

    def without_ansible(*arguments: str) -> Ran:
        return provisioner(*arguments, fleet=handle.folder, env=NO_ANSIBLE)

    assert without_ansible("validate").code == 0
    assert without_ansible("audit").code == 0
    assert without_ansible("report", "--output", str(tmp_path / "audit.html")).code == 0


def test_a_cell_is_never_a_template(lab: Lab, provisioner: Command, tmp_path: Path) -> None:
    """What a spreadsheet says is data: not even the words with which we ask for a password ourselves."""
    handle = lab("A84002")
    proof = tmp_path / "ran"
    cell = "{{ lookup('gateway_secret', 'A84002') }}{{ lookup('pipe', 'touch " + str(proof) + "') }}"
    (handle.folder / "conf.j2").write_text("note={{ note }}\n", "utf-8")
    practices = (handle.folder / "practices.csv").read_text("utf-8").splitlines()
    rows = [f"{practices[0]},note", f'{practices[1]},"{cell}"']
    (handle.folder / "practices.csv").write_text("\n".join(rows) + "\n", "utf-8")
    fleet = (handle.folder / "fleet.yml").read_text("utf-8")
    files = "connector:\n  files:\n    - {path: conf.ini, template: conf.j2}"
    (handle.folder / "fleet.yml").write_text(fleet.replace("connector:\n  version", f"{files}\n  version"), "utf-8")
    plan = str(planned(provisioner, handle.folder)["plan"])
    ran = provisioner("apply", plan, "--yes", "--remedy", "connector", fleet=handle.folder)
    assert ran.code == 0, ran.out + ran.err
    assert not proof.exists()
    assert handle.password not in json.dumps(handle.state())
    assert "conf.ini" in json.dumps(handle.state())


def test_an_environment_variable_never_beats_what_was_typed(lab: Lab, provisioner: Command) -> None:
    one, other = lab("A84002"), lab("A84005")
    for words in (("--fleet", one.folder, "validate"), ("validate", "--fleet", one.folder)):
        ran = provisioner(*words, "--format", "json", env={"PROVISIONER_FLEET": str(other.folder)})
        assert json.loads(ran.out)["fleet"] == str(one.folder)


def test_what_was_approved_cannot_be_changed_afterwards(lab: Lab, provisioner: Command) -> None:
    handle = lab("A84002")
    plan = str(planned(provisioner, handle.folder)["plan"])
    journal = sqlite3.connect(handle.folder / ".provisioner" / "journal.db")
    journal.execute("UPDATE documents SET body = CAST(body || x'00' AS BLOB) WHERE id = ?", (plan,))
    journal.commit()
    journal.close()
    ran = provisioner("apply", plan, "--yes", fleet=handle.folder)
    assert ran.code == 2
    assert handle.events() == []
    told = provisioner("history", fleet=handle.folder)
    assert (told.code, "cannot be trusted" in told.err) == (2, True)


def test_a_gateway_that_refuses_while_it_is_waited_for_is_asked_once(lab: Lab, provisioner: Command) -> None:
    handle = lab("A84002")
    plan = str(planned(provisioner, handle.folder)["plan"])
    handle.set("A84002", "no_approve")
    process = subprocess.Popen(
        command("apply", plan, "--yes", fleet=handle.folder),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(),
    )  # fmt: skip
    until = time.monotonic() + 90
    while not any(event["event"] == "approve_raised" for event in handle.events()) and time.monotonic() < until:
        assert process.poll() is None
        time.sleep(0.05)
    handle.set("A84002", "refuses_login")
    process.wait(60)
    refused = [event for event in handle.events() if event["event"] == "login_refused"]
    assert len(refused) <= 1
    assert process.returncode == 4
