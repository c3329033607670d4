"""A storm of two teams: two journals, two clones of one fleet, clocks a day apart, and gateways that answer badly. The
first team has two runs at a time, in one process and with one journal.

All run at the same time on the lab's machines, and whose turn it is changes at each reading, step and moment of
waiting, drawn from a seed. The judge is what happened on the machines: two Connectors of one practice, or two at
work on one PC at the same time.
"""

import random
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from provisioner.ansible.results import StepResult
from provisioner.errors import JournalError, ProvisionerError
from provisioner.execute import engine
from provisioner.execute.admission import Asked
from provisioner.fleet import rewrite
from provisioner.journal import Event, Journal, standing
from provisioner.migration import stages
from provisioner.model import FINISHED, Audit, Gateway, Plan, Result, Step
from provisioner.model.plan import CARRY
from provisioner.plan import rollout as planning
from provisioner.plan import undo
from tests.worlds import judge
from tests.worlds.disk import LabWorld

PRACTICES = ("B84001", "B84002")
# How often the weather changes when a turn ends.
_CHANGEABLE = 0.04
_CLOCKS = (0, 60, -900, 10_800, -10_800, 86_000, -86_000)


class Turns:
    """Whose turn it is, of threads that run one at a time; who comes next is drawn."""

    def __init__(self, chance: random.Random, names: Sequence[str]) -> None:
        self._chance, self._left, self._turn = chance, list(names), names[0]
        self._changed = threading.Condition()

    def begin(self, name: str) -> None:
        """Wait for one's first turn."""
        with self._changed:
            self._changed.wait_for(lambda: self._turn == name)

    def pass_on(self, name: str) -> None:
        """Somebody goes on, maybe the same one."""
        with self._changed:
            self._turn = self._chance.choice(self._left)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._turn == name)

    def end(self, name: str) -> None:
        """One is through."""
        with self._changed:
            self._left.remove(name)
            if self._left:
                self._turn = self._chance.choice(self._left)
            self._changed.notify_all()


@dataclass
class Place(LabWorld):
    """The machines that both teams work on; `folder` is the fleet of whoever has the turn."""

    team: str = ""
    apart: timedelta = timedelta()
    passing: Callable[[], None] = lambda: None
    overlaps: list[str] = field(default_factory=list)
    busy: dict[str, str] = field(default_factory=dict)
    at_work: dict[str, str] = field(default_factory=dict)
    stated: set[str] = field(default_factory=set)

    def save(self) -> None:
        """It lives in memory only."""

    def between(self) -> None:
        self.passing()

    def _mark(self, gateway: str, names: Sequence[str], steps: Sequence[Step], state: str) -> StepResult | None:
        """Who has a gateway is whose journal was let in there; another one that is let in beside is a violation, and so
        is another run of the same journal while the first is at work."""
        said = super()._mark(gateway, names, steps, state)
        if said is None and state == "absent":
            self.busy.pop(gateway, None)
            self.at_work.pop(gateway, None)
        elif said is None:
            for who, me in ((self.busy, self.folder.name), (self.at_work, self.team)):
                if who.setdefault(gateway, me) != me:
                    self.overlaps.append(f"{self.clock}: {who[gateway]} and {me} at once on {gateway}")
        return said

    def act(self, steps: Sequence[Step], names: Sequence[str] = ()) -> dict[str, StepResult]:
        """As ever; afterwards nobody is at work there."""
        try:
            return super().act(steps, names)
        finally:
            for step in steps:
                if self.at_work.get(step.gateway) == self.team:
                    del self.at_work[step.gateway]


