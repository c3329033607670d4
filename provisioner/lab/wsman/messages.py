"""WS-Management messages: requests taken apart, answers and faults put together as Windows words them."""

import base64
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
CMD = f"{SHELL}/cmd"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"

_S = "{http://www.w3.org/2003/05/soap-envelope}"
_A = "{http://schemas.xmlsoap.org/ws/2004/08/addressing}"
_W = "{http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd}"
_P = "{http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd}"
RSP = f"{{{SHELL}}}"
_IDENTIFY = "{http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd}Identify"

_FAULT_ACTION = "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault"
_ENVELOPE = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"'
    ' xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"'
    ' xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"'
    ' xmlns:x="http://schemas.xmlsoap.org/ws/2004/09/transfer"'
    f' xmlns:rsp="{SHELL}"><s:Header><a:Action>%s</a:Action><a:MessageID>uuid:%s</a:MessageID>'
    "<a:To>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:To>"
    "<a:RelatesTo>%s</a:RelatesTo></s:Header><s:Body>%s</s:Body></s:Envelope>"
)
_DETAIL = "http://schemas.dmtf.org/wbem/wsman/1/wsman/faultDetail/"
_PROFILES = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile"
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?)?")

# What Windows allows by default for one message, and how long an operation may take at most (MaxTimeoutms), which is
# also what it takes where the client says nothing.
LARGEST_ENVELOPE = 512_000
_OPERATION_SECONDS = 60.0
_SMALLEST_LIMIT = 8_192

# The headers that the service acts upon.
_UNDERSTOOD = frozenset(
    (
        *(f"{_A}{name}" for name in ("Action", "FaultTo", "From", "MessageID", "RelatesTo", "ReplyTo", "To")),
        *(f"{_W}{name}" for name in ("Locale", "MaxEnvelopeSize", "OperationTimeout", "OptionSet", "ResourceURI")),
        f"{_W}SelectorSet",
        *(f"{_P}{name}" for name in ("ActivityId", "DataLocale", "OperationID", "SequenceId", "SessionId")),
    )
)


class Fault(Exception):
    """A WS-Management fault: Windows' number, the SOAP code and subcode, its words, and the last word of its detail's
    URI. `message` is what Windows says more closely in the detail, if that is not the same."""

    def __init__(
        self, number: int, subcode: str, reason: str, *, code: str = "s:Sender", message: str = "", detail: str = ""
    ) -> None:
        super().__init__(reason)
        self.number, self.subcode, self.reason, self.code = number, subcode, reason, code
        self.message, self.detail = message or reason, detail


@dataclass(frozen=True, kw_only=True)
class Client:
    """Who asks: the user that logged in, the address it comes from, and the URL that it called."""

    user: str
    address: str
    url: str


class NotSoap(Exception):
    """A message that is no SOAP envelope."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request. `verb` is the action's last word; `shell` the selector ShellId; `timeout` in seconds;
    `largest` the biggest answer in bytes that the client takes; `wrong` what its headers are answered with."""

    action: str
    verb: str
    message_id: str
    resource: str
    shell: str
    options: Mapping[str, str]
    timeout: float
    largest: int
    body: ET.Element | None
    wrong: Fault | None = None


def read(data: bytes) -> Request:
    """Take a request apart. Errors: NotSoap."""
    try:
        root = ET.fromstring(data)  # noqa: S314 - from loopback, after the log-in
    except ET.ParseError as error:
        raise NotSoap(str(error)) from error
    header, body = root.find(f"{_S}Header"), root.find(f"{_S}Body")
    if root.tag != f"{_S}Envelope" or header is None or body is None:
        raise NotSoap("no SOAP envelope")
    said = {element.tag: (element.text or "").strip() for element in header}
    shell = header.find(f"{_W}SelectorSet/{_W}Selector[@Name='ShellId']")
    action = said.get(f"{_A}Action", "")
    return Request(
        action=action,
        verb=action.rpartition("/")[2],
        message_id=said.get(f"{_A}MessageID", ""),
        resource=said.get(f"{_W}ResourceURI", ""),
        shell="" if shell is None else (shell.text or "").strip().upper(),
        options={option.get("Name", ""): option.text or "" for option in header.iterfind(f"{_W}OptionSet/{_W}Option")},
        timeout=min(duration(said.get(f"{_W}OperationTimeout", ""), _OPERATION_SECONDS), _OPERATION_SECONDS),
        largest=_largest(said.get(f"{_W}MaxEnvelopeSize", "")),
        body=body[0] if len(body) else None,
        wrong=_wrong(header),
    )


