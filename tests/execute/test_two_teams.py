"""Two teams with two journals and one practice: of what they do at the same time, one Connector runs at the most."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from provisioner import processes
from provisioner.ansible.results import StepResult
from provisioner.errors import InputError, JournalError
from provisioner.execute import claims, engine
from provisioner.execute.admission import Asked
from provisioner.journal import Event, Journal, started
from provisioner.model import Plan, Result, Step
from tests.conftest import told
from tests.execute.plans import apply, practice, the_start
from tests.fixtures.documents import promised
from tests.fixtures.fleets import write
from tests.migration.operators import NEW, OLD, Operator
from tests.record.records import run
from tests.worlds import memory
from tests.worlds.disk import LabWorld
from tests.worlds.memory import AT, World, gateway

LATER = AT + timedelta(hours=4)


def test_a_connector_that_another_team_starts_at_the_same_moment_is_seen_and_ours_is_stopped_again(
    tmp_path: Path,
) -> None:
    """The other team's fleet does not know our gateway: no marker of ours can keep it off its own."""
    world, stopped = practice(), list[str]()
    plan = the_start(world)

    def act(steps: Sequence[Step], run_tag: str) -> dict[str, StepResult]:
        said = world.act(steps, run_tag)
        if any(step.remedy == "start" for step in steps):
            world.machines["B84001B"].running = True
        for step in steps:
            if step.values.get("service_state") == "disabled":
                stopped.append(step.gateway)
                world.machines[step.gateway].running = False
        return said

    with Journal.open(tmp_path / "journal.db") as journal:
        ended = apply(world, plan, journal, apply=act)
        (outcome,) = ended.outcomes
        assert outcome.result is Result.FAILED
        assert "a Connector runs on B84001B, of the same practice: this one was stopped again" in outcome.message
        assert (stopped, ended.exit_code) == (["B84001"], 4)
        assert not world.machines["B84001"].running
        assert journal.unended() == {}
        assert journal.verify() == ""


@pytest.mark.parametrize("swapped", ["B84001", "B84001B"])
def test_nothing_is_stopped_because_of_a_pc_that_is_not_the_practices(tmp_path: Path, swapped: str) -> None:
    """Right after the start another PC, with a Connector of its own, answers at one of the two addresses."""
    world, asked = practice(), list[str]()

    def act(steps: Sequence[Step], run_tag: str) -> dict[str, StepResult]:
        said = world.act(steps, run_tag)
        asked.extend(step.id for step in steps)
        if any(step.remedy == "start" for step in steps):
            world.machines["B84001B"].running = True
            world.machines[swapped].right_pc = False
        return said

    with Journal.open(tmp_path / "journal.db") as journal:
        (outcome,) = apply(world, the_start(world), journal, apply=act).outcomes
    assert not [id_ for id_ in asked if id_.endswith("-taken-back")]
    assert outcome.result is (Result.UNKNOWN if swapped == "B84001" else Result.DONE)


def test_one_that_cannot_be_stopped_again_is_said_aloud(tmp_path: Path) -> None:
    world = practice()

    def act(steps: Sequence[Step], run_tag: str) -> dict[str, StepResult]:
        if any(step.values.get("service_state") == "disabled" for step in steps):
            raise OSError("no room for Ansible")
        world.machines["B84001B"].running = any(step.remedy == "start" for step in steps)
        return world.act(steps, run_tag)

    with Journal.open(tmp_path / "journal.db") as journal:
        (outcome,) = apply(world, the_start(world), journal, apply=act).outcomes
        assert outcome.result is Result.FAILED
        assert "could not be stopped again (OSError: no room for Ansible)" in outcome.message
        assert "have one of the two stopped at once" in outcome.message


def test_a_start_waits_while_another_team_has_a_gateway_of_the_practice(tmp_path: Path) -> None:
    world, asked = practice(), list[tuple[str, Any]]()

    def act(steps: Sequence[Step], run_tag: str) -> dict[str, StepResult]:
        asked.extend((step.id, step.values.get(claims.STAYS)) for step in steps)
        held = StepResult(result="held", message="another team works on this gateway: journal j-2")
        return {step.id: held if step.gateway == "B84001B" else StepResult(result="ok") for step in steps}

    with Journal.open(tmp_path / "journal.db") as journal:
        (outcome,) = apply(world, the_start(world), journal, apply=act).outcomes
        assert outcome.result is Result.WAITING
        assert "B84001B, of the same practice: another team works on this gateway" in outcome.message
        # What was claimed is released again, and nothing was started.
        assert asked == [("B84001-marker", True), ("B84001B-marker", True), ("B84001-marker", False)]
        assert journal.unended() == {}


