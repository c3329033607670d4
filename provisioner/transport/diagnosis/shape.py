"""What a diagnosis is, and the words and diagnoses that several tables have."""

from collections.abc import Mapping
from dataclasses import dataclass

from provisioner.errors import GatewayError, Refused, Unreachable


@dataclass(frozen=True)
class Diagnosis:
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


def plain(error: Exception) -> str:
    """An error of the system in its own words, without its number."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


# What Kerberos takes, in seconds (RFC 4120, 1.6; Windows' "Maximum tolerance for computer clock synchronization").
LARGEST_SKEW = 300.0


def skewed(apart: float) -> str:
    """By how much a clock is ahead (seconds) of another, in words."""
    return f"{abs(apart) / 60:.0f} minutes {'ahead of' if apart > 0 else 'behind'}"


SLOW = "A busy or sleeping PC? Try again; connection.deadline in fleet.yml gives it more time."
CLOCK = "Look at the clock there, and at this computer's own."
ACCOUNT = "Look at the account in Active Directory (or on the PC, for a local one) before anything is tried again."
PASSWORD_EXPIRED = Diagnosis("the password has expired", "Set a new one; then give it to provisioner.", Refused)
CLOCKS_APART = Diagnosis("the clocks are too far apart", CLOCK, Refused)
_RESTRICTED = Diagnosis("the account is restricted there", ACCOUNT, Refused)
_MUST_EXIST = Diagnosis("the account is not known there", ACCOUNT, Refused)
_NOT_GRANTED = Diagnosis(
    "the account may not log on over the network there",
    'Policy: "Access this computer from the network", or a "Deny" beside it that names local accounts.',
    Refused,
)
# What Windows says of an account, by its own numbers (winerror.h), whoever it says it to.
ACCOUNTS: Mapping[int, Diagnosis] = {
    **dict.fromkeys((1317, 1332), _MUST_EXIST),
    1326: Diagnosis("the name or the password is wrong", ACCOUNT, Refused),
    **dict.fromkeys((1327, 1329), _RESTRICTED),
    1328: Diagnosis("the account may not log on at this hour", ACCOUNT, Refused),
    1330: PASSWORD_EXPIRED,
    1331: Diagnosis("the account is disabled", ACCOUNT, Refused),
    **dict.fromkeys((1380, 1385), _NOT_GRANTED),
    1793: Diagnosis("the account has expired", ACCOUNT, Refused),
    1907: PASSWORD_EXPIRED,
    1909: Diagnosis("the account is locked", f"{ACCOUNT} Who else uses it with an old password?", Refused),
    1935: Diagnosis(
        "the account's domain is not trusted for that PC",
        "Selective authentication: the account must be allowed to authenticate at that computer.",
        Refused,
    ),
}


def windows(number: int) -> int:
    """Windows' own number in an HRESULT; any other as it is, without a sign."""
    number &= 0xFFFFFFFF
    return number & 0xFFFF if number >> 16 == 0x8007 else number
