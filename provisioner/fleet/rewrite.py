"""Roles written into practices.csv: in one step, and with every other byte kept.

Which rows there are, and what a changed file would say, is asked of the same reader as everywhere (practices.py).
"""

import os
import re
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from provisioner import files
from provisioner.errors import InputError, suggest
from provisioner.fleet import csvfile, schema
from provisioner.fleet.csvfile import Row, Table
from provisioner.fleet.practices import COLUMNS, FILE, judged
from provisioner.model import Gateway, Role
from provisioner.model.settings import VERSION, Settings

# Of this process one at a time, also where the file system knows no locks.
_ONE = threading.Lock()

# From the first to the last letter of a cell: a role's word, even with characters between that nobody sees.
_WORD = re.compile(r"[A-Za-z](?:.*[A-Za-z])?", re.S)


def change_roles(folder: Path, roles: Mapping[str, Role]) -> None:
    """Write these roles, by gateway, into a fleet folder's practices.csv. The case of a gateway's name does not count.

    A row that has its role already stays as it is; where all have, the file is not touched. There is no moment at which
    another reader sees half of it, and what goes wrong leaves the old file whole. Of several commands that write at the
    same moment each waits for the one before.

    Errors: InputError where the file is not right or would not be with these roles, where a gateway is not in it, where
    somebody else changed it meanwhile, or where it cannot be written.
    """
    path = Path(os.path.realpath(folder / FILE))
    try:
        with _alone(path.parent):
            old = files.read(path, files.TABLE)
            new = _changed(folder, old, roles)
            if new != old:
                _put(path, old, new)
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}. It is as it was."
        raise InputError(message, f"Mend that, or write into it by hand: {_words(roles)}.") from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No other command of ours writes there meanwhile. What an editor does is seen before the file is replaced."""
    if sys.platform == "win32":  # where nothing is changed on gateways
        yield
        return
    import fcntl

    with _ONE:
        handle = os.open(folder, os.O_RDONLY)
        try:
            with suppress(OSError):  # a share of another system may know no locks
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _changed(folder: Path, old: bytes, roles: Mapping[str, Role]) -> bytes:
    """The file's bytes with these roles."""
    read = _reader(folder)
    table, before = read(old, f"{FILE} is not right, and no role is written into it.")
    _all_there(before, roles)
    wanted = {name.lower(): role for name, role in roles.items()}
    after = tuple(replace(gateway, role=wanted.get(gateway.name.lower(), gateway.role)) for gateway in before)
    lines = {now.line: now.role for was, now in zip(before, after, strict=True) if was.role is not now.role}
    text = table.text
    for row in reversed(table.rows):
        if row.line in lines:
            start, end = _word(table, row)
            text = text[:start] + lines[row.line] + text[end:]
    mark, encoding = files.encoding(old)
    new = mark + text.encode(encoding)
    _, found = read(new, f"{FILE} would not be right with {_words(roles)}; it is as it was.")
    if found != after:
        raise InputError(f"{FILE} would not say {_words(roles)}; it is as it was.", "Write it there by hand.")
    return new


def _reader(folder: Path) -> Callable[[bytes, str], tuple[Table, tuple[Gateway, ...]]]:
    """What reads the table and the gateways of such a file's bytes, as fleet.yml has them. Where they are not right it
    raises InputError with the given message and all faults."""
    settings, _, wrong = schema.settings(folder / "fleet.yml")
    usable = settings or Settings(version=VERSION, endpoints=())
    lab_known = settings is not None and ("lab",) not in wrong

    def read(data: bytes, refusal: str) -> tuple[Table, tuple[Gateway, ...]]:
        table = csvfile.parse(FILE, data, COLUMNS, None)
        found = judged(table, usable, lab_known, None)
        faults = [fault for fault in found.faults if not fault.warning]
        if faults:
            raise InputError(refusal, "Mend these; see provisioner validate.", faults)
        return table, found.gateways

    return read


def _all_there(gateways: Collection[Gateway], roles: Collection[str]) -> None:
    names = {gateway.name.lower(): gateway.name for gateway in gateways if gateway.known}
    for name in roles:
        if name.lower() not in names:
            hint = suggest(name, names.values()) or "Was its row taken out, or is it not known any more?"
            raise InputError(f"{FILE} has no gateway {name}, whose role is to be written.", hint)


def _word(table: Table, row: Row) -> tuple[int, int]:
    """Where in the text the word of a row's role begins and ends; in an empty cell, where it is to be put."""
    start, end = csvfile.written(table, row, "role")
    word = _WORD.search(table.text, start, end)
    if word:
        return word.span()
    start += table.text.startswith('"', start, end)
    return start, start


def _put(path: Path, old: bytes, new: bytes) -> None:
    """Replace the file in one step, if it still is what was read. Errors: InputError, OSError."""
    status = path.stat()
    if not status.st_mode & 0o222 or not os.access(path, os.W_OK):
        raise PermissionError(None, "it is read-only")
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(new)
            file.flush()
            os.fsync(file.fileno())
        # Only root can give a file to another user; for all others it becomes their own.
        with suppress(OSError, AttributeError):
            os.chown(temporary, status.st_uid, status.st_gid)
        shutil.copymode(path, temporary)
        if path.read_bytes() != old:
            raise InputError(f"{path} was changed by somebody else just now; no role is written.", "Do it again.")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _settle(path.parent)


def _settle(folder: Path) -> None:
    """Let the new name reach the disk. By now the file is the new one, whatever becomes of this."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _words(roles: Mapping[str, Role]) -> str:
    return ", ".join(f"{name} {role}" for name, role in roles.items())
