"""The journal keeps what was done, tells when it was touched, and says what is wrong with its file."""

import multiprocessing
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from provisioner import processes
from provisioner.errors import InputError, JournalError
from provisioner.journal import Event, Journal, ended, file, started
from provisioner.model import Outcome, Reason, Result
from tests.worlds.memory import AT, World, fleet, gateway

ME = processes.this()
ALICE = processes.Process(user="alice", host="elsewhere", pid=3, started="b:1")
LATER = AT + timedelta(hours=1)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "journal.db") as opened:
        yield opened


def outcome(step: str, result: Result = Result.DONE) -> Outcome:
    return Outcome(
        step=step, gateway=step[:6], result=result, changed=True, started=AT, ended=AT, message="as said",
        before={"rule": None, "addresses": ["192.0.2.5"]},
    )  # fmt: skip


def test_audits_and_plans_come_back_as_they_were(journal: Journal) -> None:
    world = World(fleet(gateway("B84001"), gateway("B84002")))
    audit, plan = world.audit(), world.plan()
    journal.save(audit, "0 of 2 ready")
    journal.save(plan)
    assert journal.load(audit.id) == audit
    assert journal.load(plan.id) == plan
    assert journal.kept("audit") == [audit.id]
    assert journal.kept("plan") == [plan.id]
    assert {(entry.id, entry.title) for entry in journal.history()} == {(audit.id, "0 of 2 ready"), (plan.id, "")}


def test_the_latest_is_the_newest_whatever_was_saved_last(journal: Journal) -> None:
    audit = World(fleet(gateway("B84001"))).audit()
    assert journal.kept("audit") == []
    journal.save(replace(audit, id="new", at=LATER))
    journal.save(replace(audit, id="old", at=AT))
    assert journal.kept("audit")[0] == "new"


def test_an_unknown_id_is_the_askers_mistake(journal: Journal) -> None:
    with pytest.raises(InputError, match="plan-nope"):
        journal.load("plan-nope")


def test_what_was_saved_cannot_be_saved_over(journal: Journal) -> None:
    audit = World(fleet(gateway("B84001"))).audit()
    journal.save(audit)
    with pytest.raises(JournalError):
        journal.save(audit)


def test_progress_is_the_newest_word_of_each_step(journal: Journal) -> None:
    journal.append(
        [started("B84001-a", "B84001", "plan-1", AT, "m1"), started("B84002-a", "B84002", "plan-1", AT, "m1")]
    )
    journal.append([ended(outcome("B84001-a", Result.FAILED), "plan-1")])
    journal.append([started("B84001-a", "B84001", "plan-1", AT, "m2"), ended(outcome("B84001-a"), "plan-1")])
    journal.append([started("X-a", "X", "plan-2", AT, "m3")])
    progress = journal.progress("plan-1")
    assert progress.outcomes == {"B84001-a": outcome("B84001-a")}
    assert {step: event.body["mark"] for step, event in progress.unended.items()} == {"B84002-a": "m1"}
    assert progress.begun == {"B84001", "B84002"}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("a person has stated that this PC is switched off and stays so", Reason.STATED_OFF),
        ("practice: end SystmOne's Gateway on OLD-B84001 (now: it runs)", Reason.ASKED),
        ("icb-it: see that the Connector works", Reason.ASKED),
        ("not asked for yet, because NEW, which takes over, is away", Reason.NONE),
        ("already as planned", Reason.NONE),
    ],
)
def test_a_journal_without_reasons_tells_them_by_the_words_of_then(
    journal: Journal, message: str, reason: Reason
) -> None:
    event = ended(replace(outcome("B84001-a"), message=message), "plan-1")
    journal.append([replace(event, body={name: value for name, value in event.body.items() if name != "reason"})])
    assert journal.progress("plan-1").outcomes["B84001-a"].reason is reason


def test_a_reason_is_kept_whatever_the_words(journal: Journal) -> None:
    off = replace(outcome("B84001-a"), message="in other words", reason=Reason.STATED_OFF)
    said = replace(outcome("B84001-b"), message="a person has stated that this PC is switched off and stays so")
    journal.append([ended(off, "plan-1"), ended(said, "plan-1")])
    assert journal.progress("plan-1").outcomes == {"B84001-a": off, "B84001-b": said}


def test_runs_are_in_the_history(journal: Journal) -> None:
    journal.append([Event(at=AT, kind="run_started", plan="plan-1", body={"words": "by me"})])
    assert [(entry.id, entry.kind, entry.title) for entry in journal.history()] == [("plan-1", "run started", "by me")]


