"""Practice, old, new -> Plan: how a practice's gateway moves from one PC to another, and the way back. Pure.

Each wave is one stage, and the next stands on it. Nothing starts a Connector before the fence: a fresh reading that
shows every other gateway of the practice stopped and disabled (plan/guards.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from provisioner.errors import InputError, suggest
from provisioner.model import (
    Audit,
    Budget,
    Control,
    Fleet,
    Gap,
    Gateway,
    Move,
    Outcome,
    Plan,
    Role,
    Step,
    Wave,
)
from provisioner.model.controls import (
    FILES,
    GATEWAY_MODE,
    LOGGED_IN,
    NO_GATEWAY,
    ONE_ACTIVE,
    RECOVERY,
    RUNNING,
    SERVICE_SET,
    SWITCHED_OFF,
    WORKING,
)
from provisioner.model.plan import GATEWAY_ENDED, GATEWAY_STARTED, STOP
from provisioner.plan import gaps, guards, undo
from provisioner.plan import rollout as planning
from provisioner.plan.guards import START
from provisioner.plan.statements import StatementsInForce
from provisioner.plan.stopping import stop
from provisioner.remedies import carry, service

# Nothing may go wrong in a migration: the next stage would stand on it.
_BUDGET = Budget(failed=0, unreachable=0, refused=0, unknown=0)
# What persons do, by the name under which `migrate confirm` knows it: whose job, what, and what shows it.
_PERSONS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    GATEWAY_ENDED: (
        "practice",
        "end SystmOne's Gateway on {gateway}: log out of SystmOne there, and do not start the Gateway again",
        (NO_GATEWAY,),
    ),
    GATEWAY_STARTED: (
        "practice",
        "start SystmOne on {gateway} by its Gateway shortcut, log in, and lock the screen instead of logging out",
        (LOGGED_IN, GATEWAY_MODE),
    ),
    "approve": (
        "practice",
        "press Approve in SystmOne on {gateway}, where it asks for the Connector",
        (WORKING,),
    ),
    "online-record": (
        "practice",
        'compare "Visible in the Online Record" of the new device with that of the old one (SystmOne: Setup > Mobile '
        "Working & Integration > Device Manager), and set it alike",
        (),
    ),
    "working": (
        "icb-it",
        "see that the Connector works on {gateway}, and no other",
        (WORKING, ONE_ACTIVE),
    ),
    "vendor-page": (
        "practice",
        "look at the Gateway page of the vendor's console (role All Access): it shows {gateway}, and no other",
        (),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Steps that are done together, and the roles by which they are judged."""

    steps: tuple[Step, ...]
    roles: Mapping[str, Role]


def resolve_move(fleet: Fleet, practice: str, to: str, day: date) -> Move:
    """The move that takes a practice's gateway to that PC.

    Errors: InputError for a practice or gateway that is not in the fleet, of another practice, in no role for it, or
    stated to be switched off on that day.
    """
    own = [gateway for gateway in fleet.known if gateway.practice == practice]
    if not any(gateway.practice == practice for gateway in fleet.gateways):
        raise InputError(f"{practice} is not in this fleet.", _meant(fleet, practice))
    new = next((gateway for gateway in fleet.known if gateway.name.upper() == to.upper()), None)
    if new is None:
        names = ", ".join(gateway.name for gateway in own if gateway.role is not Role.ACTIVE) or "none"
        near = suggest(to, (gateway.name for gateway in own if gateway.role is not Role.ACTIVE))
        hint = f"Other gateways of {practice}: {names}. Give the new PC a row first, as a standby or candidate."
        hint = f"{near} {hint}".lstrip()
        raise InputError(f"There is no gateway {to} with an address in practices.csv.", hint)
    if new.practice != practice:
        raise InputError(f"{new.name} is a gateway of {new.practice}, not of {practice}.", "Is it the right PC?")
    if new.role not in (Role.STANDBY, Role.CANDIDATE):
        raise InputError(
            f"{new.name} is {'the active gateway already' if new.role is Role.ACTIVE else 'retired'}.",
            "A migration leads to a standby or a candidate: see the column role of practices.csv.",
        )
    if StatementsInForce.of(fleet, day).names(SWITCHED_OFF, new):
        raise InputError(
            f"statements.csv says that {new.name} is switched off and stays so.",
            "Is it the right PC? If it is on again, end that statement (column until); then give the same command.",
        )
    old = next((gateway for gateway in own if gateway.role is Role.ACTIVE), None)
    if old is None:
        raise InputError(
            f"{practice} has no active gateway to move from.", "Make the new one active in practices.csv, and plan."
        )
    return Move(practice=practice, old=old.name, new=new.name, was=new.role)


