"""The journal's file: its tables, how it is opened and brought up to date, and what can go wrong with it."""

import errno
import json
import random
import secrets
import stat
import time as time_
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa

from provisioner import files
from provisioner.errors import JournalError
from provisioner.journal.source import JournalSource, source_of

_tables = sa.MetaData()
schema = sa.Table(
    "provisioner_schema", _tables,
    sa.Column("version", sa.Integer, primary_key=True), sa.Column("at", sa.String(40), nullable=False),
)  # fmt: skip
documents = sa.Table(
    "documents", _tables,
    sa.Column("id", sa.String(80), primary_key=True), sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("at", sa.String(40), nullable=False), sa.Column("title", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)  # fmt: skip
events = sa.Table(
    "events", _tables,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", sa.String(40), nullable=False), sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("plan", sa.String(80), nullable=False, index=True), sa.Column("step", sa.String(200), nullable=False),
    sa.Column("gateway", sa.String(200), nullable=False), sa.Column("body", sa.Text, nullable=False),
    sa.Column("before", sa.String(64), nullable=False), sa.Column("hash", sa.String(64), nullable=False),
)  # fmt: skip
leases = sa.Table(
    "leases", _tables,
    sa.Column("gateway", sa.String(200), primary_key=True), sa.Column("holder", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False), sa.Column("since", sa.String(40), nullable=False),
    sa.Column("until", sa.String(40), nullable=False),
)  # fmt: skip
# What was last known of a gateway: its identity, its endpoints as last measured.
known = sa.Table(
    "known", _tables,
    sa.Column("gateway", sa.String(200), primary_key=True), sa.Column("what", sa.String(20), primary_key=True),
    sa.Column("at", sa.String(40), nullable=False), sa.Column("body", sa.Text, nullable=False),
)  # fmt: skip
durations = sa.Table(
    "durations", _tables,
    sa.Column("number", sa.Integer, primary_key=True), sa.Column("remedy", sa.String(40), nullable=False, index=True),
    sa.Column("seconds", sa.Float, nullable=False),
)  # fmt: skip
# Who this journal is, in marks that a run leaves on gateways: one row.
journals = sa.Table("journals", _tables, sa.Column("id", sa.String(40), primary_key=True))
# Readings that judged a step, by the hash of their canonical JSON.
readings = sa.Table(
    "readings", _tables,
    sa.Column("sha256", sa.String(64), primary_key=True), sa.Column("gateway", sa.String(200), nullable=False),
    sa.Column("at", sa.String(40), nullable=False), sa.Column("body", sa.LargeBinary, nullable=False),
)  # fmt: skip
# Where this journal has lain; the last is where it is at home.
places = sa.Table(
    "places", _tables,
    sa.Column("number", sa.Integer, primary_key=True), sa.Column("at", sa.String(40), nullable=False),
    sa.Column("host", sa.String(200), nullable=False), sa.Column("machine", sa.String(40), nullable=False),
    sa.Column("path", sa.Text, nullable=False), sa.Column("file", sa.String(40), nullable=False),
)  # fmt: skip
# The gateways of an audit of before there were texts, a row each (audits.py).
audited = sa.Table(
    "audited", _tables,
    sa.Column("audit", sa.String(80), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("gateway", sa.String(200), nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False), sa.Column("reading", sa.LargeBinary, nullable=False),
)  # fmt: skip
# Up to which event all was last found as it was written: of before that was kept outside of the journal (heads.py).
verified = sa.Table(
    "verified", _tables,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("hash", sa.String(64), nullable=False), sa.Column("at", sa.String(40), nullable=False),
)  # fmt: skip

# What a gateway once said and what was found, to which its next audits are held: only what differs is kept (texts.py).
texts = sa.Table(
    "texts", _tables,
    sa.Column("number", sa.Integer, primary_key=True), sa.Column("gateway", sa.String(200), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False), sa.Column("like", sa.Integer, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)  # fmt: skip
# An audit's gateways, a row each: what is always wanted of it, and its reading, by the text that they are like.
answered = sa.Table(
    "answered", _tables,
    sa.Column("audit", sa.String(80), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("text", sa.Integer, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False), sa.Column("reading", sa.LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)  # fmt: skip
# The newest beginning of each step or claim that has no end yet, so that nobody has to look through all events for it.
unended = sa.Table(
    "unended", _tables,
    sa.Column("plan", sa.String(80), primary_key=True), sa.Column("step", sa.String(200), primary_key=True),
    sa.Column("seq", sa.Integer, nullable=False),
)  # fmt: skip
# The plan to which an undo or a finish belongs.
families = sa.Table(
    "families", _tables,
    sa.Column("plan", sa.String(80), primary_key=True), sa.Column("of", sa.String(80), nullable=False, index=True),
)  # fmt: skip
# What begins a step, or a claim (our marker left on a gateway, or removed there); and what ends one.
BEGUN, OVER = ("step_started", "claim_started"), ("step_ended", "claim_ended")
# Years have thousands of events, of which a verb wants a few kinds, or those of a few days.
_INDEXES = (
    sa.Index("ix_events_kind", events.c.kind, events.c.seq),
    sa.Index("ix_events_kind_at", events.c.kind, events.c.at),
    sa.Index("ix_events_plan_kind", events.c.plan, events.c.kind),
    sa.Index("ix_documents_kind", documents.c.kind, documents.c.at, documents.c.id),
    sa.Index("ix_documents_at", documents.c.at, documents.c.id, documents.c.kind, documents.c.title),
)


def _first(connection: sa.Connection) -> None:
    _tables.create_all(connection, [schema, documents, events, leases, known, durations])


def _second(connection: sa.Connection) -> None:
    _tables.create_all(connection, [journals, readings])
    connection.execute(journals.insert(), {"id": new_id()})


def new_id() -> str:
    """What tells one journal from all others."""
    return secrets.token_hex(6)


def _third(connection: sa.Connection) -> None:
    _tables.create_all(connection, [places, verified])


def _fourth(connection: sa.Connection) -> None:
    _tables.create_all(connection, [audited])


def _fifth(connection: sa.Connection) -> None:
    _tables.create_all(connection, [texts, answered, unended, families])
    for index in _INDEXES:
        index.create(connection, checkfirst=True)
    c = events.c
    begun = sa.func.max(sa.case((c.kind.in_(BEGUN), c.seq), else_=0))
    over = sa.func.max(sa.case((c.kind.in_(OVER), c.seq), else_=0))
    open_ = sa.select(c.plan, c.step, begun).where(c.kind.in_((*BEGUN, *OVER))).group_by(c.plan, c.step)
    connection.execute(unended.insert().from_select(["plan", "step", "seq"], open_.having(begun > over)))
    plans = sa.select(documents.c.id, documents.c.body).where(documents.c.kind == "plan")
    found = [{"plan": row.id, "of": _of(row.body)} for row in connection.execute(plans)]
    if undos := [row for row in found if row["of"]]:
        connection.execute(families.insert(), undos)


def _of(body: bytes) -> str:
    """The plan to which a packed plan belongs; "" for one that is damaged, which is found when it is loaded."""
    try:
        return str(mapping(zlib.decompress(body)).get("of", ""))
    except (zlib.error, JournalError):
        return ""


# In order; what one is released as never changes. Each is committed together with its record.
MIGRATIONS: tuple[Callable[[sa.Connection], None], ...] = (_first, _second, _third, _fourth, _fifth)

_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "lustre", "ncpfs"}
    | {"fuse.sshfs", "fuse.glusterfs", "fuse.davfs", "fuse.davfs2", "fuse.s3fs", "fuse.rclone"}
)
WHERE = "`journal:` in fleet.yml says where it lies."
DAMAGED = "Put it back from a backup; or move it away: the next audit begins a new one."
_TROUBLES = (
    ("locked", "is locked by another program", "Is another provisioner, a backup or an editor at it? Try again."),
    ("readonly", "is read-only", "Its file and its folder must be writable to whoever runs this command."),
    ("disk is full", "cannot be written: the disk is full", "Make room; then give the same command again."),
    ("disk I/O error", "cannot be read or written: disk I/O error", "Look at that disk before anything else."),
    ("unable to open", "cannot be opened", WHERE),
    ("malformed", "is damaged", DAMAGED),
    ("not a database", "is damaged, or no journal", DAMAGED),
)


# SQLite says these also where only the file beside the journal, without which it does not even read, cannot be made:
# it has so many bytes at first.
_VAGUE, _BESIDE = ("disk I/O error", "unable to open"), 32 * 2**10
_WHY = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "disk is full"),
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), "readonly"),
}
# What reading a damaged file ends in: SQLite's own word, or ours for a row that cannot be what was written.
_OF_SQLITE = (sa.exc.SQLAlchemyError, UnicodeDecodeError, json.JSONDecodeError, zlib.error)
_WRONG = (*_OF_SQLITE, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)


