"""The shape of a remedy (a remediation): a role with its values, and all that planning it and undoing it have to know.

What a part has no use for is said in words (None, `never`, `all_comes_back`), so that none is forgotten.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from provisioner.fleet import packages
from provisioner.model import Fleet, Gateway, Role, Step
from provisioner.model.product import PRODUCT, PackageName
from provisioner.model.settings import Settings

Values = Mapping[str, Any]
Sections = Mapping[str, Mapping[str, Any]]

IT = PRODUCT.called
GROUP = "provisioner"
KEEP = "C:\\ProgramData\\provisioner"
# What a reading shows of a remedy's work where it says that it cannot tell.
UNTOLD: Final = object()


@dataclass(frozen=True, kw_only=True)
class Risk:
    """What a change request says, for people who approve changes: what is done, what could go wrong, the way back."""

    does: str
    wrong: str
    back: str


@dataclass(frozen=True, kw_only=True)
class Need:
    """A setting whose absence is a gap instead of a step. `words`: what the gap says is to be given in fleet.yml;
    `removal`: whether to take away needs it as well; `control`: the only one that needs it, "" for all. `package`: the
    one that is brought where fleet.yml names it, and is not used before all of it is known; None for none."""

    words: str
    given: Callable[[Settings], bool]
    removal: bool
    control: str
    package: PackageName | None


@dataclass(frozen=True, kw_only=True)
class Removal:
    """How it is taken off a retired gateway: in the order of `place`, what runs first, that on which it was built
    last."""

    place: int
    risk: Risk


@dataclass(frozen=True, kw_only=True)
class Back:
    """The way back. Roles are undone in the order of `place`; `values` are those that a way back has of its own.

    It is proved by the fingerprint of what `shown` (sections, values of the step) gives: all of the role's own work, as
    `sections` of a reading show it, and nothing else of the gateway; UNTOLD where they do not.

    Of what the role found before: `nothing_before` is whether nothing of its work was there yet, `lost` why that does
    not come back, "" where it does. `recorded`: the role has a record of its own on the gateway, so that a run that
    died in it left nothing half known.
    """

    place: int
    sections: tuple[str, ...]
    shown: Callable[[Sections, Values], Any]
    nothing_before: Callable[[Values], bool]
    recorded: bool
    lost: Callable[[Values], str]
    values: Values


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """An event that Windows writes while something is done: its log and number, what it says, the published `rule` that
    would fire on it ("" where none is known), and the `source` of both."""

    log: str
    event: str
    says: str
    source: str
    rule: str = ""


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """What mends findings of controls that name it.

    `values` (fleet, gateway) are the role's variables, as its meta/argument_specs.yml has them, from the fleet alone.
    `seconds` is what it takes on a gateway until the journal has measured it. `planned`: a rollout does it; else a
    migration alone. `stops_service`: it starts, sets or stops the Connector's service. `told_of_program`: it is told of
    the program that really runs. `alarms`: what a security team sees of it on the gateway. `removal` None: it stays on
    a retired gateway. `back` None: nobody knows a way back, and an undo says so.
    """

    name: str
    role: str
    values: Callable[[Fleet, Gateway], dict[str, Any]]
    needs: Need | None
    seconds: float
    planned: bool
    stops_service: bool
    told_of_program: bool
    risk: Risk
    alarms: tuple[Alarm, ...]
    removal: Removal | None
    back: Back | None

    def lacks(self, settings: Settings, gateway: Gateway, control: str) -> str:
        """What fleet.yml must give before this mends a finding of that control there; "" where nothing is missing."""
        need, retired = self.needs, gateway.role is Role.RETIRED
        if need is None:
            return ""
        untold = packages.lacking(settings, need.package) if need.package else ""
        # What an installer or procrun brought is not taken away by half: a product stays where its id is not known.
        if retired and untold:
            return untold
        if (retired and not need.removal) or need.control not in ("", control):
            return ""
        return untold if need.given(settings) else need.words

    def step(self, gateway: Gateway, values: Values) -> Step:
        """The step that does it there with these values; why, and what proves it, is the plan's to add."""
        return Step(
            id=f"{gateway.name}-{self.name}",
            gateway=gateway.name,
            practice=gateway.practice,
            kind="playbook",
            remedy=self.name,
            role=self.role,
            values=values,
            seconds=self.seconds,
        )


def never(before: Values) -> bool:
    """For `nothing_before` where what was found never says it."""
    return False


def all_comes_back(before: Values) -> str:
    """For `lost` where nothing is."""
    return ""


def not_there(before: Values) -> bool:
    """For `nothing_before` of a role that says whether its work `exists`."""
    return before.get("exists") is False


def state(gateway: Gateway) -> str:
    """What a role is asked to bring about: on a retired gateway that nothing of it is there."""
    return "absent" if gateway.role is Role.RETIRED else "present"


def folders(fleet: Fleet, gateway: Gateway) -> dict[str, Any]:
    """The variables of roles that replace files of a Connector that may run."""
    return {
        "connector_folder": fleet.settings.connector.folder,
        "connector_keep": KEEP,
        "connector_service": fleet.settings.service.name,
        "connector_restart": gateway.role is Role.ACTIVE,
    }
