"""A small world for plans and rollouts: gateways with a firewall rule, a service and a Connector, in memory.

`World.read` answers as collect, facts and evaluate together would; `World.act` does as Ansible would.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from provisioner.ansible.results import StepResult
from provisioner.execute.claims import MARKER
from provisioner.execute.ports import Ports
from provisioner.model import (
    Audit,
    Control,
    Evidence,
    Finding,
    Fleet,
    Gateway,
    Impact,
    Plan,
    Problem,
    Role,
    Statement,
    Status,
    Step,
)
from provisioner.model.settings import Package, Rollout, Service, Settings
from provisioner.plan import rollout as planning

AT = datetime(2026, 11, 23, 20, 15, tzinfo=UTC)


def control(id: str, title: str, *, remedy: str = "", owner: str = "", ask: str = "") -> Control:
    return Control(
        id=id, requirement=id.partition("-")[0], title=title, impact=Impact.REQUIRED, fact=id, operator="is",
        operand=True, remedy=remedy, owner=owner, ask=ask,
    )  # fmt: skip


CONTROLS = (
    control("R2-logged-in", "somebody is logged in", owner="practice", ask="Log in."),
    control("R5-identity", "the same PC", owner="icb-it", ask="Look at the address."),
    control("R14-rule", "the firewall rule", remedy="firewall"),
    control("R17-service", "the service", remedy="service"),
    control("R17-recovery", "restarts by itself", remedy="service"),
    control("R17-running", "the Connector runs", remedy="start"),
    control("R17-working", "the Connector works", owner="practice"),
    control("R17-stopped", "no Connector runs", owner="icb-it", ask="Stop it."),
    control("retired-service", "no service", remedy="service"),
    control("retired-rule", "no rule", remedy="firewall"),
)
# What is asked of a retired gateway, and of no other.
OF_RETIRED = frozenset({"R17-stopped", "retired-service", "retired-rule"})


def gateway(name: str, role: Role = Role.ACTIVE, practice: str = "", address: str = "") -> Gateway:
    return Gateway(
        name=name, practice=practice or name, practice_name=f"Practice {name}", role=role, port=5985, path="/wsman",
        address=address or f"{name.lower()}.example.test",
    )  # fmt: skip


def only_connector(practice: str, gateway: str = "", until: date = date(2027, 1, 1)) -> Statement:
    return Statement(
        control="only-connector", practice=practice, gateway=gateway, says="no other PC runs one", by="A. Person",
        on=date(2026, 11, 1), until=until,
    )  # fmt: skip


def no_connector(practice: str) -> Statement:
    return replace(only_connector(practice), control="no-connector-wanted", says="the practice has closed")


def fleet(*gateways: Gateway, statements: Sequence[Statement] | None = None, **rollout: Any) -> Fleet:
    """A fleet; without `statements` each practice has said that no other PC runs a Connector."""
    if statements is None:
        statements = [only_connector(practice) for practice in dict.fromkeys(one.practice for one in gateways)]
    settings = Settings(
        version=1, endpoints=("192.0.2.5", "192.0.2.9", "192.0.2.15", "192.0.2.16"), lab=True,
        service=Service(name="iPlatoConnector"), rollout=Rollout(**rollout),
        packages={"procrun": Package(sha256="ab" * 32, path="C:\\Packages\\procrun.zip")},
    )  # fmt: skip
    return Fleet(
        folder="/fleet", settings=settings, gateways=gateways, statements=tuple(statements), waivers=(), digest="f1"
    )


@dataclass
class Machine:
    """One PC. `broken` maps a role to what Ansible says when it is run there."""

    rule: bool = False
    service: bool = False
    well_set: bool = True
    running: bool = False
    approved: bool = True
    logged_in: bool = True
    right_pc: bool | None = True
    online: bool = True
    unfinished: str = ""
    other_rule: str = ""
    broken: dict[str, str] = field(default_factory=dict)


class World:
    """The PCs of a fleet, a clock that stands until somebody pauses, and what was done to each PC."""

    def __init__(self, rows: Fleet, **machines: Machine) -> None:
        self.fleet = rows
        self.machines = {one.name: machines.get(one.name, Machine()) for one in rows.gateways}
        self.clock = AT
        self.acts: list[str] = []
        self.readings: list[tuple[tuple[str, ...], bool]] = []
        self.presses_after: timedelta | None = None
        # Whether nothing accepts a connection at a gateway that is not online.
        self.absent = True
        self._numbers = itertools.count()

    def now(self) -> datetime:
        return self.clock

    def pause(self, seconds: float) -> None:
        self.clock += timedelta(seconds=seconds)
        if self.presses_after is not None and self.clock - AT >= self.presses_after:
            for machine in self.machines.values():
                machine.approved = True

    def evidence(self, row: Gateway) -> Evidence:
        machine = self.machines[row.name]
        if not machine.online:
            problem = Problem(kind="Unreachable", message="no connection", hint="Is it on?", absent=self.absent)
            return Evidence(gateway=row.name, taken_at=self.clock, seconds=1.0, error=problem)
        service = {"name": "iPlatoConnector", "state": "running" if machine.running else "stopped"}
        unfinished = [{"pid": 7, "what": machine.unfinished, "started": None}] if machine.unfinished else []
        sections: dict[str, Mapping[str, Any]] = {
            "service": {"wanted": "iPlatoConnector", "service": service if machine.service else None, "others": []},
            "connector": {"processes": []},
            "ours": {"marker": None, "unfinished": unfinished, "kept": 0},
        }
        return Evidence(gateway=row.name, taken_at=self.clock, seconds=1.0, sections=sections)

    def findings(self, row: Gateway) -> list[Finding]:
        machine = self.machines[row.name]
        if not machine.online:
            return [_finding(row, one.id, Status.ERROR, "not read") for one in CONTROLS]
        absent = None if not machine.service else "stopped"
        working: bool | None = machine.running and machine.approved and machine.logged_in
        facts: dict[str, tuple[bool | None, str]] = {
            "R2-logged-in": (machine.logged_in, "nobody"),
            "R5-identity": (machine.right_pc, "another serial number"),
            "R14-rule": (machine.rule, machine.other_rule or "no rule"),
            "R17-service": (
                machine.service and machine.well_set,
                "another service" if machine.service else "no service",
            ),
            "R17-recovery": (True if machine.service else None, "no service"),
            "R17-running": (machine.running if machine.service else None, absent or "no service"),
            "R17-working": (working, "it does not"),
            "R17-stopped": (not machine.running, "one runs"),
            "retired-service": (not machine.service, "a service"),
            "retired-rule": (not machine.rule, "a rule"),
        }
        asked = OF_RETIRED | {"R5-identity"} if row.role is Role.RETIRED else facts.keys() - OF_RETIRED
        return [
            _finding(row, id, {True: Status.PASSED, False: Status.FAILED, None: Status.UNKNOWN}[held], found)
            if id in asked
            else _finding(row, id, Status.NOT_APPLICABLE, "not asked")
            for id, (held, found) in facts.items()
        ]

    def read(self, rows: Sequence[Gateway], measure: bool) -> tuple[list[Evidence], dict[str, list[Finding]]]:
        self.readings.append((tuple(row.name for row in rows), measure))
        return [self.evidence(row) for row in rows], {row.name: self.findings(row) for row in rows}

    def change_rows(self, roles: Mapping[str, Role]) -> None:
        rows = (replace(row, role=roles.get(row.name, row.role)) for row in self.fleet.gateways)
        self.fleet = replace(self.fleet, gateways=tuple(rows))

    def act(self, steps: Sequence[Step], run_tag: str) -> dict[str, StepResult]:
        return {step.id: self._one(step) for step in steps}

    def _one(self, step: Step) -> StepResult:
        machine = self.machines[step.gateway]
        if step.remedy == MARKER:
            return StepResult(
                result="ok" if machine.online else "unreachable", message="" if machine.online else "no route"
            )
        self.acts.append(step.id)
        if not machine.online:
            return StepResult(result="unreachable", message="no route")
        if step.remedy in machine.broken:
            return StepResult(result="failed", message=machine.broken[step.remedy])
        if step.remedy == "firewall":
            machine.rule = not step.removes
        elif step.remedy == "service":
            machine.service, machine.well_set = not step.removes, True
            machine.running &= machine.service
        elif step.remedy in ("start", "stop"):
            machine.running = step.remedy == "start"
        return StepResult(result="ok", changed=True, before={"was": "nothing"}, seconds=2.0)

    def audit(self) -> Audit:
        rows = self.fleet.gateways
        return Audit(
            id="audit-1", at=self.clock, fleet_digest=self.fleet.digest, policy_digest="p1", gateways=rows,
            controls=CONTROLS, evidence=tuple(self.evidence(row) for row in rows),
            findings=tuple(finding for row in rows for finding in self.findings(row)),
        )  # fmt: skip

    def plan(self, **options: Any) -> Plan:
        number = next(self._numbers)
        return planning.make(self.audit(), self.fleet, at=self.clock, plan_id=f"plan-{number}", **options)


def ports(world: World, **changes: Any) -> Ports:
    """The ports of a run in that world; nobody is probed in vain, and whoever is asked says to go on."""
    whole: dict[str, Any] = {
        "read": world.read, "apply": world.act, "notify": lambda happening: None, "now": world.now,
        "pause": world.pause, "interrupted": lambda: False, "kill_leftovers": lambda run_tag: 0,
        "change_rows": world.change_rows, "probe": lambda row: world.machines[row.name].online, "ask": lambda why: True,
    }  # fmt: skip
    return Ports(**whole | changes)


def _finding(row: Gateway, id: str, status: Status, found: str) -> Finding:
    return Finding(
        gateway=row.name, practice=row.practice, control=id, status=status, expected="as wanted",
        actual="as wanted" if status is Status.PASSED else found, message=f"{id}: {found}",
        value=None if status is Status.UNKNOWN else found if status is Status.FAILED else "as wanted",
    )  # fmt: skip
