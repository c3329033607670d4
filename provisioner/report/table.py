"""What stands of a plan, and the history, in the terminal. Text from gateways is never markup here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from provisioner.model import Plan, Result
from provisioner.model.results import Stands
from provisioner.report import standing as standings
from provisioner.report import words
from provisioner.report.screen import flat

_GOOD = (Result.DONE, Result.UNCHANGED, Result.SKIPPED, Result.UNDONE)


def standing(plan: Plan, stands: Mapping[str, Stands]) -> RenderableType:
    """One row for each step that ever ended, as it stands by now; their count, by whom, and who has looked since."""
    table = _table("gateway", "step", "result", "changed", "when (UTC)", "message")
    for step in (step for step in plan.steps if step.id in stands):
        one = stands[step.id]
        table.add_row(
            _text(step.gateway),
            _text(words.change(step)),
            _text(words.RESULTS[one.result], _style(one.result)),
            "yes" if one.outcome.changed else "no",
            standings.when(one.outcome.ended).removesuffix(" UTC"),
            _text("; ".join(part for part in (one.message, standings.since(one)) if part)),
        )
    lines = [_text(line) for line in standings.who(stands.values())]
    return Group(table, _text(standings.counted(plan, stands), "bold"), *lines)


@dataclass(frozen=True)
class History:
    """What there is, each with its time, kind, id and line. An id is never cut, for it is there to be copied: what does
    not fit beside it has a line of its own."""

    entries: Sequence[tuple[datetime, str, str, str]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        kinds, ids = ([entry[1] for entry in self.entries], [entry[2] for entry in self.entries])
        widths = [max(map(len, column), default=0) for column in (kinds, ids)]
        for at, kind, id_, title in self.entries:
            line = f"{words.short(at)}  {flat(kind):{widths[0]}}  {flat(id_):{widths[1]}}  "
            beside = len(line) + len(flat(title)) <= options.max_width
            yield Text(line.rstrip() if not beside else line + flat(title), no_wrap=True, overflow="ignore")
            if not beside:
                yield Padding(_text(title), (0, 0, 0, 4))


def _style(result: Result) -> str:
    if result in _GOOD:
        return "green"
    return "yellow" if result is Result.WAITING else "red"


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _text(text: str, style: str = "") -> Text:
    return Text(flat(text), style=style)
