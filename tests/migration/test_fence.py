"""Nothing starts behind a fence that does not hold: an old PC that is away, answers, comes back or is stated off."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta

import pytest

from provisioner.ansible.results import StepResult
from provisioner.execute import engine, judge
from provisioner.execute.admission import Asked
from provisioner.lab.windows.machine import Machine
from provisioner.model import Result, Step
from tests.migration.operators import NEW, OLD, Operator, operator, results, state, stop_after
from tests.worlds.acts import Killed

__all__ = ["operator"]  # fixtures


def test_nothing_starts_behind_a_fence_that_does_not_hold(operator: Operator) -> None:
    """Somebody starts the old one by hand while the practice logs in to SystmOne on the new one."""
    plan = operator.planned()
    world = operator.world()
    ports = world.ports()

    def meddles(happening: object) -> None:
        world.say(happening)  # type: ignore[arg-type]
        if "start SystmOne" in getattr(happening, "words", ""):
            world._service(world.machines[OLD], run=True)

    with operator.journal() as journal:
        ended = engine.run(
            plan, world.fleet, journal, replace(ports, notify=meddles), policy_digest="p1", asked=Asked()
        )
    world.save()
    start = next(one for one in ended.outcomes if one.step == f"{NEW}-start")
    assert start.result is Result.STALE
    assert f"a Connector runs on {OLD}" in start.message
    assert operator.world().two_at_once() == []
    assert operator.world().runs() == {OLD}


def test_hours_hold_a_move_up_before_the_old_one_is_stopped_and_not_after(operator: Operator) -> None:
    """It is Saturday, 20:00; the new one's start is known to take long."""
    fleet_yml = operator.folder / "fleet.yml"
    text = fleet_yml.read_text("utf-8").replace("settle: 60", "settle: 60, hours: 'Sat-Sun 19:00-20:04'")
    fleet_yml.write_text(text, "utf-8")
    plan = operator.planned()
    with operator.journal() as journal:
        journal.took([("start", 200.0)] * 3)
    ended = operator.run(plan)
    found = {outcome.step: outcome for outcome in ended.outcomes}
    assert found[f"{NEW}-service"].result is Result.DONE
    assert found[f"{OLD}-stop"].result is Result.WAITING
    assert "its window closes at Sat 28 Nov 20:04: moved to Sun 29 Nov 19:00" in found[f"{OLD}-stop"].message
    assert operator.world().runs() == {OLD}

    world = operator.world()
    world.clock += timedelta(hours=23, minutes=30)
    ports = world.ports()

    def slow(happening: object) -> None:
        if "start SystmOne" in getattr(happening, "words", ""):
            world.clock += timedelta(hours=2)
        world.say(happening)  # type: ignore[arg-type]

    with operator.journal() as journal:
        engine.run(plan, world.fleet, journal, replace(ports, notify=slow), policy_digest="p1", asked=Asked())
    assert world.runs() == {NEW}
    assert world.two_at_once() == []


@pytest.mark.parametrize("how", ["the line broke", "killed", "by hand"])
def test_a_stop_of_which_no_answer_came_counts_as_a_stop(operator: Operator, how: str) -> None:
    """The old one is stopped, nobody heard of it, and the window closes: the practice is not left without one."""
    fleet_yml = operator.folder / "fleet.yml"
    text = fleet_yml.read_text("utf-8").replace("settle: 60", "settle: 60, hours: 'Sat-Sun 19:00-21:00'")
    fleet_yml.write_text(text, "utf-8")
    plan = operator.planned()
    stop_after(operator, plan, "gateway-ended")
    world = operator.world()
    world.obliging = False

    def loses_the_answer(steps: Sequence[Step], run_tag: str) -> Mapping[str, StepResult]:
        world.act(steps, run_tag)
        if how == "killed":
            raise Killed
        return {step.id: StepResult(result="unreachable", message="the line broke") for step in steps}

    ports = world.ports(apply=loses_the_answer)
    world.tick()
    if how == "by hand":
        world._service(world.machines[OLD], run=False)
    with nullcontext() if how != "killed" else pytest.raises(Killed), operator.journal() as journal:
        engine.run(plan, world.fleet, journal, ports, policy_digest="p1", asked=Asked(patient=False))
    # A command that comes to nothing: it notes that the end of the killed one is not known.
    with operator.journal() as journal:
        engine.run(plan, world.fleet, journal, world.ports(interrupted=lambda: True), policy_digest="p1")
    world.obliging = True
    world.clock += timedelta(hours=2)
    world.save()
    assert world.runs() == set()
    assert operator.through(plan).exit_code == 0
    assert operator.world().runs() == {NEW}
    assert operator.world().two_at_once() == []


