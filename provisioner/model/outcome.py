"""How a step ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Result(StrEnum):
    """How a step ended. `refused`: the gateway did not accept the log-in, and it is not tried again by itself."""

    DONE = "done"
    UNCHANGED = "unchanged"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    STALE = "stale"
    WAITING = "waiting"
    UNDONE = "undone"
    SKIPPED = "skipped"


# The results with which a step has ended well.
FINISHED = (Result.DONE, Result.UNCHANGED, Result.UNDONE)


class Reason(StrEnum):
    """Why a step ended as it did, where something later depends on that; "" where nothing does.

    `stated_off`: it was not needed, because its PC is stated to be off; `asked`: a person was asked for it, and is
    waited for; `not_begun`: the run had ended before its turn came.
    """

    NONE = ""
    STATED_OFF = "stated_off"
    ASKED = "asked"
    NOT_BEGUN = "not_begun"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one step ended. `before` is what the role found on the gateway, kept for undo and for the record.

    `reading_before` and `reading_after` name the evidence that judged it (its SHA-256, as the journal keeps it);
    `output` is what Ansible said, a line for each part of a task, and `seconds` what its tasks took (0: not said).
    `untouched`: it was begun, and is known to have done nothing: another team's marker kept it off the gateway.
    `message` is for people; what reads it again goes by `reason`.
    """

    step: str
    gateway: str
    result: Result
    changed: bool
    started: datetime
    ended: datetime
    message: str = ""
    before: Mapping[str, Any] = field(default_factory=dict)
    reading_before: str = ""
    reading_after: str = ""
    output: tuple[str, ...] = ()
    untouched: bool = False
    seconds: float = 0.0
    reason: Reason = Reason.NONE
