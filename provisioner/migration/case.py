"""The plans of a practice's migration: what begins it, what ends it, what leads back. Before each is a reading."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from provisioner.audit.auditor import Auditor
from provisioner.errors import Fault, InputError, PlanRefused
from provisioner.execute import budget as budgets
from provisioner.execute import many
from provisioner.execute.undoing import acted_on
from provisioner.fleet import codes
from provisioner.journal import Journal, new_id, standing
from provisioner.migration import stages
from provisioner.migration.stand import newest, open_migration, title
from provisioner.model import FINISHED, Audit, Fleet, Move, Plan, Role, Status
from provisioner.model.controls import SERVICE_SET
from provisioner.plan import guards
from provisioner.plan.rollout import budget_of
from provisioner.plan.statements import StatementsInForce
from provisioner.remedies import service


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
    rows = stages.in_roles(fleet, stages.before(move)).known
    new = next(row for row in rows if row.name == move.new)
    if lacks := service.START.lacks(fleet.settings, new, SERVICE_SET):
        raise InputError(f"fleet.yml has no {lacks}, and without it nothing is started.", "Ask the vendor for it.")
    audit = auditor.audit_of(
        [row for row in rows if row.practice == move.practice], f"before {move.practice} moves to {move.new}"
    )
    at = datetime.now(UTC)
    plan = stages.make(audit, fleet, move, at=at, plan_id=new_id("move", at), durations=auditor.journal.durations())
    if plan.gaps:
        faults = [Fault(gap.gateway, None, f"{gap.control}: {gap.message}", gap.ask) for gap in plan.gaps]
        hint = "Have these mended, or accept them by name in waivers.yml; nothing was changed."
        raise InputError(f"{move.new} is not fit to become the gateway of {move.practice} yet.", hint, faults)
    if why := _unfenced(audit, fleet, move):
        hint = "Have it read, stopped and disabled first; one that is off for good is stated to be (switched-off)"
        raise InputError(f"Nothing could be started on {move.new}: {why}.", f"{hint}. Nothing was changed.")
    others = ", ".join(_others(audit, move.old))
    remark = f"{move.old} also has {others}: they need a SystmOne Gateway too. Who moves them, and when?"
    return Planned(plan=plan, new=True, remark=remark if others else "")


def _unfenced(audit: Audit, fleet: Fleet, move: Move) -> str:
    """Why the fence would not hold, whatever becomes of the two: for the practice's others; "" where it would."""
    said = StatementsInForce.of(fleet, audit.at.date())
    others = [row for row in audit.gateways if row.name not in (move.old, move.new)]
    evidence = {one.gateway: one for one in audit.evidence}
    untold = audit.that_are(Status.FAILED, Status.UNKNOWN)
    return guards.why_not_fenced(others, said, evidence, guards.strangers(others, untold, said))


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


def keep(journal: Journal, planned: Planned) -> None:
    """Put a new plan into the journal, under its title, if it is not there."""
    if planned.new and planned.plan.id not in journal.kept("plan"):
        journal.save(planned.plan, title(planned.plan))
