"""Which steps, on which gateways, in which waves, and whose job the rest is."""

from dataclasses import replace
from datetime import date

import pytest

from provisioner.errors import InputError
from provisioner.model import Fleet, Plan, Role
from provisioner.model.settings import Package
from provisioner.plan import rollout as planning
from tests.worlds.memory import AT, Machine, World, fleet, gateway, no_connector, only_connector


def steps(plan: Plan) -> list[str]:
    return [step.id for step in plan.steps]


def gaps(plan: Plan) -> list[tuple[str, str, str]]:
    return [(gap.gateway, gap.control, gap.owner) for gap in plan.gaps]


def ready() -> Machine:
    return Machine(rule=True, service=True, running=True)


def test_a_bare_gateway_gets_every_step_in_the_order_of_the_remedies() -> None:
    plan = World(fleet(gateway("B84001"))).plan()
    assert steps(plan) == ["B84001-firewall", "B84001-service", "B84001-start"]
    service = plan.steps[1]
    assert service.role == "service"
    assert service.values["service_run"] == "unchanged"
    # What could not be told because the service is absent is proved by making it.
    assert service.proves == ("R17-service", "R17-recovery")
    assert [(change.what, change.before, change.after) for change in service.changes] == [
        ("the service", "no service", "as wanted"),
        ("restarts by itself", "no service", "as wanted"),
    ]
    assert plan.steps[2].values["service_run"] == "started"
    assert gaps(plan) == [("B84001", "R17-working", "practice")]


def test_a_ready_gateway_gets_no_step_and_no_gap() -> None:
    plan = World(fleet(gateway("B84001")), B84001=ready()).plan()
    assert (plan.waves, plan.gaps) == ((), ())


def test_what_nobody_can_mend_is_listed_with_its_owner_and_what_to_ask() -> None:
    plan = World(fleet(gateway("B84001")), B84001=replace(ready(), logged_in=False)).plan()
    assert steps(plan) == []
    assert ("R2-logged-in", "practice", "Log in.") in {(gap.control, gap.owner, gap.ask) for gap in plan.gaps}


def test_a_gateway_that_was_not_read_is_one_gap() -> None:
    plan = World(fleet(gateway("B84001")), B84001=Machine(online=False)).plan()
    assert steps(plan) == []
    assert [(gap.control, gap.message, gap.ask) for gap in plan.gaps] == [("read", "no connection", "Is it on?")]


def test_nothing_is_planned_for_another_pc_and_that_is_said_first() -> None:
    rows = fleet(gateway("B84001"), gateway("B84002"))
    plan = World(rows, B84001=Machine(logged_in=False), B84002=Machine(right_pc=False)).plan()
    assert {step.gateway for step in plan.steps} == {"B84001"}
    assert gaps(plan)[0] == ("B84002", "R5-identity", "icb-it")


def test_a_row_that_changed_since_the_audit_is_audited_again() -> None:
    world = World(fleet(gateway("B84001")))
    audit = world.audit()
    moved = replace(world.fleet, gateways=(replace(world.fleet.gateways[0], address="192.0.2.77"),))
    plan = planning.make(audit, moved, at=AT, plan_id="plan-1")
    assert steps(plan) == []
    assert plan.gaps[0].message == "its row has changed since the audit"


def test_a_candidate_is_never_changed() -> None:
    assert steps(World(fleet(gateway("B84001", Role.CANDIDATE))).plan()) == []
    assert steps(World(fleet(gateway("B84001", Role.CANDIDATE)), B84001=ready()).plan()) == []


def closed(**statement: bool) -> Fleet:
    """A practice whose one gateway is retired; with a word that it wants no Connector unless told otherwise."""
    said = [no_connector("B84001")] if statement.get("stated", True) else []
    return fleet(gateway("B84001", Role.RETIRED), statements=said)


def test_what_is_left_on_a_retired_gateway_is_taken_away_the_service_first() -> None:
    plan = World(closed(), B84001=ready()).plan()
    assert steps(plan) == ["B84001-service", "B84001-firewall"]
    assert all(step.removes for step in plan.steps)
    assert plan.roles == {"B84001": Role.RETIRED}
    # The Connector ends with its service, which is whose job it is elsewhere.
    assert plan.steps[0].proves == ("R17-stopped", "retired-service")
    assert plan.steps[1].proves == ("retired-rule",)
    assert plan.gaps == ()


