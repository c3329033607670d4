"""Kerberos as a PC of a domain speaks it: by its own key, which lies in a keytab. Needs `provisioner[kerberos]`."""

from pathlib import Path

import spnego
import spnego.channel_bindings

# Kerberos' own mark at the start of a token, bare or in SPNEGO as the way that is preferred (RFC 4121, 4.1).
_KRB5 = b"\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"
# Where it stands in the longer of the two: behind SPNEGO's own mark and the lengths around both.
_WITHIN = 48
_LONGEST_REASON = 300


class NoEntry(Exception):
    """A ticket that is not taken. `token`: what Windows sends back with it, b"" where it sends nothing."""

    def __init__(self, message: str, token: bytes = b"") -> None:
        super().__init__(message[:_LONGEST_REASON])
        self.token = token


def is_ticket(token: bytes) -> bool:
    """Whether a log-in begins by Kerberos."""
    return _KRB5 in token[:_WITHIN]


def accept(token: bytes, keytab: Path, binding: bytes | None) -> tuple[spnego.ContextProxy, bytes]:
    """Who has come, and what is said to that. `binding` is the TLS certificate's part. Errors: NoEntry."""
    import gssapi

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
