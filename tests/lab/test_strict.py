"""What Windows answers to what is wrong, unusual or forbidden, and the lab with it.

The facts: [MS-WSMV], [MS-NLMP], and answers of real machines that pypsrp keeps (tests/tests_pypsrp/responses).
"""

import uuid
from collections.abc import Mapping
from xml.etree import ElementTree as ET

import pytest
from pypsrp.exceptions import WSManFaultError as PsrpFault
from pypsrp.shell import Process, WinRS
from pypsrp.wsman import WSMan
from winrm.exceptions import WSManFaultError
from winrm.protocol import Protocol

from provisioner.lab import Handle
from provisioner.transport.http import IDENTIFY
from tests.lab.strict import lab, plainly, protocol

__all__ = ["lab", "protocol"]  # fixtures


ACTIONS = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"


TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"


CMD = f"{ACTIONS}/cmd"


RSP = f"{{{ACTIONS}}}"


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
