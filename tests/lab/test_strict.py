"""What Windows answers to what is wrong, unusual or forbidden, and the lab with it.

The facts: [MS-WSMV], [MS-NLMP], and answers of real machines that pypsrp keeps (tests/tests_pypsrp/responses).
"""

import base64
import socket
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPMessage, HTTPSConnection
from pathlib import Path
from ssl import create_default_context
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import spnego
from pypsrp.exceptions import WSManFaultError as PsrpFault
from pypsrp.shell import Process, WinRS
from pypsrp.wsman import WSMan
from spnego._ntlm_raw.messages import AvId, Challenge, NegotiateFlags
from winrm import Session
from winrm.exceptions import InvalidCredentialsError, WinRMTransportError, WSManFaultError
from winrm.protocol import Protocol

from provisioner.evidence.answer import parse
from provisioner.evidence.question import question, script
from provisioner.lab import Handle, running
from provisioner.model import Gateway, Role
from provisioner.model.settings import Connection, Settings
from provisioner.transport import winrm
from provisioner.transport.credentials import LoginGuard
from provisioner.transport.http import IDENTIFY
from provisioner.transport.session import Login

ACTIONS = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
CMD = f"{ACTIONS}/cmd"
RSP = f"{{{ACTIONS}}}"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handle]:
    with running(tmp_path_factory.mktemp("strict"), [{"practice": "A10001"}]) as handle:
        yield handle


@pytest.fixture(scope="module")
def weakened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handle]:
    with running(tmp_path_factory.mktemp("weak"), [{"practice": "A10001"}], allow_unencrypted=True) as handle:
        yield handle


def pywinrm(lab: Handle, *, tls: bool = True, **options: Any) -> Protocol:
    place = f"https://127.0.0.1:{lab.tls_port}" if tls else f"http://127.0.0.1:{lab.port}"
    account = {"transport": "basic", "username": lab.user, "password": lab.password}
    given = {**account, "proxy": None, "ca_trust_path": str(lab.ca_file), **options}
    return Protocol(f"{place}/A10001/wsman", **given)


@pytest.fixture
def protocol(lab: Handle) -> Iterator[Protocol]:
    found = pywinrm(lab)
    yield found
    found.transport.close_session()


def envelope(action: str, body: str = "", shell: str = "", *, resource: str = CMD, more: str = "") -> str:
    """A request as clients send it."""
    selector = f'<w:SelectorSet><w:Selector Name="ShellId">{shell}</w:Selector></w:SelectorSet>' if shell else ""
    return (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:x="urn:of-nobody"'
        ' xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:rsp="' + ACTIONS + '"'
        ' xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"'
        ' xmlns:p="http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd"><s:Header>'
        f'<a:Action s:mustUnderstand="true">{action}</a:Action><a:MessageID>uuid:{uuid.uuid4()}</a:MessageID>'
        f'<w:ResourceURI s:mustUnderstand="true">{resource}</w:ResourceURI>{more}{selector}</s:Header>'
        f"<s:Body>{body}</s:Body></s:Envelope>"
    )


def asked(protocol: Protocol, message: str) -> ET.Element:
    return ET.fromstring(protocol.send_message(message))


def fault(protocol: Protocol, message: str) -> tuple[int | None, str | None]:
    with pytest.raises(WSManFaultError) as raised:
        protocol.send_message(message)
    return raised.value.wsman_fault_code, raised.value.fault_subcode


# WS-Management


def test_create_answers_with_all_that_windows_says_of_a_shell(lab: Handle, protocol: Protocol) -> None:
    found = asked(protocol, envelope(f"{TRANSFER}/Create", "<rsp:Shell/>"))
    shell = found.find(f".//{RSP}Shell")
    assert shell is not None
    names = [element.tag.removeprefix(RSP) for element in shell]
    assert names == [
        *("ShellId", "ResourceUri", "Owner", "ClientIP", "IdleTimeOut"),
        *("InputStreams", "OutputStreams", "ShellRunTime", "ShellInactivity"),
    ]
    said = {name: element.text or "" for name, element in zip(names, shell, strict=True)}
    assert (said["Owner"], said["ClientIP"], said["IdleTimeOut"]) == (lab.user, "127.0.0.1", "PT7200.000S")
    address = found.findtext(".//{http://schemas.xmlsoap.org/ws/2004/08/addressing}Address")
    assert address == f"https://127.0.0.1:{lab.tls_port}/A10001/wsman"
    protocol.close_shell(said["ShellId"], close_session=False)


