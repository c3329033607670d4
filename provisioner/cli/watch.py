"""What a person sees on stderr while a rollout runs."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType, TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live

from provisioner.cli.asking import instructions, some
from provisioner.cli.board import Board
from provisioner.cli.console import say
from provisioner.cli.options import common
from provisioner.cli.progress import live
from provisioner.execute import events
from provisioner.model import Fleet, Plan, Result, Step
from provisioner.report.words import counted


class Watch:
    """Says what happens: on a board where a person looks on, else (and with --verbose) in a line a step.

    `say` and `task` may be called from several threads.
    """

    def __init__(
        self, plan: Plan, fleet: Fleet, durations: Mapping[str, float] = MappingProxyType({}), shard: int = 1
    ) -> None:
        self._plan, self._fleet = plan, fleet
        self._lock = threading.Lock()
        self._board = Board(plan, durations, shard, instruct=self._instruct)
        self._live: Live | None = None
        if live():
            console = Console(stderr=True)
            self._live = Live(self._board, console=console, refresh_per_second=4, transient=True)

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
            words = self._words(happening)
            self._board.hear(happening)
            if not self._live:
                for line in words:
                    say(line)
            elif words and common().verbose:
                self._live.console.print("\n".join(words), highlight=False, markup=False)

    def _words(self, happening: events.Happening) -> list[str]:
        if isinstance(happening, events.PersonAwaited):
            return self._instruct(happening.steps, happening.words)
        said = _words(happening, self._plan, self._board.asked)
        return [said] if said else []

    def _instruct(self, steps: Sequence[Step], words: str) -> list[str]:
        return instructions(self._plan, self._fleet, steps, words)

    def task(self, gateway: str, role: str, task: str) -> None:
        """Ansible begins a task on a gateway."""
        with self._lock:
            self._board.task(gateway, role)


def _words(happening: events.Happening, plan: Plan, asked: Mapping[str, str]) -> str:
    match happening:
        case events.RunStarted():
            steps, gateways = counted(happening.steps, "step"), counted(happening.gateways, "gateway")
            return f"{happening.plan}: {steps} on {gateways}."
        case events.WaveStarted():
            steps = counted(happening.steps, "step")
            return f"wave {happening.number} of {happening.of}: {steps} on {some(happening.gateways)}"
        case events.StepEnded(outcome=outcome):
            remedy = next((step.remedy for step in plan.steps if step.id == outcome.step), "")
            message = outcome.message
            # What a person was asked to do stands above already.
            if (words := asked.get(outcome.gateway, "")) and outcome.result is Result.WAITING:
                message = message.replace(words, "not yet")
            because = f"  {message}" if message else ""
            return f"  {outcome.result:<11} {outcome.gateway:<16} {remedy:<10}{because}".rstrip()
        case events.Settling():
            until = f"{happening.until.astimezone():%H:%M:%S}"
            return f"  nothing starts before {until}: work may still be under way on {some(happening.gateways)}"
        case events.Queued():
            return f"waiting until {happening.until.astimezone():%H:%M} for {some(happening.gateways)}"
        case events.RunEnded(stopped=stopped) if stopped:
            return f"stopped: {stopped}"
    return ""
