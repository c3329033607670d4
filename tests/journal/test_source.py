"""A journal that cannot be written to is read as it is, with what was written last, and nothing is left beside it."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from provisioner import processes
from provisioner.errors import JournalError
from provisioner.journal import Event, Journal, source
from tests.conftest import ROOT, Ran
from tests.fixtures.accounts import above, is_open_to_all, run_as
from tests.fixtures.fleets import write
from tests.worlds.memory import AT

NOBODY = processes.uid("nobody")
LOOKS = [
    ("history",), ("history", "--format", "json"), ("lease", "list"), ("journal", "verify"), ("migrate", "status"),
]  # fmt: skip
KEEPS = [("plan",), ("history", "--prune", "1"), ("journal", "adopt", "--yes"), ("audit",)]
Left = Callable[[Path], None]


def everything(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


def happened(journal: Journal, kind: str) -> None:
    journal.append([Event(at=AT, kind=kind, plan="plan-1")])


@pytest.fixture
def fleet() -> Iterator[Path]:
    """A fleet whose journal anybody may read, and only its owner write. Not in pytest's folder, which another pytest
    that begins just now closes to other accounts."""
    with tempfile.TemporaryDirectory() as name:
        folder = write(Path(name) / "fleet", {})
        with Journal.open(folder / ".provisioner" / "journal.db") as journal:
            happened(journal, "run_started")
        yield folder


def readable(folder: Path) -> None:
    """To anybody."""
    for one in (folder, *folder.rglob("*"), *above(folder)):
        one.chmod(0o755 if one.is_dir() else 0o644)


def as_nobody(folder: Path, *words: str) -> Ran:
    """What that account sees; nothing of the folder is another afterwards."""
    readable(folder)
    before = everything(folder)
    ran = run_as(NOBODY if NOBODY is not None else -1, *words, fleet=folder)
    assert everything(folder) == before
    assert "Traceback" not in ran.err
    return ran


@pytest.mark.parametrize("words", LOOKS, ids=" ".join)
def test_what_only_looks_reads_another_s_journal(fleet: Path, words: tuple[str, ...]) -> None:
    ran = as_nobody(fleet, *words)
    assert ran.code == 0, ran
    assert "journal.db cannot be written to from here: it is read as it is" in ran.err


@pytest.mark.parametrize("words", KEEPS, ids=" ".join)
def test_what_keeps_something_refuses_before_it_does_anything(fleet: Path, words: tuple[str, ...]) -> None:
    if words == ("audit",) and not is_open_to_all(ROOT):
        pytest.skip("another account may not read the policy where this clone lies")
    ran = as_nobody(fleet, *words)
    assert (ran.code, ran.out) == (2, ""), ran
    assert "the journal is read-only" in ran.err


def test_what_is_written_just_now_is_seen(fleet: Path) -> None:
    with Journal.open(fleet / ".provisioner" / "journal.db") as journal:
        happened(journal, "undo_started")
        assert (fleet / ".provisioner" / "journal.db-wal").stat().st_size
        ran = as_nobody(fleet, "journal", "verify", "--format", "json")
        assert ran.code == 0 and f'"event": {journal.head()[0]}' in ran.out


def test_what_was_written_last_is_seen_in_a_copy_without_what_sqlite_shares(fleet: Path) -> None:
    copy = fleet.parent / "copy"
    with Journal.open(fleet / ".provisioner" / "journal.db") as journal:
        happened(journal, "undo_started")
        newest, _ = journal.head()
        shutil.copytree(fleet, copy)
    (copy / ".provisioner" / "journal.db-shm").unlink()
    ran = as_nobody(copy, "journal", "verify", "--format", "json")
    assert ran.code == 0 and f'"event": {newest}' in ran.out
    assert "it was moved, or is a copy" in ran.err and "journal adopt" not in ran.err


def test_what_another_may_not_read_is_said(fleet: Path) -> None:
    readable(fleet)
    (fleet / ".provisioner" / "journal.db").chmod(0o600)
    ran = run_as(NOBODY if NOBODY is not None else -1, "history", fleet=fleet)
    assert ran.code == 2 and "the journal cannot be read: permission denied" in ran.err and "a copy of it" in ran.err


def test_none_is_made_where_none_can_be(fleet: Path) -> None:
    shutil.rmtree(fleet / ".provisioner")
    assert "there is no journal yet" in as_nobody(fleet, "history").err


def test_one_that_was_written_to_meanwhile_is_not_believed(fleet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fleet / ".provisioner" / "journal.db"
    monkeypatch.setattr(source, "can_be_written", lambda _: False)
    with Journal.open(path, read_only=True) as closed:
        assert [event.kind for event in closed.events()][-1] == "run_started"
        with Journal.open(path) as journal:
            happened(journal, "undo_started")
        with pytest.raises(JournalError, match="written to while it was read"):
            closed.events()


def test_nothing_is_kept_in_a_copy_of_ours_either(fleet: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = fleet / ".provisioner" / "journal.db"
    monkeypatch.setattr(source, "can_be_written", lambda _: False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Journal.open(path) as journal:
        happened(journal, "undo_started")
        shutil.move(fleet / ".provisioner" / "journal.db-shm", tmp_path / "shm")
        with Journal.open(path, read_only=True) as closed:
            assert len(list(tmp_path.glob("provisioner-*"))) == 1
            with pytest.raises(JournalError, match="read-only"):
                happened(closed, "undo_started")
        assert list(tmp_path.glob("provisioner-*")) == []
        shutil.move(tmp_path / "shm", fleet / ".provisioner" / "journal.db-shm")
