"""Two runs of one process: by what they hold, their Ansible and their markers they are two, as two processes are."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provisioner import processes
from provisioner.ansible.results import StepResult
from provisioner.errors import LeaseHeld
from provisioner.execute import engine
from provisioner.journal import Event
from provisioner.migration import stages
from provisioner.model import Plan, Result, Step
from tests.migration.operators import NEW, OLD, Operator, operator
from tests.worlds.acts import BEGIN
from tests.worlds.disk import LabWorld

__all__ = ["operator"]  # fixtures

OTHER = "B84002"


@pytest.fixture
def two(tmp_path: Path) -> Operator:
    LabWorld.make(tmp_path, ("B84001", OTHER))
    return Operator(tmp_path)


def other(operator: Operator) -> Plan:
    """The other practice's migration, planned and saved."""
    world = operator.world()
    move = stages.resolve_move(world.fleet, OTHER, f"NEW-{OTHER}", world.clock.date())
    rows = stages.in_roles(world.fleet, stages.before(move)).known
    audit = world.audit([row for row in rows if row.practice == OTHER])
    plan = stages.make(audit, world.fleet, move, at=world.now(), plan_id="move-2")
    with operator.journal() as journal:
        journal.save(audit)
        journal.save(plan)
    return plan


def test_a_second_run_of_the_same_plan_is_kept_off(operator: Operator) -> None:
    plan, said = operator.planned(), list[type[BaseException]]()

    def while_it_begins(happening: object) -> None:
        if not said:
            with pytest.raises(LeaseHeld) as caught:
                operator.run(plan)
            said.append(caught.type)

    operator.run(plan, notify=while_it_begins)
    assert said == [LeaseHeld]


def test_a_gateway_that_one_of_them_works_on_is_the_others_to_wait_for(operator: Operator) -> None:
    """As a rollout in another thread of a program that uses the library."""
    plan, seen = operator.planned(), list[Mapping[str, Any]]()
    with operator.journal() as journal:

        def meanwhile(happening: object) -> None:
            if not seen and any(lease.gateway == NEW for lease in journal.leases()):
                with processes.a_run() as me:
                    seen.append(journal.take([OLD, NEW], me, "plan-9", BEGIN, BEGIN))

        operator.run(plan, notify=meanwhile)
    assert set(seen[0]) == {OLD, NEW}


def test_a_second_run_does_not_end_what_the_first_has_begun(two: Operator) -> None:
    """What a run finds begun and not ended is a dead run's; not what runs beside it."""
    plan, ended = two.planned(), list[str]()
    world, beside = two.world(), other(two)
    seen = list[engine.Ended]()
    with two.journal() as journal:

        def act(steps: Sequence[Step], run_tag: str) -> Mapping[str, StepResult]:
            if not seen:
                ports = world.ports(journal, kill_leftovers=ended.append)
                seen.append(engine.run(beside, world.fleet, journal, ports, policy_digest="p1"))
            return world.act(steps, journal.names(plan.id))

        said = engine.run(plan, world.fleet, journal, world.ports(journal, apply=act), policy_digest="p1")
        assert (journal.leases(), journal.verify()) == ([], "")
    assert ended == []
    for one in (said, *seen):
        assert {outcome.result for outcome in one.outcomes} <= {
            Result.DONE, Result.UNCHANGED, Result.WAITING, Result.SKIPPED
        }  # fmt: skip
    assert world.runs() == {NEW, f"NEW-{OTHER}"}
    assert world.two_at_once() == []


def test_a_run_of_this_process_that_is_over_holds_nothing_any_more(operator: Operator) -> None:
    """Its leases are left where the journal could not be written at its end."""
    plan = operator.planned()
    with operator.journal() as journal, processes.a_run() as me:
        journal.take([plan.id, NEW], me, "apply", BEGIN, BEGIN)
        assert not me.dead
        with pytest.raises(LeaseHeld):
            operator.run(plan)
    assert me.dead
    # Another process cannot tell, and takes it for alive as long as that process is.
    assert not replace(me, pid=1, started=processes._started(1)).dead
    assert operator.through(plan).exit_code == 0


def test_a_marker_has_the_name_of_the_run_that_left_it(operator: Operator) -> None:
    """The others that have begun since are not known to that run: it would take its own marker for another team's."""
    plan = operator.planned()
    with operator.journal() as journal:
        for name, of in (("own", plan.id), ("late", "move-2")):
            body = {"name": f"{journal.id}.{name}"}
            journal.append([Event(at=BEGIN, kind="run_started", plan=of, body=body)])
        assert journal.names(plan.id) == (f"{journal.id}.own", f"{journal.id}.late")
        assert journal.names() == (f"{journal.id}.late", f"{journal.id}.own")
