"""Start a lab, end it, speak with it. The lab itself is a process of its own (daemon.py)."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner.errors import LabError
from provisioner.lab import events
from provisioner.lab.estate import made
from provisioner.lab.estate.folder import (
    ENDPOINTS,
    USER,
    Folder,
    complete,
    prepare,
    read_own,
    read_rows,
    write_fleet,
    write_own,
)
from provisioner.lab.process import control
from provisioner.lab.process.alive import started
from provisioner.lab.wsman.auth import Account

_END_SECONDS = 15.0
_UNWANTED = ("PROVISIONER_PASSWORD",)


@dataclass(frozen=True)
class Handle:
    """A lab that is up."""

    folder: Path
    port: int
    tls_port: int
    pid: int
    socket: Path

    @property
    def user(self) -> str:
        """The account that is let in."""
        return USER

    @property
    def password(self) -> str:
        """That account's password."""
        return Folder(self.folder).password.read_text("utf-8").strip()

    @property
    def ca_file(self) -> Path:
        """The certificate by which its TLS is trusted."""
        return Folder(self.folder).authority

    def set(self, gateway: str, *words: str) -> list[str]:
        """Give the gateways of a name or pattern faults, as `lab set` does; gives their names."""
        found: list[str] = control.ask(self.socket, "set", gateway=gateway, faults=list(words))
        return found

    def spread(self, rates: Mapping[str, float], seed: int = 0) -> dict[str, list[str]]:
        """Give each fault to a share of all gateways; gives their names by fault."""
        hit: dict[str, list[str]] = control.ask(self.socket, "rate", rates=dict(rates), seed=seed)
        return hit

    def state(self) -> dict[str, Any]:
        """All machines, by name."""
        found: dict[str, Any] = control.ask(self.socket, "state")
        return found

    def heard(self) -> dict[str, int]:
        """How many HTTP `requests` for WinRM, and WS-Management `messages` in them, came since it is up."""
        found: dict[str, int] = control.ask(self.socket, "heard")
        return found

    def events(self) -> list[dict[str, Any]]:
        """What has happened, oldest first."""
        return list(events.read(Folder(self.folder).events))


def up(
    fleet: Path,
    rows: Sequence[Mapping[str, str]] | None = None,
    *,
    state: str = "fresh",
    seed: int = 0,
    delay: float = 0.0,
    endpoints: Iterable[str] = ENDPOINTS,
    allow_unencrypted: bool = False,
    keytabs: Path | None = None,
    admins: Sequence[str] = (),
    with_file: bool = False,
) -> Handle:
    """Serve a lab for a fleet folder, which is written where it is not there yet; one that was down goes on.

    `allow_unencrypted`: its PCs' WinRM also takes what is not sealed, Basic without TLS among it. `keytabs`: a folder
    with NAME.keytab, in lower case, of each gateway that is in a real domain and takes Kerberos; `admins`, USER@REALM,
    are administrators there, whoever else has a ticket is not. `with_file`: the Connector has a file that is made from
    a template with the row's columns (estate/made.py). All three are kept for a lab that goes on.
    Errors: LabError.
    """
    if not hasattr(os, "fork"):
        raise LabError("The lab does not run on this system.", "It runs on Linux, on macOS and under WSL.")
    folder = Folder(fleet.resolve())
    if (known := _known(folder)) is not None:
        hint = "End it with provisioner lab down, or use it as it is."
        raise LabError(f"The lab in {folder.fleet} is up already, on port {known['port']}.", hint)
    before = read_own(folder.setup) if folder.setup.exists() else {"port": 0, "tls_port": 0}
    if rows is None:
        if not folder.setup.exists():
            raise LabError(f"There is no lab in {folder.fleet} that could go on.", "Give it rows: --practices FILE.")
        rows = read_rows(folder.fleet / "practices.csv")
    with_file = bool(before.get("with_file", with_file and not folder.setup.exists()))
    whole = complete(rows)
    setup = {
        **before,
        "rows": made.numbered(whole) if with_file else whole,
        "state": state,
        "seed": seed,
        "delay": delay,
        "endpoints": list(endpoints),
        "allow_unencrypted": allow_unencrypted,
        "keytabs": str(keytabs.resolve()) if keytabs else before.get("keytabs", ""),
        "admins": list(admins) or before.get("admins", []),
        "with_file": with_file,
    }
    prepare(folder, setup)
    Account.of(USER, folder.password.read_text("utf-8").strip()).write(folder.accounts)
    handle = _launch(folder)
    try:
        ports = {"port": handle.port, "tls_port": handle.tls_port}
        write_fleet(folder, setup["rows"], {**setup, **ports, "were": (before["port"], before["tls_port"])})
        write_own(folder.setup, {**setup, **ports})
    except BaseException:
        down(fleet)
        raise
    return handle