def test_an_old_one_that_cannot_be_reached_needs_a_named_persons_word(operator: Operator) -> None:
    plan = operator.planned()
    world = operator.world()
    world.offline = {OLD}
    world.save()
    ended = operator.run(plan)
    assert results(ended)[f"{OLD}-gateway-ended"] == "unreachable"
    assert NEW not in operator.world().runs()
    state(operator, OLD, "taken away by the van")
    # It lies dead in the van: nothing of it can be carried, and nothing of it runs.
    world = operator.world()
    world._service(world.machines[OLD], run=False)
    world.save()
    operator.confirm(plan, "carry")
    ended = operator.through(plan)
    assert results(ended)[f"{OLD}-stop"] == "unchanged"
    assert operator.world().runs() == {NEW}


def test_an_old_one_that_answers_is_not_off_though_it_cannot_be_read(operator: Operator) -> None:
    """A statement that is out of date: that PC is on, and its Connector runs."""
    state(operator, OLD, "taken away by the van")
    plan = operator.planned()
    world = operator.world()
    world.mute = {OLD}
    world.save()
    operator.confirm(plan, "carry")
    ended = operator.through(plan)
    assert ended.exit_code == 4
    assert results(ended)[f"{OLD}-gateway-ended"] == "unreachable"
    assert operator.world().runs() == {OLD}


def test_an_old_one_that_answers_again_when_the_new_one_starts_is_not_fenced(operator: Operator) -> None:
    plan = operator.planned()
    world = operator.world()
    world.offline = {OLD}
    world.save()
    state(operator, OLD, "taken away by the van")
    operator.confirm(plan, "carry")
    stop_after(operator, plan, "stop")
    world = operator.world()
    world.offline, world.mute = set(), {OLD}
    world.save()
    ended = operator.run(plan)
    assert NEW not in operator.world().runs()
    (start,) = [one for one in ended.outcomes if one.step == f"{NEW}-start"]
    assert "the fence does not hold" in start.message or start.result is Result.SKIPPED, start.message


