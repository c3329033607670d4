"""The history in the terminal. Text from gateways is never markup here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.text import Text

from provisioner.report import words
from provisioner.report.screen import flat


@dataclass(frozen=True)
class History:
    """What there is, each with its time, kind, id and line. An id is never cut, for it is there to be copied: what does
    not fit beside it has a line of its own, and so has the id where it does not fit beside its time."""

    entries: Sequence[tuple[datetime, str, str, str]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        kinds, ids = ([entry[1] for entry in self.entries], [entry[2] for entry in self.entries])
        widths = [max(map(len, column), default=0) for column in (kinds, ids)]
        for at, kind, id_, title in self.entries:
            start = f"{words.short(at)}  {flat(kind):{widths[0]}}"
            named = f"{start}  {flat(id_):{widths[1]}}"
            whole = f"{named}  {flat(title)}"
            if len(whole) <= options.max_width:
                yield Text(whole)
                continue
            fits = len(named.rstrip()) <= options.max_width
            yield Text((named if fits else start).rstrip())
            for below in (title,) if fits else (id_, title):
                yield Padding(_text(below), (0, 0, 0, 4))


def _text(text: str) -> Text:
    return Text(flat(text))