def test_events_that_fail_together_leave_nothing(journal: Journal) -> None:
    def breaks() -> Iterator[Event]:
        yield Event(at=AT, kind="one")
        raise ValueError("in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        journal.append(breaks())
    assert journal.events() == []


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute(statement)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE events SET body = '{}' WHERE seq = 2", "event 2 (two"),
        ("UPDATE events SET at = '2026-01-01T00:00:00+00:00' WHERE seq = 1", "event 1 (one"),
        ("UPDATE events SET gateway = 'B84009' WHERE seq = 3", "event 3 (three"),
        ("DELETE FROM events WHERE seq = 2", "event 2 is missing"),
        ("UPDATE events SET hash = before WHERE seq = 1", "event 1 (one"),
    ],
)
def test_a_changed_event_breaks_the_chain(journal: Journal, statement: str, words: str) -> None:
    journal.append(Event(at=AT, kind=kind, body={"said": kind}) for kind in ("one", "two", "three"))
    assert journal.verify() == ""
    change(journal.path, statement)
    assert words in journal.verify()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(st.tuples(st.text(), st.dictionaries(st.text(), st.text()))), max_size=5))
def test_any_events_come_back_in_order_and_whole(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[str, dict[str, str]]]]
) -> None:
    with Journal.open(tmp_path_factory.mktemp("any") / "journal.db") as journal:
        # A lone half of a pair is not text that any encoding can keep.
        batches = [[(_whole(kind), {_whole(key): _whole(value) for key, value in body.items()}) for kind, body in batch]
                   for batch in batches]  # fmt: skip
        for batch in batches:
            journal.append(Event(at=AT, kind=kind, body=body) for kind, body in batch)
        written = [Event(at=AT, kind=kind, body=body) for batch in batches for kind, body in batch]
        assert journal.events() == written
        assert journal.verify() == ""


def _whole(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def test_two_processes_write_one_chain(journal: Journal) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_some, args=(journal.path, f"w{number}")) for number in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert len(journal.events()) == 40
    assert journal.verify() == ""


def write_some(path: Path, name: str) -> None:
    with Journal.open(path) as journal:
        for number in range(20):
            journal.append([Event(at=AT, kind=f"{name}-{number}")])


def test_a_lease_is_held_by_one(journal: Journal) -> None:
    assert journal.take(["B84001", "B84002"], ALICE, "plan-1", AT, LATER) == {}
    kept = journal.take(["B84002", "B84003"], ME, "plan-2", AT, LATER)
    assert list(kept) == ["B84002"]
    assert (kept["B84002"].holder, kept["B84002"].why, kept["B84002"].until) == (ALICE, "plan-1", LATER)
    assert {lease.gateway: lease.holder for lease in journal.leases()} == {
        "B84001": ALICE,
        "B84002": ALICE,
        "B84003": ME,
    }
    journal.release(["B84001", "B84003"], ME)
    assert [lease.gateway for lease in journal.leases()] == ["B84001", "B84002"]


def test_a_lease_past_its_end_is_taken_over_and_that_is_recorded(journal: Journal) -> None:
    journal.take(["B84001"], ALICE, "plan-1", AT, LATER)
    assert journal.take(["B84001"], ME, "plan-2", LATER, LATER + timedelta(hours=1)) == {}
    broken = journal.events()[0]
    assert (broken.kind, broken.gateway, broken.body["holder"]) == ("lease_broken", "B84001", str(ALICE))


def test_a_dead_process_holds_nothing(journal: Journal) -> None:
    dead = replace(ME, started="another boot:1")
    journal.take(["B84001"], dead, "plan-1", AT, LATER)
    assert journal.take(["B84001"], ME, "plan-2", AT, LATER) == {}
    assert journal.leases()[0].holder == ME


def test_a_persons_word_breaks_a_lease(journal: Journal) -> None:
    journal.take(["B84001"], ALICE, "plan-1", AT, LATER)
    journal.break_lease("B84001", "B. Person", "Alice is on leave", AT)
    assert journal.leases() == []
    assert journal.events()[0].body["by"] == "B. Person"
    with pytest.raises(InputError):
        journal.break_lease("B84001", "B. Person", "again", AT)


