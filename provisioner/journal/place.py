"""Where a journal lies. A copy of it that wakes up elsewhere must not take the first one's work for its own.

A journal is known by its id and its place together: this host (its name and its machine-id, because clones of a virtual
machine share one of them), and the file (its path and its number in the file system, because a copy can have only one).
The machine's start is noted beside it: two clones with the same host and file have only their common past in common.
"""

import socket
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from provisioner import processes
from provisioner.journal import file


@dataclass(frozen=True, kw_only=True)
class Place:
    """One place of a journal: the host by its name and its machine-id, the file by its path and its number."""

    host: str
    machine: str
    path: str
    file: str

    def __str__(self) -> str:
        return f"{self.path} on {self.host}"


def here(path: Path) -> Place:
    """The place of this file, now. Errors: OSError."""
    real = path.resolve()
    number = str(real.stat().st_ino)
    return Place(host=socket.gethostname(), machine=processes.machine(), path=str(real), file=number)


def last(connection: sa.Connection) -> Place | None:
    """The place at which the journal lay when it was last written to; None where it has never noted one."""
    row = connection.execute(sa.select(file.places).order_by(file.places.c.number.desc()).limit(1)).one_or_none()
    if row is None:
        return None
    return Place(host=row.host, machine=row.machine, path=row.path, file=row.file)


def note(connection: sa.Connection, place: Place, at: datetime) -> None:
    """Keep that the journal lies there from now on."""
    connection.execute(file.places.insert(), {"at": file.text(at), **asdict(place)})