def _meant(fleet: Fleet, practice: str) -> str:
    """What was likely meant by a code that no practice has."""
    named = next((row for row in fleet.known if row.name.upper() == practice), None)
    if named:
        return f"It is a gateway of {named.practice}: give that code."
    known = sorted({row.practice for row in fleet.gateways})
    return suggest(practice, known) or "practices.csv has the practices; is the code right?"


def in_roles(fleet: Fleet, roles: Mapping[str, Role]) -> Fleet:
    """The fleet with other roles than practices.csv has."""
    rows = (replace(row, role=roles.get(row.name, row.role)) for row in fleet.gateways)
    return replace(fleet, gateways=tuple(rows))


def before(move: Move) -> dict[str, Role]:
    """The roles by which both are judged while the new one is made ready."""
    return {move.old: Role.ACTIVE, move.new: Role.STANDBY}


def make(
    audit: Audit, fleet: Fleet, move: Move, *, at: datetime, plan_id: str, durations: Mapping[str, float] | None = None
) -> Plan:
    """The migration, stage by stage. `audit` read both gateways, and judged them in the roles that `before` gives.

    What the new gateway lacks and no step mends is in the plan's gaps: such a plan is not to be begun.
    """
    ready = in_roles(fleet, before(move))
    rollout = planning.make(audit, ready, at=at, plan_id=plan_id, durations=durations)
    stages = [
        *_role_stage(f"{move.practice}-standby", move, {move.new: Role.STANDBY}, {}, needed=move.was is Role.CANDIDATE),
        Stage(steps=_ready(rollout.steps, move), roles=before(move)),
        Stage(steps=(_set_service(ready, move),), roles={move.old: Role.STANDBY, move.new: Role.ACTIVE}),
        *_switch(audit, fleet, move),
    ]
    lacking = [gap for gap in rollout.gaps if gap.gateway == move.new]
    lacking += _without_service(audit, ready, rollout.steps, move)
    return _plan_of("migration", audit, fleet, move, stages, lacking, at=at, plan_id=plan_id)


def _without_service(audit: Audit, ready: Fleet, steps: Iterable[Step], move: Move) -> list[Gap]:
    """Why no service would come to be on the new gateway: a standby is not asked for one, what it is to become is."""
    evidence = next((evidence for evidence in audit.evidence if evidence.gateway == move.new), None)
    if evidence is None or evidence.error:
        return []
    row = next(row for row in ready.gateways if row.name == move.new)
    installs = any(step.gateway == move.new and FILES in step.because for step in steps)
    why = gaps.why_no_service(ready.settings, row, evidence, installs=installs)
    return [] if why is None else [guards.gap(row, SERVICE_SET, *why)]


def _plan_of(
    kind: str,
    audit: Audit,
    fleet: Fleet,
    move: Move,
    stages: Iterable[Stage],
    gaps: Iterable[Gap],
    *,
    at: datetime,
    plan_id: str,
    of: str = "",
) -> Plan:
    return Plan(
        id=plan_id,
        kind=kind,
        at=at,
        audit=audit.id,
        fleet_digest=fleet.digest,
        policy_digest=audit.policy_digest,
        places=_places(fleet, move),
        waves=_waves(stages),
        budget=_BUDGET,
        gaps=tuple(gaps),
        of=of,
        move=move,
    )


