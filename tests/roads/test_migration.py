"""A migration by the commands that a person gives: real WinRM, real Ansible; the lab's events are the judge."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from provisioner import processes
from provisioner.journal import Journal
from provisioner.lab.process import client
from provisioner.lab.process.client import Handle
from tests.conftest import Command, command, environment
from tests.worlds import judge

CODE, OLD, NEW = "A84002", "OLDPC", "NEWPC"
MARKER = "C:\\ProgramData\\provisioner\\marker.json"
AWAY = "A84005"
# No way leads there: it is loopback's broadcast address.
NOWHERE = "127.255.255.255"
pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Handle]:
    rows = [
        {"practice": CODE, "name": "Old Mill", "gateway": OLD, "address": "", "role": "active"},
        {"practice": CODE, "name": "Old Mill", "gateway": NEW, "address": "", "role": "candidate"},
    ]
    with client.running(tmp_path / "fleet", rows, state="ready") as handle:
        fleet = handle.folder / "fleet.yml"
        fleet.write_text(fleet.read_text("utf-8") + "\nrollout: {approve_wait: 4, settle: 6}\n", "utf-8")
        yield handle


def roles(lab: Handle) -> dict[str, str]:
    lines = (lab.folder / "practices.csv").read_text("utf-8").splitlines()
    head = lines[0].split(",")
    rows = [dict(zip(head, line.split(","), strict=True)) for line in lines[1:]]
    return {row["gateway"]: row["role"] for row in rows}


def runs(lab: Handle) -> set[str]:
    return {name for name, one in lab.state().items() if any(each["state"] == "running" for each in one["services"])}


def approved(lab: Handle, gateway: str) -> None:
    """Wait until the lab's person has pressed Approve there: a migration that nobody watches looks once and ends."""
    until = time.monotonic() + 60
    while not any((event["gateway"], event["event"]) == (gateway, "approve_pressed") for event in lab.events()):
        assert time.monotonic() < until, f"nobody has pressed Approve on {gateway}"
        time.sleep(0.1)


def never_two(lab: Handle) -> bool:
    return judge.two_at_once(lab.events(), {OLD: CODE, NEW: CODE}, [OLD]) == []


def the_practice_changes_over(lab: Handle) -> None:
    lab.set(OLD, "systmone=off")
    lab.set(NEW, "systmone=gateway")


def test_there_and_finished(lab: Handle, provisioner: Command) -> None:
    fleet = lab.folder
    begun = provisioner("migrate", "start", CODE, "--to", NEW, "--yes", fleet=fleet)
    assert begun.code == 4, begun.out + begun.err
    assert "end SystmOne's Gateway on OLDPC" in begun.out
    assert (runs(lab), roles(lab)) == ({OLD}, {OLD: "active", NEW: "standby"})

    status = json.loads(provisioner("migrate", "status", CODE.lower(), "--format", "json", fleet=fleet).out)
    (told,) = status["migrations"]
    waits = [step["step"] for step in told["steps"] if step["result"] == "waiting"]
    assert (told["practice"], told["through"], waits) == (CODE, False, ["gateway-ended"])
    refusals(lab, provisioner)

    the_practice_changes_over(lab)
    no_letter_says_the_contrary(lab, provisioner)
    on = provisioner("migrate", "start", CODE, fleet=fleet)
    assert on.code == 4, on.out + on.err
    assert (runs(lab), roles(lab)) == ({NEW}, {OLD: "standby", NEW: "active"})
    both_were_marked(lab)
    approved(lab, NEW)
    for step in ("online-record", "vendor-page"):
        said = provisioner("migrate", "confirm", CODE, step, "--by", "B. Person", fleet=fleet)
        assert said.code == 0, said.err
    through = provisioner("migrate", "start", CODE, fleet=fleet)
    assert through.code == 0, through.out + through.err
    assert "migrate finish" in through.out
    but = "by a new reading, but for what a person's word stands for: online-record, vendor-page."
    assert but in " ".join(through.out.split())

    done = provisioner("migrate", "finish", CODE, "--yes", fleet=fleet)
    assert done.code == 0, done.out + done.err
    assert roles(lab) == {OLD: "retired", NEW: "active"}
    old = lab.state()[OLD]
    assert (old["services"], old["firewall"]["rules"], old["defender"]["paths"]) == ([], [], [])
    audit = provisioner("audit", fleet=fleet)
    assert audit.code == 0, audit.out
    assert never_two(lab)
    assert provisioner("migrate", "status", fleet=fleet).out.strip() == "No migration is open."


