"""What the verbs of `migrate` share: finding, planning, running and telling of migrations."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from provisioner.cli import runs
from provisioner.cli.auditing import Auditor, new_id
from provisioner.cli.console import out, say
from provisioner.cli.verbs.undo import acted_on
from provisioner.errors import Fault, InputError, LeaseHeld, PlanRefused
from provisioner.execute import budget as budgets
from provisioner.execute import engine
from provisioner.execute.admission import Asked
from provisioner.fleet import codes, csvfile
from provisioner.journal import Journal, standing
from provisioner.migration import stages
from provisioner.model import FINISHED, Audit, Fleet, Move, Outcome, Plan, Reason, Role, Step
from provisioner.model.results import Stands
from provisioner.plan.rollout import budget_of
from provisioner.report import words


def wanted(path: Path) -> list[tuple[str, str]]:
    """Practices and their new gateways, from a file of rows. Errors: InputError with every fault."""
    table = csvfile.read(path, ("practice", "to"), None)
    found: dict[str, str] = {}
    for row in table.rows:
        practice, to = codes.normal(row.cells["practice"]), row.cells["to"]
        if not practice or not to:
            table.faults.append(Fault(path.name, row.line, "it needs a practice and a gateway.", "practice,to"))
        elif practice in found:
            table.faults.append(Fault(path.name, row.line, f"{practice} is here twice.", "Keep one."))
        else:
            found[practice] = to
    if table.faults or not found:
        raise InputError(f"{path} names no moves.", "A header practice,to and a row for each.", table.faults)
    return list(found.items())


def planned(auditor: Auditor, wanted: Sequence[tuple[str, str]]) -> list[tuple[Plan, bool]]:
    """The migration of each practice, and whether it is new. Errors: InputError with all that is wrong."""
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


def _one(auditor: Auditor, practice: str, to: str, open_: dict[str, str]) -> tuple[Plan, bool]:
    if practice in open_:
        plan = open_migration(auditor.journal, practice)
        if plan.move and to and plan.move.new.upper() != to.upper():
            hint = f"provisioner migrate status {practice}; finish or undo that one first."
            raise InputError(f"{practice} is being moved to {plan.move.new} already.", hint)
        if newest(auditor.journal, plan).kind == "undo":
            hint = f"provisioner migrate undo {practice} goes on with it."
            raise InputError(f"The migration of {practice} is on its way back.", hint)
        return plan, False
    if not to:
        raise InputError(f"{practice}: to which PC?", "--to GATEWAY: a standby or candidate row of the practice.")
    return _new(auditor, stages.moved(auditor.fleet, practice, to, datetime.now(UTC).date())), True


def _new(auditor: Auditor, move: Move) -> Plan:
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
    others = _others(audit, move.old)
    if others:
        say(f"{move.old} also has {', '.join(others)}: they need a SystmOne Gateway too. Who moves them, and when?")
    return plan


def _others(audit: Audit, old: str) -> list[str]:
    """Other products that live on the old gateway (docs/operations.md, "Moving a gateway")."""
    evidence = next((one for one in audit.evidence if one.gateway == old), None)
    connector = evidence.sections.get("connector") if evidence and not evidence.error else None
    return list(connector["other_products"] or ()) if connector else []


def run(auditor: Auditor, plans: Sequence[Plan], asked: Asked) -> int:
    """Run migrations one after the other, under one budget. The exit code.

    Errors: LeaseHeld, PlanRefused where it is only one; of many that one is said, and the others go on.
    """
    # Many practices are not waited for one by one: the first round prepares them and says what each waits for.
    asked = replace(asked, patient=len(plans) == 1)
    ended, left_out = list[tuple[Plan, engine.Ended]](), False
    for plan in plans:
        try:
            one = runs.run(plan, auditor, asked)
        except (LeaseHeld, PlanRefused) as error:
            if len(plans) == 1:
                raise
            say(f"{title(plan)}: {error.message} {error.hint}")
            left_out = True
            continue
        runs.show(plan, one, again(plan), auditor.journal, confirming(plan, one.outcomes))
        ended.append((plan, one))
        if why := _past(auditor, ended):
            say(f"Stopped: {why}. The practices that are left were not touched.")
            return 4
    for plan, one in ended:
        if one.exit_code == 0 and plan.move:
            out(f"{plan.move.practice} has moved to {plan.move.new}. In some days: "
                f"provisioner migrate finish {plan.move.practice}")  # fmt: skip
    return max([4 if left_out else 0, *(one.exit_code for _, one in ended)])


def stops(plans: Sequence[Plan], fleet: Fleet) -> str:
    """When migrations that are run together stop by themselves, in words; the first practice is the first wave."""
    if len(plans) == 1:
        return budgets.words(plans[0].budget, len(plans[0].places))
    gateways = {gateway for plan in plans for gateway in plan.places}
    stops = budgets.words(budget_of(fleet), len(gateways))
    return f"{len(plans)} practices, one after the other, each until a step does not end well. {stops}"


def _past(auditor: Auditor, ended: Sequence[tuple[Plan, engine.Ended]]) -> str:
    """Why no further practice is begun; "" while one may be. A practice that waits for a person is no failure."""
    if interrupted := next((one.stopped for _, one in ended if one.interrupted), ""):
        return interrupted
    outcomes = [outcome for _, one in ended for outcome in one.outcomes]
    first = {outcome.step for outcome in ended[0][1].outcomes} if ended else set()
    return budgets.past(budget_of(auditor.fleet), outcomes, first)


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
    open_ = [one for one in standing.open_steps(journal, plan) if one in before and one.kind != "person"]
    if open_:
        raise InputError(
            f"It is not the time for {step.remedy} yet: {open_[0].remedy} on {open_[0].gateway} is not done.",
            f"{again(plan)} goes on; confirm {step.remedy} once it has been done after that.",
        )


def finishing(auditor: Auditor, migration: Plan) -> tuple[Plan, bool]:
    """The plan that retires the old gateway, and whether it is new.

    Errors: PlanRefused before the migration is through.
    """
    journal, move = auditor.journal, migration.move
    assert move is not None
    last = newest(journal, migration)
    if last.kind == "undo":
        raise PlanRefused(f"{move.practice} is on its way back.", f"provisioner migrate undo {move.practice} goes on.")
    if last.kind == "finish":
        return last, False
    if open_ := standing.open_steps(journal, migration):
        hint = f"provisioner migrate status {move.practice} says what it waits for."
        raise PlanRefused(f"The migration of {move.practice} is not through: {open_[0].remedy} is open.", hint)
    rows = stages.in_roles(auditor.fleet, {move.old: Role.RETIRED}).known
    audit = auditor.audit_of([row for row in rows if row.practice == move.practice], f"before {move.old} is retired")
    at = datetime.now(UTC)
    return stages.finish(audit, auditor.fleet, migration, at=at, plan_id=new_id("finish", at)), True


def going_back(auditor: Auditor, migration: Plan) -> tuple[Plan, bool]:
    """The plan that leads back, and whether it is new. Errors: PlanRefused once the old gateway is being retired."""
    journal, move = auditor.journal, migration.move
    assert move is not None
    last = newest(journal, migration)
    if last.kind == "undo":
        return last, False
    if last.kind == "finish":
        hint = f"provisioner migrate finish {move.practice} goes on; then migrate again, the other way."
        raise PlanRefused(f"{move.old} is being retired: there is no way back to it.", hint)
    audit = journal.load(migration.audit)
    assert isinstance(audit, Audit)
    at = datetime.now(UTC)
    acted, outcomes = acted_on(journal, migration.id), journal.progress(migration.id).outcomes
    done = {id_: one for id_, one in outcomes.items() if one.result in FINISHED}
    plan_id = new_id("undo", at)
    return stages.back(migration, audit, auditor.fleet, acted, done, at=at, plan_id=plan_id), True


@dataclass(frozen=True, kw_only=True)
class Stand:
    """Where a migration stands."""

    plan: Plan
    migration: Plan
    stands: dict[str, Stands]
    open: tuple[Step, ...]
    confirmed: dict[str, str]
    unheeded: frozenset[str]

    def document(self) -> dict[str, Any]:
        """As JSON, in the shape that docs/json.md promises."""
        move = self.migration.move
        assert move is not None
        steps = [
            {
                "step": step.remedy,
                "gateway": step.gateway,
                "kind": step.kind,
                "result": self.stands[step.id].result if step.id in self.stands else None,
                "message": self.stands[step.id].message if step.id in self.stands else "",
                "at": words.utc(self.stands[step.id].outcome.ended) if step.id in self.stands else "",
                "by": self.stands[step.id].by if step.id in self.stands else "",
                "confirmed": self.confirmed.get(step.id, ""),
            }
            for step in self.plan.steps
        ]
        return {
            "practice": move.practice,
            "old": move.old,
            "new": move.new,
            "migration": self.migration.id,
            "plan": self.plan.id,
            "kind": self.plan.kind,
            "through": not self.open,
            "next": again(self.plan) if self.open else _after(self.plan),
            "steps": steps,
        }

    def _taken_up_next(self, step: Step) -> bool:
        """Whether a person has confirmed it since a run last looked: what that one said is out of date."""
        if step not in self.open or step.id not in self.confirmed:
            return False
        stands = self.stands.get(step.id)
        return step.id in self.unheeded or stands is None or stands.reason is not Reason.ASKED

    def _asks(self, step: Step) -> bool:
        """Whether that person is asked by now: one that was not even asked for waits for something else, which its line
        has said."""
        told = self.stands.get(step.id)
        return step.kind == "person" and (told is None or told.reason is Reason.ASKED)

    def _line(self, step: Step) -> str:
        """One step, with since when it stands so; what is open says why, but for what is said below or confirmed."""
        told, first = self.stands.get(step.id), self.open[0] if self.open else None
        result, at = (told.result, f"{told.outcome.ended:%Y-%m-%d %H:%M}") if told else ("-", "")
        said = f"  {told.message}" if told and told.message and step in self.open else ""
        if self._taken_up_next(step):
            result, said = "confirmed", ""
        elif step is first and self._asks(step):
            said = ""
        return f"  {result:<10} {step.remedy:<16} {step.gateway:<16} {at}{said}".rstrip()

    def text(self) -> str:
        """In words, for the screen."""
        move = self.migration.move
        assert move is not None
        lines = [f"{move.practice}: from {move.old} to {move.new} ({self.plan.kind} {self.plan.id})"]
        lines += [self._line(step) for step in self.plan.steps]
        first = self.open[0] if self.open else None
        if first and self._taken_up_next(first):
            lines.append(f"{first.remedy} is {self.confirmed[first.id]}; the next command takes that up.")
        elif first and self._asks(first):
            lines.append(f"Waits for the {first.who}: {first.words}.")
            lines.append(f"  {confirm_command(move.practice, first)}")
        lines.append(f"Next: {again(self.plan) if self.open else _after(self.plan)}")
        return "\n".join(lines)


def confirm_command(practice: str, step: Step) -> str:
    """How a person's step is said to be done."""
    return f"Where no reading shows it: provisioner migrate confirm {practice} {step.remedy} --by NAME"


