"""Outcomes grouped by what is behind them: what went wrong in the same way at many gateways is said once. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from provisioner.model import Outcome, Plan, Result

# What is worth a look, the worst first.
_LOOKED_AT = (Result.FAILED, Result.UNKNOWN, Result.REFUSED, Result.UNREACHABLE, Result.STALE, Result.WAITING)
_LOST = (Result.REFUSED, Result.UNREACHABLE)
# What differs from gateway to gateway in the same words: times, numbers, ids.
_OWN = re.compile(r"\b[0-9a-f]{6,}\b|\b\d[\d.:/-]*\b", re.I)


@dataclass(frozen=True, kw_only=True)
class OutcomeCause:
    """The same result of the same remedy ("" for any; several, where each is so at the same gateways) in the same
    words; `words` are those of the first gateway."""

    result: Result
    remedy: str
    words: str
    gateways: tuple[str, ...]


def grouped(plan: Plan, outcomes: Iterable[Outcome]) -> tuple[OutcomeCause, ...]:
    """What did not end well, by cause: the worst result first, then what is at most gateways."""
    steps = {step.id: step for step in plan.steps}
    found: dict[tuple[Result, str, str], list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.result in _LOOKED_AT and outcome.step in steps:
            # What could not be got into is so for all of its steps.
            remedy = "" if outcome.result in _LOST else steps[outcome.step].remedy
            key = (outcome.result, remedy, _plain(outcome, steps[outcome.step].practice))
            found.setdefault(key, []).append(outcome)
    # What is so of several steps at the same gateways is one thing.
    same: dict[tuple[Result, str, tuple[str, ...]], list[tuple[str, str]]] = {}
    for (result, remedy, plain), of in found.items():
        gateways = tuple(dict.fromkeys(one.gateway for one in of))
        same.setdefault((result, plain, gateways), []).append((remedy, of[0].message))
    causes = [
        OutcomeCause(result=result, remedy=", ".join(remedy for remedy, _ in of), words=of[0][1], gateways=gateways)
        for (result, _, gateways), of in same.items()
    ]
    return tuple(sorted(causes, key=lambda cause: (_LOOKED_AT.index(cause.result), -len(cause.gateways))))


def counted(causes: Iterable[OutcomeCause]) -> str:
    """Such as `7 failed, 2 causes; 4 unreachable, 1 cause`; "" where all went well."""
    by_result: Mapping[Result, list[OutcomeCause]] = {}
    for cause in causes:
        by_result = {**by_result, cause.result: [*by_result.get(cause.result, []), cause]}
    return "; ".join(
        f"{len({name for one in of for name in one.gateways})} {result}, "
        f"{len(of)} {'cause' if len(of) == 1 else 'causes'}"
        for result, of in by_result.items()
    )


def _plain(outcome: Outcome, practice: str) -> str:
    """A message without what is this gateway's own."""
    words = outcome.message
    for own in (outcome.gateway, practice):
        words = re.sub(re.escape(own), "-", words, flags=re.I) if own else words
    return _OWN.sub("#", words)
