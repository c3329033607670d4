"""The failure budget: how many gateways may go wrong over a whole rollout before it stops. Pure."""

from collections.abc import Collection, Iterable, Mapping

from provisioner.model import Budget, Outcome, Result

_LOST = (Result.UNREACHABLE, Result.REFUSED)
_ENDED: Mapping[Result, str] = {
    Result.FAILED: "failed",
    Result.UNREACHABLE: "were unreachable",
    Result.REFUSED: "refused the log-in",
    Result.UNKNOWN: "ended unknown",
}
_ORDINALS = ("the first", "a second", "a third", "a fourth", "a fifth")


def words(budget: Budget, gateways: int) -> str:
    """When a rollout of so many gateways stops by itself, in one sentence."""
    if budget == Budget(failed=0, unreachable=0, refused=0, unknown=0):
        return "Stops at the first step that does not end well."
    stops = [f"{_limit(budget.first_wave)} gateway of the first wave fails or ends unknown"]
    goes_on = []
    for limit, stopping, going_on in (
        (budget.failed, "fails", "fail"),
        (budget.unreachable, "is unreachable", "are unreachable"),
        (budget.refused, "refuses the log-in", "refuse the log-in"),
        (budget.unknown, "ends unknown", "end unknown"),
    ):
        if limit is None or limit >= gateways:
            goes_on.append(going_on)
        else:
            stops.append(f"{_limit(limit)} of all {gateways} {stopping}")
    said = f"Stops when {', or '.join(stops)}"
    # Of one gateway alone the first wave says all.
    if not goes_on or gateways == 1:
        return f"{said}."
    several = " or ".join(part for part in (", ".join(goes_on[:-1]), goes_on[-1]) if part)
    return f"{said}; any number that {several} do not stop it."


def past(budget: Budget, outcomes: Iterable[Outcome], first: Collection[str]) -> str:
    """Why a rollout with these outcomes stops; "" while it may go on. Each gateway counts once for each result;
    `first` has the steps of the first wave."""
    found = list(outcomes)
    bad = (Result.FAILED, Result.UNKNOWN)
    pilot = {outcome.gateway for outcome in found if outcome.step in first and outcome.result in bad}
    if len(pilot) > budget.first_wave:
        return f"the first wave went wrong at {names(pilot)}"
    gateways = _by_result(found)
    for result, limit in _limits(budget).items():
        if limit is not None and len(gateways[result]) > limit:
            return f"{len(gateways[result])} gateways {_ENDED[result]} ({names(gateways[result])}); {limit} may"
    return ""


def bears(budget: Budget, outcomes: Iterable[Outcome], more: int) -> bool:
    """Whether a rollout with these outcomes could go on even if so many gateways more went wrong, all in one way."""
    gateways = _by_result(outcomes)
    return all(limit is None or len(gateways[result]) + more <= limit for result, limit in _limits(budget).items())


def _limits(budget: Budget) -> Mapping[Result, int | None]:
    return {
        Result.FAILED: budget.failed,
        Result.UNREACHABLE: budget.unreachable,
        Result.REFUSED: budget.refused,
        Result.UNKNOWN: budget.unknown,
    }


def _by_result(outcomes: Iterable[Outcome]) -> Mapping[Result, set[str]]:
    gateways: dict[Result, set[str]] = {result: set() for result in Result}
    for outcome in outcomes:
        gateways[outcome.result].add(outcome.gateway)
    return gateways


def unsure(outcomes: Iterable[Outcome]) -> str:
    """Why it cannot be told from these outcomes of one wave whether to go on, within the budget; "" where it can."""
    found = list(outcomes)
    if unknown := {outcome.gateway for outcome in found if outcome.result is Result.UNKNOWN}:
        return f"how it ended at {names(unknown)} is not known"
    if found and all(outcome.result in _LOST for outcome in found):
        return f"this wave shows nothing: {names({outcome.gateway for outcome in found})} could not be got into"
    return ""


def _limit(limit: int) -> str:
    return _ORDINALS[limit] if limit < len(_ORDINALS) else f"gateway number {limit + 1}"


def names(gateways: set[str]) -> str:
    """Some of these gateways, and how many there are beside."""
    shown = sorted(gateways)[:5]
    return ", ".join(shown) + (f" and {len(gateways) - 5} more" if len(gateways) > 5 else "")
