"""Up to where a person has found a journal whole, kept outside of it: in that person's own folder on this computer.

A kept head is the number and the hash of an event, and says: when this was written, every event up to it, and every
audit, plan and reading that they name, was as it was written. A journal in which that event stands with that hash, and
from which on every event follows the one before, has by its hashes the same past as then: nobody can put other events
before it without a second text of the same SHA-256. So an older copy of a journal, and one that was written anew, are
found at the next look, by whoever has looked before.

What it does not say: that the rows of before it are still what their hashes are of. Whoever can write to the journal's
file can change a row of last year and leave all hashes as they are. That is found when the row is used (an event, an
audit, a plan and a reading are held against their hash whenever they are read), and, whatever it is, by `provisioner
journal verify`, a record and a removal, which look at everything; that a row is gone is found by those alone. Whoever
can write to that person's folder can write another head there, and is that person, or the administrator of this
computer: against those only a signed record that is kept elsewhere helps.
"""

import json
import os
import re
import stat
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from provisioner import files
from provisioner.journal import file, place


@dataclass(frozen=True, kw_only=True)
class Head:
    """The newest event of a journal that was found whole (`seq`, and its hash), when that was, and when all of it was
    last looked at."""

    seq: int
    hash: str
    at: datetime
    all_at: datetime


def folder() -> Path:
    """Where this person's heads lie: XDG_STATE_HOME's, or Windows' counterpart."""
    if sys.platform == "win32":
        state = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        named = os.environ.get("XDG_STATE_HOME", "")
        state = Path(named) if named.startswith("/") else Path.home() / ".local" / "state"
    return state / "provisioner" / "journals"


def of(connection: sa.Connection, path: Path) -> tuple[str, Head | None]:
    """A journal's id and its kept head; none of either for a copy, which has the id of the one that it is of."""
    home = place.last(connection)
    if home is None or home != place.here(path):
        return "", None
    id_ = str(connection.execute(sa.select(file.journals.c.id)).scalar_one())
    return id_, kept(id_)


def kept(journal: str) -> Head | None:
    """The head of the journal of that id; None where none is kept that only its owner could have written."""
    try:
        path = _path(journal)
        if not (_only_ours(path.parent) and _only_ours(path)):
            return None
        found = json.loads(files.read(path, files.SECRET))
        return Head(
            seq=int(found["seq"]),
            hash=str(found["hash"]),
            at=datetime.fromisoformat(found["at"]),
            all_at=datetime.fromisoformat(found["all_at"]),
        )
    except (OSError, ValueError, TypeError, KeyError, RuntimeError):
        # Nobody's home, no file, or none of ours: then all is looked at.
        return None


def keep(journal: str, head: Head) -> None:
    """Keep it in place of the one before. Where that cannot be, all is looked at again the next time."""
    text = json.dumps({**asdict(head), "at": head.at.isoformat(), "all_at": head.all_at.isoformat()})
    with suppress(OSError, ValueError, RuntimeError):
        path = _path(journal)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if _only_ours(path.parent):
            # Anew, so that one which others may write to does not stay so.
            path.unlink(missing_ok=True)
            files.write(path, text.encode())
            path.chmod(0o600)


def forget(journal: str) -> None:
    """Have none any more. Errors: OSError."""
    _path(journal).unlink(missing_ok=True)


def _path(journal: str) -> Path:
    """Errors: ValueError for an id that is none of ours: it comes from the journal's file."""
    if not re.fullmatch(r"[0-9a-f]{6,40}", journal):
        raise ValueError(journal)
    return folder() / f"{journal}.json"


def _only_ours(path: Path) -> bool:
    """Whether nobody but this user, and the system itself, can write there."""
    if sys.platform == "win32":
        return path.exists()
    found = path.lstat()
    others = stat.S_IWGRP | stat.S_IWOTH
    return found.st_uid == os.geteuid() and not found.st_mode & others and not stat.S_ISLNK(found.st_mode)
