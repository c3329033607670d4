"""What a diagnosis is, and the words and diagnoses that several tables have."""

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
