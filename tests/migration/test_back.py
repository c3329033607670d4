"""There is a way back from every step, and after a death at any point."""

from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.execute.failpoints import Failpoint
from provisioner.journal import standing
from tests.fixtures.dying import dies
from tests.migration.operators import NEW, OLD, Operator, judged, operator, results, stop_after
from tests.worlds.disk import LabWorld

__all__ = ["operator"]  # fixtures


STEPS = ["standby", "java", "connector", "firewall", "antivirus", "service", "gateway-ended", "stop", "gateway-started",
         "carry", "start", "switched", "approve", "working"]  # fmt: skip


@pytest.mark.parametrize("last", STEPS)
def test_there_is_a_way_back_from_every_step(operator: Operator, last: str) -> None:
    """The run ends right after that step; what was there before is there again, and proved."""
    before = operator.world()
    state = {name: machine.to_json() for name, machine in before.machines.items()}
    plan = operator.planned()
    stop_after(operator, plan, last)
    back = operator.back(plan)
    ended = operator.through(back)
    assert ended.exit_code == 0, [(one.step, one.result, one.message) for one in ended.outcomes]
    world = operator.world()
    assert world.runs() == {OLD}
    assert world.roles() == {OLD: "active", NEW: "candidate"}
    assert world.two_at_once() == []
    now = {name: machine.to_json() for name, machine in world.machines.items()}
    for key in ("services", "firewall", "defender"):
        assert now[NEW][key] == state[NEW][key], key
    assert world.machines[NEW].disk.folder("C:\\iPlato") is None
    assert now[OLD]["services"] == state[OLD]["services"]
    with operator.journal() as journal:
        assert standing.open_migrations(journal) == {}


@pytest.mark.parametrize("fails", ["java", "connector", "firewall", "antivirus", "service", "carry", "start"])
def test_a_new_gateway_that_fails_at_a_step_leads_back(operator: Operator, fails: str) -> None:
    plan = operator.planned()
    world = operator.world()
    world.broken = {f"{NEW}/{fails}": "the disk broke"}
    world.save()
    ended = operator.through(plan)
    assert results(ended)[f"{NEW}-{fails}"] == "failed"
    assert ended.exit_code == 4
    world = operator.world()
    world.broken = {}
    world.save()
    back = operator.through(operator.back(plan))
    assert back.exit_code == 0, [(one.step, one.result, one.message) for one in back.outcomes]
    assert operator.world().runs() == {OLD}
    assert operator.world().two_at_once() == []


def test_a_way_back_that_fails_says_so_with_exit_5(operator: Operator) -> None:
    plan = operator.planned()
    stop_after(operator, plan, "working")
    world = operator.world()
    world.broken = {f"{NEW}/stop": "access denied"}
    world.save()
    back = operator.back(plan)
    ended = operator.through(back)
    assert ended.exit_code == 5
    assert operator.world().runs() == {NEW}
    assert operator.world().two_at_once() == []
    # Mended by hand, and the same command goes on to the end.
    world = operator.world()
    world.broken = {}
    world.save()
    assert operator.through(back).exit_code == 0
    assert operator.world().runs() == {OLD}


@pytest.mark.parametrize("point", list(Failpoint), ids=lambda point: point.name)
@pytest.mark.parametrize("nth", [2, 8])
def test_killed_at_any_point_a_migration_goes_back(tmp_path: Path, point: Failpoint, nth: int) -> None:
    operator = Operator(tmp_path)
    LabWorld.make(tmp_path)
    plan = operator.planned()
    dies(lambda: operator.through(plan), point, nth)
    with operator.journal() as journal:
        assert standing.open_migrations(journal) or nth == 1
    ended = operator.through(operator.back(plan))
    assert ended.exit_code == 0, [(one.step, one.result, one.message) for one in ended.outcomes]
    judged(operator, {OLD}, {OLD: "active", NEW: "candidate"})


def test_a_start_before_the_fence_would_be_caught(operator: Operator) -> None:
    """The judge bites: a plan whose stages were put in another order starts nothing, and a start by hand is seen."""
    plan = operator.planned()
    start = next(wave for wave in plan.waves if wave.steps[0].remedy == "start")
    wrong = [*plan.waves[:3], start, *(wave for wave in plan.waves[3:] if wave is not start)]
    ended = operator.run(replace(plan, waves=tuple(wrong)))
    assert results(ended)[f"{NEW}-start"] == "stale"
    assert operator.world().two_at_once() == []
    world = operator.world()
    for machine in world.machines.values():
        machine.on_event = world._hears(machine)
    world._service(world.machines[NEW], run=True)
    assert world.two_at_once() != []