def _ready(steps: Iterable[Step], move: Move) -> tuple[Step, ...]:
    """What makes the new gateway ready, but for the service: what a standby asks of it is less than what is needed."""
    return tuple(step for step in steps if step.gateway == move.new and step.remedy != service.REMEDY.name)


def _set_service(ready: Fleet, move: Move) -> Step:
    """The service on the new gateway, disabled; shown by what an active gateway asks of one that does not run."""
    row = next(row for row in ready.gateways if row.name == move.new)
    step = service.REMEDY.step(row, service.REMEDY.values(ready, row))
    return replace(step, because=(SERVICE_SET,), proves=(SERVICE_SET, RECOVERY))


def _switch(audit: Audit, fleet: Fleet, move: Move) -> list[Stage]:
    """From the moment when the new gateway is ready: the old one's end, the fence, the new one's start."""
    neither = {move.old: Role.STANDBY, move.new: Role.STANDBY}
    after = {move.old: Role.STANDBY, move.new: Role.ACTIVE}
    rows = {row.name: row for row in in_roles(fleet, after).gateways}
    ended = _person(GATEWAY_ENDED, rows[move.old])
    if alone := guards.by_hand(next((evidence for evidence in audit.evidence if evidence.gateway == move.old), None)):
        words = f"{ended.words}; and end there by hand what no step of ours can end, and what starts it: {alone}"
        ended = replace(ended, words=words)
    stages = [
        Stage(steps=(ended,), roles=neither),
        Stage(steps=(stop(fleet, rows[move.old]),), roles=neither),
        Stage(steps=(_person(GATEWAY_STARTED, rows[move.new]),), roles=after),
    ]
    if fleet.settings.connector.carry:
        stages.append(Stage(steps=(_carry(fleet, rows[move.new], move),), roles=neither))
    stages.append(Stage(steps=(_start(audit.controls, fleet, rows[move.new]),), roles=after))
    stages += _role_stage(f"{move.practice}-switched", move, {move.old: Role.STANDBY, move.new: Role.ACTIVE}, after)
    stages += [
        Stage(steps=(_person(name, rows[move.new]),), roles=after)
        for name in ("approve", "online-record", "working", "vendor-page")
    ]
    return stages


def finish(audit: Audit, fleet: Fleet, migration: Plan, *, at: datetime, plan_id: str) -> Plan:
    """What retires the old gateway, days after the migration: all of ours is taken away there, and its row says so.

    `audit` read the practice, and judged the old gateway as retired.
    """
    move = migration.move
    assert move is not None
    retired = {move.old: Role.RETIRED}
    rollout = planning.make(audit, in_roles(fleet, retired), at=at, plan_id=plan_id)
    stages = [
        Stage(steps=tuple(step for step in rollout.steps if step.gateway == move.old), roles=retired),
        *_role_stage(f"{move.practice}-retired", move, retired, retired),
    ]
    gaps = [gap for gap in rollout.gaps if gap.gateway == move.old]
    return _plan_of("finish", audit, fleet, move, stages, gaps, at=at, plan_id=plan_id, of=migration.id)