def confirming(plan: Plan, outcomes: Sequence[Outcome]) -> list[str]:
    """How the steps that wait for a person are said to be done."""
    assert plan.move is not None
    asked = {outcome.step for outcome in outcomes if outcome.reason is Reason.ASKED}
    waiting = [step for step in plan.steps if step.kind == "person" and step.id in asked]
    return [confirm_command(plan.move.practice, step) for step in waiting]


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


def _after(plan: Plan) -> str:
    assert plan.move is not None
    return f"in some days, once all works: provisioner migrate finish {plan.move.practice}"


def show(plan: Plan, fleet: Fleet) -> None:
    """What a migration will do, stage by stage."""
    assert plan.move is not None
    words = {"migration": f"moves from {plan.move.old} to {plan.move.new}", "finish": f"retires {plan.move.old}"}
    say(f"{plan.move.practice} {words.get(plan.kind, f'goes back to {plan.move.old}')}:")
    for wave in plan.waves:
        for step in wave.steps:
            does = step.words if step.kind != "playbook" or step.words else f"{step.remedy} on {step.gateway}"
            say(f"  {wave.number}. {step.who + ': ' if step.who else ''}{does}")


def title(plan: Plan) -> str:
    """A plan's line in the history."""
    assert plan.move is not None
    return f"{plan.move.practice}: {plan.kind} of the move from {plan.move.old} to {plan.move.new}"


def by_hand(plan: Plan, ended: engine.Ended) -> str:
    """What a person has to do where the way back failed."""
    assert plan.move is not None
    failed = next((one for one in ended.outcomes if one.result not in FINISHED), None)
    step = next((one for one in plan.steps if failed and one.id == failed.step), None)
    lines = [f"The way back stopped at {step.remedy if step else 'its end'}: {failed.message if failed else ''}"]
    lines.append(f"By hand: 1. on {plan.move.new}, stop the Connector's service and set it to Disabled;")
    lines.append(f"2. see that it is stopped there; only then 3. on {plan.move.old}, start SystmOne by its Gateway")
    lines.append(
        "shortcut, set the service to Automatic (Delayed Start) and start it; then give the same command again."
    )
    return "\n".join(lines)
