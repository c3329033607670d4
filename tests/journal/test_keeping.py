"""What the journal keeps for an audit of its own: who it is, readings, and what goes once it is old."""

import re
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from provisioner import processes
from provisioner.errors import InputError, JournalError
from provisioner.journal import Event, Journal, Pruned, ended, events, file, started
from provisioner.model import Audit, Evidence, Outcome, Plan, Problem, Result
from provisioner.record import chain
from tests.journal.journals import change
from tests.worlds.memory import AT, World, fleet, gateway

ME = processes.this()
DAY = timedelta(days=1)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "journal.db") as opened:
        yield opened


def reading(name: str = "B84001", at: datetime = AT, said: str = "as it was") -> Evidence:
    return Evidence(
        gateway=name, taken_at=at, seconds=1.25, sections={"ours": {"kept": 1, "said": said}},
        section_errors={"screen": "no answer \ud800"}, section_seconds={"ours": 0.5},
    )  # fmt: skip


def test_a_journal_of_version_1_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal.db"
    with monkeypatch.context() as older:
        older.setattr(file, "MIGRATIONS", file.MIGRATIONS[:1])
        old = file.File.open(path, create=True, read_only=False, patience=1)
        with closing(old), old.write() as connection:
            events.append(connection, [Event(at=AT, kind="one")])
    with closing(sqlite3.connect(path)) as raw:
        tables = {name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert not tables & {"readings", "journals"}
    with Journal.open(path) as journal:
        first = journal.id
        assert [event.kind for event in journal.events()] == ["one"]
        assert journal.verify() == ""
    with Journal.open(path) as journal:
        assert journal.id == first
    assert re.fullmatch(r"[0-9a-f]{12}", first)


def test_each_journal_is_another(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "a.db") as one, Journal.open(tmp_path / "b.db") as other:
        assert one.id != other.id


def test_a_problem_of_before_there_was_absent_keeps_its_hash_and_reads_as_no(journal: Journal) -> None:
    """`absent` stands in what is kept only where it is so: what was kept without it says no."""
    for absent in (False, True):
        problem = Problem(kind="Unreachable", message="no", hint="Is it on?", absent=absent)
        one = Evidence(gateway="B84002", taken_at=AT, seconds=2, error=problem)
        assert ('"absent"' in chain.canonical(one)) is absent
        assert chain.read(chain.canonical(one)) == one
        assert journal.reading(journal.keep_readings([one])["B84002"]) == one


def test_readings_come_back_as_they_were_and_are_kept_once(journal: Journal) -> None:
    problem = Problem(kind="Unreachable", message="no", hint="Is it on?")
    unread = Evidence(gateway="B84002", taken_at=AT, seconds=2, error=problem)
    kept = journal.keep_readings([reading(), unread])
    assert set(kept) == {"B84001", "B84002"}
    assert journal.keep_readings([reading()]) == {"B84001": kept["B84001"]}
    assert journal.reading(kept["B84001"]) == reading()
    assert journal.reading(kept["B84002"]) == unread
    with closing(sqlite3.connect(journal.path)) as raw:
        rows = raw.execute("SELECT sha256, body FROM readings").fetchall()
    # The key is what any other program says of the same text.
    assert {key: chain.sha256(zlib.decompress(body).decode()) for key, body in rows} == {
        key: key for key in kept.values()
    }
    assert all(zlib.decompress(body).isascii() for _, body in rows)


def test_a_reading_that_is_not_there_and_one_that_was_changed(journal: Journal) -> None:
    with pytest.raises(InputError, match="no reading"):
        journal.reading("0" * 64)
    key = journal.keep_readings([reading()])["B84001"]
    other = zlib.compress(chain.canonical(reading(said="another")).encode())
    change(journal.path, "UPDATE readings SET body = ?", other)
    with pytest.raises(JournalError, match="changed"):
        journal.reading(key)
    assert f"reading {key} of B84001 was changed" in journal.verify()
    change(journal.path, "UPDATE readings SET body = x'00ff'")
    assert "was changed" in journal.verify()


def test_a_reading_that_judged_a_step_cannot_be_taken_away(journal: Journal) -> None:
    key = journal.keep_readings([reading()])["B84001"]
    journal.append([ended(outcome("B84001-a", after=key), "plan-1")])
    assert journal.verify() == ""
    change(journal.path, "DELETE FROM readings")
    assert f"reading {key}, which judged B84001-a, is missing" in journal.verify()


def outcome(step: str, before: str = "", after: str = "", result: Result = Result.DONE, at: datetime = AT) -> Outcome:
    return Outcome(
        step=step, gateway=step[:6], result=result, changed=True, started=at, ended=at, reading_before=before,
        reading_after=after, output=("ok: what Ansible said",),
    )  # fmt: skip


class Past:
    """A journal with a past: each plan with its audit, a run, a step and the readings that judged it."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.world = World(fleet(gateway("B84001")))

    def audit(self, name: str, at: datetime) -> Audit:
        made = replace(self.world.audit(), id=name, at=at)
        self.journal.save(made)
        return made

    def plan(self, name: str, at: datetime, *, audit: str = "", kind: str = "rollout", of: str = "") -> Plan:
        made = replace(self.world.plan(), id=name, at=at, audit=audit, kind=kind, of=of)
        self.journal.save(made)
        return made

    def ran(self, plan: str, at: datetime, *, until: str = "run_ended") -> tuple[str, str]:
        """A run of that plan, up to and with that event; the readings."""
        before, after = (
            self.journal.keep_readings([reading(at=at, said=f"{plan} {when}")])["B84001"]
            for when in ("before", "after")
        )
        run = [
            Event(at=at, kind="run_started", plan=plan, body={"words": "by me"}),
            started("B84001-a", "B84001", plan, at, "m1"),
            ended(outcome("B84001-a", before, after, at=at), plan),
            Event(at=at, kind="run_ended", plan=plan, body={"words": "1 done"}),
            Event(at=at, kind="closed", plan=plan),
        ]
        kinds = [event.kind for event in run]
        self.journal.append(run[: kinds.index(until) + 1])
        return before, after

    def prune(self, days: int) -> Pruned:
        return self.journal.prune(AT + days * DAY, "me@here", AT + 100 * DAY)

    @property
    def documents(self) -> set[str]:
        with closing(sqlite3.connect(self.journal.path)) as raw:
            return {name for (name,) in raw.execute("SELECT id FROM documents")}


@pytest.fixture
def past(journal: Journal) -> Past:
    return Past(journal)


def test_what_is_old_goes_and_the_chain_still_holds(past: Past) -> None:
    past.audit("audit-1", AT)
    past.plan("plan-1", AT, audit="audit-1")
    keys = past.ran("plan-1", AT)
    past.audit("audit-2", AT + 10 * DAY)
    past.plan("plan-2", AT + 10 * DAY, audit="audit-2")
    newer = past.ran("plan-2", AT + 10 * DAY)
    past.journal.see({"B84001": {"serial": "1"}}, AT)
    past.journal.took([("firewall", 1.0)])
    assert past.journal.old(AT + 5 * DAY) == Pruned(audits=1, plans=1, events=4, readings=2)
    assert past.prune(5) == Pruned(audits=1, plans=1, events=4, readings=2)
    assert past.documents == {"audit-2", "plan-2"}
    assert past.journal.verify() == ""
    kinds = [(event.kind, event.plan) for event in past.journal.events()]
    assert kinds[:2] == [("kept", "audit-1"), ("kept", "plan-1")]
    assert kinds[-1] == ("pruned", "")
    assert past.journal.events()[-1].body["by"] == "me@here"
    for key in keys:
        with pytest.raises(InputError):
            past.journal.reading(key)
    assert past.journal.reading(newer[1]).sections["ours"]["said"] == "plan-2 after"
    assert (past.journal.seen(), past.journal.durations()) == ({"B84001": {"serial": "1"}}, {"firewall": 1.0})
    assert past.journal.history()[0].kind == "pruned"
    # What comes after goes on from there, and a second removal joins the gaps.
    past.journal.append([Event(at=AT + 101 * DAY, kind="one")])
    assert past.prune(5) == Pruned()
    past.audit("audit-3", AT + 40 * DAY)
    assert past.prune(30) == Pruned(audits=1, plans=1, events=4, readings=2)
    assert past.journal.verify() == ""


def test_nothing_of_what_went_is_left_in_the_file(past: Past) -> None:
    past.plan("plan-1", AT)
    past.journal.append([Event(at=AT, kind="run_ended", plan="plan-1", body={"words": "MARKED-WORDS"})])
    past.prune(5)
    past.journal.compact()
    past.journal.close()
    assert not [path for path in past.journal.path.parent.iterdir() if b"MARKED-WORDS" in path.read_bytes()]


@pytest.mark.parametrize(
    ("kind", "until"),
    [
        ("rollout", "step_started"),
        ("rollout", "step_ended"),
        ("rollout", "run_started"),
        ("migration", "run_ended"),
        ("undo", "run_ended"),
    ],
)
def test_what_is_open_stays_with_its_audit_and_readings(kind: str, until: str, past: Past) -> None:
    past.audit("audit-1", AT)
    past.plan("plan-1", AT, audit="audit-1", kind=kind)
    past.ran("plan-1", AT, until=until)
    past.audit("audit-2", AT + 10 * DAY)
    happened = len(past.journal.events())
    gone = past.prune(50)
    assert (gone.audits, gone.plans, gone.events) == (0, 0, 0)
    assert past.documents == {"audit-1", "plan-1", "audit-2"}
    assert len(past.journal.events()) == happened + (gone.readings > 0)
    assert past.journal.verify() == ""


def test_a_migration_that_is_closed_goes(past: Past) -> None:
    past.plan("plan-1", AT, kind="migration")
    past.ran("plan-1", AT, until="closed")
    assert past.prune(5).plans == 1


def test_what_somebody_holds_a_lease_for_stays(past: Past) -> None:
    for name in ("plan-1", "plan-2", "plan-3"):
        past.plan(name, AT)
        past.ran(name, AT)
    past.journal.take(["B84001"], ME, "plan-1", AT, AT + DAY)
    past.journal.take(["plan-2"], ME, "apply", AT, AT + DAY)
    past.prune(5)
    assert past.documents == {"plan-1", "plan-2"}


def test_a_family_stays_together(past: Past) -> None:
    past.plan("plan-1", AT)
    past.ran("plan-1", AT)
    past.plan("undo-1", AT + 10 * DAY, kind="undo", of="plan-1")
    past.ran("undo-1", AT + 10 * DAY, until="step_started")
    past.plan("plan-2", AT)
    past.prune(50)
    assert past.documents == {"plan-1", "undo-1"}
    assert [one.id for one in past.journal.family(past.plan("plan-3", AT + 99 * DAY))] == ["plan-3"]
    first = past.journal.load("plan-1")
    assert isinstance(first, Plan)
    assert [one.id for one in past.journal.family(first)] == ["plan-1", "undo-1"]


def test_the_newest_audit_stays_however_old(past: Past) -> None:
    past.audit("audit-1", AT)
    past.audit("audit-2", AT + DAY)
    assert past.prune(50).audits == 1
    assert past.documents == {"audit-2"}


@pytest.fixture
def pruned(past: Past) -> Past:
    """Two plans of the past gone, with a kept event between; two later ones still there."""
    for number in (1, 2):
        past.plan(f"plan-{number}", AT)
        past.ran(f"plan-{number}", AT)
    for number in (3, 4):
        past.plan(f"plan-{number}", AT + 50 * DAY)
        past.ran(f"plan-{number}", AT + 50 * DAY)
    past.prune(5)
    assert [row.seq for row in past.journal.links(["plan-1", "plan-2", "plan-3"])] == [1, 6, 11, 12, 13, 14, 15]
    assert past.journal.verify() == ""
    return past


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE events SET body = '{}' WHERE seq = 12", "event 12"),
        ("UPDATE events SET at = '2026-01-01T00:00:00+00:00' WHERE seq = 6", "event 6"),
        ("DELETE FROM events WHERE seq = 13", "event 13 is missing"),
        ("DELETE FROM events WHERE seq = 6", "events 2 to 10 are missing"),
        ("DELETE FROM events WHERE seq = 11", "events 7 to 11 are missing"),
        ("DELETE FROM events WHERE kind = 'pruned'", "events 2 to 5 are missing"),
        ("UPDATE events SET body = replace(body, '[2, 5,', '[2, 6,') WHERE kind = 'pruned'", "(pruned at"),
        ("UPDATE events SET before = (SELECT hash FROM events WHERE seq = 1) WHERE seq = 6", "event 6"),
        ("DELETE FROM documents WHERE id = 'plan-3'", "plan-3 is missing"),
        ("DELETE FROM readings", "is missing"),
    ],
)
def test_what_is_changed_after_a_removal_is_still_found(statement: str, words: str, pruned: Past) -> None:
    change(pruned.journal.path, statement)
    assert words in pruned.journal.verify()


def test_a_removal_hides_nothing_that_was_taken_away_before(past: Past) -> None:
    past.plan("plan-1", AT)
    past.ran("plan-1", AT)
    change(past.journal.path, "DELETE FROM events WHERE seq = 3")
    with pytest.raises(JournalError, match="event 3 is missing"):
        past.prune(5)
    assert "event 3 is missing" in past.journal.verify()
    assert past.documents == {"plan-1"}


def test_the_hash_at_a_gap_is_that_of_what_went(past: Past, journal: Journal) -> None:
    """Whoever has the removed events in a backup can show that they are the ones."""
    past.plan("plan-1", AT)
    past.ran("plan-1", AT)
    backup = journal.links(["plan-1"])
    past.prune(5)
    # A number is never given twice, even where the newest event went.
    assert journal.head()[0] == 6
    ((first, last, before, after),) = journal.events()[-1].body["spans"]
    went = [link for link in backup if first <= link.seq <= last]
    assert (went[0].before, went[-1].hash) == (before, after)
    assert all(link.whole for link in went)
