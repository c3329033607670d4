"""Up to where a person found a journal whole is kept outside of it: what that saves, and what it finds."""

import json
import os
import shutil
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest

from provisioner.errors import InputError, JournalError
from provisioner.journal import Event, Journal, heads
from tests.fixtures.documents import promised
from tests.fixtures.fleets import write
from tests.journal.journals import change, journal
from tests.record.records import run
from tests.worlds.memory import AT, World, fleet, gateway

__all__ = ["journal"]  # fixtures

LATER = AT + timedelta(days=400)


def some(journal: Journal, *kinds: str) -> None:
    journal.append(Event(at=AT, kind=kind, body={"said": kind}) for kind in kinds)


def seen(journal: Journal) -> str:
    """What a verb finds that changes gateways: by the kept head, which it moves on."""
    return journal.verify(LATER, everything=False)


def test_only_what_came_since_is_looked_at_and_all_when_asked(journal: Journal) -> None:
    some(journal, "one", "two", "three")
    assert journal.verify(AT) == ""
    change(journal.path, "UPDATE events SET body = '{}' WHERE seq = 2")
    # However long ago that was.
    assert seen(journal) == ""
    some(journal, "four")
    assert seen(journal) == ""
    assert "event 2 (two" in journal.verify()
    assert "event 2 (two" in journal.verify(LATER)
    change(journal.path, "UPDATE events SET body = '{}' WHERE seq = 4")
    kept = heads.kept(journal.id)
    assert kept and (kept.seq, kept.at, kept.all_at) == (4, LATER, AT)


def test_what_came_since_and_was_changed_is_found(journal: Journal) -> None:
    some(journal, "one")
    assert seen(journal) == ""
    some(journal, "two", "three")
    change(journal.path, "UPDATE events SET body = '{}' WHERE seq = 2")
    assert "event 2 (two" in seen(journal)
    kept = heads.kept(journal.id)
    assert kept and kept.seq == 1


def test_an_audit_that_came_since_is_held_against_its_rows(journal: Journal) -> None:
    some(journal, "one")
    assert seen(journal) == ""
    journal.save(World(fleet(gateway("B84001"))).audit())
    change(journal.path, "UPDATE answered SET body = x'00'")
    assert "audit-1 was changed" in seen(journal)


def test_an_older_copy_is_found_where_the_newer_one_was_seen(journal: Journal, tmp_path: Path) -> None:
    some(journal, "one")
    journal.close()
    shutil.copyfile(journal.path, tmp_path / "backup")
    with Journal.open(journal.path) as again:
        some(again, "two")
        assert seen(again) == ""
    # Into the same file: its place is the one that it had.
    journal.path.write_bytes((tmp_path / "backup").read_bytes())
    with Journal.open(journal.path) as older:
        words = "event 2, which was its newest when you verified it on 28 December 2027, is not in it"
        assert older.moved() is None
        assert words in seen(older) and words in older.verify() and words in older.behind()
        some(older, "another")
        assert "event 2, which was its newest when you verified it on 28 December 2027, is another now" in seen(older)
        older.forget_head()
        assert (older.behind(), older.verify(LATER), seen(older)) == ("", "", "")


def test_one_that_was_written_anew_and_is_whole_in_itself_is_found(journal: Journal) -> None:
    some(journal, "one", "two")
    assert seen(journal) == ""
    change(journal.path, "DELETE FROM events")
    some(journal, "one", "other")
    assert "is another now" in seen(journal)


def test_a_removal_by_somebody_else_is_no_older_copy(journal: Journal) -> None:
    journal.append([Event(at=AT, kind="one", plan="plan-1")])
    assert seen(journal) == ""
    kept = heads.kept(journal.id)
    journal.append([Event(at=AT, kind="two", plan="plan-1")])
    assert journal.prune(AT + timedelta(days=200), "P. Shah", AT + timedelta(days=300)).events == 2
    # As another person has it, who has not seen the removal yet.
    assert kept
    heads.keep(journal.id, kept)
    assert (journal.behind(), seen(journal)) == ("", "")
    now = heads.kept(journal.id)
    assert now and now.seq == 3


