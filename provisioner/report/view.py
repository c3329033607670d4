"""What the page and the terminal show of an audit: the findings of each gateway in the order of their weight."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, cached_property
from typing import overload

from provisioner.model import Audit, Cause, Control, Evidence, Fact, Finding, Gateway, Impact, Role, Status
from provisioner.report import words


class State(StrEnum):
    """Where one gateway stands. Only the first three count towards "N of M are ready"."""

    READY = "ready"
    UNREADY = "unready"
    UNREAD = "unread"
    CANDIDATE = "candidate"
    RETIRED = "retired"
    OFF = "off"
    NOT_KNOWN = "notknown"


STATES: Mapping[State, str] = {
    State.READY: "ready",
    State.UNREADY: "not ready",
    State.UNREAD: "could not be read",
    State.CANDIDATE: "candidate, only looked at",
    State.RETIRED: "retired, nothing is left",
    State.OFF: "switched off, as was stated",
    State.NOT_KNOWN: "gateway not known yet",
}


class Kind(StrEnum):
    """How a finding is shown, the heaviest first."""

    BAD = "bad"
    ASK = "ask"
    ADVICE = "advice"
    ERROR = "error"
    WAIVED = "waived"
    STATED = "stated"
    PASSED = "passed"
    NOT_APPLICABLE = "na"


# The sign before each is in style.css.
KINDS: Mapping[Kind, str] = {
    Kind.BAD: "failed",
    Kind.ASK: "cannot tell",
    Kind.ADVICE: "advice",
    Kind.ERROR: "could not be read",
    Kind.WAIVED: "waived",
    Kind.STATED: "stated",
    Kind.PASSED: "passed",
    Kind.NOT_APPLICABLE: "does not apply",
}

PLAN = "a plan"
LOOKS = "somebody who looks"

_KINDS_OF = {
    Status.PASSED: Kind.PASSED,
    Status.WAIVED: Kind.WAIVED,
    Status.ERROR: Kind.ERROR,
    Status.NOT_APPLICABLE: Kind.NOT_APPLICABLE,
}
_OPEN = frozenset((Kind.BAD, Kind.ASK, Kind.ADVICE))
_UNSETTLED = _OPEN | {Kind.ERROR}
_WEIGHT = {kind: weight for weight, kind in enumerate(Kind)}
_EVERY = tuple(Status)
# Only what has these can leave something to mend, to answer or to know.
_LEAVE = (Status.FAILED, Status.UNKNOWN)


@dataclass(frozen=True, kw_only=True, slots=True)
class FindingRow:
    """One finding with its control. `facts` gives those of its gateway, which are kept packed until one is wanted."""

    finding: Finding
    control: Control
    kind: Kind
    facts: Callable[[], Mapping[str, Fact]]
    # Who has to do something before a plan can mend it; "" where it can, or where no plan does.
    first: str = ""

    @property
    def fact(self) -> Fact | None:
        """The fact behind it."""
        return self.facts().get(self.control.fact)

    @property
    def blocks(self) -> bool:
        """Whether it keeps its gateway from being ready."""
        return self.kind in (Kind.BAD, Kind.ASK) and self.control.impact is Impact.REQUIRED

    @property
    def whose(self) -> str:
        """Whose job it is; no plan can mend what nobody can tell."""
        if self.first or not self.control.remedy:
            return words.owner(self.first or self.control.owner)
        return LOOKS if self.kind is Kind.ASK else PLAN


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One gateway as it is shown. `rows_of` makes rows, the heaviest first, of its findings with these statuses: of 44
    a line that is read at a glance tells a few."""

    gateway: Gateway
    state: State
    evidence: Evidence | None
    rows_of: Callable[[Collection[Status]], tuple[FindingRow, ...]]

    @property
    def standing(self) -> str:
        """Where it stands, in words. Of a retired gateway nobody asks whether it is ready."""
        left = self.state is State.UNREADY and self.gateway.role is Role.RETIRED
        return "retired, something is left" if left else STATES[self.state]

    @cached_property
    def rows(self) -> tuple[FindingRow, ...]:
        """All that was found of it."""
        return self.rows_of(_EVERY)

    @cached_property
    def open(self) -> tuple[FindingRow, ...]:
        """What somebody should mend, answer or at least know."""
        return tuple(row for row in self.rows_of(_LEAVE) if row.kind in _OPEN)

    @cached_property
    def settled(self) -> tuple[FindingRow, ...]:
        """What asks nothing of anybody."""
        return tuple(row for row in self.rows if row.kind not in _UNSETTLED)

    @cached_property
    def missing(self) -> Mapping[str, tuple[FindingRow, ...]]:
        """What keeps it from being ready, by whose job it is."""
        return by_whose(row for row in self.open if row.blocks)


