"""One WinRM conversation under pywinrm's Protocol: log-in and sealing.

Takes the place of pywinrm's own transport (`Protocol.transport`), which costs several times the CPU, is not safe
in threads and calls every 401 a rejected password (docs/architecture.md, "Why our own transport").
Sealed messages are numbered: after one that failed the connection is dead, and so is the Session.
"""

import base64
import functools
import os
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import spnego
import spnego.channel_bindings
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from spnego._ntlm_raw.crypto import ntowfv1
from winrm.exceptions import WinRMTransportError

from provisioner.errors import BadAnswer, GatewayError, Unreachable
from provisioner.transport import diagnosis, waiting
from provisioner.transport.heard import Answer
from provisioner.transport.http import IDENTIFY, Endpoint, HttpConnection

# A gateway that takes a connection and then says nothing must not hold the turn of all others for long.
LOGIN_SECONDS = 15.0

_BOUNDARY = b"--Encrypted Boundary"
_SEALED = 'multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";boundary="Encrypted Boundary"'
_OCTETS = b"\tContent-Type: application/octet-stream\r\n"


@dataclass(frozen=True, kw_only=True)
class Login:
    """Who logs in and how. `turn` is entered around what can be refused: the login guard. `cache`, of Kerberos alone,
    is entered around one log-in, and gives the name of the credential cache with the ticket."""

    transport: Literal["kerberos", "ntlm", "basic"]
    user: str
    password: str = field(repr=False)
    turn: Callable[[], AbstractContextManager[None]]
    cache: Callable[[], AbstractContextManager[str | None]] = nullcontext

    @property
    def who(self) -> str:
        """The account, for people."""
        return self.user or "the ticket's owner"


class _OnlyKerberos(Exception):
    """A gateway that takes Kerberos under that name alone, and was asked under the other."""