def test_a_copy_is_looked_at_whole_and_nothing_is_kept_of_it(journal: Journal, tmp_path: Path) -> None:
    some(journal, "one", "two")
    assert seen(journal) == ""
    journal.close()
    shutil.copyfile(journal.path, tmp_path / "copy.db")
    change(tmp_path / "copy.db", "UPDATE events SET body = '{}' WHERE seq = 1")
    with Journal.open(tmp_path / "copy.db") as copy:
        assert "event 1 (one" in seen(copy)


@pytest.mark.skipif(os.name != "posix", reason="by the bits of rights")
def test_a_head_that_others_could_have_written_is_none(journal: Journal, state: Path) -> None:
    some(journal, "one")
    assert seen(journal) == ""
    (file,) = state.rglob("*.json")
    assert file.stat().st_mode & 0o777 == 0o600 and file.parent.stat().st_mode & 0o777 == 0o700
    file.chmod(0o666)
    assert heads.kept(journal.id) is None
    file.chmod(0o600)
    assert heads.kept(journal.id)
    file.parent.chmod(0o777)
    assert heads.kept(journal.id) is None
    assert seen(journal) == ""


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"seq": "x"}', "\x00", "9" * 70000])
def test_a_head_that_is_none_costs_a_look_at_everything(text: str, journal: Journal, state: Path) -> None:
    some(journal, "one")
    assert seen(journal) == ""
    (file,) = state.rglob("*.json")
    file.write_text(text, "utf-8")
    change(journal.path, "UPDATE events SET body = '{}' WHERE seq = 1")
    assert "event 1 (one" in seen(journal)


def test_without_a_place_for_it_all_is_looked_at(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    some(journal, "one")
    assert (seen(journal), heads.kept(journal.id)) == ("", None)


def test_an_id_that_is_a_path_leads_nowhere(journal: Journal, state: Path) -> None:
    some(journal, "one")
    change(journal.path, "UPDATE journals SET id = '../../out'")
    assert seen(journal) == ""
    assert not list(state.parent.rglob("out.json"))


def test_what_is_read_is_held_against_its_hash_however_old(journal: Journal) -> None:
    some(journal, "one", "two")
    assert seen(journal) == ""
    change(journal.path, "UPDATE events SET body = '{}' WHERE seq = 1")
    with pytest.raises(JournalError, match=r"event 1 .one at .* was changed after it was written"):
        journal.events()


def test_what_has_begun_and_not_ended_is_what_the_events_say(journal: Journal) -> None:
    def event(kind: str, step: str) -> Event:
        return Event(at=AT, kind=kind, plan="plan-1", step=step, gateway="B84001")

    journal.append([event("step_started", "a"), event("claim_started", "b"), event("step_ended", "a")])
    journal.append([event("step_started", "a"), event("claim_ended", "b"), event("step_started", "c")])
    assert [one.step for one in journal.unended()["plan-1"]] == ["a", "c"]
    assert journal.verify() == ""
    change(journal.path, "DELETE FROM unended WHERE step = 'a'")
    assert "whether what event 4 began has ended was changed" in journal.verify()


def test_the_verb_looks_at_everything_and_asks_about_an_older_copy(tmp_path: Path) -> None:
    folder = write(tmp_path / "fleet", {})
    path = folder / ".provisioner" / "journal.db"
    with Journal.open(path) as journal:
        some(journal, "one")
    assert "as it was written, up to event 1" in run("--fleet", folder, "journal", "verify").stdout
    backup = path.read_bytes()
    with Journal.open(path) as journal:
        some(journal, "two")
    assert run("--fleet", folder, "history").return_value == 0
    path.write_bytes(backup)
    told = run("--fleet", folder, "history")
    assert (told.return_value, "is not in it: it is an older copy" in told.stderr) == (2, True)
    with pytest.raises(InputError, match=r"Go on with the journal as it is now\? Nobody can be asked"):
        run("--fleet", folder, "journal", "verify")
    document = json.loads(run("--fleet", folder, "journal", "verify", "--yes", "--format", "json").stdout)
    jsonschema.validate(document, promised("journal-verified"))
    assert (document["event"], document["wrong"], "event 2" in document["behind"]) == (1, "", True)
    assert run("--fleet", folder, "history").return_value == 0
    change(path, "UPDATE events SET body = '{}'")
    told = run("--fleet", folder, "journal", "verify")
    assert (told.return_value, "cannot be trusted: event 1 (one" in told.stderr) == (2, True)