class File:
    """One open journal file. Safe to use from several threads and processes at once."""

    def __init__(self, source: JournalSource, patience: float) -> None:
        self.path, self._source = source.path, source
        # In a copy of ours nothing is kept either.
        read_only = source.mode != "rw" or source.file != source.path
        self._engine = _engine(source.url, read_only, patience)

    @classmethod
    def open(cls, path: Path, *, create: bool, read_only: bool, patience: float) -> Self:
        """Open the file, made and brought up to date when that is due. A locked one is waited for `patience` seconds.

        Errors: JournalError where it is missing (and not to be made), locked, read-only, damaged, newer than we
        are, no journal of ours, or on a network file system.
        """
        path = path.absolute()
        if (kind := files.file_system(path)) in _NETWORK:
            raise JournalError(
                f"{path}: the journal cannot lie on a network file system ({kind}).",
                "Locks do not hold there. Let `journal:` in fleet.yml name a file on this machine's own disk.",
            )
        if not _there(path):
            if read_only or not create:
                raise JournalError(f"{path}: there is no journal yet.", "The first audit makes it.")
            try:
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                path.touch(mode=0o600)
            except OSError as error:
                raise JournalError(f"{path}: the journal cannot be made: {error.strerror}.", WHERE) from error
        try:
            file = cls(source_of(path, read_only=read_only), patience)
        except OSError as error:
            raise JournalError(f"{path}: the journal cannot be read: {error.strerror}.", WHERE) from error
        try:
            file._bring_up_to_date(read_only)
        except BaseException:
            file.close()
            raise
        return file

    def close(self) -> None:
        """Give the file back."""
        self._engine.dispose()
        self._source.close()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that sees one state of the file. Errors: JournalError."""
        with self._explained(_WRONG), self._engine.begin() as connection:
            yield connection
            self._source.still()

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction, the only writing one; committed to the disk when it is left. Errors: JournalError."""
        with self._explained(), self._engine.execution_options(writes=True).begin() as connection:
            yield connection

    def compact(self) -> None:
        """Give back the room of what was removed, and leave none of its bytes. Errors: JournalError."""
        with self._explained(), self._engine.execution_options(alone=True).begin() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("VACUUM")
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def _bring_up_to_date(self, read_only: bool) -> None:
        with self.read() as connection:
            version = self._version(connection)
        if version == len(MIGRATIONS):
            return
        if read_only:
            hint = "Copy it and what lies beside it into a folder of your own: there any verb brings it up to date."
            raise JournalError(f"{self.path}: the journal is of an older version.", hint)
        with self.write() as connection:
            # Asked again: another process may have done it while this one waited for its turn.
            for number in range(self._version(connection), len(MIGRATIONS)):
                MIGRATIONS[number](connection)
                connection.execute(schema.insert(), {"version": number + 1, "at": datetime.now(UTC).isoformat()})

    def _version(self, connection: sa.Connection) -> int:
        try:
            version = connection.execute(sa.select(sa.func.max(schema.c.version))).scalar_one() or 0
        except sa.exc.OperationalError:  # to ask for the tables takes long
            if schema.name in (tables := sa.inspect(connection).get_table_names()):
                raise
            if tables:
                raise JournalError(f"{self.path} is a database, but not a journal of provisioner.", WHERE) from None
            return 0
        if version > len(MIGRATIONS):
            raise JournalError(
                f"{self.path}: the journal is of version {version}; this provisioner knows {len(MIGRATIONS)}.",
                "A newer provisioner wrote it: use that one, everywhere.",
            )
        return version

    @contextmanager
    def _explained(self, wrong: tuple[type[Exception], ...] = _OF_SQLITE) -> Iterator[None]:
        try:
            yield
        except wrong as error:
            raise _explained(self.path, str(getattr(error, "orig", None) or error)) from error


