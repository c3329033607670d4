"""What one command costs: its own time and the machine's, by what the system says of the process when it has ended."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PROVISIONER = (sys.executable, "-c", "from provisioner.cli import main; main()")
# Findings, gateways that could not be read: an audit that did its work.
_WELL = (0, 1, 3)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Seconds by the clock, until the first line on stderr, and of CPU; and the most memory at once, in MB."""

    seconds: float
    first: float
    cpu: float
    memory: float


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
