"""The HTTP under one WinRM conversation: a kept-open connection, TLS, log-in and sealing.

Takes the place of pywinrm's own transport (`Protocol.transport`), which costs several times the CPU, is not safe
in threads and calls every 401 a rejected password (docs/architecture.md, "Why our own transport").
Sealed messages are numbered: after one that failed the connection is dead, and so is the Wire.
"""

import base64
import http.client
import socket
import ssl
import struct
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal

import spnego
import spnego.channel_bindings
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from winrm.exceptions import WinRMTransportError

from provisioner.errors import BadAnswer, Refused, TimedOut, Unreachable

# One message of the protocol is at most 500 KB on Windows; more than this is not an answer to what we ask.
LARGEST_MESSAGE = 4 * 2**20
CONNECT_SECONDS = 10.0
# A gateway that takes a connection and then says nothing must not hold the turn of all others for long.
LOGIN_SECONDS = 15.0

_SOAP = "application/soap+xml;charset=UTF-8"
_BOUNDARY = b"--Encrypted Boundary"
_SEALED = 'multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";boundary="Encrypted Boundary"'
_IDENTIFY = (
    b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:wsmid="http://schemas.dmtf.org/wbem/wsman/'
    b'identity/1/wsmanidentity.xsd"><s:Header/><s:Body><wsmid:Identify/></s:Body></s:Envelope>'
)
_OCTETS = b"\tContent-Type: application/octet-stream\r\n"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where one gateway listens, and until when (time.monotonic) all of the conversation must be over."""

    host: str
    port: int
    path: str
    deadline: float
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, kw_only=True)
class Login:
    """Who logs in and how. `turn` is entered around the log-in itself: the login guard."""

    transport: Literal["kerberos", "ntlm", "basic"]
    user: str
    password: str = field(repr=False)
    turn: Callable[[], AbstractContextManager[None]]


class Wire:
    """One conversation with one gateway. Not for several threads.

    Errors: Unreachable, Refused, TimedOut, BadAnswer; WinRMTransportError for an HTTP status that carries a
    SOAP fault, which pywinrm's Protocol takes apart.
    """

    def __init__(self, place: Place, login: Login) -> None:
        self._place = place
        self._login = login
        self._http: http.client.HTTPConnection | None = None
        self._seal: spnego.ContextProxy | None = None
        self._basic = ""
        self._login_until = float("inf")
        # When (time.monotonic) all must be over. Waiting for the guard's turn does not count.
        self.deadline = place.deadline

    def send_message(self, message: str | bytes) -> bytes:
        """One request and its answer, both plain SOAP. The name is pywinrm's."""
        body = message.encode() if isinstance(message, str) else message
        if self._http is None:
            self._open()
        headers = {"Content-Type": _SOAP}
        if self._basic:
            headers["Authorization"] = self._basic
        if self._seal is not None:
            body, headers["Content-Type"] = _sealed(self._seal, body), _SEALED
        answer, content = self._exchange(body, headers)
        if self._seal is not None and answer.getheader("Content-Type", "").startswith("multipart/encrypted"):
            content = _unsealed(self._seal, content)
        elif self._seal is not None and answer.status == 200:
            raise BadAnswer("an answer without the seal that was agreed", "Does somebody else answer on that line?")
        if answer.status == 401:
            raise self._refused(answer)
        if answer.status != 200:
            raise WinRMTransportError("http", answer.status, content.decode("utf-8", "replace"))
        return content

    def close_session(self) -> None:
        """Close the connection. Safe to call twice. The name is pywinrm's."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def _open(self) -> None:
        place = self._place
        left = self._left()
        connect = min(CONNECT_SECONDS, left)
        self._http = (
            http.client.HTTPConnection(place.host, place.port, timeout=connect)
            if place.tls is None
            else http.client.HTTPSConnection(place.host, place.port, timeout=connect, context=place.tls)
        )
        try:
            self._http.connect()
        except (OSError, http.client.HTTPException) as error:
            raise cannot_connect(error, place) from error
        self._http.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        begun = time.monotonic()
        with self._login.turn():
            self.deadline += time.monotonic() - begun
            self._login_until = time.monotonic() + LOGIN_SECONDS
            try:
                self._log_in()
            finally:
                self._login_until = float("inf")

    def _log_in(self) -> None:
        if self._login.transport == "basic":
            pair = f"{self._login.user}:{self._login.password}".encode()
            self._basic = "Basic " + base64.b64encode(pair).decode()
            # Basic has no exchange of its own: the cheapest question there is shows whether the pair is taken.
            answer, _ = self._exchange(_IDENTIFY, {"Content-Type": _SOAP, "Authorization": self._basic})
            if answer.status == 401:
                raise self._refused(answer)
            return
        scheme = "Kerberos" if self._login.transport == "kerberos" else "Negotiate"
        context = self._context()
        token = self._step(context, None)
        while token:
            value = f"{scheme} {base64.b64encode(token).decode()}"
            answer, _ = self._exchange(b"", {"Content-Type": _SOAP, "Authorization": value})
            back = _token(answer.headers.get_all("WWW-Authenticate", []))
            if answer.status == 401 and (not back or context.complete):
                raise self._refused(answer)
            token = self._step(context, back) if back and not context.complete else None
            if answer.status == 200 and context.complete:
                break
        if not context.complete:
            raise self._refused(answer)
        if self._place.tls is None:
            self._seal = context

    def _context(self) -> spnego.ContextProxy:
        bindings = None
        if self._http is not None and isinstance(self._http.sock, ssl.SSLSocket):
            bindings = _channel_bindings(self._http.sock)
        kerberos = self._login.transport == "kerberos"
        try:
            return spnego.client(
                self._login.user or None,
                self._login.password or None,
                hostname=self._place.host,
                service="HTTP" if kerberos else "http",
                protocol=self._login.transport,
                channel_bindings=bindings,
            )
        except (spnego.exceptions.SpnegoError, ImportError, OSError) as error:
            raise Refused(*_no_context(self._login.transport, error)) from error

    def _step(self, context: spnego.ContextProxy, token: bytes | None) -> bytes | None:
        try:
            return context.step(token)
        except spnego.exceptions.SpnegoError as error:
            raise Refused(*_no_context(self._login.transport, error)) from error

    def _exchange(self, body: bytes, headers: dict[str, str]) -> tuple[http.client.HTTPResponse, bytes]:
        assert self._http is not None
        content = bytearray()
        try:
            # Kept, because http.client lets go of it while the answer is still being read.
            sock = self._http.sock
            sock.settimeout(self._left())
            self._http.request("POST", self._place.path, body, {"User-Agent": "provisioner", **headers})
            answer = self._http.getresponse()
            while part := answer.read1(65536):
                content += part
                if len(content) > LARGEST_MESSAGE:
                    raise BadAnswer(f"one message of more than {LARGEST_MESSAGE // 2**20} MiB", "Is this a Windows PC?")
                # A time-out of the socket's is for one piece: a slow trickle must end with the deadline too.
                sock.settimeout(self._left())
            answer.read()  # nothing is left; but only this tells http.client that the answer is over
        except TimeoutError as error:
            raise TimedOut("no whole answer before the deadline", _SLOW) from error
        except (OSError, http.client.HTTPException, AttributeError) as error:
            # http.client drops its socket (None) when the other side closes: the next use is an AttributeError.
            raise Unreachable(f"the connection broke: {_plain(error)}", _BROKE) from error
        return answer, bytes(content)

    def _left(self) -> float:
        left = min(self.deadline, self._login_until) - time.monotonic()
        if left <= 0:
            raise TimedOut("no whole answer before the deadline", _SLOW)
        return left

    def _refused(self, answer: http.client.HTTPResponse) -> Refused:
        offered = {value.split(" ")[0] for value in answer.headers.get_all("WWW-Authenticate", [])}
        wanted = {"basic": "Basic", "ntlm": "Negotiate", "kerberos": "Kerberos"}[self._login.transport]
        if offered and wanted not in offered and not (wanted == "Kerberos" and "Negotiate" in offered):
            return Refused(
                f"this gateway does not take {self._login.transport} log-ins, it offers {', '.join(sorted(offered))}",
                "Set connection.transport in fleet.yml to one that it offers, or have its WinRM service changed.",
            )
        return Refused(
            f"the log-in of {self._login.user or 'the ticket'} by {self._login.transport} was refused",
            "Likeliest: a wrong password, or an account that may not log on over the network there. Try it by hand "
            "once before anything else: a few more refusals can lock the account.",
        )


_SLOW = "A busy or sleeping PC? Try again; connection.deadline in fleet.yml gives it more time."
_BROKE = "The line or the PC went away in the middle. Nothing is known of it; try again."


def cannot_connect(error: Exception, place: Place) -> Unreachable | TimedOut:
    """Why no connection came about, with the likeliest cause."""
    what = f"no connection to {place.host} port {place.port}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return Unreachable(
            f"{what}: its certificate is not trusted ({error.verify_message})",
            "Give the gateway by the name that its certificate has (practices.csv)."
            if "mismatch" in error.verify_message
            else "Give the authority's certificate as connection.ca_file, or have the listener's certificate renewed.",
        )
    if isinstance(error, ssl.SSLError):
        return Unreachable(f"{what}: no TLS there ({error.reason})", "Is this the plain port? See connection.tls.")
    if isinstance(error, TimeoutError):
        return Unreachable(f"{what}: no answer", "Likeliest: switched off, asleep, or a firewall drops the packets.")
    if isinstance(error, ConnectionRefusedError):
        return Unreachable(f"{what}: refused", "Likeliest: WinRM is not set up there (winrm quickconfig).")
    if isinstance(error, socket.gaierror):
        return Unreachable(f"{what}: the name is not known", "Likeliest: a wrong name in practices.csv, or no VPN.")
    return Unreachable(f"{what}: {_plain(error)}", "Likeliest: switched off, or no route (VPN, HSCN).")


def _plain(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _no_context(transport: str, error: Exception) -> tuple[str, str]:
    if transport == "kerberos":
        return (
            f"no Kerberos log-in: {_plain(error)}",
            "Is there a ticket (klist)? Is the gateway given by the name that the domain knows, not by its address? "
            "Kerberos also needs: pip install 'provisioner[kerberos]'.",
        )
    return f"no {transport} log-in: {_plain(error)}", "See connection.transport and connection.user in fleet.yml."


def _token(offers: list[str]) -> bytes | None:
    for offer in offers:
        scheme, _, token = offer.partition(" ")
        if scheme in {"Negotiate", "Kerberos"} and token:
            try:
                return base64.b64decode(token, validate=True)
            except ValueError as error:
                raise BadAnswer("the log-in's answer is not base64", "Is this a Windows PC at all?") from error
    return None


def _channel_bindings(sock: ssl.SSLSocket) -> spnego.channel_bindings.GssChannelBindings | None:
    der = sock.getpeercert(binary_form=True)
    if der is None:
        return None
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
