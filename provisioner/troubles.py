"""Why one cannot get into a gateway, by what came back: what is said of it, and what to do next. Tables, mostly.

Of each trouble it is told whether nothing accepted a connection (`absent`): only then can the PC be switched off, and
only then does a person's statement that it is fence its Connector (plan/guards.py). Whatever answers in any way is on.
Numbers are used where there are any: a gateway's words are in the language of its Windows. Where they come from:
docs/windows.md, "What a gateway says when it does not let one in".
"""

import errno
import http.client
import re
import socket
import ssl
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

from provisioner.errors import BadAnswer, GatewayError, Refused, TimedOut, Unreachable

# What Kerberos takes, in seconds (RFC 4120, 1.6; Windows' "Maximum tolerance for computer clock synchronization").
LARGEST_SKEW = 300.0

_LONGEST_REASON = 300
_HTTP_SYS = "microsoft-httpapi"


@dataclass(frozen=True)
class Trouble:
    """One cause: what is said of it after what was tried, what to do, and the error that it is.

    `absent`: as GatewayError has it. A packet that came back from the PC itself, a refusal too, is an answer; so is
    whatever a proxy says; and what this computer could not even try says nothing of the PC.
    """

    message: str
    hint: str
    kind: type[GatewayError] = Unreachable
    absent: bool = False

    def after(self, tried: str, more: str = "") -> GatewayError:
        """The error, with what was tried and what else came back."""
        return self.kind(f"{tried}{self.message}{more}", self.hint, absent=self.absent)


_CA = (
    "Give the authority's certificate as connection.ca_file, or have the listener's certificate replaced by one of it."
)
_CLOCK = "Look at the clock there, and at this computer's own."
_NAME = Trouble(
    "its certificate is for another name", "Give the gateway by the name in its certificate (practices.csv)."
)
_UNKNOWN_AUTHORITY = Trouble("its certificate is not trusted", _CA)

# By OpenSSL's verify code (X509_V_ERR_...).
_CERTIFICATE: Mapping[int, Trouble] = {
    9: Trouble("its certificate is not valid yet", _CLOCK),
    10: Trouble("its certificate has expired", f"Have the listener's certificate renewed. If it is not old: {_CLOCK}"),
    18: _UNKNOWN_AUTHORITY,
    19: _UNKNOWN_AUTHORITY,
    20: _UNKNOWN_AUTHORITY,
    21: _UNKNOWN_AUTHORITY,
    23: Trouble("its certificate was revoked", "Have the listener's certificate replaced. Ask why it was revoked."),
    62: _NAME,
    64: _NAME,
}

_NO_TLS = Trouble("no TLS there", "Is this the plain port (5985)? See connection.tls and connection.port.")
_OLD_TLS = Trouble(
    "its TLS is too old or too weak for this computer", "Have TLS 1.2 turned on there, and a certificate of 2048 bits."
)
_TLS_CUT = Trouble(
    "it closed the connection at the first word of TLS",
    "Likeliest: the HTTPS listener has no certificate any more (winrm enumerate winrm/config/listener).",
)
_TLS_SILENT = Trouble(
    "it took the connection, and said nothing in TLS",
    "Is this the plain port (5985)? See connection.tls and connection.port. A PC that hangs needs a restart.",
    TimedOut,
)
# By OpenSSL's reason.
_TLS: Mapping[str, Trouble] = {
    **dict.fromkeys(("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE"), _NO_TLS),
    **dict.fromkeys(
        ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "SSLV3_ALERT_HANDSHAKE_FAILURE"), _OLD_TLS
    ),
    **dict.fromkeys(("DH_KEY_TOO_SMALL", "EE_KEY_TOO_SMALL", "CA_MD_TOO_WEAK", "CA_KEY_TOO_SMALL"), _OLD_TLS),
    "UNEXPECTED_EOF_WHILE_READING": _TLS_CUT,
}

