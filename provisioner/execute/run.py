"""One run of a plan, under way: wave by wave lease, re-read, act, prove, record."""

import secrets
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from provisioner import journal as journals
from provisioner import processes
from provisioner.ansible.playbook import Acted
from provisioner.errors import InputError
from provisioner.execute import budget as budgets
from provisioner.execute import events, failpoints, judge, manual, removals, schedule, start
from provisioner.execute.failpoints import Point
from provisioner.execute.ports import Hands
from provisioner.execute.shards import in_shards
from provisioner.journal import Journal, Lease, Progress, standing
from provisioner.migration.stages import STOP
from provisioner.model import Fleet, Gateway, Outcome, Plan, Reason, Result, Role, Step, Wave
from provisioner.model.results import Stands
from provisioner.plan.rollout import IDENTITY, START, Standing, by_practice, connector_runs, stated_off

# A step's verdict, what was said of the act, and when it began.
Ending = tuple[Step, judge.Verdict, Acted, datetime]

# Longer than any wave; a lease is made longer with each.
LEASE = timedelta(hours=4)
# What these controls say comes from the endpoints section: a proof of them measures.
_MEASURED = frozenset({"R11-internet", "R14-reachable"})
FINISHED = (Result.DONE, Result.UNCHANGED, Result.UNDONE)
# What is said of a step that Ansible was never asked to do.
NOT_ASKED = ("late", "lost")
_NONE = Wave(number=0, steps=())
# Why a run stopped that was asked to.
INTERRUPTED = "the operator ended it"


