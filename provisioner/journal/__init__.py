"""The journal: audits, plans, what was done and who did it, leases. The only importer of sqlalchemy.

SQLite in WAL, and nothing in the tables that only SQLite has. Events are append-only, each with the hash of the one
before. Everything that the file or the disk can do wrong is a JournalError.
"""

import hashlib
import json
import statistics
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from pydantic import TypeAdapter, ValidationError

from provisioner.errors import InputError, JournalError
from provisioner.journal import file
from provisioner.journal.file import File
from provisioner.model import Audit, Outcome, Plan
from provisioner.processes import Process

_START = "0" * 64
_KINDS: Mapping[str, TypeAdapter[Any]] = {"audit": TypeAdapter(Audit), "plan": TypeAdapter(Plan)}
_OUTCOME: TypeAdapter[Outcome] = TypeAdapter(Outcome)


@dataclass(frozen=True, kw_only=True)
class Event:
    """One thing that happened. `kind`: run_started, run_ended, step_started, step_ended, lease_broken, ..."""

    at: datetime
    kind: str
    plan: str = ""
    step: str = ""
    gateway: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the history: an audit, a plan or a run."""

    id: str
    kind: str
    at: datetime
    title: str


@dataclass(frozen=True, kw_only=True)
class Lease:
    """Who works on a gateway, why, and until when at most."""

    gateway: str
    holder: Process
    why: str
    since: datetime
    until: datetime


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a plan is. `outcomes` has each step's last, `unended` the beginning of each step that has no end yet,
    `begun` the gateways on which it ever acted."""

    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    unended: Mapping[str, Event] = field(default_factory=dict)
    begun: frozenset[str] = frozenset()