@dataclass
class Team:
    """One team's fleet folder, its journal, and its clock's distance from the right time."""

    name: str
    world: Place
    folder: Path
    turns: Turns
    chance: random.Random
    apart: timedelta
    mover: bool
    practices: Sequence[str]
    told: Counter[str] = field(default_factory=Counter)

    def live(self, commands: int) -> None:
        """Some commands, one after the other, as they come to mind."""
        self.turns.begin(self.name)
        self._mine()
        try:
            for number in range(commands):
                command = self.chance.choice((self._move, self._move, self._roll_out, self._roll_out, self._back))
                if self.chance.random() < 0.7:
                    command = self._move if self.mover else self._roll_out
                with suppress(ProvisionerError):
                    with self._journal() as journal:
                        command(journal, number)
                    self.told["commands"] += 1
                self._pass()
        finally:
            self.turns.end(self.name)

    def _journal(self) -> Journal:
        return Journal.open(self.folder / "journal.db")

    def _mine(self) -> None:
        self.world.folder, self.world.team, self.world.passing = self.folder, self.name, self._pass
        self.world.apart = self.apart

    def _pass(self) -> None:
        if self.chance.random() < _CHANGEABLE:
            weather(self.world, self.chance)
            self.told["faults"] += 1
        self.turns.pass_on(self.name)
        self._mine()

    # The commands

    def _move(self, journal: Journal, number: int) -> None:
        """Begin to move a practice's gateway, or go on with it."""
        practice = self.chance.choice(self.practices)
        open_ = standing.open_migrations(journal).get(practice)
        if open_:
            plan = journal.load(open_)
            assert isinstance(plan, Plan)
        else:
            plan = self._planned(journal, practice, f"move-{self.name}-{number}")
        self._through(journal, plan)

    def _planned(self, journal: Journal, practice: str, id_: str) -> Plan:
        fleet = self.world.fleet
        to = next(row.name for row in fleet.known if row.practice == practice and row.role in ("standby", "candidate"))
        move = stages.resolve_move(fleet, practice, to, self.world.clock.date())
        rows = [row for row in stages.in_roles(fleet, stages.before(move)).known if row.practice == practice]
        audit = self.world.audit(rows)
        plan = stages.make(audit, fleet, move, at=self.world.now(), plan_id=id_)
        journal.save(audit)
        journal.save(plan)
        return plan

    def _back(self, journal: Journal, number: int) -> None:
        """The way back of an open migration."""
        for id_ in standing.open_migrations(journal).values():
            plan = journal.load(id_)
            assert isinstance(plan, Plan)
            audit = journal.load(plan.audit)
            assert isinstance(audit, Audit)
            acted = undo.acted_on(
                (one.kind, one.step, one.body) for one in journal.events(id_, kinds=("step_started", "step_ended"))
            )
            ended = {name: one for name, one in journal.progress(id_).outcomes.items() if one.result in FINISHED}
            made = stages.back(
                plan, audit, self.world.fleet, acted, ended, at=self.world.now(), plan_id=f"back-{self.name}-{number}"
            )  # fmt: skip
            journal.save(made)
            self._through(journal, made)
            return

    def _roll_out(self, journal: Journal, number: int) -> None:
        """Audit, plan, and apply a while later what may be out of date by then."""
        fleet = self.world.fleet
        audit = self.world.audit(fleet.known)
        plan = planning.make(audit, fleet, at=self.world.now(), plan_id=f"plan-{self.name}-{number}")
        journal.save(audit)
        journal.save(plan)
        for _ in range(self.chance.randrange(6)):
            self._pass()
        self._run(journal, plan)

    def _through(self, journal: Journal, plan: Plan) -> None:
        for _ in range(self.chance.randrange(1, 8)):
            ended = self._run(journal, plan)
            waiting = {outcome.step for outcome in ended.outcomes if outcome.result is Result.WAITING}
            by_hand = [step for step in plan.steps if step.kind == "person" or step.remedy == CARRY]
            asked = [step for step in by_hand if step.id in waiting and not step.proves]
            for step in asked:
                body = {"step": step.remedy, "by": "B. Person", "words": "seen"}
                journal.append([Event(at=self._now(), kind="confirmed", plan=plan.id, step=step.id, body=body)])
            if not asked:
                return

    def _run(self, journal: Journal, plan: Plan) -> engine.Ended:
        ports = self.world.ports(
            journal,
            read=self._read,
            apply=lambda steps, run_tag: self._act(journal, steps),
            now=self._now,
            pause=self._pause,
            change_rows=lambda roles: rewrite.change_roles(self.folder, roles),
        )
        try:
            return engine.run(plan, self.world.fleet, journal, ports, policy_digest="p1", asked=Asked())
        except JournalError:
            self.told["copies"] += 1
            journal.adopt(self.name, self._now())
            raise

    # What a run does things with

    def _now(self) -> Any:
        return self.world.now() + self.apart

    def _pause(self, seconds: float) -> None:
        self.world.pause(seconds)
        self._pass()

    def _read(self, rows: Sequence[Gateway], measure: bool) -> Any:
        found = self.world.read(rows, measure)
        self._pass()
        return found

    def _act(self, journal: Journal, steps: Sequence[Step]) -> dict[str, StepResult]:
        self._pass()
        return self.world.act(steps, journal.names())


