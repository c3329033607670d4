"""A plan applied in the world in memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provisioner.execute import engine
from provisioner.execute.admission import Asked
from provisioner.journal import Journal
from provisioner.model import Plan, Role
from tests.worlds.memory import Machine, World, fleet, gateway, no_connector, ports


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "journal.db") as opened:
        yield opened


def apply(world: World, plan: Plan, journal: Journal, **changes: Any) -> engine.Ended:
    asked = {name: changes.pop(name) for name in tuple(changes) if name in Asked.__dataclass_fields__}
    digest = changes.pop("policy_digest", "p1")
    return engine.run(
        plan, world.fleet, journal, ports(world, **changes), policy_digest=digest, asked=Asked(**asked)
    )  # fmt: skip


def results(ended: engine.Ended) -> dict[str, str]:
    return {outcome.step: outcome.result for outcome in ended.outcomes}


def some(count: int, **rollout: Any) -> World:
    return World(fleet(*(gateway(f"B840{number:02}") for number in range(count)), **rollout))


def closed() -> World:
    """A practice that has closed: its gateway has all that a Connector has, and is retired."""
    rows = fleet(gateway("B84001", Role.RETIRED), statements=[no_connector("B84001")])
    return World(rows, B84001=Machine(rule=True, service=True, running=True))


def practice() -> World:
    """A practice with an active and a standby gateway, all in place on both, nothing started."""
    world = World(fleet(gateway("B84001"), gateway("B84001B", Role.STANDBY, "B84001")))
    for machine in world.machines.values():
        machine.rule = machine.service = True
    return world


def the_start(world: World) -> Plan:
    plan = world.plan()
    assert [step.remedy for step in plan.steps] == ["start"]
    return plan
