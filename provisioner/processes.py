"""Processes of this machine: who we are, who still lives, and ending those that a run left behind.

Layer 0: what journal, playbook and execute share. Reads /proc where there is one (Linux, where Ansible runs);
elsewhere nothing can be told of other processes, and nothing is ended.
"""

import getpass
import hashlib
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

# A run tag is in the environment of all that its run starts. Ansible's workers leave the process group, outlive a
# killed parent and keep only this.
VARIABLE = "PROVISIONER_RUN"

_PROC = Path("/proc")
# As which the kernel has the log-in of a process for which nobody logged in.
_NOBODY = 2**32 - 1

# The runs of this process that are under way.
_RUNS: set[str] = set()


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process as the journal records it. `started` tells it from a later one with the same pid: the boot and
    the clock ticks since then; "" where the system does not say. `machine` tells two hosts of one name apart, and
    `space` two containers of one host, each of which counts its processes by itself; "" where that is not known.
    `run` tells one run of a process from another of the same; "" where it is no run."""

    user: str
    host: str
    pid: int
    started: str
    machine: str = ""
    space: str = ""
    run: str = ""

    def __str__(self) -> str:
        return f"{self.user}@{self.host} pid {self.pid}"

    @property
    def near(self) -> bool:
        """Whether we would see it if it lived: the same host, started at the same time, and the same processes, of
        which none is hidden from us."""
        same = (self.host, self.machine, self.space) == (socket.gethostname(), machine(), _space())
        return bool(self._boot) and same and self._boot == boot() and not _hidden(self.pid)

    @property
    def dead(self) -> bool:
        """Whether it certainly ended. False where that cannot be told, as of a process of another machine, of one with
        the same name, of another container, or of another user where those are hidden; or of another process' run while
        that process lives."""
        if self.near:
            return _started(self.pid) != self.started or self._over
        again = bool(self.machine) and (self.host, self.machine) == (socket.gethostname(), machine())
        # This very machine, started anew since then.
        return again and "" not in (self._boot, boot()) and self._boot != boot()

    @property
    def _over(self) -> bool:
        """Whether it was a run of this very process, and is under way no more."""
        return bool(self.run) and self.pid == os.getpid() and self.run not in _RUNS

    @property
    def _boot(self) -> str:
        return self.started.rpartition(":")[0]


def this() -> Process:
    """This process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    pid = os.getpid()
    return Process(
        user=user, host=socket.gethostname(), pid=pid, started=_started(pid), machine=machine(), space=_space()
    )


@contextmanager
def a_run() -> Iterator[Process]:
    """This process as one run of it, which lives while this lasts: another run, of this process too, keeps off what it
    holds."""
    me = replace(this(), run=secrets.token_hex(4))
    _RUNS.add(me.run)
    try:
        yield me
    finally:
        _RUNS.discard(me.run)


def accounts() -> tuple[int, ...]:
    """By which accounts (uids) of this machine the person came who is behind this process: whom it runs as, who logged
    in, which the kernel keeps over su and sudo (proc(5), loginuid), and who called sudo. root is nobody's own, and is
    left out where another is known. () where the system has no such accounts.
    """
    if sys.platform == "win32":
        return ()
    sudo = os.environ.get("SUDO_UID", "")
    found = [os.getuid(), os.geteuid(), _logged_in(), int(sudo) if sudo.isascii() and sudo.isdigit() else 0]
    return tuple(dict.fromkeys(uid for uid in found if uid)) or (0,)


def _logged_in() -> int:
    """The uid of who logged in; 0 where nobody did, as in a job of the system, or the kernel does not say."""
    try:
        uid = int((_PROC / "self/loginuid").read_text("ascii"))
    except (OSError, ValueError):
        return 0
    return 0 if uid == _NOBODY else uid


def account(uid: int) -> str:
    """The name of an account; its number where it has none."""
    if sys.platform == "win32":
        return str(uid)
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def uid(name: str) -> int | None:
    """The number of an account of this machine; None where there is none of that name."""
    if sys.platform == "win32":
        return None
    import pwd

    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def machine() -> str:
    """What tells this machine from another with its name, not the number itself (machine-id(5) keeps that private); ""
    where the system has none."""
    try:
        number = Path("/etc/machine-id").read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
    return hashlib.sha256(f"provisioner {number}".encode()).hexdigest()[:16] if number else ""


def boot() -> str:
    """What tells this start of the machine from another; "" where the system does not say."""
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def _space() -> str:
    """Which processes can be seen from here: the kernel's name of our PID namespace; "" where it has none."""
    try:
        return os.readlink(_PROC / "self/ns/pid")  # noqa: PTH115 no path, but a name
    except OSError:
        return ""


def _started(pid: int) -> str:
    """Boot and start time of a living process; "" where there is none, it is a zombie, or cannot be told."""
    fields = _stat(pid)
    return "" if fields is None or fields[0] in "ZX" else f"{boot()}:{fields[19]}"


def _stat(pid: int) -> list[str] | None:
    """What /proc tells of a process, from its state on (proc(5)); None where it tells nothing."""
    try:
        # The command's name may hold blanks and brackets: the fields that count come after the last bracket.
        return (_PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return None


def _hidden(pid: int) -> bool:
    """Whether there is a process of that number of which /proc tells us nothing, as of another user's where it is
    mounted with hidepid (proc(5))."""
    if _stat(pid) is not None:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def tagged(run_tag: str) -> list[int]:
    """The pids of our own user's living processes that carry this run tag, workers before their parents."""
    wanted = f"{VARIABLE}={run_tag}".encode()
    found = []
    for folder in _PROC.glob("[0-9]*"):
        try:
            if folder.stat().st_uid == os.getuid() and wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue  # it ended, or is not ours to read
    return sorted((pid for pid in found if pid != os.getpid() and _started(pid)), reverse=True)


def end(run_tag: str, patience: float = 10.0) -> int:
    """End every process with this run tag; how many there were. Returns when none is left.

    Errors: OSError when some cannot be ended within `patience` seconds.
    """
    ended: set[int] = set()
    deadline = time.monotonic() + patience
    while left := tagged(run_tag):
        if time.monotonic() > deadline:
            raise OSError(f"processes of an earlier run cannot be ended: {', '.join(map(str, left))}")
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
                ended.add(pid)
            except ProcessLookupError:
                continue
        time.sleep(0.01)
    return len(ended)
