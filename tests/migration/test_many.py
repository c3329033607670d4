"""Many practices move, two at a time after the first, by the command that a person gives: real WinRM, real Ansible; the
lab's events and the journal's leases are the judge."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import jsonschema
import pytest

from provisioner.journal import Journal
from provisioner.lab.process import client
from provisioner.lab.process.client import Handle
from provisioner.model import FINISHED
from tests.conftest import Command, command, environment
from tests.fixtures.documents import promised
from tests.worlds import judge

PILOT, ONE, TWO, LATER = CODES = ("A84002", "A84005", "A84006", "A84007")
# Where each is; the line to the north takes one at a time.
SITES = {PILOT: "east", ONE: "north", TWO: "north", LATER: "south"}
pytestmark = pytest.mark.timeout(400)


class Evening:
    """A lab whose practices are ready to move, but for the first: its people have not changed over."""

    def __init__(self, lab: Handle, moves: Path) -> None:
        self.lab, self.moves = lab, moves
        for code in CODES[1:]:
            lab.set(f"OLD-{code}", "systmone=off")
            lab.set(f"NEW-{code}", "systmone=gateway")

    def setting(self, old: str, new: str) -> None:
        """Change fleet.yml."""
        path = self.lab.folder / "fleet.yml"
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new), "utf-8")

    def of(self, *codes: str) -> Path:
        """The file of moves, of these practices."""
        self.moves.write_text("practice,to\n" + "".join(f"{code},NEW-{code}\n" for code in codes), "utf-8")
        return self.moves

    def begin(self, *codes: str) -> subprocess.Popen[str]:
        """The command, under way."""
        return subprocess.Popen(
            command("migrate", "start", "--many", self.of(*codes), "--yes", fleet=self.lab.folder),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
        )  # fmt: skip

    def journal(self) -> Journal:
        return Journal.open(self.lab.folder / ".provisioner" / "journal.db")

    def span(self, code: str) -> tuple[str, str]:
        """From when until when something was done there."""
        at = [one["at"] for one in self.lab.events() if one["gateway"].endswith(code) and one["event"] != "faults_set"]
        return min(at), max(at)

    def at_once(self, one: str, two: str) -> bool:
        (begin, end), (begins, ends) = self.span(one), self.span(two)
        return begin < ends and begins < end

    def at_work(self, code: str) -> bool:
        """Whether anything was done there yet."""
        events = self.lab.events()
        return any(one["gateway"].endswith(code) and one["event"] != "faults_set" for one in events)

    def runs(self) -> set[str]:
        state = self.lab.state()
        return {name for name, one in state.items() if any(each["state"] == "running" for each in one["services"])}

    def judged(self, moved: Sequence[str]) -> None:
        """Each has exactly one Connector, never had two, and practices.csv says where."""
        practices = {f"{place}-{code}": code for code in CODES for place in ("OLD", "NEW")}
        assert judge.two_at_once(self.lab.events(), practices, [name for name in practices if "OLD" in name]) == []
        right = {f"{'NEW' if code in moved else 'OLD'}-{code}" for code in CODES}
        assert self.runs() == right
        lines = (self.lab.folder / "practices.csv").read_text("utf-8").splitlines()
        assert {line.split(",")[2] for line in lines if ",active," in line} == right
        with self.journal() as journal:
            assert (journal.leases(), journal.unended(), journal.verify()) == ([], {}, "")


@pytest.fixture
def evening(tmp_path: Path) -> Iterator[Evening]:
    rows = [
        {"practice": code, "name": f"Practice {code}", "gateway": f"{place}-{code}", "address": "", "role": role,
         "site": SITES[code]}
        for code in CODES
        for place, role in (("OLD", "active"), ("NEW", "standby"))
    ]  # fmt: skip
    with client.running(tmp_path / "fleet", rows, state="ready") as lab:
        whole = Evening(lab, tmp_path / "moves.csv")
        whole.setting("\nconnection:\n", "\nrollout: {approve_wait: 4, settle: 4}\nconnection:\n")
        yield whole


def held(journal: Journal) -> set[str]:
    """The practices that are moved now."""
    names = [lease.gateway.partition("migration-") for lease in journal.leases()]
    return {code for before, _, code in names if not before}


def both_at_work(evening: Evening, run: subprocess.Popen[str], remedy: str = "") -> set[str]:
    """Wait until each of two practices has a step under way, one of them this one; the steps."""
    with evening.journal() as journal:
        # For as long as it takes: the pilot comes before them, and on a busy machine that alone took two minutes.
        while run.poll() is None:
            steps = {event.step for events in journal.unended().values() for event in events if event.body.get("mark")}
            if {code for code in CODES for step in steps if code in step} == {ONE, TWO} and any(
                step.endswith(f"-{remedy}" if remedy else "") for step in steps
            ):
                return steps
            time.sleep(0.01)
    said = run.communicate()
    raise AssertionError(f"the two were never at work together: {said}")


def slowed(evening: Evening, seconds: int) -> None:
    """Each command on the gateways of the two takes so much longer."""
    for code in (ONE, TWO):
        evening.lab.set(f"*-{code}", f"slow={seconds}")


def test_two_move_at_the_same_time_after_the_first(evening: Evening, provisioner: Command) -> None:
    """One of them is slow: the next begins while it is at work, and does not take its Ansible for a dead run's."""
    moves = (PILOT, ONE, TWO, LATER)
    run, seen, late, slow = evening.begin(*moves), set[frozenset[str]](), "", False
    with evening.journal() as journal:
        while run.poll() is None:
            seen.add(frozenset(held(journal)))
            if not late and frozenset({ONE, TWO}) in seen:
                late = provisioner("migrate", "start", ONE, "--yes", fleet=evening.lab.folder).err
            # By far, and until the next has begun: how long the others take is the machine's.
            if not slow and evening.at_work(ONE):
                slow = bool(evening.lab.set(f"NEW-{ONE}", "slow=5"))
            elif late and frozenset({ONE, LATER}) in seen and evening.at_work(LATER):
                evening.lab.set(f"NEW-{ONE}", "slow=0")
            time.sleep(0.02)
        unknown = [event for event in journal.events(kinds=("step_ended",)) if event.body["result"] == "unknown"]
    out, err = run.communicate()
    assert run.returncode == 4, out + err
    assert "is being applied" in late
    assert unknown == []
    assert {frozenset({ONE, TWO}), frozenset({ONE, LATER})} <= seen
    assert [both for both in seen if PILOT in both] == [frozenset({PILOT})]
    assert evening.at_once(ONE, TWO)
    assert evening.at_once(ONE, LATER)
    assert "4 practices, the first alone, then two at a time" in err
    evening.judged((ONE, TWO, LATER))
    # Each says by itself what it waits for, once; and each line of what goes on says whose it is.
    about = [next(code for code in CODES if code in line) for line in out.splitlines() if "A8400" in line]
    assert sorted(code for code, _ in groupby(about)) == sorted(moves)
    assert out.count("Next: ") == 4
    begun = err[err.index(f"{PILOT}: move-") :].splitlines()
    assert {line.partition(":")[0] for line in begun} == set(moves)


