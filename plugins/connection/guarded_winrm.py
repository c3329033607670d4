"""Ansible's own WinRM, with provisioner's transport under it and its login guard around each log-in."""

from __future__ import annotations

import os
import socket
import ssl
import time
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.connection import winrm

from provisioner.errors import GatewayError, NotTried, Refused, Unreachable
from provisioner.transport.diagnosis import BROKE, NOT_TRIED, REFUSED, unmarked
from provisioner.transport.http import Endpoint
from provisioner.transport.session import Login, Session
from provisioner.transport.winrm import in_words, over

DOCUMENTATION = """
name: guarded_winrm
author: provisioner
short_description: Run tasks over WinRM, no log-in unguarded
description:
  - Ansible logs in anew for each task, on all gateways at the same time, and for each item of a loop once more. With
    a password that was changed in the middle of a run that would lock the account.
  - So each log-in asks the C(provisioner) that started this run, over the Unix socket that E(PROVISIONER_ASK) names,
    whether it may be tried, and says how it ended. Without E(PROVISIONER_ASK) it is C(ansible.builtin.winrm).
  - The log-in and the sealing are those of C(provisioner)'s own readings. What gets in there gets in here, and what
    does not is said in the same words. With Kerberos the ticket is that of E(KRB5CCNAME).
extends_documentation_fragment:
  - connection_pipelining
  - winrm_options
options:
  gateway:
    description: The gateway's name, by which the guard knows it.
    type: str
    vars:
      - name: inventory_hostname
  longest:
    description: For how many seconds one command there is waited for, such as a module. It may go on without us.
    type: float
    vars:
      - name: provisioner_longest
"""

# Longer than a log-in takes, and than waiting for one's turn behind some that hang.
_SECONDS = 300.0
# For the answer to one message, beyond what WinRM may wait before it says that there is nothing to say yet.
_MARGIN = 10.0


class Connection(winrm.Connection):  # type: ignore[misc]
    """The connection `guarded_winrm`."""

    # Until when (time.monotonic) the command that runs is waited for.
    _until = float("inf")

    @property
    def extras_prefix(self) -> str:
        """Of the variables that are handed on to pywinrm: ansible_winrm_..."""
        return "winrm"

    def _winrm_connect(self) -> Any:
        asking = os.environ.get("PROVISIONER_ASK", "")
        if not asking:
            return super()._winrm_connect()
        session = _Session(self._endpoint(), self._login(asking))
        protocol = over(session)
        if self._winrm_connection_timeout:
            protocol.operation_timeout_sec = self._winrm_connection_timeout
        session.seconds = protocol.operation_timeout_sec + _MARGIN
        session.until = self._until
        try:
            with in_words():
                self.shell_id = self.shell_id or protocol.open_shell(codepage=65001)
        except GatewayError as error:
            session.close_session()
            mark = REFUSED if isinstance(error, Refused) else NOT_TRIED if isinstance(error, NotTried) else ""
            raise AnsibleConnectionFailure(f"{mark}{error.message}. {error.hint}".strip(" .") + ".") from None
        return protocol

    def _endpoint(self) -> Endpoint:
        given = self._winrm_kwargs
        tls = None
        if self._winrm_scheme == "https":
            tls = ssl.create_default_context(cafile=given.get("ca_trust_path"))
            if given.get("server_cert_validation") == "ignore":
                tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        return Endpoint(
            host=self._winrm_host, port=self._winrm_port, path=self._winrm_path, deadline=time.monotonic(), tls=tls
        )

    def _login(self, asking: str) -> Login:
        transport = self._winrm_transport[0]
        cache = os.environ.get("KRB5CCNAME", "") if transport == "kerberos" else None
        return Login(
            transport=transport,
            user=self._winrm_user or "",
            password=self._winrm_pass or "",
            turn=lambda: _Turn(asking, self.get_option("gateway")),
            cache=lambda: nullcontext(cache),
        )

    def _winrm_exec(self, *args: Any, **options: Any) -> Any:
        # No AnsibleConnectionFailure: after one Ansible does nothing more on the gateway, not even what has to be
        # done always, such as starting again what was stopped. provisioner tells this failure by its mark.
        self._wait_at_most(self.get_option("longest"))
        try:
            return super()._winrm_exec(*args, **options)
        except GatewayError as error:
            if time.monotonic() >= self._until:
                raise AnsibleError(f"{BROKE}{_hangs(self.get_option('longest'))}") from error
            words = f"the connection broke in the middle of a task: {_first(error).message}"
            raise AnsibleError(f"{BROKE}{words}") from error

    def _wait_at_most(self, seconds: float | None) -> None:
        """From now on. A PC on which a command hangs would else hold the whole run, for it says each time that there
        is nothing to say yet."""
        self._until = time.monotonic() + (float("inf") if seconds is None else seconds)
        if self.protocol and isinstance(self.protocol.transport, _Session):
            self.protocol.transport.until = self._until

    def close(self) -> None:
        """Close the shell and the connection; one that broke is closed already."""
        try:
            super().close()
        except GatewayError:
            self.shell_id, self.protocol, self._connected = None, None, False


def _first(error: GatewayError) -> GatewayError:
    """What went wrong first: after it nothing can be cleaned up over that line, and that is no cause."""
    found, before = error, error.__context__
    while before is not None:
        found = before if isinstance(before, GatewayError) else found
        before = before.__context__
    return found


def _hangs(seconds: float) -> str:
    return (
        f"what it was told to do did not come to an end within {seconds / 60:.0f} minutes, and may still run. Does "
        "something hang on that PC?"
    )


class _Session(Session):
    """A Session in which each message has its own time, in seconds: how many there are, the task decides, and `until`
    (time.monotonic) all of them have to be over."""

    seconds, until = 0.0, float("inf")

    def send_message(self, message: str | bytes) -> bytes:
        """One request and its answer. The name is pywinrm's."""
        self.allow(min(self.seconds, self.until - time.monotonic()))
        return super().send_message(message)


class _Turn(AbstractContextManager[None]):
    """One log-in's turn. Errors: NotTried where it may not be tried, Unreachable where nobody says so."""

    def __init__(self, place: str, gateway: str) -> None:
        self._place = place
        self._gateway = gateway
        self._socket = socket.socket(socket.AF_UNIX)

    def __enter__(self) -> None:
        try:
            self._socket.settimeout(_SECONDS)
            self._socket.connect(self._place)
            self._socket.sendall(f"turn:{self._gateway}\n".encode())
            said = self._socket.makefile("rb").readline().decode("utf-8", "replace").strip()
        except OSError as error:
            self._socket.close()
            raise Unreachable(f"provisioner did not answer ({error}). Has it ended?") from None
        if said != "go":
            self._socket.close()
            raise NotTried(unmarked(said) or "provisioner did not let this log-in be tried. Has it ended?")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._socket:
            self._ended("in" if error is None else f"{REFUSED if isinstance(error, Refused) else ''}{error}")

    def _ended(self, words: str) -> None:
        """Say how it ended, and wait until that is known: what comes next may depend on it."""
        try:
            self._socket.sendall(" ".join(words.split()).encode() + b"\n")
            self._socket.recv(1)
        except OSError:
            return  # whoever asks no more need not be told
