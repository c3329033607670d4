"""What the facts are read from, and how one says that it cannot be told."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from provisioner.audit.policy import Lifecycle
from provisioner.fleet import endpoints
from provisioner.model import Evidence, FileTemplate, Gateway
from provisioner.model.settings import Settings

# The value of a fact that holds problems, where there is none. Otherwise it is the list of them, in words.
OK = "ok"

Section = Mapping[str, Any]
T = TypeVar("T")


class CannotTell(Exception):
    """Raised by a fact that the evidence does not show; its text is the reason."""


@dataclass(frozen=True, kw_only=True)
class FactContext:
    """One gateway's evidence with all that it is read against.

    `seen` is the identity seen at this gateway before (computer_name, serial, machine_guid), None at first sight;
    `elsewhere` are the gateways of other rows that are this same PC, in words; `templates` are the fleet's; `thought`
    is what was thought out `once`.
    """

    evidence: Evidence
    gateway: Gateway
    settings: Settings
    lifecycle: Lifecycle
    at: datetime
    seen: Mapping[str, str] | None
    elsewhere: str
    templates: Mapping[str, FileTemplate]
    thought: dict[Callable[..., Any], Any] = field(default_factory=dict)

    def section(self, name: str) -> Section:
        """A section's data. Raises CannotTell where it is missing."""
        data = self.evidence.sections.get(name)
        if data is None:
            why = self.evidence.section_errors.get(name, "the gateway was not asked for it")
            raise CannotTell(f"the gateway's answer has no {name}: {why}")
        return data

    def value(self, section: str, name: str, what: str) -> Any:
        """One value of a section. Raises CannotTell where the gateway does not know it; `what` it is, in words."""
        found = self.section(section)[name]
        if found is None:
            raise CannotTell(f"the gateway does not tell {what}")
        return found


FactOf = Callable[[FactContext], Any]


def once(think: Callable[[FactContext], T]) -> Callable[[FactContext], T]:
    """The same, thought out once for each reading: for what several facts want."""

    @functools.wraps(think)
    def thought(reading: FactContext) -> T:
        if think not in reading.thought:
            reading.thought[think] = think(reading)
        found: T = reading.thought[think]
        return found

    return thought


def known_endpoints(reading: FactContext) -> list[str]:
    """The vendor's addresses as far as fleet.yml has them. Raises CannotTell where it has none."""
    found = list(endpoints.whole(reading.settings.endpoints))
    if not found:
        raise CannotTell(endpoints.why_not_all(reading.settings.endpoints))
    return found


def over_endpoints(reading: FactContext, found: list[str]) -> str | list[str]:
    """The problems with the endpoints that are known. Without any raises CannotTell where not all four are known."""
    if not found and (why := endpoints.why_not_all(reading.settings.endpoints)):
        raise CannotTell(why)
    return problems(found)


def problems(found: list[str]) -> str | list[str]:
    """OK, or the problems."""
    return found or OK


def same_path(one: str, other: str) -> bool:
    """Whether two Windows paths are the same file."""
    return path_key(one) == path_key(other)


# The same few paths are compared again and again, at each of thousands of gateways.
@functools.lru_cache(maxsize=4096)
def path_key(path: str) -> str:
    """A Windows path for comparing: without quotes, case, a last backslash and the usual variables."""
    key = path.strip().strip('"').replace("/", "\\").lower()
    for variable, place in _VARIABLES.items():
        key = key.replace(variable, place)
    return key.rstrip("\\")


def within(path: str, folder: str) -> bool:
    """Whether a Windows path lies under a folder."""
    return path_key(path).startswith(path_key(folder) + "\\")


def listed(names: list[str]) -> str:
    """Names as a sentence has them: a, b and c."""
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


_VARIABLES = {
    "%systemdrive%": "c:",
    "%systemroot%": "c:\\windows",
    "%windir%": "c:\\windows",
    "%programfiles%": "c:\\program files",
    "%programfiles(x86)%": "c:\\program files (x86)",
    "%programdata%": "c:\\programdata",
}
