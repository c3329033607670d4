"""What stands of a plan's steps, for programs and for the terminal: what was done, when and by whom, and since then."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from provisioner.model import Outcome, Plan, Result
from provisioner.model.results import Stands
from provisioner.report import words


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


def _again(again: Outcome, by: str) -> dict[str, str]:
    return {"at": words.utc(again.ended), "by": by, "result": again.result, "message": again.message}


def since(one: Stands) -> str:
    """What a later look found that is not as the step left it, in words; "" for nothing."""
    if one.again is None or one.holds:
        return ""
    said = f": {one.again.message}" if one.again.message else ""
    return f"looked at again {when(one.again.ended)}: {words.RESULTS[one.again.result]}{said}"


def counted(plan: Plan, found: Mapping[str, Stands]) -> str:
    """How many steps stand how, such as `38 steps: 36 done, 2 not begun`."""
    count = Counter(found[step.id].result for step in plan.steps if step.id in found)
    parts = [f"{count[result]:,} {words.RESULTS[result]}" for result in Result if count[result]]
    parts += [f"{left:,} not begun"] if (left := len(plan.steps) - count.total()) else []
    return f"{words.counted(len(plan.steps), 'step')}: {', '.join(parts)}."


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
    """A time in a line: 2026-11-23 20:15 UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _span(first: datetime, last: datetime) -> str:
    begun, ended = when(first), when(last)
    if begun == ended:
        return begun
    same_day = begun[:10] == ended[:10]
    return f"{begun.removesuffix(' UTC')} to {ended[11:] if same_day else ended}"
