"""What the verbs of `migrate` print of migrations, and running many of them under one budget."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from provisioner.audit.auditor import Auditor
from provisioner.cli import runs
from provisioner.cli.asking import instructions
from provisioner.cli.commands import givable
from provisioner.cli.console import as_json, folded, say
from provisioner.cli.watch import Screen
from provisioner.execute import engine, many
from provisioner.execute.admission import Asked
from provisioner.migration.stand import Stand, after, title
from provisioner.model import FINISHED, Fleet, Plan, Reason, Step
from provisioner.report import standing as standings
from provisioner.report import words


def run(auditor: Auditor, plans: Sequence[Plan], asked: Asked) -> int:
    """Run migrations, of many two at a time where that is safe, under one budget. The exit code.

    Errors: LeaseHeld, PlanRefused where it is only one; of many that one is said, and the others go on.
    """
    if len(plans) == 1:
        ended = runs.run(plans[0], auditor, asked)
        _ended(auditor, plans[0], ended)
        return ended.exit_code
    # Many practices are not waited for one by one: the first round prepares them and says what each waits for.
    asked, interrupts, codes = replace(asked, patient=False), runs.Interrupts(), [0]

    def do(plan: Plan) -> engine.Ended:
        return runs.one_of(plan, auditor, asked, interrupts, screen, name=plan.move.practice if plan.move else "")

    def said(plan: Plan, ending: many.Ending) -> None:
        codes.append(ending.exit_code if isinstance(ending, engine.Ended) else 4)
        with screen.away():
            if isinstance(ending, engine.Ended):
                _ended(auditor, plan, ending)
            else:
                say(f"{title(plan)}: {ending.message} {ending.hint}")

    with interrupts.caught(), Screen() as screen:
        why = many.run(plans, auditor.fleet, do, said, interrupts.once)
    if why:
        say(f"Stopped: {why}. The practices that are left were not touched.")
    return 4 if why else max(codes)


def _ended(auditor: Auditor, plan: Plan, ended: engine.Ended) -> None:
    if ended.exit_code == 0 and plan.move and not as_json():
        folded(f"{plan.move.practice} has moved to {plan.move.new}.")
    runs.show(plan, ended, auditor.fleet, auditor.journal, again=words.command(plan), then=after(plan))


def show(plan: Plan) -> None:
    """What a migration will do, stage by stage."""
    assert plan.move is not None
    does = {"migration": f"moves from {plan.move.old} to {plan.move.new}", "finish": f"retires {plan.move.old}"}
    say(f"{plan.move.practice} {does.get(plan.kind, f'goes back to {plan.move.old}')}:")
    for wave in plan.waves:
        for step in wave.steps:
            what = step.words if step.kind != "playbook" or step.words else f"{step.remedy} on {step.gateway}"
            say(f"  {wave.number}. {words.owner(step.who) + ': ' if step.who else ''}{what}")


def by_hand(plan: Plan, ended: engine.Ended) -> str:
    """What a person has to do where the way back failed."""
    assert plan.move is not None
    failed = next((outcome for outcome in ended.outcomes if outcome.result not in FINISHED), None)
    step = next((step for step in plan.steps if failed and step.id == failed.step), None)
    lines = [f"The way back stopped at {step.remedy if step else 'its end'}: {failed.message if failed else ''}"]
    lines.append(f"By hand: 1. on {plan.move.new}, stop the Connector's service and set it to Disabled;")
    lines.append(f"2. see that it is stopped there; only then 3. on {plan.move.old}, start SystmOne by its Gateway")
    lines.append(
        "shortcut, set the service to Automatic (Delayed Start) and start it; then give the same command again."
    )
    return "\n".join(lines)


def document(stand: Stand) -> dict[str, Any]:
    """As JSON, in the shape that docs/json.md promises."""
    move = stand.migration.move
    assert move is not None
    steps = [
        {
            "step": step.remedy,
            "gateway": step.gateway,
            "kind": step.kind,
            "result": stand.stands[step.id].result if step.id in stand.stands else None,
            "message": stand.stands[step.id].message if step.id in stand.stands else "",
            "at": words.utc(stand.stands[step.id].outcome.ended) if step.id in stand.stands else "",
            "by": stand.stands[step.id].by if step.id in stand.stands else "",
            "confirmed": stand.confirmed.get(step.id, ""),
        }
        for step in stand.plan.steps
    ]
    return {
        "practice": move.practice,
        "old": move.old,
        "new": move.new,
        "migration": stand.migration.id,
        "plan": stand.plan.id,
        "kind": stand.plan.kind,
        "through": not stand.open,
        "next": givable(words.command(stand.plan) if stand.open else after(stand.plan)),
        "steps": steps,
    }


def _taken_up_next(stand: Stand, step: Step) -> bool:
    """Whether a person has confirmed it since a run last looked: what that one said is out of date."""
    if step not in stand.open or step.id not in stand.confirmed:
        return False
    stands = stand.stands.get(step.id)
    return step.id in stand.unheeded or stands is None or stands.reason is not Reason.ASKED


def _asks(stand: Stand, step: Step) -> bool:
    """Whether that person is asked by now: one that was not even asked for waits for something else, which its line
    has said."""
    stood = stand.stands.get(step.id)
    return step.kind == "person" and (stood is None or stood.reason is Reason.ASKED)


def _line(stand: Stand, step: Step) -> str:
    """One step, with since when it stands so; what is open says why, but for what is said below or confirmed."""
    stood, first = stand.stands.get(step.id), stand.open[0] if stand.open else None
    result, when = (stood.result, standings.when(stood.outcome.ended)) if stood else ("-", "")
    why = f"  {stood.message}" if stood and stood.message and step in stand.open else ""
    if _taken_up_next(stand, step):
        result, why = "confirmed", ""
    elif step is first and _asks(stand, step):
        why = ""
    return f"  {result:<10} {step.remedy:<16} {step.gateway:<16} {when}{why}".rstrip()


def text(stand: Stand, fleet: Fleet) -> str:
    """In words, for the screen."""
    move = stand.migration.move
    assert move is not None
    lines = [f"{move.practice}: from {move.old} to {move.new} ({stand.plan.kind} {stand.plan.id})"]
    lines += [_line(stand, step) for step in stand.plan.steps]
    first = stand.open[0] if stand.open else None
    if first and _taken_up_next(stand, first):
        lines.append(f"{first.remedy} is {stand.confirmed[first.id]}; the next command takes that up.")
    elif first and _asks(stand, first):
        lines += instructions(stand.plan, fleet, [first], first.words)
    lines.append(f"Next: {words.command(stand.plan) if stand.open else after(stand.plan)}")
    return "\n".join(lines)
