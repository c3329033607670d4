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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROVISIONER = (sys.executable, "-c", "from provisioner.cli import main; main()")
# Findings, gateways that could not be read: an audit that did its work.
_WELL = (0, 1, 3)


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
    begun, first, last = time.monotonic(), 0.0, b""
    environment = {**os.environ, "TERM": "xterm-256color"}
    child = subprocess.Popen(
        list(map(str, command)), env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    with contextlib.suppress(OSError):  # Linux's word for the end of it
        while chunk := os.read(ours, 65536):
            first, last = first or time.monotonic() - begun, chunk
    os.close(ours)
    return _ended(child, command, begun, first, last.decode(errors="replace"))


def cost(
    command: Sequence[str | Path], *, folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> Cost:
    """Run a command to its end, in a folder. What it starts counts too, once it has been waited for. Errors:
    RuntimeError where it did not do its work."""
    begun, first, last = time.monotonic(), 0.0, ""
    child = subprocess.Popen(
        list(map(str, command)),
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stderr
    for line in child.stderr:
        first, last = first or time.monotonic() - begun, line
    return _ended(child, command, begun, first, last)


def _ended(child: subprocess.Popen[Any], command: Sequence[str | Path], begun: float, first: float, last: str) -> Cost:
    """What it cost, once it has ended."""
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in _WELL:
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {child.returncode}: {last}")
    # Linux counts kB, macOS bytes.
    scale = 1024 if sys.platform == "linux" else 1024**2
    return Cost(
        seconds=time.monotonic() - begun,
        first=first,
        cpu=used.ru_utime + used.ru_stime,
        memory=used.ru_maxrss / scale,
    )


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
