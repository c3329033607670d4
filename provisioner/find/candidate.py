"""What is known of a computer that may be a practice's gateway."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from provisioner.fleet import addresses


class Likelihood(StrEnum):
    """Whether a computer is a gateway, by what it shows: the likeliest first. UNREAD says nothing of it."""

    GATEWAY = "gateway"
    PERHAPS = "perhaps"
    UNLIKELY = "unlikely"
    UNREAD = "not read"


ORDER = tuple(Likelihood)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A computer, the practice that it may be of ("" where that is not known), and how both are known.

    `matched` is by what it was matched, or why not; `role` its role in practices.csv, "" where it is not there;
    `score` counts what speaks for it; `reasons` are those of its likelihood, in words.
    """

    name: str
    address: str
    windows: str = ""
    last_logon: datetime | None = None
    ou: str = ""
    description: str = ""
    practice: str = ""
    practice_name: str = ""
    matched: str = ""
    role: str = ""
    likelihood: Likelihood = Likelihood.UNREAD
    score: int = 0
    reasons: tuple[str, ...] = ()

    @property
    def why_not_row(self) -> str:
        """Why it can be no row of practices.csv; "" where it can."""
        return addresses.why_not_name(self.name) or addresses.why_not_address(self.address)[0]


def in_order(candidates: Iterable[Candidate]) -> list[Candidate]:
    """By practice, those without one last; then the likeliest first."""
    return sorted(
        candidates,
        key=lambda one: (not one.practice, one.practice, ORDER.index(one.likelihood), -one.score, one.name.lower()),
    )
