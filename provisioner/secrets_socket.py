"""A Unix socket that answers the lookup plugin `gateway_secret`: the only way in which a secret reaches Ansible.

Nothing is written down, no argument and no environment holds a secret. If we die, an orphaned play gets no answer.
"""

import os
import socket
import struct
import threading
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Self

# A question is one line: a gateway's name (its password is asked), or SECRET and the reference of a named secret.
SECRET = "secret:"  # noqa: S105
_LONGEST = 1024
_PATIENCE = 5.0


class SecretsSocket:
    """Answers while it is entered. Knows only `names`; `secret` gives the value of one of them.

    `path` lies in a folder that only we can enter. Who asks must be of our own user.
    """

    def __init__(self, path: Path, names: Collection[str], secret: Callable[[str], str]) -> None:
        self._path = path
        self._names = frozenset(names)
        self._secret = secret
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
            with peer:
                try:
                    self._answer(peer)
                except Exception:  # noqa: S112 whatever a keyring raises: who asked gets no answer, and says so
                    continue

    def _answer(self, peer: socket.socket) -> None:
        peer.settimeout(_PATIENCE)
        credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _, uid, _ = struct.unpack("3i", credentials)
        if uid != os.getuid():
            return
        with peer.makefile("rb") as lines:
            name = lines.readline(_LONGEST).decode("utf-8", "replace").strip()
        if name in self._names:
            peer.sendall(self._secret(name).encode())
