"""What a person is asked to do while a run waits for it: once, with whom to ring, and how it is said to be done."""

from collections.abc import Iterable, Sequence

from provisioner.execute.judge import APPROVE
from provisioner.migration.case import confirm_command
from provisioner.model import Fleet, Outcome, Plan, Reason, Result, Step
from provisioner.report.words import owner

# The columns of practices.csv that hold a practice's number.
_TELEPHONE = frozenset({"telephone", "phone", "tel"})
_NAMED = 6


def instructions(plan: Plan, fleet: Fleet, gateways: Sequence[str], words: str, since: str = "") -> list[str]:
    """Who is waited for and for what, the telephone numbers that practices.csv has, and for a migration the command
    that says it is done. `since` is what the gateways show of it meanwhile."""
    steps = _persons(plan, gateways, words)
    who = ", ".join(dict.fromkeys(owner(step.who) for step in steps)) or owner("practice")
    lines = [f"Waits for {who} ({some(gateways)}): {words}" + (f" {since}" if since else "")]
    lines += [f"  Telephone of {practice}: {number}" for practice, number in _numbers(fleet, gateways).items()]
    if plan.move and steps:
        commands = [f"    {confirm_command(plan.move.practice, step)}" for step in steps]
        lines += ["  When it is done, and no reading shows it:", *commands]
    return lines


def still_asked(plan: Plan, fleet: Fleet, outcomes: Iterable[Outcome]) -> list[str]:
    """The same for all that is still waited for at the end of a run."""
    steps = {step.id: step for step in plan.steps}
    asked: dict[tuple[str, str], list[str]] = {}
    for outcome in outcomes:
        if is_asked(outcome) and outcome.step in steps:
            words = steps[outcome.step].words or outcome.message
            asked.setdefault((words, outcome.message.partition(words)[2].strip()), []).append(outcome.gateway)
    return [
        line for (words, since), gateways in asked.items() for line in instructions(plan, fleet, gateways, words, since)
    ]


def is_asked(outcome: Outcome) -> bool:
    """Whether a person is waited for: by a step of that person's, or at a start, by Approve."""
    return outcome.reason is Reason.ASKED or (outcome.result is Result.WAITING and outcome.message == APPROVE)


def some(names: Sequence[str]) -> str:
    """The first of these, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _persons(plan: Plan, gateways: Sequence[str], words: str) -> list[Step]:
    """The steps behind these words, which may be of several."""
    return [
        step
        for step in plan.steps
        if step.kind == "person" and step.gateway in gateways and step.words and step.words in words
    ]


def _numbers(fleet: Fleet, gateways: Sequence[str]) -> dict[str, str]:
    practices = {row.practice for row in fleet.gateways if row.name in gateways}
    return {
        row.practice: number
        for row in fleet.gateways
        if row.practice in practices
        for column, number in row.variables.items()
        if column.casefold() in _TELEPHONE and number
    }
