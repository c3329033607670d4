"""Whether a process is still the one that it was: by when it started."""

import subprocess
from pathlib import Path


def started(pid: int) -> str:
    """When a process started, as the system counts it; "" for one that has ended."""
    stat = Path(f"/proc/{pid}/stat")
    if not Path("/proc/self").exists():
        asked = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S603, S607
        return asked.stdout.strip()
    try:
        fields = stat.read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return ""
    # The state comes first behind the name; a zombie has ended, whoever has yet to hear of it.
    return "" if fields[0] in ("Z", "X") else fields[19]
