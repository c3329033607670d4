"""What a person sees of a rollout while it runs, on stderr."""

import sys
import threading
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from provisioner.cli.context import say
from provisioner.execute import events
from provisioner.model import Plan
from provisioner.report.words import counted

# How many running gateways the status line names.
_NAMED = 3
_NARROW = 110


class Watch:
    """Says what happens: a line a step, and where a person looks on a bar that names what runs now.

    `say` and `task` may be called from several threads.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._running: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()
        self._bar: Progress | None = None
        if sys.stderr.isatty():
            columns = (BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task("", total=len(plan.steps))

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()

    def say(self, happening: events.Happening) -> None:
        """One thing that the rollout says."""
        words = _words(happening, self._plan)
        with self._lock:
            if isinstance(happening, events.StepEnded):
                self._running.pop(happening.outcome.gateway, None)
                if self._bar:
                    self._bar.advance(self._task)
            elif isinstance(happening, events.PersonAwaited):
                self._running |= {gateway: ("Approve", time.monotonic()) for gateway in happening.gateways}
            if words:
                self._print(words)
        self._refresh()

    def task(self, gateway: str, role: str, task: str) -> None:
        """Ansible begins a task on a gateway."""
        with self._lock:
            begun = self._running.get(gateway, ("", time.monotonic()))[1]
            self._running[gateway] = (role, begun)
        self._refresh()

    def _print(self, words: str) -> None:
        if self._bar:
            self._bar.console.print(words, highlight=False, markup=False, soft_wrap=True)
        else:
            say(words)

    def _refresh(self) -> None:
        if self._bar is None:
            return
        with self._lock:
            most = 1 if self._bar.console.width < _NARROW else _NAMED
            longest = sorted(self._running.items(), key=lambda item: item[1][1])
            named = [f"{gateway} {what} {time.monotonic() - begun:.0f} s" for gateway, (what, begun) in longest[:most]]
            more = f" and {len(longest) - most} more" if len(longest) > most else ""
            self._bar.update(self._task, description=", ".join(named) + more)


def _words(happening: events.Happening, plan: Plan) -> str:
    match happening:
        case events.RunStarted():
            steps, gateways = counted(happening.steps, "step"), counted(happening.gateways, "gateway")
            return f"{happening.plan}: {steps} on {gateways}. {happening.budget}"
        case events.WaveStarted():
            shown = ", ".join(happening.gateways[:6]) + (" ..." if len(happening.gateways) > 6 else "")
            steps = counted(happening.steps, "step")
            return f"wave {happening.number} of {max(happening.of, happening.number)}: {steps} on {shown}"
        case events.StepEnded():
            outcome = happening.outcome
            remedy = next((step.remedy for step in plan.steps if step.id == outcome.step), "")
            because = f"  {outcome.message}" if outcome.message else ""
            return f"  {outcome.result:<11} {outcome.gateway:<16} {remedy:<10}{because}".rstrip()
        case events.PersonAwaited():
            shown = ", ".join(happening.gateways[:6]) + (" ..." if len(happening.gateways) > 6 else "")
            return f"  waiting for {shown}: {happening.words}"
        case events.RunEnded(stopped=stopped) if stopped:
            return f"stopped: {stopped}"
    return ""
