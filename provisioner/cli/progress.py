"""What a person sees on stderr while gateways are read, and while a rollout runs."""

import os
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType, TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from provisioner.audit.auditor import Auditor
from provisioner.audit.policy import Policy
from provisioner.cli.console import ask_password, say
from provisioner.execute import events
from provisioner.execute.estimate import Under, UnderWay, overdue, seconds_left
from provisioner.journal import Journal
from provisioner.model import Evidence, Fleet, Outcome, Plan, Result, Step
from provisioner.report.words import counted

# How many gateways each line of the board names.
_NAMED = 6
_ENDED = (Result.DONE, Result.UNCHANGED, Result.UNDONE)


class Board:
    """Where a run stands, at a glance: what is done, what runs and since when, who waits and why, how long it takes.

    `durations` are the seconds that remedies were measured to take; `shard` is how many gateways one playbook has.
    """

    def __init__(
        self,
        plan: Plan,
        durations: Mapping[str, float] = MappingProxyType({}),
        shard: int = 1,
        *,
        cores: int = os.cpu_count() or 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plan, self._shard, self._cores, self._clock = plan, shard, cores, clock
        self._durations = dict(durations)
        self._measured: dict[str, list[float]] = {}
        self._remedies = {step.id: step.remedy for step in plan.steps}
        self._results: dict[str, Result] = {}
        # What an earlier run ended well, and what Ansible is through with.
        self._before: set[str] = set()
        self._acted: set[str] = set()
        self._waiting: dict[str, str] = {}
        self._running: list[dict[str, Under]] = []
        # Who waits for a person, with what is asked; and whether something else is waited for.
        self.asked: dict[str, str] = {}
        self._stands = False
        self._worked, self._since = 0.0, clock()
        self._wave = ""

    def hear(self, happening: events.Happening) -> None:
        """One thing that the run says."""
        self._count()
        match happening:
            case events.RunStarted():
                self._before = self._remedies.keys() & set(happening.through)
            case events.WaveStarted():
                self._wave, self._stands = f"wave {happening.number} of {happening.of}", False
            case events.StepsStarted():
                self._start(happening.steps)
            case events.StepsActed():
                self._end({step.id for step in happening.steps})
            case events.StepEnded(outcome=outcome):
                self._ended(outcome)
            case events.PersonAwaited():
                self.asked = dict.fromkeys(happening.gateways, happening.words)
                self._waiting |= self.asked
            case events.Settling():
                self._stands = True
            case events.WaveEnded():
                # Of those that were away and are back: the others are still waited for.
                self._stands = happening.number > len(self._plan.waves)
            case events.Queued():
                self._stands = True
                self._wave = f"waiting until {happening.until.astimezone():%H:%M} for gateways that are away"

    def task(self, gateway: str, role: str) -> None:
        """Ansible is at that role there: what comes before it is through."""
        for shard in self._running:
            steps = shard[gateway].steps if gateway in shard else ()
            at = next((number for number, step in enumerate(steps) if step.role == role), 0)
            if at:
                self._acted |= {step.id for step in steps[:at]}
                shard[gateway] = Under(steps=steps[at:], since=self._clock())

    def _start(self, steps: Sequence[Step]) -> None:
        of: dict[str, list[Step]] = {}
        for step in steps:
            of.setdefault(step.gateway, []).append(step)
        self._running.append({name: Under(steps=tuple(its), since=self._clock()) for name, its in of.items()})
        self._stands = False

    def _end(self, ids: set[str]) -> None:
        self._acted |= ids
        self._running = [
            shard
            for shard in self._running
            if not all(step.id in ids for under in shard.values() for step in under.steps)
        ]

    def _ended(self, outcome: Outcome) -> None:
        self._results[outcome.step] = outcome.result
        self._stands = False
        for gone in (self._waiting, self.asked):
            gone.pop(outcome.gateway, None)
        if outcome.result in (Result.WAITING, Result.UNREACHABLE):
            self._waiting[outcome.gateway] = outcome.message
        remedy = self._remedies.get(outcome.step, "")
        if outcome.result is Result.DONE and outcome.seconds:
            self._measured.setdefault(remedy, []).append(outcome.seconds)
            self._durations[remedy] = statistics.median(self._measured[remedy])

    def __rich__(self) -> Group:
        every = dict.fromkeys(self._before, Result.UNCHANGED) | self._results
        done = sum(1 for result in every.values() if result in _ENDED)
        line = Table.grid(padding=(0, 2))
        counts = Counter(result for result in every.values() if result not in _ENDED)
        others = ", ".join(f"{count} {result}" for result, count in counts.items())
        line.add_row(
            ProgressBar(total=len(self._remedies), completed=len(every), width=24),
            f"{done} of {counted(len(self._remedies), 'step')} done" + (f", {others}" if others else ""),
            self._wave,
        )
        return Group(line, Text(f"  time     {self.left()}", no_wrap=True), *self._lines())

    def _lines(self) -> list[Text]:
        now = self._clock()
        under = [(name, its) for shard in self._running for name, its in shard.items()]
        longest = sorted(under, key=lambda item: item[1].since)
        running = [f"{name} {its.steps[0].remedy} {now - its.since:.0f} s" for name, its in longest]
        why: dict[str, list[str]] = {}
        for gateway, words in list(self._waiting.items()):
            why.setdefault(words, []).append(gateway)
        waiting = [f"{_some(gateways)}: {words}" for words, gateways in why.items()]
        lines = [Text(f"  running  {_some(running)}", overflow="ellipsis", no_wrap=True)] if running else []
        return lines + [Text(f"  waiting  {name}", overflow="ellipsis", no_wrap=True) for name in waiting[:_NAMED]]

    @property
    def _waits(self) -> bool:
        return self._stands or bool(self.asked)

    def _count(self) -> None:
        """Only what is worked counts: not the time in which somebody or something is waited for."""
        now = self._clock()
        self._worked += 0.0 if self._waits else now - self._since
        self._since = now

    def left(self) -> str:
        """How long it has worked, and how long it still takes; nothing is said of that while it waits."""
        self._count()
        worked = f"{_span(self._worked)} of work"
        ended = self._results.keys() | self._before | self._acted
        state = UnderWay(ended=ended, running=self._running, waiting=self._waits)
        now = self._clock()
        seconds = seconds_left(self._plan, state, self._durations, now, shard=self._shard, cores=self._cores)
        if seconds is None:
            return f"{worked}; it waits"
        late = overdue(state, self._durations, now)
        about = f", about {_span(seconds)} left" if seconds >= 1 else ""
        return worked + about + (", longer than estimated" if late else "")


class Watch:
    """Says what happens: a line a step, and where a person looks on a board below them.

    `say` and `task` may be called from several threads.
    """

    def __init__(self, plan: Plan, durations: Mapping[str, float] = MappingProxyType({}), shard: int = 1) -> None:
        self._plan = plan
        self._lock = threading.Lock()
        self._board = Board(plan, durations, shard)
        self._live: Live | None = None
        if sys.stderr.isatty():
            self._live = Live(self._board, console=Console(stderr=True), refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        self._show()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live:
            self._live.stop()

    @contextmanager
    def away(self) -> Iterator[None]:
        """The board is gone while this lasts: somebody is asked something."""
        if self._live:
            self._live.stop()
        try:
            yield
        finally:
            self._show()

    def _show(self) -> None:
        try:
            if self._live:
                self._live.start()
        except RuntimeError:
            self._live = None  # no thread is left that could draw it: lines do

    def say(self, happening: events.Happening) -> None:
        """One thing that the rollout says."""
        with self._lock:
            words = _words(happening, self._plan, self._board.asked)
            self._board.hear(happening)
            if words and self._live:
                self._live.console.print(words, highlight=False, markup=False)
            elif words:
                say(words)

    def task(self, gateway: str, role: str, task: str) -> None:
        """Ansible begins a task on a gateway."""
        with self._lock:
            self._board.task(gateway, role)


def _words(happening: events.Happening, plan: Plan, asked: Mapping[str, str]) -> str:
    match happening:
        case events.RunStarted():
            steps, gateways = counted(happening.steps, "step"), counted(happening.gateways, "gateway")
            return f"{happening.plan}: {steps} on {gateways}. {happening.budget}"
        case events.WaveStarted():
            steps = counted(happening.steps, "step")
            return f"wave {happening.number} of {happening.of}: {steps} on {_some(happening.gateways)}"
        case events.StepEnded(outcome=outcome):
            remedy = next((step.remedy for step in plan.steps if step.id == outcome.step), "")
            message = outcome.message
            # What a person was asked to do stands above already.
            if (words := asked.get(outcome.gateway, "")) and outcome.result is Result.WAITING:
                message = message.replace(words, "not yet")
            because = f"  {message}" if message else ""
            return f"  {outcome.result:<11} {outcome.gateway:<16} {remedy:<10}{because}".rstrip()
        case events.PersonAwaited():
            return f"  waiting for {_some(happening.gateways)}: {happening.words}"
        case events.Settling():
            until = f"{happening.until.astimezone():%H:%M:%S}"
            return f"  nothing starts before {until}: work may still be under way on {_some(happening.gateways)}"
        case events.Queued():
            return f"waiting until {happening.until.astimezone():%H:%M} for {_some(happening.gateways)}"
        case events.RunEnded(stopped=stopped) if stopped:
            return f"stopped: {stopped}"
    return ""


def _some(names: Sequence[str]) -> str:
    """The first of these, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def reading(evidence: Iterator[Evidence], total: int, what: str = "audit") -> Iterator[Evidence]:
    """The evidence as it comes, with progress on stderr: a bar with an estimate where a person looks on, one line a
    gateway where not. `what` the reading is for, in a word."""
    return _with_bar(evidence, total, what) if sys.stderr.isatty() else _in_lines(evidence, total, what)


def _in_lines(evidence: Iterator[Evidence], total: int, what: str) -> Iterator[Evidence]:
    begun = time.monotonic()
    for number, one in enumerate(evidence, 1):
        ending = f"{one.error.kind}: {one.error.message}" if one.error else f"read in {one.seconds:.1f} s"
        say(f"{what} {number}/{total} {one.gateway}: {ending} [{time.monotonic() - begun:.0f} s]")
        yield one


def _with_bar(evidence: Iterator[Evidence], total: int, what: str) -> Iterator[Evidence]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    try:
        progress.start()
    except RuntimeError:
        yield from evidence  # no thread is left that could draw it
        return
    try:
        task = progress.add_task(what, total=total)
        for one in evidence:
            progress.advance(task)
            yield one
    finally:
        progress.stop()


def auditor(fleet: Fleet, policy: Policy, journal: Journal) -> Auditor:
    """An auditor whose readings a person sees pass, and who is asked for the password. Errors: InputError."""
    return Auditor(fleet, policy, journal, ask_password=ask_password, observe=reading)
