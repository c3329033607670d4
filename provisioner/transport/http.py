"""One HTTP connection to one gateway, with a deadline over all of it; and the knock: does WinRM answer there?"""

import errno
import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from provisioner.errors import GatewayError
from provisioner.transport import diagnosis

# One message of the protocol is at most 500 KB on Windows; more than this is not an answer to what we ask.
LARGEST_MESSAGE = 4 * 2**20
# Of what comes before a message: its status line and headers, and every "100 Continue" before them.
LARGEST_HEAD = 128 * 2**10
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


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One HTTP answer, whole."""

    status: int
    headers: http.client.HTTPMessage
    content: bytes

    def __getitem__(self, header: str) -> str:
        return self.headers.get(header, "")

    @property
    def offers(self) -> list[str]:
        """The ways of logging in that it offers, as its WWW-Authenticate headers have them."""
        return self.headers.get_all("WWW-Authenticate", [])


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
        self._http = http.client.HTTPConnection(place.host, place.port)
        self._sock: socket.socket | None = None

    def open(self) -> None:
        """Connect, with TLS where the place has it."""
        self._sock = sock = self._connected()
        if self.place.tls is None:
            return
        # From here on something has accepted: whatever goes wrong, that PC is on.
        try:
            sock.settimeout(min(CONNECT_SECONDS, self._left()))
            self._sock = self.place.tls.wrap_socket(sock, server_hostname=self.place.host)
        except (OSError, ValueError) as error:
            raise diagnosis.securing(error, self.place.host, self.place.port) from error

    def _connected(self) -> socket.socket:
        """A connection to the first of its addresses that accepts one. Absent is what none of them answers for."""
        place, errors = self.place, list[GatewayError]()
        try:
            found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
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

    def close(self) -> None:
        """Safe to call twice."""
        self._http.close()
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
        timed, content = _Timed(self._sock, self._left), bytearray()
        # http.client's own socket is None again where the other side says that it closes.
        self._http.sock = cast(socket.socket, timed)
        given = {"User-Agent": "provisioner", "Content-Type": SOAP, **headers}
        try:
            self._http.request("POST", self.place.path, body, given)
            timed.allow(LARGEST_HEAD)
            answer = self._http.getresponse()
            timed.allow(LARGEST_MESSAGE)
            # Not all at once: http.client makes room for whatever length the other side says.
            while part := answer.read1(65536):
                content += part
            if answer.length:
                raise http.client.IncompleteRead(b"", answer.length)
            answer.read()  # nothing is left; but only this tells http.client that the answer is over
        except TimeoutError as error:
            raise self._late(said=timed.read > 0) from error
        except _TooMuch as error:
            raise diagnosis.too_much() from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise diagnosis.breaking(error, first=self._first, tls=self.place.tls is not None) from error
        if self._http.sock is None:
            self.close()
        self._first = False
        return Answer(status=answer.status, headers=answer.headers, content=bytes(content))

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


class _TooMuch(Exception):
    """More came back than any answer to what we ask is long."""


class _Timed:
    """A socket as http.client wants one, of which no read and no write is begun once the time is over.

    A socket's own time-out is for one piece: status line, headers, "100 Continue", chunks and trailers can come a byte
    at a time for ever. The pieces are counted too.
    """

    def __init__(self, sock: socket.socket, left: Callable[[], float]) -> None:
        self._sock = sock
        self._left = left
        self._most = 0
        self.read = 0

    def allow(self, more: int) -> None:
        """So many bytes may come from now on."""
        self._most = self.read + more

    def sendall(self, data: bytes) -> None:
        """Send all of it. Errors: TimeoutError, OSError."""
        view = memoryview(data)
        while view:
            self._sock.settimeout(self._left())
            view = view[self._sock.send(view) :]

    def receive(self, into: Any) -> int:
        """Wait for the next bytes. Errors: TimeoutError, OSError, _TooMuch."""
        self._sock.settimeout(self._left())
        count = self._sock.recv_into(into)
        self.read += count
        if self.read > self._most:
            raise _TooMuch
        return count

    def makefile(self, mode: str) -> io.BufferedReader:
        """What http.client reads an answer from."""
        return io.BufferedReader(_Pieces(self))

    def close(self) -> None:
        """The socket itself is the HttpConnection's: http.client lets go of it while the answer is still being read."""


class _Pieces(io.RawIOBase):
    """The reading side of one answer."""

    def __init__(self, timed: _Timed) -> None:
        self._timed = timed

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, into: Any) -> int:
        """The next bytes."""
        return self._timed.receive(into)


def _to(sock: socket.socket, address: Any, seconds: float) -> socket.socket:
    """The socket, connected. Errors: OSError, and it is closed."""
    try:
        sock.settimeout(seconds)
        sock.connect(address)
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
