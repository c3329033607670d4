"""What a person sees of a rollout while it runs, on stderr."""

import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from provisioner.cli.context import say
from provisioner.execute import events
from provisioner.model import Plan, Result
from provisioner.report.words import counted

# How many gateways each line of the board names.
_NAMED = 6
_ENDED = (Result.DONE, Result.UNCHANGED, Result.UNDONE)


class Board:
    """Where a run stands, at a glance: what is done, what runs and since when, who waits and why, how long it takes."""

    def __init__(self, plan: Plan) -> None:
        self._seconds = {step.id: step.seconds or 1.0 for step in plan.steps}
        self._begun = time.monotonic()
        self._results: dict[str, Result] = {}
        self._waiting: dict[str, str] = {}
        self._running: dict[str, tuple[str, float]] = {}
        # Two steps of a gateway can be of one role: which of them is under way, by gateway and role.
        self._of_role: dict[tuple[str, str], str] = {}
        self._gateways = len(plan.places)
        self._wave = ""

    def hear(self, happening: events.Happening) -> None:
        """One thing that the run says."""
        match happening:
            case events.WaveStarted():
                self._wave = f"wave {happening.number} of {happening.of}"
            case events.StepsStarted():
                now = time.monotonic()
                # The first of a gateway's steps is the one that runs; Ansible says when it comes to the next.
                self._running |= {step.gateway: (step.remedy, now) for step in reversed(happening.steps)}
                self._of_role |= {(step.gateway, step.role): step.remedy for step in happening.steps}
            case events.StepEnded(outcome=outcome):
                self._running.pop(outcome.gateway, None)
                self._results[outcome.step] = outcome.result
                self._waiting.pop(outcome.gateway, None)
                if outcome.result in (Result.WAITING, Result.UNREACHABLE):
                    self._waiting[outcome.gateway] = outcome.message
            case events.PersonAwaited():
                self._waiting |= dict.fromkeys(happening.gateways, happening.words)
            case events.Queued():
                self._wave = f"waiting until {happening.until.astimezone():%H:%M} for gateways that are away"

    def task(self, gateway: str, role: str) -> None:
        """Ansible is at that role there."""
        begun = self._running.get(gateway, ("", time.monotonic()))[1]
        self._running[gateway] = (self._of_role.get((gateway, role), role), begun)

    def __rich__(self) -> Group:
        done = sum(1 for result in self._results.values() if result in _ENDED)
        line = Table.grid(padding=(0, 2))
        counts = Counter(result for result in self._results.values() if result not in _ENDED)
        others = ", ".join(f"{count} {result}" for result, count in counts.items())
        line.add_row(
            ProgressBar(total=len(self._seconds), completed=len(self._results), width=24),
            f"{done} of {counted(len(self._seconds), 'step')} done" + (f", {others}" if others else ""),
            self._wave,
            self._left(),
        )
        return Group(line, *self._lines())

    def _lines(self) -> list[Text]:
        now = time.monotonic()
        longest = sorted(self._running.items(), key=lambda item: item[1][1])
        running = [f"{gateway} {what} {now - begun:.0f} s" for gateway, (what, begun) in longest]
        why: dict[str, list[str]] = {}
        for gateway, words in self._waiting.items():
            why.setdefault(words, []).append(gateway)
        waiting = [f"{_some(gateways)}: {words}" for words, gateways in why.items()]
        lines = [Text(f"  running  {_some(running)}", overflow="ellipsis", no_wrap=True)] if running else []
        return lines + [Text(f"  waiting  {one}", overflow="ellipsis", no_wrap=True) for one in waiting[:_NAMED]]

    def _left(self) -> str:
        """How long it has taken, and what is left by what was measured so far."""
        spent, whole = time.monotonic() - self._begun, sum(self._seconds.values())
        through = sum(self._seconds[step] for step in self._results if step in self._seconds)
        if not through or through >= whole:
            return _span(spent)
        return f"{_span(spent)}, about {_span(spent / through * (whole - through))} left"


class Watch:
    """Says what happens: a line a step, and where a person looks on a board below them.

    `say` and `task` may be called from several threads.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._lock = threading.Lock()
        self._board = Board(plan)
        self._live: Live | None = None
        if sys.stderr.isatty():
            self._live = Live(self._board, console=Console(stderr=True), refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
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
            if self._live:
                self._live.start()

    def say(self, happening: events.Happening) -> None:
        """One thing that the rollout says."""
        words = _words(happening, self._plan)
        with self._lock:
            self._board.hear(happening)
            if words and self._live:
                self._live.console.print(words, highlight=False, markup=False, soft_wrap=True)
            elif words:
                say(words)

    def task(self, gateway: str, role: str, task: str) -> None:
        """Ansible begins a task on a gateway."""
        with self._lock:
            self._board.task(gateway, role)


def _words(happening: events.Happening, plan: Plan) -> str:
    match happening:
        case events.RunStarted():
            steps, gateways = counted(happening.steps, "step"), counted(happening.gateways, "gateway")
            return f"{happening.plan}: {steps} on {gateways}. {happening.budget}"
        case events.WaveStarted():
            steps = counted(happening.steps, "step")
            return f"wave {happening.number} of {happening.of}: {steps} on {_some(happening.gateways)}"
        case events.StepEnded(outcome=outcome):
            remedy = next((step.remedy for step in plan.steps if step.id == outcome.step), "")
            because = f"  {outcome.message}" if outcome.message else ""
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