def test_the_peers_are_looked_at_again_once_our_marker_is_on_them(tmp_path: Path) -> None:
    world = practice()

    def act(steps: Sequence[Step], run_tag: str) -> dict[str, StepResult]:
        # The other team was through before our marker was there.
        world.machines["B84001B"].running = True
        assert all(step.role == claims.MARKER for step in steps)
        return {step.id: StepResult(result="ok") for step in steps}

    with Journal.open(tmp_path / "journal.db") as journal:
        (outcome,) = apply(world, the_start(world), journal, apply=act).outcomes
    assert outcome.result is Result.STALE
    assert "a Connector runs on B84001B" in outcome.message


@pytest.mark.parametrize(("absent", "started"), [(True, True), (False, False)])
def test_a_gateway_that_cannot_be_marked_is_passed_over_only_where_it_is_not_there(
    tmp_path: Path, absent: bool, started: bool
) -> None:
    """Somebody has checked it, and said so: of a PC that answers in any way that is no longer enough."""
    world = practice()
    said = memory.only_connector("B84001", "B84001B")
    world.fleet = replace(world.fleet, statements=(*world.fleet.statements, said))
    world.machines["B84001B"].online, world.absent = False, absent
    with Journal.open(tmp_path / "journal.db") as journal:
        plan = replace(the_start(practice()), roles={})
        (outcome,) = apply(world, plan, journal).outcomes
    assert world.machines["B84001"].running is started
    assert (outcome.result is Result.WAITING) is not (outcome.result is Result.DONE)


def test_one_that_comes_back_while_the_others_are_marked_makes_the_start_wait(tmp_path: Path) -> None:
    world = practice()
    world.fleet = replace(world.fleet, statements=(*world.fleet.statements, memory.only_connector("B84001", "B84001B")))
    world.machines["B84001B"].online = False

    def act(steps: Sequence[Step], run_tag: str) -> dict[str, StepResult]:
        assert all(step.role == claims.MARKER and step.gateway == "B84001" for step in steps)
        world.machines["B84001B"].online = True
        return {step.id: StepResult(result="ok") for step in steps}

    with Journal.open(tmp_path / "journal.db") as journal:
        (outcome,) = apply(world, replace(the_start(practice()), roles={}), journal, apply=act).outcomes
    assert outcome.result is Result.WAITING
    assert "B84001B, of the same practice, was away and answers now" in outcome.message


def test_nothing_is_written_on_a_pc_that_is_not_the_practices(tmp_path: Path) -> None:
    """Another PC answers at the standby's address, and somebody has stated that the standby runs no Connector."""
    world, marked = practice(), set[str]()
    world.fleet = replace(world.fleet, statements=(*world.fleet.statements, memory.only_connector("B84001", "B84001B")))
    world.machines["B84001B"].right_pc = False

    def act(steps: Sequence[Step], run_tag: str) -> dict[str, StepResult]:
        marked.update(step.gateway for step in steps)
        return world.act(steps, run_tag)

    with Journal.open(tmp_path / "journal.db") as journal:
        (outcome,) = apply(world, replace(the_start(practice()), roles={}), journal, apply=act).outcomes
    assert (outcome.result, marked) == (Result.DONE, {"B84001"})


def test_a_start_of_a_gateway_that_is_alone_costs_no_marker_of_its_own(tmp_path: Path) -> None:
    world = World(memory.fleet(gateway("B84001")))
    with Journal.open(tmp_path / "journal.db") as journal:
        apply(world, world.plan(), journal)
        assert not journal.events(kinds=("claim_started",))
    assert not [one for one in world.acts if one.endswith("-marker")]


# A lease


