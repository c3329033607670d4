"""A plan, outcomes and the history in the terminal, at a glance. Text from gateways is never markup here."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from provisioner.model import Outcome, Plan, Result, Step
from provisioner.model.results import Stands
from provisioner.report import standing as standings
from provisioner.report import words
from provisioner.report.screen import flat

_GOOD = (Result.DONE, Result.UNCHANGED, Result.SKIPPED, Result.UNDONE)


def plan(plan: Plan, names: Mapping[str, str]) -> RenderableType:
    """One row a gateway and wave: the steps there, and about how long; then what no step mends."""
    if not plan.steps:
        return Group(_text("Nothing to change.", "bold"), *_gaps(plan))
    table = _table("wave", "practice", "name", "gateway", "steps", "about")
    for wave in plan.waves:
        for gateway, steps in _by_gateway(wave.steps).items():
            practice = steps[0].practice
            table.add_row(
                str(wave.number),
                _text(practice),
                _text(names.get(practice, "")),
                _text(gateway),
                _text(", ".join(_step(step) for step in steps)),
                _text(words.duration(sum(step.seconds for step in steps))),
            )
    gateways = len({step.gateway for step in plan.steps})
    head = (
        f"{words.counted(len(plan.steps), 'step')} on {words.counted(gateways, 'gateway')}, "
        f"in {words.counted(len(plan.waves), 'wave')}."
    )
    return Group(_text(head, "bold"), Text(), table, *_gaps(plan))


def outcomes(plan: Plan, outcomes: Sequence[Outcome]) -> RenderableType:
    """One row a step, but for those that were not begun for the same reason. What it took is what its own tasks took on
    that gateway, as Ansible says; nothing where it does not."""
    remedies = {step.id: words.change(step) for step in plan.steps}
    table = _table("gateway", "step", "result", "changed", "took", "message")
    skipped = Counter(outcome.message for outcome in outcomes if outcome.result is Result.SKIPPED)
    for outcome in outcomes:
        if outcome.result is Result.SKIPPED and skipped[outcome.message] > 1:
            continue
        table.add_row(
            _text(outcome.gateway),
            _text(remedies.get(outcome.step, outcome.step)),
            _text(words.RESULTS[outcome.result], _style(outcome.result)),
            "yes" if outcome.changed else "no",
            words.duration(outcome.seconds) if outcome.seconds else "",
            _text(outcome.message),
        )
    for message, number in skipped.items():
        if number > 1:
            result = _text(words.RESULTS[Result.SKIPPED], _style(Result.SKIPPED))
            table.add_row("", words.counted(number, "step"), result, "no", "", _text(message))
    return table


def counted(outcomes: Sequence[Outcome]) -> Text:
    """How many steps ended how."""
    count = Counter(outcome.result for outcome in outcomes)
    total = ", ".join(f"{count[result]:,} {words.RESULTS[result]}" for result in Result if count[result])
    return _text(f"{words.counted(len(outcomes), 'step')}: {total}.", "bold")


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


def _gaps(plan: Plan) -> list[RenderableType]:
    if not plan.gaps:
        return []
    table = _table("whose job", "gaps", "gateways", "controls")
    for owner in sorted({gap.owner for gap in plan.gaps}):
        gaps = [gap for gap in plan.gaps if gap.owner == owner]
        controls = Counter(gap.control for gap in gaps)
        table.add_row(
            _text(words.owner(owner)),
            str(len(gaps)),
            # One that is not known yet has no name.
            str(len({(gap.practice, gap.gateway) for gap in gaps})),
            _text(", ".join(f"{control} ({count})" for control, count in controls.most_common())),
        )
    return [Text(), _text("Not done by this plan:", "bold"), table]


def _by_gateway(steps: Iterable[Step]) -> dict[str, list[Step]]:
    found: dict[str, list[Step]] = {}
    for step in steps:
        found.setdefault(step.gateway, []).append(step)
    return found


def _step(step: Step) -> str:
    return f"{step.remedy} (by {words.owner(step.who)})" if step.kind == "person" else words.change(step)


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