def test_an_old_one_that_comes_back_before_the_end_is_stopped_by_the_next_command(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was stated to be off, and was: nothing had to be done there. Then somebody plugs it in again. Whatever the
    words are in which that was said."""
    monkeypatch.setattr(judge, "UNNEEDED", (*judge.UNNEEDED[:1], "in other words", *judge.UNNEEDED[2:]))
    state(operator, OLD, "taken away by the van")
    plan = operator.planned()
    world = operator.world()
    world._service(world.machines[OLD], run=False)
    world.offline = {OLD}
    world.save()
    operator.confirm(plan, "carry")
    operator.run(plan)
    assert operator.world().runs() == {NEW}
    world = operator.world()
    world.offline = set()
    world.machines[OLD].services[0].state = "running"
    world.save()
    operator.through(plan)
    old = operator.world().machines[OLD].services[0]
    assert (old.state, old.start_mode) == ("stopped", "disabled")
    assert operator.world().runs() == {NEW}


def test_a_statement_does_not_count_while_the_old_one_answers(operator: Operator) -> None:
    plan = operator.planned()
    state(operator, OLD, "it is off")
    world = operator.world()
    world.broken = {f"{OLD}/stop": "access denied"}
    world.save()
    ended = operator.through(plan)
    assert results(ended)[f"{OLD}-stop"] == "failed"
    assert operator.world().runs() == {OLD}


@pytest.mark.parametrize(("last", "waits"), [("service", "gateway-ended"), ("gateway-ended", "stop")])
def test_the_old_one_is_not_stopped_for_a_new_one_that_is_away(operator: Operator, last: str, waits: str) -> None:
    """Ready, but off the network when its turn comes; what is stated of it does not count, for it is to take over."""
    plan = operator.planned()
    stop_after(operator, plan, last)
    state(operator, NEW, "in a cupboard")
    world = operator.world()
    world.offline = {NEW}
    world.save()
    ended = operator.through(plan)
    found = {outcome.step: outcome for outcome in ended.outcomes}
    assert found[f"{OLD}-{waits}"].result is Result.WAITING
    assert f"{NEW}, which takes over, is away" in found[f"{OLD}-{waits}"].message
    assert ended.exit_code == 4
    assert operator.world().runs() == {OLD}
    # Nor is the practice asked to end what works.
    assert operator.world().machines[OLD].systmone.gateway_mode is (waits == "gateway-ended")
    world = operator.world()
    world.offline = set()
    world.save()
    assert operator.through(plan).exit_code == 0
    assert operator.world().runs() == {NEW}


def test_a_new_one_that_is_lost_before_its_start_is_no_end_of_a_move(operator: Operator) -> None:
    plan = operator.planned()
    stop_after(operator, plan, "stop")
    state(operator, NEW, "in a cupboard")
    world = operator.world()
    world.offline = {NEW}
    world.save()
    ended = operator.through(plan)
    assert results(ended)[f"{NEW}-gateway-started"] == "unreachable"
    assert ended.exit_code == 4


def test_the_way_back_to_a_gateway_that_is_gone_leaves_the_new_one_running(operator: Operator) -> None:
    state(operator, OLD, "taken away by the van")
    world = operator.world()
    world._service(world.machines[OLD], run=False)
    world.offline = {OLD}
    world.save()
    plan = operator.planned()
    operator.confirm(plan, "carry")
    operator.confirm(plan, "working")
    assert operator.through(plan).exit_code == 0
    assert operator.world().runs() == {NEW}
    ended = operator.through(operator.back(plan))
    assert results(ended)[f"{NEW}-stop"] == "waiting"
    assert ended.exit_code == 4
    assert operator.world().runs() == {NEW}
    assert operator.world().roles() == {OLD: "standby", NEW: "active"}


# Before the practice's Connector is stopped


def third(operator: Operator, role: str = "standby") -> str:
    """A third gateway of the practice, in place and stopped; its name."""
    name, world = "THIRD-B84001", operator.world()
    line = f"B84001,Practice B84001,{name},127.0.0.1,{role},/{name}/wsman\n"
    practices = operator.folder / "practices.csv"
    practices.write_text(practices.read_text("utf-8") + line, "utf-8")
    machine = Machine.from_json({**world.machines[NEW].to_json(), "name": name})
    machine.who().computer_name = name
    world.machines[name] = machine
    world.save()
    return name


def test_the_old_one_is_not_stopped_for_a_fence_that_could_not_hold(operator: Operator) -> None:
    """A third gateway of the practice is away, and nobody has stated that it is off: no start on the new one could
    come, nor one on the old one again."""
    name = third(operator)
    plan = operator.planned()
    world = operator.world()
    world.offline = {name}
    world.save()
    found = {outcome.step: outcome for outcome in operator.through(plan).outcomes}
    assert found[f"{OLD}-gateway-ended"].result is Result.WAITING
    assert f"not asked for yet, because the fence would not hold after it: {name} cannot be read" in (
        found[f"{OLD}-gateway-ended"].message
    )
    # Nor where the practice has ended SystmOne's Gateway by itself.
    world = operator.world()
    world.machines[OLD].systmone.gateway_mode = world.machines[OLD].systmone.logged_in = False
    world.save()
    found = {outcome.step: outcome for outcome in operator.through(plan).outcomes}
    assert found[f"{OLD}-stop"].result is Result.WAITING
    assert f"not stopped, because the fence would not hold after it: {name} cannot be read" in (
        found[f"{OLD}-stop"].message
    )
    assert operator.world().runs() == {OLD}
    state(operator, name, "taken away by the van")
    operator.confirm(plan, "working")
    assert operator.through(plan).exit_code == 0
    assert operator.world().runs() == {NEW}


def test_nor_is_the_new_one_on_the_way_back(operator: Operator) -> None:
    name = third(operator)
    plan = operator.planned()
    stop_after(operator, plan, "working")
    world = operator.world()
    world.offline = {name}
    world.save()
    back = operator.back(plan)
    ended = operator.through(back)
    assert results(ended)[f"{NEW}-stop"] == "waiting"
    assert operator.world().runs() == {NEW}
    world = operator.world()
    world.offline = set()
    world.save()
    assert operator.through(back).exit_code == 0
    assert operator.world().runs() == {OLD}
    assert operator.world().two_at_once() == []


def test_the_old_one_is_not_stopped_for_a_new_one_that_could_not_be_started(operator: Operator) -> None:
    """It was made ready, and days later, when the practice has time, a policy bars its firewall rule."""
    plan = operator.planned()
    stop_after(operator, plan, "gateway-ended")
    world = operator.world()
    world.machines[NEW].faults["policy_overrides_firewall"] = ""
    world.save()
    found = {outcome.step: outcome for outcome in operator.through(plan).outcomes}
    assert found[f"{OLD}-stop"].result is Result.WAITING
    assert f"{NEW}, which takes over, could not be started: required first: R14-policy" in found[f"{OLD}-stop"].message
    assert operator.world().runs() == {OLD}
    world = operator.world()
    world.machines[NEW].faults = {}
    world.save()
    assert operator.through(plan).exit_code == 0
    assert operator.world().runs() == {NEW}


def test_an_old_one_that_runs_beside_another_is_stopped_all_the_same(operator: Operator) -> None:
    """Two send everything twice: nobody is left without one by that stop."""
    name = third(operator)
    plan = operator.planned()
    stop_after(operator, plan, "gateway-ended")
    world = operator.world()
    world.machines[name].services = [replace(world.machines[OLD].services[0])]
    world._service(world.machines[name], run=True)
    world.save()
    ended = operator.through(plan)
    assert (results(ended)[f"{OLD}-stop"], results(ended)[f"{NEW}-start"]) == ("done", "stale")
    assert operator.world().runs() == {name}