def test_no_step_begins_whose_lease_was_taken(tmp_path: Path) -> None:
    world = World(memory.fleet(gateway("B84001"), gateway("B84002"), waves=(5,)))
    somebody = processes.Process(user="alice", host="elsewhere", pid=3, started="x")
    with Journal.open(tmp_path / "journal.db") as journal:

        def read(rows: Sequence[Any], measure: bool) -> Any:
            # Taken between the wave's lease and its first step.
            if any(lease.gateway == "B84001" for lease in journal.leases()):
                journal.break_lease("B84001", "B. Person", "Alice is on leave", world.clock)
                journal.take(["B84001"], somebody, "by hand", world.clock, world.clock + timedelta(hours=9))
            return world.read(rows, measure)

        plan = world.plan()
        ended = apply(world, plan, journal, read=read)
        outcomes = {outcome.step: outcome for outcome in ended.outcomes}
        assert {one.gateway for one in ended.outcomes if one.result is Result.DONE} == {"B84002"}
        assert "the lease of B84001 was taken from this run: alice@elsewhere" in outcomes["B84001-firewall"].message
        assert outcomes["B84001-firewall"].result is Result.WAITING
        assert not [event for event in journal.events(kinds=("step_started",)) if event.gateway == "B84001"]
        assert not [one for one in world.acts if one.startswith("B84001-")]


def test_two_hosts_of_one_name_never_take_each_other_for_dead() -> None:
    me = processes.this()
    boot, ticks = me.started.rpartition(":")[0], me.started.rpartition(":")[2]
    assert not me.dead
    assert replace(me, started=f"{boot}:{int(ticks) + 1}").dead
    # This machine, since it was started anew.
    assert replace(me, started=f"another:{ticks}").dead is bool(me.machine)
    # Another one with this name, another container of this one, and one of which that is not known.
    for machine in ("other", ""):
        assert not replace(me, started=f"another:{ticks}", machine=machine).dead
    assert not replace(me, pid=2**22 + 1, space="pid:[1]").dead
    assert not replace(me, host="elsewhere", pid=2**22 + 1).dead


def test_a_process_that_the_system_hides_is_never_taken_for_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As with hidepid (proc(5)), where another user's processes are not in /proc.
    me = processes.this()
    for known in ("sys/kernel/random", "self/ns"):
        (tmp_path / known).mkdir(parents=True)
    (tmp_path / "sys/kernel/random/boot_id").write_text(processes.boot(), "ascii")
    (tmp_path / "self/ns/pid").symlink_to(me.space)
    monkeypatch.setattr(processes, "_PROC", tmp_path)
    assert (me.near, me.dead) == (False, False)
    for gone in (2**22 + 1, 2**40):
        assert (replace(me, pid=gone).near, replace(me, pid=gone).dead) == (True, True)
    # Nor where it does not say when it was started.
    (tmp_path / "sys/kernel/random/boot_id").unlink()
    assert (me.near, me.dead) == (False, False)
    assert not replace(me, started=":1").dead


# A journal that was copied


def test_a_journal_that_was_copied_changes_nothing_until_it_is_one_of_its_own(tmp_path: Path) -> None:
    LabWorld.make(tmp_path / "one")
    operator = Operator(tmp_path / "one")
    plan = operator.planned()
    with operator.journal() as journal:
        first = journal.id
        assert journal.moved() is None
    operator.run(plan)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    copy = Operator(tmp_path / "two")
    with pytest.raises(JournalError, match="it was moved, or is a copy") as refused:
        copy.run(plan)
    assert "provisioner journal adopt" in refused.value.hint
    assert str(tmp_path / "one" / "journal.db") in refused.value.message
    with copy.journal() as journal:
        journal.take(["A"], processes.this(), "why", AT, LATER)
        new = journal.adopt("me", AT)
        assert (journal.id, journal.moved(), journal.leases()) == (new, None, [])
        assert new != first
        assert journal.names() == (new,)
        assert journal.verify() == ""
    copy.run(plan)
    with operator.journal() as journal:
        assert (journal.id, journal.moved()) == (first, None)


def test_what_was_begun_in_the_first_one_is_unknown_to_a_copy_and_not_ended_by_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    claim = Event(
        at=AT, kind="claim_started", plan="plan-1", step="B84001-marker", gateway="B84001", body={"mark": "m"}
    )
    with Journal.open(path) as journal:
        journal.append([started("B84001-start", "B84001", "plan-1", AT, "m1"), claim])
    shutil.copy(path, tmp_path / "copy.db")
    with Journal.open(tmp_path / "copy.db") as copy:
        copy.adopt("me", LATER)
        assert copy.unended() == {}
        assert copy.progress("plan-1").outcomes["B84001-start"].result is Result.UNKNOWN
        assert copy.events(kinds=("adopted",))[0].body["was"] == f"{path} on {processes.this().host}"
    with Journal.open(path) as journal:
        assert len(journal.unended()["plan-1"]) == 2


