"""Ansible's own WinRM, with the login guard of the provisioner that started this run around each log-in."""

from __future__ import annotations

import os
import socket
from types import TracebackType
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.connection import winrm
from requests.exceptions import RequestException

from provisioner.transport.diagnosis import BROKE

DOCUMENTATION = """
name: guarded_winrm
author: provisioner
short_description: Run tasks over WinRM, no log-in unguarded
description:
  - Ansible logs in anew for each task, on all gateways at the same time, and for each item of a loop once more. With
    a password that was changed in the middle of a run that would lock the account.
  - So each log-in asks the C(provisioner) that started this run, over the Unix socket that E(PROVISIONER_ASK) names,
    whether it may be tried, and says how it ended. Without E(PROVISIONER_ASK) it is C(ansible.builtin.winrm).
extends_documentation_fragment:
  - connection_pipelining
  - winrm_options
options:
  gateway:
    description: The gateway's name, by which the guard knows it.
    type: str
    vars:
      - name: inventory_hostname
"""

# Longer than a log-in takes, and than waiting for one's turn behind some that hang.
_SECONDS = 300.0


class Connection(winrm.Connection):  # type: ignore[misc]
    """The connection `guarded_winrm`."""

    @property
    def extras_prefix(self) -> str:
        """Of the variables that are handed on to pywinrm: ansible_winrm_..."""
        return "winrm"

    def _winrm_connect(self) -> Any:
        asking = os.environ.get("PROVISIONER_ASK", "")
        if not asking:
            return super()._winrm_connect()
        with _Turn(asking, self.get_option("gateway")) as turn:
            try:
                protocol = super()._winrm_connect()
            except AnsibleError as error:
                turn.ended(str(error))
                raise
            turn.ended("in")
            return protocol

    def _winrm_exec(self, *args: Any, **options: Any) -> Any:
        # No AnsibleConnectionFailure: after one Ansible does nothing more on the gateway, not even what has to be
        # done always, such as starting again what was stopped. provisioner tells this failure by its mark.
        try:
            return super()._winrm_exec(*args, **options)
        except RequestException as error:
            raise AnsibleError(f"{BROKE}the connection broke in the middle of a task: {error}") from error


class _Turn:
    """One log-in's turn. Errors: AnsibleConnectionFailure where it may not be tried."""

    def __init__(self, place: str, gateway: str) -> None:
        self._place = place
        self._gateway = gateway
        self._socket = socket.socket(socket.AF_UNIX)

    def __enter__(self) -> _Turn:
        try:
            self._socket.settimeout(_SECONDS)
            self._socket.connect(self._place)
            self._socket.sendall(f"turn:{self._gateway}\n".encode())
            said = self._socket.makefile("rb").readline().decode("utf-8", "replace").strip()
        except OSError as error:
            self._socket.close()
            raise AnsibleConnectionFailure(f"provisioner did not answer ({error}). Has it ended?") from None
        if said != "go":
            self._socket.close()
            raise AnsibleConnectionFailure(said or "provisioner did not let this log-in be tried. Has it ended?")
        return self

    def ended(self, words: str) -> None:
        """Say how it ended, and wait until that is known: what comes next may depend on it."""
        try:
            self._socket.sendall(" ".join(words.split()).encode() + b"\n")
            self._socket.recv(1)
        except OSError:
            return  # whoever asks no more need not be told

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()
