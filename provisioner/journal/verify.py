"""Whether the journal is as it was written: the file, the chain of its events, its documents and readings."""

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from provisioner.journal import audits, events, file, readings
from provisioner.record.chain import START, Link


@dataclass(frozen=True, kw_only=True)
class Whole:
    """Up to which event (its number and hash) all was found as it was written, and when all was last looked at."""

    head: tuple[int, str]
    at: datetime


def last(connection: sa.Connection) -> Whole | None:
    """What was noted last; None where nothing was."""
    row = connection.execute(sa.select(file.verified)).one_or_none()
    return Whole(head=(row.seq, row.hash), at=file.time(row.at)) if row else None


def note(connection: sa.Connection, found: Whole) -> None:
    """Keep that, in place of what was noted before."""
    connection.execute(file.verified.delete())
    connection.execute(file.verified.insert(), {"seq": found.head[0], "hash": found.head[1], "at": file.text(found.at)})


def stands(connection: sa.Connection, found: Whole) -> bool:
    """Whether that event is still there, and the same."""
    hashed = sa.select(file.events.c.hash).where(file.events.c.seq == found.head[0])
    return bool(connection.execute(hashed).scalar_one_or_none() == found.head[1])


def wrong(connection: sa.Connection, since: Whole | None = None) -> str:
    """What is not as it was written, in words; "" where all is. With `since` only what came after that."""
    if since is None and connection.dialect.name == "sqlite":
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
        if found != "ok":
            return f"the file is damaged: {found}"
    walk = _Walk(number=since.head[0], before=since.head[1]) if since else _Walk()
    wanted = sa.select(file.events).where(file.events.c.seq > walk.number).order_by(file.events.c.seq)
    for row in connection.execute(wanted).yield_per(1000):
        link = events.link(row)
        if not walk.on(link):
            return f"event {link.seq} ({link.kind} at {link.at}) was changed after it was written"
    if since:
        return walk.missing() or _documents(connection, walk, walk.kept) or _readings(connection, walk, walk.named)
    return walk.missing() or _documents(connection, walk) or _readings(connection, walk)


@dataclass(kw_only=True)
class _Walk:
    """What a walk along the chain has met. Gaps are held against the removals that come after them, once all is seen:
    only then is it known that those were not changed either."""

    number: int = 0
    before: str = START
    gaps: list[tuple[Any, ...]] = field(default_factory=list)
    removed: set[tuple[Any, ...]] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    kept: dict[str, str] = field(default_factory=dict)
    rows: dict[str, str] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)

    def on(self, link: Link) -> bool:
        """One event further; False where it is not as it was written."""
        if link.seq != self.number + 1:
            self.gaps.append((self.number + 1, link.seq - 1, self.before, link.before))
            self.before = link.before
        if link.before != self.before or not link.whole:
            return False
        self.number, self.before = link.seq, link.hash
        self.named |= dict.fromkeys(readings.named(link.body), link.step)
        if link.kind in ("kept", "pruned"):
            body = json.loads(link.body)
            if link.kind == "kept":
                self.kept[link.plan] = body["sha256"]
                self.rows[link.plan] = body.get("rows", "")
            else:
                self.removed |= {tuple(span) for span in body["spans"] if span[1] < link.seq}
                self.gone |= set(body["documents"])
        return True

    def missing(self) -> str:
        """The first gap that no removal accounts for, in words."""
        for gap in self.gaps:
            if gap not in self.removed:
                first, last = gap[:2]
                return f"event {first} is missing" if first == last else f"events {first} to {last} are missing"
        return ""


def _documents(connection: sa.Connection, walk: _Walk, only: Collection[str] | None = None) -> str:
    found = set()
    for row in connection.execute(_these(file.documents, file.documents.c.id, only)).yield_per(20):
        whole = hashlib.sha256(row.body).hexdigest() == walk.kept.get(row.id)
        if not whole or audits.digest(connection, row.id) != walk.rows.get(row.id, ""):
            return f"{row.id} was changed after it was written"
        found.add(row.id)
    lost = walk.kept.keys() - found - walk.gone
    return f"{min(lost)} is missing" if lost else ""


def _readings(connection: sa.Connection, walk: _Walk, only: Collection[str] | None = None) -> str:
    lost = dict(walk.named)
    for row in connection.execute(_these(file.readings, file.readings.c.sha256, only)).yield_per(20):
        if not readings.whole(row):
            return f"reading {row.sha256} of {row.gateway} was changed after it was written"
        lost.pop(row.sha256, None)
    return next((f"reading {sha256}, which judged {step}, is missing" for sha256, step in lost.items()), "")


def _these(table: sa.Table, key: sa.Column[Any], only: Collection[str] | None) -> sa.Select[Any]:
    return sa.select(table) if only is None else sa.select(table).where(key.in_(only))