_NOBODY = Trouble("no answer", "Likeliest: switched off, asleep, or a firewall drops the packets.", absent=True)
_NO_ROUTE = Trouble("no way there", "Likeliest: no route (VPN, HSCN), or switched off.", absent=True)
_OUR_LIMIT = Trouble(
    "this computer has no connection left", "Too many files are open here: a smaller connection.at_once, or ulimit -n."
)
_CONNECTION: Mapping[int, Trouble] = {
    errno.ECONNREFUSED: Trouble("refused", "Likeliest: WinRM is not set up there (winrm quickconfig)."),
    errno.ECONNRESET: Trouble("it hung up at once", "Likeliest: a firewall, or WinRM is being started there."),
    errno.ETIMEDOUT: _NOBODY,
    errno.EHOSTUNREACH: _NO_ROUTE,
    errno.EHOSTDOWN: _NO_ROUTE,
    errno.ENETUNREACH: _NO_ROUTE,
    errno.EMFILE: _OUR_LIMIT,
    errno.ENFILE: _OUR_LIMIT,
    errno.EADDRNOTAVAIL: _OUR_LIMIT,
}
_OTHER = Trouble("", "Likeliest: this computer's own network, its firewall, or the VPN.")
# A name server has answered that there is no such name.
_NAME_UNKNOWN = Trouble("the name is not known", "Likeliest: a wrong name in practices.csv, or no VPN.", absent=True)
_NO_NAME = Trouble("the name is not known", "It is none that a name server could be asked for: see practices.csv.")
_NO_ADDRESS = Trouble("the name has no address", "A name server knows the name, and no address of it. Which is right?")
_NO_NAME_SERVER = Trouble("no name server answers", "Likeliest: this computer's own network, or no VPN.")
# By what a look-up of the name came to (getaddrinfo).
_NAMES: Mapping[int, Trouble] = {
    socket.EAI_NONAME: _NAME_UNKNOWN,
    **{number: _NO_ADDRESS for name in ("EAI_NODATA", "EAI_ADDRFAMILY") if (number := getattr(socket, name, 0))},
}


def connecting(error: Exception, host: str, port: int) -> GatewayError:
    """Why nothing accepted a connection, up to the moment when something does."""
    tried = f"no connection to {host} port {port}: "
    if isinstance(error, socket.gaierror):
        return _NAMES.get(error.errno or 0, _NO_NAME_SERVER).after(tried)
    if isinstance(error, UnicodeError):
        return _NO_NAME.after(tried)
    if isinstance(error, TimeoutError):
        return _NOBODY.after(tried)
    trouble = _CONNECTION.get(getattr(error, "errno", None) or 0, _OTHER)
    return trouble.after(tried, "" if trouble.message else plain(error))


def securing(error: Exception, host: str, port: int) -> GatewayError:
    """Why no TLS came about with what accepted the connection."""
    tried = f"no connection to {host} port {port}: "
    if isinstance(error, ssl.SSLCertVerificationError):
        trouble = _CERTIFICATE.get(error.verify_code, _UNKNOWN_AUTHORITY)
        return trouble.after(tried, f" ({error.verify_message})")
    if isinstance(error, ssl.SSLError):
        return _TLS.get(error.reason or "", _NO_TLS).after(tried, f" ({error.reason})")
    if isinstance(error, TimeoutError):
        return _TLS_SILENT.after(tried)
    return _TLS_CUT.after(tried, f" ({plain(error)})")


SLOW = "A busy or sleeping PC? Try again; connection.deadline in fleet.yml gives it more time."
_BROKE = Trouble("", "The line or the PC went away in the middle. Nothing is known of it; try again.")
_TLS_PORT = Trouble("it speaks TLS there", "Is this the TLS port (5986)? See connection.tls and connection.port.")
_MUTE = Trouble(
    "it hung up at our first word",
    "Likeliest: WinRM is being started there, a filter in between cuts it off, or this is its TLS port "
    "(connection.tls). Try again.",
)
_NOT_HTTP = Trouble("what it says is no HTTP", "Is this a Windows PC, and this its WinRM port?", BadAnswer)
# How an answer in TLS begins where plain HTTP was expected: an alert (RFC 8446, 5.1).
_TLS_ALERT = "\x15\x03"


def breaking(error: Exception, *, first: bool, tls: bool) -> GatewayError:
    """Why a conversation broke; `first`: at its first word."""
    tried = "the connection broke: "
    if first and not tls and _TLS_ALERT in str(error):
        return _TLS_PORT.after(tried)
    # Both are what http.client makes of a line that was closed.
    broken = isinstance(error, http.client.RemoteDisconnected | http.client.IncompleteRead)
    if isinstance(error, http.client.HTTPException | ValueError) and not broken:
        return _NOT_HTTP.after("", f" ({plain(error)[:80]})")
    if first and not tls:
        return _MUTE.after(tried, f" ({plain(error)})")
    return _BROKE.after(tried, plain(error))


