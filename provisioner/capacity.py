"""How much this computer can carry at once, by what it lets this process have now."""

import sys
from contextlib import suppress
from pathlib import Path

# What a reading takes: its connection and, for a moment, a second one or a ticket's file; its messages, its answer, and
# where its log-in asks a domain controller a thread.
_DESCRIPTORS, _READING = 2, 2**20
# For how many sockets one can wait on Windows, as Python is built there (FD_SETSIZE of its select module).
_SELECTED = 512
# What is open beside: the journal, the terminal, libraries.
_OTHERS = 64
# What one of Ansible's workers has to itself, with its part of what leads them.
_WORKER = 64 * 2**20
# So much of what is free may be taken: others are at work here too.
_SHARE = 0.5


def readings() -> int:
    """How many gateways this process can read at the same time, by file descriptors and memory."""
    return max(1, min((_descriptors() - _OTHERS) // _DESCRIPTORS, int(_SHARE * _memory()) // _READING))


def workers() -> int:
    """How many workers Ansible can have at the same time, by memory."""
    return max(1, int(_SHARE * _memory()) // _WORKER)


def _descriptors() -> int:
    """How many files this process may have open, or wait for at the same time."""
    if sys.platform == "win32":
        return _SELECTED
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def _memory(system: Path = Path("/")) -> int:
    """How much memory is free, in bytes: of this computer, and of the container that this process may be in. More than
    anybody has where neither can be told."""
    return min(_free(system / "proc" / "meminfo"), _left(system / "sys" / "fs" / "cgroup"))


def _free(table: Path) -> int:
    with suppress(OSError, ValueError, IndexError):
        for line in table.read_text("utf-8").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return sys.maxsize


def _left(group: Path) -> int:
    """Of the container's own limit ("max": it has none)."""
    with suppress(OSError, ValueError):
        most, used = ((group / name).read_text("utf-8").strip() for name in ("memory.max", "memory.current"))
        return max(0, int(most) - int(used))
    return sys.maxsize
