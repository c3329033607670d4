"""What is printed never breaks a verb: neither a character that the output cannot hold nor an output that is gone.

All that is printed, by us and by the libraries, passes through these streams while a command runs.
"""

import codecs
import errno
import io
import os
import select
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

# What the tables print that not every code page has, by what says the same in as many columns.
_LOOKS_LIKE = str.maketrans("✓✕⊘·…•━╸╺│─\u2013\u2014\u2018\u2019\u201c\u201d", "YN?-.*---|---''\"\"")
_HANDLER = "provisioner-plain"
# A reader that has gone away (`| head`) has read all that it wanted. Windows says EINVAL of a pipe.
_GONE = (errno.EPIPE, errno.ESHUTDOWN, *((errno.EINVAL,) if os.name == "nt" else ()))


class Raw(io.RawIOBase):
    """The end of a stream that takes everything. From the first failure, `trouble`, on nothing is written any more."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self.trouble: OSError | None = None

    def writable(self) -> bool:
        """Always."""
        return True

    def fileno(self) -> int:
        """The real stream's."""
        return int(self._raw.fileno())

    def isatty(self) -> bool:
        """Whether a person looks on."""
        return bool(self._raw.isatty())

    def write(self, data: Any) -> int:
        """Write as much as goes at once, and wait where a pipe is full; or drop it."""
        if self.trouble is None:
            try:
                while (written := self._raw.write(data)) is None:
                    select.select([], [self._raw], [])
                return int(written)
            except OSError as error:
                self.trouble = error
        return len(data)


class _Closed:
    """What stands in for a stream that is closed."""

    def fileno(self) -> int:
        raise io.UnsupportedOperation("fileno")

    def isatty(self) -> bool:
        return False

    def write(self, data: Any) -> int:
        raise OSError(errno.EBADF, "it is closed")


@contextmanager
def guarded() -> Iterator[Raw]:
    """While this lasts nothing that is printed raises. Gives the end of standard output: what became of it."""
    codecs.register_error(_HANDLER, _plainly)
    _fill_descriptors()
    before = sys.stdin, sys.stdout, sys.stderr
    raws = [Raw(_Closed() if stream is None else _raw(stream)) for stream in before[1:]]
    sys.stdin = before[0] or io.StringIO()
    sys.stdout, sys.stderr = (_text(raw, stream) for raw, stream in zip(raws, before[1:], strict=True))
    try:
        yield raws[0]
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdin, sys.stdout, sys.stderr = before


def lost(raw: Raw) -> str:
    """Why standard output could not be written, in words; "" where it could, or where its reader had enough."""
    trouble = raw.trouble
    if trouble is None or trouble.errno in _GONE:
        return ""
    return trouble.strerror or str(trouble)


def _raw(stream: TextIO) -> Any:
    stream.flush()
    # Where Python does not buffer there is one layer less.
    return getattr(stream.buffer, "raw", stream.buffer)


def _text(raw: Raw, stream: TextIO | None) -> TextIO:
    # As large as a line of ours may be long: what a person is to see comes whole.
    encoding = getattr(stream, "encoding", None) or "utf-8"
    lines = getattr(stream, "line_buffering", False)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, _HANDLER, line_buffering=lines)


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """What is printed in the place of characters that the output's encoding does not have."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_plain, error.object[error.start : error.end])), error.end


def _plain(character: str) -> str:
    looks = character.translate(_LOOKS_LIKE)
    letters = unicodedata.normalize("NFKD", looks).encode("ascii", "ignore").decode()
    # A mark that stands on the letter before it takes no room.
    return letters or ("" if unicodedata.combining(character) else "?")


def _fill_descriptors() -> None:
    """A file that we open must never get the number of a closed standard stream: children write to that."""
    if os.name != "posix":
        return
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
