"""The one Kerberos ticket of a command, which reading and Ansible share. The only importer of krb5.

It is got once, from a password, a keytab or the ticket that is there, and lies in this process' memory: a fleet costs
one log-in at the domain controller, and what another `kinit` does meanwhile changes nobody who acts.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from provisioner.errors import GatewayError, Unreachable
from provisioner.transport import diagnosis

# A domain controller that did not answer is asked again after so many seconds.
_ASKED_AGAIN = 30.0
# With less left of it the library (MIT 1.20) takes a ticket for one that has expired: tried with 100 and 200 s.
_TOO_SHORT = 120.0
_TGS = b"krbtgt"


@dataclass(frozen=True)
class Got:
    """What came of asking: the credentials as the library has them, whose they are, and until when they hold (`ends`)
    and could be renewed (`renewable`, 0 where they cannot), in seconds since 1970."""

    principal: Any
    credentials: Sequence[Any]
    ends: float
    renewable: float

    def reaches(self, until: float) -> bool:
        """Whether one can log in with it for so long."""
        return self.ends - _TOO_SHORT >= until


# Given the library's context: what there is. Whatever the library raises is ours to say in words.
Source = Callable[[Any], Got]


class Ticket:
    """A ticket, got when it is first needed and anew when it would not last. For several threads.

    What the domain refused is not asked again, and is said each time: further tries could lock the account.
    `who` is the account, for people, as long as the ticket has not said it.
    """

    def __init__(self, source: Source, who: str) -> None:
        self._source = source
        self._who = who
        self._lock = threading.Lock()
        self._got: Got | None = None
        self._failed: tuple[float, GatewayError] | None = None

    @property
    def who(self) -> str:
        """The account, for people."""
        return str(self._got.principal) if self._got is not None else self._who

    def realm(self) -> str:
        """The realm whose ticket it is. Errors: Refused, Unreachable."""
        return str(self._held().principal).rpartition("@")[2]

    @contextmanager
    def cache(self) -> Iterator[str]:
        """A credential cache of one log-in's own, by name, with the ticket in it; gone afterwards.

        In it the library looks for a gateway's service ticket: one of all gateways would be searched from its start
        for each. Errors: Refused, Unreachable.
        """
        got = self._held()
        krb5 = _library(self.who)
        context = krb5.init_context()
        cache = krb5.cc_new_unique(context, b"MEMORY")
        _fill(context, cache, got)
        try:
            yield str(cache)
        finally:
            krb5.cc_destroy(context, cache)

    def write(self, path: Path) -> None:
        """A file with the ticket in it, which only we can read: a credential cache for another process.

        Errors: Refused, Unreachable; OSError.
        """
        got = self._held()
        krb5 = _library(self.who)
        path.touch(mode=0o600)
        context = krb5.init_context()
        _fill(context, krb5.cc_resolve(context, b"FILE:" + bytes(path)), got)

    def why_not_until(self, until: datetime) -> str:
        """Why it does not last until then, and what would make it; "" where it does, got anew or renewed if need be."""
        try:
            got = self._held(until.timestamp())
        except GatewayError as error:
            return f"{error.message}. {error.hint}"
        if got.reaches(until.timestamp()):
            return ""
        ends = datetime.fromtimestamp(got.ends, UTC).astimezone()
        return (
            f"the Kerberos ticket of {got.principal!s} ends at {ends:%H:%M on %d %B} and this needs it until "
            f"{until.astimezone():%H:%M on %d %B}: it can begin as soon as there is a new one (kinit {got.principal!s})"
        )

    def _held(self, until: float = 0.0) -> Got:
        """The ticket, which holds until then where that can be had. Errors: Refused, Unreachable."""
        with self._lock:
            if self._got is not None and self._got.reaches(max(until, time.time())):
                return self._got
            if self._failed is not None and time.monotonic() < self._failed[0]:
                raise _again(self._failed[1])
            try:
                self._got = self._better(until)
            except Exception as error:
                told = error if isinstance(error, GatewayError) else diagnosis.kerberos(error, self.who)
                # A refusal stands for good.
                until = time.monotonic() + _ASKED_AGAIN if isinstance(told, Unreachable) else float("inf")
                self._failed = (until, told)
                raise _again(told) from error
            return self._got

    def _better(self, until: float) -> Got:
        """The ticket that lasts the longest: what there is, renewed, or got anew. One that is there and still good is
        never lost by trying."""
        context = _library(self.who).init_context()
        now = time.time()
        held = self._got if self._got is not None and self._got.reaches(now) else None
        try:
            new = self._source(context)
            if held is not None and str(new.principal) != str(held.principal):
                # Whoever else has logged in here meanwhile does not act in this command.
                new = held
        except Exception:
            if held is None:
                raise
            new = held
        if not new.reaches(until) and new.renewable > max(now, new.ends):
            new = _renewed(context, new)
        if not new.reaches(now):
            raise diagnosis.ticket_over(str(new.principal), datetime.fromtimestamp(new.ends, UTC))
        return max((one for one in (held, new) if one is not None), key=lambda one: one.ends)


def _library(who: str) -> Any:
    """Errors: Refused where it is not installed."""
    try:
        import krb5
    except ImportError as error:
        raise diagnosis.kerberos(error, who) from error
    return krb5


def principal(user: str) -> str:
    """The account as Kerberos wants it: a realm is in capitals (in Active Directory always), whatever one types."""
    name, at, realm = user.rpartition("@")
    return f"{name}@{realm.upper()}" if at else user


def by_password(user: str, password: str) -> Source:
    """A ticket from a password."""

    def get(context: Any) -> Got:
        import krb5

        whose = krb5.parse_name_flags(context, principal(user).encode())
        options = krb5.get_init_creds_opt_alloc(context)
        return _got(whose, [krb5.get_init_creds_password(context, whose, options, password.encode())])

    return get


def by_keytab(user: str, keytab: Path) -> Source:
    """A ticket from a keytab: of the user, or of the first that it has."""

    def get(context: Any) -> Got:
        import krb5

        return _by_keys(context, krb5.kt_resolve(context, b"FILE:" + bytes(keytab)), user)

    return get


def of_the_person(user: str) -> Source:
    """The ticket that is there: of the user, or whose it is; or one from the system's keytab for clients, as the
    library itself would get it (KRB5_CLIENT_KTNAME)."""

    def get(context: Any) -> Got:
        import krb5

        keys = krb5.kt_client_default(context)
        try:
            if user:
                cache = krb5.cc_cache_match(context, krb5.parse_name_flags(context, principal(user).encode()))
            else:
                cache = krb5.cc_default(context)
            found = _got(cache.principal, list(cache))
        except krb5.Krb5Error:
            if not krb5.kt_have_content(context, keys):
                raise
            return _by_keys(context, keys, user)
        if not found.reaches(time.time()) and krb5.kt_have_content(context, keys):
            return _by_keys(context, keys, user)
        return found

    return get


def _by_keys(context: Any, keytab: Any, user: str) -> Got:
    import krb5

    # All that it has at once: the library frees an entry, and its principal with it, when the next is asked for.
    entries = [] if user else list(keytab)
    if not user and not entries:
        raise diagnosis.no_key()
    whose = krb5.parse_name_flags(context, principal(user or str(entries[0].principal)).encode())
    options = krb5.get_init_creds_opt_alloc(context)
    return _got(whose, [krb5.get_init_creds_keytab(context, whose, options, keytab)])


def _got(whose: Any, credentials: Sequence[Any]) -> Got:
    """Errors: Refused where there is no ticket by which others are got."""
    granting = [one for one in credentials if one.server.components[:1] == [_TGS]]
    if not granting:
        raise diagnosis.no_ticket(str(whose))
    best = max(granting, key=lambda one: one.times.endtime)
    renewable = best.times.renew_till if best.times.renew_till > best.times.endtime else 0
    return Got(whose, [best], float(best.times.endtime), float(renewable))


def _renewed(context: Any, got: Got) -> Got:
    """The same ticket for longer; as it is where the domain does not renew it."""
    import krb5

    cache = krb5.cc_new_unique(context, b"MEMORY")
    try:
        _fill(context, cache, got)
        return _got(got.principal, [krb5.get_renewed_creds(context, got.principal, cache)])
    except krb5.Krb5Error:
        return got
    finally:
        krb5.cc_destroy(context, cache)


def _fill(context: Any, cache: Any, got: Got) -> None:
    import krb5

    krb5.cc_initialize(context, cache, got.principal)
    for one in got.credentials:
        krb5.cc_store_cred(context, cache, one)


def _again(error: GatewayError) -> GatewayError:
    """The same error anew: one that is raised in many threads must not grow by each."""
    return type(error)(error.message, error.hint)
