"""What is old goes, and the chain still holds: a `pruned` event says which events went, and where the chain goes on."""

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from provisioner.journal import events, file, readings, texts
from provisioner.journal.entries import Event, Pruned

# They say what was there and what went: without them the chain would not hold.
_STAY = frozenset({"kept", "pruned"})
_ROLLOUT = "rollout"
_AUDITS = ("audit", "preflight")
_LAST = "closed"


@dataclass(frozen=True, kw_only=True)
class Old:
    """What may go: ids, numbers of events, hashes of readings."""

    audits: tuple[str, ...]
    plans: tuple[str, ...]
    events: tuple[int, ...]
    readings: tuple[str, ...]

    @property
    def counts(self) -> Pruned:
        """How much that is."""
        return Pruned(
            audits=len(self.audits), plans=len(self.plans), events=len(self.events), readings=len(self.readings)
        )


@dataclass(kw_only=True)
class _Life:
    """What is known of one plan: its newest word, and whether something of it is still open."""

    kind: str = ""
    of: str = ""
    audit: str = ""
    newest: str = ""
    last: str = ""
    running: bool = False
    begun: set[str] = field(default_factory=set)

    def note(self, row: sa.Row[Any]) -> None:
        """One event further."""
        self.newest, self.last = max(self.newest, row.at), row.kind
        if row.kind in ("run_started", "run_ended"):
            self.running = row.kind == "run_started"
        elif row.kind == "step_started":
            self.begun.add(row.step)
        elif row.kind == "step_ended":
            self.begun.discard(row.step)

    @property
    def open(self) -> bool:
        """Whether it has begun what has not ended; all but a rollout goes on until it is closed."""
        return self.running or bool(self.begun) or (self.kind not in ("", _ROLLOUT) and self.last != _LAST)


def old(connection: sa.Connection, before: datetime) -> Old:
    """What is older than that and may go.

    Never what belongs to a plan that is open, or to one of its family (a plan, its undos, its finish), and never the
    newest audit, nor the newest of a whole fleet, nor one that a plan was made from which stays.
    """
    day = file.text(before)
    lives = _lives(connection)
    kept = _kept(connection, lives, day)
    made_from = {lives[plan].audit for plan in kept}
    rows = connection.execute(
        sa.select(file.documents.c.id, file.documents.c.kind, file.documents.c.at).order_by(
            file.documents.c.at, file.documents.c.id
        )
    ).all()
    audits = [row.id for row in rows if row.kind == "audit"]
    stay = {*audits[-1:], *_newest_whole(connection, audits), *made_from, *kept}
    gone = [row for row in rows if row.at < day and row.id not in stay]
    numbers, named = _events(connection, lives.keys() - kept, day)
    wanted = sa.select(file.readings.c.sha256).where(file.readings.c.at < day)
    return Old(
        audits=tuple(row.id for row in gone if row.kind in _AUDITS),
        plans=tuple(row.id for row in gone if row.kind == "plan"),
        events=tuple(numbers),
        readings=tuple(row.sha256 for row in connection.execute(wanted) if row.sha256 not in named),
    )


def _newest_whole(connection: sa.Connection, audits: Sequence[str]) -> list[str]:
    """The newest of these audits, which come oldest first, that left no gateway out."""
    for id_ in reversed(audits):
        body = connection.execute(sa.select(file.documents.c.body).where(file.documents.c.id == id_)).scalar_one()
        if not json.loads(zlib.decompress(body)).get("left_out"):
            return [id_]
    return []


def remove(connection: sa.Connection, gone: Old, before: datetime, by: str, now: datetime) -> None:
    """Remove it, and write down who did so, what went, and where the chain goes on."""
    head = events.head(connection)
    known = events.gaps(connection, head)
    _delete(connection, file.documents, "id", (*gone.audits, *gone.plans))
    _delete(connection, file.audited, "audit", gone.audits)
    _delete(connection, file.answered, "audit", gone.audits)
    texts.drop_unused(connection)
    _delete(connection, file.families, "plan", gone.plans)
    _delete(connection, file.events, "seq", gone.events)
    _delete(connection, file.unended, "seq", gone.events)
    _delete(connection, file.readings, "sha256", gone.readings)
    body = {
        "by": by,
        "until": file.text(before),
        "documents": [*gone.audits, *gone.plans],
        "spans": [gap for gap in events.gaps(connection, head) if gap not in known],
        "words": f"what is older than {before:%Y-%m-%d}, by {by}",
    }
    events.append(connection, [Event(at=now, kind="pruned", body=body)], after=head)


def _lives(connection: sa.Connection) -> dict[str, _Life]:
    """Every plan, by id; also those that only events speak of."""
    lives: dict[str, _Life] = {}
    plans = sa.select(file.documents).where(file.documents.c.kind == "plan")
    for row in connection.execute(plans).yield_per(20):
        plan = json.loads(zlib.decompress(row.body))
        lives[row.id] = _Life(kind=plan["kind"], of=plan.get("of", ""), audit=plan["audit"], newest=row.at)
    audits = set(connection.execute(sa.select(file.documents.c.id).where(file.documents.c.kind.in_(_AUDITS))).scalars())
    columns = (file.events.c.plan, file.events.c.at, file.events.c.kind, file.events.c.step)
    for row in connection.execute(sa.select(*columns).order_by(file.events.c.seq)).yield_per(1000):
        if row.plan and row.plan not in audits:
            lives.setdefault(row.plan, _Life()).note(row)
    return lives


def _kept(connection: sa.Connection, lives: Mapping[str, _Life], day: str) -> set[str]:
    """The plans that stay: the newer ones, the open ones, those somebody holds a lease for; and their families."""
    leases = connection.execute(sa.select(file.leases.c.gateway, file.leases.c.why)).all()
    leased = {name for row in leases for name in row}
    kept = {plan for plan, life in lives.items() if life.newest >= day or life.open or plan in leased}
    families = {frozenset({plan, life.of}) for plan, life in lives.items() if life.of in lives}
    while also := {plan for pair in families if pair & kept for plan in pair} - kept:
        kept |= also
    return kept


def _events(connection: sa.Connection, gone: Iterable[str], day: str) -> tuple[list[int], set[str]]:
    """The numbers of the events that go with these plans, and the readings that all others name."""
    numbers: list[int] = []
    named: set[str] = set()
    plans = set(gone)
    for row in connection.execute(sa.select(file.events).order_by(file.events.c.seq)).yield_per(1000):
        broken = row.kind == "lease_broken" and not row.plan and row.at < day
        if broken or (row.plan in plans and row.kind not in _STAY):
            numbers.append(row.seq)
        else:
            named |= readings.named(row.body)
    return numbers, named


def _delete(connection: sa.Connection, table: sa.Table, key: str, values: Iterable[Any]) -> None:
    rows = [{"value": value} for value in values]
    if rows:
        connection.execute(table.delete().where(table.c[key] == sa.bindparam("value")), rows)