def find(fleet: Path) -> Handle:
    """The lab of a fleet folder. Errors: LabError when it is not up."""
    folder = Folder(fleet.resolve())
    known = _known(folder)
    if known is None:
        hint = "Start it with provisioner lab up --practices FILE."
        raise LabError(f"No lab is up in {folder.fleet}.", hint)
    return Handle(folder.fleet, known["port"], known["tls_port"], known["pid"], Path(known["socket"]))


def down(fleet: Path) -> None:
    """End the lab of a fleet folder; its machines' state is kept. Errors: LabError when it is not up."""
    handle = find(fleet)
    begun = started(handle.pid)
    until = time.monotonic() + _END_SECONDS
    # It may end by itself at any moment.
    with suppress(ProcessLookupError):
        os.kill(handle.pid, signal.SIGTERM)
        while started(handle.pid) == begun:
            if time.monotonic() > until:
                os.kill(handle.pid, signal.SIGKILL)
            time.sleep(0.02)


@contextmanager
def running(
    folder: Path,
    rows: Sequence[Mapping[str, str]],
    *,
    state: str = "fresh",
    seed: int = 0,
    delay: float = 0.0,
    endpoints: Iterable[str] = ENDPOINTS,
    allow_unencrypted: bool = False,
    keytabs: Path | None = None,
    admins: Sequence[str] = (),
    with_file: bool = False,
) -> Iterator[Handle]:
    """A lab for as long as the block lasts."""
    handle = up(
        folder,
        rows,
        state=state,
        seed=seed,
        delay=delay,
        endpoints=endpoints,
        allow_unencrypted=allow_unencrypted,
        keytabs=keytabs,
        admins=admins,
        with_file=with_file,
    )
    try:
        yield handle
    finally:
        down(folder)


def _known(folder: Folder) -> dict[str, Any] | None:
    """What a process that is up wrote of itself; None where it has ended, or is another one by now."""
    try:
        known = read_own(folder.running)
        return known if started(known["pid"]) == known["started"] else None
    except (LabError, KeyError):
        return None


def _launch(folder: Folder) -> Handle:
    """Start the process and wait until it serves. Errors: LabError with what it said."""
    hears, says = os.pipe()
    try:
        _begin(folder, says)
    finally:
        os.close(says)
    with os.fdopen(hears, "rb") as pipe:
        said = pipe.read()
    if said != b"ready":
        words = said.decode("utf-8", "replace") or "it ended without a word"
        raise LabError(f"The lab did not start: {words}.", f"Its log is {folder.log}.")
    return find(folder.fleet)


def _begin(folder: Folder, says: int) -> None:
    """Begin the process, which is nobody's child and tells on a descriptor how its start went."""
    with folder.log.open("ab") as log:
        subprocess.run(  # noqa: S603
            [sys.executable, "-m", "provisioner.lab", str(folder.fleet), str(says)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=Path(__file__).resolve().parents[3],
            env={name: value for name, value in os.environ.items() if name not in _UNWANTED},
            pass_fds=(says,),
            start_new_session=True,
            check=False,
        )
