"""The way back from a plan that was done, as the journal knows it."""

from datetime import UTC, datetime

from provisioner.errors import InputError, PlanRefused
from provisioner.journal import Journal, new_id, standing
from provisioner.model import Audit, Plan
from provisioner.plan import undo
from provisioner.report.words import counted


def way_back(journal: Journal, done: Plan, chosen: Plan | None = None) -> Plan:
    """The plan that puts back all that a plan has done by now: the one that an earlier command began, where it is of
    the same steps and not through, else a new one that the journal does not have yet. `chosen`: of these of its steps.

    Errors: PlanRefused where a plan is a way back already, InputError where its audit is gone.
    """
    if done.kind == "undo":
        raise PlanRefused(f"{done.id} is a way back itself.", f"provisioner apply {done.of} does that plan again.")
    audit = journal.load(done.audit)
    if not isinstance(audit, Audit):
        raise InputError(f"{done.audit}, from which {done.id} was made, is no audit.", "The journal is not right.")
    at = datetime.now(UTC)
    fresh = undo.make(chosen or done, audit, acted_on(journal, done.id), at=at, plan_id=new_id("undo", at))
    return begun(journal, done, fresh) or fresh


def keep(journal: Journal, done: Plan, back: Plan) -> None:
    """Put a way back into the journal, if it is not there and there is something to do."""
    if back.steps and back.id not in {plan.id for plan in journal.family(done)}:
        size = f"{counted(len(back.steps), 'step')} on {counted(len(back.places), 'gateway')}"
        journal.save(back, f"undo of {done.id}: {size}")


def acted_on(journal: Journal, plan: str) -> dict[str, undo.Attempts]:
    """What that plan began, by step."""
    events = journal.events(plan, kinds=("step_started", "step_ended"))
    return undo.acted_on((event.kind, event.step, event.body) for event in events)


def begun(journal: Journal, done: Plan, fresh: Plan) -> Plan | None:
    """The same undo, where an earlier command began it and it is not through. One of fewer steps is another."""
    steps = {step.id for step in fresh.steps}
    for found in reversed(journal.family(done)[1:]):
        same = found.kind == "undo" and {step.id for step in found.steps} == steps
        if same and standing.was_begun(journal, found.id) and standing.open_steps(journal, found):
            return found
    return None
