"""One HTTP connection to one gateway, with a deadline over all of it; and the knock: does WinRM answer there?"""

import errno
import http.client
import os
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from provisioner.errors import GatewayError
from provisioner.transport import diagnosis, waiting
from provisioner.transport.heard import Answer, Heard, TooMuch

# What is read at once, and what is sent in one piece with its head.
_PIECE, _SHORT = 64 * 2**10, 16 * 2**10
CONNECT_SECONDS = 10.0
SOAP = "application/soap+xml;charset=UTF-8"
IDENTIFY = (
    b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:wsmid="http://schemas.dmtf.org/wbem/wsman/'
    b'identity/1/wsmanidentity.xsd"><s:Header/><s:Body><wsmid:Identify/></s:Body></s:Envelope>'
)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where one gateway listens, and until when (time.monotonic) all of the conversation must be over."""

    host: str
    port: int
    path: str
    deadline: float
    tls: ssl.SSLContext | None = None


class HttpConnection:
    """One kept-open HTTP connection, never opened twice. Not for several threads.

    Errors: Unreachable, TimedOut, BadAnswer.
    """

    def __init__(self, place: Endpoint) -> None:
        self.place = place
        # When (time.monotonic) all must be over. Waiting for the guard's turn does not count.
        self.deadline = place.deadline
        self._until, self._seconds = float("inf"), 0.0
        self._first = True
        self._sock: socket.socket | None = None

    def open(self) -> None:
        """Connect, with TLS where the place has it."""
        self._sock = self._connected()
        if self.place.tls is not None:
            # From here on something has accepted: whatever goes wrong, that PC is on.
            try:
                with self.within(CONNECT_SECONDS):
                    self._secure(self.place.tls)
            except (OSError, ValueError) as error:
                self.close()
                raise diagnosis.securing(error, self.place.host, self.place.port) from error

    def _connected(self) -> socket.socket:
        """A connection to the first of its addresses that accepts one. Absent is what none of them answers for."""
        place, errors = self.place, list[GatewayError]()
        try:
            found = _addresses(place.host, place.port)
        except (OSError, UnicodeError) as error:
            raise diagnosis.connecting(error, place.host, place.port) from error
        try:
            seconds = min(CONNECT_SECONDS, self._left()) / len(found)
        except TimeoutError as error:
            raise diagnosis.late() from error
        for family, kind, protocol, _, address in found:
            try:
                return _to(socket.socket(family, kind, protocol), address, seconds)
            except OSError as error:
                errors.append(diagnosis.connecting(error, place.host, place.port))
        raise min(errors, key=lambda error: error.absent)

    def _secure(self, tls: ssl.SSLContext) -> None:
        """Put TLS on the connection. Errors: OSError, ValueError."""
        assert self._sock is not None
        self._sock = sock = tls.wrap_socket(self._sock, server_hostname=self.place.host, do_handshake_on_connect=False)
        while True:
            try:
                return sock.do_handshake()
            except ssl.SSLWantReadError:
                self._wait(sock)
            except ssl.SSLWantWriteError:
                self._wait(sock, writing=True)

    def close(self) -> None:
        """Safe to call twice."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """What is exchanged in it must be over in so many seconds."""
        self._until, self._seconds = time.monotonic() + seconds, seconds
        try:
            yield
        finally:
            self._until = float("inf")

    def exchange(self, body: bytes, headers: dict[str, str]) -> Answer:
        """One request and its whole answer."""
        if self._sock is None:
            closed = ConnectionAbortedError(errno.ECONNABORTED, "it was closed after the answer before")
            raise diagnosis.breaking(closed, first=self._first, tls=self.place.tls is not None)
        heard = Heard()
        try:
            self._send(self._sock, _request(self.place, headers, len(body)), body)
            while heard.answer is None:
                heard.hear(self._receive(self._sock))
        except TimeoutError as error:
            raise self._late(said=heard.begun) from error
        except TooMuch as error:
            raise diagnosis.too_much() from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise diagnosis.breaking(error, first=self._first, tls=self.place.tls is not None) from error
        finally:
            heard.close()
        if heard.answer.last:
            self.close()
        self._first = False
        return heard.answer

    def _send(self, sock: socket.socket, head: bytes, body: bytes) -> None:
        # In one piece, but for the script: of hundreds at a time each copy of it counts.
        for piece in (head + body,) if len(body) < _SHORT else (head, body):
            view = memoryview(piece)
            while view:
                self._left()
                try:
                    view = view[sock.send(view) :]
                except (BlockingIOError, ssl.SSLWantWriteError):
                    self._wait(sock, writing=True)
                except ssl.SSLWantReadError:
                    self._wait(sock)

    def _receive(self, sock: socket.socket) -> bytes:
        """The next bytes, waited for; none where the other side has closed."""
        while True:
            if not (isinstance(sock, ssl.SSLSocket) and sock.pending()):
                self._wait(sock)
            try:
                return sock.recv(_PIECE)
            except (BlockingIOError, ssl.SSLWantReadError):
                continue
            except ssl.SSLWantWriteError:
                self._wait(sock, writing=True)

    def _wait(self, sock: socket.socket, *, writing: bool = False) -> None:
        """Until something can be read (or written), or the time is over."""
        while not waiting.ready(sock, self._left(), writing=writing):
            pass

    def certificate(self) -> bytes | None:
        """The other side's, DER; None in the plain."""
        return self._sock.getpeercert(binary_form=True) if isinstance(self._sock, ssl.SSLSocket) else None

    def _left(self) -> float:
        left = min(self.deadline, self._until) - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def _late(self, *, said: bool) -> GatewayError:
        if self._until < self.deadline:
            return diagnosis.trickling(self._seconds) if said else diagnosis.silent(self._seconds)
        return diagnosis.late()


