"""A plan is done wave by wave, proved by fresh readings, stopped by its budget, and gone on with."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from provisioner.ansible.results import StepResult
from provisioner.execute.events import Happening, PersonAwaited
from provisioner.execute.shards import Limits, shards
from provisioner.journal import Journal
from provisioner.model import Budget, Result, Role, Step
from tests.execute.plans import apply, journal, results, some
from tests.worlds.memory import AT, Machine, World, fleet, gateway

__all__ = ["journal"]  # fixtures


def test_a_plan_is_done_and_proved(journal: Journal) -> None:
    world = some(3)
    plan = world.plan()
    ended = apply(world, plan, journal)
    assert set(results(ended).values()) == {"done"}
    assert ended.exit_code == 0
    assert ended.stopped == ""
    assert all(outcome.changed and outcome.before == {"was": "nothing"} for outcome in ended.outcomes)
    assert world.plan().steps == ()
    assert journal.verify() == ""
    assert journal.leases() == []
    assert journal.durations()["firewall"] == 2.0


def test_a_finished_plan_again_runs_nothing(journal: Journal) -> None:
    world = some(3)
    plan = world.plan()
    apply(world, plan, journal)
    world.acts.clear()
    ended = apply(world, plan, journal)
    assert set(results(ended).values()) == {"unchanged"}
    assert ended.exit_code == 0
    assert world.acts == []


def test_starts_come_after_all_else_of_the_gateway_is_proved(journal: Journal) -> None:
    world = some(1)
    apply(world, world.plan(), journal)
    assert world.acts == ["B84000-firewall", "B84000-service", "B84000-start"]
    # Read before, after the roles, the whole practice before the start, after the start.
    assert len(world.readings) == 4


def test_a_start_sets_again_only_what_this_run_has_not_just_set(journal: Journal) -> None:
    world = some(1)
    plan = world.plan()
    given = list[tuple[str, object]]()

    def act(steps: Sequence[Step], run_tag: str) -> dict[str, StepResult]:
        given.extend((step.id, step.values["service_state"]) for step in steps if step.role == "service")
        return world.act(steps, run_tag)

    world.machines["B84000"].broken = {"start": "it broke"}
    assert results(apply(world, plan, journal, apply=act))["B84000-start"] == "failed"
    world.machines["B84000"].broken = {}
    assert results(apply(world, plan, journal, apply=act))["B84000-start"] == "done"
    assert given == [("B84000-service", "present"), ("B84000-start", "started"), ("B84000-start", "present")]


def test_what_is_right_already_is_left_alone(journal: Journal) -> None:
    world = some(1)
    plan = world.plan(remedies=["firewall"])
    world.machines["B84000"].rule = True
    assert results(apply(world, plan, journal)) == {"B84000-firewall": "unchanged"}
    assert world.acts == []


def test_facts_that_are_not_those_planned_are_stale(journal: Journal) -> None:
    world = some(1)
    plan = world.plan(remedies=["firewall"])
    world.machines["B84000"].other_rule = "blocked by a rule of somebody else"
    ended = apply(world, plan, journal)
    assert results(ended) == {"B84000-firewall": "stale"}
    assert "somebody else" in ended.outcomes[0].message
    assert ended.exit_code == 4
    assert world.acts == []


def test_another_pc_at_the_address_is_stale(journal: Journal) -> None:
    world = some(1)
    plan = world.plan(remedies=["firewall"])
    world.machines["B84000"].right_pc = False
    assert results(apply(world, plan, journal)) == {"B84000-firewall": "stale"}
    assert world.acts == []


def test_an_installer_of_ours_that_still_runs_is_waited_for(journal: Journal) -> None:
    world = some(1)
    plan = world.plan(remedies=["firewall"])
    world.machines["B84000"].unfinished = "connector.msi"
    ended = apply(world, plan, journal)
    assert results(ended) == {"B84000-firewall": "waiting"}
    assert "connector.msi" in ended.outcomes[0].message
    world.machines["B84000"].unfinished = ""
    assert results(apply(world, plan, journal)) == {"B84000-firewall": "done"}


def test_what_another_team_changed_meanwhile_is_not_taken_for_our_own_doing(journal: Journal) -> None:
    world = some(1)
    plan = world.plan(remedies=["firewall"])

    def held(steps: Sequence[Step], run_tag: str) -> dict[str, StepResult]:
        world.machines["B84000"].other_rule = "a rule for three"
        return {step.id: StepResult(result="held", message="another team works on this gateway") for step in steps}

    assert results(apply(world, plan, journal, apply=held)) == {"B84000-firewall": "waiting"}
    assert results(apply(world, plan, journal)) == {"B84000-firewall": "stale"}
    assert world.acts == []


def test_ansible_ok_without_proof_is_a_failure(journal: Journal) -> None:
    world = some(1)
    plan = world.plan(remedies=["firewall"])

    def says_ok(steps: Sequence[Step], run_tag: str) -> dict[str, StepResult]:
        return {step.id: StepResult(result="ok", changed=True) for step in steps}

    ended = apply(world, plan, journal, apply=says_ok)
    assert results(ended) == {"B84000-firewall": "failed"}
    assert ended.outcomes[0].message == "Ansible said ok, but the reading does not show it: R14-rule: no rule"


def test_a_proof_counts_whatever_ansible_says(journal: Journal) -> None:
    world = some(1)
    plan = world.plan(remedies=["firewall"])

    def loses_the_answer(steps: Sequence[Step], run_tag: str) -> dict[str, StepResult]:
        world.act(steps, run_tag)
        return {}

    assert results(apply(world, plan, journal, apply=loses_the_answer)) == {"B84000-firewall": "done"}


def test_an_act_that_breaks_costs_its_shard_only(journal: Journal) -> None:
    world = some(4, waves=(), shard=1, unknown=None)
    plan = replace(world.plan(remedies=["firewall"]), budget=Budget(first_wave=9, unknown=None))

    def breaks(steps: Sequence[Step], run_tag: str) -> dict[str, StepResult]:
        if steps[0].gateway == "B84001":
            raise RuntimeError("no such thing")
        return world.act(steps, run_tag)

    ended = apply(world, plan, journal, apply=breaks)
    assert sorted(results(ended).values()) == ["done", "done", "done", "unknown"]
    assert "no such thing" in next(one.message for one in ended.outcomes if one.result is Result.UNKNOWN)


def test_a_first_start_waits_for_approve_and_goes_on(journal: Journal) -> None:
    world = World(fleet(gateway("B84001"), approve_wait=6.0), B84001=Machine(approved=False))
    plan, said = world.plan(), list[Happening]()
    ended = apply(world, plan, journal, notify=said.append)
    assert results(ended)["B84001-start"] == "waiting"
    assert "Approve" in ended.outcomes[-1].message
    assert ended.exit_code == 4
    assert any(isinstance(one, PersonAwaited) for one in said)
    # Not pressed yet: still waiting, and nothing is started again.
    world.acts.clear()
    assert results(apply(world, plan, journal))["B84001-start"] == "waiting"
    world.machines["B84001"].approved = True
    assert set(results(apply(world, plan, journal)).values()) == {"unchanged"}
    assert world.acts == []


def test_approve_pressed_in_time_ends_the_wait(journal: Journal) -> None:
    world = World(fleet(gateway("B84001"), approve_wait=60.0), B84001=Machine(approved=False))
    plan = world.plan()
    world.presses_after = timedelta(seconds=4)
    ended = apply(world, plan, journal)
    assert results(ended)["B84001-start"] == "done"
    assert (world.clock - AT).total_seconds() < 10


def test_nothing_is_started_where_the_service_failed(journal: Journal) -> None:
    world = some(1)
    plan = world.plan()
    world.machines["B84000"].broken["service"] = "logon right denied"
    ended = apply(world, plan, journal)
    assert results(ended) == {"B84000-firewall": "done", "B84000-service": "failed", "B84000-start": "skipped"}
    assert "B84000-start" not in world.acts


def test_nothing_is_started_where_another_connector_has_come_up_since(journal: Journal) -> None:
    world = World(
        fleet(gateway("B84001"), gateway("OLD", Role.STANDBY, practice="B84001")), OLD=Machine(rule=True, service=True)
    )
    plan = world.plan()
    assert "B84001-start" in {step.id for step in plan.steps}
    world.machines["OLD"].running = True
    ended = apply(world, plan, journal)
    assert results(ended)["B84001-start"] == "stale"
    assert not world.machines["B84001"].running


def test_a_standby_whose_connector_works_is_not_disabled(journal: Journal) -> None:
    """It may be the practice's only one, and would not come up again: by an old copy of practices.csv it is so."""
    rows = fleet(gateway("B84001"), gateway("NEW", Role.STANDBY, practice="B84001"))
    at_work = World(rows, NEW=Machine(rule=True, service=True, well_set=False, running=True)).plan()
    assert "NEW-service" not in {step.id for step in at_work.steps}
    assert [(gap.owner, "migrate" in gap.ask) for gap in at_work.gaps if gap.control == "R17-service"] == [
        ("icb-it", True)
    ]
    world = World(rows, NEW=Machine(rule=True, service=True, well_set=False))
    plan = world.plan()
    assert "NEW-service" in {step.id for step in plan.steps}
    world.machines["NEW"].running = True
    ended = apply(world, plan, journal)
    assert results(ended)["NEW-service"] == "stale"
    assert "NEW-service" not in world.acts


