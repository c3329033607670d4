"""A way of logging in that a gateway does not take, and a log-in that it refuses."""

from collections.abc import Collection, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

from provisioner.errors import GatewayError, Refused
from provisioner.transport.diagnosis.shape import LARGEST_SKEW, Diagnosis, skewed

# What 401 does not say. By way of logging in: which causes there are, and what to look at.
_WHICH = (
    "Before anything else try it by hand, once: a few more refusals can lock the account. The gateway's Security log "
    "says which, in event 4625, sub status: 0xC000006A wrong password, 0xC0000234 locked, 0xC0000072 disabled, "
    "0xC0000071 expired, 0xC000015B not over the network."
)
_REFUSALS: Mapping[str, Diagnosis] = {
    "ntlm": Diagnosis(
        "a wrong password, or an account that is locked, disabled, expired or not allowed there (NTLM does not say "
        "which)",
        _WHICH,
        Refused,
    ),
    "basic": Diagnosis(
        "a wrong password, or an account that is locked, disabled or of a domain (Basic takes local ones only)",
        _WHICH,
        Refused,
    ),
    "kerberos": Diagnosis(
        "the gateway does not take our ticket",
        "Likeliest: the account may not log on over the network there, or the name belongs to another computer. "
        "The gateway's Security log says which, in event 4625.",
        Refused,
    ),
}
_LONGEST_SCHEME = 40
_SCHEMES: Mapping[str, frozenset[str]] = {
    "basic": frozenset({"basic"}),
    "ntlm": frozenset({"negotiate", "ntlm"}),
    "kerberos": frozenset({"kerberos", "negotiate"}),
}


def not_offered(transport: str, offers: Collection[str]) -> GatewayError | None:
    """That a gateway does not take this way of logging in; None where it does. `offers`: WWW-Authenticate headers."""
    offered = sorted({offer.split(" ")[0][:_LONGEST_SCHEME] for offer in offers if offer})
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


def refused(transport: str, who: str, apart: float | None) -> GatewayError:
    """A log-in that was refused with 401. `apart`: by how many seconds its clock is ahead of ours, where known."""
    error = _REFUSALS[transport].after(f"the log-in of {who} by {transport} was refused: ")
    if apart is None or abs(apart) <= LARGEST_SKEW:
        return error
    return Refused(
        f"{error.message}; and its clock is {skewed(apart)} ours",
        f"First mend the clock: Kerberos and the domain take 5 minutes at most. {error.hint}",
    )


def clock_apart(date: str, now: datetime) -> float | None:
    """By how many seconds an HTTP Date header is ahead of `now`; None where it is none."""
    try:
        return (parsedate_to_datetime(date) - now).total_seconds()
    except (TypeError, ValueError):
        return None
