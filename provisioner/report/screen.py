"""An audit in a terminal: plain lines, as many as a person reads at a glance. Pure. No gateway's words are obeyed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from provisioner.errors import NotTried
from provisioner.model import Cause, Role, Status
from provisioner.report import words
from provisioner.report.folding import WIDE, cut, flat, hanging, pad, said, wrapped
from provisioner.report.view import LOOKS, PLAN, STATES, FindingRow, Kind, Machine, State, View

# A small fleet's audit fits one screen of 45 lines, any other's one and a half of 40.
_SMALL, _LINES_OF_SMALL, _LINES = 26, 45, 60
# Of the causes at least so many are shown (of many gateways more), however many are not ready, and at most so many.
_LEAST_CAUSES, _LEAST_OF_MANY, _MOST_CAUSES = 5, 10, 12
# From here on there is room for the names of practices.
_NAME = 26
# With less room than that beside it, what a cause says stands below its beginning, whole.
_LEAST_ROOM = 20
_BESIDE: Mapping[State, tuple[str, str]] = {
    State.UNREADY: ("not ready", "not ready"),
    State.UNREAD: ("could not be read", "could not be read"),
    State.CANDIDATE: ("candidate, only looked at", "candidates, only looked at"),
    State.RETIRED: ("retired", "retired"),
    State.OFF: ("stated to be off", "stated to be off"),
    State.NOT_KNOWN: ("not known yet: its row has no PC", "not known yet: their rows have no PC"),
}


def audit(shown: View, width: int, then: str, *, whole: bool = False) -> list[str]:
    """An audit's lines, none wider than `width`: how many are ready, whose job the rest is, the causes, and a line for
    each gateway that is not ready. Last `then`, which is the command to give next; "" for none.

    `whole`: every gateway and cause, with all its words, however many lines that takes.
    """
    head = [*wrapped(headline(shown), width), *wrapped(f"{shown.audit.id}, {words.when(shown.audit.at)}", width)]
    rows = _rows(shown, whole)
    head += _section(_totals(shown, width))
    alarms = [line for one in shown.causes if one.headline for line in wrapped(_alarm(one), width, "  ")]
    head += _section(alarms)
    others = [one for one in shown.causes if not one.headline]
    tail = _section(next_(then, width)) if then else []
    if whole:
        return [
            *head,
            *_why(others, width, len(others), whole),
            *_gateways(shown, rows, width, len(rows), whole),
            *tail,
        ]
    most, least = (_LINES_OF_SMALL, _LEAST_CAUSES) if len(shown.machines) <= _SMALL else (_LINES, _LEAST_OF_MANY)
    room = most - len(head) - len(tail)
    # Each of the two has a line before it, a title, and perhaps a line of what is left out.
    gateways = max(1, min(len(rows), room - 6 - min(len(others), least)))
    left = room - 6 - gateways
    return [
        *head,
        *_why(others, width, max(min(left, _MOST_CAUSES), least), whole),
        *_gateways(shown, rows, width, gateways, whole),
        *tail,
    ]


def headline(shown: View) -> str:
    """How many are ready, and where the others stand, in one or two sentences."""
    if len(shown.machines) == 1:
        return f"{shown.sentence}."
    parts = [
        f"{count:,} {many if count > 1 else one}"
        for state, (one, many) in _BESIDE.items()
        if (count := shown.count(state))
    ]
    return " ".join([f"{shown.sentence}.", *([f"{'; '.join(parts)}."] if parts else [])])


def next_(command: str, width: int) -> list[str]:
    """The command to give next."""
    return said(f"Next: {command}", width)


def missing(machine: Machine, room: int = 0) -> str:
    """What keeps a gateway from being ready, by whose job it is, a plan's last; why it could not be read; or else
    where it stands. Where `room` is given and too small, groups are only counted, from the last on."""
    if machine.state is State.UNREAD and machine.evidence is not None:
        return flat(str(machine.evidence.error))
    if not (groups := machine.missing):
        return machine.standing
    told = [(whose, _named(whose, rows)) for whose, rows in sorted(groups.items(), key=lambda item: item[0] == PLAN)]
    text = "; ".join(f"{words.brief(whose)}: {', '.join(names)}" for whose, names in told)
    for number in range(len(told), 0, -1):
        if not room or cell_len(text) <= room:
            break
        parts = [
            f"{words.brief(whose)}: "
            + (", ".join(names) if place < number - 1 or len(names) == 1 else _only(whose, names))
            for place, (whose, names) in enumerate(told)
        ]
        text = "; ".join(parts)
    return text


@dataclass(frozen=True, kw_only=True)
class _Listed:
    """One gateway's line, and at which place of all it stands: what it lacks is thousands of rows, made when its line
    is. `rank`: what could not be read comes first, and of that last what was not tried because of others; those that
    wait for somebody come before those that a plan mends."""

    rank: int
    who: str
    name: str
    at: int


def _rows(shown: View, whole: bool) -> list[_Listed]:
    found = []
    for at, machine in enumerate(shown.machines):
        if whole or machine.state in (State.UNREADY, State.UNREAD):
            gateway = machine.gateway
            who = gateway.name if gateway.practice in gateway.name.upper() else f"{gateway.practice} {gateway.name}"
            rank = _rank(machine)
            found.append(_Listed(rank=rank, who=flat(who), name=flat(gateway.practice_name), at=at))
    return sorted(found, key=lambda row: row.rank)


def _rank(machine: Machine) -> int:
    if machine.state is State.UNREAD:
        error = machine.evidence.error if machine.evidence else None
        return 1 if error and error.kind == NotTried.__name__ else 0
    if machine.state is State.UNREADY:
        return 3 if set(machine.missing) <= {PLAN} and machine.gateway.role is not Role.RETIRED else 2
    return 4 + list(STATES).index(machine.state)


def _named(whose: str, rows: Iterable[FindingRow]) -> list[str]:
    if whose == PLAN:
        return list(dict.fromkeys(row.control.remedy for row in rows))
    return [row.control.id + ("?" if row.kind is Kind.ASK else "") for row in rows]


def _only(whose: str, names: Sequence[str]) -> str:
    return words.counted(len(names), "remedy", "remedies") if whose == PLAN else words.counted(len(names), "control")


def _section(lines: Sequence[str]) -> list[str]:
    return ["", *lines] if lines else []


def _totals(shown: View, width: int) -> list[str]:
    """By whose job it is, at how many gateways."""
    of: dict[str, set[str]] = {}
    for machine in shown.machines:
        for whose in machine.missing:
            of.setdefault(whose, set()).add(machine.gateway.name)
    for cause in shown.causes:
        if cause.status is Status.ERROR:
            of.setdefault(words.whose(cause) or LOOKS, set()).update(cause.gateways)
    totals = sorted(of.items(), key=lambda item: (-len(item[1]), item[0]))
    named = ", ".join(f"{whose} at {len(gateways):,}" for whose, gateways in totals)
    return wrapped(f"Whose job: {named}.", width, "  ") if totals else []


def _alarm(cause: Cause) -> str:
    who = words.whose(cause) or "look first at what they share"
    return f"! {cause.text} ({words.counted(len(cause.gateways), 'gateway')}; {who})"


def _why(found: Sequence[Cause], width: int, most: int, whole: bool) -> list[str]:
    title = cut("Why, at how many gateways, and whose job:", width)
    return _section([title, *causes(found, width, most, whole)]) if found else []


def causes(found: Sequence[Cause], width: int, most: int, whole: bool = False, rest: str = "--all") -> list[str]:
    """A line a cause, none wider than `width`: at how many gateways, whose job, what, and the control. Not more than
    `most`; `rest` says where the others are. `whole`: with all its words, however many lines that takes."""
    if not found:
        return []
    taken, left = found[:most], len(found) - most
    whose = [words.brief(words.owner(one.owner) if not one.remedy else PLAN) for one in taken]
    column, ids = min(max(map(len, whose)), 12), max(len(one.control) for one in taken)
    lines: list[str] = []
    for one, who in zip(taken, whose, strict=True):
        doubt = "cannot tell: " if one.status is Status.UNKNOWN else ""
        start = f"{len(one.gateways):>5}  {cut(who, column):{column}}  "
        text = f"{doubt}{flat(one.text)}"
        room = width - len(start) - ids - 2
        if whole or room <= _LEAST_ROOM:
            lines += hanging(start, f"{text} [{one.control or 'not read'}]", width)
        else:
            lines.append(cut(f"{start}{pad(text, room)}  {one.control}".rstrip(), width))
    return [*lines, *([cut(f"  and {words.counted(left, 'more cause')}: {rest}", width)] if left > 0 else [])]


def _gateways(shown: View, rows: Sequence[_Listed], width: int, most: int, whole: bool) -> list[str]:
    if not rows:
        return []
    taken, left = rows[:most], len(rows) - most
    column = min(max(cell_len(row.who) for row in taken), max(width // 3, 8))
    title = "All gateways, and what each lacks:" if whole else "Not ready, and what each waits for:"
    lines = ["", cut(title, width)]
    for row in taken:
        machine = shown.machines[row.at]
        start = f"  {pad(row.who, column)}  " + (f"{pad(row.name, _NAME)}  " if width >= WIDE else "")
        if whole:
            lines += hanging(start, missing(machine) + _advice(machine), width)
        else:
            lines.append(cut(start + missing(machine, width - cell_len(start)), width))
    return [*lines, *([cut(f"  and {left:,} more: --all", width)] if left > 0 else [])]


def _advice(machine: Machine) -> str:
    ids = [row.control.id for row in machine.open if row.kind is Kind.ADVICE]
    return f"; advice: {', '.join(ids)}" if ids else ""