def _request(place: Endpoint, headers: dict[str, str], length: int) -> bytes:
    """The head of a request. Errors: ValueError for a path or a header that would be more than one line."""
    given = {
        "Host": _host(place),
        "Accept-Encoding": "identity",
        "Content-Length": str(length),
        "User-Agent": "provisioner",
        "Content-Type": SOAP,
        **headers,
    }
    lines = (f"POST {place.path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items()))
    if " " in place.path or not all(line.isprintable() for line in lines):
        raise ValueError("what is asked holds a character that no request may hold")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def _host(place: Endpoint) -> str:
    name = place.host.encode("idna").decode() if not place.host.isascii() else place.host
    return f"[{name}]:{place.port}" if ":" in name else f"{name}:{place.port}"


def _addresses(host: str, port: int) -> Sequence[Any]:
    """What a host is reached by, as getaddrinfo(3) has it. Errors: OSError, UnicodeError."""
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return waiting.aside(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))


def _to(sock: socket.socket, address: Any, seconds: float) -> socket.socket:
    """The socket, connected; none of its calls waits. Errors: OSError, and it is closed."""
    try:
        # A socket's own time-out is for one piece, and an answer can come a byte at a time for ever: so each piece is
        # waited for by us, for what is left of the whole.
        sock.setblocking(False)
        with suppress(BlockingIOError):
            sock.connect(address)
        if not waiting.ready(sock, seconds, writing=True):
            raise TimeoutError
        if failed := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(failed, os.strerror(failed))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


def identify(place: Endpoint) -> bool:
    """Whether WinRM answers there, without logging in. Never raises for what the other side can do.

    A gateway that guards even this question answers 401, and offers what only WinRM does: that is WinRM too.
    """
    line = HttpConnection(place)
    try:
        line.open()
        # Windows must answer this of anybody: [MS-WSMV] 3.1.4.1.23.
        answer = line.exchange(IDENTIFY, {"WSMANIDENTIFY": "unauthenticated"})
    except GatewayError:
        return False
    finally:
        line.close()
    if answer.status == 401:
        return any(offer.split(" ")[0] in {"Negotiate", "Kerberos"} or "WSMAN" in offer for offer in answer.offers)
    return answer.status == 200 and b"IdentifyResponse" in answer.content
