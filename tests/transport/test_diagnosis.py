"""Each way of not getting in, told apart: by real TLS and sockets where these say it, else by its number."""

import ast
import errno
import http.client
import importlib
import pkgutil
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import spnego.exceptions
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from provisioner.errors import BadAnswer, GatewayError, TimedOut, Unreachable
from provisioner.transport import diagnosis
from provisioner.transport import http as line
from provisioner.transport.diagnosis import Diagnosis
from tests.transport.absent import ABSENT
from tests.transport.gss import SECOND, GssError


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


def place(port: int, tls: ssl.SSLContext | None = None, seconds: float = 10.0) -> line.Endpoint:
    return line.Endpoint(host="127.0.0.1", port=port, path="/wsman", deadline=time.monotonic() + seconds, tls=tls)


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
        line.HttpConnection(place(port, ours)).open()
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
        line.HttpConnection(place(port, ssl.create_default_context())).open()
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("answer", "words"), [(alert, "it speaks TLS there"), (hang_up, "it hung up at our first word")]
)
def test_plain_where_tls_is_spoken(answer: Callable[[socket.socket], None], words: str) -> None:
    with serving(answer) as port:
        ours = line.HttpConnection(place(port))
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
    said = diagnosis.connecting(error, "gw1.example.test", 5986)
    assert said.message == f"no connection to gw1.example.test port 5986: {words}"
    assert said.hint


def every_trouble() -> set[Diagnosis]:
    """All there are, in tables and beside them."""
    found = set()
    for module in pkgutil.iter_modules(diagnosis.__path__, "provisioner.transport.diagnosis."):
        for one in vars(importlib.import_module(module.name)).values():
            each = one.values() if isinstance(one, Mapping) else [one]
            found |= {trouble for trouble in each if isinstance(trouble, Diagnosis)}
    return found


def tls(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, reason)
    error.reason = reason
    return error


def untrusted(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "x")
    error.verify_code, error.verify_message = code, "x"
    return error


def diagnose_windows_kerberos() -> None:
    for number in range(0x80090300, 0x80090360):
        under = spnego.exceptions.NativeError("x", winerror=number)
        diagnosis.kerberos(spnego.exceptions.SpnegoError(base_error=under), "who")


