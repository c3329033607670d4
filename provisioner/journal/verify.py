"""Whether the journal is as it was written: the file, the chain of its events, its documents and readings."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from provisioner.chain import START, Link
from provisioner.journal import events, file, readings


def wrong(connection: sa.Connection) -> str:
    """What is not as it was written, in words; "" where all is."""
    if connection.dialect.name == "sqlite":
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
        if found != "ok":
            return f"the file is damaged: {found}"
    walk = _Walk()
    for row in connection.execute(sa.select(file.events).order_by(file.events.c.seq)).yield_per(1000):
        link = events.link(row)
        if not walk.on(link):
            return f"event {link.seq} ({link.kind} at {link.at}) was changed after it was written"
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


def _documents(connection: sa.Connection, walk: _Walk) -> str:
    found = set()
    for row in connection.execute(sa.select(file.documents)).yield_per(20):
        if hashlib.sha256(row.body).hexdigest() != walk.kept.get(row.id):
            return f"{row.id} was changed after it was written"
        found.add(row.id)
    lost = walk.kept.keys() - found - walk.gone
    return f"{min(lost)} is missing" if lost else ""


def _readings(connection: sa.Connection, walk: _Walk) -> str:
    lost = dict(walk.named)
    for row in connection.execute(sa.select(file.readings)).yield_per(20):
        if not readings.whole(row):
            return f"reading {row.sha256} of {row.gateway} was changed after it was written"
        lost.pop(row.sha256, None)
    return next((f"reading {sha256}, which judged {step}, is missing" for sha256, step in lost.items()), "")
