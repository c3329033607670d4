"""Each way of not getting in, told apart: by real TLS and sockets where these say it, else by its number."""

import ast
import errno
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
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from provisioner import line, troubles
from provisioner.errors import BadAnswer, GatewayError, Refused, TimedOut, Unreachable
from provisioner.troubles import Trouble

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


# Whether nothing accepted a connection, by the words of every trouble that there is. Where it is True, a person's
# statement that the PC is switched off fences its Connector: a new trouble must be thought about before it is here.
ABSENT = [
    ("", False),  # an error of the system by its own words
    ("", False),  # a line that broke
    ("a wrong password, or an account that is locked, disabled or of a domain (Basic takes local ones only)", False),
    ("a wrong password, or an account that is locked, disabled, expired or not allowed there (NTLM does not say "
     "which)", False),
    ("another computer answers than the one that the domain knows by this name", False),
    ("its TLS is too old or too weak for this computer", False),
    ("its certificate has expired", False),
    ("its certificate is for another name", False),
    ("its certificate is not trusted", False),
    ("its certificate is not valid yet", False),
    ("its certificate was revoked", False),
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
    ("the password is wrong", False),
    ("the realm is another one", False),
    ("the ticket has expired", False),
    ("there is no encryption that both take", False),
    ("there is no ticket", False),
    ("this computer has no connection left", False),
    ("what it says is no HTTP", False),
    ("which WinRM never says", False),
    ("which is how Windows answers what it cannot open", False),
    ("which is not WinRM", False),
    ("WinRM has no room", False),
    ("WinRM or the PC is being stopped", False),
    ("without saying why", False),
]  # fmt: skip


def every_trouble() -> set[Trouble]:
    """All of the module, in its tables and beside them."""
    found = set()
    for one in vars(troubles).values():
        found |= {each for each in (one.values() if isinstance(one, Mapping) else [one]) if isinstance(each, Trouble)}
    return found


def test_of_every_trouble_it_is_known_whether_nothing_accepted_a_connection() -> None:
    assert sorted((one.message, one.absent) for one in every_trouble()) == sorted(ABSENT)


def test_nothing_but_a_trouble_says_that_nothing_accepted_a_connection() -> None:
    """Neither an error that is made elsewhere, nor a trouble that is made in a function, where no table has it."""
    for path in sorted(Path(troubles.__file__).parent.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        inner = {id(one) for function in ast.walk(tree) if isinstance(function, ast.FunctionDef | ast.Lambda)
                 for one in ast.walk(function)}  # fmt: skip
        for call in (one for one in ast.walk(tree) if isinstance(one, ast.Call)):
            name = ast.unparse(call.func).rpartition(".")[2]
            says = [ast.unparse(one.value) for one in call.keywords if one.arg == "absent"]
            assert name != "Trouble" or id(call) not in inner, f"{path.name}:{call.lineno}"
            assert says in ([], ["self.absent"], ["error.absent"]) or (name, path.name) == ("Trouble", "troubles.py")


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
            line.Line(place(5985, seconds=1.0)).open()
    assert caught.value.absent is absent


def test_what_accepts_and_then_says_nothing_in_tls_is_on() -> None:
    with serving(lambda taken: time.sleep(1)) as port, pytest.raises(TimedOut, match="said nothing in TLS") as caught:
        line.Line(place(port, ssl.create_default_context(), seconds=0.3)).open()
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
        (f"Task failed: {troubles.NOT_TRIED}in whatever words", True),
        ("Task failed: no log-in was tried here: 5 others were refused with this account", False),
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


def test_what_our_two_sides_tell_each_other_is_a_mark_and_no_sentence() -> None:
    plugin = (Path(__file__).parent.parent / "plugins" / "connection" / "guarded_winrm.py").read_text("utf-8")
    assert "from provisioner.troubles import BROKE" in plugin
    said = f"Task failed: {troubles.BROKE}in whatever words"
    assert troubles.broke(said)
    assert not troubles.broke("Task failed: the connection broke in the middle of a task: reset")
    assert troubles.unmarked(said) == "Task failed: in whatever words"
