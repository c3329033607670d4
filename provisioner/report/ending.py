"""How a run ended, in lines: what is not done, each reason once. Pure."""

from collections import Counter
from collections.abc import Sequence

from provisioner.model import Outcome, Plan, Reason, Result
from provisioner.report import outcomes as causes
from provisioner.report import words
from provisioner.report.folding import flat, wrapped

_NAMED = 12
# Of a gateway whose trouble is said already.
_AFTER = "what comes before them there did not end well"


def counted(outcomes: Sequence[Outcome]) -> str:
    """How many steps ended how."""
    count = Counter(outcome.result for outcome in outcomes)
    total = ", ".join(f"{count[result]:,} {words.RESULTS[result]}" for result in Result if count[result])
    return f"{words.counted(len(outcomes), 'step')}: {total}."


def not_done(plan: Plan, outcomes: Sequence[Outcome], width: int) -> list[str]:
    """What did not end well, the worst first: what went wrong in the same way at several gateways is said once, with
    their names."""
    lines: list[str] = []
    for cause in causes.grouped(plan, outcomes):
        what = ", ".join(part for part in (words.RESULTS[cause.result], cause.remedy) if part)
        lines += _group(f"{what}, at {len(cause.gateways)}: {names(cause.gateways)}", cause.words, width)
    named = {gateway for cause in causes.grouped(plan, outcomes) for gateway in cause.gateways}
    skipped: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.result is Result.SKIPPED:
            # Why a whole run goes no further is said in any case.
            follows = outcome.gateway in named and outcome.reason is not Reason.NOT_BEGUN
            why = _AFTER if follows else outcome.message
            skipped.setdefault(why, []).append(outcome)
    for message, of in skipped.items():
        gateways = tuple(dict.fromkeys(outcome.gateway for outcome in of))
        what = f"{words.RESULTS[Result.SKIPPED]}, {words.counted(len(of), 'step')} at {len(gateways)}"
        lines += _group(f"{what}: {names(gateways)}", message, width)
    return lines


def _group(what: str, why: str, width: int) -> list[str]:
    indent = " " * 4
    return [
        *(f"  {line}" for line in wrapped(what, width - 2, indent)),
        *(f"{indent}{line}" for line in (wrapped(why, width - len(indent)) if flat(why) else [])),
    ]


def names(gateways: Sequence[str]) -> str:
    """The first of these, and how many more there are."""
    more = f" and {len(gateways) - _NAMED} more" if len(gateways) > _NAMED else ""
    return ", ".join(gateways[:_NAMED]) + more
