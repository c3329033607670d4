"""What must be true of fleet.yml's directory, and of log-ins by its passwords (LAPS)."""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from provisioner.model.settings import Settings
from provisioner.yamlfile import Place, is_file

_SERVER = re.compile(r"(?:(ldaps?)://)?([A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?)(?::([0-9]{1,5}))?/?", re.I)
_PORTS = {"ldap": 389, "ldaps": 636}
_WRONG = "A domain controller by its full name, such as dc1.example.nhs.uk, or ldaps://dc1.example.nhs.uk."


def server(text: str) -> tuple[str, str, int]:
    """The scheme (ldap or ldaps), name and port of `directory.server`. Errors: ValueError, in words."""
    found = _SERVER.fullmatch(text.strip())
    if found is None or not 1 <= int(found[3] or 1) <= 65535:
        raise ValueError(f"{text!r} names no server.")
    scheme = (found[1] or "ldap").lower()
    return scheme, found[2], int(found[3] or _PORTS[scheme])


def complaints(settings: Settings, folder: Path) -> Iterator[tuple[Place, str, str]]:
    """All that is wrong: where, what, and what to do."""
    yield from _directory(settings, folder)
    if settings.connection.credential == "laps":
        yield from _laps(settings)


def _directory(settings: Settings, folder: Path) -> Iterator[tuple[Place, str, str]]:
    wanted, tls = settings.directory, False
    if wanted.server:
        try:
            scheme, host, _ = server(wanted.server)
        except ValueError as error:
            yield ("directory", "server"), str(error), _WRONG
            return
        tls = scheme == "ldaps"
        if _is_address(host):
            yield ("directory", "server"), f"{host} is an address, and Kerberos knows servers by their names.", _WRONG
    if wanted.ca_file and not is_file(folder / wanted.ca_file):
        place = ("directory", "ca_file")
        yield place, f"there is no file {wanted.ca_file}.", "Its place is seen from the fleet folder."
    elif wanted.ca_file and not tls:
        hint = "Write server: ldaps://NAME, or leave it out: Kerberos seals what goes over 389."
        yield ("directory", "ca_file"), "an authority is named, and the directory is not asked over TLS.", hint
    if wanted.base and "=" not in wanted.base:
        yield ("directory", "base"), f"{wanted.base!r} is no place in a directory.", "Such as DC=example,DC=nhs,DC=uk."


def _laps(settings: Settings) -> Iterator[tuple[Place, str, str]]:
    connection = settings.connection
    if connection.transport != "ntlm":
        message = f"LAPS has local accounts' passwords, and {connection.transport} is not the way in for one."
        yield ("connection", "transport"), message, "Set connection.transport to ntlm."
    if "\\" in connection.user or "@" in connection.user:
        message = f"LAPS has local accounts' passwords, and {connection.user} is a domain's."
        yield ("connection", "user"), message, "Give the local account's name alone, or leave it out for Administrator."


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
