"""What a person is asked: whether a plan is to be done, and what to do while a run waits for it: once, with whom to
ring, and how it is said to be done."""

from collections.abc import Iterable, Sequence

from provisioner.cli.console import confirm, say
from provisioner.cli.lookup import narrowed
from provisioner.cli.options import common
from provisioner.execute import budget
from provisioner.journal import Journal, standing
from provisioner.migration.stand import confirm_command
from provisioner.model import Fleet, Outcome, Plan, Reason, Step
from provisioner.report.words import counted, owner

# The columns of practices.csv that hold a practice's number.
_TELEPHONE = frozenset({"telephone", "phone", "tel"})
_NAMED = 6


def ask(plan: Plan, journal: Journal) -> None:
    """Say what is done already and when the plan stops by itself, and go on only with a person's yes. Where all is
    done, and nothing of it was put back since, nothing is asked: it is only looked at again."""
    back = standing.put_back(journal, plan)
    left = {step.id for step in standing.open_steps(journal, plan)} | back.keys()
    done = len(plan.steps) - len(left)
    if done:
        again = "they are looked at again, and what is not so any more is done again"
        were = "was" if done == 1 else "were"
        say(f"{done} of {counted(len(plan.steps), 'step')} {were} done already: {again}.")
    if back:
        by = ", ".join(dict.fromkeys(back.values()))
        say(f"{counted(len(back), 'step')} that this plan had done, put back since by {by}: to be done again.")
    if not left:
        return
    say(budget.words(plan.budget, len(plan.places)))
    if common().yes:
        return
    rest = narrowed(plan, lambda step: step.id in left)
    counts = (counted(len(rest.places), "gateway"), counted(len(rest.waves), "wave"), counted(len(left), "step"))
    confirm("Change {} in {}, {}?".format(*counts))


def instructions(plan: Plan, fleet: Fleet, steps: Sequence[Step], words: str, since: str = "") -> list[str]:
    """Who is waited for and for what, the telephone numbers that practices.csv has, and for a migration the command
    that says it is done. `since` is what the gateways show of it meanwhile."""
    gateways = list(dict.fromkeys(step.gateway for step in steps))
    persons = [step for step in steps if step.kind == "person"]
    who = ", ".join(dict.fromkeys(owner(step.who) for step in persons)) or owner("practice")
    lines = [f"Waits for {who} ({some(gateways)}): {words}" + (f" {since}" if since else "")]
    lines += [f"  Telephone of {practice}: {number}" for practice, number in _numbers(fleet, gateways).items()]
    if plan.move and persons:
        commands = [f"    {confirm_command(plan.move.practice, step)}" for step in persons]
        lines += ["  When it is done, and no reading shows it:", *commands]
    return lines


def still_asked(plan: Plan, fleet: Fleet, outcomes: Iterable[Outcome]) -> list[str]:
    """The same for all that is still waited for at the end of a run."""
    steps = {step.id: step for step in plan.steps}
    asked: dict[tuple[str, str], list[Step]] = {}
    for outcome in outcomes:
        if outcome.reason is Reason.ASKED and outcome.step in steps:
            step = steps[outcome.step]
            words = step.words or outcome.message
            asked.setdefault((words, outcome.message.partition(words)[2].strip()), []).append(step)
    return [line for (words, since), its in asked.items() for line in instructions(plan, fleet, its, words, since)]


def some(names: Sequence[str]) -> str:
    """The first of these, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _numbers(fleet: Fleet, gateways: Sequence[str]) -> dict[str, str]:
    practices = {row.practice for row in fleet.gateways if row.name in gateways}
    return {
        row.practice: number
        for row in fleet.gateways
        if row.practice in practices
        for column, number in row.variables.items()
        if column.casefold() in _TELEPHONE and number
    }
