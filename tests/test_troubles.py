"""Each way of not getting in, told apart: by real TLS and sockets where these say it, else by its number."""

import errno
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from provisioner import line, troubles
from provisioner.errors import BadAnswer, GatewayError, Refused, Unreachable

NOW = datetime(2026, 11, 23, 20, 15, tzinfo=UTC)


@contextmanager
def serving(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port that treats one connection as it is told."""

    def serve() -> None:
        taken, _ = listener.accept()
        with taken:
            answer(taken)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join(10)


def place(port: int, tls: ssl.SSLContext | None = None, seconds: float = 10.0) -> line.Place:
    return line.Place(host="127.0.0.1", port=port, path="/wsman", deadline=time.monotonic() + seconds, tls=tls)


def certificate(folder: Path, name: str, since: timedelta, until: timedelta) -> Path:
    """A self-signed certificate with its key, valid from and to so long from now."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now + since).not_valid_after(now + until)
    own = x509.IPAddress(ip_address(name)) if name[0].isdecimal() else x509.DNSName(name)
    builder = builder.add_extension(x509.SubjectAlternativeName([own]), critical=False)
    signed = builder.sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / f"{name}.pem"
    path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return path


DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("name", "since", "until", "trusted", "words", "hint"),
    [
        ("127.0.0.1", -2 * DAY, -DAY, True, "has expired", "renewed"),
        ("127.0.0.1", DAY, 2 * DAY, True, "not valid yet", "clock"),
        ("gateway.example.test", -DAY, DAY, True, "for another name", "practices.csv"),
        ("127.0.0.1", -DAY, DAY, False, "not trusted", "connection.ca_file"),
    ],
)
def test_certificates_are_told_apart(
    name: str, since: timedelta, until: timedelta, trusted: bool, words: str, hint: str, tmp_path: Path
) -> None:
    pem = certificate(tmp_path, name, since, until)
    ours = ssl.create_default_context(cafile=str(pem) if trusted else None)
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(pem)

    def answer(taken: socket.socket) -> None:
        with pytest.raises(OSError), theirs.wrap_socket(taken, server_side=True) as secured:
            secured.recv(1)

    with serving(answer) as port, pytest.raises(Unreachable, match=words) as caught:
        line.Line(place(port, ours)).open()
    assert f"no connection to 127.0.0.1 port {port}" in caught.value.message
    assert hint in caught.value.hint


def hang_up(taken: socket.socket) -> None:
    taken.recv(1024)


def alert(taken: socket.socket) -> None:
    taken.recv(1024)
    taken.sendall(bytes.fromhex("15030100020246"))  # TLS: fatal, protocol version


def plain_http(taken: socket.socket) -> None:
    taken.recv(1024)
    taken.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize(
    ("answer", "words", "hint"),
    [(plain_http, "no TLS there", "5985"), (hang_up, "closed the connection", "certificate")],
)
def test_tls_that_does_not_begin(answer: Callable[[socket.socket], None], words: str, hint: str) -> None:
    with serving(answer) as port, pytest.raises(Unreachable, match=words) as caught:
        line.Line(place(port, ssl.create_default_context())).open()
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("answer", "words"), [(alert, "it speaks TLS there"), (hang_up, "it hung up at our first word")]
)
def test_plain_where_tls_is_spoken(answer: Callable[[socket.socket], None], words: str) -> None:
    with serving(answer) as port:
        ours = line.Line(place(port))
        ours.open()
        with pytest.raises(Unreachable, match=words) as caught:
            ours.exchange(b"", {})
        ours.close()
    assert "connection.tls" in caught.value.hint


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ECONNREFUSED, "x"), "refused"),
        (OSError(errno.EHOSTUNREACH, "x"), "no way there"),
        (OSError(errno.EMFILE, "x"), "this computer has no connection left"),
        (OSError(errno.EPIPE, "a broken pipe"), "a broken pipe"),
        (TimeoutError(), "no answer"),
        (socket.gaierror(socket.EAI_NONAME, "x"), "the name is not known"),
        (socket.gaierror(socket.EAI_AGAIN, "x"), "no name server answers"),
        (UnicodeError("label empty or too long"), "the name is not known"),
    ],
)
def test_no_connection_says_where_to_and_why(error: Exception, words: str) -> None:
    said = troubles.connecting(error, "gw1.example.test", 5986)
    assert said.message == f"no connection to gw1.example.test port 5986: {words}"
    assert said.hint


@pytest.mark.parametrize(
    ("code", "server", "kind", "words"),
    [
        (404, "Microsoft-HTTPAPI/2.0", Unreachable, "nothing is at that path"),
        (407, "squid", Unreachable, "from squid, so a proxy is in between that wants a log-in"),
        (503, "squid", Unreachable, "so a proxy is in between"),
        (503, "Microsoft-HTTPAPI/2.0", Unreachable, "started or stopped"),
        (200, "nginx", BadAnswer, "not WinRM"),
    ],
)
def test_http_that_is_not_winrm(code: int, server: str, kind: type[GatewayError], words: str) -> None:
    said = troubles.status(code, server)
    assert type(said) is kind
    assert words in said.message
    assert said.message.startswith(f"HTTP status {code}")