def test_of_a_retired_gateway_only_what_is_still_there() -> None:
    assert steps(World(closed(), B84001=Machine(rule=True)).plan()) == ["B84001-firewall"]
    plan = World(closed()).plan()
    assert (plan.waves, plan.gaps) == ((), ())


def test_a_removal_fetches_nothing_and_is_not_measured_by_installing() -> None:
    rows = closed()
    package = Package(sha256="ab" * 32, url="https://files.example.nhs.uk/procrun.zip", size=9_000_000)
    priced = replace(rows, settings=replace(rows.settings, packages={"procrun": package}))
    step = World(priced, B84001=ready()).plan(durations={"service": 77.0}).steps[0]
    assert (step.remedy, step.size, step.seconds) == ("service", 0, 15.0)


def test_what_runs_on_a_retired_gateway_without_its_service_is_a_persons() -> None:
    plan = World(closed(), B84001=Machine(running=True)).plan()
    assert steps(plan) == []
    assert gaps(plan) == [("B84001", "R17-stopped", "icb-it")]


def test_a_practices_last_gateway_is_not_taken_away_without_a_word() -> None:
    for machine in (ready(), replace(ready(), running=False), Machine(rule=True)):
        plan = World(closed(stated=False), B84001=machine).plan()
        assert steps(plan) == []
        [gap] = plan.gaps
        assert (gap.control, gap.owner) == ("retired-service", "icb-it")
        assert "B84001,,no-connector-wanted,WHY IT WANTS NONE,NAME,2026-11-23,UNTIL,TICKET" in gap.ask


def test_an_expired_word_takes_nothing_away() -> None:
    old = replace(no_connector("B84001"), until=date(2026, 11, 22))
    assert steps(World(replace(closed(), statements=(old,)), B84001=ready()).plan()) == []


def test_beside_an_active_gateway_that_runs_nobody_is_asked() -> None:
    rows = fleet(gateway("B84001"), gateway("OLD", Role.RETIRED, practice="B84001"), statements=[])
    assert steps(World(rows, B84001=ready(), OLD=ready()).plan()) == ["OLD-service", "OLD-firewall"]


@pytest.mark.parametrize("machine", [Machine(rule=True, service=True), Machine(online=False)])
def test_an_active_gateway_that_is_not_known_to_run_keeps_the_retired_one(machine: Machine) -> None:
    rows = fleet(gateway("B84001"), gateway("OLD", Role.RETIRED, practice="B84001"), statements=[])
    plan = World(rows, B84001=machine, OLD=replace(ready(), running=False)).plan()
    assert [step for step in steps(plan) if step.startswith("OLD")] == []
    assert any("B84001, the practice's active gateway, is not known to run" in gap.message for gap in plan.gaps)


@pytest.mark.parametrize("role", [Role.STANDBY, Role.CANDIDATE, Role.RETIRED])
def test_a_connector_on_any_other_than_the_active_gateway_does_not_count(role: Role) -> None:
    old, new = gateway("OLD", Role.RETIRED, practice="B84001"), gateway("NEW", role, practice="B84001")
    plan = World(fleet(old, new, statements=[]), OLD=ready(), NEW=ready()).plan()
    assert not any(step.removes for step in plan.steps)


def test_a_standby_is_prepared_but_not_started() -> None:
    plan = World(fleet(gateway("B84001"), gateway("SPARE", Role.STANDBY, practice="B84001"))).plan()
    assert [step.remedy for step in plan.steps if step.gateway == "SPARE"] == ["firewall", "service"]
    spare = next(step for step in plan.steps if step.id == "SPARE-service")
    assert spare.values["service_start_mode"] == "disabled"


def test_a_start_needs_a_statement_and_the_gap_names_the_row_to_write() -> None:
    plan = World(fleet(gateway("B84001"), statements=[])).plan()
    assert steps(plan) == ["B84001-firewall", "B84001-service"]
    gap = next(gap for gap in plan.gaps if gap.control == "R17-running")
    assert "B84001,,only-connector," in gap.ask


