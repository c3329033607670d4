"""What is asked of gateways, and what an audit found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any

from provisioner.model.evidence import Evidence, Fact
from provisioner.model.fleet import Gateway


class Status(StrEnum):
    """A finding's answer. `unknown` is an answer that the gateway cannot give; `error`: it could not be read."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not_applicable"
    WAIVED = "waived"
    ERROR = "error"


class Impact(StrEnum):
    """`advice` never makes a gateway unready."""

    REQUIRED = "required"
    ADVICE = "advice"


@dataclass(frozen=True, kw_only=True)
class Control:
    """One thing that is asked of a gateway. Exactly one of `remedy` (a role) and `owner` says who mends it.

    `applies_when` maps `role` or a fact's name to the values at which the control is judged. For people: `wants` is
    what is expected, `shows` the fact that says what was found, `failed` the sentence for a failure (`{actual}` in it
    stands for what was found), `ask` what its owner is asked to do, `undo` how that is undone.
    """

    id: str
    requirement: str
    title: str
    impact: Impact
    fact: str
    operator: str
    operand: Any
    applies_when: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    remedy: str = ""
    owner: str = ""
    wants: str = ""
    shows: str = ""
    failed: str = ""
    ask: str = ""
    undo: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One control judged on one gateway.

    `value` is the fact as it was read; `expected`, `actual` and `message` are for people. `cause` is the same
    text at every gateway that fails in the same way, so that findings can be grouped; it is "" where nothing is left
    to do, as for an unknown that a standing statement answers.
    """

    gateway: str
    practice: str
    control: str
    status: Status
    expected: str
    actual: str
    message: str
    cause: str = ""
    value: Any = None


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Findings of one control that have the same status and the same text, at one gateway or at many.

    Exactly one of `remedy` and `owner` says who mends it: the remedy where a plan would do it now. `headline`: the same
    at so many gateways at once that it is said first, because something that they share is the likelier reason.
    """

    text: str
    control: str
    status: Status
    owner: str
    remedy: str
    gateways: tuple[str, ...]
    headline: bool = False


@dataclass(frozen=True, kw_only=True)
class Audit:
    """One reading of a fleet, judged. Holds all that a report needs.

    `folder` is the fleet's; `left_out` maps its known gateways that were not asked to their practices (None: of before
    that was kept); `purpose`: what a migration made it for, in roles that practices.csv does not have yet.
    """

    id: str
    at: datetime
    fleet_digest: str
    policy_digest: str
    gateways: tuple[Gateway, ...]
    controls: tuple[Control, ...]
    evidence: tuple[Evidence, ...]
    findings: tuple[Finding, ...]
    facts: Mapping[str, Mapping[str, Fact]] = field(default_factory=dict)
    folder: str = ""
    left_out: Mapping[str, str] | None = None
    purpose: str = ""

    def of(self, gateway: str) -> tuple[Finding, ...]:
        """That gateway's findings, in the order of the policy."""
        return self._by_gateway.get(gateway, ())

    @cached_property
    def _by_gateway(self) -> Mapping[str, tuple[Finding, ...]]:
        found: dict[str, list[Finding]] = {}
        for finding in self.findings:
            found.setdefault(finding.gateway, []).append(finding)
        return {gateway: tuple(its) for gateway, its in found.items()}
