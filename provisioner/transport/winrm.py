"""One gateway, one script, one answer; and pywinrm's Protocol on a Session. With messages.py and session.py the
only importer of pywinrm."""

import http.client
import json
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from winrm.exceptions import WinRMError, WinRMOperationTimeoutError, WinRMTransportError, WSManFaultError
from winrm.protocol import Protocol

from provisioner.errors import BadAnswer, GatewayError, InputError, TimedOut
from provisioner.model import Gateway
from provisioner.model.settings import Connection
from provisioner.transport import diagnosis
from provisioner.transport.http import Endpoint, identify
from provisioner.transport.messages import Conversation
from provisioner.transport.session import Login, Session

# `$input` at the top level is what makes PowerShell read stdin; it works in constrained language mode too, where
# the first line of the answer says so. Never -EncodedCommand: security teams alert on it.
BOOTSTRAP = (
    "\"'#provisioner '+$ExecutionContext.SessionState.LanguageMode;$a=@($input);"
    '&([ScriptBlock]::Create($a[1..($a.Count-1)]-join[char]10)) $a[0]"'
)
# What is printed before the script itself is begun; whatever cmd's AutoRun prints may stand before it.
_MODE = re.compile(rb"#provisioner (\w+)")
# One envelope, because pywinrm does not chunk: Windows takes 500 KB, older ones 150 KB, and base64 adds a third.
LARGEST_INPUT = 96 * 1024
LARGEST_ANSWER = 8 * 2**20
# For so many seconds a gateway is told that we are through; it need not answer, for it ends by itself what is left.
TIDYING_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Caller:
    """How gateways are called: the connection's settings, one TLS context for all, and the log-in."""

    connection: Connection
    tls: ssl.SSLContext | None
    login: Login


def tls_context(connection: Connection, folder: Path) -> ssl.SSLContext | None:
    """The one TLS context of a fleet; None where gateways are called in the plain.

    Errors: InputError when the authority's file cannot be read.
    """
    if not connection.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=str(folder / connection.ca_file) if connection.ca_file else None)
    except (OSError, ssl.SSLError) as error:
        raise InputError(
            f"connection.ca_file: {connection.ca_file} cannot be used: {error}", "It must hold PEM certificates."
        ) from error
    if not connection.check_certificate:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def run(gateway: Gateway, caller: Caller, script: bytes, settings: Mapping[str, Any]) -> bytes:
    """Run the script, in ASCII, on the gateway with its settings and give what it printed. One script for all gateways
    is held once.

    Errors: Unreachable, Refused, TimedOut, BadAnswer, NotTried.
    """
    said = json.dumps(settings).encode("ascii")
    line = said + b" " * (-(len(said) + 1) % 3) + b"\n"
    if (size := len(line) + len(script)) > LARGEST_INPUT:
        raise InputError(f"script and settings are {size} bytes, the most is {LARGEST_INPUT}.")
    deadline = time.monotonic() + caller.connection.deadline
    session = Session(_endpoint(gateway, caller, deadline), caller.login)

    def through() -> None:
        session.allow(min(TIDYING_SECONDS, session.deadline - time.monotonic()))

    try:
        with in_words():
            # Asked for anew each time: what was waited for one's turn to log in does not count.
            return converse(over(session), (line, script), lambda: session.deadline, through)
    finally:
        session.close_session()


@contextmanager
def in_words() -> Iterator[None]:
    """Around what pywinrm does on a Session: whatever comes of it is one of our errors.

    Errors: Unreachable, Refused, TimedOut, BadAnswer, NotTried.
    """
    try:
        yield
    except GatewayError:
        raise
    except (WinRMError, WinRMTransportError, WinRMOperationTimeoutError, OSError, http.client.HTTPException) as error:
        raise _translate(error) from error
    except Exception as error:
        # pywinrm takes answers apart without looking: whatever it trips over is the answer's fault.
        raise BadAnswer(f"an answer that is not WinRM ({type(error).__name__})", "Is this a Windows PC?") from error


def probe(gateway: Gateway, caller: Caller, seconds: float = 5.0) -> bool:
    """Whether WinRM answers on the gateway, found out without a log-in: cheap enough to ask again and again.

    False for whatever else a gateway can do, a certificate that is not trusted too. A name server that does not
    answer takes its own time, besides these seconds.
    """
    return identify(_endpoint(gateway, caller, time.monotonic() + seconds))


def _endpoint(gateway: Gateway, caller: Caller, deadline: float) -> Endpoint:
    return Endpoint(host=gateway.address, port=gateway.port, path=gateway.path, deadline=deadline, tls=caller.tls)


def over(session: Session) -> Protocol:
    """pywinrm's Protocol on our session. Its own __init__ only builds the transport that we replace."""
    protocol: Any = Protocol.__new__(Protocol)
    protocol.operation_timeout_sec = Protocol.DEFAULT_OPERATION_TIMEOUT_SEC
    protocol.transport = session
    return protocol  # type: ignore[no-any-return]


