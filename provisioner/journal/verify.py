"""Whether the journal is as it was written: the file, the chain of its events, its documents and readings."""

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from provisioner.journal import audits, events, file, heads, readings, texts
from provisioner.journal.heads import Head
from provisioner.record.chain import START, Link


def stands(connection: sa.Connection, head: Head) -> bool:
    """Whether that event is still there, and the same."""
    hashed = sa.select(file.events.c.hash).where(file.events.c.seq == head.seq)
    return bool(connection.execute(hashed).scalar_one_or_none() == head.hash)


def behind(connection: sa.Connection, head: Head) -> str:
    """Why a journal has not the past that it had when that was its newest event, in words; "" where it has, or where
    that event was removed because of its age."""
    if stands(connection, head):
        return ""
    c = file.events.c
    removals = sa.select(c.body).where(c.kind == "pruned", c.seq > head.seq)
    for body in connection.execute(removals).scalars():
        for first, last, _, hash_ in file.mapping(body)["spans"]:
            if first <= head.seq < last or (head.seq, head.hash) == (last, hash_):
                return ""
    there = connection.execute(sa.select(c.seq).where(c.seq == head.seq)).one_or_none()
    return (
        f"event {head.seq}, which was its newest when you verified it on {head.at:%-d %B %Y}, is "
        f"{'another now' if there else 'not in it'}: it is an older copy, or was written anew"
    )


def against_head(
    connection: sa.Connection, path: Path, now: datetime | None = None, everything: bool = True
) -> tuple[str, tuple[str, Head] | None]:
    """As Journal.verify; and with `now` what is then to be kept (heads.py): of which journal, which head."""
    _, head = heads.of(connection, path)
    since = head if head and not everything and stands(connection, head) else None
    said = wrong(connection, since) or (behind(connection, head) if head else "")
    return said, found(connection, path, now, since) if now and not said else None


def found(connection: sa.Connection, path: Path, now: datetime, since: Head | None = None) -> tuple[str, Head] | None:
    """What is to be kept of a journal that was found whole, since that head or ever; None where nothing is: it is a
    copy, has no event, or has none since."""
    (id_, _), (seq, hash_) = heads.of(connection, path), events.head(connection)
    if not (id_ and seq) or (since and since.seq == seq):
        return None
    return id_, Head(seq=seq, hash=hash_, at=now, all_at=since.all_at if since else now)


def wrong(connection: sa.Connection, since: Head | None = None) -> str:
    """What is not as it was written, in words; "" where all is. With `since` only what came after that."""
    if since is None and connection.dialect.name == "sqlite":
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
        if found != "ok":
            return f"the file is damaged: {found}"
    walk = _Walk(number=since.seq, before=since.hash) if since else _Walk()
    wanted = sa.select(file.events).where(file.events.c.seq > walk.number).order_by(file.events.c.seq)
    for row in connection.execute(wanted).yield_per(1000):
        link = events.link(row)
        if not walk.on(link):
            return f"event {link.seq} ({link.kind} at {link.at}) was changed after it was written"
    if since and walk.number == since.seq:
        return ""
    if since:
        return walk.missing() or _documents(connection, walk, walk.kept) or _readings(connection, walk, walk.named)
    return (
        walk.missing()
        or _documents(connection, walk)
        or _readings(connection, walk)
        or _unended(connection, set(walk.begun.values()))
    )


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
    begun: dict[tuple[str, str], int] = field(default_factory=dict)

    def on(self, link: Link) -> bool:
        """One event further; False where it is not as it was written."""
        if link.seq != self.number + 1:
            self.gaps.append((self.number + 1, link.seq - 1, self.before, link.before))
            self.before = link.before
        if link.before != self.before or not link.whole:
            return False
        self.number, self.before = link.seq, link.hash
        self.named |= dict.fromkeys(readings.named(link.body), link.step)
        if link.kind in file.BEGUN:
            self.begun[link.plan, link.step] = link.seq
        elif link.kind in file.OVER:
            self.begun.pop((link.plan, link.step), None)
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
    found, known = set(), texts.Texts(connection)
    for row in connection.execute(_these(file.documents, file.documents.c.id, only)).yield_per(20):
        whole = hashlib.sha256(row.body).hexdigest() == walk.kept.get(row.id)
        if not whole or audits.wrong(connection, row.id, walk.rows.get(row.id, ""), known):
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


def _unended(connection: sa.Connection, begun: set[int]) -> str:
    """What the journal takes for begun and not ended is what its events say."""
    noted = set(connection.execute(sa.select(file.unended.c.seq)).scalars())
    first = min(begun ^ noted, default=0)
    return f"whether what event {first} began has ended was changed after it was written" if first else ""


def _these(table: sa.Table, key: sa.Column[Any], only: Collection[str] | None) -> sa.Select[Any]:
    return sa.select(table) if only is None else sa.select(table).where(key.in_(only))