class Machines(Sequence[Machine]):
    """Gateways as they are shown, each made anew whenever it is looked at: the rows of thousands are never held."""

    def __init__(self, gateways: Sequence[Gateway], made: Callable[[Gateway], Machine]) -> None:
        self.gateways, self._made = gateways, made

    @overload
    def __getitem__(self, index: int) -> Machine: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Machine]: ...

    def __getitem__(self, index: int | slice) -> Machine | Sequence[Machine]:
        if isinstance(index, slice):
            return Machines(self.gateways[index], self._made)
        return self._made(self.gateways[index])

    def __len__(self) -> int:
        return len(self.gateways)


@dataclass(frozen=True, kw_only=True)
class View:
    """A whole audit as it is shown. `part` says of how many gateways it is, where it is not of all; else it is "";
    `states` is how many gateways stand where."""

    audit: Audit
    machines: Machines
    states: Mapping[State, int]
    causes: tuple[Cause, ...]
    part: str = ""

    def count(self, state: State) -> int:
        """How many gateways stand there."""
        return self.states.get(state, 0)

    @property
    def total(self) -> int:
        """How many gateways are judged."""
        return self.count(State.READY) + self.count(State.UNREADY) + self.count(State.UNREAD)

    @property
    def came_out(self) -> tuple[int, int]:
        """How many of them are ready, and how many there are."""
        return self.count(State.READY), self.total

    @property
    def sentence(self) -> str:
        """The one sentence that everybody came for; of a part it says first that it is one."""
        said, purpose = self._said(), self.audit.purpose
        if not (self.part or purpose):
            return said
        lead = ", ".join(one for one in (purpose[:1].upper() + purpose[1:] or "Only a part", self.part) if one)
        return f"{lead}: {said[0].lower()}{said[1:]}"

    def _said(self) -> str:
        ready, total = self.came_out
        if len(self.machines) == 1 and self.machines[0].state is State.NOT_KNOWN:
            return "Which PC is the gateway is not known yet"
        retired = self.count(State.RETIRED)
        if total == 0 and retired:
            who = "The gateway is" if retired == 1 else f"{retired:,} gateways are"
            return f"{who} retired, and nothing of the Connector is left"
        if total == 0:
            return "No gateway was judged"
        if len(self.machines) == 1 and self.machines[0].standing != STATES[self.machines[0].state]:
            return "The gateway is retired, and something of the Connector is left"
        if total == 1:
            unready = "could not be read" if self.count(State.UNREAD) else "is not ready"
            return f"The gateway {'is ready' if ready else unready}"
        if ready == total:
            return f"All {total:,} gateways are ready"
        if ready == 0:
            return f"None of {total:,} gateways is ready"
        return f"{ready:,} of {total:,} gateways {'is' if ready == 1 else 'are'} ready"


def by_whose(rows: Iterable[FindingRow]) -> Mapping[str, tuple[FindingRow, ...]]:
    """Findings by whose job they are, in the order in which they come."""
    groups: defaultdict[str, list[FindingRow]] = defaultdict(list)
    for row in rows:
        groups[row.whose].append(row)
    return {whose: tuple(group) for whose, group in groups.items()}


