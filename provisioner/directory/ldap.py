"""One conversation with the domain's directory, over LDAP by the Kerberos ticket. The only importer of bonsai.

Over 389 what goes is sealed by Kerberos; `ldaps://` is TLS, whose certificate is checked. Nothing is written there.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner.directory import discovery, troubles
from provisioner.errors import DirectoryError, InputError
from provisioner.fleet import domain
from provisioner.model.settings import Domain
from provisioner.transport.ticket import Ticket

# A server gives a thousand entries at most at a time (MaxPageSize of Active Directory); less is kinder to both.
PAGE = 500
CONNECT_SECONDS = 10.0
SEARCH_SECONDS = 60.0
# A directory that could not be asked is asked again after so many seconds.
_ASKED_AGAIN = 30.0
_MOST_SERVERS = 3
# Less than this is no seal: DES' strength, which is what the library calls any of Kerberos' without saying more.
_SEALED = 56
_STRONGEST = 1024
_BASE, _SUBTREE = 0, 2


@dataclass(frozen=True)
class DirectoryEntry:
    """One object: where it is, and its values by attribute, in lower case. What is no text is there as ""."""

    dn: str
    values: Mapping[str, tuple[str, ...]]

    def first(self, attribute: str) -> str:
        """The first value of an attribute, "" without one."""
        return next(iter(self.values.get(attribute.lower(), ())), "")

    def has(self, attribute: str) -> bool:
        """Whether there is a value that we may read."""
        return attribute.lower() in self.values


class Directory:
    """A domain's directory, logged in to when it is first asked, and again where the line broke. For several threads,
    one at a time.

    `folder` is where `ca_file` is seen from; `find` gives a realm's servers. Errors of all that asks: DirectoryError,
    InputError where the library is not installed; Refused and Unreachable of the ticket.
    """

    def __init__(
        self,
        settings: Domain,
        folder: Path,
        ticket: Ticket,
        find: Callable[[str], Sequence[str]] = discovery.servers,
    ) -> None:
        self._settings, self._folder, self._ticket, self._find = settings, folder, ticket, find
        self._lock = threading.RLock()
        self._line: Any = None
        self._base = settings.base
        self._failed: tuple[float, DirectoryError] | None = None
        # Which server it is, for people.
        self.server = ""

    @property
    def base(self) -> str:
        """Where searches begin: the setting, or the whole of the domain."""
        with self._lock:
            if not self._base:
                root = self._asked("", _BASE, "(objectClass=*)", ("defaultNamingContext",), 0)
                self._base = root[0].first("defaultNamingContext") if root else ""
            if not self._base:
                raise troubles.no_base(self.server)
            return self._base

    def exists(self, dn: str) -> bool:
        """Whether there is such an object that we may see. Errors: InputError where the text is no DN."""
        with self._lock:
            return bool(self._asked(dn, _BASE, "(objectClass=*)", ("objectClass",), 0))

    def search(self, what: str, attributes: Sequence[str], under: str = "") -> list[DirectoryEntry]:
        """The objects that a filter fits, below the base or that DN, however many there are."""
        with self._lock:
            return self._asked(under or self.base, _SUBTREE, what, attributes, PAGE)

    def close(self) -> None:
        """End the conversation. Safe to call twice."""
        with self._lock:
            if self._line is not None:
                self._line.close()
                self._line = None

    def _asked(self, base: str, scope: int, what: str, attributes: Sequence[str], page: int) -> list[DirectoryEntry]:
        """The entries. A line that broke since it was last used is opened once more."""
        bonsai = _library()
        again = self._line is not None
        while True:
            line = self._opened()
            try:
                if page:
                    found = line.paged_search(base, scope, what, list(attributes), SEARCH_SECONDS, page_size=page)
                else:
                    found = line.search(base, scope, what, list(attributes), SEARCH_SECONDS)
                return [_entry(one) for one in found]
            except bonsai.LDAPError as error:
                broken = isinstance(error, (bonsai.ConnectionError, bonsai.ClosedConnection, bonsai.TimeoutError))
                if broken:
                    self.close()
                if not broken or not again:
                    raise troubles.asking(error, self.server, base) from error
                again = False

    def _opened(self) -> Any:
        if self._line is None:
            if self._failed is not None and time.monotonic() < self._failed[0]:
                raise DirectoryError(self._failed[1].message, self._failed[1].hint)
            try:
                self._line = self._open_one()
            except DirectoryError as error:
                self._failed = (time.monotonic() + _ASKED_AGAIN, error)
                raise
        return self._line

    def _open_one(self) -> Any:
        """The first of the servers that takes us."""
        if self._settings.server:
            scheme, host, port = domain.server(self._settings.server)
            return self._open(scheme, host, port)
        found = self._find(self._ticket.realm())[:_MOST_SERVERS]
        for number, host in enumerate(found, 1):
            try:
                return self._open("ldap", host, 389)
            except DirectoryError:
                if number == len(found):
                    raise
        raise troubles.no_server(self._ticket.realm())

    def _open(self, scheme: str, host: str, port: int) -> Any:
        bonsai = _library()
        self.server = host
        tls = scheme == "ldaps"
        try:
            # Windows forbids a seal inside TLS.
            return self._connect(scheme, host, port, (0, 0) if tls else (_SEALED, _STRONGEST))
        except bonsai.LDAPError as error:
            unreached = isinstance(error, (bonsai.ConnectionError, bonsai.TimeoutError))
            raise troubles.opening(error, self._ticket.who, host, port, tls=tls, unreached=unreached) from error

    def _connect(self, scheme: str, host: str, port: int, strength: tuple[int, int]) -> Any:
        bonsai = _library()
        client = bonsai.LDAPClient(f"{scheme}://{host}:{port}")
        client.set_credentials("GSSAPI")
        client.set_sasl_security_properties(no_anonymous=True, min_ssf=strength[0], max_ssf=strength[1])
        # What other servers have of the domain is not asked: each would want a log-in of its own.
        client.set_server_chase_referrals(False)
        client.set_ignore_referrals(True)
        client.set_raw_attributes(["msLAPS-EncryptedPassword"])
        if self._settings.ca_file:
            client.set_ca_cert(str(self._folder / self._settings.ca_file))
        with self._ticket.cache() as cache, _own_cache(cache):
            return client.connect(timeout=CONNECT_SECONDS)


@contextmanager
def _own_cache(name: str) -> Iterator[None]:
    """In it this thread's GSSAPI looks for tickets in that cache, and nowhere else."""
    from gssapi.raw import krb5_ccache_name

    krb5_ccache_name(name.encode())
    try:
        yield
    finally:
        krb5_ccache_name(None)


def _library() -> Any:
    """Errors: InputError where it is not installed."""
    # The server proves to be the one that was asked for by the name given, not by what a name server makes of it.
    os.environ.setdefault("LDAPSASL_NOCANON", "on")
    try:
        import bonsai
    except ImportError as error:
        hint = "pip install 'provisioner[directory]' (docs/operations.md, \"Finding the gateways\")."
        raise InputError(f"The directory cannot be asked: {error}.", hint) from error
    return bonsai


def _entry(found: Any) -> DirectoryEntry:
    values = {name.lower(): tuple(_text(one) for one in each) for name, each in found.items() if name.lower() != "dn"}
    return DirectoryEntry(str(found.dn), {name: each for name, each in values.items() if each})


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if isinstance(value, bytes) else str(value)