def _wrong(header: ET.Element) -> Fault | None:
    """What is wrong with the headers, whatever is asked for ([MS-WSMV] 3.1.4.1.6 to 3.1.4.1.9, SOAP 1.2 5.4.8)."""
    for element in header:
        must = element.get(f"{_S}mustUnderstand", "").lower() in ("true", "1")
        text = (element.text or "").strip()
        if must and element.tag in (f"{_W}Locale", f"{_P}DataLocale"):
            return locale_must_not(element.tag.rpartition("}")[2])
        if must and element.tag not in _UNDERSTOOD:
            return not_understood(element.tag)
        if element.tag == f"{_W}OperationTimeout" and _DURATION.fullmatch(text) is None:
            return invalid_timeout(text)
        if element.tag == f"{_W}MaxEnvelopeSize" and text.isdecimal() and int(text) < _SMALLEST_LIMIT:
            return too_small_a_limit(int(text))
    return None


def duration(text: str, default: float) -> float:
    """Seconds of an XML duration such as PT20S."""
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        return default
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return days * 86_400 + hours * 3_600 + minutes * 60 + seconds


def _largest(text: str) -> int:
    wanted = int(text) if text.isdecimal() else LARGEST_ENVELOPE
    return min(wanted, LARGEST_ENVELOPE)


def answer(request: Request, body: str) -> bytes:
    """The envelope of an answer."""
    return (_ENVELOPE % (f"{request.action}Response", _uuid(), escape(request.message_id), body)).encode()


def fault(fault: Fault, machine: str, message_id: str) -> bytes:
    """The envelope of a fault."""
    reason = escape(fault.reason)
    message = f"<f:Message>{escape(fault.message)}</f:Message>"
    detail = f"<w:FaultDetail>{_DETAIL}{fault.detail}</w:FaultDetail>" if fault.detail else ""
    body = (
        f"<s:Fault><s:Code><s:Value>{fault.code}</s:Value><s:Subcode><s:Value>{fault.subcode}</s:Value></s:Subcode>"
        f'</s:Code><s:Reason><s:Text xml:lang="en-US">{reason}</s:Text></s:Reason><s:Detail>{detail}'
        '<f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"'
        f' Code="{fault.number}" Machine="{escape(machine)}">{message}</f:WSManFault>'
        "</s:Detail></s:Fault>"
    )
    return (_ENVELOPE % (_FAULT_ACTION, _uuid(), escape(message_id), body)).encode()


def identifies(request: Request) -> bool:
    """Whether it is Identify, the one request that has no action."""
    return request.body is not None and request.body.tag == _IDENTIFY


def identity(build: int | None = None) -> bytes:
    """The answer to Identify. To somebody who has not logged in (no build) Windows keeps its version to itself, and how
    one can log in too ([MS-WSMV] 3.1.4.1.23)."""
    version = "0.0.0" if build is None else f"10.0.{build}"
    ways = ("http/basic", "https/basic", "http/spnego-kerberos", "https/spnego-kerberos") if build is not None else ()
    profiles = "".join(f"<wsmid:SecurityProfileName>{_PROFILES}/{way}</wsmid:SecurityProfileName>" for way in ways)
    return (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Header/><s:Body>'
        '<wsmid:IdentifyResponse xmlns:wsmid="http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd">'
        "<wsmid:ProtocolVersion>http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd</wsmid:ProtocolVersion>"
        "<wsmid:ProductVendor>Microsoft Corporation</wsmid:ProductVendor>"
        f"<wsmid:ProductVersion>OS: {version} SP: 0.0 Stack: 3.0</wsmid:ProductVersion>"
        + (f"<wsmid:SecurityProfiles>{profiles}</wsmid:SecurityProfiles>" if profiles else "")
        + "</wsmid:IdentifyResponse></s:Body></s:Envelope>"
    ).encode()