class Session:
    """One conversation with one gateway. Not for several threads.

    Errors: Unreachable, Refused, TimedOut, BadAnswer, NotTried; WinRMTransportError for an answer that carries a
    SOAP fault, which pywinrm's Protocol takes apart.
    """

    def __init__(self, place: Endpoint, login: Login) -> None:
        self._line = HttpConnection(place)
        self._login = login
        self._seal: spnego.ContextProxy | None = None
        self._basic = ""
        self._scheme = "Negotiate"
        # By how many seconds the gateway's clock is ahead of ours, where it has said so.
        self._apart: float | None = None
        self._open, self._over = False, False

    @property
    def deadline(self) -> float:
        """When (time.monotonic) all must be over."""
        return self._line.deadline

    def allow(self, seconds: float) -> None:
        """All that follows must be over in so many seconds; what waits for its turn to log in does not count."""
        self._line.deadline = time.monotonic() + seconds

    def send_message(self, message: str | bytes) -> bytes:
        """One request and its answer, both plain SOAP. The name is pywinrm's."""
        if self._over:
            raise Unreachable("the conversation is over", "Nothing more is said on a line that failed.")
        try:
            if not self._open:
                self._begin()
            return self._send(message.encode() if isinstance(message, str) else message)
        except GatewayError:
            # Above all a refused password must not be sent again by cleaning up.
            self.close_session()
            raise

    def close_session(self) -> None:
        """Close the connection. Safe to call twice. The name is pywinrm's."""
        self._over = True
        self._line.close()

    def _send(self, body: bytes) -> bytes:
        headers = {"Authorization": self._basic} if self._basic else {}
        if self._seal is not None:
            body, headers["Content-Type"] = _sealed(self._seal, body), _SEALED
        answer = self._line.exchange(body, headers)
        content = answer.content
        if self._seal is not None and answer["Content-Type"].startswith("multipart/encrypted"):
            content = _unsealed(self._seal, content)
        elif self._seal is not None and answer.status == 200:
            raise BadAnswer("an answer without the seal that was agreed", "Does somebody else answer on that line?")
        if answer.status == 401:
            # A log-in that is taken back: the guard must know of it like of one that is refused.
            with self._login.turn():
                raise self._refused(answer)
        if answer.status == 200:
            return content
        if b"Fault" in content:
            raise WinRMTransportError("http", answer.status, content.decode("utf-8", "replace"))
        raise diagnosis.status(answer.status, answer["Server"])

    def _begin(self) -> None:
        self._line.open()
        # What holds no password yet is said before our turn: a gateway that is dumb must not hold up the others.
        with self._line.within(LOGIN_SECONDS):
            greeted = _GREETINGS[self._login.transport](self)
        begun = time.monotonic()
        with self._login.turn():
            self._line.deadline += time.monotonic() - begun
            with self._line.within(LOGIN_SECONDS):
                self._log_in(*greeted)
        self._open = True

    def _greet_basic(self) -> tuple[None, None]:
        """See that a password is asked for at all: Basic would show it to anybody."""
        self._asked(self._line.exchange(b"", {}))
        return None, None

    def _greet_ntlm(self) -> tuple[spnego.ContextProxy, bytes]:
        context = self._context()
        answer = self._ask(self._step(context, None) or b"")
        self._asked(answer)
        challenge = _token(answer.offers)
        if challenge is None:
            raise diagnosis.no_challenge()
        return context, challenge

    def _greet_kerberos(self) -> tuple[None, None]:
        return None, None

    def _asked(self, answer: Answer) -> None:
        """Errors: where it does not ask who we are, or not in our way."""
        if answer.status != 401:
            raise diagnosis.status(answer.status, answer["Server"])
        if error := diagnosis.not_offered(self._login.transport, answer.offers):
            raise error

    def _log_in(self, context: spnego.ContextProxy | None, token: bytes | None) -> None:
        if self._login.transport == "basic":
            pair = f"{self._login.user}:{self._login.password}".encode()
            self._basic = "Basic " + base64.b64encode(pair).decode()
            # Basic has no exchange of its own: the cheapest question there is shows whether the pair is taken.
            self._taken(self._line.exchange(IDENTIFY, {"Authorization": self._basic}))
            return
        if self._login.transport == "kerberos":
            # The library asks the domain controller, and waits for it.
            context = waiting.aside(self._log_in_by_ticket)
        else:
            context = self._handshake(context or self._context(), token)
        if not context.complete:
            raise BadAnswer("the gateway did not prove who it is", "Does somebody else answer on that line?")
        if self._line.place.tls is None:
            self._seal = context

    def _log_in_by_ticket(self) -> spnego.ContextProxy:
        """The log-in by Kerberos, under the name that Windows offers it by: Negotiate, unless a policy says so."""
        with self._login.cache() as cache:
            try:
                return self._handshake(self._context(cache), None)
            except _OnlyKerberos:
                # It was not looked at what was sent: another name takes the same.
                self._scheme = "Kerberos"
                return self._handshake(self._context(cache), None)

    def _handshake(self, context: spnego.ContextProxy, token: bytes | None) -> spnego.ContextProxy:
        said = self._step(context, token)
        while said:
            answer = self._ask(said)
            token = _token(answer.offers)
            if not token or context.complete:
                self._taken(answer)
            said = self._step(context, token) if token and not context.complete else None
        return context

    def _ask(self, token: bytes) -> Answer:
        header = f"{self._scheme} {base64.b64encode(token).decode()}"
        answer = self._line.exchange(b"", {"Authorization": header})
        self._apart = diagnosis.clock_apart(answer["Date"], datetime.now(UTC))
        return answer

    def _taken(self, answer: Answer) -> None:
        """Errors: where a log-in was not taken."""
        if answer.status == 401:
            offered = {offer.split(" ")[0] for offer in answer.offers}
            only = {"Kerberos", "Negotiate"} & offered == {"Kerberos"}
            if only and self._login.transport == "kerberos" and self._scheme != "Kerberos":
                raise _OnlyKerberos
            raise diagnosis.not_offered(self._login.transport, answer.offers) or self._refused(answer)
        if answer.status != 200 and b"Fault" not in answer.content:
            raise diagnosis.status(answer.status, answer["Server"])

    def _refused(self, answer: Answer) -> GatewayError:
        apart = diagnosis.clock_apart(answer["Date"], datetime.now(UTC))
        return diagnosis.refused(self._login.transport, self._login.who, apart)

    def _context(self, cache: str | None = None) -> spnego.ContextProxy:
        der = self._line.certificate()
        kerberos = self._login.transport == "kerberos"
        try:
            return spnego.client(
                *self._identity(cache),
                hostname=self._line.place.host,
                service="HTTP" if kerberos else "http",
                protocol=self._login.transport,
                channel_bindings=None if der is None else _channel_bindings(der),
            )
        except Exception as error:
            # Among others errors of the optional Kerberos library, which we cannot name without it.
            raise self._no_context(error) from error

    def _identity(self, cache: str | None) -> tuple[Any, str | None]:
        """A user and a password, as pyspnego takes them."""
        user, password = self._login.user or None, self._login.password or None
        if cache:
            return spnego.KerberosCCache(cache), None
        # Windows' own NTLM wants the password itself; so does its Kerberos.
        if user and password and self._login.transport == "ntlm" and os.name != "nt":
            return _hashed(user, password), None
        return user, password

    def _step(self, context: spnego.ContextProxy, token: bytes | None) -> bytes | None:
        try:
            return context.step(token)
        except Exception as error:
            raise self._no_context(error) from error

    def _no_context(self, error: Exception) -> GatewayError:
        if self._login.transport == "kerberos":
            return diagnosis.kerberos(error, self._login.who, self._line.place.host, self._apart)
        words = f"no log-in by {self._login.transport} came about: {diagnosis.plain(error)}"
        return BadAnswer(words, "See connection.transport and connection.user in fleet.yml.")