def test_two_that_share_a_line_are_never_at_work_together(evening: Evening, provisioner: Command) -> None:
    evening.setting("\nconnection:\n", "\nconnection:\n  at_once_per: {site: 1}\n")
    moves = evening.of(PILOT, ONE, TWO, LATER)
    ran = provisioner("migrate", "start", "--many", moves, "--yes", "--format", "json", fleet=evening.lab.folder)
    assert ran.code == 4, ran.out + ran.err
    assert not evening.at_once(ONE, TWO)
    assert evening.at_once(ONE, LATER)
    evening.judged((ONE, TWO, LATER))
    told, rest = list[str](), ran.out
    while rest.strip():
        document, end = json.JSONDecoder().raw_decode(rest.lstrip())
        jsonschema.validate(document, promised("outcomes"))
        told.append(document["plan"])
        rest = rest.lstrip()[end:]
    assert len(set(told)) == 4


def test_killed_while_two_move_and_given_again(evening: Evening, provisioner: Command) -> None:
    """kill -9 of the command: both Ansibles go on without it until the same command comes."""
    run = evening.begin(PILOT, ONE, TWO)
    both_at_work(evening, run, "start")
    run.send_signal(signal.SIGKILL)
    run.communicate()
    again = provisioner("migrate", "start", "--many", evening.moves, "--yes", fleet=evening.lab.folder)
    assert again.code == 4, again.out + again.err
    evening.judged((ONE, TWO))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_two_move(evening: Evening, provisioner: Command, number: signal.Signals) -> None:
    """Ctrl-C lets both come to the end of their step; twice, and what counts as that, ends both at once. No further
    practice is begun."""
    once = number == signal.SIGINT
    run = evening.begin(PILOT, ONE, TWO, LATER)
    steps = both_at_work(evening, run)
    # What is ended at once must not be over by itself before, on a machine that is busy with other things.
    slowed(evening, 0 if once else 5)
    run.send_signal(number)
    out, err = run.communicate()
    slowed(evening, 0)
    assert run.returncode == 4, out + err
    assert "Stopped: the operator ended it. The practices that are left were not touched." in err
    assert err.count("Ending what runs; nothing further starts.") == once
    with evening.journal() as journal:
        assert (journal.leases(), journal.unended()) == ([], {})
        results = {
            event.step: event.body["result"] for event in journal.events(kinds=("step_ended",)) if event.step in steps
        }
        assert steps == results.keys()
        assert (set(results.values()) <= set(FINISHED)) is once, results
        assert not [event for event in journal.events(kinds=("run_started",)) if LATER in str(event.plan)]
        opened = {event.body["practice"] for event in journal.events(kinds=("migration_opened",))}
    assert opened == {PILOT, ONE, TWO}
    again = provisioner("migrate", "start", "--many", evening.moves, "--yes", fleet=evening.lab.folder)
    assert again.code == 4, again.out + again.err
    evening.judged((ONE, TWO, LATER))


def test_where_none_may_fail_none_is_begun_beside_one_that_fails(evening: Evening, provisioner: Command) -> None:
    evening.setting("settle: 4", "settle: 4, failed: 0")
    evening.lab.set(f"NEW-{ONE}", "service_will_not_start")
    moves = evening.of(PILOT, ONE, TWO)
    ran = provisioner("migrate", "start", "--many", moves, "--yes", fleet=evening.lab.folder)
    assert ran.code == 4, ran.out + ran.err
    assert "3 practices, one after the other" in ran.err
    assert "Stopped: 1 gateways failed" in ran.err
    with evening.journal() as journal:
        opened = {event.body["practice"] for event in journal.events(kinds=("migration_opened",))}
    assert opened == {PILOT, ONE}
