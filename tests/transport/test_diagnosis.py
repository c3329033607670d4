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
from tests.transport.gss import GssError


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


# Whether nothing accepted a connection, by the words of every trouble that there is. Where it is True, a person's
# statement that the PC is switched off fences its Connector: a new trouble must be thought about before it is here.
ABSENT = [
    ("", False),  # an error of the system by its own words
    ("", False),  # a line that broke
    ("", False),  # an error of Kerberos by its own words
    ("a wrong password, or an account that is locked, disabled or of a domain (Basic takes local ones only)", False),
    ("a wrong password, or an account that is locked, disabled, expired or not allowed there (NTLM does not say "
     "which)", False),
    ("another computer answers than the one that the domain knows by this name", False),
    ("its TLS is too old or too weak for this computer", False),
    ("its WinRM has no command shell to offer", False),
    ("its WinRM takes no message of that size", False),
    ("its certificate has expired", False),
    ("its certificate is for another name", False),
    ("its certificate is not trusted", False),
    ("its certificate is not valid yet", False),
    ("its certificate was revoked", False),
    ("its disk is full", False),
    ("its domain controller does not answer it", False),
    ("it closed the connection at the first word of TLS", False),
    ("it began to answer, and did not come to an end within ", False),
    ("it hung up at once", False),
    ("it hung up at our first word", False),
    ("it speaks TLS there", False),
    ("it took the connection, and said nothing in TLS", False),
    ("it took the connection, and then said nothing for ", False),
    ("its answer is longer than any answer of WinRM's", False),
    ("logged in, but the account has no rights there", False),
    ("no TLS there", False),
    ("no answer", True),
    ("no domain controller answers", False),
    ("no name server answers", False),
    ("no way there", True),
    ("no whole answer before the deadline", False),
    ("our shell there was ended", False),
    ("refused", False),  # a packet came back: that PC is on
    ("remote shells are not allowed there", False),
    ("so WinRM is being started or stopped there", False),
    ("so a proxy is in between that does not get through", False),
    ("so a proxy is in between that wants a log-in", False),
    ("so it takes no message of that size", False),
    ("so nothing is at that path", False),
    ("the PC has lost its trust with the domain", False),
    ("the PC has no memory left", False),
    ("the account has expired", False),
    ("the account is disabled", False),
    ("the account is locked", False),
    ("the account is locked, disabled or expired, or may not log on at this hour (Kerberos does not say which)", False),
    ("the account is restricted there", False),
    ("the account may not log on at this hour", False),
    ("the account may not log on over the network there", False),
    ("the clocks are too far apart", False),
    ("the domain does not know the account", False),
    ("the domain does not know this gateway's name", False),
    ("the domain's policy forbids it", False),
    ("the gateway does not take our ticket", False),
    ("the name has no address", False),
    ("the name is not known", False),  # one that no name server can be asked for
    ("the name is not known", True),
    ("the name or the password is wrong", False),
    ("the password has expired", False),
    ("the password is wrong, or the keytab's key is an older one", False),
    ("the realm is another one", False),
    ("the ticket has expired", False),
    ("there is no encryption that both take", False),
    ("the keytab cannot be read", False),
    ("the keytab has no key of that account", False),
    ("the ticket cache cannot be read", False),
    ("there is no ticket of that account", False),
    ("this computer does not know where that realm's domain controllers are", False),
    ("it is given by its address, and Kerberos knows computers by their names", False),
    ("this computer has no connection left", False),
    ("this computer's Kerberos is not set up", False),
    ("what ran for us there was ended", False),
    ("what it says is no HTTP", False),
    ("which WinRM never says", False),
    ("which is how Windows answers what it cannot open", False),
    ("which is not WinRM", False),
    ("WinRM cannot start its host process there", False),
    ("WinRM gave up waiting for itself", False),
    ("WinRM has no room", False),
    ("WinRM's own configuration there is damaged", False),
    ("WinRM or the PC is being stopped", False),
    ("without saying why", False),
    ("its disk, or its registry, is damaged", False),
    ("a policy there blocks the program in which WinRM works (AppLocker, WDAC, software restriction)", False),
    ("an antivirus there takes what WinRM starts for malicious", False),
    ("Windows has no account here that the domain knows", False),
    ("the account is not known there", False),
    ("the account's domain is not trusted for that PC", False),
]  # fmt: skip


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
    for number in range(230):
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