def converse(
    protocol: Protocol,
    given: Sequence[bytes],
    deadline: Callable[[], float],
    through: Callable[[], None] = lambda: None,
) -> bytes:
    """Settings line and script over a Protocol that is set up: what the script printed, its first line too.

    `given` is in pieces, as Conversation.send_input takes them; `deadline` gives one of time.monotonic(); `through` is
    called when only tidying up is left. Errors: TimedOut, BadAnswer; whatever pywinrm raises.
    """
    said = Conversation(protocol)
    said.open_shell()
    try:
        said.run_command("powershell.exe", "-NoProfile", "-NonInteractive", "-Command", BOOTSTRAP)
        try:
            said.send_input(*given)
            answer = _output(said, deadline)
        except BaseException:
            through()
            _tidy(said.end_command)
            raise
        through()
        _tidy(said.end_command)
    except BaseException:
        _tidy(said.close_shell)
        raise
    _tidy(said.close_shell)
    return answer


def _tidy(act: Callable[[], None]) -> None:
    """Cleaning up must not hide the first error, nor spoil an answer; the shell's idle time-out does the rest."""
    try:
        act()
    except Exception:
        return


def _output(said: Conversation, deadline: Callable[[], float]) -> bytes:
    """All that the command prints. pywinrm's own loop never ends when the command does not."""
    out, errors, size, done, code = [], [], 0, False, 0
    while not done:
        if time.monotonic() > deadline():
            raise TimedOut(
                "the script did not end before the deadline", "A very busy PC? connection.deadline, fleet.yml"
            )
        try:
            stdout, stderr, code, done = said.output()
        except WinRMOperationTimeoutError:
            continue
        out.append(stdout)
        errors.append(stderr)
        size += len(stdout) + len(stderr)
        if size > LARGEST_ANSWER:
            raise BadAnswer(f"an answer of more than {LARGEST_ANSWER // 2**20} MiB", "Is this PC what it should be?")
    answer = b"".join(out)
    if _said_nothing(answer, begun_well=code == 0 and not b"".join(errors).strip()):
        raise _nothing_said(code, b"".join(errors).decode("utf-8", "replace"), begun=_MODE.search(answer) is not None)
    return answer


def _said_nothing(answer: bytes, *, begun_well: bool) -> bool:
    """Whether the script printed nothing: what stands before the bootstrap's own line is not of PowerShell."""
    mode = _MODE.search(answer)
    if mode is None:
        return not answer.strip() or not begun_well
    return mode[1] == b"FullLanguage" and not answer[mode.end() :].strip()


# cmd begins with what its AutoRun names, which may read what is meant for PowerShell, or end it all.
_AUTORUN = (
    "Does cmd's AutoRun there read its input, or end cmd? "
    'reg query "HKLM\\Software\\Microsoft\\Command Processor" /v AutoRun, and the same of HKCU.'
)
# What cmd.exe ends with where it finds no such program.
_NOT_FOUND = 9009


def _nothing_said(code: int, errors: str, *, begun: bool) -> BadAnswer:
    """Why the script printed nothing, by what is known of it in any language of Windows. `begun`: PowerShell was.

    Sources: the names of PowerShell's errors in public issue threads (for one clong/DetectionLab 623: Defender and
    Ansible); not seen on a gateway.
    """
    whole = " ".join(errors.split())
    text = whole[:300]
    # PowerShell breaks its lines at the width of a console that nobody sees.
    if "ScriptContainedMaliciousContent" in "".join(errors.split()) or "blocked by your antivirus" in whole:
        return BadAnswer(
            "an antivirus on the gateway took the script for malicious and blocked it (AMSI)",
            "Give the security team the script (the files of provisioner/evidence/script, sent as one) and the time; "
            "they can allow it.",
        )
    if "ParseException" in errors or "MethodInvocationException" in errors or 'calling "Create"' in errors:
        return BadAnswer(
            f"PowerShell could not read the script: {text}",
            "It was changed on its way, or an antivirus blocked it: look at the gateway's event log, and try again.",
        )
    if code == _NOT_FOUND:
        return BadAnswer(
            f"powershell.exe was not found there (code {code})" + (f": {text}" if text else ""),
            "Is it in the PATH of all users, or taken out? Look at the gateway.",
        )
    if code == 0 and not whole:
        what = "PowerShell was begun, and the script did not come to it" if begun else "PowerShell was never begun"
        return BadAnswer(f"{what}, though nothing failed (code 0)", _AUTORUN)
    return BadAnswer(
        f"PowerShell ended with code {code} and said nothing" + (f" but: {text}" if text else ""),
        "Blocked by AppLocker, WDAC or an antivirus? Look at its event log.",
    )


def _translate(error: Exception) -> GatewayError:
    if isinstance(error, WSManFaultError):
        return diagnosis.fault((error.wsman_fault_code, error.wmierror_code), error.fault_subcode or "", error.reason)
    if isinstance(error, WinRMTransportError):
        return diagnosis.status(error.code, "")
    if isinstance(error, WinRMOperationTimeoutError):
        return diagnosis.waited()
    return diagnosis.breaking(error, first=False, tls=True)
