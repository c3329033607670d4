"""The journal: audits, plans, what was done and who did it, readings, leases. The only importer of sqlalchemy.

SQLite in WAL, and nothing in the tables that only SQLite has. Events are append-only, each with the hash of the one
before. Everything that the file or the disk can do wrong is a JournalError.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from pydantic import TypeAdapter, ValidationError

from provisioner.errors import JournalError
from provisioner.journal import documents, events, file, known, leases, place, prune, readings, verify
from provisioner.journal.entries import (
    Entry,
    Event,
    Lease,
    Progress,
    Pruned,
    broken_off,
    ended,
    new_id,
    reasoned,
    started,
)
from provisioner.journal.file import File
from provisioner.journal.place import Place
from provisioner.model import Audit, Evidence, Fleet, Outcome, Plan
from provisioner.processes import Process
from provisioner.record.chain import Link

__all__ = [
    "Entry",
    "Event",
    "Journal",
    "Lease",
    "Progress",
    "Pruned",
    "broken_off",
    "ended",
    "new_id",
    "started",
]

_SHOWN = ("approved", "run_started", "run_ended", "pruned")
_OUTCOME: TypeAdapter[Outcome] = TypeAdapter(Outcome)
# A journal that was found whole is not walked from its beginning again for this long.
_WHOLE_FOR = timedelta(days=1)
# More runs than can have left a marker that still stands.
_RUNS = 100


class Journal:
    """One journal. Safe to use from several threads and processes at once; every method may raise JournalError."""

    def __init__(self, file: File) -> None:
        self._file = file

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self._file.path

    @property
    def id(self) -> str:
        """Which journal this is, made at random. Marks that a run leaves on gateways carry it."""
        with self._file.read() as connection:
            return str(connection.execute(sa.select(file.journals.c.id)).scalar_one())

    def names(self) -> tuple[str, ...]:
        """The names under which runs of this journal mark gateways, the newest first.

        Each run has its own, which is in the journal before it is on any gateway: a copy that was made before does not
        know it, whatever else it has in common with this one.
        """
        id_ = self.id
        runs = sa.select(file.events.c.body).where(file.events.c.kind == "run_started")
        with self._file.read() as connection:
            rows = connection.execute(runs.order_by(file.events.c.seq.desc()).limit(_RUNS)).scalars().all()
            names = [str(file.mapping(body).get("name", "")) for body in rows]
        return tuple(name for name in names if name.startswith(f"{id_}.")) or (id_,)

    def moved(self) -> Place | None:
        """Where this journal was when it was last written to, if that is not where it is now; None where it is."""
        with self._file.read() as connection:
            home = place.last(connection)
        return None if home is None or home == place.here(self.path) else home

    def adopt(self, by: str, at: datetime) -> str:
        """Be at home where it lies, as another journal than the one that it was or was copied from; the new id.

        The other one may be at work: its leases are not ours, and of what it has begun and not ended, nothing is known.
        """
        with self._file.write() as connection:
            old = connection.execute(sa.select(file.journals.c.id)).scalar_one()
            home, new = place.last(connection), file.new_id()
            body = {"from": old, "to": new, "was": str(home or ""), "by": by}
            begun = [events.event(row) for row in connection.execute(events.unended())]
            ends = [broken_off(event, at, "the journal in which it was begun was moved or copied") for event in begun]
            events.append(connection, [*ends, Event(at=at, kind="adopted", body=body)])
            connection.execute(file.leases.delete())
            connection.execute(file.journals.update().values(id=new))
            place.note(connection, place.here(self.path), at)
        return new

    @classmethod
    def open(cls, path: Path, *, create: bool = True, read_only: bool = False, patience: float = 30.0) -> Self:
        """Open the journal, made and brought up to date when that is due. A locked one is waited for `patience`
        seconds.

        Errors: JournalError where it is missing (and not to be made), locked, read-only, damaged, newer than we
        are, no journal of ours, or on a network file system.
        """
        journal = cls(File.open(path, create=create, read_only=read_only, patience=patience))
        if not read_only:
            journal._settle_in()
        return journal

    @classmethod
    def of(cls, fleet: Fleet) -> Self:
        """The journal that fleet.yml names, made if there is none. Errors: JournalError, as `open`."""
        return cls.open(Path(fleet.folder) / fleet.settings.journal)

    def _settle_in(self) -> None:
        """Note the place of a journal that has none yet."""
        with self._file.read() as connection:
            if place.last(connection) is not None:
                return
        with self._file.write() as connection:
            if place.last(connection) is None:
                place.note(connection, place.here(self.path), datetime.now(UTC))

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def save(self, document: Audit | Plan, title: str = "", kind: str = "") -> None:
        """Keep an audit or a plan for good. `title` is its line in the history; `kind` may be `preflight`."""
        with self._file.write() as connection:
            documents.keep(connection, document, title, kind)

    def writable(self) -> None:
        """Errors: JournalError where nothing could be written now. Asked before long work whose result is kept."""
        with self._file.write():
            return

    def load(self, id: str) -> Audit | Plan:
        """The audit or plan of that id. Errors: InputError where there is none, JournalError where it is damaged, or is
        not what the chain says was kept."""
        with self._file.read() as connection:
            return documents.load(connection, self.path, id)

    def seal(self, id: str) -> Mapping[str, Any]:
        """What the chain says of how an audit or plan was kept: `sha256`, of its content; of a plan also `by` whom, and
        by which `accounts` of this machine. Without these of what was kept before they were; empty without any."""
        with self._file.read() as connection:
            return events.kept(connection, id)

    def holds(self, plan: Plan, *, whole: bool = False) -> bool:
        """Whether a plan is the one that was kept under its id: each of its steps, or with `whole` all of them, where
        and within which budget. Errors: as `load`."""
        found = self.load(plan.id)
        return isinstance(found, Plan) and documents.same(plan, found, whole=whole)

    def kept(self, *kinds: str) -> list[str]:
        """The ids of all that is kept of these kinds (`audit`, `preflight`, `plan`), the newest first."""
        wanted = sa.select(file.documents.c.id).where(file.documents.c.kind.in_(kinds))
        with self._file.read() as connection:
            found = connection.execute(wanted.order_by(file.documents.c.at.desc(), file.documents.c.id.desc()))
            return list(found.scalars())

    def history(self, limit: int = 50) -> list[Entry]:
        """The newest audits, plans, runs and removals of what was old, newest first."""
        columns = (file.documents.c.id, file.documents.c.kind, file.documents.c.at, file.documents.c.title)
        runs = sa.select(file.events).where(file.events.c.kind.in_(_SHOWN))
        with self._file.read() as connection:
            documents = connection.execute(sa.select(*columns).order_by(file.documents.c.at.desc()).limit(limit)).all()
            ran = connection.execute(runs.order_by(file.events.c.seq.desc()).limit(limit)).all()
            entries = [Entry(id=row.id, kind=row.kind, at=file.time(row.at), title=row.title) for row in documents]
            for row in ran:
                words = str(file.mapping(row.body).get("words", ""))
                entries.append(Entry(id=row.plan, kind=row.kind.replace("_", " "), at=file.time(row.at), title=words))
        return sorted(entries, key=lambda entry: entry.at, reverse=True)[:limit]

    def append(self, happened: Iterable[Event]) -> None:
        """Record what happened, all or nothing, and committed to the disk when this returns."""
        with self._file.write() as connection:
            events.append(connection, happened)

    def begin(self, happened: Sequence[Event], holder: Process, also: Collection[str] = ()) -> dict[str, Lease | None]:
        """Record that steps begin, while the leases of their gateways and of `also` are the holder's.

        Committed when this returns. Gives those of these leases that it has not, with who has them by now (None:
        nobody). Nothing of a gateway without its lease is recorded, and where one of `also` is lost nothing at all.
        """
        with self._file.write() as connection:
            lost = leases.lost(connection, {event.gateway for event in happened} | set(also), holder)
            if not lost.keys() & set(also):
                events.append(connection, [event for event in happened if event.gateway not in lost])
        return lost

    def events(
        self, plan: str | None = None, kinds: Collection[str] = (), since: datetime | None = None
    ) -> list[Event]:
        """What happened, of one plan or of all, of these kinds or of all, since then or ever, oldest first."""
        wanted = sa.select(file.events).order_by(file.events.c.seq)
        if plan is not None:
            wanted = wanted.where(file.events.c.plan == plan)
        if kinds:
            wanted = wanted.where(file.events.c.kind.in_(kinds))
        if since is not None:
            wanted = wanted.where(file.events.c.at >= file.text(since))
        with self._file.read() as connection:
            return [events.event(row) for row in connection.execute(wanted)]

    def unended(self) -> dict[str, list[Event]]:
        """By plan the beginning of each step, and of each claim, that has no end yet."""
        found: dict[str, list[Event]] = {}
        with self._file.read() as connection:
            for event in map(events.event, connection.execute(events.unended())):
                found.setdefault(event.plan, []).append(event)
        return found

    def links(self, plans: Collection[str]) -> list[Link]:
        """The events of these plans as they stand in the chain, oldest first."""
        wanted = sa.select(file.events).where(file.events.c.plan.in_(plans)).order_by(file.events.c.seq)
        with self._file.read() as connection:
            return [events.link(row) for row in connection.execute(wanted)]

    def head(self) -> tuple[int, str]:
        """The number and the hash of the newest event."""
        with self._file.read() as connection:
            return events.head(connection)

    def family(self, plan: Plan) -> list[Plan]:
        """A plan, and its undos and its finish with theirs, oldest first. Errors: JournalError where one is damaged."""
        wanted = sa.select(file.documents.c.id, file.documents.c.body).where(file.documents.c.kind == "plan")
        family = [plan.id]
        with self._file.read() as connection:
            for row in connection.execute(wanted.order_by(file.documents.c.at, file.documents.c.id)).yield_per(20):
                if documents.belongs_to(row.body) in family:
                    family.append(row.id)
        return [plan, *(found for id in family[1:] if isinstance(found := self.load(id), Plan))]

    def verify(self, now: datetime | None = None) -> str:
        """Where the file is damaged or the chain of events is broken, in words; "" where all is whole.

        With `now` only what came since it was last found whole, if that was within a day.
        """
        with self._file.read() as connection:
            last = verify.last(connection) if now else None
            if last and not (now and timedelta() <= now - last.at < _WHOLE_FOR and verify.stands(connection, last)):
                last = None
            wrong, head = verify.wrong(connection, last), events.head(connection)
        if now and not wrong and head[0] and (last is None or head != last.head):
            with self._file.write() as connection:
                verify.note(connection, verify.Whole(head=head, at=last.at if last else now))
        return wrong

    def progress(self, plan: str) -> Progress:
        """How far that plan is, by its newest events. Errors: JournalError where an outcome is damaged."""
        outcomes: dict[str, Outcome] = {}
        unended: dict[str, Event] = {}
        begun: set[str] = set()
        for event in self.events(plan):
            if event.kind == "step_started":
                unended[event.step] = event
            elif event.kind == "step_ended":
                try:
                    outcome = _OUTCOME.validate_python(reasoned(event.body))
                except ValidationError as error:
                    raise JournalError(f"{self.path}: step {event.step} is damaged.", file.DAMAGED) from error
                outcomes[event.step] = outcome
                if unended.pop(event.step, None) and not outcome.untouched:
                    begun.add(event.gateway)
        begun |= {event.gateway for event in unended.values()}
        return Progress(outcomes=outcomes, unended=unended, begun=frozenset(begun))

    def take(
        self, gateways: Collection[str], holder: Process, why: str, now: datetime, until: datetime
    ) -> dict[str, Lease]:
        """Take the leases of these gateways, or make ours longer. Gives those that others hold and keep.

        A lease past its end, or of a process of this machine that is dead, is taken over, and that is recorded.
        """
        with self._file.write() as connection:
            return leases.take(connection, gateways, holder, why, now, until)

    def release(self, gateways: Collection[str], holder: Process) -> None:
        """Give back those of these leases that this process holds."""
        with self._file.write() as connection:
            leases.release(connection, gateways, holder)

    def leases(self) -> list[Lease]:
        """All leases, by gateway."""
        with self._file.read() as connection:
            return leases.held(connection)

    def break_lease(self, gateway: str, by: str, why: str, now: datetime, holder: Process | None = None) -> None:
        """Take a lease from its holder by a person's word. Errors: InputError where nobody holds it, or by now
        somebody else than `holder`."""
        with self._file.write() as connection:
            leases.break_(connection, gateway, by, why, now, holder)

    def keep_readings(self, evidence: Iterable[Evidence]) -> dict[str, str]:
        """Keep what gateways answered, the same answer once; each gateway's hash, by which `reading` finds it."""
        with self._file.write() as connection:
            return readings.keep(connection, evidence)

    def reading(self, sha256: str) -> Evidence:
        """The reading of that hash. Errors: InputError where there is none, JournalError where it is another one."""
        with self._file.read() as connection:
            return readings.load(connection, sha256)

    def old(self, before: datetime) -> Pruned:
        """How much `prune` would remove."""
        with self._file.read() as connection:
            return prune.old(connection, before).counts

    def prune(self, before: datetime, by: str, now: datetime) -> Pruned:
        """Remove audits, plans with their events, and readings that are older than that; how much it was.

        Nothing of a plan that is open or of its family goes, nor the newest audit (of a part, and of all), nor what was
        last known of a gateway. That it was done is an event itself. Errors: JournalError, also where the journal is
        not whole.
        """
        with self._file.write() as connection:
            if wrong := verify.wrong(connection):
                raise JournalError(f"{self.path}: {wrong}.", "Nothing was removed: put a backup back.")
            gone = prune.old(connection, before)
            if gone.counts != Pruned():
                prune.remove(connection, gone, before, by, now)
        return gone.counts

    def compact(self) -> None:
        """Leave none of the bytes of what was removed. Errors: JournalError where another program is at it."""
        self._file.compact()

    def seen(self) -> dict[str, dict[str, str]]:
        """The identity last seen at each gateway: computer_name, serial, machine_guid."""
        with self._file.read() as connection:
            return {gateway: body for gateway, (_, body) in known.every(connection, "identity").items()}

    def see(self, identities: Mapping[str, Mapping[str, str]], at: datetime) -> None:
        """Keep the identities of gateways as they are from now on."""
        self._keep("identity", {gateway: (at, body) for gateway, body in identities.items()})

    def endpoints(self, since: datetime | None = None) -> dict[str, tuple[datetime, dict[str, Any]]]:
        """Each gateway's `endpoints` section as last measured, ever or since then, and when."""
        with self._file.read() as connection:
            return known.every(connection, "endpoints", since)

    def keep_endpoints(self, measured: Mapping[str, tuple[datetime, Mapping[str, Any]]]) -> None:
        """Keep `endpoints` sections as just measured."""
        self._keep("endpoints", measured)

    def _keep(self, what: str, bodies: known.Bodies) -> None:
        if bodies:
            with self._file.write() as connection:
                known.keep(connection, what, bodies)

    def durations(self) -> dict[str, float]:
        """What each remedy took on a gateway, in seconds: the median of all that was measured."""
        with self._file.read() as connection:
            return known.medians(connection)

    def took(self, measured: Sequence[tuple[str, float]]) -> None:
        """Keep what remedies took, in seconds."""
        if not measured:
            return
        with self._file.write() as connection:
            rows = [{"remedy": remedy, "seconds": seconds} for remedy, seconds in measured]
            connection.execute(file.durations.insert(), rows)