def test_an_expired_statement_starts_nothing() -> None:
    old = only_connector("B84001", until=date(2026, 11, 22))
    assert "B84001-start" not in steps(World(fleet(gateway("B84001"), statements=[old])).plan())


def test_a_start_is_never_planned_beside_a_running_connector() -> None:
    rows = fleet(gateway("B84001"), gateway("OLD", Role.STANDBY, practice="B84001"))
    plan = World(rows, OLD=ready()).plan()
    assert "B84001-start" not in steps(plan)
    assert any("a Connector runs on OLD" in gap.message for gap in plan.gaps)
    # Not even by a statement that says otherwise.
    said = replace(rows, statements=(only_connector("B84001"), only_connector("B84001", "OLD")))
    assert "B84001-start" not in steps(World(said, OLD=ready()).plan())


def test_beside_an_unreadable_gateway_a_start_needs_a_statement_about_that_one() -> None:
    rows = fleet(gateway("B84001"), gateway("OLD", Role.STANDBY, practice="B84001"))
    dark = Machine(online=False)
    plan = World(rows, OLD=dark).plan()
    assert "B84001-start" not in steps(plan)
    assert any("B84001,OLD,only-connector," in gap.ask for gap in plan.gaps)
    said = replace(rows, statements=(only_connector("B84001"), only_connector("B84001", "OLD")))
    assert "B84001-start" in steps(World(said, OLD=dark).plan())


def test_a_start_without_a_service_is_not_planned_alone() -> None:
    plan = World(fleet(gateway("B84001"))).plan(remedies=["start"])
    assert steps(plan) == []
    assert any(gap.message == "there is no service to start" for gap in plan.gaps)


def test_only_the_remedies_asked_for() -> None:
    assert steps(World(fleet(gateway("B84001"))).plan(remedies=["firewall"])) == ["B84001-firewall"]
    with pytest.raises(InputError, match="firwall") as caught:
        World(fleet(gateway("B84001"))).plan(remedies=["firwall"])
    assert caught.value.hint == "Did you mean firewall?"


def test_a_service_without_a_name_is_asked_of_the_vendor() -> None:
    rows = fleet(gateway("B84001"))
    nameless = replace(rows, settings=replace(rows.settings, service=replace(rows.settings.service, name="")))
    plan = World(nameless).plan()
    assert steps(plan) == ["B84001-firewall"]
    assert ("B84001", "R17-service", "vendor") in gaps(plan)


def test_waves_keep_a_gateway_together_and_begin_with_typical_drift() -> None:
    rows = fleet(*(gateway(f"B840{number:02}") for number in range(30)))
    # The first row has drifted in a way of its own.
    plan = World(rows, B84000=replace(ready(), rule=False)).plan()
    gateways = [list(dict.fromkeys(step.gateway for step in wave.steps)) for wave in plan.waves]
    assert [len(wave) for wave in gateways] == [1, 5, 20, 4]
    assert gateways[0] == ["B84001"]
    assert gateways[1][0] == "B84000"
    assert sorted(name for wave in gateways for name in wave) == [f"B840{number:02}" for number in range(30)]


def test_a_plan_is_the_same_when_made_again() -> None:
    world = World(fleet(*(gateway(f"B840{number:02}") for number in range(7))))
    assert replace(world.plan(), id="x") == replace(world.plan(), id="x")


def test_fingerprints_tell_facts_apart() -> None:
    world = World(fleet(gateway("B84001")))
    first = world.plan().steps[0].fingerprint
    assert world.plan().steps[0].fingerprint == first
    world.machines["B84001"].other_rule = "a rule for another program"
    assert world.plan().steps[0].fingerprint != first


def test_estimates_come_from_what_was_measured() -> None:
    plan = World(fleet(gateway("B84001"))).plan(durations={"firewall": 77.0})
    assert plan.steps[0].seconds == 77.0


def test_a_start_waits_for_all_that_is_required() -> None:
    """[R16] Everything is in place before a Connector starts; what no step of ours mends bars it, by name."""
    plan = World(fleet(gateway("B84001")), B84001=Machine(logged_in=False)).plan()
    assert steps(plan) == ["B84001-firewall", "B84001-service"]
    [gap] = [gap for gap in plan.gaps if gap.message.startswith("waits for")]
    assert "R2-logged-in" in gap.message
    assert "waivers.yml" in gap.ask