class Journal:
    """One journal. Safe to use from several threads and processes at once; every method may raise JournalError."""

    def __init__(self, file: File) -> None:
        self._file = file

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self._file.path

    @classmethod
    def open(cls, path: Path, *, create: bool = True, read_only: bool = False, patience: float = 10.0) -> Self:
        """Open the journal, made and brought up to date when that is due. A locked one is waited for `patience`
        seconds.

        Errors: JournalError where it is missing (and not to be made), locked, read-only, damaged, newer than we
        are, no journal of ours, or on a network file system.
        """
        return cls(File.open(path, create=create, read_only=read_only, patience=patience))

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def save(self, document: Audit | Plan, title: str = "") -> None:
        """Keep an audit or a plan for good. `title` is its line in the history."""
        kind = type(document).__name__.lower()
        body = zlib.compress(_KINDS[kind].dump_json(document), 6)
        row = {"id": document.id, "kind": kind, "at": _text(document.at), "title": title, "body": body}
        # The document's hash stands in the chain: what was approved cannot be another one afterwards.
        kept = Event(at=document.at, kind="kept", plan=document.id, body={"sha256": hashlib.sha256(body).hexdigest()})
        with self._file.write() as connection:
            connection.execute(file.documents.insert(), row)
            _append(connection, [kept])

    def writable(self) -> None:
        """Errors: JournalError where nothing could be written now. Asked before long work whose result is kept."""
        with self._file.write():
            return

    def load(self, id: str) -> Audit | Plan:
        """The audit or plan of that id. Errors: InputError where there is none, JournalError where it is damaged."""
        with self._file.read() as connection:
            row = connection.execute(sa.select(file.documents).where(file.documents.c.id == id)).one_or_none()
        if row is None:
            raise InputError(f"the journal has no audit or plan {id}.", "`provisioner history` lists them.")
        try:
            document: Audit | Plan = _KINDS[row.kind].validate_json(zlib.decompress(row.body))
        except (ValidationError, zlib.error, KeyError) as error:
            raise JournalError(f"{self.path}: {id} is damaged in the journal.", file.DAMAGED) from error
        return document

    def latest(self, kind: str) -> str | None:
        """The id of the newest `audit` or `plan`; None where there is none."""
        wanted = sa.select(file.documents.c.id).where(file.documents.c.kind == kind)
        with self._file.read() as connection:
            found = connection.execute(wanted.order_by(file.documents.c.at.desc(), file.documents.c.id.desc()).limit(1))
            id: str | None = found.scalar_one_or_none()
        return id

    def history(self, limit: int = 50) -> list[Entry]:
        """The newest audits, plans and runs, newest first."""
        columns = (file.documents.c.id, file.documents.c.kind, file.documents.c.at, file.documents.c.title)
        runs = sa.select(file.events).where(file.events.c.kind.in_(("run_started", "run_ended")))
        with self._file.read() as connection:
            documents = connection.execute(sa.select(*columns).order_by(file.documents.c.at.desc()).limit(limit)).all()
            ran = connection.execute(runs.order_by(file.events.c.seq.desc()).limit(limit)).all()
        entries = [Entry(id=row.id, kind=row.kind, at=_time(row.at), title=row.title) for row in documents]
        for row in ran:
            words = str(json.loads(row.body).get("words", ""))
            entries.append(Entry(id=row.plan, kind=row.kind.replace("_", " "), at=_time(row.at), title=words))
        return sorted(entries, key=lambda entry: entry.at, reverse=True)[:limit]

    def append(self, events: Iterable[Event]) -> None:
        """Record what happened, all or nothing, and committed to the disk when this returns."""
        with self._file.write() as connection:
            _append(connection, events)

    def events(self, plan: str | None = None) -> list[Event]:
        """What happened, of one plan or of all, oldest first."""
        wanted = sa.select(file.events).order_by(file.events.c.seq)
        if plan is not None:
            wanted = wanted.where(file.events.c.plan == plan)
        with self._file.read() as connection:
            return [_event(row) for row in connection.execute(wanted)]

    def verify(self) -> str:
        """Where the file is damaged or the chain of events is broken, in words; "" where all is whole."""
        before, number = _START, 0
        with self._file.read() as connection:
            if connection.dialect.name == "sqlite":
                found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
                if found != "ok":
                    return f"the file is damaged: {found}"
            for row in connection.execute(sa.select(file.events).order_by(file.events.c.seq)).yield_per(1000):
                number += 1
                if row.seq != number:
                    return f"event {number} is missing"
                if row.before != before or row.hash != _hash(before, row._asdict()):
                    return f"event {number} ({row.kind} at {row.at}) was changed after it was written"
                before = row.hash
            kept = {
                row.plan: json.loads(row.body)["sha256"]
                for row in connection.execute(sa.select(file.events).where(file.events.c.kind == "kept"))
            }
            for row in connection.execute(sa.select(file.documents)).yield_per(20):
                if hashlib.sha256(row.body).hexdigest() != kept.get(row.id):
                    return f"{row.id} was changed after it was written"
        return ""

    def progress(self, plan: str) -> Progress:
        """How far that plan is, by its newest events. Errors: JournalError where an outcome is damaged."""
        outcomes: dict[str, Outcome] = {}
        unended: dict[str, Event] = {}
        begun: set[str] = set()
        for event in self.events(plan):
            if event.kind == "step_started":
                unended[event.step] = event
                begun.add(event.gateway)
            elif event.kind == "step_ended":
                unended.pop(event.step, None)
                try:
                    outcomes[event.step] = _OUTCOME.validate_python(event.body)
                except ValidationError as error:
                    raise JournalError(f"{self.path}: step {event.step} is damaged.", file.DAMAGED) from error
        return Progress(outcomes=outcomes, unended=unended, begun=frozenset(begun))

    def take(
        self, gateways: Collection[str], holder: Process, why: str, now: datetime, until: datetime
    ) -> dict[str, Lease]:
        """Take the leases of these gateways, or make ours longer. Gives those that others hold and keep.

        A lease past its end, or of a process of this machine that is dead, is taken over, and that is recorded.
        """
        kept: dict[str, Lease] = {}
        with self._file.write() as connection:
            held = {lease.gateway: lease for lease in _held(connection)}
            for gateway in gateways:
                lease = held.get(gateway)
                if lease and lease.holder != holder:
                    # One whose process lives on this machine is never taken over: its children are at work.
                    here = lease.holder.host == holder.host and bool(lease.holder.started)
                    if not lease.holder.dead and (here or lease.until > now):
                        kept[gateway] = lease
                        continue
                    cause = "its time is over" if lease.until <= now else "its process is dead"
                    _append(connection, [_broken(lease, now, f"{holder} ({why})", cause)])
                connection.execute(file.leases.delete().where(file.leases.c.gateway == gateway))
                since = lease.since if lease and lease.holder == holder else now
                row = Lease(gateway=gateway, holder=holder, why=why, since=since, until=until)
                connection.execute(file.leases.insert(), _lease_row(row))
        return kept

    def release(self, gateways: Collection[str], holder: Process) -> None:
        """Give back those of these leases that this process holds."""
        with self._file.write() as connection:
            for lease in _held(connection):
                if lease.gateway in gateways and lease.holder == holder:
                    connection.execute(file.leases.delete().where(file.leases.c.gateway == lease.gateway))

    def leases(self) -> list[Lease]:
        """All leases, by gateway."""
        with self._file.read() as connection:
            return _held(connection)

    def break_lease(self, gateway: str, by: str, why: str, now: datetime) -> None:
        """Take a lease from its holder by a person's word. Errors: InputError where nobody holds it."""
        with self._file.write() as connection:
            held = [lease for lease in _held(connection) if lease.gateway == gateway]
            if not held:
                raise InputError(f"{gateway}: nobody holds a lease on it.")
            connection.execute(file.leases.delete().where(file.leases.c.gateway == gateway))
            _append(connection, [_broken(held[0], now, by, why)])

    def seen(self) -> dict[str, dict[str, str]]:
        """The identity last seen at each gateway: computer_name, serial, machine_guid."""
        return {gateway: body for gateway, (_, body) in self._all_known("identity").items()}

    def see(self, identities: Mapping[str, Mapping[str, str]], at: datetime) -> None:
        """Keep the identities of gateways as they are from now on."""
        self._keep_known("identity", {gateway: (at, body) for gateway, body in identities.items()})

    def endpoints(self) -> dict[str, tuple[datetime, dict[str, Any]]]:
        """Each gateway's `endpoints` section as last measured, and when."""
        return self._all_known("endpoints")

    def keep_endpoints(self, measured: Mapping[str, tuple[datetime, Mapping[str, Any]]]) -> None:
        """Keep `endpoints` sections as just measured."""
        self._keep_known("endpoints", measured)

    def durations(self) -> dict[str, float]:
        """What each remedy took on a gateway, in seconds: the median of all that was measured."""
        with self._file.read() as connection:
            rows = connection.execute(sa.select(file.durations.c.remedy, file.durations.c.seconds)).all()
        by_remedy: dict[str, list[float]] = {}
        for row in rows:
            by_remedy.setdefault(row.remedy, []).append(row.seconds)
        return {remedy: statistics.median(seconds) for remedy, seconds in by_remedy.items()}

    def took(self, measured: Sequence[tuple[str, float]]) -> None:
        """Keep what remedies took, in seconds."""
        if not measured:
            return
        with self._file.write() as connection:
            rows = [{"remedy": remedy, "seconds": seconds} for remedy, seconds in measured]
            connection.execute(file.durations.insert(), rows)

    def _all_known(self, what: str) -> dict[str, tuple[datetime, Any]]:
        with self._file.read() as connection:
            rows = connection.execute(sa.select(file.known).where(file.known.c.what == what))
            return {row.gateway: (_time(row.at), json.loads(row.body)) for row in rows}

    def _keep_known(self, what: str, bodies: Mapping[str, tuple[datetime, Mapping[str, Any]]]) -> None:
        if not bodies:
            return
        gone = file.known.delete().where(file.known.c.what == what, file.known.c.gateway == sa.bindparam("name"))
        rows = [
            {"gateway": gateway, "what": what, "at": _text(at), "body": json.dumps(body)}
            for gateway, (at, body) in bodies.items()
        ]
        with self._file.write() as connection:
            connection.execute(gone, [{"name": gateway} for gateway in bodies])
            connection.execute(file.known.insert(), rows)