def both_were_marked(lab: Handle) -> None:
    """Our marker stood on both PCs when the new one's Connector was started, and is gone from both afterwards."""
    marked, when_started = set[str](), set[str]()
    for event in lab.events():
        if event.get("path") == MARKER and event["event"] in ("file_written", "file_removed"):
            (marked.add if event["event"] == "file_written" else marked.discard)(event["gateway"])
        elif (event["gateway"], event["event"]) == (NEW, "service_started"):
            when_started = set(marked)
    assert when_started == {OLD, NEW}
    assert marked == set()


def no_letter_says_the_contrary(lab: Handle, provisioner: Command) -> None:
    """An audit finds nobody logged in on the old PC, as the move asked for: no letter asks to log in there again."""
    assert "R2-logged-in" in provisioner("audit", fleet=lab.folder).out
    for arguments in (("report", "--per-practice"), ("requests",)):
        folder = lab.folder.parent / arguments[0]
        ran = provisioner(*arguments, "--output", folder, fleet=lab.folder)
        assert ran.code == 0, ran.err
        assert not folder.exists() or not list(folder.glob(f"*{CODE}*"))
        said = f"No letter to {CODE}: its gateway is being moved."
        assert said in " ".join(ran.err.split()), ran.err


def refusals(lab: Handle, provisioner: Command) -> None:
    """What is refused while the practice is asked to end its Gateway, each with the way out."""
    for arguments, words in (
        (("finish", CODE, "--yes"), "gateway-ended is open"),
        (("confirm", CODE, "nonsense", "--by", "B. Person"), "There are gateway-ended"),
        (("confirm", CODE, "approve", "--by", " "), "Who did it?"),
        (("confirm", CODE, "vendor-page", "--by", "B. Person"), "not the time for vendor-page yet: stop on OLDPC"),
        (("start", "A81001", "--to", NEW), "A81001 is not in this fleet"),
        (("confirm", CODE, "--by", "B. Person"), "Now: gateway-ended ("),
        (("confirm", CODE, "aprove", "--by", "B. Person"), "Did you mean approve?"),
        (("start", "A84020", "--to", NEW), f"Did you mean {CODE}?"),
        (("start", CODE, "--to", OLD), f"is being moved to {NEW} already"),
        (("undo", "A84005"), "has no open migration"),
        (("start", CODE, "--now"), "--now needs a reason"),
    ):
        ran = provisioner("migrate", *arguments, fleet=lab.folder)
        assert ran.code == 2, (arguments, ran.out, ran.err)
        assert words in ran.err, (arguments, ran.err)
    rollout = provisioner("audit", fleet=lab.folder)
    assert rollout.code in (0, 1)


def test_killed_while_the_new_one_starts_and_led_back(lab: Handle, provisioner: Command) -> None:
    """kill -9 in the middle of Ansible's start on the new PC, with an answer that comes late; then the way back."""
    fleet = lab.folder
    the_practice_changes_over(lab)
    run = subprocess.Popen(
        command("migrate", "start", CODE, "--to", NEW, "--yes", fleet=fleet),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(),
    )  # fmt: skip
    until, slow = time.monotonic() + 250, False
    while not starting(lab) and time.monotonic() < until:
        if not slow and (slow := stopped(lab)):
            lab.set(NEW, "slow=2")
        time.sleep(0.05)
    assert slow
    run.send_signal(signal.SIGKILL)
    run.wait()
    lab.set(NEW, "none")
    lab.set(NEW, "systmone=off")
    lab.set(OLD, "systmone=gateway")
    with Journal.open(fleet / ".provisioner" / "journal.db") as journal:
        kept, now = len(journal.kept("plan")), datetime.now(UTC)
        journal.take([f"migration-{CODE}"], processes.this(), "apply", now, now + timedelta(hours=4))
        # What another process does just now is no matter for a way back, and none is planned.
        early = provisioner("migrate", "undo", CODE, "--yes", fleet=fleet)
        assert (early.code, early.out, "is being applied" in early.err) == (4, "", True), early
        assert len(journal.kept("plan")) == kept
        journal.release([f"migration-{CODE}"], processes.this())
    back = provisioner("migrate", "undo", CODE, "--yes", fleet=fleet)
    assert back.code == 0, back.out + back.err
    assert (runs(lab), roles(lab)) == ({OLD}, {OLD: "active", NEW: "candidate"})
    new = lab.state()[NEW]
    assert (new["services"], new["firewall"]["rules"], new["defender"]["paths"]) == ([], [], [])
    assert never_two(lab)