def stream(name: str = "") -> str:
    command = f' CommandId="{name}"' if name else ""
    return f"<rsp:Receive><rsp:DesiredStream{command}>stdout stderr</rsp:DesiredStream></rsp:Receive>"


NOBODY = "87E77BEB-6761-4C48-9D70-A00266B8459A"
SELECTORS = (2150858843, "w:InvalidSelectors")
HEADERS = (2150858767, "a:InvalidMessageInformationHeader")
RECEIVE = f"{ACTIONS}/Receive"
WRONG: dict[str, tuple[str, Mapping[str, str], tuple[int, str]]] = {
    "output of an unknown command": (RECEIVE, {"body": stream(NOBODY)}, SELECTORS),
    "output of no command": (RECEIVE, {"body": stream()}, (87, "w:InvalidParameter")),
    "input for an unknown command": (
        f"{ACTIONS}/Send",
        {"body": f'<rsp:Send><rsp:Stream Name="stdin" CommandId="{NOBODY}"/></rsp:Send>'},
        SELECTORS,
    ),
    "a signal for an unknown command": (
        f"{ACTIONS}/Signal",
        {"body": f'<rsp:Signal CommandId="{NOBODY}"><rsp:Code>{ACTIONS}/signal/terminate</rsp:Code></rsp:Signal>'},
        SELECTORS,
    ),
    "an unknown shell": (RECEIVE, {"body": stream(NOBODY), "shell": NOBODY}, SELECTORS),
    "no shell": (RECEIVE, {"body": stream(NOBODY), "shell": ""}, (2150858842, "w:InvalidSelectors")),
    "a shell that is not there is closed": (f"{TRANSFER}/Delete", {"shell": NOBODY}, SELECTORS),
    "no such resource": (RECEIVE, {"resource": "urn:none"}, (2150858752, "a:DestinationUnreachable")),
    "no resource": (RECEIVE, {"resource": ""}, (2150858811, "a:DestinationUnreachable")),
    "no such action": (f"{ACTIONS}/Explode", {}, (2150858771, "a:ActionNotSupported")),
    "an action of another namespace": ("urn:none/Receive", {}, (2150858771, "a:ActionNotSupported")),
    "a header that must be understood": (
        RECEIVE,
        {"more": '<x:Odd s:mustUnderstand="true"/>'},
        (2150858768, "w:UnsupportedFeature"),
    ),
    "a language that must be understood": (
        RECEIVE,
        {"more": '<w:Locale s:mustUnderstand="true" xml:lang="cy"/>'},
        (2150858887, "w:UnsupportedFeature"),
    ),
    "an answer of less than 8 KiB": (
        RECEIVE,
        {"more": "<w:MaxEnvelopeSize>8191</w:MaxEnvelopeSize>"},
        (2150858878, "w:EncodingLimit"),
    ),
    "a time of less than nothing": (RECEIVE, {"more": "<w:OperationTimeout>PT-1S</w:OperationTimeout>"}, HEADERS),
    "a time that is none": (RECEIVE, {"more": "<w:OperationTimeout>soon</w:OperationTimeout>"}, HEADERS),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_has_windows_number(name: str, protocol: Protocol) -> None:
    action, given, expected = WRONG[name]
    shell = protocol.open_shell()
    assert fault(protocol, envelope(action, **{"shell": shell, **given})) == expected
    protocol.close_shell(shell, close_session=False)


def test_headers_that_need_not_be_understood_are_passed_over(protocol: Protocol) -> None:
    more = '<x:Odd/><w:Locale s:mustUnderstand="false" xml:lang="cy"/><p:SessionId s:mustUnderstand="true"/>'
    shell = asked(protocol, envelope(f"{TRANSFER}/Create", "<rsp:Shell/>", more=more)).findtext(f".//{RSP}ShellId")
    assert shell
    protocol.close_shell(shell, close_session=False)


def test_pypsrp_is_told_of_a_command_that_there_is_not(lab: Handle) -> None:
    wsman = WSMan(
        "127.0.0.1", port=lab.tls_port, path="A10001/wsman", username=lab.user, password=lab.password, auth="basic",
        ssl=True, cert_validation=str(lab.ca_file), no_proxy=True,  # type: ignore[arg-type]
    )  # fmt: skip
    with wsman, WinRS(wsman) as shell:
        process = Process(shell, "hostname")
        process.invoke()
        process.signal("http://schemas.microsoft.com/wbem/wsman/1/windows/shell/signal/terminate")
        with pytest.raises(PsrpFault, match="command identifier that does not exist") as raised:
            process.signal("http://schemas.microsoft.com/wbem/wsman/1/windows/shell/signal/terminate")
    assert raised.value.code == 2150858843


def test_output_is_given_once_and_a_command_counts_until_it_is_signalled(protocol: Protocol) -> None:
    shell = protocol.open_shell()
    command = protocol.run_command(shell, "hostname")
    protocol.get_command_output(shell, command)
    assert fault(protocol, envelope(RECEIVE, stream(command), shell)) == SELECTORS
    protocol.cleanup_command(shell, command)
    protocol.close_shell(shell, close_session=False)


def test_identify_tells_of_its_version_only_to_who_is_in(lab: Handle, protocol: Protocol) -> None:
    inside = protocol.transport.send_message(IDENTIFY)
    build = lab.state()["A10001"]["windows"]["build"]
    assert f"OS: 10.0.{build} SP: 0.0 Stack: 3.0".encode() in inside
    assert b"secprofile/https/basic" in inside
    status, _, outside = plainly(lab, "POST", body=b"<x/>", headers={"WSMANIDENTIFY": "unauthenticated"})
    assert (status, b"OS: 0.0.0 SP" in outside, b"SecurityProfiles" in outside) == (200, True, False)


# HTTP


def plainly(
    lab: Handle, method: str, path: str = "/A10001/wsman", *, body: bytes = b"", headers: Mapping[str, str] = {}
) -> tuple[int, HTTPMessage, bytes]:
    with closing(HTTPConnection("127.0.0.1", lab.port, timeout=10)) as connection:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT"])
def test_nothing_is_taken_but_post(lab: Handle, method: str) -> None:
    status, headers, _ = plainly(lab, method)
    assert (status, headers["Allow"], headers["Server"]) == (405, "POST", "Microsoft-HTTPAPI/2.0")


@pytest.mark.parametrize("path", ["/wsman", "/A10001", "/A10001/wsman/more", "/NONE/wsman"])
def test_nothing_is_at_another_path(lab: Handle, path: str) -> None:
    status, headers, _ = plainly(lab, "POST", path)
    assert (status, headers["Server"]) == (404, "Microsoft-HTTPAPI/2.0")


def test_pywinrms_session_is_told_that_nothing_is_where_it_asks(lab: Handle) -> None:
    """It drops every path but /wsman: docs/architecture.md, "The lab", says which clients can tell gateways apart."""
    session = Session(f"https://127.0.0.1:{lab.tls_port}/A10001/wsman", auth=("x", "y"), ca_trust_path=str(lab.ca_file))
    with pytest.raises(WinRMTransportError) as raised:
        session.protocol.open_shell()
    session.protocol.transport.close_session()
    assert raised.value.code == 404


def authorization(lab: Handle) -> str:
    return "Basic " + base64.b64encode(f"{lab.user}:{lab.password}".encode()).decode()


def said(lab: Handle, head: str, *pieces: bytes) -> bytes:
    """What comes back, over TLS, to bytes that are written piece by piece; each piece waits for an answer."""
    context = create_default_context(cafile=str(lab.ca_file))
    with (
        socket.create_connection(("127.0.0.1", lab.tls_port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as line,
    ):
        line.sendall(head.replace("\n", "\r\n").encode())
        answer = b""
        for piece in pieces:
            answer += line.recv(65_536)
            line.sendall(piece)
        while b"\r\n\r\n" not in answer or b"</s:Envelope>" not in answer:
            found = line.recv(65_536)
            if not found:
                break
            answer += found
        return answer


def test_a_body_in_chunks_is_taken(lab: Handle) -> None:
    head = (
        f"POST /A10001/wsman HTTP/1.1\nHost: x\nAuthorization: {authorization(lab)}\nTransfer-Encoding: chunked\n"
        f"Content-Type: application/soap+xml;charset=UTF-8\n\n{len(IDENTIFY):x}\n{IDENTIFY.decode()}\n0\n\n"
    )
    assert b"IdentifyResponse" in said(lab, head)


def test_who_waits_to_be_told_to_go_on_is_told(lab: Handle) -> None:
    head = (
        f"POST /A10001/wsman HTTP/1.1\nHost: x\nAuthorization: {authorization(lab)}\nExpect: 100-continue\n"
        f"Content-Type: application/soap+xml;charset=UTF-8\nContent-Length: {len(IDENTIFY)}\n\n"
    )
    answer = said(lab, head, IDENTIFY)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert b"IdentifyResponse" in answer


def test_http_1_0_is_answered_and_the_line_closed(lab: Handle) -> None:
    head = (
        f"POST /A10001/wsman HTTP/1.0\nAuthorization: {authorization(lab)}\n"
        f"Content-Type: application/soap+xml;charset=UTF-8\nContent-Length: {len(IDENTIFY)}\n\n{IDENTIFY.decode()}"
    )
    assert b"IdentifyResponse" in said(lab, head)


@pytest.mark.parametrize(
    ("body", "status"), [(b"", 200), (b"<not xml", 400), (b"<x/>", 400), (b"\xff\xfe\x00", 400)], ids=str
)
def test_what_is_no_envelope(lab: Handle, body: bytes, status: int) -> None:
    context = create_default_context(cafile=str(lab.ca_file))
    with closing(HTTPSConnection("127.0.0.1", lab.tls_port, timeout=10, context=context)) as connection:
        # One line for both: after what it could not read it still listens.
        for sent, expected in ((body, status), (IDENTIFY, 200)):
            connection.request("POST", "/A10001/wsman", sent, {"Authorization": authorization(lab)})
            answer = connection.getresponse()
            content = answer.read()
            assert answer.status == expected
        assert b"IdentifyResponse" in content


# Log-ins


def offered(lab: Handle, *, tls: bool) -> list[str]:
    context = create_default_context(cafile=str(lab.ca_file))
    made: Callable[[], HTTPConnection] = lambda: (  # noqa: E731
        HTTPSConnection("127.0.0.1", lab.tls_port, timeout=10, context=context)
        if tls
        else HTTPConnection("127.0.0.1", lab.port, timeout=10)
    )
    with closing(made()) as connection:
        connection.request("POST", "/A10001/wsman", b"")
        answer = connection.getresponse()
        assert answer.status == 401
        return answer.headers.get_all("WWW-Authenticate") or []


BASIC = 'Basic realm="WSMAN"'


def test_basic_is_offered_and_taken_over_tls_alone(lab: Handle) -> None:
    assert offered(lab, tls=True) == ["Negotiate", BASIC]
    assert offered(lab, tls=False) == ["Negotiate"]
    before = len(lab.events())
    protocol = pywinrm(lab, tls=False)
    with pytest.raises(InvalidCredentialsError):
        protocol.open_shell()
    protocol.transport.close_session()
    assert lab.events()[before:] == [], "nothing was asked of the account: no refusal is in the Security log"


@pytest.mark.parametrize("options", [{}, {"transport": "ntlm", "message_encryption": "never"}], ids=["basic", "ntlm"])
def test_a_weakened_lab_takes_what_is_not_sealed(weakened: Handle, options: dict[str, Any]) -> None:
    assert offered(weakened, tls=False) == ["Negotiate", BASIC]
    protocol = pywinrm(weakened, tls=False, **options)
    protocol.close_shell(protocol.open_shell())


def test_a_weakened_lab_says_so_to_the_product(weakened: Handle) -> None:
    """The product's own Basic: over HTTPS, or to 127.0.0.0/8."""
    gateway = Gateway(
        name="A10001", practice="A10001", practice_name="", address="127.0.0.1", port=weakened.port,
        path="/A10001/wsman", role=Role.ACTIVE,
    )  # fmt: skip
    connection = Connection(transport="basic", tls=False)
    login = Login(transport="basic", user=weakened.user, password=weakened.password, turn=LoginGuard().turn)
    caller = winrm.Caller(connection=connection, tls=winrm.tls_context(connection, Path()), login=login)
    settings = Settings(version=1, endpoints=("192.0.2.5",))
    data, errors, _ = parse(winrm.run(gateway, caller, script(), question(settings, ("winrm",))))
    assert errors == {}
    assert (data["winrm"]["basic"], data["winrm"]["allow_unencrypted"]) == (True, True)


def challenge(lab: Handle) -> Challenge:
    client = spnego.client("x", "y", hostname="127.0.0.1", service="http", protocol="ntlm")
    first = base64.b64encode(client.step() or b"").decode()
    _, headers, _ = plainly(lab, "POST", headers={"Authorization": f"Negotiate {first}"})
    return Challenge.unpack(base64.b64decode(headers["WWW-Authenticate"].partition(" ")[2]))


def test_the_challenge_names_the_pc_and_its_domain_and_not_who_pretends(lab: Handle) -> None:
    found = challenge(lab)
    pairs = found.target_info
    assert pairs is not None
    assert found.target_name == "LAB"
    assert found.flags & NegotiateFlags.target_type_domain
    assert not found.flags & NegotiateFlags.target_type_server
    names = ("nb_domain_name", "nb_computer_name", "dns_domain_name", "dns_computer_name", "dns_tree_name")
    assert {name: pairs[AvId[name]] for name in names} == {
        "nb_domain_name": "LAB",
        "nb_computer_name": "GWPC-A10001",
        "dns_domain_name": "gp.example.nhs.uk",
        "dns_computer_name": "GWPC-A10001.gp.example.nhs.uk",
        "dns_tree_name": "gp.example.nhs.uk",
    }
    assert socket.gethostname().encode("utf-16-le") not in found.pack()


def test_the_challenge_of_another_pc_names_that_one(lab: Handle) -> None:
    lab.set("A10001", "wrong_machine=OTHER-PC-WITH-A-LONG-NAME")
    pairs = challenge(lab).target_info
    lab.set("A10001", "none")
    assert pairs is not None
    assert pairs[AvId.nb_computer_name] == "OTHER-PC-WITH-A"


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(
    "user", ["LAB\\provisioner", "lab\\PROVISIONER", "provisioner", "provisioner@gp.example.nhs.uk",
             "gp.example.nhs.uk\\provisioner"],
)  # fmt: skip
def test_ntlm_takes_every_name_of_the_account(lab: Handle, user: str, tls: bool) -> None:
    protocol = pywinrm(lab, tls=tls, transport="ntlm", username=user)
    protocol.close_shell(protocol.open_shell())


@pytest.mark.parametrize("user", [".\\provisioner", "GWPC-A10001\\provisioner", "OTHER\\provisioner", "provisione"])
def test_ntlm_takes_no_account_of_another_place(lab: Handle, user: str) -> None:
    protocol = pywinrm(lab, tls=False, transport="ntlm", username=user)
    with pytest.raises(InvalidCredentialsError):
        protocol.open_shell()
    protocol.transport.close_session()


def test_a_client_that_takes_the_domain_from_the_challenge_gets_in(lab: Handle) -> None:
    """As Azure's go-ntlmssp did until November 2025, by which masterzen/winrm and what is built on it log in: whatever
    domain they are given, they send the name of the target."""
    user = f"{challenge(lab).target_name}\\provisioner"
    protocol = pywinrm(lab, tls=False, transport="ntlm", username=user)
    protocol.close_shell(protocol.open_shell())