def test_the_verb_makes_a_copy_a_journal_of_its_own(tmp_path: Path) -> None:
    folder = write(tmp_path / "fleet", {})
    with Journal.open(folder / ".provisioner" / "journal.db") as journal:
        first = journal.id
    assert "at home where it lies" in run("--fleet", folder, "journal", "adopt").stdout
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    assert f"See {told('journal adopt', copy)}" in run("--fleet", copy, "history").stderr
    with pytest.raises(InputError, match="Nobody can be asked"):
        run("--fleet", copy, "journal", "adopt")
    document = json.loads(run("--fleet", copy, "journal", "adopt", "--yes", "--format", "json").stdout)
    jsonschema.validate(document, promised("adopted"))
    assert (document["was"], document["journal"] != first) == (first, True)
    assert run("--fleet", copy, "history").stderr == ""


@pytest.mark.parametrize("moved", [shutil.copy, shutil.move], ids=["copied", "moved"])
def test_a_journal_knows_when_it_lies_elsewhere(tmp_path: Path, moved: Callable[[Path, Path], object]) -> None:
    path = tmp_path / "journal.db"
    Journal.open(path).close()
    (tmp_path / "new").mkdir()
    moved(path, tmp_path / "new" / "journal.db")
    with Journal.open(tmp_path / "new" / "journal.db") as journal:
        home = journal.moved()
        assert home is not None
        assert str(home) == f"{path} on {processes.this().host}"
        # Looking at it often does not make it at home.
    with Journal.open(tmp_path / "new" / "journal.db", read_only=True) as journal:
        assert journal.moved() == home


def test_a_backup_that_is_put_back_is_not_the_journal_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    Journal.open(path).close()
    shutil.copy(path, tmp_path / "backup.db")
    path.rename(tmp_path / "away.db")
    shutil.copy(tmp_path / "backup.db", path)
    with Journal.open(path) as journal:
        assert journal.moved() is not None


def test_a_run_has_a_name_that_an_older_copy_does_not_know(tmp_path: Path) -> None:
    world = World(memory.fleet(gateway("B84001")))
    path = tmp_path / "journal.db"
    with Journal.open(path) as journal:
        assert journal.names() == (journal.id,)
        apply(world, world.plan(), journal)
        (first,) = journal.names()
        assert first.startswith(f"{journal.id}.")
        apply(world, world.plan(), journal)
        newest, second = journal.names()
        assert (second, newest != first) == (first, True)


def test_the_mover_and_an_older_clone_never_both_start(tmp_path: Path) -> None:
    """A migration is about to start the new gateway; a clone of the fleet from before starts the old one meanwhile."""
    LabWorld.make(tmp_path)
    operator = Operator(tmp_path)
    plan = operator.planned()
    world = operator.world()
    clone = Journal.open(tmp_path / "clone.db")
    fleet, tried = world.fleet, list[Any]()
    rows = {row.name: row for row in fleet.gateways}
    begin = Step(
        id=f"{OLD}-start", gateway=OLD, practice="B84001", kind="playbook", remedy="start", role="service",
        because=("R17-running",), proves=("R17-running",),
    )  # fmt: skip

    def act(steps: Sequence[Step], run_tag: str) -> Any:
        if any(step.remedy == "start" and step.gateway == NEW for step in steps) and not tried:
            older = Plan(
                id="clones", kind="rollout", at=world.clock, audit="a", fleet_digest="f", policy_digest="p1",
                places={OLD: ("B84001", rows[OLD].address)}, waves=(replace(plan.waves[0], steps=(begin,), roles={}),),
                budget=plan.budget,
            )  # fmt: skip
            tried.append(engine.run(older, fleet, clone, world.ports(clone), policy_digest="p1", asked=Asked()))
        return world.act(steps, journal.names())

    with operator.journal() as journal:
        for _ in range(12):
            engine.run(plan, world.fleet, journal, world.ports(journal, apply=act), policy_digest="p1", asked=Asked())
            if tried:
                break
            for step in plan.steps:
                if step.kind == "person":
                    body = {"step": step.remedy, "by": "B. Person", "words": "seen"}
                    journal.append([Event(at=world.now(), kind="confirmed", plan=plan.id, step=step.id, body=body)])
    clone.close()
    ((outcome,),) = [one.outcomes for one in tried]
    assert outcome.result in (Result.WAITING, Result.STALE)
    assert "another team works on this gateway" in outcome.message
    assert world.two_at_once() == []
    assert world.runs() == {NEW}
