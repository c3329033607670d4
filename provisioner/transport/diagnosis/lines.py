"""Why nothing accepts a connection, and why one breaks, or brings something else than WinRM's answer."""

import errno
import http.client
import socket
import ssl
from collections.abc import Mapping

from provisioner.errors import BadAnswer, GatewayError, TimedOut
from provisioner.transport.diagnosis.shape import CLOCK, SLOW, Diagnosis, plain

_HTTP_SYS = "microsoft-httpapi"
_CA = (
    "Give the authority's certificate as connection.ca_file, or have the listener's certificate replaced by one of it."
)
_NAME = Diagnosis(
    "its certificate is for another name", "Give the gateway by the name in its certificate (practices.csv)."
)
_UNKNOWN_AUTHORITY = Diagnosis("its certificate is not trusted", _CA)

# By OpenSSL's verify code (X509_V_ERR_...).
_CERTIFICATE: Mapping[int, Diagnosis] = {
    9: Diagnosis("its certificate is not valid yet", CLOCK),
    10: Diagnosis("its certificate has expired", f"Have the listener's certificate renewed. If it is not old: {CLOCK}"),
    18: _UNKNOWN_AUTHORITY,
    19: _UNKNOWN_AUTHORITY,
    20: _UNKNOWN_AUTHORITY,
    21: _UNKNOWN_AUTHORITY,
    23: Diagnosis("its certificate was revoked", "Have the listener's certificate replaced. Ask why it was revoked."),
    62: _NAME,
    64: _NAME,
}

