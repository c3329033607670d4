"""One run of a plan, under way: wave by wave lease, re-read, act, prove, record."""

import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from provisioner import journal as journals
from provisioner import processes
from provisioner.execute import budget as budgets
from provisioner.execute import events, judge
from provisioner.execute.shards import in_shards
from provisioner.journal import Journal, Lease, Progress
from provisioner.model import Evidence, Finding, Fleet, Gateway, Outcome, Plan, Result, Step, Wave
from provisioner.plan import START, Standing, by_practice, why_not_start
from provisioner.playbook import Acted

Read = Callable[[Sequence[Gateway], bool], tuple[Sequence[Evidence], Mapping[str, Sequence[Finding]]]]
Act = Callable[[Sequence[Step], str], Mapping[str, Acted]]

# Longer than any wave; a lease is made longer with each.
LEASE = timedelta(hours=4)
_POLL = 1.0
# What these controls say comes from the endpoints section: a proof of them measures.
_MEASURED = frozenset({"R11-internet", "R14-reachable"})
FINISHED = (Result.DONE, Result.UNCHANGED)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a run ended: one outcome for each step, in the plan's order. `stopped` is "" where it went to its end.
    Steps that were not begun are `skipped` here, and not in the journal."""

    outcomes: tuple[Outcome, ...]
    stopped: str

    @property
    def exit_code(self) -> int:
        """0 all done; 4 stopped, waiting or gone wrong, can go on; 3 some gateways could not be got into."""
        results = {outcome.result for outcome in self.outcomes} - set(FINISHED)
        if self.stopped or results - {Result.UNREACHABLE, Result.REFUSED}:
            return 4
        return 3 if results else 0


@dataclass(kw_only=True)
class Rollout:
    """One run of a plan, under way."""

    plan: Plan
    fleet: Fleet
    journal: Journal
    read: Read
    act: Act
    say: Callable[[events.Happening], None]
    now: Callable[[], datetime]
    interrupted: Callable[[], bool]
    pause: Callable[[float], None]
    me: processes.Process = field(default_factory=processes.this)
    progress: Progress = field(default_factory=Progress)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    stopped: str = ""
    _mouth: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._rows = {gateway.name: gateway for gateway in self.fleet.gateways}
        self._first = frozenset(step.id for wave in self.plan.waves[:1] for step in wave.steps)
        self._of: dict[str, list[Step]] = {}
        for step in self.plan.steps:
            self._of.setdefault(step.gateway, []).append(step)

    def why_stop(self, also: Sequence[Outcome] = ()) -> str:
        """Why nothing further may start, should these outcomes come to those there are; "" while it may."""
        if self.interrupted():
            return "stopped by the operator"
        return budgets.past(self.plan.budget, [*self.outcomes.values(), *also], self._first)

    def wave(self, wave: Wave) -> None:
        """One wave, to its end; its leases are given back whatever happens."""
        gateways = tuple(dict.fromkeys(step.gateway for step in wave.steps))
        self._tell(
            events.WaveStarted(number=wave.number, of=len(self.plan.waves), gateways=gateways, steps=len(wave.steps))
        )
        self.journal.take([self.plan.id], self.me, "apply", self.now(), self.now() + LEASE)
        held = self.journal.take(gateways, self.me, self.plan.id, self.now(), self.now() + LEASE)
        try:
            self._wave(wave, held)
        finally:
            self.journal.release(gateways, self.me)
        self._tell(events.WaveEnded(number=wave.number))

    def _wave(self, wave: Wave, held: Mapping[str, Lease]) -> None:
        rows, ready = self._rows, []
        verdicts: list[tuple[Step, judge.Verdict]] = []
        for step in wave.steps:
            if why := judge.moved(self.plan, rows.get(step.gateway), step.gateway):
                verdicts.append((step, (Result.STALE, why)))
            elif step.gateway in held:
                verdicts.append((step, (Result.WAITING, held_by(held[step.gateway]))))
            else:
                ready.append(step)
        reading = self._look(ready)
        due, said = [], self._said()
        for step in ready:
            working = judge.works(rows[step.gateway], reading, said)
            verdict = judge.before(step, reading, begun=self._begun(step.gateway), working=working)
            if verdict is None:
                due.append(step)
            else:
                verdicts.append((step, verdict))
        self._record([(step, verdict, Acted(result="skipped"), self.now()) for step, verdict in verdicts])
        self._do([step for step in due if step.remedy != START])
        self._start([step for step in due if step.remedy == START])

    def _begun(self, gateway: str) -> bool:
        """Whether this plan has acted on the gateway and is not through with it."""
        steps = [step.id for step in self._of[gateway]]
        ends = [self.progress.outcomes.get(step) for step in steps if step not in self.progress.unended]
        through = len(ends) == len(steps) and all(one is not None and one.result in FINISHED for one in ends)
        return gateway in self.progress.begun and not through

    def _do(self, steps: Sequence[Step]) -> None:
        """Act on the steps, read their gateways again, judge and record."""
        left = list(steps)
        # More than once round when what Ansible said held up the later shards, and the reading then said better.
        while left and not self.why_stop():
            acted, begun = self._act(left)
            done = [step for step in left if step.id in acted]
            reading = self._look(done)
            verdicts = [(step, judge.after(step, acted[step.id], reading)) for step in done]
            self._record([(step, verdict, acted[step.id], begun[step.id]) for step, verdict in verdicts])
            self.journal.took([(step.remedy, acted[step.id].seconds) for step in done if acted[step.id].result == "ok"])
            left = [step for step in left if step.id not in acted]

    def _start(self, steps: Sequence[Step]) -> None:
        """Start Connectors where all else of their gateway is done, and wait a moment for Approve."""
        left = list(steps)
        # Once more round for the shards that were held up: their practices are looked at again.
        while left and not self.why_stop():
            due = self._startable(left)
            acted, begun = self._act(due)
            self._await([step for step in due if step.id in acted], acted, begun)
            left = [step for step in due if step.id not in acted]

    def _startable(self, steps: Sequence[Step]) -> list[Step]:
        """Those that may be started by a fresh reading of their whole practices; the others are recorded."""
        practice = self._look(steps, peers=True)
        due, verdicts, said = [], [], self._said()
        practices = by_practice(self.fleet.known)
        for step in steps:
            undone = [one.id for one in self._of[step.gateway] if one.id != step.id and not self._through(one)]
            row = self._rows[step.gateway]
            others = [one for one in practices[row.practice] if one.name != row.name]
            why = why_not_start(row, others, said, practice.evidence)
            if undone:
                verdicts.append((step, (Result.SKIPPED, f"not started, because {', '.join(undone)} is not done")))
            elif first := judge.unmet(step, row, practice, said):
                verdicts.append((step, (Result.STALE, f"not started, because required first: {', '.join(first)}")))
            elif why:
                verdicts.append((step, (Result.STALE, f"{why.message}. {why.ask}".strip())))
            else:
                due.append(step)
        self._record([(step, verdict, Acted(result="skipped"), self.now()) for step, verdict in verdicts])
        return due

    def _await(self, steps: Sequence[Step], acted: Mapping[str, Acted], begun: Mapping[str, datetime]) -> None:
        """Look at what was started until all of it works or the time to wait for Approve is over."""
        until = self.now() + timedelta(seconds=self.fleet.settings.rollout.approve_wait)
        left, told = list(steps), False
        while left:
            left = self._started(left, acted, begun, over=self.now() >= until or self.interrupted())
            if left and not told:
                gateways = tuple(step.gateway for step in left)
                self._tell(events.PersonAwaited(gateways=gateways, words=judge.APPROVE, until=until))
                told = True
            if left:
                self.pause(_POLL)

    def _started(
        self, steps: Sequence[Step], acted: Mapping[str, Acted], begun: Mapping[str, datetime], *, over: bool
    ) -> list[Step]:
        """Look at what was started, and record what has ended; those for which there is still time to wait."""
        reading = self._look(steps)
        ended, left, said = [], [], self._said()
        for step in steps:
            verdict = judge.after(step, acted[step.id], reading)
            works = judge.works(self._rows[step.gateway], reading, said)
            if verdict[0] is Result.DONE and not works:
                verdict = (Result.WAITING, judge.APPROVE)
            # A gateway that refuses the log-in by now is not asked again and again: that locks accounts.
            if over or verdict[0] is Result.DONE or acted[step.id].result != "ok" or reading.refused(step.gateway):
                ended.append((step, verdict, acted[step.id], begun[step.id]))
            else:
                left.append(step)
        self._record(ended)
        return left

    def _through(self, step: Step) -> bool:
        return step.id in self.outcomes and self.outcomes[step.id].result in FINISHED

    def _said(self) -> Standing:
        return Standing.of(self.fleet, self.now().date())

    def _look(self, steps: Sequence[Step], *, peers: bool = False) -> judge.Reading:
        """A fresh reading of the steps' gateways; with `peers` of all gateways of their practices."""
        names = {step.gateway for step in steps}
        wanted = [gateway for gateway in self.fleet.known if gateway.name in names]
        if peers:
            practices = {gateway.practice for gateway in wanted}
            wanted = [one for one in self.fleet.known if one.practice in practices]
        if not wanted:
            return judge.Reading(evidence={}, findings={})
        measure = any(_MEASURED & set(step.proves) for step in steps)
        return judge.Reading.of(*self.read(wanted, measure))

    def _act(self, steps: Sequence[Step]) -> tuple[dict[str, Acted], dict[str, datetime]]:
        """Act on the steps, a shard at a time on each core. Those of shards that were not begun are not in it."""
        acted: dict[str, Acted] = {}
        begun: dict[str, datetime] = {}

        def shard(some: Sequence[Step]) -> Mapping[str, Acted]:
            mark, at = secrets.token_hex(6), self.now()
            self.journal.append(journals.started(step.id, step.gateway, self.plan.id, at, mark) for step in some)
            begun.update((step.id, at) for step in some)
            self._tell(events.StepsStarted(steps=tuple(some)))
            try:
                said = self.act(some, mark)
            except Exception as error:
                # Whatever went wrong in there: other shards go on, and a fresh reading judges this one.
                said = {step.id: Acted(result="unknown", message=f"{type(error).__name__}: {error}") for step in some}
            return {step.id: said.get(step.id, Acted(result="unknown", message="no result")) for step in some}

        def stop() -> bool:
            # What Ansible says now is no proof yet, but enough to begin nothing further.
            bad = {"failed": Result.FAILED, "refused": Result.REFUSED, "unreachable": Result.UNREACHABLE}
            wrong = [
                _outcome(step, (bad[said.result], ""), said, begun[step.id], self.now())
                for step in steps
                if (said := acted.get(step.id)) and said.result in bad
            ]
            return bool(self.why_stop(wrong))

        in_shards(steps, self.fleet.settings.rollout.shard, shard, acted, stop)
        return acted, begun

    def _record(self, ended: Sequence[tuple[Step, judge.Verdict, Acted, datetime]]) -> None:
        """Outcomes into the journal, all at once, and then said."""
        if not ended:
            return
        outcomes = [_outcome(step, verdict, said, started, self.now()) for step, verdict, said, started in ended]
        self.journal.append(journals.ended(outcome, self.plan.id) for outcome in outcomes)
        for outcome in outcomes:
            self.outcomes[outcome.step] = outcome
            self._tell(events.StepEnded(outcome=outcome))

    def ended(self) -> Ended:
        """All outcomes; of what was not begun: skipped."""
        at, why = self.now(), (Result.SKIPPED, f"not begun: {self.stopped}")
        outcomes = [
            self.outcomes.get(step.id) or _outcome(step, why, Acted(result="skipped"), at, at)
            for step in self.plan.steps
        ]
        return Ended(outcomes=tuple(outcomes), stopped=self.stopped)

    def _tell(self, happening: events.Happening) -> None:
        with self._mouth:
            self.say(happening)


def _outcome(step: Step, verdict: judge.Verdict, said: Acted, started: datetime, ended: datetime) -> Outcome:
    result, message = verdict
    return Outcome(
        step=step.id,
        gateway=step.gateway,
        result=result,
        changed=said.changed,
        started=started,
        ended=ended,
        message=message,
        before=said.before,
    )


def held_by(lease: Lease) -> str:
    """Who holds a lease, in words."""
    return f"{lease.holder} works on it since {lease.since:%H:%M} UTC ({lease.why}), until {lease.until:%H:%M} at most"
