"""The journal's file: locked, full, damaged, newer, of something else, on a network; each is said."""

import errno
import io
import os
import sqlite3
import tempfile
import zlib
from contextlib import closing
from pathlib import Path
from typing import IO

import pytest
import sqlalchemy as sa

from provisioner import files
from provisioner.errors import JournalError
from provisioner.journal import Event, Journal, file, standing
from tests.journal.journals import change, journal
from tests.worlds.memory import AT, World, fleet, gateway

__all__ = ["journal"]  # fixtures


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


@pytest.mark.parametrize("body", ["{x", "[]", "null", chr(34) * 2, "[" * 9000])
def test_a_damaged_event_says_so_in_the_history(journal: Journal, body: str) -> None:
    """Found by make fuzz, as the next one was."""
    journal.append([Event(at=AT, kind="run_started", plan="p", body={"words": "x"})])
    with closing(sqlite3.connect(journal.path)) as raw, raw:
        raw.execute("UPDATE events SET body = ?", (body,))
    for look in (journal.history, lambda: journal.events("p"), journal.names, lambda: standing.stands(journal, "p")):
        with pytest.raises(JournalError):
            look()


def test_what_is_known_of_a_gateway_and_is_damaged_says_so(journal: Journal) -> None:
    journal.see({"GW1": {"serial": "1"}}, AT)
    with closing(sqlite3.connect(journal.path)) as raw, raw:
        raw.execute("UPDATE known SET body = '[1]'")
    with pytest.raises(JournalError, match="where an object belongs"):
        journal.seen()


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
    with closing(sqlite3.connect(journal.path)) as raw, raw:
        whole = raw.execute("SELECT body FROM documents").fetchone()[0]
        other = zlib.compress(zlib.decompress(whole).replace(b"B84001", b"B84002"))
        # One that is whole, and another one than was kept, too: by the hash in the chain.
        for body in (b"\x00\xff", b"", other):
            raw.execute("UPDATE documents SET body = ?", (body,))
            raw.commit()
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
    assert files.file_system(Path(path), MOUNTS) == kind


def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "file_system", lambda path: "nfs4")
    with pytest.raises(JournalError, match="nfs4"):
        Journal.open(tmp_path / "journal.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "said", "words"),
    [
        (errno.ENOSPC, "disk I/O error", "disk is full"),
        (errno.EDQUOT, "unable to open database file", "disk is full"),
        (errno.EROFS, "unable to open database file", "is read-only"),
        (0, "disk I/O error", "disk I/O error"),
    ],
)
def test_what_sqlite_cannot_make_beside_it_is_told_by_trying(
    number: int, said: str, words: str, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a disk that is full or read-only SQLite says the same as of one that breaks."""
    tried: list[Path] = []

    def refused(dir: Path) -> IO[bytes]:
        tried.append(dir)
        if number:
            raise OSError(number, os.strerror(number))
        return io.BytesIO()

    monkeypatch.setattr(tempfile, "TemporaryFile", refused)

    @sa.event.listens_for(sa.pool.Pool, "checkout")
    def broken(*_: object) -> None:
        raise sqlite3.OperationalError(said)

    try:
        with pytest.raises(JournalError, match=words):
            journal.append([Event(at=AT, kind="one")])
    finally:
        sa.event.remove(sa.pool.Pool, "checkout", broken)
    assert tried == [journal.path.parent]


NAMES = (
    "GP #1",
    "what?",
    "50%41x",
    "%zz",
    "a&mode=ro",
    "it's",
    "two\nlines",
    "Tŷ",
    "a:b",
    "a;b",
    " ",
    "~",
    "$HOME",
)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_the_file_that_is_named_and_no_other(name: str, tmp_path: Path) -> None:
    """A name is no part of a URI: what SQLite takes for one leads to another file, and two fleets to the same."""
    path = tmp_path / name / name
    with Journal.open(path) as made:
        made.append([Event(at=AT, kind="one")])
    assert [one.name for one in tmp_path.iterdir()] == [name]
    assert path.read_bytes()[:6] == b"SQLite"
    with Journal.open(path, read_only=True) as read:
        assert [event.kind for event in read.events()] == ["one"]