def not_by_a_plan(causes: Iterable[Cause]) -> dict[tuple[str, str], str]:
    """By gateway and control whose job it is, of what no plan does by these causes."""
    return {
        (gateway, one.control): one.owner
        for one in causes
        if not (one.remedy or one.headline)
        for gateway in one.gateways
    }


def view(audit: Audit, ready: Mapping[str, bool], causes: Sequence[Cause]) -> View:
    """An audit as it is shown."""
    return views(audit, ready, causes)("")


def views(audit: Audit, ready: Mapping[str, bool], causes: Sequence[Cause]) -> Callable[[str], View]:
    """What gives what the audit says of one practice, by its code, as it is shown ("": of all). Causes are those of the
    whole audit; what is looked up in it is looked up once for all practices."""
    unanswered = {(gateway, cause.control) for cause in causes for gateway in cause.gateways}
    first = not_by_a_plan(causes)
    controls = {control.id: control for control in audit.controls}
    evidence = {one.gateway: one for one in audit.evidence}

    def row(finding: Finding, facts: Callable[[], Mapping[str, Fact]]) -> FindingRow:
        control, key = controls[finding.control], (finding.gateway, finding.control)
        kind = _kind(finding, control, key in unanswered)
        who = first.get(key, "") if control.remedy and kind is not Kind.ASK else ""
        return FindingRow(finding=finding, control=control, kind=kind, facts=facts, first=who)

    def state(gateway: Gateway) -> State:
        found = evidence.get(gateway.name)
        if gateway.known and (found is None or found.error is not None):
            return _unread(audit.of(gateway.name))
        return _state(gateway, ready.get(gateway.name, False))

    def made(gateway: Gateway) -> Machine:
        name = gateway.name

        @cache
        def facts() -> Mapping[str, Fact]:
            return dict(audit.facts.get(name, {}).items())

        def rows_of(statuses: Collection[Status]) -> tuple[FindingRow, ...]:
            return tuple(sorted((row(one, facts) for one in audit.some(name, *statuses)), key=_weight))

        return Machine(gateway=gateway, state=state(gateway), evidence=evidence.get(name), rows_of=rows_of)

    of: defaultdict[str, list[Gateway]] = defaultdict(list)
    for gateway in audit.gateways:
        of[gateway.practice].append(gateway)
    left = Counter((audit.left_out or {}).values())

    def shown(practice: str) -> View:
        gateways = of.get(practice, ()) if practice else audit.gateways
        return View(
            audit=audit,
            machines=Machines(gateways, made),
            states=Counter(map(state, gateways)),
            causes=tuple(causes),
            part=words.part_of(gateways, left[practice], " of this practice") if practice else words.part(audit),
        )

    return shown


def _weight(row: FindingRow) -> int:
    return _WEIGHT[row.kind]


def _kind(finding: Finding, control: Control, unanswered: bool) -> Kind:
    if finding.status is Status.FAILED:
        return Kind.BAD if control.impact is Impact.REQUIRED else Kind.ADVICE
    if finding.status is Status.UNKNOWN:
        return Kind.ASK if unanswered else Kind.STATED
    return _KINDS_OF[finding.status]


def _unread(findings: Sequence[Finding]) -> State:
    # Of one that does not answer nothing applies where a person has stated that it is off.
    return State.OFF if findings and all(one.status is Status.NOT_APPLICABLE for one in findings) else State.UNREAD


def _state(gateway: Gateway, ready: bool) -> State:
    if not gateway.known:
        return State.NOT_KNOWN
    if gateway.role is Role.CANDIDATE:
        return State.CANDIDATE
    if not ready:
        return State.UNREADY
    return State.RETIRED if gateway.role is Role.RETIRED else State.READY