def stopped(lab: Handle) -> bool:
    """Whether the old PC's Connector was stopped."""
    return any((one["gateway"], one["event"]) == (OLD, "service_stopped") for one in lab.events())


def starting(lab: Handle) -> bool:
    """Whether the new PC was claimed for its start: the old one is stopped, and Ansible is at work on the new one."""
    seen = [(one["gateway"], one["event"]) for one in lab.events()]
    return (OLD, "service_stopped") in seen and (NEW, "file_written") in seen[seen.index((OLD, "service_stopped")) :]


def test_many_moves_are_refused_whole_where_one_is_wrong(lab: Handle, provisioner: Command, tmp_path: Path) -> None:
    moves = tmp_path / "moves.csv"
    moves.write_text(f"practice,to\n{CODE},{NEW}\nA84005,ELSEWHERE\n", "utf-8")
    ran = provisioner("migrate", "start", "--many", moves, "--yes", fleet=lab.folder)
    assert ran.code == 2
    assert "A84005: A84005 is not in this fleet" in ran.err
    assert roles(lab) == {OLD: "active", NEW: "candidate"}
    assert lab.events() == []


# One PC's answers that are none of a PC that is off, by what the lab is told of it.
ANSWERS = ("shell_quota", "drops_midway", "proxy=503", "offline")


@pytest.mark.parametrize("fault", ANSWERS)
def test_one_that_answers_is_not_switched_off_whatever_is_stated(
    fault: str, ready: Handle, provisioner: Command
) -> None:
    state_off(ready, CODE, OLD)
    ready.set(OLD, fault)
    ready.set(NEW, "systmone=gateway")
    ran = provisioner("migrate", "start", CODE, "--to", NEW, "--yes", fleet=ready.folder)
    assert ran.code in (3, 4), ran.out + ran.err
    assert runs(ready) == {OLD}
    assert "a person has stated that this PC is switched off" not in ran.out
    assert roles(ready) == {OLD: "active", NEW: "standby"}


@pytest.fixture
def ready(tmp_path: Path) -> Iterator[Handle]:
    """A practice whose new PC lacks nothing."""
    rows = [
        {"practice": CODE, "name": "Old Mill", "gateway": OLD, "address": "", "role": "active"},
        {"practice": CODE, "name": "Old Mill", "gateway": NEW, "address": "", "role": "standby"},
    ]
    with client.running(tmp_path / "fleet", rows, state="ready") as handle:
        fleet = handle.folder / "fleet.yml"
        fleet.write_text(fleet.read_text("utf-8") + "\nrollout: {approve_wait: 2, settle: 2}\n", "utf-8")
        yield handle


def state_off(lab: Handle, code: str, gateway: str) -> None:
    said, today = lab.folder / "statements.csv", date.today()
    row = f"{code},{gateway},switched-off,taken away,C. Person,{today},{today + timedelta(days=90)},T-2\n"
    said.write_text(said.read_text("utf-8") + row, "utf-8")


def at(lab: Handle, gateway: str, address: str) -> None:
    """Give a gateway another address in practices.csv."""
    path = lab.folder / "practices.csv"
    lines = path.read_text("utf-8").splitlines()
    place = lines[0].split(",").index("address")
    for number, line in enumerate(lines):
        cells = line.split(",")
        if gateway in cells:
            lines[number] = ",".join([*cells[:place], address, *cells[place + 1 :]])
    path.write_text("\n".join(lines) + "\n", "utf-8")


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Handle]:
    """Two practices that move: the old gateway of the second is stated to be switched off, and does not answer."""
    rows = [
        {"practice": code, "name": f"Practice {code}", "gateway": f"{place}-{code}", "address": "", "role": role}
        for code in (CODE, AWAY)
        for place, role in (("OLD", "active"), ("NEW", "candidate"))
    ]
    with client.running(tmp_path / "fleet", rows, state="ready") as handle:
        fleet = handle.folder / "fleet.yml"
        fleet.write_text(fleet.read_text("utf-8") + "\nrollout: {approve_wait: 4, settle: 6}\n", "utf-8")
        state_off(handle, AWAY, f"OLD-{AWAY}")
        at(handle, f"OLD-{AWAY}", NOWHERE)
        handle.set(f"OLD-{CODE}", "systmone=off")
        for code in (CODE, AWAY):
            handle.set(f"NEW-{code}", "systmone=gateway")
        yield handle


