"""Files that people give and ask for: read within a limit, and written whole or not at all.

Nothing but a plain file is read: a pipe has no end that anybody promises, and a device has none.
"""

import codecs
import errno
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

# What a person writes, and what a national body publishes: Appointments in General Practice has 60 MB a month.
MIB = 2**20
SETTINGS, TABLE, LIST, SECRET = 2 * MIB, 16 * MIB, 128 * MIB, MIB // 16

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))

_KINDS = (
    (stat.S_ISFIFO, "it is a pipe, and is to be a file"),
    (stat.S_ISSOCK, "it is a socket, and is to be a file"),
    (stat.S_ISCHR, "it is a device, and is to be a file"),
    (stat.S_ISBLK, "it is a device, and is to be a file"),
)


def read(path: Path, most: int) -> bytes:
    """A file's bytes, of which there may be `most`.

    Errors: OSError, whose `strerror` says what a person has to know.
    """
    # Without waiting: a pipe that nobody writes to would hold us for ever.
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except ValueError as error:  # a NUL in its name
        raise OSError(errno.EINVAL, str(error), str(path)) from error
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(file.fileno())
        if why := next((words for is_it, words in _KINDS if is_it(status.st_mode)), ""):
            raise OSError(errno.EINVAL, why, str(path))
        data = file.read(most + 1)
    if len(data) > most:
        least = f"{most // MIB} MiB" if most >= MIB else f"{most // 1024} KiB"
        raise OSError(errno.EFBIG, f"it has more than {least}, which nothing that is read here needs", str(path))
    return data


def encoding(data: bytes) -> tuple[bytes, str]:
    """A file's byte-order mark, empty where it has none, and its encoding: UTF-8, UTF-16 or else cp1252."""
    for mark, name in _BOMS:
        if data.startswith(mark):
            return mark, name
    if b"\0" in data[:2]:
        return b"", "utf-16-be" if data[:1] == b"\0" else "utf-16-le"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return b"", "cp1252"
    return b"", "utf-8"


def decode(data: bytes) -> str:
    """The text of a file in UTF-8, UTF-16 or cp1252, with or without a byte-order mark.

    Errors: ValueError, in words, where it is not text.
    """
    if data.startswith(b"PK\x03\x04"):
        raise ValueError("is a workbook or an archive, not text.")
    mark, name = encoding(data)
    data = data[len(mark) :]
    try:
        text = data.decode(name)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ValueError(f"is not text in UTF-8, UTF-16 or cp1252: see line {line}.") from None
    if "\0" in text:
        raise ValueError("is not text: it holds NUL characters.")
    return text


def write(path: Path, data: bytes | Iterable[bytes], *, lasting: bool = True) -> None:
    """Put a file there in one step: until it is whole, what was there stays. A pipe or a device is written to. What
    comes in pieces is never held as one. One of thousands that are made again with one command is not `lasting`: the
    disk is not waited for, and after a power cut it may be empty.

    Errors: OSError.
    """
    pieces = (data,) if isinstance(data, bytes) else data
    path = Path(os.path.realpath(path))
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        mode = None
    if mode is not None and not stat.S_ISREG(mode):
        with path.open("wb") as file:
            file.writelines(pieces)
        return
    if mode is not None and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:80]}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(pieces)
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        Path(name).chmod(stat.S_IMODE(mode) if mode is not None else 0o666 & ~_umask())
        Path(name).replace(path)
    finally:
        with suppress(OSError):
            Path(name).unlink(missing_ok=True)


def write_folder(path: Path, contents: Iterable[tuple[str, bytes]], ours: str) -> None:
    """Put a folder of files there in one step, in the place of one in which every name is of that pattern. It is open
    to whom that one was open; where it cannot be put there, that one stays.

    Errors: OSError; FileExistsError where something else is there.
    """
    # A link stays, and leads to the new one.
    path = Path(os.path.realpath(path))
    mode = stat.S_IMODE(path.stat().st_mode) if path.is_dir() else 0o777 & ~_umask()
    old = sorted(one.name for one in path.iterdir()) if path.is_dir() else []
    if strange := [name for name in old if not re.fullmatch(ours, name)]:
        raise FileExistsError(errno.EEXIST, f"it is there and has a file of its own, {strange[0]}", str(path))
    new = Path(tempfile.mkdtemp(prefix=f".{path.name[:80]}.", dir=path.parent))
    try:
        for name, data in contents:
            (new / name).write_bytes(data)
        new.chmod(mode)
        _swap(new, path)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _swap(new: Path, path: Path) -> None:
    """Give a folder the place of another, which is removed. Errors: OSError; then that other is where it was."""
    before = new.with_name(f"{new.name}.before")
    if not path.is_dir():
        new.rename(path)
        return
    path.rename(before)
    try:
        new.rename(path)
    except OSError:
        before.rename(path)
        raise
    shutil.rmtree(before, ignore_errors=True)


def why_none(folder: Path, size: int) -> int:
    """The system's number of what the folder has against a new file of so many bytes; 0 for nothing."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(size))
    except OSError as error:
        return error.errno or 0
    return 0


def file_system(path: Path, mounts: str | None = None) -> str:
    """The type of the file system that holds a path, by the text of /proc/mounts; "" where that cannot be told."""
    if mounts is None:
        try:
            mounts = Path("/proc/mounts").read_text("utf-8", "replace")
        except OSError:
            return ""
    # Not by resolve, which raises for links that lead in a circle.
    real, best, kind = Path(os.path.realpath(path)), -1, ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = Path(fields[1].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\"))
        # Of two mounts at one place the later one hides the earlier.
        if real.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), fields[2]
    return kind


def _umask() -> int:
    now = os.umask(0o077)
    os.umask(now)
    return now