def created(shell: str, client: Client, idle: float) -> str:
    """The body of Create's answer: the fields and their order are Windows' ([MS-WSMV] 3.1.4.5.2, and the recorded
    answers in pypsrp's tests/tests_pypsrp/responses/test_winrs_standard.yml)."""
    return (
        f"<x:ResourceCreated><a:Address>{escape(client.url)}</a:Address><a:ReferenceParameters>"
        f'<w:ResourceURI>{CMD}</w:ResourceURI><w:SelectorSet><w:Selector Name="ShellId">{shell}</w:Selector>'
        f"</w:SelectorSet></a:ReferenceParameters></x:ResourceCreated><rsp:Shell><rsp:ShellId>{shell}</rsp:ShellId>"
        f"<rsp:ResourceUri>{CMD}</rsp:ResourceUri><rsp:Owner>{escape(client.user)}</rsp:Owner>"
        f"<rsp:ClientIP>{client.address}</rsp:ClientIP><rsp:IdleTimeOut>PT{idle:.3f}S</rsp:IdleTimeOut>"
        "<rsp:InputStreams>stdin</rsp:InputStreams><rsp:OutputStreams>stdout stderr</rsp:OutputStreams>"
        "<rsp:ShellRunTime>P0DT0H0M0S</rsp:ShellRunTime><rsp:ShellInactivity>P0DT0H0M0S</rsp:ShellInactivity>"
        "</rsp:Shell>"
    )


def received(command: str, streams: Mapping[str, bytes], code: int | None) -> str:
    """The body of Receive's answer: what has come, and the exit code once the command has ended."""
    parts = [
        f'<rsp:Stream Name="{name}" CommandId="{command}">{base64.b64encode(data).decode()}</rsp:Stream>'
        for name, data in streams.items()
        if data
    ]
    if code is None:
        parts.append(f'<rsp:CommandState CommandId="{command}" State="{SHELL}/CommandState/Running"/>')
    else:
        parts += [f'<rsp:Stream Name="{name}" CommandId="{command}" End="true"/>' for name in streams]
        parts.append(
            f'<rsp:CommandState CommandId="{command}" State="{SHELL}/CommandState/Done">'
            f"<rsp:ExitCode>{code & 0xFFFFFFFF}</rsp:ExitCode></rsp:CommandState>"
        )
    return f"<rsp:ReceiveResponse>{''.join(parts)}</rsp:ReceiveResponse>"


def _uuid() -> str:
    return str(uuid.uuid4()).upper()


def timed_out() -> Fault:
    """Nothing to give within OperationTimeout."""
    words = "The WS-Management service cannot complete the operation within the time specified in OperationTimeout."
    return Fault(2150858793, "w:TimedOut", words, code="s:Receiver")


def too_many_shells(most: int) -> Fault:
    """The user's shells are all open."""
    return Fault(
        2150859173,
        "w:QuotaLimit",
        "The WS-Management service cannot process the request. This user is allowed a maximum number of "
        f"{most} concurrent shells, which has been exceeded. Close existing shells or raise the quota for this user.",
        code="s:Receiver",
    )


def too_many_processes(most: int) -> Fault:
    """A shell's commands are all running, or were never signalled as done with."""
    return Fault(
        2150859174,
        "w:QuotaLimit",
        "The WS-Management service cannot process the request. The maximum number of concurrent operations for this "
        f"shell ({most}) has been exceeded. Close existing operations, or raise the quota.",
        code="s:Receiver",
    )