def plain(error: Exception) -> str:
    """An error of the system in its own words, without its number."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


_PROXY = "Is there a proxy or a filter in between? WinRM needs a direct way: have the gateways' network exempted."
# By HTTP status, of what is not WinRM's own fault.
_STATUS: Mapping[int, Trouble] = {
    400: Trouble("which is how Windows answers what it cannot open", "Does something in between change it?", BadAnswer),
    403: Trouble("which WinRM never says", _PROXY, BadAnswer),
    404: Trouble(
        "so nothing is at that path",
        "Likeliest: the WinRM service does not run there, or connection.path is wrong.",
    ),
    407: Trouble("so a proxy is in between that wants a log-in", _PROXY),
    413: Trouble("so it takes no message of that size", "Is MaxEnvelopeSizekb there smaller than 150?", BadAnswer),
    500: Trouble(
        "without saying why", "Does it take our log-in at all (AllowUnencrypted, Basic)? See its WinRM log.", BadAnswer
    ),
    502: Trouble("so a proxy is in between that does not get through", _PROXY),
    503: Trouble("so a proxy is in between that does not get through", _PROXY),
    504: Trouble("so a proxy is in between that does not get through", _PROXY),
}
_STARTING = Trouble("so WinRM is being started or stopped there", "Try again in some minutes.")
_NOT_WINRM = Trouble("which is not WinRM", "Is this a Windows PC, and this its WinRM port?", BadAnswer)


def status(code: int, server: str) -> GatewayError:
    """What an HTTP status means that came in place of WinRM's answer. `server` is the header of that name."""
    trouble = _STATUS.get(code, _NOT_WINRM)
    if code == 503 and server.lower().startswith(_HTTP_SYS):
        # Windows' own HTTP says so for a listener whose service is not there.
        trouble = _STARTING
    by = f" from {' '.join(server.split())[:60]}" if server else ""
    return trouble.after(f"HTTP status {code}{by}, ")


_ACCOUNT = "Look at the account in Active Directory (or on the PC, for a local one) before anything is tried again."
_NO_ROOM = Trouble(
    "WinRM has no room", "Too many shells are open there. They end by themselves in some minutes; not a wrong password."
)
_NO_RIGHTS = Trouble(
    "logged in, but the account has no rights there",
    "The account must be an administrator of that PC, and a local one must not be filtered over the network [R15].",
    Refused,
)
_NOT_GRANTED = Trouble(
    "the account may not log on over the network there",
    'Policy: "Access this computer from the network", or a "Deny" beside it that names local accounts.',
    Refused,
)
_LOCKED = Trouble("the account is locked", f"{_ACCOUNT} Who else uses it with an old password?", Refused)
_DISABLED = Trouble("the account is disabled", _ACCOUNT, Refused)
_PASSWORD_EXPIRED = Trouble("the password has expired", "Set a new one; then give it to provisioner.", Refused)
_CLOCKS_APART = Trouble("the clocks are too far apart", _CLOCK, Refused)
_ENDING = Trouble("WinRM or the PC is being stopped", "Try again in some minutes.")
_NO_MEMORY = Trouble("the PC has no memory left", "A restart helps, by somebody there.")

# By number: of WS-Management (0x8033....), of Windows, or of Windows in an HRESULT (0x8007....).
_FAULTS: Mapping[int, Trouble] = {
    **dict.fromkeys((2150858815, *range(2150859173, 2150859177), 2150859179, *range(2150859236, 2150859243)), _NO_ROOM),
    **dict.fromkeys((8, 14, 1450, 1455), _NO_MEMORY),
    **dict.fromkeys((995, 1115, 1717), _ENDING),
    5: _NO_RIGHTS,
    1311: Trouble("its domain controller does not answer it", "A matter of its network, or of its domain."),
    1326: Trouble("the name or the password is wrong", _ACCOUNT, Refused),
    1327: Trouble("the account is restricted there", _ACCOUNT, Refused),
    1328: Trouble("the account may not log on at this hour", _ACCOUNT, Refused),
    1330: _PASSWORD_EXPIRED,
    1331: _DISABLED,
    1385: _NOT_GRANTED,
    1398: _CLOCKS_APART,
    1789: Trouble("the PC has lost its trust with the domain", "The desktop team must join it again.", Refused),
    1793: Trouble("the account has expired", _ACCOUNT, Refused),
    1907: _PASSWORD_EXPIRED,
    1909: _LOCKED,
    2150858843: Trouble("our shell there was ended", "Was WinRM restarted there? Try again."),
    2150859180: Trouble(
        "remote shells are not allowed there",
        'Policy: "Allow Remote Shell Access" of Windows Remote Shell must not be disabled.',
        Refused,
    ),
}
_SUBCODES: Mapping[str, Trouble] = {"QuotaLimit": _NO_ROOM, "AccessDenied": _NO_RIGHTS}


