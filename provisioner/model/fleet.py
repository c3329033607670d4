"""What a team keeps in git: gateways, and what named persons say of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from provisioner.model.settings import Settings


class Role(StrEnum):
    """What a gateway is for. `candidate` is looked at and never changed."""

    ACTIVE = "active"
    STANDBY = "standby"
    CANDIDATE = "candidate"
    RETIRED = "retired"


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """One row of practices.csv. `address` is "" while the gateway is not known yet; `hours` is "" for any time."""

    name: str
    practice: str
    practice_name: str
    address: str
    port: int
    path: str
    role: Role
    variables: Mapping[str, str] = field(default_factory=dict)
    line: int = 0
    hours: str = ""

    @property
    def known(self) -> bool:
        """Whether the row says which PC it is."""
        return bool(self.address)

    @property
    def computer(self) -> str:
        """The PC that a person has written into the row (its column `computer`); "" for none."""
        return self.variables.get("computer", "").strip()


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What a named person says of a practice or gateway that no reading can show, until a date."""

    control: str
    practice: str
    gateway: str
    says: str
    by: str
    on: date
    until: date
    ticket: str = ""

    def stands(self, on: date) -> bool:
        """Whether it holds on that day."""
        return self.on <= on <= self.until

    def covers(self, gateway: Gateway) -> bool:
        """Whether it speaks of that gateway: by name, or of its whole practice."""
        return self.gateway == gateway.name if self.gateway else self.practice == gateway.practice


@dataclass(frozen=True, kw_only=True)
class Waiver(Statement):
    """A failed control that a named person accepts until a date."""


@dataclass(frozen=True, kw_only=True)
class FileTemplate:
    """A template of a file of the Connector's: the SHA-256 of its bytes, and the names that it uses; None where it may
    use any."""

    sha256: str
    uses: frozenset[str] | None


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """A fleet folder, read and right. `digest` changes with any of its content; `templates` are by their place in the
    folder."""

    folder: str
    settings: Settings
    gateways: tuple[Gateway, ...]
    statements: tuple[Statement, ...]
    waivers: tuple[Waiver, ...]
    digest: str
    templates: Mapping[str, FileTemplate] = field(default_factory=dict)

    @property
    def known(self) -> tuple[Gateway, ...]:
        """The gateways whose PC is known, in the order of practices.csv."""
        return tuple(gateway for gateway in self.gateways if gateway.known)
