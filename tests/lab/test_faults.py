"""Each fault that a pretend gateway can have: what a client meets there."""

import json
from collections.abc import Callable
from contextlib import closing as closed
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection

import pytest
from requests.exceptions import ConnectionError as NoConnection
from requests.exceptions import ReadTimeout
from winrm.exceptions import (
    InvalidCredentialsError,
    WinRMTransportError,
    WSManFaultError,
)
from winrm.protocol import Protocol

from provisioner.lab import Handle
from provisioner.transport.http import IDENTIFY
from tests.fixtures.evidence import VALIDATOR
from tests.lab.winrm import (
    asked,
    closing,
    document,
    fleet,
    has_variable,
    lab,
    protocol,
    pywinrm,
    read,
    refused,
    run,
    set_variable,
)

__all__ = ["fleet", "lab", "protocol"]  # fixtures


def test_offline_breaks_every_connection_to_that_gateway_alone(lab: Handle) -> None:
    lab.set("A10001", "offline")
    protocol = pywinrm(lab, transport="basic")
    with pytest.raises(NoConnection):
        protocol.open_shell()
    closing(protocol)
    other = pywinrm(lab, "A20001", transport="basic")
    assert run(other, "hostname")[2] == 0
    closing(other)


def test_refuses_login(lab: Handle) -> None:
    lab.set("A10001", "refuses_login")
    for transport in ("ntlm", "basic"):
        protocol = pywinrm(lab, transport=transport)
        with pytest.raises(InvalidCredentialsError):
            protocol.open_shell()
        closing(protocol)


def test_a_locked_account_looks_like_a_wrong_password_but_for_the_gateways_own_log(lab: Handle) -> None:
    lab.set("A10001", "locked_account")
    for transport in ("ntlm", "basic"):
        protocol = pywinrm(lab, transport=transport)
        with pytest.raises(InvalidCredentialsError):
            protocol.open_shell()
        closing(protocol)
        assert lab.events()[-1]["sub_status"] == "0xC0000234"


@pytest.mark.parametrize(
    ("fault", "offered"),
    [
        ("wrong_transport", ["Kerberos"]),
        ("wrong_transport=negotiate", ["Negotiate"]),
        ("wrong_transport=basic", ['Basic realm="WSMAN"']),
        ("none", ["Negotiate"]),
    ],
)
def test_the_ways_of_logging_in_that_are_offered(lab: Handle, fault: str, offered: list[str]) -> None:
    lab.set("A10001", fault)
    assert asked(lab)[1].get_all("WWW-Authenticate") == offered


def test_a_gateway_that_takes_basic_only_takes_no_ntlm(lab: Handle) -> None:
    lab.set("A10001", "wrong_transport=basic")
    before = len(refused(lab))
    protocol = pywinrm(lab)
    with pytest.raises(InvalidCredentialsError):
        protocol.open_shell()
    closing(protocol)
    assert len(refused(lab)) == before
    protocol = pywinrm(lab, transport="basic")
    assert run(protocol, "hostname")[2] == 0
    closing(protocol)


def test_no_rights(lab: Handle, protocol: Protocol) -> None:
    lab.set("A10001", "no_rights")
    with pytest.raises(WSManFaultError) as raised:
        protocol.open_shell()
    assert (raised.value.wsman_fault_code, raised.value.fault_subcode) == (5, "w:AccessDenied")


@pytest.mark.parametrize(("fault", "skew"), [("none", 0), ("clock_skew", 900), ("clock_skew=-3600", -3600)])
def test_a_wrong_clock_is_in_the_headers_too(lab: Handle, fault: str, skew: int) -> None:
    lab.set("A10001", fault)
    for headers in ({}, {"WSMANIDENTIFY": "unauthenticated"}):
        date = parsedate_to_datetime(asked(lab, **headers)[1]["Date"])
        assert abs((date - datetime.now(UTC)).total_seconds() - skew) < 60