def _there(path: Path) -> bool:
    """Whether the file is there. Errors: JournalError where it cannot be looked at, or is no file."""
    try:
        kind = path.stat().st_mode
    except FileNotFoundError:
        return False
    except OSError as error:
        raise JournalError(f"{path}: the journal cannot be opened: {error.strerror}.", WHERE) from error
    if not stat.S_ISREG(kind):
        raise JournalError(f"{path}: the journal is to be a file, and this is something else.", WHERE)
    return True


def text(time: datetime) -> str:
    """A time as the journal keeps it: UTC, and in the order of time when sorted as text."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def time(text: str) -> datetime:
    """A time that the journal kept. Errors: JournalError where it is none."""
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise JournalError(f"the journal has {text!r} where a time belongs.", DAMAGED) from error


def mapping(text: str | bytes) -> dict[str, Any]:
    """A JSON object that the journal kept. Errors: JournalError where it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise JournalError("the journal has something else where JSON belongs.", DAMAGED) from error
    if not isinstance(found, dict):
        raise JournalError(f"the journal has {str(found)[:40]!r} where an object belongs.", DAMAGED)
    return found


def _explained(path: Path, said: str) -> JournalError:
    if any(mark in said for mark in _VAGUE):
        said = _WHY.get(files.why_none(path.parent, _BESIDE), said)
    for mark, words, hint in _TROUBLES:
        if mark in said:
            return JournalError(f"{path}: the journal {words}.", hint)
    # What the library says may quote the file's own bytes.
    readable = "".join(one if one.isprintable() and one.isascii() else " " for one in said)[:160]
    return JournalError(f"{path}: the journal cannot be used: {readable}", DAMAGED)