def fault(numbers: Iterable[int | None], subcode: str, reason: str) -> GatewayError:
    """What a fault of WS-Management means, by its numbers and subcode; its words are shown."""
    said = " ".join(reason.split())[:_LONGEST_REASON]
    found = (_FAULTS.get(_windows(number)) for number in numbers if number)
    trouble = next(filter(None, found), _SUBCODES.get(subcode.rpartition(":")[2]))
    if trouble is not None:
        return trouble.after("", f": {said}")
    return BadAnswer(f"WinRM says: {said}", "See the gateway's WinRM event log.")


def _windows(number: int) -> int:
    """Windows' own number in an HRESULT; any other as it is."""
    return number & 0xFFFF if number >> 16 == 0x8007 else number


# Kerberos: below 128 the protocol's own numbers (RFC 4120, 7.5.9), from there on those of the library.
_KRB5 = -1765328384
_NO_TICKET = Trouble("there is no ticket", "Get one (kinit USER@REALM), and look at it (klist).", Refused)
_TICKET_EXPIRED = Trouble("the ticket has expired", "Get a new one (kinit), for longer than the run takes.", Refused)
_NO_DOMAIN = Trouble(
    "no domain controller answers", "Is there a way to the domain (VPN, port 88)? Does /etc/krb5.conf name the realm?"
)
_REVOKED = Trouble(
    "the account is locked, disabled or expired, or may not log on at this hour (Kerberos does not say which)",
    f"{_ACCOUNT} The domain controller's events 4771 and 4740 say more.",
    Refused,
)
_KERBEROS: Mapping[int, Trouble] = {
    1: Trouble("the account has expired", _ACCOUNT, Refused),
    6: Trouble("the domain does not know the account", "See connection.user in fleet.yml: user@REALM.", Refused),
    7: Trouble(
        "the domain does not know this gateway's name",
        "Give it by its full name, never by its address (practices.csv); setspn -L COMPUTER shows its names. "
        "Not a wrong password.",
    ),
    12: Trouble("the domain's policy forbids it", _ACCOUNT, Refused),
    14: Trouble("there is no encryption that both take", "Does the domain still want RC4? See krb5.conf.", Refused),
    18: _REVOKED,
    23: _PASSWORD_EXPIRED,
    24: Trouble("the password is wrong", "Each further try counts towards locking the account.", Refused),
    31: Trouble("the password is wrong", "Each further try counts towards locking the account.", Refused),
    32: _TICKET_EXPIRED,
    33: _CLOCKS_APART,
    37: _CLOCKS_APART,
    41: Trouble(
        "another computer answers than the one that the domain knows by this name",
        "Does the name lead to the right address (DNS)? Is the name registered twice (setspn -X)?",
    ),
    68: Trouble("the realm is another one", "See connection.user in fleet.yml: user@REALM.", Refused),
}


def kerberos(error: Exception, who: str) -> GatewayError:
    """Why there was no Kerberos log-in, by the error of pyspnego or of the library under it."""
    tried = f"no Kerberos log-in of {who}: "
    if isinstance(error, ImportError):
        return Refused(f"{tried}this computer has not what it needs", "pip install 'provisioner[kerberos]'.")
    under = getattr(error, "base_error", None) or error
    number = int(getattr(under, "min_code", 0) or getattr(under, "err_code", 0))
    signed = number - 2**32 if number >= 2**31 else number
    trouble = _KERBEROS.get(signed - _KRB5)
    if trouble is None:
        return Refused(f"{tried}{plain(error)}", "Is there a ticket (klist)? Is the gateway given by its full name?")
    return trouble.after(tried)


# What 401 does not say. By way of logging in: which causes there are, and what to look at.
_WHICH = (
    "Before anything else try it by hand, once: a few more refusals can lock the account. The gateway's Security log "
    "says which, in event 4625, sub status: 0xC000006A wrong password, 0xC0000234 locked, 0xC0000072 disabled, "
    "0xC0000071 expired, 0xC000015B not over the network."
)
_REFUSALS: Mapping[str, Trouble] = {
    "ntlm": Trouble(
        "a wrong password, or an account that is locked, disabled, expired or not allowed there (NTLM does not say "
        "which)",
        _WHICH,
        Refused,
    ),
    "basic": Trouble(
        "a wrong password, or an account that is locked, disabled or of a domain (Basic takes local ones only)",
        _WHICH,
        Refused,
    ),
    "kerberos": Trouble(
        "the gateway does not take our ticket",
        "Likeliest: the account may not log on over the network there, or the name belongs to another computer. "
        "The gateway's Security log says which, in event 4625.",
        Refused,
    ),
}
_SCHEMES: Mapping[str, frozenset[str]] = {
    "basic": frozenset({"basic"}),
    "ntlm": frozenset({"negotiate", "ntlm"}),
    "kerberos": frozenset({"kerberos", "negotiate"}),
}