def test_every_trouble_comes_about(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that no answer leads to is a cause that nobody is ever told."""
    seen = set()
    after = Diagnosis.after

    def noted(self: Diagnosis, tried: str, more: str = "") -> GatewayError:
        seen.add(self)
        return after(self, tried, more)

    monkeypatch.setattr(Diagnosis, "after", noted)
    numbers = [number for number in errno.errorcode if number != errno.ETIMEDOUT]
    names = {getattr(socket, name) for name in dir(socket) if name.startswith("EAI_")}
    for error in (*(OSError(number, "x") for number in numbers), *(socket.gaierror(name, "x") for name in names)):
        diagnosis.connecting(error, "gw", 1)
    diagnosis.connecting(TimeoutError(), "gw", 1)
    diagnosis.connecting(UnicodeError(), "gw", 1)
    for reason in ("WRONG_VERSION_NUMBER", "UNSUPPORTED_PROTOCOL", "UNEXPECTED_EOF_WHILE_READING"):
        diagnosis.securing(tls(reason), "gw", 1)
    for code in range(70):
        diagnosis.securing(untrusted(code), "gw", 1)
    diagnosis.securing(TimeoutError(), "gw", 1)
    alert, banner = http.client.BadStatusLine("\x15\x03"), http.client.BadStatusLine("SSH")
    for broken in (alert, banner, OSError(errno.EPIPE, "x")):
        for first in (True, False):
            diagnosis.breaking(broken, first=first, tls=False)
    for code in range(200, 600):
        diagnosis.status(code, "")
        diagnosis.status(code, "Microsoft-HTTPAPI/2.0")
    for number in (*range(1, 2000), *range(0x80338000, 0x80338200), 0x80080005, 0x80090311):
        diagnosis.fault((number,), "", "x")
    for number in (*range(250), *range(SECOND, SECOND + 14)):
        diagnosis.kerberos(GssError(number), "who")
        diagnosis.kerberos(GssError(number), "who", "192.0.2.1")
    diagnose_windows_kerberos()
    for transport in ("ntlm", "basic", "kerberos"):
        diagnosis.refused(transport, "who", None)
    for made in (diagnosis.late, diagnosis.too_much, diagnosis.waited):
        made()
    diagnosis.silent(1)
    diagnosis.trickling(1)
    assert {one.message for one in every_trouble() - seen} == set()


def test_of_every_trouble_it_is_known_whether_nothing_accepted_a_connection() -> None:
    assert sorted((one.message, one.absent) for one in every_trouble()) == sorted(ABSENT)


def test_nothing_but_a_trouble_says_that_nothing_accepted_a_connection() -> None:
    """Neither an error that is made elsewhere, nor a trouble that is made in a function, where no table has it."""
    for path in sorted(Path(diagnosis.__file__).parents[2].rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        inner = {id(one) for function in ast.walk(tree) if isinstance(function, ast.FunctionDef | ast.Lambda)
                 for one in ast.walk(function)}  # fmt: skip
        for call in (one for one in ast.walk(tree) if isinstance(one, ast.Call)):
            name = ast.unparse(call.func).rpartition(".")[2]
            says = [ast.unparse(one.value) for one in call.keywords if one.arg == "absent"]
            assert name != "Diagnosis" or id(call) not in inner, f"{path.name}:{call.lineno}"
            assert says in ([], ["self.absent"], ["error.absent"]) or (name, path.parent.name) == (
                "Diagnosis",
                "diagnosis",
            )


def black_hole(stack: ExitStack, address: str = "127.0.0.1") -> int:
    """A port that answers no connection: its queue is full, as where packets are dropped."""
    listener = stack.enter_context(socket.socket())
    listener.bind((address, 0))
    listener.listen(0)
    port: int = listener.getsockname()[1]
    for _ in range(2):
        one = stack.enter_context(socket.socket())
        one.setblocking(False)
        one.connect_ex((address, port))
    return port


def shut() -> int:
    """A port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


# 127.255.255.255 is loopback's broadcast address, to which there is no way.
@pytest.mark.parametrize(
    ("addresses", "words", "absent"),
    [
        (["127.255.255.255"], "no way there", True),
        (["hole"], "no answer", True),
        (["shut"], "refused", False),
        (["127.255.255.255", "hole"], "no way there", True),
        # One of a name's addresses that answers is enough to know that it is on, whichever comes last.
        (["shut", "127.255.255.255"], "refused", False),
        (["127.255.255.255", "shut"], "refused", False),
        (["shut", "hole"], "refused", False),
    ],
)
def test_by_all_of_its_addresses_it_is_told_whether_anything_accepts(
    addresses: list[str], words: str, absent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        ports = {"hole": lambda: black_hole(stack), "shut": shut}
        found = [("127.0.0.1", ports[one]()) if one in ports else (one, 5985) for one in addresses]
        answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", one) for one in found]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer)
        with pytest.raises(Unreachable, match=words) as caught:
            line.HttpConnection(place(5985, seconds=1.0)).open()
    assert caught.value.absent is absent


def test_what_accepts_and_then_says_nothing_in_tls_is_on() -> None:
    with serving(lambda taken: time.sleep(1)) as port, pytest.raises(TimedOut, match="said nothing in TLS") as caught:
        line.HttpConnection(place(port, ssl.create_default_context(), seconds=0.3)).open()
    assert not caught.value.absent


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
    said = diagnosis.status(code, server)
    assert type(said) is kind
    assert words in said.message
    assert said.message.startswith(f"HTTP status {code}")
