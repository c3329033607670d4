"""What will be changed, and what no step changes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from provisioner.model.fleet import Role

# Steps of a migration that others know by name too: the old Connector is stopped; its person has ended the Gateway, and
# the new one's has started it; files are carried from the one to the other.
STOP = "stop"
GATEWAY_ENDED = "gateway-ended"
GATEWAY_STARTED = "gateway-started"
CARRY = "carry"


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
    finish belongs to, `move` what a migration moves; `part` is of how many gateways, and of which remedies alone,
    it was made, "" where of all.
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
    part: str = ""

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
class Timing:
    """How long a plan takes, and when it may begin.

    `seconds` is its whole run, without the time in which a person is waited for; `hours` has how many of its gateways
    keep which hours, "" for any time. `opens` and `closes` are of the next window in which all of them may be touched
    and all of it fits, or else of the first one; None where there is none, or where there is no end. `last` is the last
    moment at which all of it still fits into that window; None where it does not, or need not.
    """

    seconds: float
    hours: Mapping[str, int]
    opens: datetime | None = None
    closes: datetime | None = None
    last: datetime | None = None
