"""Where a practice's migration stands, by the journal alone: what is open, what a person confirmed, what comes next.

Whoever only tells of one needs nothing of what reads and changes gateways.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from provisioner import processes
from provisioner.errors import InputError, suggest
from provisioner.fleet import codes
from provisioner.journal import Event, Journal, standing
from provisioner.model import Plan, Result, Step
from provisioner.model.plan import CARRY, GATEWAY_STARTED
from provisioner.model.results import Stands
from provisioner.report import words

_START = "provisioner migrate start PRACTICE --to GATEWAY begins one"


@dataclass(frozen=True, kw_only=True)
class Stand:
    """Where a migration stands."""

    plan: Plan
    migration: Plan
    stands: dict[str, Stands]
    open: tuple[Step, ...]
    confirmed: dict[str, str]
    unheeded: frozenset[str]


def open_migration(journal: Journal, practice: str) -> Plan:
    """The open migration of a practice. Errors: InputError where there is none."""
    open_ = standing.open_migrations(journal)
    found = open_.get(codes.normal(practice))
    if found is None:
        raise InputError(f"{practice} has no open migration.", not_open(practice, open_))
    plan = journal.load(found)
    assert isinstance(plan, Plan)
    return plan


def not_open(practice: str, open_: Collection[str]) -> str:
    """What to do where a practice has no open migration and others may have one."""
    others = f"Open are those of {', '.join(sorted(open_))}." if open_ else ""
    return suggest(practice, open_) or others or f"{_START}; provisioner history lists what there was."


def newest(journal: Journal, migration: Plan) -> Plan:
    """The migration, or its end or way back where that has begun."""
    begun = [plan for plan in journal.family(migration)[1:] if standing.was_begun(journal, plan.id)]
    return begun[-1] if begun else migration


def running_now(journal: Journal, practice: str) -> Plan:
    """The plan of a practice's migration that goes on next. Errors: InputError where none is open."""
    return newest(journal, open_migration(journal, practice))


def in_turn(journal: Journal, plan: Plan, step: Step) -> None:
    """Errors: InputError where something on the machines has still to be done before a person's step can be: what is
    confirmed before its time says nothing of how it is then."""
    before = plan.steps[: plan.steps.index(step)]
    open_ = [other for other in standing.open_steps(journal, plan) if other in before and other.kind != "person"]
    if open_:
        raise InputError(
            f"It is not the time for {step.remedy} yet: {open_[0].remedy} on {open_[0].gateway} is not done.",
            f"{words.command(plan)} goes on; confirm {step.remedy} once it has been done after that.",
        )


def _unsettled(journal: Journal, plan: Plan, step: Step) -> None:
    """Errors: InputError where that person's step has ended well: there is nothing left to be said of it."""
    outcome = journal.progress(plan.id).outcomes.get(step.id)
    if outcome is None or step in standing.open_steps(journal, plan):
        return
    raise InputError(
        f"{step.remedy} on {step.gateway} is done already: {outcome.message or outcome.result}.",
        f"Nothing need be confirmed. {_waiting(journal, plan)}",
    )


def _waiting(journal: Journal, plan: Plan) -> str:
    """Which steps wait for a person, those whose time it is first."""
    open_, outcomes = standing.open_steps(journal, plan), journal.progress(plan.id).outcomes
    # Files are brought by hand only where the old PC is off; what the run said of them says which it is.
    by_hand = {id_ for id_, one in outcomes.items() if one.result is Result.WAITING and id_.endswith(f"-{CARRY}")}
    persons = [step for step in open_ if step.kind == "person" or step.id in by_hand]
    ours = next((number for number, step in enumerate(open_) if step not in persons), len(open_))
    now = [f"{step.remedy} ({step.words or outcomes[step.id].message})" for step in persons if step in open_[:ours]]
    later = [step.remedy for step in persons if step not in open_[:ours]]
    told = [*([f"Now: {'; '.join(now)}."] if now else []), *([f"Later: {', '.join(later)}."] if later else [])]
    return " ".join(told) or f"No step waits for a person. Next: {words.command(plan) if open_ else after(plan)}"


def confirm(journal: Journal, practice: str, step: str, *, by: str, words: str = "") -> Plan:
    """Note that a person's step of an open migration is done, and by whom. Gives the plan that goes on.

    Errors: InputError where there is no such step, nobody is named, it is done already, or it is not the time for it.
    """
    plan = running_now(journal, practice)
    persons = {each.remedy: each for each in plan.steps if each.kind == "person" or each.remedy == CARRY}
    if not step:
        raise InputError(f"Which step of {practice}'s migration is done?", _waiting(journal, plan))
    if step not in persons:
        hint = suggest(step, persons) or f"There are {', '.join(persons)}."
        raise InputError(f"{practice} has no step {step!r} of a person.", hint)
    _unsettled(journal, plan, persons[step])
    if not by.strip():
        raise InputError("Who did it?", "--by NAME: a person's name, for the record.")
    in_turn(journal, plan, persons[step])
    body = {"step": step, "by": by.strip(), "words": words.strip(), "noted_by": str(processes.this())}
    at, done = datetime.now(UTC), persons[step]
    journal.append([Event(at=at, kind="confirmed", plan=plan.id, step=done.id, gateway=done.gateway, body=body)])
    return plan


def gateways_started(journal: Journal, since: datetime) -> dict[str, datetime]:
    """When a person started SystmOne's Gateway on a PC because a migration or its way back asked for it, since then."""
    found: dict[str, datetime] = {}
    for event in journal.events(kinds=("step_ended",), since=since):
        if event.body.get("result") in (Result.DONE, Result.UNCHANGED) and event.step.endswith(GATEWAY_STARTED):
            # Looked at again it is the same start: the first end counts.
            found.setdefault(event.gateway, event.at)
    return found


def confirm_command(practice: str, step: Step) -> str:
    """How a person's step is said to be done where no reading shows it."""
    return f"provisioner migrate confirm {practice} {step.remedy} --by NAME"


def stand(journal: Journal, migration_id: str) -> Stand:
    """Where that migration stands, by the journal."""
    migration = journal.load(migration_id)
    assert isinstance(migration, Plan)
    plan = newest(journal, migration)
    return Stand(
        plan=plan,
        migration=migration,
        stands=standing.stands(journal, plan.id),
        open=tuple(standing.open_steps(journal, plan)),
        confirmed=standing.confirmed(journal, plan.id),
        unheeded=standing.unheeded(journal, plan.id),
    )


def moving(journal: Journal) -> list[str]:
    """The practices of whose people a move, or its way back, still asks something: what an audit would ask of them
    beside it may be the contrary."""
    stands = {practice: stand(journal, id_) for practice, id_ in standing.open_migrations(journal).items()}
    return [practice for practice, one in stands.items() if any(step.kind == "person" for step in one.open)]


def no_letter(practice: str) -> str:
    """Why a practice that is being moved gets no letter by an audit, in words."""
    where = f"provisioner migrate status {practice}"
    return f"No letter to {practice}: its gateway is being moved. What is asked: {where}"


def after(plan: Plan) -> str:
    """What follows when all of a migration, its end or its way back is done."""
    assert plan.move is not None
    if plan.kind != "migration":
        return "provisioner audit"
    return f"in some days, once all works: provisioner migrate finish {plan.move.practice}"


def title(plan: Plan) -> str:
    """A plan's line in the history."""
    assert plan.move is not None
    return f"{plan.move.practice}: {plan.kind} of the move from {plan.move.old} to {plan.move.new}"