@pytest.mark.parametrize(
    ("numbers", "subcode", "kind", "words"),
    [
        ((2150859173, None), "w:QuotaLimit", Unreachable, "no room"),
        ((2150859236, None), "", Unreachable, "no room"),
        # Windows has the number of a quota in MSFT_WmiError, beside one that says nothing.
        ((None, 2150859174), "", Unreachable, "no room"),
        ((None, None), "w:QuotaLimit", Unreachable, "no room"),
        ((5, None), "w:AccessDenied", Refused, "no rights"),
        ((2147942405, None), "w:InternalError", Refused, "no rights"),
        ((1385, None), "", Refused, "may not log on over the network"),
        ((1909, None), "", Refused, "locked"),
        ((1331, None), "", Refused, "disabled"),
        ((1330, None), "", Refused, "password has expired"),
        ((1398, None), "", Refused, "clocks"),
        ((2150859180, None), "", Refused, "remote shells"),
        ((2150858752, None), "a:DestinationUnreachable", BadAnswer, "WinRM says: Zu viele"),
    ],
)
def test_faults_are_told_apart_in_any_language(
    numbers: tuple[int | None, ...], subcode: str, kind: type[GatewayError], words: str
) -> None:
    said = troubles.fault(numbers, subcode, "Zu viele\r\n  Shells.")
    assert type(said) is kind
    assert words in said.message
    assert said.message.endswith("Zu viele Shells.")
    assert said.hint


class GssError(Exception):
    """An error of the GSSAPI library, whose minor status is unsigned."""

    def __init__(self, number: int) -> None:
        super().__init__("Major (851968): Unspecified GSS failure")
        self.min_code = (number - 1765328384) % 2**32


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (6, Refused, "does not know the account"),
        (7, Unreachable, "does not know this gateway's name"),
        (18, Refused, "locked, disabled or expired"),
        (23, Refused, "password has expired"),
        (24, Refused, "password is wrong"),
        (32, Refused, "ticket has expired"),
        (37, Refused, "clocks are too far apart"),
        (41, Unreachable, "another computer answers"),
        (60, Refused, "Unspecified GSS failure"),
    ],
)
def test_kerberos_is_told_apart_by_its_numbers(number: int, kind: type[GatewayError], words: str) -> None:
    said = troubles.kerberos(GssError(number), "admin@EXAMPLE.TEST")
    assert type(said) is kind
    assert "no Kerberos log-in of admin@EXAMPLE.TEST: " in said.message
    assert words in said.message
    assert said.hint


@pytest.mark.parametrize(
    ("transport", "offers", "words"),
    [
        ("ntlm", ["Kerberos"], "does not take ntlm log-ins, it offers Kerberos"),
        ("basic", ["Negotiate", "Kerberos"], "it offers Kerberos, Negotiate"),
        ("ntlm", ["Negotiate", 'Basic realm="WSMAN"'], ""),
        ("kerberos", ["negotiate"], ""),
        ("ntlm", [], ""),
    ],
)
def test_a_way_in_that_is_not_offered(transport: str, offers: list[str], words: str) -> None:
    said = troubles.not_offered(transport, offers)
    assert (said is not None) == bool(words)
    assert said is None or words in said.message


@pytest.mark.parametrize(("seconds", "words"), [(1200, "20 minutes ahead of ours"), (-660, "11 minutes behind ours")])
def test_a_refusal_says_that_the_clock_is_wrong(seconds: int, words: str) -> None:
    date = (NOW + timedelta(seconds=seconds)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    said = troubles.refused("kerberos", "the ticket's owner", troubles.clock_apart(date, NOW))
    assert said.message.endswith(words)
    assert said.hint.startswith("First mend the clock")


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 23 Nov 2026 20:18:00 GMT"])
def test_a_clock_that_is_right_or_not_told_is_not_mentioned(date: str) -> None:
    said = troubles.refused("ntlm", "LAB\\admin", troubles.clock_apart(date, NOW))
    assert "clock" not in said.message + said.hint
    assert "NTLM does not say which" in said.message


@pytest.mark.parametrize(
    ("words", "is_so"),
    [
        ("kerberos: the specified credentials were rejected by the server", True),
        ("Task failed: no log-in was tried here: 5 others were refused with this account", True),
        ("ntlm: Access is denied.  (extended fault data: {'http_status_code': 500, 'wsmanfault_code': 5})", True),
        (
            "ntlm: Zugriff verweigert (extended fault data: {'wsmanfault_code': '2147942405', 'fault_code': 's:X'})",
            True,
        ),
        ("ntlm: Zu viele (extended fault data: {'http_status_code': 500, 'wsmanfault_code': 2150859173})", False),
        ("ntlm: HTTPSConnectionPool(host='x'): certificate verify failed: certificate has expired", False),
        ("kerberos: authGSSClientStep() failed: (('x', 851968), ('Server not found', -1765328377))", False),
        ("Access is denied", False),
    ],
)
def test_what_ansible_says_of_a_refused_log_in(words: str, is_so: bool) -> None:
    assert troubles.rejected(words) is is_so
