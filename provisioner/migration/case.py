"""A practice's migration as it stands: what is open, what comes next, and the plan that goes on with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from provisioner import processes
from provisioner.audit.auditor import Auditor
from provisioner.errors import Fault, InputError, PlanRefused
from provisioner.execute import budget as budgets
from provisioner.execute import many
from provisioner.execute.undoing import acted_on
from provisioner.fleet import codes
from provisioner.journal import Event, Journal, new_id, standing
from provisioner.migration import stages
from provisioner.model import FINISHED, Audit, Fleet, Move, Plan, Result, Role, Step
from provisioner.model.results import Stands
from provisioner.plan.rollout import budget_of


@dataclass(frozen=True, kw_only=True)
class Planned:
    """The plan of a practice's migration. `new`: it is not in the journal yet; `remark`: what a person has to know of
    it, "" for nothing."""

    plan: Plan
    new: bool
    remark: str = ""


def planned(auditor: Auditor, wanted: Sequence[tuple[str, str]]) -> list[Planned]:
    """The migration of each practice. Errors: InputError with all that is wrong."""
    found, faults = [], list[Fault]()
    open_ = standing.open_migrations(auditor.journal)
    for practice, to in wanted:
        try:
            found.append(_one(auditor, codes.normal(practice), to, open_))
        except (InputError, PlanRefused) as error:
            if len(wanted) == 1:
                raise
            faults.append(Fault(practice, None, error.message, error.hint))
    if faults:
        raise InputError("Nothing is begun: some of these cannot be moved.", "Mend these, or take them out.", faults)
    return found


def _one(auditor: Auditor, practice: str, to: str, open_: dict[str, str]) -> Planned:
    if practice in open_:
        plan = open_migration(auditor.journal, practice)
        if plan.move and to and plan.move.new.upper() != to.upper():
            hint = f"provisioner migrate status {practice}; finish or undo that one first."
            raise InputError(f"{practice} is being moved to {plan.move.new} already.", hint)
        if newest(auditor.journal, plan).kind == "undo":
            hint = f"provisioner migrate undo {practice} goes on with it."
            raise InputError(f"The migration of {practice} is on its way back.", hint)
        return Planned(plan=plan, new=False)
    if not to:
        raise InputError(f"{practice}: to which PC?", "--to GATEWAY: a standby or candidate row of the practice.")
    return _new(auditor, stages.resolve_move(auditor.fleet, practice, to, datetime.now(UTC).date()))


def _new(auditor: Auditor, move: Move) -> Planned:
    fleet = auditor.fleet
    if not fleet.settings.service.name:
        raise InputError("fleet.yml has no service.name, and without it nothing is started.", "Ask the vendor for it.")
    rows = stages.in_roles(fleet, stages.before(move)).known
    audit = auditor.audit_of(
        [row for row in rows if row.practice == move.practice], f"before {move.practice} moves to {move.new}"
    )
    at = datetime.now(UTC)
    plan = stages.make(audit, fleet, move, at=at, plan_id=new_id("move", at), durations=auditor.journal.durations())
    if plan.gaps:
        faults = [Fault(gap.gateway, None, f"{gap.control}: {gap.message}", gap.ask) for gap in plan.gaps]
        hint = "Have these mended, or accept them by name in waivers.yml; nothing was changed."
        raise InputError(f"{move.new} is not fit to become the gateway of {move.practice} yet.", hint, faults)
    others = ", ".join(_others(audit, move.old))
    remark = f"{move.old} also has {others}: they need a SystmOne Gateway too. Who moves them, and when?"
    return Planned(plan=plan, new=True, remark=remark if others else "")


def _others(audit: Audit, old: str) -> list[str]:
    """Other products that live on the old gateway (docs/operations.md, "Moving a gateway")."""
    evidence = next((evidence for evidence in audit.evidence if evidence.gateway == old), None)
    connector = evidence.sections.get("connector") if evidence and not evidence.error else None
    return list(connector["other_products"] or ()) if connector else []


def stops(plans: Sequence[Plan], fleet: Fleet) -> str:
    """When migrations that are run together stop by themselves, in words; the first practice is the first wave."""
    if len(plans) == 1:
        return budgets.words(plans[0].budget, len(plans[0].places))
    gateways = {gateway for plan in plans for gateway in plan.places}
    stops = budgets.words(budget_of(fleet), len(gateways))
    two = len(plans) > 2 and many.two(fleet)
    how = "the first alone, then two at a time" if two else "one after the other"
    return f"{len(plans)} practices, {how}, each until a step does not end well. {stops}"


def open_migration(journal: Journal, practice: str) -> Plan:
    """The open migration of a practice. Errors: InputError where there is none."""
    found = standing.open_migrations(journal).get(codes.normal(practice))
    if found is None:
        raise InputError(f"{practice} has no open migration.", "provisioner migrate start PRACTICE --to GATEWAY")
    plan = journal.load(found)
    assert isinstance(plan, Plan)
    return plan


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
            f"{again(plan)} goes on; confirm {step.remedy} once it has been done after that.",
        )


def confirm(journal: Journal, practice: str, step: str, *, by: str, words: str = "") -> Plan:
    """Note that a person's step of an open migration is done, and by whom. Gives the plan that goes on.

    Errors: InputError where there is no such step, nobody is named, or it is not the time for it.
    """
    plan = running_now(journal, practice)
    persons = {each.remedy: each for each in plan.steps if each.kind == "person" or each.remedy == stages.CARRY}
    if step not in persons:
        raise InputError(f"{practice} has no step {step!r} of a person.", f"There are {', '.join(persons)}.")
    if not by.strip():
        raise InputError("Who did it?", "--by NAME: a person's name, for the record.")
    in_turn(journal, plan, persons[step])
    body = {"step": step, "by": by.strip(), "words": words.strip(), "noted_by": str(processes.this())}
    at, done = datetime.now(UTC), persons[step]
    journal.append([Event(at=at, kind="confirmed", plan=plan.id, step=done.id, gateway=done.gateway, body=body)])
    return plan


def finishing(auditor: Auditor, migration: Plan) -> Planned:
    """The plan that retires the old gateway.

    Errors: PlanRefused before the migration is through.
    """
    journal, move = auditor.journal, migration.move
    assert move is not None
    last = newest(journal, migration)
    if last.kind == "undo":
        raise PlanRefused(f"{move.practice} is on its way back.", f"provisioner migrate undo {move.practice} goes on.")
    if last.kind == "finish":
        return Planned(plan=last, new=False)
    if open_ := standing.open_steps(journal, migration):
        hint = f"provisioner migrate status {move.practice} says what it waits for."
        raise PlanRefused(f"The migration of {move.practice} is not through: {open_[0].remedy} is open.", hint)
    rows = stages.in_roles(auditor.fleet, {move.old: Role.RETIRED}).known
    audit = auditor.audit_of([row for row in rows if row.practice == move.practice], f"before {move.old} is retired")
    at = datetime.now(UTC)
    plan = stages.finish(audit, auditor.fleet, migration, at=at, plan_id=new_id("finish", at))
    return Planned(plan=plan, new=True)


def going_back(auditor: Auditor, migration: Plan) -> Planned:
    """The plan that leads back. Errors: PlanRefused once the old gateway is being retired."""
    journal, move = auditor.journal, migration.move
    assert move is not None
    last = newest(journal, migration)
    if last.kind == "undo":
        return Planned(plan=last, new=False)
    if last.kind == "finish":
        hint = f"provisioner migrate finish {move.practice} goes on; then migrate again, the other way."
        raise PlanRefused(f"{move.old} is being retired: there is no way back to it.", hint)
    audit = journal.load(migration.audit)
    assert isinstance(audit, Audit)
    at = datetime.now(UTC)
    acted, outcomes = acted_on(journal, migration.id), journal.progress(migration.id).outcomes
    done = {id_: outcome for id_, outcome in outcomes.items() if outcome.result in FINISHED}
    plan_id = new_id("undo", at)
    plan = stages.back(migration, audit, auditor.fleet, acted, done, at=at, plan_id=plan_id)
    return Planned(plan=plan, new=True)


@dataclass(frozen=True, kw_only=True)
class Stand:
    """Where a migration stands."""

    plan: Plan
    migration: Plan
    stands: dict[str, Stands]
    open: tuple[Step, ...]
    confirmed: dict[str, str]
    unheeded: frozenset[str]


def gateways_started(journal: Journal, since: datetime) -> dict[str, datetime]:
    """When a person started SystmOne's Gateway on a PC because a migration or its way back asked for it, since then."""
    found: dict[str, datetime] = {}
    for event in journal.events(kinds=("step_ended",), since=since):
        if event.body.get("result") in (Result.DONE, Result.UNCHANGED) and event.step.endswith(stages.GATEWAY_STARTED):
            # Looked at again it is the same start: the first end counts.
            found.setdefault(event.gateway, event.at)
    return found


def confirm_command(practice: str, step: Step) -> str:
    """How a person's step is said to be done where no reading shows it."""
    return f"provisioner migrate confirm {practice} {step.remedy} --by NAME"


def keep(journal: Journal, planned: Planned) -> None:
    """Put a new plan into the journal, under its title, if it is not there."""
    if planned.new and planned.plan.id not in journal.kept("plan"):
        journal.save(planned.plan, title(planned.plan))


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


def again(plan: Plan) -> str:
    """The command that goes on with a plan of a migration."""
    assert plan.move is not None
    verb = {"migration": "start", "finish": "finish", "undo": "undo"}[plan.kind]
    return f"provisioner migrate {verb} {plan.move.practice}"


def title(plan: Plan) -> str:
    """A plan's line in the history."""
    assert plan.move is not None
    return f"{plan.move.practice}: {plan.kind} of the move from {plan.move.old} to {plan.move.new}"
