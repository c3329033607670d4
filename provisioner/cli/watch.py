"""What a person sees on stderr while plans are done."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from types import MappingProxyType, TracebackType
from typing import Self

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live

from provisioner.cli.asking import instructions, some
from provisioner.cli.board import Board
from provisioner.cli.commands import givable
from provisioner.cli.console import say
from provisioner.cli.options import common
from provisioner.cli.progress import live
from provisioner.execute import events
from provisioner.model import Fleet, Plan, Result, Step
from provisioner.report.words import counted, until


class Screen:
    """Where the runs of one command are seen: on a board each where a person looks on, else (and with --verbose) in
    lines as they come. For several threads."""

    def __init__(self) -> None:
        self.boards: list[Board] = []
        self._lock = threading.Lock()
        self._live: Live | None = None
        self._draws = live()
        # Asked here: which command runs only its own thread knows.
        self._given = common()
        self._verbose = bool(self._draws and self._given.verbose)

    def __enter__(self) -> Self:
        self._show()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live:
            self._live.stop()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        boards = sorted(self.boards, key=lambda board: board.name)
        height = (options.height or console.size.height) // max(len(boards), 1)
        for board in boards:
            yield from board.__rich_console__(console, options.update(height=height))

    def write(self, words: Sequence[str]) -> None:
        """Lines that belong together."""
        # A start that says nothing does not wait for what somebody reads page by page.
        if not words:
            return
        with self._lock:
            if not self._live:
                for line in words:
                    say(line)
            elif self._verbose:
                self._live.console.print("\n".join(words), highlight=False, markup=False)

    def givable(self, text: str) -> str:
        """Its commands with the fleet folder that was typed, in any thread."""
        return givable(text, self._given)

    @contextmanager
    def away(self) -> Iterator[None]:
        """No board is there while this lasts, and no line comes between: somebody is asked something, or something else
        is printed."""
        with self._lock:
            if self._live:
                self._live.stop()
            try:
                yield
            finally:
                self._show()

    def _show(self) -> None:
        if not self._draws:
            return
        # A new one each time: one that was stopped draws over what has been printed since.
        self._live = Live(self, console=Console(stderr=True), refresh_per_second=4, transient=True)
        try:
            self._live.start()
        except RuntimeError:
            self._live = None  # no thread is left that could draw it: lines do


class Watch:
    """What one run says, for its board on that screen and its lines; where it is one of several each line begins with
    its `name`.

    `say` and `task` may be called from several threads.
    """

    def __init__(
        self,
        plan: Plan,
        fleet: Fleet,
        screen: Screen,
        durations: Mapping[str, float] = MappingProxyType({}),
        shard: int = 1,
        *,
        name: str = "",
    ) -> None:
        self.screen = screen
        self._plan, self._fleet, self._name = plan, fleet, name
        self._lock = threading.Lock()
        self._board = Board(plan, durations, shard, instruct=self._instruct, name=name)

    def __enter__(self) -> Self:
        self.screen.boards.append(self._board)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.screen.boards.remove(self._board)

    def say(self, happening: events.Happening) -> None:
        """One thing that the rollout says."""
        with self._lock:
            words = self._words(happening)
            self._board.hear(happening)
            self.screen.write([f"{self._name}: {line}" if self._name else line for line in words])

    def _words(self, happening: events.Happening) -> list[str]:
        if isinstance(happening, events.PersonAwaited):
            return self._instruct(happening.steps, happening.words)
        said = _words(happening, self._plan, self._board.asked)
        return [said] if said else []

    def _instruct(self, steps: Sequence[Step], words: str) -> list[str]:
        return [self.screen.givable(line) for line in instructions(self._plan, self._fleet, steps, words)]

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
            said = until(happening.until, datetime.now(UTC), seconds=True)
            return f"  nothing starts before {said}: work may still be under way on {some(happening.gateways)}"
        case events.Queued():
            return f"waiting until {until(happening.until, datetime.now(UTC))} for {some(happening.gateways)}"
        case events.RunEnded(stopped=stopped) if stopped:
            return f"stopped: {stopped}"
    return ""
