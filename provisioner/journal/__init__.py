"""The journal: audits, plans, what was done and who did it, readings, leases. The only importer of sqlalchemy.

SQLite in WAL, and nothing in the tables that only SQLite has. Events are append-only, each with the hash of the one
before. Everything that the file or the disk can do wrong is a JournalError.
"""

import heapq
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa

from provisioner.errors import JournalError
from provisioner.journal import adopting, documents, events, file, heads, known, leases, place, prune, readings, verify
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
from provisioner.journal.known import Held
from provisioner.journal.place import Place
from provisioner.model import Audit, Evidence, Fleet, Outcome, Plan, adapters
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

    def names(self, plan: str = "") -> tuple[str, ...]:
        """The names under which runs of this journal mark gateways, the newest first; before them that of the newest
        run of `plan`: it does not know those that have begun since.

        Each run has its own, which is in the journal before it is on any gateway: a copy that was made before does not
        know it, whatever else it has in common with this one.
        """
        id_ = self.id
        runs = sa.select(file.events.c.plan, file.events.c.body).where(file.events.c.kind == "run_started")
        with self._file.read() as connection:
            rows = connection.execute(runs.order_by(file.events.c.seq.desc()).limit(_RUNS)).all()
        own = sorted(rows, key=lambda row: row.plan != plan)
        names = [str(file.mapping(row.body).get("name", "")) for row in own]
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
            return adopting.adopt(connection, self.path, by, at)

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

    def load(self, id: str, only: Collection[str] | None = None) -> Audit | Plan:
        """The audit or plan of that id, of an audit what was read and found at all gateways, or at those in `only`.
        Errors: InputError where there is none, JournalError where it is damaged or not what the chain says was kept."""
        with self._file.read() as connection:
            return documents.load(connection, self.path, id, only)

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

    def kept(self, *kinds: str, named: str = "") -> list[str]:
        """The ids of all that is kept of these kinds (`audit`, `preflight`, `plan`), the newest first; those that begin
        or end with `named`."""
        with self._file.read() as connection:
            return documents.kept(connection, kinds, named)

    def newest(self, *kinds: str) -> Iterator[str]:
        """The same ids one after the other: of years of them a verb wants the first."""
        # Each kind by itself: of several the index has not the order.
        for _, id_ in heapq.merge(*map(self._newest, kinds), reverse=True):
            yield id_

    def _newest(self, kind: str) -> Iterator[tuple[str, str]]:
        for passed in itertools.count(0, documents.SOME):
            with self._file.read() as connection:
                found = documents.some(connection, kind, passed)
            yield from found
            if len(found) < documents.SOME:
                return

    def history(self, limit: int = 50) -> list[Entry]:
        """The newest audits, plans, runs and removals of what was old, newest first."""
        with self._file.read() as connection:
            entries = [*documents.entries(connection, limit), *events.entries(connection, limit)]
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
        with self._file.read() as connection:
            ids = documents.family(connection, plan.id)
        return [plan, *(one for id_ in ids if isinstance(one := self.load(id_), Plan))]

    def verify(self, now: datetime | None = None, *, everything: bool = True) -> str:
        """Where the file is damaged or the chain of events is broken, in words; "" where all is whole.

        With `now` what was found whole is kept (heads.py says what that proves), and without `everything` only what
        came since this person last did that is looked at. Of a journal that is not at home all is, and nothing is kept.
        """
        with self._file.read() as connection:
            wrong, found = verify.against_head(connection, self.path, now, everything)
        if found:
            heads.keep(*found)
        return wrong

    def behind(self) -> str:
        """Why it has not the past that it had when this person last verified it, in words; "" where it has."""
        with self._file.read() as connection:
            _, head = heads.of(connection, self.path)
            return verify.behind(connection, head) if head else ""

    def forget_head(self) -> None:
        """Take it as it is, whatever it was when this person last verified it. Errors: OSError."""
        heads.forget(self.id)

    def verified(self) -> datetime | None:
        """When this person last looked at all of it; None where that is not known."""
        with self._file.read() as connection:
            _, head = heads.of(connection, self.path)
        return head.all_at if head else None

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
                    outcome = adapters.read(Outcome, reasoned(event.body))
                except ValueError as error:
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

    def kept_by(self, gateways: Collection[str], holder: Process, now: datetime) -> dict[str, Lease]:
        """Those of these leases that `take` would not get. Takes none."""
        with self._file.read() as connection:
            found = leases.held(connection, gateways)
        return {lease.gateway: lease for lease in found if leases.stands(lease, holder, now)}

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
            if wrong := verify.against_head(connection, self.path)[0]:
                raise JournalError(f"{self.path}: {wrong}.", "Nothing was removed: put a backup back.")
            gone = prune.old(connection, before)
            if gone.counts != Pruned():
                prune.remove(connection, gone, before, by, now)
            found = verify.found(connection, self.path, now)
        if found:
            # Of which the newest event may have gone.
            heads.keep(*found)
        return gone.counts

    def compact(self) -> None:
        """Leave none of the bytes of what was removed. Errors: JournalError where another program is at it."""
        self._file.compact()

    def seen(self, what: known.Identity = "identity") -> dict[str, dict[str, str]]:
        """The identity last seen at each gateway: computer_name, serial, machine_guid. As "taken" the one that its row
        last took for it, be it right or not; {} where it took none."""
        with self._file.read() as connection:
            return {gateway: body.plain for gateway, (_, body) in known.every(connection, what).items()}

    def see(self, identities: Mapping[str, Mapping[str, str]], at: datetime, what: known.Identity = "identity") -> None:
        """Keep the identities of gateways as they are from now on."""
        self._keep(what, {gateway: (at, body) for gateway, body in identities.items()})

    def endpoints(self, since: datetime | None = None) -> dict[str, tuple[datetime, Held]]:
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
        """What each remedy took on a gateway, in seconds: the median of the newest that were measured."""
        with self._file.read() as connection:
            return known.medians(connection)

    def took(self, measured: Sequence[tuple[str, float]]) -> None:
        """Keep what remedies took, in seconds."""
        if not measured:
            return
        with self._file.write() as connection:
            rows = [{"remedy": remedy, "seconds": seconds} for remedy, seconds in measured]
            connection.execute(file.durations.insert(), rows)
