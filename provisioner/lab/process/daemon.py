"""What the lab's process does from its start to its end."""

import asyncio
import logging
import os
import signal
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from aiohttp import web

from provisioner.errors import LabError
from provisioner.lab.estate import machines as estate
from provisioner.lab.estate import packages
from provisioner.lab.estate.folder import Folder, read_own, socket_path, write_own
from provisioner.lab.events import Events
from provisioner.lab.process import control
from provisioner.lab.process.alive import started
from provisioner.lab.windows.machine import Machine
from provisioner.lab.wsman import certificate
from provisioner.lab.wsman.auth import Account
from provisioner.lab.wsman.server import Lab

_BACKLOG = 4_096
_KEEP_ALIVE_SECONDS = 120.0

_log = logging.getLogger(__name__)


def main(path: str, descriptor: int) -> None:
    """Serve until SIGTERM. What goes wrong before it serves is said on the descriptor."""
    folder = Folder(Path(path))
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    os.environ["NTLM_USER_FILE"] = str(folder.accounts)
    _more_files()
    try:
        asyncio.run(_serve(folder, descriptor))
    except Exception as error:
        _log.exception("the lab ends")
        with suppress(OSError):
            words = error.message.rstrip(".") if isinstance(error, LabError) else f"{type(error).__name__}: {error}"
            os.write(descriptor, words.encode())
        raise SystemExit(1) from error


async def _serve(folder: Folder, descriptor: int) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    setup = read_own(folder.setup)
    with folder.events.open("a", encoding="utf-8") as events:
        lab = Lab(
            _machines(folder, setup),
            Account.read(folder.accounts),
            Events(events),
            folder.packages,
            delay=setup["delay"],
            allow_unencrypted=setup["allow_unencrypted"],
            keytabs=Path(setup["keytabs"]) if setup.get("keytabs") else None,
            admins=frozenset(setup.get("admins", ())),
        )
        tls, lab.binding = certificate.make(folder.own, folder.authority)
        plain, port = await _site(lab, None, setup["port"])
        secure, tls_port = await _site(lab, tls, setup["tls_port"])
        lab.ports = (port, tls_port)
        path = socket_path(folder)
        talk = await control.serve(lab, path)
        write_own(folder.running, _known(port, tls_port, path))
        os.write(descriptor, b"ready")
        os.close(descriptor)
        live = asyncio.create_task(lab.live())
        await ended.wait()
        live.cancel()
        talk.close()
        lab.close()
        for runner in (plain, secure):
            await runner.cleanup()
        write_own(folder.state, lab.state())
    _forget(folder, path)


def _machines(folder: Folder, setup: Mapping[str, Any]) -> dict[str, Machine]:
    """The machines as they were, and new ones for rows that are new."""
    built = packages.build()
    given = {
        name: {"sha256": one.sha256, "root": one.root, "version": one.version, "content": one.content}
        for name, one in built.items()
    }
    machines = estate.make(
        setup["rows"],
        state=setup["state"],
        seed=setup["seed"],
        packages=given,
        endpoints=setup["endpoints"],
        now=time.time(),
        with_file=setup.get("with_file", False),
    )
    if folder.state.exists():
        saved = read_own(folder.state)
        machines |= {name: Machine.from_json(saved[name]) for name in machines if name in saved}
    return machines


async def _site(lab: Lab, tls: ssl.SSLContext | None, wanted: int) -> tuple[web.AppRunner, int]:
    """Serve on the wanted port if it is free, else on any."""
    runner = web.AppRunner(
        lab.app(), access_log=None, keepalive_timeout=_KEEP_ALIVE_SECONDS, shutdown_timeout=0.1, handle_signals=False
    )
    await runner.setup()
    listener = _listener(wanted)
    await web.SockSite(runner, listener, ssl_context=tls, backlog=_BACKLOG).start()
    return runner, int(listener.getsockname()[1])


def _listener(wanted: int) -> socket.socket:
    for port in (wanted, 0):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
            return listener
        except OSError:
            listener.close()
            if not port:
                raise
    raise AssertionError


def _known(port: int, tls_port: int, path: Path) -> dict[str, Any]:
    pid = os.getpid()
    return {"pid": pid, "started": started(pid), "port": port, "tls_port": tls_port, "socket": str(path)}


def _forget(folder: Folder, path: Path) -> None:
    path.unlink(missing_ok=True)
    if path.parent != folder.own:
        path.parent.rmdir()
    folder.running.unlink()


def _more_files() -> None:
    """Every connection is a file: as many as we may have."""
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