def storm(folder: Path, seed: str, survived: Counter[str]) -> list[str]:
    """One evening of two teams; what went wrong on the machines, in words."""
    chance = random.Random(seed)
    # The second run of the first team's.
    names = ("one", "two", "beside")
    practices = PRACTICES[: chance.randrange(1, 3)]
    made = LabWorld.make(folder / "one", practices, new="standby")
    world = Place(folder / "one", made.machines)
    _as_found(world, practices, chance)
    weather(world, chance)
    _copied(folder, chance)
    running = world.runs()
    turns = Turns(chance, names)
    teams = [
        Team(
            name,
            world,
            folder / ("two" if name == "two" else "one"),
            turns,
            chance,
            timedelta(seconds=chance.choice(_CLOCKS)),
            mover=mover,
            practices=practices,
        )
        for name, mover in zip(names, (*chance.choice(((True, False), (False, True), (True, True))), True), strict=True)
    ]
    with ThreadPoolExecutor(len(teams)) as pool:
        lives = [pool.submit(team.live, chance.randrange(2, 6)) for team in teams]
    for life in lives:
        life.result()
    survived["evenings"] += 1
    for team in teams:
        survived.update(team.told)
    practice_of = {name: name.partition("-")[2] for name in world.machines}
    return judge.two_at_once(world.happened, practice_of, running) + world.overlaps


def _as_found(world: Place, practices: Sequence[str], chance: random.Random) -> None:
    """Machines whose clocks are wrong, Connectors that stand still, and a statement that is out of date."""
    for machine in world.machines.values():
        if chance.random() < 0.2:
            machine.faults["clock_skew"] = str(chance.choice(_CLOCKS))
        if machine.services and chance.random() < 0.3:
            machine.stop(machine.services[0])
    for practice in practices:
        if chance.random() < 0.5:
            world.stated.add(f"OLD-{practice}")
            with (world.folder / "statements.csv").open("a", encoding="utf-8") as file:
                file.write(f"{practice},OLD-{practice},switched-off,unplugged,A. Person,2026-11-01,2027-06-01,T-2\n")


def _copied(folder: Path, chance: random.Random) -> None:
    """The second team has a clone of the folder; its journal is a new one, or a copy of the first team's."""
    if chance.random() < 0.5:
        Journal.open(folder / "one" / "journal.db").close()
    shutil.copytree(folder / "one", folder / "two")


def weather(world: Place, chance: random.Random) -> None:
    """Some gateways go away, answer badly or come back; some answers are lost, some steps break."""
    names = list(world.machines)
    # One that is stated to be off, is on, and accepts nothing is beyond anybody's knowledge; one that answers is not.
    world.offline = {chance.choice(sorted(set(names) - world.stated))} if chance.random() < 0.2 else set()
    world.mute = {chance.choice(sorted(world.stated) or names)} if chance.random() < 0.5 else set()
    for machine in world.machines.values():
        if chance.random() < 0.5:
            # Somebody at the practice starts SystmOne as they always did.
            machine.systmone.gateway_mode = machine.systmone.logged_in = True
    world.lost = {chance.choice(("start", "stop", "service"))} if chance.random() < 0.2 else set()
    world.broken = {chance.choice(("java", "service", "carry")): "it broke"} if chance.random() < 0.1 else {}
