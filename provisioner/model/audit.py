"""What is asked of gateways, and what an audit found."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from operator import attrgetter, eq
from typing import Any, NamedTuple, overload

from provisioner.model.evidence import Evidence, Fact
from provisioner.model.fleet import Gateway


class Status(StrEnum):
    """A finding's verdict. `unknown` is a verdict that the gateway cannot give; `error`: it could not be read."""

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


class Verdict(NamedTuple):
    """A finding but for whose it is."""

    control: str
    status: Status
    expected: str
    actual: str
    message: str
    cause: str = ""
    value: Any = None

    def of(self, gateway: str, practice: str) -> Finding:
        """That gateway's finding."""
        control, status, expected, actual, message, cause, value = self
        return Finding(
            gateway=gateway, practice=practice, control=control, status=status, expected=expected, actual=actual,
            message=message, cause=cause, value=value,
        )  # fmt: skip


class Findings(Sequence[Finding]):
    """Findings, those of a gateway together, each made when it is asked for.

    Nearly all that a gateway is found to be others are too: an audit of thousands has a hundred thousand findings, and
    of each its verdict is held, which they share. To make each anew takes two microseconds: who wants those of some
    statuses only says so.
    """

    __slots__ = ("_last", "_of")

    def __init__(self, of: Mapping[str, tuple[str, tuple[Verdict, ...]]]) -> None:
        """`of`: by gateway its practice and what each control came to, in the order of the policy."""
        self._of = of
        self._last: tuple[str, tuple[Finding, ...]] = ("", ())

    def of(self, gateway: str) -> tuple[Finding, ...]:
        """One gateway's, in the order of the policy."""
        # Whoever asks for one mostly asks again for the same.
        last, made = self._last
        if last != gateway:
            practice, verdicts = self.verdicts(gateway)
            made = tuple(verdict.of(gateway, practice) for verdict in verdicts)
            self._last = (gateway, made)
        return made

    @property
    def gateways(self) -> Iterable[str]:
        """Those that have any, in the order in which they come."""
        return self._of

    def some(self, gateway: str, statuses: Container[Status]) -> tuple[Finding, ...]:
        """One gateway's with these statuses."""
        practice, verdicts = self.verdicts(gateway)
        return tuple(verdict.of(gateway, practice) for verdict in verdicts if verdict.status in statuses)

    def verdicts(self, gateway: str) -> tuple[str, tuple[Verdict, ...]]:
        """The gateway's practice, and its findings but for whose they are; "" and none where it has none."""
        return self._of.get(gateway, ("", ()))

    def came_to(self, control: str) -> dict[str, Status]:
        """What that control came to, by gateway."""
        every = ((gateway, verdict) for gateway, (_, verdicts) in self._of.items() for verdict in verdicts)
        return {gateway: verdict.status for gateway, verdict in every if verdict.control == control}

    def __iter__(self) -> Iterator[Finding]:
        for gateway, (practice, verdicts) in self._of.items():
            for verdict in verdicts:
                yield verdict.of(gateway, practice)

    def __len__(self) -> int:
        return sum(len(verdicts) for _, verdicts in self._of.values())

    @overload
    def __getitem__(self, at: int) -> Finding: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Finding, ...]: ...
    def __getitem__(self, at: int | slice) -> Finding | tuple[Finding, ...]:
        return tuple(self)[at]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(eq, self, other))

    def __repr__(self) -> str:
        return f"Findings({list(self)!r})"


_OF_FINDING = attrgetter(*Verdict._fields)


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
    that was kept); `purpose`: what a migration made it for, in roles that practices.csv does not have yet; `came_out`:
    how many gateways were ready, of how many that count (None: of before that was kept).
    """

    id: str
    at: datetime
    fleet_digest: str
    policy_digest: str
    gateways: tuple[Gateway, ...]
    controls: tuple[Control, ...]
    evidence: tuple[Evidence, ...]
    findings: Sequence[Finding]
    facts: Mapping[str, Mapping[str, Fact]] = field(default_factory=dict)
    folder: str = ""
    left_out: Mapping[str, str] | None = None
    purpose: str = ""
    came_out: tuple[int, int] | None = None

    def of(self, gateway: str) -> tuple[Finding, ...]:
        """That gateway's findings, in the order of the policy."""
        if isinstance(self.findings, Findings):
            return self.findings.of(gateway)
        return self._by_gateway.get(gateway, ())

    @cached_property
    def _by_gateway(self) -> Mapping[str, tuple[Finding, ...]]:
        found: dict[str, list[Finding]] = {}
        for finding in self.findings:
            found.setdefault(finding.gateway, []).append(finding)
        return {gateway: tuple(its) for gateway, its in found.items()}

    def some(self, gateway: str, *statuses: Status) -> tuple[Finding, ...]:
        """Those of them with these statuses."""
        if isinstance(self.findings, Findings):
            return self.findings.some(gateway, statuses)
        return tuple(finding for finding in self.of(gateway) if finding.status in statuses)

    def that_are(self, *statuses: Status) -> Iterator[Finding]:
        """All findings with these statuses, in their order."""
        if not isinstance(self.findings, Findings):
            return (finding for finding in self.findings if finding.status in statuses)
        return (finding for gateway in self.findings.gateways for finding in self.findings.some(gateway, statuses))

    def came_to(self, control: str) -> Mapping[str, Status]:
        """What that control came to, by gateway."""
        if isinstance(self.findings, Findings):
            return self.findings.came_to(control)
        return {finding.gateway: finding.status for finding in self.findings if finding.control == control}

    def judged(self, gateway: str) -> bool:
        """Whether that gateway has findings."""
        if isinstance(self.findings, Findings):
            return bool(self.findings.verdicts(gateway)[1])
        return gateway in self._by_gateway

    def verdicts(self, gateway: str) -> tuple[str, Sequence[Verdict]]:
        """That gateway's practice, and its findings but for whose they are; "" and none where it has none."""
        if isinstance(self.findings, Findings):
            return self.findings.verdicts(gateway)
        found = self.of(gateway)
        return found[0].practice if found else "", [Verdict(*_OF_FINDING(one)) for one in found]
