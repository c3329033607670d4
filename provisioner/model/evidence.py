"""What a gateway answered, and what is known by it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Why a gateway could not be read: the kind is the error's class name.

    `absent`: nothing accepted a connection there. Only then can the PC be off; what was kept before there was this
    field says no.
    """

    kind: str
    message: str
    hint: str
    absent: bool = False

    def __str__(self) -> str:
        return f"{self.message.rstrip('.')}. {self.hint}".strip()


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """One reading of one gateway: exactly one for each gateway that is asked, whatever happens.

    `sections` maps a section's name to its data as `evidence/schema` has it, `section_errors` to why it
    could not be read, `section_seconds` to what it cost there. With `error` set all three are empty.
    """

    gateway: str
    taken_at: datetime
    seconds: float
    sections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    section_errors: Mapping[str, str] = field(default_factory=dict)
    section_seconds: Mapping[str, float] = field(default_factory=dict)
    error: Problem | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """A named fact about a gateway: `value` is None when it cannot be told, and `reason` says why."""

    value: Any
    reason: str = ""
