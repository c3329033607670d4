"""After a start the practice's other gateways are looked at once more; what could not be looked at is said."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.ansible.results import StepResult
from provisioner.journal import Journal
from provisioner.model import Result, Step
from tests.execute.plans import apply, practice, the_start
from tests.worlds import memory


@pytest.mark.parametrize("stated", [True, False])
def test_a_peer_that_cannot_be_looked_at_after_the_start_is_named(tmp_path: Path, stated: bool) -> None:
    """It answered before, and its line breaks just then: that no other runs is not proved."""
    world = practice()
    if stated:
        said = memory.only_connector("B84001", "B84001B")
        world.fleet = replace(world.fleet, statements=(*world.fleet.statements, said))

    def act(steps: Sequence[Step], run_tag: str) -> dict[str, StepResult]:
        if any(step.remedy == "start" for step in steps):
            world.machines["B84001B"].online, world.absent = False, stated
        return world.act(steps, run_tag)

    with Journal.open(tmp_path / "journal.db") as journal:
        (outcome,) = apply(world, replace(the_start(practice()), roles={}), journal, apply=act).outcomes
    assert outcome.result is Result.DONE
    assert ("whether one runs on B84001B (" in outcome.message) is not stated
