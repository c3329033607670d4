"""What ends, and when: Windows, certificates, what persons said, and a log-in by password."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class EndingKind(StrEnum):
    """What it is that ends."""

    WINDOWS = "windows"
    CERTIFICATE = "certificate"
    STATEMENT = "statement"
    WAIVER = "waiver"
    PASSWORD = "password"  # noqa: S105


@dataclass(frozen=True, kw_only=True)
class Ending:
    """One thing that ends: its last day, where, whose job it is, and what to do before."""

    kind: EndingKind
    on: date
    what: str
    gateway: str
    practice: str
    owner: str
    control: str
    do: str
