"""Events as rows of the chain: each with the hash of the one before."""

import json
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from provisioner.errors import JournalError
from provisioner.journal import file
from provisioner.journal.entries import Event
from provisioner.record.chain import START, Link, event_hash

# A step acts on a gateway; a claim leaves or removes our marker there.
_BEGUN, _OVER = ("step_started", "claim_started"), ("step_ended", "claim_ended")


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
    """What a row of the chain says. Errors: JournalError where that is no event's."""
    body = file.mapping(row.body)
    return Event(at=file.time(row.at), kind=row.kind, plan=row.plan, step=row.step, gateway=row.gateway, body=body)


def kept(connection: sa.Connection, document: str) -> dict[str, Any]:
    """What was said when a document was kept: its `sha256`, and `rows`, that of an audit's rows. Empty where no event
    says it any more."""
    c = file.events.c
    wanted = sa.select(c.body).where(c.kind == "kept", c.plan == document).order_by(c.seq.desc()).limit(1)
    body = connection.execute(wanted).scalar_one_or_none()
    return {} if body is None else file.mapping(body)


def unended() -> sa.Select[Any]:
    """The rows that are the beginning of a step, or of a claim, of which no end was noted after it.

    The file is asked, because a journal of years has hundreds of thousands that have one.
    """
    c = file.events.c
    begun = sa.func.max(sa.case((c.kind.in_(_BEGUN), c.seq), else_=0))
    over = sa.func.max(sa.case((c.kind.in_(_OVER), c.seq), else_=0))
    open_ = sa.select(begun).where(c.kind.in_((*_BEGUN, *_OVER))).group_by(c.plan, c.step)
    return sa.select(file.events).where(c.seq.in_(open_.having(begun > over))).order_by(c.seq)


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