def _engine(url: sa.URL, read_only: bool, patience: float) -> sa.Engine:
    engine = sa.create_engine(url, connect_args={"timeout": patience})

    @sa.event.listens_for(engine, "connect")
    def _prepare(raw: Any, _: Any) -> None:
        # Python's own sqlite3 begins transactions late and commits before DDL: SQLAlchemy's begin does it here.
        raw.isolation_level = None
        if read_only:
            raw.execute("PRAGMA query_only=1").close()
        else:
            raw.execute("PRAGMA journal_mode=WAL").close()
            raw.execute("PRAGMA synchronous=FULL").close()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        options = connection.get_execution_options()
        # A reader that turns into a writer can be refused without waiting: say at once what is meant.
        if options.get("writes"):
            _begin_writing(connection, patience)
        elif not options.get("alone"):
            connection.exec_driver_sql("BEGIN")

    return engine


def _begin_writing(connection: sa.Connection, patience: float) -> None:
    """Begin a writing transaction, waiting for other writers for as long as `patience` says.

    SQLite's own waiting looks again ever more seldom, so that whoever comes last is served first: of 32 that wrote at
    the same time 14 gave up. Here all look equally often.
    """
    until = time_.monotonic() + patience
    connection.exec_driver_sql("PRAGMA busy_timeout=0")
    try:
        while True:
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                return
            except sa.exc.OperationalError as error:
                if "locked" not in str(error.orig) or time_.monotonic() >= until:
                    raise
            time_.sleep(random.uniform(0.001, 0.02))  # noqa: S311 only so that not all look at the same moment
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={int(patience * 1000)}")
