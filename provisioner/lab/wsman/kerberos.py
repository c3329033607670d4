"""Kerberos as a PC of a domain speaks it: by its own key, which lies in a keytab. Needs `provisioner[kerberos]`."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import spnego
import spnego.channel_bindings

# Kerberos' own mark at the start of a token, bare or in SPNEGO as the way that is preferred (RFC 4121, 4.1).
_KRB5 = b"\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"
# Where it stands in the longer of the two: behind SPNEGO's own mark and the lengths around both.
_WITHIN = 48
_LONGEST_REASON = 300
# What a PC of a domain takes, in seconds, and what it says of more (RFC 4120, 7.5.9: KRB_AP_ERR_SKEW).
_LARGEST_SKEW = 300.0
_SKEW = 37


class NoEntry(Exception):
    """A ticket that is not taken. `token`: what Windows sends back with it, b"" where it sends nothing."""

    def __init__(self, message: str, token: bytes = b"") -> None:
        super().__init__(message[:_LONGEST_REASON])
        self.token = token


def is_ticket(token: bytes) -> bool:
    """Whether a log-in begins by Kerberos."""
    return _KRB5 in token[:_WITHIN]


def accept(token: bytes, keytab: Path, binding: bytes | None, skew: float = 0.0) -> tuple[spnego.ContextProxy, bytes]:
    """Who has come, and what is said to that. `binding` is the TLS certificate's part; `skew`: the PC's clock is ahead,
    in seconds. Errors: NoEntry."""
    import gssapi

    if abs(skew) > _LARGEST_SKEW:
        raise NoEntry("the clocks are too far apart", _krb_error(_SKEW, datetime.now(UTC) + timedelta(seconds=skew)))
    # Otherwise an error that has a token with it is put off, and pyspnego trips over what is not there yet.
    gssapi.SecurityContext.__DEFER_STEP_ERRORS__ = False
    bindings = None
    if binding is not None:
        bindings = spnego.channel_bindings.GssChannelBindings(application_data=binding)
    try:
        context = spnego.server(
            protocol="kerberos",
            channel_bindings=bindings,
            options=spnego.NegotiateOptions.use_gssapi,
            _gssapi_credential=gssapi.Credentials(usage="accept", store={"keytab": f"FILE:{keytab}"}),
        )
        out = context.step(token)
    except Exception as error:
        # Whatever the library raises: pyspnego wraps it, gssapi has a class for each of its errors.
        under = getattr(error, "base_error", None) or error
        raise NoEntry(str(under), getattr(under, "token", None) or b"") from error
    return context, out or b""


def _krb_error(code: int, now: datetime) -> bytes:
    """Kerberos' own error (RFC 4120, 5.9.1), as the token of a log-in (RFC 4121, 4.1)."""
    time = f"{now:%Y%m%d%H%M%SZ}".encode()
    service = _der(0xA0, _der(0x02, b"\2")) + _der(0xA1, _der(0x30, _der(0x1B, b"HTTP")))
    fields = (
        (0, _der(0x02, b"\5")),
        (1, _der(0x02, b"\x1e")),
        (4, _der(0x18, time)),
        (5, _der(0x02, b"\0")),
        (6, _der(0x02, bytes([code]))),
        (9, _der(0x1B, b"LAB")),
        (10, _der(0x30, service)),
    )
    error = _der(0x7E, _der(0x30, b"".join(_der(0xA0 + number, value) for number, value in fields)))
    return _der(0x60, _KRB5 + b"\3\0" + error)


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    return bytes([tag, size] if size < 0x80 else [tag, 0x81, size]) + content