def test_many_move_and_one_that_was_stated_to_be_off_comes_back(
    two: Handle, provisioner: Command, tmp_path: Path
) -> None:
    fleet, moves = two.folder, tmp_path / "moves.csv"
    moves.write_text(f"practice,to\n{CODE},NEW-{CODE}\n{AWAY},NEW-{AWAY}\n", "utf-8")
    begun = provisioner("migrate", "start", "--many", moves, "--yes", fleet=fleet)
    assert begun.code == 4, begun.out + begun.err
    for code in (CODE, AWAY):
        for step in ("online-record", "vendor-page", *(("working",) if code == AWAY else ())):
            said = provisioner("migrate", "confirm", code, step, "--by", "B. Person", fleet=fleet)
            assert said.code == 0, said.err
        approved(two, f"NEW-{code}")
    with Journal.open(fleet / ".provisioner" / "journal.db") as journal:
        somebody = processes.Process(user="alice", host="elsewhere", pid=3, started="x")
        now = datetime.now(UTC)
        journal.take([f"migration-{CODE}"], somebody, "move-9", now, now + timedelta(hours=1))
        held = provisioner("migrate", "start", "--many", moves, "--yes", fleet=fleet)
        journal.release([f"migration-{CODE}"], somebody)
    assert held.code == 4, held.out + held.err
    assert "2 practices, one after the other, each until a step does not end well. Stops when" in held.err
    assert "alice@elsewhere" in held.err
    assert f"{AWAY} has moved to NEW-{AWAY}" in held.out
    through = provisioner("migrate", "start", "--many", moves, "--yes", fleet=fleet)
    assert through.code == 0, through.out + through.err
    # The one in the van was never stopped by anybody: its service would start with the PC.
    assert runs(two) == {f"NEW-{CODE}", f"NEW-{AWAY}", f"OLD-{AWAY}"}
    practices = {f"{place}-{code}": code for code in (CODE, AWAY) for place in ("OLD", "NEW")}
    assert judge.two_at_once(two.events(), practices, [f"OLD-{CODE}"]) == []
    quiet = provisioner("audit", fleet=fleet)
    assert quiet.code == 0
    assert "\toff\t" in quiet.out
    assert ": All 3 gateways are ready. 1 stated to be off." in quiet.err

    at(two, f"OLD-{AWAY}", "127.0.0.1")
    audit = provisioner("audit", "--format", "table", fleet=fleet)
    assert audit.code == 1
    _, _, causes = audit.out.partition("Why, at how many gateways")
    assert "More than one Connector runs in the practice" in causes.splitlines()[1]
    assert audit.out.startswith("2 of 4 gateways are ready.")
    started = {one["gateway"] for one in two.events() if one["event"] == "service_started"}
    assert started == {f"NEW-{CODE}", f"NEW-{AWAY}"}


def test_a_practice_whose_third_gateway_is_away_is_not_begun(lab: Handle, provisioner: Command) -> None:
    """The fence asks for all of the practice's gateways: found out after the stop, nobody could start one again."""
    practices = lab.folder / "practices.csv"
    of_old = next(line for line in practices.read_text("utf-8").splitlines() if f",{OLD}," in line)
    third = of_old.replace(f",{OLD},", ",THIRDPC,").replace("127.0.0.1", NOWHERE).replace("active", "standby")
    practices.write_text(f"{practices.read_text('utf-8')}{third.replace(f'GWPC-{CODE}', 'THIRD')}\n", "utf-8")
    refused = provisioner("migrate", "start", CODE, "--to", NEW, "--yes", fleet=lab.folder)
    assert refused.code == 2, refused.out + refused.err
    assert f"Nothing could be started on {NEW}: THIRDPC cannot be read" in refused.err
    assert "switched-off" in refused.err and "Nothing was changed." in refused.err
    assert (runs(lab), roles(lab)[OLD]) == ({OLD}, "active")
