"""What stands of a plan's steps, for programs and for the terminal: what was done, when and by whom, and since then.
Pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from provisioner.model import FINISHED, Outcome, Plan, Result, Step
from provisioner.model.results import Stands
from provisioner.report import ending, words
from provisioner.report.folding import flat, folded, hanging, pad

COLUMNS = (
    "wave", "practice", "gateway", "step", "who", "result", "changed", "at", "by", "message", "since"
)  # fmt: skip


def document(one: Stands) -> dict[str, Any]:
    """One step's, as docs/json.md promises it."""
    return {
        "result": one.result,
        "changed": one.outcome.changed,
        "at": words.utc(one.outcome.ended),
        "by": one.by,
        "message": one.message,
        "again": _again(one.again, one.again_by) if one.again else None,
    }


def rows(plan: Plan, stands: Mapping[str, Stands]) -> Iterator[tuple[str, ...]]:
    """A plan's steps for a pipe, in its order, as `COLUMNS` names the cells. The last six are of what became of the
    step, and empty where it was not begun."""
    for wave in plan.waves:
        for step in wave.steps:
            one = stands.get(step.id)
            told = ("",) * 6 if one is None else (
                one.result, "yes" if one.outcome.changed else "no", words.utc(one.outcome.ended), one.by, one.message,
                since(one),
            )  # fmt: skip
            yield str(wave.number), step.practice, step.gateway, words.change(step), step.who, *told


def lines(plan: Plan, stands: Mapping[str, Stands], width: int, unended: Collection[str] = ()) -> list[str]:
    """What became of a plan in a terminal, no line wider than `width`: what is not done, each reason once; at which
    gateways all is, and of the others a line with what is; how many there are, by whom, and who has looked since."""
    ended = {step.id: _as_it_stands(stands[step.id]) for step in plan.steps if step.id in stands}
    found = ["What became of it:", *ending.not_done(plan, list(ended.values()), width), *_done(plan, ended, width)]
    found += folded(counted(plan, stands, unended), width)
    found += [part for line in who(stands.values()) for part in folded(line, width)]
    differ = [one.again for one in stands.values() if one.again and not one.holds]
    return found + ending.not_done(plan, differ, width)


def _as_it_stands(one: Stands) -> Outcome:
    return replace(one.outcome, result=one.result, message=one.message, reason=one.reason)


def _done(plan: Plan, ended: Mapping[str, Outcome], width: int) -> list[str]:
    """What ended well: where all did and nothing is to be said of it the gateways alone, else a line for each result
    at a gateway."""
    of: dict[str, list[Step]] = {}
    for step in plan.steps:
        of.setdefault(step.gateway, []).append(step)
    well = {id_: one for id_, one in ended.items() if one.result in FINISHED}
    whole = [name for name, steps in of.items() if all(step.id in well and not well[step.id].message for step in steps)]
    rows: dict[tuple[str, Result], list[str]] = {}
    for step in (step for name, steps in of.items() if name not in whole for step in steps if step.id in well):
        one = well[step.id]
        told = words.change(step) + (f" ({flat(one.message)})" if one.message else "")
        rows.setdefault((step.gateway, one.result), []).append(told)
    names = min(max((len(flat(name)) for name, _ in rows), default=0), max(width // 3, 8))
    results = max((len(result) for _, result in rows), default=0)
    lines = hanging(f"  all done, at {len(whole)}: ", ending.names(whole), width) if whole else []
    for (name, result), told_of in rows.items():
        lines += hanging(f"  {pad(flat(name), names)}  {result:{results}}  ", ", ".join(told_of), width)
    return lines


def _again(again: Outcome, by: str) -> dict[str, str]:
    return {"at": words.utc(again.ended), "by": by, "result": again.result, "message": again.message}


def since(one: Stands) -> str:
    """What a later look found that is not as the step left it, in words; "" for nothing."""
    if one.again is None or one.holds:
        return ""
    said = f": {one.again.message}" if one.again.message else ""
    return f"looked at again {when(one.again.ended)}: {words.RESULTS[one.again.result]}{said}"


def counted(plan: Plan, found: Mapping[str, Stands], unended: Collection[str] = ()) -> str:
    """How many steps stand how, such as `38 steps: 36 done, 2 not begun`; of those in `unended` no end was heard."""
    over = [step.id for step in plan.steps if step.id not in unended]
    count = Counter(found[id_].result for id_ in over if id_ in found)
    parts = [f"{count[result]:,} {words.RESULTS[result]}" for result in Result if count[result]]
    parts += [f"{begun:,} begun"] if (begun := len(plan.steps) - len(over)) else []
    parts += [f"{left:,} not begun"] if (left := len(over) - count.total()) else []
    return f"{words.counted(len(plan.steps), 'step')}{': ' if parts else ''}{', '.join(parts)}."


def unheard(plan: Plan, unended: Collection[str]) -> list[str]:
    """Of which steps no end was heard, in a sentence: they run just now, or whoever began them is gone."""
    of: dict[str, list[str]] = {}
    for step in plan.steps:
        if step.id in unended:
            of.setdefault(step.gateway, []).append(words.change(step))
    told = "; ".join(f"{flat(gateway)} ({flat(', '.join(steps))})" for gateway, steps in of.items())
    return [f"Begun, and no end was heard of it yet: {told}."] if told else []


def who(found: Iterable[Stands]) -> list[str]:
    """By whom what stands was done and when, and who has looked since, in sentences."""
    every = list(found)
    lines = _sentences("Done", [(one.by, one.outcome.ended, one.outcome.result) for one in every if one.acted])
    again = [(one.again_by, one.again.ended, one.again.result) for one in every if one.again]
    return lines + _sentences("Looked at again", again)


def _sentences(what: str, looks: list[tuple[str, datetime, Result]]) -> list[str]:
    lines = []
    for by in dict.fromkeys(by for by, _, _ in looks):
        times = sorted(at for one, at, _ in looks if one == by)
        count = Counter(result for one, _, result in looks if one == by)
        results = ", ".join(f"{count[result]:,} {words.RESULTS[result]}" for result in Result if count[result])
        lines.append(f"{what} by {short(by)}, {_span(times[0], times[-1])}: {results}.")
    return lines


def short(by: str) -> str:
    """Who, without the number of the process."""
    return by.partition(" pid ")[0] or "nobody knows whom"


def when(at: datetime) -> str:
    """A time in a line, by England's clock: 23 Nov 2026 20:15."""
    return words.short(at)[:-3]


def _span(first: datetime, last: datetime) -> str:
    begun, ended = when(first), when(last)
    if begun == ended:
        return begun
    day, _, clock = ended.rpartition(" ")
    return f"{begun} to {clock if begun.startswith(day) else ended}"
