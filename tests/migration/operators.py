"""An operator who moves a practice on the lab's machines."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from provisioner.execute import engine
from provisioner.execute.admission import Asked
from provisioner.journal import Event, Journal
from provisioner.migration import stages
from provisioner.model import FINISHED, Audit, Plan, Result
from provisioner.plan import undo
from tests.worlds.disk import LabWorld

OLD, NEW = "OLD-B84001", "NEW-B84001"


@dataclass
class Operator:
    """Somebody who gives the commands, with the journal of their team."""

    folder: Path

    def world(self) -> LabWorld:
        return LabWorld.load(self.folder)

    def planned(self, number: int = 1) -> Plan:
        """The migration, planned and saved."""
        world = self.world()
        fleet = world.fleet
        move = stages.resolve_move(fleet, "B84001", NEW, world.clock.date())
        audit = world.audit(stages.in_roles(fleet, stages.before(move)).known)
        plan = stages.make(audit, fleet, move, at=world.now(), plan_id=f"move-{number}")
        with self.journal() as journal:
            journal.save(audit)
            journal.save(plan)
        world.save()
        return plan

    def journal(self) -> Journal:
        return Journal.open(self.folder / "journal.db")

    def run(self, plan: Plan, **changes: Any) -> engine.Ended:
        """One command; what it does to the world stays."""
        world = self.world()
        with self.journal() as journal:
            ended = engine.run(
                plan, world.fleet, journal, world.ports(journal, **changes), policy_digest="p1", asked=Asked()
            )
        world.save()
        return ended

    def through(self, plan: Plan, most: int = 12) -> engine.Ended:
        """The command again and again, with a person who confirms what no reading shows."""
        for _ in range(most):
            ended = self.run(plan)
            waiting = {outcome.step for outcome in ended.outcomes if outcome.result is Result.WAITING}
            asked = [step for step in plan.steps if step.id in waiting and step.kind == "person" and not step.proves]
            if not asked:
                return ended
            for step in asked:
                self.confirm(plan, step.remedy)
        return ended

    def confirm(self, plan: Plan, remedy: str) -> None:
        step = next(step for step in plan.steps if step.remedy == remedy)
        world, body = self.world(), {"step": remedy, "by": "B. Person", "words": "seen"}
        with self.journal() as journal:
            journal.append([Event(at=world.now(), kind="confirmed", plan=plan.id, step=step.id, body=body)])

    def back(self, plan: Plan, number: int = 1) -> Plan:
        """The way back, planned and saved."""
        world = self.world()
        with self.journal() as journal:
            audit = journal.load(plan.audit)
            assert isinstance(audit, Audit)
            acted = undo.acted_on(
                (event.kind, event.step, event.body)
                for event in journal.events(plan.id, kinds=("step_started", "step_ended"))
            )
            outcomes = {
                id: one for id, one in journal.progress(plan.id).outcomes.items() if one.result in FINISHED
            }  # fmt: skip
            made = stages.back(
                plan,
                audit,
                world.fleet,
                acted,
                outcomes,
                at=world.now(),
                plan_id=f"undo-{number}",
            )
            journal.save(made)
        return made


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    LabWorld.make(tmp_path)
    return Operator(tmp_path)


def results(ended: engine.Ended) -> dict[str, str]:
    return {outcome.step: outcome.result.value for outcome in ended.outcomes}


def state(operator: Operator, gateway: str, says: str) -> None:
    """A person states that the PC is switched off and stays so."""
    said = operator.folder / "statements.csv"
    row = f"B84001,{gateway},switched-off,{says},C. Person,2026-11-01,2027-06-01,T-2\n"
    said.write_text(said.read_text("utf-8") + row, "utf-8")


def stop_after(operator: Operator, plan: Plan, last: str) -> None:
    """Run until that step has ended, and no further."""
    seen: list[str] = []
    for _ in range(8):
        world = operator.world()

        def say(happening: object, world: LabWorld = world) -> None:
            world.say(happening)  # type: ignore[arg-type]
            outcome = getattr(happening, "outcome", None)
            if outcome is not None and outcome.result in FINISHED:
                seen.append(next(step.remedy for step in plan.steps if step.id == outcome.step))

        with operator.journal() as journal:
            ended = engine.run(
                plan,
                world.fleet,
                journal,
                world.ports(notify=say, interrupted=lambda: last in seen),
                policy_digest="p1",
            )
        world.save()
        if last in seen:
            return
        for step in plan.steps:
            if step.kind == "person" and not step.proves and results(ended)[step.id] == "waiting":
                operator.confirm(plan, step.remedy)
    raise AssertionError(f"{last} was not reached: {results(ended)}")


def judged(operator: Operator, runs: set[str], roles: Mapping[str, str]) -> None:
    world = operator.world()
    assert world.two_at_once() == []
    assert world.runs() == runs
    assert world.roles() == roles
    with operator.journal() as journal:
        assert journal.verify() == ""
        assert journal.leases() == []
        begun = {event.gateway for event in journal.events(kinds=("step_started",))}
    assert {event["gateway"] for event in world.happened if event["event"] != "approve_pressed"} <= begun