_NO_TLS = Diagnosis("no TLS there", "Is this the plain port (5985)? See connection.tls and connection.port.")
_OLD_TLS = Diagnosis(
    "its TLS is too old or too weak for this computer", "Have TLS 1.2 turned on there, and a certificate of 2048 bits."
)
_TLS_CUT = Diagnosis(
    "it closed the connection at the first word of TLS",
    "Likeliest: the HTTPS listener has no certificate any more (winrm enumerate winrm/config/listener).",
)
_TLS_SILENT = Diagnosis(
    "it took the connection, and said nothing in TLS",
    "Is this the plain port (5985)? See connection.tls and connection.port. A PC that hangs needs a restart.",
    TimedOut,
)
# By OpenSSL's reason.
_TLS: Mapping[str, Diagnosis] = {
    **dict.fromkeys(("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE"), _NO_TLS),
    **dict.fromkeys(
        ("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "SSLV3_ALERT_HANDSHAKE_FAILURE"), _OLD_TLS
    ),
    **dict.fromkeys(("DH_KEY_TOO_SMALL", "EE_KEY_TOO_SMALL", "CA_MD_TOO_WEAK", "CA_KEY_TOO_SMALL"), _OLD_TLS),
    "UNEXPECTED_EOF_WHILE_READING": _TLS_CUT,
}

_NOBODY = Diagnosis("no answer", "Likeliest: switched off, asleep, or a firewall drops the packets.", absent=True)
_NO_ROUTE = Diagnosis("no way there", "Likeliest: no route (VPN, HSCN), or switched off.", absent=True)
_OUR_LIMIT = Diagnosis(
    "this computer has no connection left", "Too many files are open here: a smaller connection.at_once, or ulimit -n."
)
_CONNECTION: Mapping[int, Diagnosis] = {
    errno.ECONNREFUSED: Diagnosis("refused", "Likeliest: WinRM is not set up there (winrm quickconfig)."),
    errno.ECONNRESET: Diagnosis("it hung up at once", "Likeliest: a firewall, or WinRM is being started there."),
    errno.ETIMEDOUT: _NOBODY,
    errno.EHOSTUNREACH: _NO_ROUTE,
    errno.EHOSTDOWN: _NO_ROUTE,
    errno.ENETUNREACH: _NO_ROUTE,
    errno.EMFILE: _OUR_LIMIT,
    errno.ENFILE: _OUR_LIMIT,
    errno.EADDRNOTAVAIL: _OUR_LIMIT,
}
_OTHER = Diagnosis("", "Likeliest: this computer's own network, its firewall, or the VPN.")
# A name server has answered that there is no such name.
_NAME_UNKNOWN = Diagnosis("the name is not known", "Likeliest: a wrong name in practices.csv, or no VPN.", absent=True)
_NO_NAME = Diagnosis("the name is not known", "It is none that a name server could be asked for: see practices.csv.")
_NO_ADDRESS = Diagnosis(
    "the name has no address", "A name server knows the name, and no address of it. Which is right?"
)
_NO_NAME_SERVER = Diagnosis("no name server answers", "Likeliest: this computer's own network, or no VPN.")
# By what a look-up of the name came to (getaddrinfo).
_NAMES: Mapping[int, Diagnosis] = {
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


_BROKE = Diagnosis("", "The line or the PC went away in the middle. Nothing is known of it; try again.")
_TLS_PORT = Diagnosis("it speaks TLS there", "Is this the TLS port (5986)? See connection.tls and connection.port.")
_MUTE = Diagnosis(
    "it hung up at our first word",
    "Likeliest: WinRM is being started there, a filter in between cuts it off, or this is its TLS port "
    "(connection.tls). Try again.",
)
_NOT_HTTP = Diagnosis("what it says is no HTTP", "Is this a Windows PC, and this its WinRM port?", BadAnswer)
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


_SILENT = Diagnosis("it took the connection, and then said nothing for ", SLOW, TimedOut)
_TRICKLES = Diagnosis(
    "it began to answer, and did not come to an end within ",
    "A very bad line, or something that is no WinRM and holds on to whoever calls? " + SLOW,
    TimedOut,
)
_LATE = Diagnosis("no whole answer before the deadline", SLOW, TimedOut)
_TOO_MUCH = Diagnosis("its answer is longer than any answer of WinRM's", "Is this a Windows PC?", BadAnswer)


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


_PROXY = "Is there a proxy or a filter in between? WinRM needs a direct way: have the gateways' network exempted."
# By HTTP status, of what is not WinRM's own fault.
_STATUS: Mapping[int, Diagnosis] = {
    400: Diagnosis(
        "which is how Windows answers what it cannot open", "Does something in between change it?", BadAnswer
    ),
    403: Diagnosis("which WinRM never says", _PROXY, BadAnswer),
    404: Diagnosis(
        "so nothing is at that path",
        "Likeliest: the WinRM service does not run there, or connection.path is wrong.",
    ),
    407: Diagnosis("so a proxy is in between that wants a log-in", _PROXY),
    413: Diagnosis("so it takes no message of that size", "Is MaxEnvelopeSizekb there smaller than 150?", BadAnswer),
    500: Diagnosis(
        "without saying why", "Does it take our log-in at all (AllowUnencrypted, Basic)? See its WinRM log.", BadAnswer
    ),
    502: Diagnosis("so a proxy is in between that does not get through", _PROXY),
    503: Diagnosis("so a proxy is in between that does not get through", _PROXY),
    504: Diagnosis("so a proxy is in between that does not get through", _PROXY),
}
_STARTING = Diagnosis("so WinRM is being started or stopped there", "Try again in some minutes.")
_NOT_WINRM = Diagnosis("which is not WinRM", "Is this a Windows PC, and this its WinRM port?", BadAnswer)


def status(code: int, server: str) -> GatewayError:
    """What an HTTP status means that came in place of WinRM's answer. `server` is the header of that name."""
    trouble = _STATUS.get(code, _NOT_WINRM)
    if code == 503 and server.lower().startswith(_HTTP_SYS):
        # Windows' own HTTP says so for a listener whose service is not there.
        trouble = _STARTING
    by = f" from {' '.join(server.split())[:60]}" if server else ""
    return trouble.after(f"HTTP status {code}{by}, ")
