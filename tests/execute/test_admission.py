"""What a plan may be applied to, for which role, by whom; and a retired gateway that is emptied."""

from dataclasses import replace

import pytest

from provisioner.ansible.results import StepResult
from provisioner.errors import PlanRefused, ReadOnlyFleet
from provisioner.execute import admission, engine
from provisioner.journal import Journal
from provisioner.model import Role
from tests.execute.plans import apply, closed, journal, results, some
from tests.worlds.memory import Machine, World, fleet, gateway, no_connector

__all__ = ["journal"]  # fixtures


def test_what_a_plan_may_not_be_applied_to(journal: Journal) -> None:
    world = some(2)
    plan = world.plan()
    with pytest.raises(PlanRefused, match="another policy"):
        apply(world, plan, journal, policy_digest="p2")
    closed = replace(world.fleet, settings=replace(world.fleet.settings, read_only=True))
    with pytest.raises(ReadOnlyFleet):
        admission.refuse(plan, closed, "p1")
    admission.refuse(plan, closed, "p1", rehearsal=True)
    elsewhere = replace(world.fleet, gateways=tuple(replace(one, address="192.0.2.9") for one in world.fleet.gateways))
    with pytest.raises(PlanRefused, match="not for this fleet"):
        admission.refuse(plan, elsewhere, "p1")
    assert world.acts == []


def test_a_gateway_that_moved_is_refused_and_the_others_go_on(journal: Journal) -> None:
    world = some(2)
    plan = world.plan(remedies=["firewall"])
    rows = world.fleet.gateways
    world.fleet = replace(world.fleet, gateways=(rows[0], replace(rows[1], address="192.0.2.9")))
    assert results(apply(world, plan, journal)) == {"B84000-firewall": "done", "B84001-firewall": "stale"}


def test_a_retired_gateway_is_emptied_and_that_is_proved(journal: Journal) -> None:
    world = closed()
    plan = world.plan()
    ended = apply(world, plan, journal)
    assert results(ended) == {"B84001-service": "done", "B84001-firewall": "done"}
    assert world.acts == ["B84001-service", "B84001-firewall"]
    machine = world.machines["B84001"]
    assert (machine.service, machine.running, machine.rule) == (False, False, False)
    assert world.plan().steps == ()
    # How long it takes to bring something is not learned from taking it away.
    assert journal.durations() == {}


def test_nothing_is_taken_away_once_the_word_for_it_is_gone(journal: Journal) -> None:
    world = closed()
    plan = world.plan()
    world.fleet = replace(world.fleet, statements=())
    ended = apply(world, plan, journal)
    assert set(results(ended).values()) == {"stale"}
    assert "no-connector-wanted" in ended.outcomes[0].message
    assert ended.exit_code == 4
    assert world.acts == []


def test_the_active_gateway_is_looked_at_again_before_the_retired_one_is_emptied(journal: Journal) -> None:
    rows = fleet(gateway("B84001"), gateway("OLD", Role.RETIRED, practice="B84001"), statements=[])
    full = Machine(rule=True, service=True, running=True)
    world = World(rows, B84001=full, OLD=replace(full, running=False))
    plan = world.plan()
    assert [step.id for step in plan.steps] == ["OLD-service", "OLD-firewall"]
    world.machines["B84001"].running = False
    assert set(results(apply(world, plan, journal)).values()) == {"stale"}
    assert world.acts == []
    world.machines["B84001"].running = True
    assert set(results(apply(world, plan, journal)).values()) == {"done"}


@pytest.mark.parametrize(
    ("planned", "now"),
    [(Role.RETIRED, Role.ACTIVE), (Role.ACTIVE, Role.RETIRED), (Role.ACTIVE, Role.STANDBY)],
)
def test_a_plan_is_for_the_role_for_which_it_was_made(planned: Role, now: Role, journal: Journal) -> None:
    rows = fleet(gateway("B84001", planned), statements=[no_connector("B84001")])
    world = World(rows, B84001=Machine(rule=planned is Role.RETIRED))
    plan = world.plan(remedies=["firewall"])
    world.fleet = replace(rows, gateways=(gateway("B84001", now),))
    with pytest.raises(PlanRefused, match=f"it was planned as {planned}, and is {now} now"):
        apply(world, plan, journal)
    assert world.acts == []


def test_who_approved_it_is_in_the_journal(journal: Journal) -> None:
    world = some(1)
    apply(world, world.plan(), journal, approved_by="B. Person", ticket="CHG-7")
    begun = next(event for event in journal.events() if event.kind == "run_started")
    assert (begun.body["approved_by"], begun.body["ticket"]) == ("B. Person", "CHG-7")
    assert any("approved by B. Person, CHG-7" in entry.title for entry in journal.history())


def test_a_rehearsal_leaves_the_journal_and_the_starts_alone(journal: Journal) -> None:
    world = some(3)
    found = engine.rehearse(
        world.plan(),
        world.fleet,
        lambda steps, run_tag: {step.id: StepResult(result="ok") for step in steps},
        lambda: False,
    )
    assert sorted(found) == [f"B8400{number}-{remedy}" for number in range(3) for remedy in ("firewall", "service")]
    assert journal.events() == []
