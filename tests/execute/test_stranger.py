"""Where it cannot be told whether the PC that answers is the right one, or where Windows is about to take the
Connector's service away: nothing is planned, nothing is done, and nothing is concluded from it."""

from dataclasses import replace
from typing import Any, Literal

import pytest

from provisioner.ansible.results import StepResult
from provisioner.execute import judge
from provisioner.model import Evidence, Fleet, Plan, Result, Role, Statement, Status
from provisioner.plan.guards import why_not_fenced, why_not_remove, why_not_start
from provisioner.plan.rollout import make
from provisioner.plan.statements import StatementsInForce
from tests.worlds.memory import AT, Machine, World, fleet, gateway, no_connector, only_connector


def right_pc(practice: str) -> Statement:
    return replace(only_connector(practice), control="R5-identity", says="looked at the label on the PC")


def untold(rows: Fleet, **machines: Machine) -> World:
    """Gateways that do not tell which PC they are."""
    return World(rows, **{name: replace(machine, right_pc=None) for name, machine in machines.items()})


def before(world: World, **asked: Any) -> judge.Verdict | None:
    step = World(world.fleet, B84001=Machine()).plan().steps[0]
    reading = judge.Observation.of(*world.read(world.fleet.known, False))
    return judge.decide_before(step, reading, begun=False, working=True, **asked)


def test_nothing_is_planned_for_a_pc_that_cannot_be_told() -> None:
    plan = untold(fleet(gateway("B84001")), B84001=Machine()).plan()
    assert (plan.steps, [gap.control for gap in plan.gaps]) == ((), ["R5-identity"])


def test_a_named_persons_word_answers_it() -> None:
    world = untold(fleet(gateway("B84001"), statements=[right_pc("B84001")]), B84001=Machine())
    assert [step.id for step in world.plan().steps] == ["B84001-firewall", "B84001-service"]


def test_it_does_not_answer_for_another_pc() -> None:
    world = World(fleet(gateway("B84001"), statements=[right_pc("B84001")]), B84001=Machine(right_pc=False))
    assert world.plan().steps == ()


def test_nothing_is_done_on_a_pc_that_cannot_be_told_by_then() -> None:
    world = untold(fleet(gateway("B84001")), B84001=Machine())
    verdict = before(world)
    assert verdict is not None and verdict[0] is Result.WAITING
    assert "column computer" in verdict[1] and "statements.csv" in verdict[1]
    assert before(world, stated=True) is None


@pytest.mark.parametrize("result", ["ok", "failed", "unreachable"])
def test_a_step_is_not_proved_by_another_pc(result: Literal["ok", "failed", "unreachable"]) -> None:
    world = World(fleet(gateway("B84001")), B84001=Machine())
    step = world.plan().steps[0]
    world.machines["B84001"] = Machine(rule=True, service=True, right_pc=False)
    reading = judge.Observation.of(*world.read(world.fleet.known, False))
    verdict = judge.decide_after(step, StepResult(result=result), reading)
    assert verdict[0] is Result.UNKNOWN and "another PC" in verdict[1]


OLD, NEW = gateway("B84001", Role.STANDBY, "B84001"), gateway("B84002", Role.ACTIVE, "B84001")
SAID = StatementsInForce.of(fleet(OLD, NEW, statements=[only_connector("B84001")]), AT.date())


def stopped() -> dict[str, Evidence]:
    world = World(fleet(OLD, NEW), B84001=Machine(), B84002=Machine(running=True, service=True))
    return {one.gateway: one for one in world.read(world.fleet.known, False)[0]}


def test_another_pc_at_a_gateways_address_that_runs_no_connector_fences_nothing() -> None:
    evidence = stopped()
    assert why_not_start(NEW, [OLD], SAID, evidence) is None
    assert why_not_fenced([OLD], SAID, evidence) == ""
    found = why_not_start(NEW, [OLD], SAID, evidence, {"B84001"})
    assert found is not None and "cannot be told" in found.message
    assert "another PC than B84001" in why_not_fenced([OLD], SAID, evidence, {"B84001"})


def test_another_pc_that_runs_a_connector_is_no_active_gateway_that_does() -> None:
    evidence = stopped()
    retired = replace(OLD, role=Role.RETIRED)
    nothing = StatementsInForce.of(fleet(OLD, NEW), AT.date())
    assert why_not_remove(retired, [NEW], nothing, evidence) is None
    assert why_not_remove(retired, [NEW], nothing, evidence, {"B84002"}) is not None
    closed = StatementsInForce.of(fleet(OLD, NEW, statements=[no_connector("B84001")]), AT.date())
    assert why_not_remove(retired, [NEW], closed, evidence, {"B84002"}) is None


def marked(world: World) -> Plan:
    """The plan of a world whose gateway's service Windows is about to remove."""
    audit = world.audit()
    return make(replace(audit, evidence=tuple(map(going, audit.evidence))), world.fleet, at=AT, plan_id="plan-1")


def going(evidence: Evidence) -> Evidence:
    service = {"name": "iPlatoConnector", "state": "stopped", "start_mode": "disabled", "marked_for_deletion": True}
    return replace(evidence, sections={**evidence.sections, "service": {"service": service, "others": []}})


def test_a_service_that_windows_removes_is_neither_set_nor_started() -> None:
    said = [only_connector("B84001")]
    plan = marked(World(fleet(gateway("B84001"), statements=said), B84001=Machine(service=False)))
    assert [step.id for step in plan.steps] == ["B84001-firewall"]
    (gap, *_) = [one for one in plan.gaps if one.control == "R17-service"]
    assert gap.owner == "practice" and "next restart" in gap.message and "Restart the gateway" in gap.ask


@pytest.mark.parametrize("remedy", ["service", "start"])
def test_nor_where_it_was_marked_after_the_plan(remedy: str) -> None:
    said = [only_connector("B84001")]
    world = World(fleet(gateway("B84001"), statements=said), B84001=Machine())
    step = next(one for one in world.plan().steps if one.remedy == remedy)
    reading = judge.Observation.of(*world.read(world.fleet.known, False))
    reading = replace(reading, evidence={name: going(one) for name, one in reading.evidence.items()})
    verdict = judge.decide_before(step, reading, begun=False, working=True)
    assert verdict is not None and verdict[0] is Result.WAITING and "at its next restart" in verdict[1]
    assert reading.findings["B84001"]["R5-identity"].status is Status.PASSED
