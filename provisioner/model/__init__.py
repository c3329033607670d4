"""The words of the field, as frozen data. All that travels between the parts is one of these.

No secret is ever a field of any of them. Times are timezone-aware UTC, durations are seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from provisioner.model.settings import Settings


class Role(StrEnum):
    """What a gateway is for. `candidate` is looked at and never changed."""

    ACTIVE = "active"
    STANDBY = "standby"
    CANDIDATE = "candidate"
    RETIRED = "retired"


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
    waited for.
    """

    NONE = ""
    STATED_OFF = "stated_off"
    ASKED = "asked"


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
class Fleet:
    """A fleet folder, read and right. `digest` changes with any of its content."""

    folder: str
    settings: Settings
    gateways: tuple[Gateway, ...]
    statements: tuple[Statement, ...]
    waivers: tuple[Waiver, ...]
    digest: str

    @property
    def known(self) -> tuple[Gateway, ...]:
        """The gateways whose PC is known, in the order of practices.csv."""
        return tuple(gateway for gateway in self.gateways if gateway.known)


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


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One reading of one gateway: exactly one for each gateway that is asked, whatever happens.

    `sections` maps a section's name to its data as evidence.schema.json has it, `section_errors` to why it
    could not be read, `section_seconds` to what it cost there. With `error` set all three are empty.
    """

    gateway: str
    taken_at: datetime
    seconds: float
    sections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    section_errors: Mapping[str, str] = field(default_factory=dict)
    section_seconds: Mapping[str, float] = field(default_factory=dict)
    error: Problem | None = None


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A named fact about a gateway: `value` is None when it cannot be told, and `reason` says why."""

    value: Any
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Control:
    """One thing that is asked of a gateway. Exactly one of `remedy` (a role) and `owner` says who mends it.

    `applies_when` maps `role` or a fact's name to the values at which the control is judged. For people: `wants` is
    what is expected, `shows` the fact that says what was found, `failed` the sentence for a failure (`{actual}` in it
    stands for what was found), `ask` what its owner is asked to do.
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


@dataclass(frozen=True, kw_only=True)
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
        return tuple(finding for finding in self.findings if finding.gateway == gateway)


@dataclass(frozen=True, kw_only=True)
class Change:
    """What is there and what will be, in words."""

    what: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class Step:
    """One act on one gateway: a `playbook`'s role with its values, a `person`'s by words, its `row` in practices.csv.

    What a person does is shown by the controls in `proves`, or where no reading can, by that person's confirmation.

    `because`, `proves`, `needs` and `keeps` are control ids: why, what is shown when it is done, what must be settled
    before it may be done, and what passed and must not be spoiled; `fingerprint` is that of the findings it proves,
    as planned; `seconds` and `size` (bytes to fetch) are estimates. A step that `restores` is proved when the reading
    is again what `fingerprint` says it was.
    """

    id: str
    gateway: str
    practice: str
    kind: str
    remedy: str
    role: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    words: str = ""
    who: str = ""
    because: tuple[str, ...] = ()
    proves: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()
    fingerprint: str = ""
    changes: tuple[Change, ...] = ()
    seconds: float = 0.0
    size: int = 0
    restores: bool = False

    @property
    def removes(self) -> bool:
        """Whether its role takes away what it makes elsewhere."""
        return bool(self.values.get(f"{self.role}_state") == "absent")


@dataclass(frozen=True, kw_only=True)
class Wave:
    """Gateways that are changed together; the next wave waits for this one's proof.

    `roles` are those by which this wave's gateways are judged, where practices.csv has others: a migration's steps
    lead from one to the other.
    """

    number: int
    steps: tuple[Step, ...]
    roles: Mapping[str, Role] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How many gateways may go wrong over the whole rollout before it stops; None: any number.

    `first_wave` is the number of failures that the first wave may have.
    """

    failed: int | None = 1
    unreachable: int | None = None
    refused: int | None = 1
    unknown: int | None = 1
    first_wave: int = 0


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A failed finding that no step mends, and whose job it is."""

    gateway: str
    practice: str
    control: str
    message: str
    owner: str
    ask: str


@dataclass(frozen=True, kw_only=True)
class Move:
    """From which PC to which other one a practice's gateway moves; `was` is the new one's role before."""

    practice: str
    old: str
    new: str
    was: Role


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What will be changed, in waves, made from one audit. It belongs to its gateways.

    `kind`: rollout, migration, finish (of a migration) or undo. `places` maps each gateway to its practice and address
    as planned, `roles` (a rollout's) to the role for which its steps were made; `of` is the plan that an undo or a
    finish belongs to, `move` what a migration moves.
    """

    id: str
    kind: str
    at: datetime
    audit: str
    fleet_digest: str
    policy_digest: str
    places: Mapping[str, tuple[str, str]]
    waves: tuple[Wave, ...]
    budget: Budget
    gaps: tuple[Gap, ...] = ()
    roles: Mapping[str, Role] = field(default_factory=dict)
    of: str = ""
    move: Move | None = None

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps, in the order in which they are done."""
        return tuple(step for wave in self.waves for step in wave.steps)

    @property
    def leaves(self) -> str:
        """The gateway that a plan with a move leads away from; "" without one."""
        if self.move is None:
            return ""
        return self.move.new if self.kind == "undo" else self.move.old

    @property
    def leads_to(self) -> str:
        """The gateway that takes over by a plan with a move; "" without one."""
        if self.move is None:
            return ""
        return self.move.old if self.kind == "undo" else self.move.new


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one step ended. `before` is what the role found on the gateway, kept for undo and for the record.

    `reading_before` and `reading_after` name the evidence that judged it (its SHA-256, as the journal keeps it);
    `output` is what Ansible said, a line a task, and `seconds` what its tasks took (0: not said). `untouched`: it was
    begun, and is known to have done nothing: another team's marker kept it off the gateway. `message` is for people;
    what reads it again goes by `reason`.
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