@pytest.mark.parametrize(
    ("gateways", "largest", "cores", "sizes"),
    [
        (0, 25, 2, []),
        (1, 25, 2, [1]),
        (5, 25, 2, [5]),
        (20, 25, 2, [20]),
        (5, 25, 8, [5]),
        (6, 25, 8, [3, 3]),
        (20, 25, 8, [10, 10]),
        (20, 25, 64, [4, 3, 3, 4, 3, 3]),
        (60, 25, 2, [20, 20, 20]),
        (3, 1, 2, [1, 1, 1]),
    ],
)
def test_a_wave_is_shared_out_over_the_cores(gateways: int, largest: int, cores: int, sizes: list[int]) -> None:
    world = World(fleet(*(gateway(f"B840{number:02}") for number in range(gateways))))
    steps = world.plan().steps
    found = list(shards(steps, Limits(largest=largest, cores=cores, workers=1000)))
    assert [len({step.gateway for step in shard}) for shard in found] == sizes
    assert [step for shard in found for step in shard] == list(steps)


def test_a_start_is_refused_when_something_required_is_gone_by_then(journal: Journal) -> None:
    """Planned while somebody was logged in to SystmOne; nobody is when it comes to the start."""
    world = some(1)
    plan = world.plan()
    world.machines["B84000"].logged_in = False
    ended = apply(world, plan, journal)
    assert world.acts == ["B84000-firewall", "B84000-service"]
    assert ended.outcomes[-1].result is Result.STALE
    assert "R2-logged-in" in ended.outcomes[-1].message
