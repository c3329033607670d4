"""An audit's gateways are rows of the journal: what is done to one of them is found, and they go with their audit."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from provisioner.errors import JournalError
from provisioner.journal import Journal
from provisioner.model import Audit, packed
from tests.fixtures.reports import estate
from tests.journal.journals import change, journal
from tests.worlds.memory import AT, World, fleet, gateway

__all__ = ["journal"]  # fixtures


def test_an_audit_of_many_comes_back_and_can_be_kept_again(journal: Journal) -> None:
    audit = estate()[0]
    journal.save(audit)
    loaded = journal.load(audit.id)
    assert loaded == audit
    with Journal.open(journal.path.with_name("other.db")) as other:
        other.save(loaded)
        assert other.load(audit.id) == audit


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE answered SET body = x'00' WHERE number = 1",
        "UPDATE answered SET reading = body WHERE number = 1",
        "UPDATE answered SET text = 2 WHERE number = 1",
        "DELETE FROM answered WHERE number = 2",
        "DELETE FROM answered",
        "UPDATE answered SET number = 9 WHERE number = 1",
        "UPDATE texts SET body = x'00' WHERE number = 1",
        "UPDATE texts SET gateway = 'B84009' WHERE number = 1",
        "UPDATE texts SET like = 0 WHERE number = 2",
        "DELETE FROM texts WHERE number = 1",
    ],
)
def test_a_row_that_was_changed_is_found(statement: str, journal: Journal) -> None:
    audit = World(fleet(gateway("B84001"), gateway("B84002"))).audit()
    journal.save(audit)
    assert journal.verify() == ""
    change(journal.path, statement)
    with pytest.raises(JournalError, match="audit-1 is damaged"):
        journal.load(audit.id)
    assert "audit-1 was changed" in journal.verify()


def test_what_is_kept_is_not_read_again_to_keep_more(journal: Journal) -> None:
    audit = World(fleet(*(gateway(f"B840{at}") for at in range(10, 40)))).audit()
    asked: list[str] = []

    def note(*given: Any) -> None:
        asked.append(given[2])

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        journal.save(audit)
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    # All of a batch at once; and of what is there only the newest number is asked for.
    assert [words for words in asked if words.startswith("INSERT INTO texts")] == [
        'INSERT INTO texts (number, gateway, sha256, "like", body) VALUES (?, ?, ?, ?, ?)'
    ]
    assert [words for words in asked if "FROM texts" in words] == [
        "SELECT coalesce(max(texts.number), ?) AS coalesce_1 \nFROM texts"
    ]


def test_one_gateway_s_row_is_taken_apart_alone_and_all_are_held_against_the_chain(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"B840{at}" for at in range(10, 40)]
    audit = World(fleet(*map(gateway, names))).audit()
    journal.save(audit)
    opened, unpack = [0], packed.unpack

    def counted(*given: Any) -> Any:
        opened[0] += 1
        return unpack(*given)

    monkeypatch.setattr(packed, "unpack", counted)
    found = journal.load(audit.id, only={names[7]})
    assert isinstance(found, Audit)
    assert (found.gateways, found.controls) == (audit.gateways, audit.controls)
    assert [one.gateway for one in found.evidence] == [names[7]]
    assert (found.of(names[7]), found.of(names[8])) == (audit.of(names[7]), ())
    assert opened[0] <= 3
    none = journal.load(audit.id, only=())
    assert isinstance(none, Audit) and (none.evidence, none.findings) == ((), ())
    change(journal.path, "UPDATE answered SET body = x'00' WHERE number = 9")
    for only in ({names[7]}, ()):
        with pytest.raises(JournalError):
            journal.load(audit.id, only=only)


def test_rows_go_with_their_audit(journal: Journal) -> None:
    first = World(fleet(gateway("B84001"))).audit()
    second = replace(first, id="audit-2", at=AT + timedelta(days=1))
    journal.save(first)
    journal.save(second)
    journal.prune(AT + timedelta(days=400), "P. Shah", AT + timedelta(days=401))
    with closing(sqlite3.connect(journal.path)) as raw:
        assert {name for (name,) in raw.execute("SELECT audit FROM answered")} == {second.id}