def access_denied() -> Fault:
    """A user that is let in and has no rights."""
    return Fault(5, "w:AccessDenied", "Access is denied. ")


_SELECTORS = (
    "The WS-Management service cannot process the request because the request contained invalid selectors for the "
    "resource. "
)


def no_shell(shell: str) -> Fault:
    """A shell that there is not, or no longer."""
    return Fault(
        2150858843,
        "w:InvalidSelectors",
        _SELECTORS,
        message=f"The request for the Windows Remote Shell with ShellId {shell} failed because the shell was not found "
        "on the server. Possible causes are: the specified ShellId is incorrect or the shell no longer exists on the "
        "server. Provide the correct ShellId or create a new shell and retry the operation. ",
        detail="UnexpectedSelectors",
    )


def shell_missing() -> Fault:
    """A request that has to say of which shell it speaks, and does not."""
    words = "The Windows Remote Shell cannot process the request because it requires the following selector: ShellId. "
    return Fault(2150858842, "w:InvalidSelectors", _SELECTORS, message=words, detail="InsufficientSelectors")


def no_command() -> Fault:
    """A command that there is not, or no longer: its output has all been given, or it was signalled to end."""
    return Fault(
        2150858843,
        "w:InvalidSelectors",
        _SELECTORS,
        message="The Windows Remote Shell received a request to perform an operation on a command identifier that does "
        "not exist. Either the command has completed execution or the client specified an invalid command identifier. ",
        detail="UnexpectedSelectors",
    )


def invalid_parameter() -> Fault:
    """A body that lacks what the operation needs, such as the command's id."""
    return Fault(87, "w:InvalidParameter", "The parameter is incorrect. ", detail="InvalidValue")


def invalid_timeout(text: str) -> Fault:
    """An OperationTimeout that is no duration."""
    return Fault(
        2150858767,
        "a:InvalidMessageInformationHeader",
        "The WS-Management service cannot process the request. The request contains one or more invalid SOAP headers. ",
        message="The WS-Management service cannot process the request. The XML contains an invalid timeout field in "
        f"the SOAP header: {text}. ",
    )


def not_understood(header: str) -> Fault:
    """A header that must be understood, and is not known."""
    name = header.rpartition("}")[2]
    words = f"The WS-Management service cannot process the request. It does not understand the SOAP header {name}. "
    return Fault(2150858768, "w:UnsupportedFeature", words, code="s:MustUnderstand")


def locale_must_not(header: str) -> Fault:
    """A language that must be understood."""
    words = f"The WS-Management service does not support the mustUnderstand attribute on the header {header}. "
    return Fault(2150858887, "w:UnsupportedFeature", words, detail=header)


def too_small_a_limit(wanted: int) -> Fault:
    """A MaxEnvelopeSize in which no answer would fit."""
    words = f"The WS-Management service cannot process the request. MaxEnvelopeSize is {wanted}; the least is 8192. "
    return Fault(2150858878, "w:EncodingLimit", words, detail="MinimumEnvelopeLimit")


def no_resource(uri: str) -> Fault:
    """No resource, or another one than the command shell."""
    if not uri:
        words = "The WS-Management service cannot process the request. The resource URI is missing. "
        return Fault(2150858811, "a:DestinationUnreachable", words, detail="InvalidResourceURI")
    return Fault(
        2150858752,
        "a:DestinationUnreachable",
        f"The WS-Management service cannot process the request. The resource URI ({uri}) was not found in the "
        "WS-Management catalog. The lab has the command shell only.",
        detail="InvalidResourceURI",
    )


def no_action(action: str) -> Fault:
    """An action that the lab does not have."""
    return Fault(
        2150858771, "a:ActionNotSupported", f"The action {action} is not supported by the service. (This is a lab.)"
    )
