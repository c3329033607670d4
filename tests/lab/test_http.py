"""What Windows answers to HTTP that is wrong or unusual, and whom it lets in and by what name."""

import base64
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from ssl import create_default_context
from typing import Any

import pytest
import spnego
from spnego._ntlm_raw.messages import AvId, Challenge, NegotiateFlags
from winrm import Session
from winrm.exceptions import InvalidCredentialsError, WinRMTransportError

from provisioner.evidence.answer import parse
from provisioner.evidence.question import question, script
from provisioner.lab import Handle, running
from provisioner.model import Gateway, Role
from provisioner.model.settings import Connection, Settings
from provisioner.transport import winrm
from provisioner.transport.credentials import LoginGuard
from provisioner.transport.http import IDENTIFY
from provisioner.transport.session import Login
from tests.lab.strict import lab, plainly, protocol, pywinrm, said

__all__ = ["lab", "protocol"]  # fixtures


@pytest.fixture(scope="module")
def weakened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handle]:
    with running(tmp_path_factory.mktemp("weak"), [{"practice": "A10001"}], allow_unencrypted=True) as handle:
        yield handle


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
    data, errors, _ = parse(winrm.run(gateway, caller, script().encode(), question(settings, ("winrm",))))
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
