"""What one command costs: its own time and the machine's, by what the system says of the process when it has ended."""

import contextlib
import fcntl
import os
import platform
import pty
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROVISIONER = (sys.executable, "-c", "from provisioner.cli import main; main()")
# Starts a command and says what it took. Linux counts what a process has when it starts another as that one's too, so
# the benchmark, which is large, does not start it itself; and the start of this is not the command's.
_STARTER = """
import os, sys, time
begun = time.monotonic()
pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(pid, 0)
took = begun, time.monotonic(), used.ru_utime + used.ru_stime, used.ru_maxrss, os.waitstatus_to_exitcode(status)
os.write(int(sys.argv[1]), " ".join(map(str, took)).encode())
"""
# Findings, gateways that could not be read: an audit that did its work; and a question, with nobody to be asked.
WELL, NOBODY_ASKED = (0, 1, 3), (2,)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Seconds by the clock, until its first line on stderr (on a terminal: its first word), and of CPU; and the most
    memory at once, in MB."""

    seconds: float
    first: float
    cpu: float
    memory: float

    def __add__(self, other: "Cost") -> "Cost":
        """One after the other."""
        return Cost(
            seconds=self.seconds + other.seconds,
            first=self.first,
            cpu=self.cpu + other.cpu,
            memory=max(self.memory, other.memory),
        )


def on_terminal(command: Sequence[str | Path]) -> Cost:
    """Run a command to its end, on a terminal of 80 columns and 24 lines that is read and thrown away.

    Errors: RuntimeError where it did not do its work.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    first, last = 0.0, b""
    environment = {**os.environ, "TERM": "xterm-256color"}
    with _started(command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True) as said:
        os.close(theirs)
        with contextlib.suppress(OSError):  # Linux's word for the end of it
            while chunk := os.read(ours, 65536):
                first, last = first or time.monotonic(), chunk
        os.close(ours)
    return _ended(said, command, first, last.decode(errors="replace"))


def cost(
    command: Sequence[str | Path],
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    well: Collection[int] = WELL,
) -> Cost:
    """Run a command to its end, in a folder, with nobody to be asked. What it starts counts too, once it has been
    waited for. Errors: RuntimeError where it did not do its work: it ended otherwise than `well`."""
    first, last, silent = 0.0, "", subprocess.DEVNULL
    streams = {"stdin": silent, "stdout": silent, "stderr": subprocess.PIPE}
    with _started(command, cwd=folder, env=environment, text=True, **streams) as said:
        for line in said.child.stderr or ():
            first, last = first or time.monotonic(), line
    return _ended(said, command, first, last, well)


@dataclass(frozen=True)
class _Said:
    """What starts a command, and the end of the pipe by which it says what the command took."""

    child: subprocess.Popen[Any]
    pipe: int


@contextlib.contextmanager
def _started(command: Sequence[str | Path], **given: Any) -> Iterator[_Said]:
    """The command while it runs; it has ended afterwards."""
    pipe, theirs = os.pipe()
    starter = [sys.executable, "-S", "-E", "-c", _STARTER, str(theirs)]
    child = subprocess.Popen([*starter, *map(str, command)], pass_fds=[theirs], **given)
    os.close(theirs)
    yield _Said(child, pipe)
    child.wait()


def _ended(said: _Said, command: Sequence[str | Path], first: float, last: str, well: Collection[int] = WELL) -> Cost:
    """What it cost, once it has ended."""
    with os.fdopen(said.pipe, encoding="utf-8") as took:
        begun, ended, cpu, memory, code = map(float, took.read().split() or (0, 0, 0, 0, said.child.returncode))
    if int(code) not in well:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {int(code)}: {last}")
    # Linux counts kB, macOS bytes.
    scale = 1024 if sys.platform == "linux" else 1024**2
    return Cost(seconds=ended - begun, first=first - begun if first else 0.0, cpu=cpu, memory=memory / scale)


def machine() -> str:
    """What the figures were measured on, without a name."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine()
    )
    load = f", load {os.getloadavg()[0]:.1f} at the end" if hasattr(os, "getloadavg") else ""
    return f"{os.cpu_count()} cores, {model}, {platform.system()}, Python {platform.python_version()}{load}"
