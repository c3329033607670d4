"""What SQLite opens of a journal: whether it can be written to, and how one is read that cannot.

SQLite reads a file in WAL with two others beside it: -wal has what was written last, -shm is shared by all who are at
it, and is made anew by whoever comes first. Where nothing can be made (a read-only disk, another's folder, a copy
handed to an auditor) SQLite reads the file alone if it is told that nobody writes, and then knows nothing of -wal. So:

- no -wal with anything in it: the file alone, and whoever has read it asks whether it is still the same file;
- -wal and -shm: SQLite reads them as they are;
- -wal without -shm, or what a broken-off write left (-journal): a copy of them in a folder of our own.
"""

import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa

from provisioner.errors import JournalError

# Beside the file, with what is not in it yet; and what SQLite shares of the first with others.
_PENDING, _SHARED = ("-wal", "-journal"), "-shm"
_TRIES = 3

Stamp = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True, kw_only=True)
class JournalSource:
    """What SQLite opens: which file, in which mode; `stamp` where nobody may have written to `path` meanwhile."""

    path: Path
    file: Path
    mode: str
    stamp: Stamp = ()
    folder: "tempfile.TemporaryDirectory[str] | None" = field(default=None, repr=False)

    @property
    def url(self) -> sa.URL:
        """What SQLite is asked to open."""
        # As a URI: "#", "?" and "%41" in its name would lead to another file.
        named = f"file:{quote(self.file.as_posix())}"
        return sa.URL.create("sqlite+pysqlite", database=named, query={"mode": self.mode, "uri": "true"})

    def still(self) -> None:
        """Errors: JournalError where the file was written to since it was opened, and what was read may be of both."""
        if self.stamp and self.stamp != _stamp(self.path):
            raise _busy(self.path)

    def close(self) -> None:
        """Leave nothing behind."""
        if self.folder:
            self.folder.cleanup()


def can_be_written(path: Path) -> bool:
    """Whether this account may write to the journal there, or make it."""
    # What may not even be looked at is not there, for os.path.
    there = next((one for one in (path, *path.parents) if os.path.exists(one)), path)  # noqa: PTH110
    return os.access(there, os.W_OK) and (there != path or os.access(path.parent, os.W_OK))


def source_of(path: Path, *, read_only: bool) -> JournalSource:
    """What SQLite is to open. Errors: JournalError, OSError where it cannot be read."""
    if not read_only:
        return JournalSource(path=path, file=path, mode="rw")
    if can_be_written(path):
        return JournalSource(path=path, file=path, mode="ro")
    if not os.access(path, os.R_OK):
        hint = "Whoever it belongs to can let you read it, or give you a copy of it and of what lies beside it."
        raise JournalError(f"{path}: the journal cannot be read: permission denied.", hint)
    if not any(_size(path, end) for end in _PENDING):
        return JournalSource(path=path, file=path, mode="ro&immutable=1", stamp=_stamp(path))
    if _size(path, "-wal") and os.access(_beside(path, _SHARED), os.R_OK):
        return JournalSource(path=path, file=path, mode="ro")
    return _copied(path)


def _copied(path: Path) -> JournalSource:
    folder = tempfile.TemporaryDirectory(prefix="provisioner-")
    try:
        for _ in range(_TRIES):
            before = _stamp(path)
            for end in ("", *_PENDING):
                if end == "" or _size(path, end):
                    shutil.copyfile(_beside(path, end), Path(folder.name) / f"journal.db{end}")
            if before == _stamp(path):
                return JournalSource(path=path, file=Path(folder.name) / "journal.db", mode="rw", folder=folder)
        raise _busy(path)
    except BaseException:
        folder.cleanup()
        raise


def _busy(path: Path) -> JournalError:
    return JournalError(f"{path}: the journal was written to while it was read.", "Give the same command again.")


def _beside(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)


def _size(path: Path, end: str) -> int:
    beside = _beside(path, end)
    return beside.stat().st_size if beside.exists() else 0


def _stamp(path: Path) -> Stamp:
    """How the file and what is beside it are: another time where somebody has written."""
    every = (_beside(path, end) for end in ("", *_PENDING))
    found = (one.stat() if one.exists() else None for one in every)
    return tuple((one.st_ino, one.st_size, one.st_mtime_ns) if one and one.st_size else None for one in found)
