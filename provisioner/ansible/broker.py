"""A Unix socket that answers our plugins in Ansible: the only way in which a secret reaches it (`gateway_secret`), and
the turn of each of its log-ins (`guarded_winrm`); and hears what a role found before it changes anything (`Work`).

Nothing is written down, no argument and no environment holds a secret. If we die, an orphaned play gets no answer.
"""

import json
import os
import socket
import struct
import threading
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import IO, Any, Self

from provisioner.errors import NotTried, Refused, Unreachable
from provisioner.transport import diagnosis
from provisioner.transport.credentials import USER

# A question is one line: a gateway's name (its password is asked), USER and a gateway's name (whose it is), SECRET and
# the reference of a named secret, or TURN and a gateway's name: that is answered with "go" when a log-in there may be
# tried, and how it ended comes back. FOUND and [gateway, role, what is there] is no question: it is answered when it is
# known.
TURN = "turn:"
FOUND = "found:"
_LONGEST = 1024
_LONGEST_FOUND = 1_000_000
_PATIENCE = 5.0
# Longer than pywinrm waits for an answer to a log-in.
_LOGIN_PATIENCE = 120.0

Turn = Callable[[str], AbstractContextManager[None]]
# Of a gateway and a role, what is there. Must not raise.
Found = Callable[[str, str, Any], None]


class SecretsSocket:
    """Answers while it is entered. Knows only `names`, and whose their passwords are; `secret` gives the value of one;
    `turn` is the login guard's, and is entered for as long as a log-in at a gateway is under way; `found` is told what
    is there of a role's work before it is changed.

    `path` lies in a folder that only we can enter. Who asks must be of our own user.
    """

    def __init__(
        self,
        path: Path,
        names: Collection[str],
        secret: Callable[[str], str],
        turn: Turn | None = None,
        found: Found = lambda gateway, role, there: None,
    ) -> None:
        self._path = path
        self._names = frozenset(names)
        self._secret = secret
        self._turn = turn
        self._found = found
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._socket.bind(str(self._path))
        self._path.chmod(0o600)
        self._socket.listen(128)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Closing alone does not wake the thread that waits in accept.
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            # Each in a thread of its own: who waits for a turn must not keep the others from their answers.
            try:
                threading.Thread(target=self._talk, args=(peer,), daemon=True).start()
            except RuntimeError:
                peer.close()  # this computer has no thread left: who asked gets no answer, and says so

    def _talk(self, peer: socket.socket) -> None:
        # Whatever a keyring raises: who asked gets no answer, and says so.
        with peer, suppress(Exception):
            self._answer(peer)

    def _answer(self, peer: socket.socket) -> None:
        peer.settimeout(_PATIENCE)
        credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _, uid, _ = struct.unpack("3i", credentials)
        if uid != os.getuid():
            return
        with peer.makefile("rb") as lines:
            line = lines.readline(_LONGEST)
            if line.startswith(FOUND.encode()):
                self._hear(line if line.endswith(b"\n") else line + lines.readline(_LONGEST_FOUND))
                peer.sendall(b"ok\n")
                return
            name = line.decode("utf-8", "replace").strip()
            if name in self._names or (name.startswith(USER) and name.removeprefix(USER) in self._names):
                peer.sendall(self._secret(name).encode())
            elif self._turn and name.startswith(TURN) and name.removeprefix(TURN) in self._names:
                self._guard(self._turn(name.removeprefix(TURN)), peer, lines)

    def _hear(self, line: bytes) -> None:
        gateway, role, there = json.loads(line.decode().removeprefix(FOUND))
        if gateway in self._names:
            self._found(gateway, role, there)

    def _guard(self, turn: AbstractContextManager[None], peer: socket.socket, lines: IO[bytes]) -> None:
        """One log-in of Ansible's, as one of ours."""
        try:
            with turn:
                peer.sendall(b"go\n")
                peer.settimeout(_LOGIN_PATIENCE)
                said = lines.readline(_LONGEST).decode("utf-8", "replace").strip()
                if diagnosis.rejected(said):
                    raise Refused(said)
                if said != "in":
                    raise Unreachable(said)
        except NotTried as error:
            peer.sendall(f"{diagnosis.NOT_TRIED}{error.message}\n".encode())
