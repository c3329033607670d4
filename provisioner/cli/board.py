"""The live board of a run: one row a gateway, as many as the screen holds, and how long it still takes."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType

from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from provisioner.execute import events
from provisioner.execute.estimate import Begun, Costs, Under, UnderWay, learned, overdue, seconds_left
from provisioner.model import Outcome, Plan, Reason, Result, Step
from provisioner.plan.guards import START
from provisioner.report.folding import flat, folded
from provisioner.report.words import change, counted, until

_ENDED = (Result.DONE, Result.UNCHANGED, Result.UNDONE)
# What did not end well, the worst first, in the words of a row.
_BAD: Mapping[Result, str] = MappingProxyType(
    {
        Result.FAILED: "failed",
        Result.UNKNOWN: "unknown",
        Result.REFUSED: "refused",
        Result.STALE: "stale",
        Result.UNREACHABLE: "away",
    }
)
_WAITING, _RUNNING = "waiting", "running"
_ORDER = (*_BAD.values(), _WAITING, _RUNNING)
_STYLES = {_WAITING: "yellow", _RUNNING: "", "away": "magenta"}
# The line of the terminal on which it writes next stays free.
_FREE = 1
_BAR, _ROOM_FOR_BAR = 24, 70
# Seconds that one step on one gateway costs this computer, until this evening has taught it (docs/performance.md).
_OURS = 0.15


@dataclass(frozen=True, kw_only=True)
class _BoardRow:
    """A gateway as the board shows it; `seconds` of None are not known."""

    state: str
    gateway: str
    step: str
    seconds: float | None
    words: str = ""


@dataclass(frozen=True, kw_only=True)
class _Waits:
    """That a gateway waits, since when, for what, and at which step."""

    since: float
    step: str
    words: str


class Board:
    """Where a run stands, at a glance: what went wrong, who waits, what runs and since when, and how long it takes.

    `durations` are the seconds that remedies were measured to take; `shard` is how many gateways one playbook has;
    `name` is what it is called beside another; `instruct` says in lines what those who are waited for are to do, of the
    steps and the words of a PersonAwaited.
    """

    def __init__(
        self,
        plan: Plan,
        durations: Mapping[str, float] = MappingProxyType({}),
        shard: int = 1,
        *,
        cores: int = os.cpu_count() or 1,
        clock: Callable[[], float] = time.monotonic,
        instruct: Callable[[Sequence[Step], str], Sequence[str]] = lambda steps, words: [words],
        name: str = "",
    ) -> None:
        self.name = name
        self._plan, self._shard, self._cores, self._clock, self._instruct = plan, shard, cores, clock, instruct
        # As was thought before, and as this evening teaches.
        self._thought = self._costs = Costs(durations=dict(durations), ours=_OURS)
        self._took: list[tuple[Sequence[Step], float]] = []
        # Ansible is through with these; a reading says next how they ended, and belongs to what they took.
        self._read: list[Begun] = []
        self._steps = {step.id: step for step in plan.steps}
        self._results: dict[str, Result] = {}
        # What an earlier run ended well, and what Ansible is through with.
        self._before: set[str] = set()
        self._acted: set[str] = set()
        self._bad: dict[str, Outcome] = {}
        self._waiting: dict[str, _Waits] = {}
        self._running: list[dict[str, Under]] = []
        self._begun: list[Begun] = []
        # Who waits for a person, with what is asked; and whether something else is waited for.
        self.asked: dict[str, str] = {}
        self._asked_for: tuple[Step, ...] = ()
        self._stands = False
        self._worked, self._since = 0.0, clock()
        self._wave = ""

    def hear(self, happening: events.Happening) -> None:
        """One thing that the run says."""
        self._count()
        match happening:
            case events.RunStarted():
                self._before = self._steps.keys() & set(happening.through)
            case events.WaveStarted():
                self._wave, self._stands = f"wave {happening.number} of {happening.of}", False
            case events.StepsStarted():
                self._start(happening.steps)
            case events.StepsActed():
                self._end({step.id for step in happening.steps})
            case events.StepEnded(outcome=outcome):
                self._learn()
                self._ended(outcome)
            case events.PersonAwaited():
                self.asked = dict.fromkeys(happening.gateways, happening.words)
                self._asked_for = happening.steps
                for step in happening.steps:
                    self._waiting[step.gateway] = _Waits(since=self._clock(), step=change(step), words="")
            case events.Settling():
                self._stands = True
                self._wait(happening.gateways, "work may still be under way there")
            case events.WaveEnded():
                # Of those that were away and are back: the others are still waited for.
                self._stands = happening.number > len(self._plan.waves)
            case events.Queued():
                self._stands = True
                said = until(happening.until, datetime.now(UTC))
                self._wave = f"waiting until {said} for gateways that are away"

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
        self._begun.append((self._clock(), tuple(steps)))
        self._stands = False
        for name in of:
            self._waiting.pop(name, None)
            if name in self._bad and self._bad[name].result in (Result.UNREACHABLE, Result.REFUSED):
                del self._bad[name]

    def _end(self, ids: set[str]) -> None:
        self._acted |= ids
        left: list[tuple[dict[str, Under], Begun]] = []
        for shard, begun in zip(self._running, self._begun, strict=True):
            if all(step.id in ids for under in shard.values() for step in under.steps):
                self._read.append(begun)
            else:
                left.append((shard, begun))
        self._running, self._begun = [shard for shard, _ in left], [begun for _, begun in left]

    def _wait(self, gateways: Sequence[str], words: str) -> None:
        for name in gateways:
            step = next((one for one in self._steps.values() if one.gateway == name and not self._over(one)), None)
            self._waiting[name] = _Waits(since=self._clock(), step=change(step) if step else "", words=words)

    def _over(self, step: Step) -> bool:
        return step.id in self._before or self._results.get(step.id) in _ENDED

    def _ended(self, outcome: Outcome) -> None:
        self._results[outcome.step] = outcome.result
        self._stands = False
        name = outcome.gateway
        for gone in (self.asked, self._waiting):
            gone.pop(name, None)
        step = self._steps.get(outcome.step)
        if outcome.result is Result.WAITING:
            # What a person is asked stands apart.
            words = "" if outcome.reason is Reason.ASKED else outcome.message
            self._waiting[name] = _Waits(since=self._clock(), step=change(step) if step else "", words=words)
        if outcome.result in _BAD and (name not in self._bad or _worse(outcome, self._bad[name])):
            self._bad[name] = outcome

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, height = options.max_width, options.height or console.size.height
        every = dict.fromkeys(self._before, Result.UNCHANGED) | self._results
        counts = Counter(result for result in every.values() if result not in _ENDED)
        done = sum(1 for result in every.values() if result in _ENDED)
        others = "".join(f", {count} {result}" for result, count in counts.items())
        place = ", ".join(part for part in (self.name, self._wave) if part)
        said = f"{place}: " * bool(place) + f"{done} of {counted(len(self._steps), 'step')} done{others}"
        if width >= _ROOM_FOR_BAR:
            line = Table.grid(padding=(0, 2))
            bar = ProgressBar(total=max(len(self._steps), 1), completed=len(every), width=_BAR)
            line.add_row(bar, Text(said, no_wrap=True, overflow="ellipsis"))
            yield line
        else:
            yield _line(said)
        yield _line(self.left())
        yield from self._rows(width, height - _FREE - 2)

    def rows(self) -> list[_BoardRow]:
        """One for each gateway that something is to be said of: what went wrong first, then who waits, then what runs,
        each the longest first."""
        now, found = self._clock(), dict[str, _BoardRow]()
        for shard in list(self._running):
            for name, its in list(shard.items()):
                found[name] = _BoardRow(
                    state=_RUNNING, gateway=name, step=change(its.steps[0]), seconds=now - its.since
                )
        for name, waits in list(self._waiting.items()):
            seconds = now - waits.since
            found[name] = _BoardRow(state=_WAITING, gateway=name, step=waits.step, seconds=seconds, words=waits.words)
        for name, outcome in list(self._bad.items()):
            step = self._steps.get(outcome.step)
            found[name] = _BoardRow(
                state=_BAD[outcome.result],
                gateway=name,
                step=change(step) if step else "",
                seconds=outcome.seconds or None,
                words=outcome.message,
            )
        return sorted(found.values(), key=lambda row: (_ORDER.index(row.state), -(row.seconds or 0)))

    def _rows(self, width: int, room: int) -> Iterator[Text]:
        rows, asks = self.rows(), list(self._asks(width))
        # What a person is to do counts for more than the rows, and of these some are always seen.
        asks = asks[: max(room // 2, 1)]
        shown = rows[: max(room - len(asks) - 1, 1)]
        columns = [
            max((len(flat(cell)) for cell in column), default=0) for column in zip(*map(_cells, shown), strict=True)
        ]
        for row in shown:
            cells = "  ".join(f"{flat(cell):{size}}" for cell, size in zip(_cells(row), columns, strict=True))
            yield _line(f"  {cells}  {flat(row.words)}".rstrip(), _STYLES.get(row.state, "red"))
        yield _line("  " + self._rest({row.gateway for row in rows}, len(rows) - len(shown)))
        yield from (_line(line, "bold") for line in asks)

    def _rest(self, shown: set[str], more: int) -> str:
        left: dict[str, bool] = {}
        for step in self._steps.values():
            left[step.gateway] = left.get(step.gateway, False) or not self._over(step)
        done = sum(not open_ and name not in shown for name, open_ in left.items())
        to_come = sum(open_ and name not in shown for name, open_ in left.items())
        parts = [f"{more} more", f"{counted(done, 'gateway')} done", f"{to_come} to come"]
        return ", ".join(parts if more else parts[1:])

    def _asks(self, width: int) -> Iterator[str]:
        by_words: dict[str, list[Step]] = {}
        for step in self._asked_for:
            if words := self.asked.get(step.gateway):
                by_words.setdefault(words, []).append(step)
        for words, steps in by_words.items():
            for line in self._instruct(steps, words):
                yield from folded(line, width)

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
        worked = f"{span(self._worked)} of work"
        if self._waits:
            return f"{worked}; it waits"
        ended, now = self._results.keys() | self._before | self._acted, self._clock()
        state = UnderWay(ended=ended, running=self._running, begun=self._begun)
        seconds = seconds_left(self._plan, state, self._costs, now, shard=self._shard, cores=self._cores) or 0.0
        late = overdue(state, self._costs, now)
        about = f", about {span(seconds)} left" if seconds >= 1 else ""
        return worked + about + (", longer than estimated" if late else "")

    def _learn(self) -> None:
        """What shards took that have ended and were read again."""
        if not self._read:
            return
        now = self._clock()
        self._took += [(steps, now - since) for since, steps in self._read]
        self._read = []
        starts = [one for one in self._took if one[0][0].remedy == START]
        others = [one for one in self._took if one not in starts]
        self._costs = replace(learned(self._thought, others), start=learned(self._thought, starts))


def _worse(one: Outcome, other: Outcome) -> bool:
    order = list(_BAD)
    return order.index(one.result) <= order.index(other.result)


def _cells(row: _BoardRow) -> tuple[str, str, str, str]:
    return row.state, row.gateway, row.step, "" if row.seconds is None else span(row.seconds)


def _line(text: str, style: str = "") -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def span(seconds: float) -> str:
    """A length of time as a clock shows it: 1:05."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