@pytest.mark.parametrize(("fault", "status"), [("proxy", 503), ("proxy=407", 407)])
def test_a_proxy_in_between(lab: Handle, fault: str, status: int) -> None:
    lab.set("A10001", fault)
    protocol = pywinrm(lab, transport="basic")
    with pytest.raises(WinRMTransportError) as raised:
        protocol.open_shell()
    closing(protocol)
    assert raised.value.code == status


def test_a_gateway_that_hangs_answers_nothing(lab: Handle) -> None:
    lab.set("A10001", "hangs")
    with closed(HTTPConnection("127.0.0.1", lab.port, timeout=0.2)) as connection:
        connection.request("POST", "/A10001/wsman", b"")
        with pytest.raises(TimeoutError):
            connection.getresponse()


def test_a_gateway_that_hangs_in_the_log_in_answers_what_comes_before_it(lab: Handle) -> None:
    lab.set("A10001", "hangs=login")
    assert asked(lab)[0] == 401
    protocol = pywinrm(lab, read_timeout_sec=2, operation_timeout_sec=1)
    with pytest.raises(ReadTimeout):
        protocol.open_shell()
    closing(protocol)


def test_who_has_logged_in_may_identify_too(lab: Handle) -> None:
    protocol = pywinrm(lab, transport="basic")
    assert b"IdentifyResponse" in protocol.transport.send_message(IDENTIFY)
    closing(protocol)


def test_shell_quota(lab: Handle, protocol: Protocol) -> None:
    lab.set("A10001", "shell_quota")
    with pytest.raises(WSManFaultError) as raised:
        protocol.open_shell()
    assert raised.value.wsman_fault_code == 2150859173


@pytest.mark.parametrize(("fault", "there"), [("drops_midway=before", False), ("drops_midway=after", True)])
def test_the_line_breaks_where_something_changes(lab: Handle, fault: str, there: bool) -> None:
    lab.set("A10001", fault)
    protocol = pywinrm(lab, transport="basic")
    assert document(read(protocol))
    assert set_variable(protocol, _ansible_check_mode=True)["changed"]
    with pytest.raises(NoConnection):
        set_variable(protocol)
    assert has_variable(lab) is there
    lab.set("A10001", "none")
    assert set_variable(protocol, state="absent")["changed"] is there
    closing(protocol)


def test_the_line_breaks_at_every_command(lab: Handle) -> None:
    lab.set("A10001", "drops_midway")
    protocol = pywinrm(lab, transport="basic")
    with pytest.raises(NoConnection):
        read(protocol)
    closing(protocol)


def _nothing(answer: bytes) -> None:
    assert answer == b""


def _no_markers(answer: bytes) -> None:
    assert b"#evidence end" not in answer


def _not_json(answer: bytes) -> None:
    said = answer.partition(b"#evidence begin\r\n")[2].partition(b"\r\n#evidence end")[0]
    assert said
    with pytest.raises(json.JSONDecodeError):
        json.loads(said)


def _not_utf8(answer: bytes) -> None:
    assert "Caer\u00ebinion" in answer.decode("cp437")
    with pytest.raises(UnicodeDecodeError):
        answer.decode("utf-8")


def _with_html(answer: bytes) -> None:
    found = document(answer)
    VALIDATOR.validate(found)
    assert found["sections"]["identity"]["data"]["computer_name"].startswith("<script>")


def _with_formulas(answer: bytes) -> None:
    found = document(answer)
    VALIDATOR.validate(found)
    assert found["sections"]["identity"]["data"]["computer_name"].startswith("=HYPERLINK")


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        ("empty", _nothing),
        ("cut", _no_markers),
        ("notjson", _not_json),
        ("codepage", _not_utf8),
        ("html", _with_html),
        ("formulas", _with_formulas),
    ],
)
def test_garbage(lab: Handle, protocol: Protocol, kind: str, check: Callable[[bytes], None]) -> None:
    lab.set("A10001", f"garbage={kind}")
    check(read(protocol))