def not_offered(transport: str, offers: Collection[str]) -> GatewayError | None:
    """That a gateway does not take this way of logging in; None where it does. `offers`: WWW-Authenticate headers."""
    offered = sorted({offer.split(" ")[0] for offer in offers if offer})
    if not offered or _SCHEMES[transport] & {one.lower() for one in offered}:
        return None
    return Refused(
        f"this gateway does not take {transport} log-ins, it offers {', '.join(offered)}",
        "Set connection.transport in fleet.yml to one that it offers, or have its WinRM service changed "
        "(winrm get winrm/config/service/auth). No password was tried.",
    )


def no_challenge() -> GatewayError:
    """A gateway that offers Negotiate, and does not go on with NTLM."""
    return Refused(
        "this gateway does not go on with an NTLM log-in: a policy forbids NTLM there",
        "Use Kerberos (connection.transport), or have this account exempted. No password was tried.",
    )


def refused(transport: str, who: str, apart: float | None) -> Refused:
    """A log-in that was refused with 401. `apart`: by how many seconds its clock is ahead of ours, where known."""
    trouble = _REFUSALS[transport]
    message = f"the log-in of {who} by {transport} was refused: {trouble.message}"
    if apart is None or abs(apart) <= LARGEST_SKEW:
        return Refused(message, trouble.hint)
    return Refused(
        f"{message}; and its clock is {abs(apart) / 60:.0f} minutes {'ahead of' if apart > 0 else 'behind'} ours",
        f"First mend the clock: Kerberos and the domain take 5 minutes at most. {trouble.hint}",
    )


def clock_apart(date: str, now: datetime) -> float | None:
    """By how many seconds an HTTP Date header is ahead of `now`; None where it is none."""
    try:
        return (parsedate_to_datetime(date) - now).total_seconds()
    except (TypeError, ValueError):
        return None


_SILENT = Trouble("it took the connection, and then said nothing for ", SLOW, TimedOut)
_TRICKLES = Trouble(
    "it began to answer, and did not come to an end within ",
    "A very bad line, or something that is no WinRM and holds on to whoever calls? " + SLOW,
    TimedOut,
)
_LATE = Trouble("no whole answer before the deadline", SLOW, TimedOut)
_TOO_MUCH = Trouble("its answer is longer than any answer of WinRM's", "Is this a Windows PC?", BadAnswer)


def silent(seconds: float) -> GatewayError:
    """A gateway that takes a connection and then says nothing."""
    return _SILENT.after("", f"{seconds:.0f} seconds")


def trickling(seconds: float) -> GatewayError:
    """A gateway whose answer has begun and does not end."""
    return _TRICKLES.after("", f"{seconds:.0f} seconds")


def late() -> GatewayError:
    """A gateway for which the time is over."""
    return _LATE.after("")


def too_much() -> GatewayError:
    """An answer, or what comes before it, that is too long."""
    return _TOO_MUCH.after("")


# How our own two sides of Ansible tell each other what a failure is: before its words, which are for people alone.
# plugins/connection/guarded_winrm.py: the line broke in a task; secrets_socket.py: the login guard let none be tried.
BROKE = "<provisioner:broke> "
NOT_TRIED = "<provisioner:not-tried> "
# What pywinrm and Ansible's winrm plugin say of a 401, whatever the way of logging in.
_REJECTED = "credentials were rejected by the server"
_FAULT_NUMBER = re.compile(r"'wsmanfault_code': '?(\d+)")


def broke(said: str) -> bool:
    """Whether Ansible's words are of a connection that broke (plugins/connection/guarded_winrm.py)."""
    return BROKE in said


def unmarked(said: str) -> str:
    """Ansible's words as a person reads them."""
    return said.replace(BROKE, "").replace(NOT_TRIED, "")


def rejected(said: str) -> bool:
    """Whether Ansible's words are of an account that was refused."""
    trouble = _FAULTS.get(_windows(int(found[1]))) if (found := _FAULT_NUMBER.search(said)) else None
    return NOT_TRIED in said or _REJECTED in said or (trouble is not None and trouble.kind is Refused)
