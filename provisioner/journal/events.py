"""Events as rows of the chain: each with the hash of the one before."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from provisioner.errors import JournalError
from provisioner.journal import file
from provisioner.journal.entries import Entry, Event
from provisioner.record.chain import START, Link, event_hash

_SHOWN = ("approved", "run_started", "run_ended", "pruned")


def append(connection: sa.Connection, happened: Iterable[Event], after: tuple[int, str] | None = None) -> None:
    """Add events at the chain's end, or after a head whose own event has gone."""
    number, before = after or head(connection)
    rows = []
    for event in happened:
        number += 1
        row: dict[str, Any] = {"seq": number, "at": file.text(event.at), "kind": event.kind, "plan": event.plan}
        row |= {"step": event.step, "gateway": event.gateway, "body": json.dumps(event.body, sort_keys=True)}
        row |= {"before": before, "hash": event_hash(before, row)}
        before = row["hash"]
        rows.append(row)
    if rows:
        connection.execute(file.events.insert(), rows)
    for row in rows:
        _note(connection, row)


def _note(connection: sa.Connection, row: Mapping[str, Any]) -> None:
    """Keep which steps and claims have begun and not ended."""
    if row["kind"] not in (*file.BEGUN, *file.OVER):
        return
    c = file.unended.c
    connection.execute(file.unended.delete().where(c.plan == row["plan"], c.step == row["step"]))
    if row["kind"] in file.BEGUN:
        connection.execute(file.unended.insert(), {name: row[name] for name in ("plan", "step", "seq")})


def head(connection: sa.Connection) -> tuple[int, str]:
    """The number and the hash of the newest event. Errors: JournalError where it has none."""
    newest = sa.select(file.events.c.seq, file.events.c.hash).order_by(file.events.c.seq.desc()).limit(1)
    last = connection.execute(newest).one_or_none()
    if last and not isinstance(last.hash, str):
        raise JournalError(f"the journal's newest event, {last.seq}, has no hash.", file.DAMAGED)
    return (last.seq, last.hash) if last else (0, START)


def link(row: sa.Row[Any]) -> Link:
    """A row of the chain."""
    return Link(**row._asdict())


def event(row: sa.Row[Any]) -> Event:
    """What a row of the chain says. Errors: JournalError where that is no event's, or not what its hash is of."""
    if not link(row).whole:
        raise JournalError(f"event {row.seq} ({row.kind} at {row.at}) was changed after it was written.", file.DAMAGED)
    body = file.mapping(row.body)
    return Event(at=file.time(row.at), kind=row.kind, plan=row.plan, step=row.step, gateway=row.gateway, body=body)


def kept(connection: sa.Connection, document: str) -> Mapping[str, Any]:
    """What was said when a document was kept: its `sha256`, and `rows`, that of an audit's rows. Empty where no event
    says it any more."""
    c = file.events.c
    wanted = sa.select(file.events).where(c.plan == document, c.kind == "kept").order_by(c.seq.desc()).limit(1)
    row = connection.execute(wanted).one_or_none()
    return {} if row is None else event(row).body


def unended() -> sa.Select[Any]:
    """The rows that are the beginning of a step, or of a claim, of which no end was noted after it."""
    c = file.events.c
    return sa.select(file.events).where(c.seq.in_(sa.select(file.unended.c.seq))).order_by(c.seq)


def entries(connection: sa.Connection, limit: int) -> list[Entry]:
    """So many at least of the newest that are lines of the history."""
    found = []
    c = file.events.c
    # Each kind by itself: of several the index has not the order.
    for kind in _SHOWN:
        wanted = sa.select(file.events).where(c.kind == kind).order_by(c.seq.desc()).limit(limit)
        for row in connection.execute(wanted):
            words = str(file.mapping(row.body).get("words", ""))
            found.append(Entry(id=row.plan, kind=kind.replace("_", " "), at=file.time(row.at), title=words))
    return found


def gaps(connection: sa.Connection, end: tuple[int, str]) -> list[list[Any]]:
    """Where up to that head events are not there: the first and last number, and the hashes before the first and of
    the last."""
    found: list[list[Any]] = []
    number, before = 0, START
    columns = (file.events.c.seq, file.events.c.before, file.events.c.hash)
    for row in connection.execute(sa.select(*columns).order_by(file.events.c.seq)):
        if row.seq != number + 1:
            found.append([number + 1, row.seq - 1, before, row.before])
        number, before = row.seq, row.hash
    return found if number == end[0] else [*found, [number + 1, end[0], before, end[1]]]
