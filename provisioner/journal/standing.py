"""What stands open by the journal's events: migrations, what persons confirmed, steps nobody heard the end of."""

from collections.abc import Collection
from datetime import datetime

from provisioner.errors import JournalError
from provisioner.journal import Journal, Progress
from provisioner.journal.file import DAMAGED
from provisioner.model import FINISHED, Plan, Step, results
from provisioner.model.plan import STOP
from provisioner.model.results import Stands

APPROVED = "approved"


def open_migrations(journal: Journal) -> dict[str, str]:
    """The plan of each practice's open migration."""
    opened: dict[str, str] = {}
    for event in journal.events(kinds=("migration_opened", "closed")):
        if event.kind == "closed":
            opened.pop(event.plan, None)
        else:
            opened[event.plan] = str(event.body["practice"])
    return {practice: plan for plan, practice in opened.items()}


def was_approved(journal: Journal, plan_id: str) -> bool:
    """Whether anybody ever approved a plan; whether that still counts is another question."""
    return bool(journal.events(plan_id, kinds=(APPROVED,)))


def was_begun(journal: Journal, plan: str) -> bool:
    """Whether that plan was ever run."""
    return bool(journal.events(plan, kinds=("run_started",)))


def put_back(journal: Journal, plan: Plan) -> dict[str, str]:
    """By step the way back that began to put it back after it last ended: it was done, and is not there any more."""
    ended = {event.step: event.at for event in journal.events(plan.id, kinds=("step_ended",))}
    found: dict[str, str] = {}
    for back in journal.family(plan)[1:]:
        places = {step.id: (step.gateway, step.role) for step in back.steps if back.kind == "undo"}
        begun = {
            places[event.step]: event.at
            for event in journal.events(back.id, kinds=("step_started",))
            if event.step in places
        }
        for step in plan.steps:
            at = begun.get((step.gateway, step.role))
            if at and step.id in ended and ended[step.id] < at:
                found[step.id] = back.id
    return found


def was_opened(journal: Journal, plan: str) -> bool:
    """Whether that plan's migration was ever opened, and may be closed by now."""
    return bool(journal.events(plan, kinds=("migration_opened",)))


def open_steps(journal: Journal, plan: Plan) -> list[Step]:
    """The steps of a plan that have not ended well yet, in its order."""
    progress = journal.progress(plan.id)
    return [
        step
        for step in plan.steps
        if step.id in progress.unended
        or step.id not in progress.outcomes
        or progress.outcomes[step.id].result not in FINISHED
    ]


def between(journal: Journal, plan: Plan) -> bool:
    """Whether a migration's plan has stopped the gateway that it leaves, or may have."""
    stops = [step for step in plan.steps if step.remedy == STOP]
    progress = journal.progress(plan.id) if stops else Progress()
    ended = {id_ for id_, outcome in progress.outcomes.items() if outcome.result in FINISHED}
    return any(step.gateway in progress.begun or step.id in ended for step in stops)


def stands(journal: Journal, plan: str) -> dict[str, Stands]:
    """What stands of each of a plan's steps that ever ended. Errors: JournalError where an outcome is damaged."""
    kinds = ("run_started", "step_started", "step_ended")
    try:
        return results.stands((one.kind, one.step, one.body) for one in journal.events(plan, kinds=kinds))
    except ValueError as error:
        raise JournalError(f"{journal.path}: a step of {plan} is damaged.", DAMAGED) from error


def confirmed(journal: Journal, plan: str) -> dict[str, str]:
    """What persons confirmed of a plan's steps, in words, by step; of several the last."""
    return {
        event.step: f"confirmed by {event.body['by']}" + (f": {event.body['words']}" if event.body["words"] else "")
        for event in journal.events(plan, kinds=("confirmed",))
    }


def unheeded(journal: Journal, plan: str) -> frozenset[str]:
    """The steps that a person has confirmed since a run last took up what was confirmed of them."""
    new: set[str] = set()
    taken_up: set[str] = set()
    for event in journal.events(plan, kinds=("confirmed", "run_started", "step_ended")):
        if event.kind == "confirmed":
            new.add(event.step)
            taken_up.discard(event.step)
        elif event.kind == "run_started":
            # What is confirmed while it runs, it does not know.
            taken_up |= new
        elif event.step in taken_up:
            new.discard(event.step)
    return frozenset(new)


def unsettled(journal: Journal, gateways: Collection[str], since: datetime) -> dict[str, datetime]:
    """By gateway when the latest step began there, since then and by any plan, of which no good end was heard. One that
    is known to have done nothing was never there: what began before it stays as it is."""
    found: dict[str, dict[tuple[str, str], list[datetime]]] = {gateway: {} for gateway in gateways}
    for event in journal.events(kinds=("step_started", "step_ended"), since=since):
        if event.gateway not in found:
            continue
        begun = found[event.gateway].setdefault((event.plan, event.step), [])
        if event.kind == "step_started":
            begun.append(event.at)
        elif event.body["result"] in FINISHED:
            begun.clear()
        elif event.body.get("untouched"):
            del begun[-1:]
    latest = {gateway: [at for begun in steps.values() for at in begun] for gateway, steps in found.items()}
    return {gateway: max(times) for gateway, times in latest.items() if times}
