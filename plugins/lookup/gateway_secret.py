"""A gateway's password or a secret value, asked when it is used and kept nowhere."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import Any

import yaml
from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

DOCUMENTATION = """
name: gateway_secret
author: provisioner
short_description: A gateway's password, or a secret value of a Connector's file
description:
  - With E(PROVISIONER_ASK) set, asks the C(provisioner) that started this run, over the Unix socket named there.
  - Without it, as under plain C(ansible-playbook), reads the file that C(connection.credential_file) names in the
    fleet.yml of the folder E(PROVISIONER_FLEET); only its owner may be able to read it. Secret values are files in
    C(secrets) beside it.
options:
  _terms:
    description: Gateway names, for their password; C(secret:REFERENCE) for a secret value of a Connector's file.
    required: true
"""

RETURN = """
_raw:
  description: One value a term.
  type: list
  elements: str
"""

_SECONDS = 10.0
_HINT = (
    "Give the password in one of Ansible's own ways (--ask-pass, a vault), or name a file that only you can read as "
    "connection.credential_file in fleet.yml and the fleet's folder as PROVISIONER_FLEET."
)


class LookupModule(LookupBase):  # type: ignore[misc]
    """The lookup `gateway_secret`."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[str]:
        """One value for each term. Errors: AnsibleError, never with a value in it."""
        asking = os.environ.get("PROVISIONER_ASK", "")
        return [_ask(asking, str(term)) if asking else _read(str(term)) for term in terms]


def _ask(place: str, term: str) -> str:
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_SECONDS)
            connection.connect(place)
            connection.sendall(term.encode() + b"\n")
            connection.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
    except OSError as error:
        raise AnsibleError(f"provisioner was asked for {term} and did not answer ({error}). Has it ended?") from None
    if not answer:
        raise AnsibleError(f"provisioner has no secret for {term}.")
    return answer.decode()


def _read(term: str) -> str:
    path = _credential_file()
    if term.startswith("secret:"):
        path = path.parent / "secrets" / Path(term.removeprefix("secret:")).name
    try:
        status = path.stat()
        if stat.S_IMODE(status.st_mode) & 0o077 or status.st_uid != os.getuid():
            raise AnsibleError(f"{path} can be read by others: chmod 600 {path}, and own it yourself.")
        text = path.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise AnsibleError(f"the secret for {term} cannot be read ({error}). {_HINT}") from None
    if not text:
        raise AnsibleError(f"{path} is empty. {_HINT}")
    return text


def _credential_file() -> Path:
    """Read here and not by provisioner.fleet, so that a broken row of practices.csv costs nobody a log-in."""
    folder = os.environ.get("PROVISIONER_FLEET", "")
    if not folder:
        raise AnsibleError(f"neither PROVISIONER_ASK nor PROVISIONER_FLEET is set. {_HINT}")
    try:
        settings = yaml.safe_load(Path(folder, "fleet.yml").read_text("utf-8-sig"))
        name = settings["connection"]["credential_file"]
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError) as error:
        raise AnsibleError(f"{folder}/fleet.yml names no credential file ({type(error).__name__}). {_HINT}") from None
    return Path(folder, str(name))