def _append(connection: sa.Connection, happened: Iterable[Event]) -> None:
    last = connection.execute(
        sa.select(file.events.c.seq, file.events.c.hash).order_by(file.events.c.seq.desc()).limit(1)
    ).one_or_none()
    number, before = (last.seq, last.hash) if last else (0, _START)
    rows = []
    for event in happened:
        number += 1
        row: dict[str, Any] = {"seq": number, "at": _text(event.at), "kind": event.kind, "plan": event.plan}
        row |= {"step": event.step, "gateway": event.gateway, "body": json.dumps(event.body, sort_keys=True)}
        row |= {"before": before, "hash": _hash(before, row)}
        before = row["hash"]
        rows.append(row)
    if rows:
        connection.execute(file.events.insert(), rows)


def _hash(before: str, row: Mapping[str, Any]) -> str:
    said = [row[name] for name in ("seq", "at", "kind", "plan", "step", "gateway", "body")]
    return hashlib.sha256((before + json.dumps(said)).encode()).hexdigest()


def _event(row: sa.Row[Any]) -> Event:
    body = json.loads(row.body)
    return Event(at=_time(row.at), kind=row.kind, plan=row.plan, step=row.step, gateway=row.gateway, body=body)


def started(step: str, gateway: str, plan: str, at: datetime, mark: str) -> Event:
    """That a step begins. `mark` is that of the run which does it."""
    return Event(at=at, kind="step_started", plan=plan, step=step, gateway=gateway, body={"mark": mark})


def ended(outcome: Outcome, plan: str) -> Event:
    """That a step ended."""
    body = _OUTCOME.dump_python(outcome, mode="json")
    return Event(at=outcome.ended, kind="step_ended", plan=plan, step=outcome.step, gateway=outcome.gateway, body=body)


def _held(connection: sa.Connection) -> list[Lease]:
    rows = connection.execute(sa.select(file.leases).order_by(file.leases.c.gateway)).all()
    return [
        Lease(
            gateway=row.gateway,
            holder=Process(**json.loads(row.holder)),
            why=row.why,
            since=_time(row.since),
            until=_time(row.until),
        )
        for row in rows
    ]


def _lease_row(lease: Lease) -> dict[str, str]:
    return {
        "gateway": lease.gateway,
        "holder": json.dumps(asdict(lease.holder), sort_keys=True),
        "why": lease.why,
        "since": _text(lease.since),
        "until": _text(lease.until),
    }


def _broken(lease: Lease, at: datetime, by: str, why: str) -> Event:
    body = {"holder": str(lease.holder), "for": lease.why, "by": by, "why": why}
    return Event(at=at, kind="lease_broken", gateway=lease.gateway, body=body)


def _text(time: datetime) -> str:
    """A time as the journal keeps it: UTC, and in the order of time when sorted as text."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise JournalError(f"the journal has {text!r} where a time belongs.", file.DAMAGED) from error