class Leases(RuleBasedStateMachine):
    """No two holders at once, whatever they do; time only goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = file_folder()
        self.journal = Journal.open(self.folder / "journal.db")
        self.now, self.held = AT, dict[str, tuple[processes.Process, object]]()

    @rule(
        names=st.sets(st.sampled_from(["A", "B", "C"]), min_size=1),
        who=st.sampled_from([ME, ALICE]),
        hours=st.integers(1, 3),
    )
    def take(self, names: set[str], who: processes.Process, hours: int) -> None:
        until = self.now + timedelta(hours=hours)
        kept = self.journal.take(sorted(names), who, "why", self.now, until)
        for name in names:
            other = self.held.get(name)
            taken = not other or other[0] == who or other[1] <= self.now  # type: ignore[operator]
            assert (name not in kept) == taken
            if taken:
                self.held[name] = (who, until)

    @rule(names=st.sets(st.sampled_from(["A", "B", "C"])), who=st.sampled_from([ME, ALICE]))
    def release(self, names: set[str], who: processes.Process) -> None:
        self.journal.release(names, who)
        self.held = {name: one for name, one in self.held.items() if name not in names or one[0] != who}

    @rule(minutes=st.integers(30, 90))
    def later(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @invariant()
    def as_told(self) -> None:
        assert {one.gateway: (one.holder, one.until) for one in self.journal.leases()} == self.held

    def teardown(self) -> None:
        assert self.journal.verify() == ""
        self.journal.close()


_folders: list[Path] = []


def file_folder() -> Path:
    folder = _folders[0] / f"leases-{len(_folders)}"
    _folders.append(folder)
    return folder


def test_leases_as_a_state_machine(tmp_path: Path) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    _folders[:] = [tmp_path]
    run_state_machine_as_test(Leases, settings=settings(max_examples=15, stateful_step_count=15, deadline=None))


def test_what_is_known_of_gateways_is_the_newest(journal: Journal) -> None:
    journal.see({"B84001": {"computer_name": "PC1", "serial": "1", "machine_guid": "a"}}, AT)
    journal.see({"B84001": {"computer_name": "PC2", "serial": "2", "machine_guid": "b"}}, LATER)
    assert journal.seen() == {"B84001": {"computer_name": "PC2", "serial": "2", "machine_guid": "b"}}
    journal.keep_endpoints({"B84001": (AT, {"measured_at": "x", "results": []})})
    assert journal.endpoints() == {"B84001": (AT, {"measured_at": "x", "results": []})}


def test_durations_are_medians(journal: Journal) -> None:
    assert journal.durations() == {}
    journal.took([("firewall", 1.0), ("firewall", 2.0), ("firewall", 90.0), ("java", 4.0)])
    assert journal.durations() == {"firewall": 2.0, "java": 4.0}


def test_only_its_owner_can_read_it(journal: Journal) -> None:
    assert journal.path.stat().st_mode & 0o077 == 0


def test_reading_makes_no_journal(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no journal yet"):
        Journal.open(tmp_path / "journal.db", read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_journal_opened_for_reading_refuses_writes(journal: Journal) -> None:
    with Journal.open(journal.path, read_only=True) as only, pytest.raises(JournalError, match="read-only"):
        only.append([Event(at=AT, kind="one")])


def test_a_locked_journal_says_so(journal: Journal) -> None:
    with closing(sqlite3.connect(journal.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with (
            Journal.open(journal.path, patience=0.01) as waiting,
            pytest.raises(JournalError, match="locked") as caught,
        ):
            waiting.append([Event(at=AT, kind="one")])
        assert "Try again" in caught.value.hint
        # Readers are not held up by a writer.
        assert journal.events() == []


def test_a_full_disk_says_so(journal: Journal) -> None:
    with closing(sqlite3.connect(journal.path)) as raw:
        pages = raw.execute("PRAGMA page_count").fetchone()[0]

    @sa.event.listens_for(sa.pool.Pool, "checkout")
    def full(raw: sqlite3.Connection, *_: object) -> None:
        raw.execute(f"PRAGMA max_page_count={pages}").close()

    try:
        with pytest.raises(JournalError, match="disk is full"):
            journal.append([Event(at=AT, kind="big", body={"text": "x" * 100_000})])
    finally:
        sa.event.remove(sa.pool.Pool, "checkout", full)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"this is no database, but long enough to be looked at" * 100, "damaged"),
        (b"SQLite format 3\0" + b"\xff" * 4096, "damaged"),
    ],
)
def test_a_damaged_file_says_so(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(content)
    with pytest.raises(JournalError, match=words):
        Journal.open(path)


def test_a_damaged_page_is_found(journal: Journal) -> None:
    journal.append(Event(at=AT, kind="one", body={"text": "x" * 5000}) for _ in range(40))
    journal.close()
    data = bytearray(journal.path.read_bytes())
    data[20_000:60_000] = b"\xff" * 40_000
    journal.path.write_bytes(data)
    with Journal.open(journal.path) as again:
        try:
            found = again.verify()
        except JournalError as error:
            found = error.message
    assert "damaged" in found


@pytest.mark.parametrize("body", ["{x", "[]", "null", "[" * 9000])
def test_a_damaged_event_says_so_in_the_history(journal: Journal, body: str) -> None:
    """Found by make fuzz, as the next one was."""
    journal.append([Event(at=AT, kind="run_started", plan="p", body={"words": "x"})])
    with closing(sqlite3.connect(journal.path)) as raw, raw:
        raw.execute("UPDATE events SET body = ?", (body,))
    with pytest.raises(JournalError, match="cannot be used"):
        journal.history()


def test_nothing_is_chained_to_an_event_without_a_hash(journal: Journal) -> None:
    journal.append([Event(at=AT, kind="run_started", plan="p", body={})])
    with closing(sqlite3.connect(journal.path)) as raw, raw:
        raw.execute("PRAGMA writable_schema=ON")
        raw.execute("UPDATE sqlite_master SET sql = replace(sql, 'hash VARCHAR(64) NOT NULL', 'hash VARCHAR(64)')")
    with closing(sqlite3.connect(journal.path)) as raw, raw:
        raw.execute("UPDATE events SET hash = NULL")
    with pytest.raises(JournalError, match="has no hash"):
        journal.append([Event(at=AT, kind="run_ended", plan="p", body={})])


def test_a_damaged_document_says_so(journal: Journal) -> None:
    audit = World(fleet(gateway("B84001"))).audit()
    journal.save(audit)
    change(journal.path, "UPDATE documents SET body = x'00ff'")
    with pytest.raises(JournalError, match="audit-1 is damaged"):
        journal.load(audit.id)


def test_a_newer_journal_is_refused(journal: Journal) -> None:
    journal.close()
    change(journal.path, "INSERT INTO provisioner_schema VALUES (99, 'x')")
    with pytest.raises(JournalError, match="version 99") as caught:
        Journal.open(journal.path)
    assert "newer" in caught.value.hint


def test_a_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    change(path, "CREATE TABLE patients (name TEXT)")
    with pytest.raises(JournalError, match="not a journal"):
        Journal.open(path)
    with closing(sqlite3.connect(path)) as raw:
        assert [name for (name,) in raw.execute("SELECT name FROM sqlite_master")] == ["patients"]


def test_a_migration_that_breaks_leaves_the_journal_as_it_was(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.append([Event(at=AT, kind="one")])
    journal.close()

    known = len(file.MIGRATIONS)

    def another(connection: sa.Connection) -> None:
        connection.execute(sa.text("CREATE TABLE more (id INTEGER)"))
        if breaks:
            connection.execute(sa.text("CREATE TABLE more (id INTEGER)"))

    monkeypatch.setattr(file, "MIGRATIONS", (*file.MIGRATIONS, another))
    breaks = True
    with pytest.raises(JournalError):
        Journal.open(journal.path)
    with closing(sqlite3.connect(journal.path)) as raw:
        assert raw.execute("SELECT max(version) FROM provisioner_schema").fetchone() == (known,)
        assert raw.execute("SELECT count(*) FROM sqlite_master WHERE name = 'more'").fetchone() == (0,)
    breaks = False
    with Journal.open(journal.path) as now:
        assert [event.kind for event in now.events()] == ["one"]
    with closing(sqlite3.connect(journal.path)) as raw:
        assert raw.execute("SELECT max(version) FROM provisioner_schema").fetchone() == (known + 1,)


def test_a_place_where_nothing_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(JournalError, match="cannot be opened: Not a directory") as caught:
        Journal.open(tmp_path / "file" / "journal.db")
    assert "fleet.yml" in caught.value.hint


MOUNTS = """/dev/sda1 / ext4 rw 0 0
server:/home /srv/team nfs4 rw 0 0
//server/share /mnt/with\\040blank cifs rw 0 0
tmpfs /srv/team/local tmpfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/journal.db", "ext4"),
        ("/srv/team/fleet/journal.db", "nfs4"),
        ("/srv/teammate/journal.db", "ext4"),
        ("/mnt/with blank/journal.db", "cifs"),
        ("/srv/team/local/journal.db", "tmpfs"),
    ],
)
def test_which_file_system_holds_a_path(path: str, kind: str) -> None:
    assert file.file_system(Path(path), MOUNTS) == kind


def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "file_system", lambda path: "nfs4")
    with pytest.raises(JournalError, match="nfs4"):
        Journal.open(tmp_path / "journal.db")
    assert list(tmp_path.iterdir()) == []
