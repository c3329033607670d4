"""What other teams are asked to do, and told before a run: as data, from which papers are written."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from provisioner.model.plan import Timing


@dataclass(frozen=True, kw_only=True)
class Site:
    """A gateway of a request: where it is (`source`, its address), what it must reach or be reached by (`destinations`,
    TCP `port`, 0 where the network is not concerned), the `path` of the program or folder, and what was found there.
    `computer` is the PC's own name, "" where that is not known."""

    gateway: str
    practice: str
    practice_name: str
    computer: str
    source: str
    destinations: tuple[str, ...] = ()
    port: int = 0
    path: str = ""
    found: str = ""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One thing that is asked for at some gateways: what, why, how it is undone, and how we `see` that it is done.
    `package` says by what the program at `path` was brought, with its SHA-256; "" where no program is concerned."""

    control: str
    what: str
    why: str
    undo: str
    see: str
    places: tuple[Site, ...]
    package: str = ""


@dataclass(frozen=True, kw_only=True)
class Request:
    """All that one owner of gaps is asked; `practice` is its code where the owner is a practice."""

    owner: str
    asks: tuple[Ask, ...]
    practice: str = ""

    @property
    def name(self) -> str:
        """What its files are called."""
        return f"{self.owner}-{self.practice}" if self.practice else self.owner

    @property
    def gateways(self) -> tuple[str, ...]:
        """The gateways that it is about, each once."""
        return tuple(dict.fromkeys(place.gateway for ask in self.asks for place in ask.places))


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A package that a plan brings to gateways: from where, and the SHA-256 that is verified before it is used."""

    name: str
    location: str
    sha256: str
    signer: str


@dataclass(frozen=True, kw_only=True)
class Notice:
    """What a security team is told before a plan is done. `account` logs in from `source`; `changes` counts gateways by
    change; `sets` are names and values of what is set, such as the firewall rule's; `alarms` are its own shape's fields
    (provisioner/remedies/remedy.py, Alarm) with the changes that cause each."""

    plan: str
    account: str
    source: str
    port: str
    places: tuple[Site, ...]
    does: Mapping[str, tuple[str, ...]]
    timing: Timing
    changes: Mapping[str, int]
    sets: tuple[tuple[str, str], ...]
    packages: tuple[Fetched, ...]
    alarms: tuple[Mapping[str, Any], ...]