def back(
    migration: Plan,
    audit: Audit,
    fleet: Fleet,
    acted: Mapping[str, undo.Attempts],
    outcomes: Mapping[str, Outcome],
    *,
    at: datetime,
    plan_id: str,
) -> Plan:
    """The way back to the old gateway from wherever the migration stands. `audit` is the one it was made from."""
    move = migration.move
    assert move is not None
    rows = {row.name: row for row in fleet.gateways}
    begun = {step.remedy for step in migration.steps if step.id in acted}
    done = {step.remedy for step in migration.steps if step.id in outcomes and step.kind == "person"}
    neither = {move.old: Role.STANDBY, move.new: Role.STANDBY}
    again = {move.old: Role.ACTIVE, move.new: Role.STANDBY}
    old, new = replace(rows[move.old], role=Role.ACTIVE), replace(rows[move.new], role=Role.STANDBY)
    stages: list[Stage] = []
    if START in begun:
        stages.append(Stage(steps=(stop(fleet, new),), roles=neither))
    if GATEWAY_STARTED in done:
        stages.append(Stage(steps=(_person(GATEWAY_ENDED, new),), roles=neither))
    if GATEWAY_ENDED in done:
        stages.append(Stage(steps=(_person(GATEWAY_STARTED, old),), roles=again))
    if STOP in begun:
        stages.append(Stage(steps=(_start(audit.controls, in_roles(fleet, again), old, must=()),), roles=again))
    stages += _role_stage(f"{move.practice}-back", move, {move.old: Role.ACTIVE, move.new: Role.STANDBY}, again)
    if STOP in begun:
        stages.append(Stage(steps=(_person("working", old),), roles=again))
    prepared = undo.gateway_back(
        [step for step in migration.steps if step.gateway == move.new and step.remedy not in (START, STOP)],
        audit, acted, migration.id,
    )  # fmt: skip
    stages.append(Stage(steps=prepared.steps, roles=before(move)))
    stages += _role_stage(f"{move.practice}-was", move, {move.new: move.was}, {}, needed=move.was is not Role.STANDBY)
    made = _plan_of("undo", audit, fleet, move, stages, prepared.gaps, at=at, plan_id=plan_id, of=migration.id)
    # The gateways are where the migration found them, whatever their rows have come to say.
    return replace(made, policy_digest=migration.policy_digest, places=migration.places)


def _person(name: str, row: Gateway) -> Step:
    who, words, proves = _PERSONS[name]
    return Step(
        id=f"{row.name}-{name}",
        gateway=row.name,
        practice=row.practice,
        kind="person",
        remedy=name,
        words=words.format(gateway=row.name),
        who=who,
        proves=proves,
    )


def _start(controls: Iterable[Control], fleet: Fleet, row: Gateway, must: Sequence[str] | None = None) -> Step:
    """Enable and start. `must` are the controls that have to be settled first; all that planning knows by default."""
    return replace(
        service.START.step(row, service.START.values(fleet, row)),
        because=(RUNNING,),
        proves=(RUNNING, SERVICE_SET),
        needs=gaps.before_start(controls) if must is None else tuple(must),
        # It is enabled by the same step.
        seconds=service.REMEDY.seconds,
    )


def _carry(fleet: Fleet, row: Gateway, move: Move) -> Step:
    """Bring the files that fleet.yml names from the old gateway to the new one."""
    step = carry.REMEDY.step(row, {**carry.REMEDY.values(fleet, row), "carry_from": move.old})
    return replace(step, words=f"the files of {move.old} that fleet.yml names are on {row.name}, byte for byte")


def _role_stage(
    id: str, move: Move, to: Mapping[str, Role], roles: Mapping[str, Role], *, needed: bool = True
) -> list[Stage]:
    """Roles written into practices.csv, at the moment when they have become true."""
    if not needed:
        return []
    step = Step(
        id=id,
        gateway=move.new if move.new in to else move.old,
        practice=move.practice,
        kind="row",
        remedy=id.rpartition("-")[2],
        values={"roles": {gateway: role.value for gateway, role in to.items()}},
        words=", ".join(f"{gateway} is {role}" for gateway, role in to.items()),
    )
    return [Stage(steps=(step,), roles=roles)]


def _waves(stages: Iterable[Stage]) -> tuple[Wave, ...]:
    kept = [stage for stage in stages if stage.steps]
    return tuple(Wave(number=number, steps=wave.steps, roles=wave.roles) for number, wave in enumerate(kept, 1))


def _places(fleet: Fleet, move: Move) -> dict[str, tuple[str, str]]:
    return {row.name: (row.practice, row.address) for row in fleet.gateways if row.name in (move.old, move.new)}