_GREETINGS: dict[str, Callable[[Session], tuple[spnego.ContextProxy | None, bytes | None]]] = {
    "basic": Session._greet_basic,
    "ntlm": Session._greet_ntlm,
    "kerberos": Session._greet_kerberos,
}


@functools.lru_cache(maxsize=4)
def _hashed(user: str, password: str) -> spnego.NTLMHash:
    """What NTLM needs of a password."""
    # From the password pyspnego makes the old LAN Manager hash too, each time: 1 ms, and NTLMv2 never looks at it.
    return spnego.NTLMHash(username=user, nt_hash=ntowfv1(password).hex())


def _token(offers: Sequence[str]) -> bytes | None:
    for offer in offers:
        scheme, _, token = offer.partition(" ")
        if scheme in {"Negotiate", "Kerberos"} and token:
            try:
                return base64.b64decode(token, validate=True)
            except ValueError as error:
                raise BadAnswer("the log-in's answer is not base64", "Is this a Windows PC at all?") from error
    return None


def _channel_bindings(der: bytes) -> spnego.channel_bindings.GssChannelBindings:
    # RFC 5929, 4.1: the certificate's own hash, but never one weaker than SHA-256.
    own = x509.load_der_x509_certificate(der).signature_hash_algorithm
    weak = own is None or isinstance(own, hashes.MD5 | hashes.SHA1)
    digest = hashes.Hash(hashes.SHA256() if weak or own is None else own)
    digest.update(der)
    return spnego.channel_bindings.GssChannelBindings(application_data=b"tls-server-end-point:" + digest.finalize())


def _sealed(context: spnego.ContextProxy, message: bytes) -> bytes:
    wrapped = context.wrap_winrm(message)
    length = str(len(message) + wrapped.padding_length).encode()
    return b"".join(
        (
            _BOUNDARY,
            b"\r\n\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n\tOriginalContent: type=",
            b"application/soap+xml;charset=UTF-8;Length=" + length + b"\r\n" + _BOUNDARY + b"\r\n" + _OCTETS,
            struct.pack("<i", len(wrapped.header)) + wrapped.header + wrapped.data + _BOUNDARY + b"--\r\n",
        )
    )


def _unsealed(context: spnego.ContextProxy, content: bytes) -> bytes:
    try:
        payload = content.split(_OCTETS, 1)[1]
        payload = payload[: payload.rindex(_BOUNDARY + b"--")]
        length = struct.unpack("<i", payload[:4])[0]
        return context.unwrap_winrm(payload[4 : 4 + length], payload[4 + length :])
    except (IndexError, ValueError, struct.error, spnego.exceptions.SpnegoError) as error:
        raise BadAnswer("an answer whose seal is broken", "Something between here and there changes it.") from error
