"""What the journal holds, as frozen data, and the events of a step."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from provisioner.model import Outcome, Reason, Result, adapters
from provisioner.processes import Process


@dataclass(frozen=True, kw_only=True)
class Event:
    """One thing that happened. `kind`: run_started, run_ended, step_started, step_ended, lease_broken, ..."""

    at: datetime
    kind: str
    plan: str = ""
    step: str = ""
    gateway: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the history: an audit, a plan, a run, or a removal of what was old."""

    id: str
    kind: str
    at: datetime
    title: str


@dataclass(frozen=True, kw_only=True)
class Lease:
    """Who works on a gateway, why, and until when at most."""

    gateway: str
    holder: Process
    why: str
    since: datetime
    until: datetime


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a plan is. `outcomes` has each step's last, `unended` the beginning of each step that has no end yet,
    `begun` the gateways on which it ever acted."""

    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    unended: Mapping[str, Event] = field(default_factory=dict)
    begun: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """How much was removed because it was old."""

    audits: int = 0
    plans: int = 0
    events: int = 0
    readings: int = 0


# How releases that wrote no reason said what it is now: their sentences, which stand in old journals alone.
_SAID_BEFORE = (
    (Reason.STATED_OFF, re.compile("a person has stated that this PC is switched off and stays so")),
    (Reason.ASKED, re.compile("(practice|icb-it): .*", re.DOTALL)),
)


def reasoned(outcome: Mapping[str, Any]) -> Mapping[str, Any]:
    """An outcome's document, with its reason also where it is of a release that wrote none."""
    said = str(outcome.get("message", ""))
    found = [reason for reason, words in _SAID_BEFORE if words.fullmatch(said)]
    return {"reason": found[0], **outcome} if found else outcome


def new_id(kind: str, at: datetime) -> str:
    """An id that sorts by time and can be said aloud, such as audit-20261123-201500-ab12."""
    return f"{kind}-{at:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def started(step: str, gateway: str, plan: str, at: datetime, mark: str) -> Event:
    """That a step begins. `mark` is that of the run which does it."""
    return Event(at=at, kind="step_started", plan=plan, step=step, gateway=gateway, body={"mark": mark})


def ended(outcome: Outcome, plan: str) -> Event:
    """That a step ended."""
    body = adapters.plain(Outcome, outcome)
    return Event(at=outcome.ended, kind="step_ended", plan=plan, step=outcome.step, gateway=outcome.gateway, body=body)


def broken_off(begun: Event, at: datetime, why: str) -> Event:
    """That a step or a claim, of which this was the beginning, has ended, and nobody knows how."""
    if begun.kind == "claim_started":
        body = {"result": "unknown", "message": why}
        return Event(at=at, kind="claim_ended", plan=begun.plan, step=begun.step, gateway=begun.gateway, body=body)
    outcome = Outcome(
        step=begun.step,
        gateway=begun.gateway,
        result=Result.UNKNOWN,
        changed=False,
        started=begun.at,
        ended=at,
        message=why,
    )
    return ended(outcome, begun.plan)
