"""What a run of a plan knows while it is under way, and what can be asked of that. What is done to it are functions:
in act, start, manual, rows and recovery, and above them in wave, retry and engine."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from provisioner import processes
from provisioner.ansible.results import StepResult
from provisioner.execute import budget as budgets
from provisioner.execute import events, judge
from provisioner.execute.ports import Ports
from provisioner.journal import Journal, Progress
from provisioner.model import FINISHED, Fleet, Gateway, Outcome, Plan, Reason, Result, Step, Wave
from provisioner.model.results import Stands
from provisioner.plan.guards import stated_off
from provisioner.plan.index import by_practice
from provisioner.plan.statements import StatementsInForce
from provisioner.record.approval import Approval

# Longer than any wave; a lease is made longer with each.
LEASE = timedelta(hours=4)
# Why a run stopped that was asked to.
INTERRUPTED = "the operator ended it"
# Between two waves.
_NO_WAVE = Wave(number=0, steps=())


@dataclass(frozen=True, kw_only=True)
class WavePolicy:
    """What a plan's waves are to each other, and to the practices that they touch.

    `in_sequence`: each stands on the one before: it begins once all of that has ended well, and what has ended well is
    not judged again by the state before it. `whole_practice`: all gateways of its practices are leased and read with
    it, and what dead runs may still do there is waited for. `hands_over`: one PC takes over from another, so that the
    other is fenced before a start, and not stopped while the one that takes over is away. `approve_apart`: Approve is
    a step of its own, and no start waits for it.
    """

    in_sequence: bool
    whole_practice: bool
    hands_over: bool
    approve_apart: bool


# A rollout's waves are of other gateways; a migration's are the stages of one practice.
ROLLOUT = WavePolicy(in_sequence=False, whole_practice=False, hands_over=False, approve_apart=False)
MIGRATION = WavePolicy(in_sequence=True, whole_practice=True, hands_over=True, approve_apart=True)


@dataclass(kw_only=True)
class Run:
    """One run of a plan, under way.

    Given: `me`, by whom it holds what it leases; `leased`, what it leases as a whole, beside gateways; `now_because`,
    why hours do not count; `patience`, seconds for which a person is waited for; `approval`, the one by which it may be
    done, if one is asked for. From the journal: `progress` and `stood`, how each step stood before this
    run; `confirmed`, what persons confirmed, in words, by step; `names`, those of the journal in work markers
    (the newest first); `durations`, seconds that remedies were measured to take; `moving`, the open migration, by
    practice, that this plan does not belong to, as a wave finds it.

    Its own: `rows`, the fleet's as they are by now; `wave`, the one under way; `outcomes` by step; `stopped`, why it
    goes no further; `begun`, steps that were acted on; `postponed`, steps put off for want of time; `latest`, each
    gateway's newest reading, and `before`, the one before each step, as the journal names them.
    """

    plan: Plan
    fleet: Fleet
    journal: Journal
    ports: Ports
    me: processes.Process
    leased: Sequence[str] = ()
    now_because: str = ""
    patience: float = 0.0
    approval: Approval | None = None
    progress: Progress = field(default_factory=Progress)
    stood: Mapping[str, Stands] = field(default_factory=dict)
    confirmed: Mapping[str, str] = field(default_factory=dict)
    names: Sequence[str] = ()
    durations: Mapping[str, float] = field(default_factory=dict)
    moving: Mapping[str, str] = field(default_factory=dict)
    wave: Wave = _NO_WAVE
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    stopped: str = ""
    begun: set[str] = field(default_factory=set)
    postponed: set[str] = field(default_factory=set)
    latest: dict[str, str] = field(default_factory=dict)
    before: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._notify_lock = threading.Lock()
        self.rows = {gateway.name: gateway for gateway in self.fleet.gateways}
        self._practices = by_practice(self.fleet.known)
        self._first = frozenset(step.id for wave in self.plan.waves[:1] for step in wave.steps)
        self.steps_of: dict[str, list[Step]] = {}
        for step in self.plan.steps:
            self.steps_of.setdefault(step.gateway, []).append(step)

    @property
    def wave_policy(self) -> WavePolicy:
        """What this plan's waves are to each other."""
        return MIGRATION if self.plan.move else ROLLOUT

    def row(self, gateway: str) -> Gateway:
        """A gateway's row, in the role by which it is judged in this wave."""
        row = self.rows[gateway]
        return replace(row, role=self.wave.roles.get(gateway, row.role))

    def practice(self, gateway: str) -> list[Gateway]:
        """All known gateways of that gateway's practice, itself too."""
        return [self.row(row.name) for row in self._practices.get(self.rows[gateway].practice, ())]

    def peers(self, gateway: str) -> list[Gateway]:
        """The other known gateways of that gateway's practice."""
        return [row for row in self.practice(gateway) if row.name != gateway]

    def statements(self) -> StatementsInForce:
        """The statements that stand today."""
        return StatementsInForce.of(self.fleet, self.ports.now().date())

    def why_stop(self, also: Sequence[Outcome] = ()) -> str:
        """Why nothing further may start, should these outcomes come to those there are; "" while it may."""
        if self.ports.interrupted():
            return INTERRUPTED
        return self.stopped or budgets.past(self.plan.budget, [*self.outcomes.values(), *also], self._first)

    def through(self, steps: Iterable[Step]) -> bool:
        """Whether all of these ended well."""
        return all(step.id in self.outcomes and self.outcomes[step.id].result in FINISHED for step in steps)

    def touched(self, gateway: str) -> bool:
        """Whether this plan has ever acted on the gateway, whatever came of it."""
        return gateway in self.progress.begun or any(step.id in self.begun for step in self.steps_of[gateway])

    def unheard(self, step: Step) -> bool:
        """Whether an earlier run began this step, and nobody heard how it ended."""
        ended = self.progress.outcomes.get(step.id)
        return ended is not None and ended.result is Result.UNKNOWN

    def left(self, gateway: str) -> list[Step]:
        """A gateway's steps that have not ended well, in this run or an earlier one."""
        ended = {**self.progress.outcomes, **self.outcomes}
        return [
            step for step in self.steps_of[gateway] if step.id not in ended or ended[step.id].result not in FINISHED
        ]

    def is_off(self, gateway: str, reading: judge.Observation) -> bool:
        """Whether nothing accepts a connection there, and a person has stated that the PC is off and stays so."""
        return stated_off(self.row(gateway), reading.evidence.get(gateway), self.statements())

    def is_abandoned(self, gateway: str, reading: judge.Observation) -> bool:
        """Whether nothing has to be done on a gateway any more: it is the one that is left, and stated to be off. That
        which takes over has to be there, whatever is stated."""
        return gateway == self.plan.leaves and self.is_off(gateway, reading)

    def outcome(self, step: Step, verdict: judge.Verdict, acted: StepResult, started: datetime) -> Outcome:
        """How a step ended, as of now: by the verdict, with what was said of the act."""
        result, message, *reason = verdict
        return Outcome(
            step=step.id,
            gateway=step.gateway,
            result=result,
            changed=acted.changed,
            started=started,
            ended=self.ports.now(),
            message=message,
            before=acted.before,
            reading_before=self.before.get(step.id, ""),
            reading_after=self.latest.get(step.gateway, ""),
            output=acted.output,
            untouched=acted.result in ("held", *judge.NOT_ASKED),
            seconds=acted.seconds,
            reason=next(iter(reason), Reason.NONE),
        )

    def all_outcomes(self) -> tuple[Outcome, ...]:
        """One for each step, in the plan's order; of what was not begun: skipped."""
        why = (Result.SKIPPED, f"not begun: {self.stopped}", Reason.NOT_BEGUN)
        return tuple(
            self.outcomes.get(step.id) or self.outcome(step, why, judge.NOT_ACTED, self.ports.now())
            for step in self.plan.steps
        )

    def notify(self, happening: events.Happening) -> None:
        """Say what happens; one thing at a time, whichever thread it is."""
        with self._notify_lock:
            self.ports.notify(happening)