@dataclass(kw_only=True)
class Rollout:
    """One run of a plan, under way. `ids`: what it leases as a whole, beside gateways; `now_because`: why hours do not
    count; `stood`: what stood of each step before this run; `confirmed`: what persons confirmed, in words, by step;
    `names`: those under which the journal marks gateways (the newest first);
    `moving`: the open migration, by practice, that this plan does not belong to, as a wave finds it; `durations`:
    seconds that remedies were measured to take; `patience`: seconds for which a person is waited for."""

    plan: Plan
    fleet: Fleet
    journal: Journal
    hands: Hands
    ids: Sequence[str] = ()
    now_because: str = ""
    me: processes.Process = field(default_factory=processes.this)
    progress: Progress = field(default_factory=Progress)
    stood: Mapping[str, Stands] = field(default_factory=dict)
    confirmed: Mapping[str, str] = field(default_factory=dict)
    names: Sequence[str] = ()
    moving: Mapping[str, str] = field(default_factory=dict)
    durations: Mapping[str, float] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    stopped: str = ""
    patience: float = 0.0

    def __post_init__(self) -> None:
        self._mouth = threading.Lock()
        self._rows = {gateway.name: gateway for gateway in self.fleet.gateways}
        self._practices = by_practice(self.fleet.known)
        self._wave_of_now = _NONE
        self._first = frozenset(step.id for wave in self.plan.waves[:1] for step in wave.steps)
        self.steps_of: dict[str, list[Step]] = {}
        for step in self.plan.steps:
            self.steps_of.setdefault(step.gateway, []).append(step)
        # Steps of this run that were acted on.
        self._begun: set[str] = set()
        # Steps that were put off for want of time.
        self.moved: set[str] = set()
        # The reading that was the latest of each gateway, and the one before each step, as the journal names them.
        self._latest: dict[str, str] = {}
        self._before: dict[str, str] = {}

    @property
    def strict(self) -> bool:
        """Whether each wave stands on the one before, as in a migration; a rollout's waves are of other gateways."""
        return self.plan.move is not None

    def row(self, gateway: str) -> Gateway:
        """A gateway's row, in the role by which it is judged in this wave."""
        row = self._rows[gateway]
        return replace(row, role=self._wave_of_now.roles.get(gateway, row.role))

    def practice(self, gateway: str) -> list[Gateway]:
        """All known gateways of that gateway's practice, itself too."""
        return [self.row(one.name) for one in self._practices[self._rows[gateway].practice]]

    def said(self) -> Standing:
        """The statements that stand today."""
        return Standing.of(self.fleet, self.hands.now().date())

    def why_stop(self, also: Sequence[Outcome] = ()) -> str:
        """Why nothing further may start, should these outcomes come to those there are; "" while it may."""
        if self.hands.interrupted():
            return INTERRUPTED
        return self.stopped or budgets.past(self.plan.budget, [*self.outcomes.values(), *also], self._first)

    def through(self, steps: Iterable[Step]) -> bool:
        """Whether all of these ended well."""
        return all(step.id in self.outcomes and self.outcomes[step.id].result in FINISHED for step in steps)

    def wave(self, wave: Wave) -> None:
        """One wave, to its end; its leases are given back whatever happens."""
        if not self.hold():
            return
        gateways = tuple(dict.fromkeys(step.gateway for step in wave.steps))
        count = max(len(self.plan.waves), wave.number)
        self.tell(events.WaveStarted(number=wave.number, of=count, gateways=gateways, steps=len(wave.steps)))
        now, leased = self.hands.now(), self._leased(wave)
        held = self.journal.take(leased, self.me, self.plan.id, now, now + LEASE)
        self.moving = self._others_moving()
        failpoints.reach(Point.WAVE_LEASED)
        self._wave_of_now = wave
        try:
            self._wave(wave, held)
        finally:
            self._wave_of_now = _NONE
            self.journal.release(leased, self.me)
        failpoints.reach(Point.WAVE_RELEASED)
        self.tell(events.WaveEnded(number=wave.number))

    def hold(self) -> bool:
        """Make the run's own leases longer. False, and it stops, where somebody has taken one from it."""
        now = self.hands.now()
        for id_, lease in self.journal.take(self.ids, self.me, "apply", now, now + LEASE).items():
            self.stopped = f"{id_} was taken from this run: {held_by(lease)}"
        return not self.stopped

    def _others_moving(self) -> dict[str, str]:
        """The open migration of each practice that has one which this plan does not belong to."""
        open_ = standing.open_migrations(self.journal)
        return {practice: id_ for practice, id_ in open_.items() if id_ not in (self.plan.id, self.plan.of)}

    def _leased(self, wave: Wave) -> tuple[str, ...]:
        """The gateways that a wave leases: where a Connector is started or moved, all of the practice."""
        names: dict[str, None] = {}
        for step in wave.steps:
            names[step.gateway] = None
            if step.gateway in self._rows and (self.strict or step.remedy == START):
                names |= dict.fromkeys(one.name for one in self.practice(step.gateway))
        return tuple(names)

    def _wave(self, wave: Wave, held: Mapping[str, Lease]) -> None:
        now, ready = self.hands.now(), list[Step]()
        verdicts: list[tuple[Step, judge.Verdict]] = []
        for step in wave.steps:
            if verdict := self._not_now(step, held):
                verdicts.append((step, verdict))
            else:
                ready.append(step)
        acts = [step for step in ready if step.kind == "playbook"]
        if self.strict:
            start.settle(self, acts)
        reading = self.look(acts, peers=self.strict)
        failpoints.reach(Point.WAVE_READ)
        due = []
        for step in ready:
            verdict = self._before_acting(step, reading) if step.kind == "playbook" else None
            if verdict is None:
                due.append(step)
            else:
                verdicts.append((step, verdict))
        self.record([(step, verdict, judge.NOT_ACTED, now) for step, verdict in verdicts])
        failpoints.reach(Point.VERDICTS_NOTED)
        acts = [step for step in due if step.kind == "playbook" and step.remedy != START]
        self._do(removals.removable(self, acts))
        start.start(self, [step for step in due if step.remedy == START])
        manual.wait_for(self, [step for step in due if step.kind == "person"])
        self._change_rows([step for step in due if step.kind == "row"])

    def _not_now(self, step: Step, held: Mapping[str, Lease]) -> judge.Verdict | None:
        """Why a step is not even looked at now; None where it is."""
        row = self._rows.get(step.gateway)
        if why := judge.moved(self.plan, row, step.gateway):
            return Result.STALE, why
        assert row is not None
        peers = [one.name for one in self._practices.get(row.practice, ()) if one.name in held]
        if step.gateway in held or ((self.strict or step.remedy == START) and peers):
            return Result.WAITING, held_by(held.get(step.gateway) or held[peers[0]])
        if other := self.moving.get(row.practice):
            return Result.WAITING, f"a migration of this practice is open ({other}): provisioner migrate status"
        self.moved.discard(step.id)
        if step.kind == "playbook" and (shut := schedule.shut(self, step.gateway, self._at_once(step))):
            self.moved.add(step.id)
            return Result.WAITING, shut
        return None

    def touched(self, gateway: str) -> bool:
        """Whether this plan has ever acted on the gateway, whatever came of it."""
        return gateway in self.progress.begun or any(step.id in self._begun for step in self.steps_of[gateway])

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

    def _at_once(self, step: Step) -> list[Step]:
        return schedule.at_once(self, step, self._wave_of_now)

    def _before_acting(self, step: Step, reading: judge.Reading) -> judge.Verdict | None:
        row, said = self.row(step.gateway), self.said()
        if self.left_dead(row, reading):
            return judge.UNNEEDED
        lender = str(step.values.get("carry_from", ""))
        if (
            lender
            and not step.restores
            and stated_off(self.row(lender), reading.evidence.get(lender), said)
            and not reading.proved(step)
        ):
            return manual.carried_by_hand(step, self.confirmed.get(step.id, ""))
        begun = self.touched(step.gateway) and bool(self.left(step.gateway))
        working = self.strict or judge.works(row, reading, said)
        stated = said.covers(IDENTITY, row)
        verdict = judge.before(step, reading, begun=begun, working=working, stated=stated, names=self.names)
        if step.remedy == START and self.unheard(step) and (two := start.beside_another(self, step)):
            return two
        return verdict or self._not_taken_over(step, reading)

    def left_dead(self, row: Gateway, reading: judge.Reading) -> bool:
        """Whether nothing has to be done on a gateway any more: it is the one that is left, and stated to be off. That
        which takes over has to be there, whatever is stated."""
        return row.name == self.plan.leaves and stated_off(row, reading.evidence.get(row.name), self.said())

    def _not_taken_over(self, step: Step, reading: judge.Reading) -> judge.Verdict | None:
        """Why the practice's Connector is not stopped: that which takes over is away; None where it may be."""
        if not (self.strict and step.remedy == STOP) or connector_runs(reading.evidence[step.gateway]) is False:
            return None
        if trouble := reading.trouble(self.plan.leads_to):
            return Result.WAITING, f"not stopped, because {self.plan.leads_to}, which takes over, is away: {trouble}"
        return None

    def _do(self, steps: Sequence[Step]) -> None:
        """Act on the steps, read their gateways again, judge and record."""
        left = list(steps)
        # More than once round when what Ansible said held up the later shards, and the reading then said better.
        while left and not self.why_stop():
            acted, begun = self.act(left)
            done = [step for step in left if step.id in acted]
            reading = self.look([step for step in done if acted[step.id].result not in NOT_ASKED], peers=self.strict)
            failpoints.reach(Point.READ_AGAIN)
            self._begun -= {step.id for step in done if acted[step.id].result == "held"}
            verdicts = [(step, judge.after(step, acted[step.id], reading)) for step in done]
            self.record([(step, verdict, acted[step.id], begun[step.id]) for step, verdict in verdicts])
            measured = [step for step in done if acted[step.id].result == "ok" and not step.removes]
            self.journal.took([(step.remedy, acted[step.id].seconds) for step in measured])
            left = [step for step in left if step.id not in acted]

    def _change_rows(self, steps: Sequence[Step]) -> None:
        """Write roles into practices.csv, all of a step's at once."""
        for step in steps:
            if self.why_stop():
                return
            at = self.hands.now()
            roles = {gateway: Role(role) for gateway, role in step.values["roles"].items()}
            if all(self._rows[gateway].role is role for gateway, role in roles.items()):
                self.record([(step, (Result.UNCHANGED, "already in practices.csv"), judge.NOT_ACTED, at)])
                continue
            self.journal.append([journals.started(step.id, step.gateway, self.plan.id, at, "")])
            failpoints.reach(Point.STARTS_NOTED)
            try:
                self.hands.change_rows(roles)
            except InputError as error:
                self.record([(step, (Result.FAILED, f"{error.message} {error.hint}".strip()), judge.NOT_ACTED, at)])
                continue
            failpoints.reach(Point.ROW_WRITTEN)
            self._rows |= {gateway: replace(self._rows[gateway], role=role) for gateway, role in roles.items()}
            self.record([(step, (Result.DONE, ""), replace(judge.NOT_ACTED, changed=True), at)])

    def look(self, steps: Sequence[Step], *, peers: bool = False) -> judge.Reading:
        """A fresh reading of the steps' gateways; with `peers` of all gateways of their practices."""
        names = dict.fromkeys(step.gateway for step in steps)
        if peers:
            names = dict.fromkeys(one.name for name in names for one in self.practice(name))
        if not names:
            return judge.Reading(evidence={}, findings={})
        measure = any(_MEASURED & set(step.proves) for step in steps)
        evidence, findings = self.hands.read([self.row(name) for name in names], measure)
        self._latest |= self.journal.keep_readings(evidence)
        return judge.Reading.of(evidence, findings)

    def act(self, steps: Sequence[Step]) -> tuple[dict[str, Acted], dict[str, datetime]]:
        """Act on the steps, a shard at a time on each core. Those of shards that were not begun are not in it."""
        acted: dict[str, Acted] = {}
        begun: dict[str, datetime] = {}

        def shard(these: Sequence[Step]) -> Mapping[str, Acted]:
            mark, at, late = secrets.token_hex(6), self.hands.now(), self._late(these)
            begun.update((step.id, at) for step in these)
            some = [step for step in these if step.id not in late]
            if not some:
                return late
            lost = self._lost(some, self.journal.begin(
                [journals.started(step.id, step.gateway, self.plan.id, at, mark) for step in some], self.me, self.ids
            ))  # fmt: skip
            late |= lost
            some = [step for step in some if step.id not in lost]
            if not some:
                return late
            failpoints.reach(Point.STARTS_NOTED)
            self._begun |= {step.id for step in some}
            self._before |= {step.id: self._latest.get(step.gateway, "") for step in some}
            self.tell(events.StepsStarted(steps=tuple(some)))
            try:
                said = self.hands.act(some, mark)
            except Exception as error:
                # Whatever went wrong in there: other shards go on, and a fresh reading judges this one.
                said = {step.id: Acted(result="unknown", message=f"{type(error).__name__}: {error}") for step in some}
            failpoints.reach(Point.ACTED)
            self.tell(events.StepsActed(steps=tuple(some)))
            return late | {step.id: said.get(step.id, Acted(result="unknown", message="no result")) for step in some}

        def stop() -> bool:
            # What Ansible says now is no proof yet, but enough to begin nothing further.
            bad = {"failed": Result.FAILED, "refused": Result.REFUSED, "unreachable": Result.UNREACHABLE}
            wrong = [
                self.outcome(step, (bad[said.result], ""), said, begun[step.id])
                for step in steps
                if (said := acted.get(step.id)) and said.result in bad
            ]
            return bool(self.why_stop(wrong))

        in_shards(steps, self.fleet.settings.rollout.shard, shard, acted, stop)
        return acted, begun

    def _lost(self, steps: Sequence[Step], lost: Mapping[str, Lease | None]) -> dict[str, Acted]:
        """Those that may not be done, because a lease was taken from this run; where it is one of its own, none may."""
        said = {name: held_by(lease) if lease else "and nobody holds it now" for name, lease in lost.items()}
        if own := next((id_ for id_ in self.ids if id_ in lost), ""):
            self.stopped = f"{own} was taken from this run: {said[own]}"
        why = {step.gateway: own or step.gateway for step in steps if own or step.gateway in lost}
        return {
            step.id: Acted(result="lost", message=f"the lease of {name} was taken from this run: {said[name]}")
            for step in steps
            if (name := why.get(step.gateway, ""))
        }

    def _late(self, steps: Sequence[Step]) -> dict[str, Acted]:
        """Those for which there is no time any more, with why: the shards before took longer than was thought."""
        one_of = {step.gateway: step for step in steps}
        shut = {gateway: schedule.shut(self, gateway, self._at_once(one)) for gateway, one in one_of.items()}
        late = {step.id: Acted(result="late", message=why) for step in steps if (why := shut[step.gateway])}
        self.moved.update(late)
        return late

    def record(self, ended: Sequence[Ending]) -> None:
        """Outcomes into the journal, all at once, and then said."""
        if not ended:
            return
        outcomes = [self.outcome(step, verdict, said, started) for step, verdict, said, started in ended]
        self.journal.append(journals.ended(outcome, self.plan.id) for outcome in outcomes)
        failpoints.reach(Point.ENDS_NOTED)
        for outcome in outcomes:
            self.outcomes[outcome.step] = outcome
            self.tell(events.StepEnded(outcome=outcome))

    def outcome(self, step: Step, verdict: judge.Verdict, said: Acted, started: datetime) -> Outcome:
        result, message, *reason = verdict
        return Outcome(
            step=step.id,
            gateway=step.gateway,
            result=result,
            changed=said.changed,
            started=started,
            ended=self.hands.now(),
            message=message,
            before=said.before,
            reading_before=self._before.get(step.id, ""),
            reading_after=self._latest.get(step.gateway, ""),
            output=said.output,
            untouched=said.result in ("held", *NOT_ASKED),
            seconds=said.seconds,
            reason=next(iter(reason), Reason.NONE),
        )

    def ended(self) -> tuple[Outcome, ...]:
        """All outcomes, in the plan's order; of what was not begun: skipped."""
        why = (Result.SKIPPED, f"not begun: {self.stopped}")
        return tuple(
            self.outcomes.get(step.id) or self.outcome(step, why, judge.NOT_ACTED, self.hands.now())
            for step in self.plan.steps
        )

    def tell(self, happening: events.Happening) -> None:
        """Say what happens; one thing at a time, whichever thread it is."""
        with self._mouth:
            self.hands.say(happening)


def held_by(lease: Lease) -> str:
    """Who holds a lease, in words."""
    return f"{lease.holder} works on it since {lease.since:%H:%M} UTC ({lease.why}), until {lease.until:%H:%M} at most"
