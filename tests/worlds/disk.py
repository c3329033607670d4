"""A fleet folder and the lab's own machines on the disk, acted on directly: what a run does there stays done when the
run dies, and the judge of it is what happened on the machines, not our journal.

Reads as an audit does (the lab's evidence, real facts, real policy); acts as the roles would, without Ansible.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

from provisioner import fleet, resources
from provisioner.ansible.results import StepResult
from provisioner.audit import evaluate, facts, policy
from provisioner.evidence import question
from provisioner.evidence.reader import files_of
from provisioner.execute.claims import STAYS
from provisioner.execute.events import Happening, PersonAwaited
from provisioner.execute.ports import Ports
from provisioner.fleet import rewrite
from provisioner.journal import Journal
from provisioner.lab import modules
from provisioner.lab.estate import machines as estate
from provisioner.lab.windows.machine import Machine, WillNotStart
from provisioner.lab.wsman.answer import document
from provisioner.model import Audit, Evidence, Finding, Fleet, Gateway, Problem, Role, Step
from tests.fixtures.lab import CONNECTOR, ENDPOINTS, FOLDER, JRE, PACKAGES, SERVICE
from tests.worlds import judge
from tests.worlds.acts import ACTS, BEGIN, Killed, Roles

POLICY = policy.load(resources.root() / "policy", facts.NAMES)

_FLEET = """\
version: 1
lab: true
endpoints: [{endpoints}]
connection: {{transport: ntlm, tls: false, port: 5985, user: 'LAB\\x', credential: environment}}
packages:
  jre: {{url: 'http://127.0.0.1/jre.zip', sha256: '{jre}', root: jdk}}
  connector: {{url: 'http://127.0.0.1/connector.zip', sha256: '{connector}'}}
  procrun: {{url: 'http://127.0.0.1/procrun.zip', sha256: '{jre}'}}
java: {{version: '17'}}
service: {{name: {service}}}
connector: {{carry: [device.dat]}}
rollout: {{approve_wait: 5, settle: 60}}
"""


# Read once for each text: most looks at a folder find it unchanged.
_FLEETS: dict[bytes, Fleet] = {}


@dataclass
class LabWorld(Roles):
    """Machines by gateway, a clock, and all that happened. `late` are effects on their way: a command whose client is
    gone runs to its end. `mute` ones are on, and give no reading. `broken` maps a step's remedy to what the
    role says when it fails; of those in `lost` it does its work, and the line breaks before it can say so."""

    happened: list[dict[str, Any]] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    offline: set[str] = field(default_factory=set)
    mute: set[str] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    obliging: bool = True

    @classmethod
    def make(cls, folder: Path, practices: Sequence[str] = ("B84001",), new: str = "candidate") -> "LabWorld":
        """Practices with an old gateway that works and a new one with nothing of ours."""
        folder.mkdir(parents=True, exist_ok=True)
        rows = []
        for code in practices:
            rows += [_row(code, f"OLD-{code}", "active"), _row(code, f"NEW-{code}", new)]
        lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
        (folder / "practices.csv").write_text("\n".join(lines) + "\n", "utf-8")
        said = [
            f"{code},,{control},seen,A. Person,2026-11-01,2027-06-01,T-1"
            for code in practices
            for control in ("R3-dedicated", "only-connector")
        ]
        header = "practice,gateway,control,says,by,on,until,ticket"
        (folder / "statements.csv").write_text("\n".join([header, *said]) + "\n", "utf-8")
        digests = {name: str(package["sha256"]) for name, package in PACKAGES.items()}
        text = _FLEET.format(endpoints=", ".join(ENDPOINTS), service=SERVICE, **digests)
        (folder / "fleet.yml").write_text(text, "utf-8")
        found = estate.make(
            rows, state="ready", seed=1, packages=PACKAGES, endpoints=ENDPOINTS, now=BEGIN.timestamp() - 86_400
        )
        world = cls(folder, found)
        for machine in found.values():
            if machine.services:
                machine.disk.write(f"{FOLDER}\\device.dat", b"\x00device of " + machine.name.encode())
        world.save()
        return world

    @classmethod
    def load(cls, folder: Path) -> "LabWorld":
        """The world as it was left."""
        said = json.loads((folder / "world.json").read_text("utf-8"))
        machines = {name: Machine.from_json(one) for name, one in said["machines"].items()}
        for name, machine in machines.items():
            machine.systmone.press_at = said["press_at"][name]
        return cls(
            folder, machines, datetime.fromisoformat(said["clock"]), said["late"], said["slow_start"], said["happened"],
            said["broken"], set(said["offline"]), set(said["mute"]), set(said["lost"]), said["obliging"],
        )  # fmt: skip

    def save(self) -> None:
        """Keep it, all at once."""
        said = {
            "machines": {name: machine.to_json() for name, machine in self.machines.items()},
            "press_at": {name: machine.systmone.press_at for name, machine in self.machines.items()},
            "clock": self.clock.isoformat(), "happened": self.happened, "late": self.late, "broken": self.broken,
            "offline": sorted(self.offline), "mute": sorted(self.mute), "lost": sorted(self.lost),
            "obliging": self.obliging, "slow_start": self.slow_start,
        }  # fmt: skip
        path = self.folder / "world.new"
        path.write_text(json.dumps(said), "utf-8")
        path.replace(self.folder / "world.json")

    @property
    def fleet(self) -> Fleet:
        """The fleet folder as it is now."""
        files = ("practices.csv", "statements.csv", "fleet.yml")
        text = b"\0".join((self.folder / name).read_bytes() for name in files)
        if text not in _FLEETS:
            _FLEETS.clear()
            _FLEETS[text] = fleet.load(self.folder)
        return replace(_FLEETS[text], folder=str(self.folder))

    # Time and people

    def now(self) -> datetime:
        """Each look at the clock takes a moment."""
        self.clock += timedelta(milliseconds=100)
        return self.clock

    def pause(self, seconds: float) -> None:
        """Time passes, and with it what was on its way."""
        self.clock += timedelta(seconds=seconds)
        self.tick()

    def tick(self) -> None:
        """What happens by itself until now."""
        due = [one for one in self.late if datetime.fromisoformat(one["at"]) <= self.clock]
        self.late = [one for one in self.late if one not in due]
        for one in due:
            self._service(self.machines[one["gateway"]], run=True)
        for machine in self.machines.values():
            machine.on_event = self._hears(machine)
            machine.tick(self.clock.timestamp())
        self.save()

    def say(self, happening: Happening) -> None:
        """An obliging practice does at once what it is asked."""
        if not (self.obliging and isinstance(happening, PersonAwaited)):
            return
        for gateway in happening.gateways:
            client = self.machines[gateway].systmone
            if "end SystmOne" in happening.words:
                client.gateway_mode = client.logged_in = False
            elif "start SystmOne" in happening.words:
                client.gateway_mode = client.logged_in = True

    # What a run does things with

    def ports(self, journal: Journal | None = None, **changes: Any) -> Ports:
        """The ports of a run here; with its journal, whose marker is on a gateway while it is worked on."""

        def act(steps: Sequence[Step], run_tag: str) -> dict[str, StepResult]:
            return self.act(steps, journal.names() if journal else ())

        whole: dict[str, Any] = {
            "read": self.read, "apply": act, "notify": self.say, "now": self.now, "pause": self.pause,
            "interrupted": lambda: False, "kill_leftovers": lambda run_tag: 0,
            "probe": lambda row: row.name not in self.offline,
            "change_rows": lambda roles: rewrite.change_roles(self.folder, roles), "ask": lambda why: True,
        }  # fmt: skip
        return Ports(**whole | changes)

    def audit(self, rows: Sequence[Gateway]) -> Audit:
        """An audit of these gateways in these roles."""
        evidence, findings = self.read(rows, True)
        return Audit(
            id=f"audit-{len(self.happened)}-{self.clock:%H%M%S%f}", at=self.clock, fleet_digest=self.fleet.digest,
            policy_digest="p1", gateways=tuple(rows), controls=POLICY.controls, evidence=tuple(evidence),
            findings=tuple(finding for row in rows for finding in findings[row.name]),
        )  # fmt: skip

    def read(self, rows: Sequence[Gateway], measure: bool) -> tuple[list[Evidence], dict[str, list[Finding]]]:
        """Evidence and findings, as an audit has them."""
        self.tick()
        whole = self.fleet
        given = {row.name: row for row in rows}
        whole = replace(whole, gateways=tuple(given.get(row.name, row) for row in whole.gateways))
        evidence = [self._evidence(row, whole) for row in rows]
        known = {
            one.gateway: facts.derive(one, given[one.gateway], whole.settings, POLICY.lifecycle, self.clock, None)
            for one in evidence
        }
        found: dict[str, list[Finding]] = {row.name: [] for row in rows}
        for finding in evaluate.evaluate(whole, evidence, POLICY.controls, known, self.clock):
            found[finding.gateway].append(finding)
        return evidence, found

    def _evidence(self, row: Gateway, whole: Fleet) -> Evidence:
        if row.name in self.offline:
            problem = Problem(kind="Unreachable", message="no connection", hint="Is it on?", absent=True)
            return Evidence(gateway=row.name, taken_at=self.clock, seconds=1.0, error=problem)
        if row.name in self.mute:
            problem = Problem(kind="Unreachable", message="WinRM has no room", hint="Wait some minutes.")
            return Evidence(gateway=row.name, taken_at=self.clock, seconds=1.0, error=problem)
        asked = question.question(whole.settings, question.SECTIONS, files_of(whole))
        said = document(self.machines[row.name], asked, self.clock.timestamp())
        sections = {name: one["data"] for name, one in said["sections"].items()}
        return Evidence(gateway=row.name, taken_at=self.clock, seconds=1.0, sections=sections)

    def act(self, steps: Sequence[Step], names: Sequence[str] = ()) -> dict[str, StepResult]:
        """Do the steps as playbooks/rollout.yml would, under the marker of the journal of these names if there is one;
        each step's effect is kept before the next."""
        said: dict[str, StepResult] = {}
        for gateway, own in groupby(sorted(steps, key=lambda one: one.gateway), key=lambda one: one.gateway):
            these = list(own)
            held = self._mark(gateway, names, these, "present")
            for step in these:
                self.between()
                said[step.id] = held or self._one(step)
                self.save()
            self.between()
            if not held and not these[-1].values.get(STAYS):
                self._mark(gateway, names, these, "absent")
                self.save()
        return said

    def between(self) -> None:
        """Before and after each step, for who else is at work in this world."""

    def _mark(self, gateway: str, names: Sequence[str], steps: Sequence[Step], state: str) -> StepResult | None:
        """Claim or release a gateway by the lab's own module; what is said of all its steps where that fails."""
        if not names:
            return None
        if gateway in self.offline:
            return StepResult(result="unreachable", message="no route to it")
        given = {"journal": names[0], "known": list(names[1:]), "step": steps[0].id, "minutes": 120, "state": state}
        machine = self.machines[gateway]
        machine.on_event = lambda event: None
        answer = modules.run(
            machine, "work_marker", given, check=False, diff=False, fetch=_nothing, now=self.clock.timestamp()
        )
        return StepResult(result="held", message=answer["msg"]) if answer.get("held") else None

    def _one(self, step: Step) -> StepResult:
        machine = self.machines[step.gateway]
        machine.on_event = self._hears(machine)
        self.clock += timedelta(seconds=3)
        if step.gateway in self.offline | self.mute:
            return StepResult(result="unreachable", message="no route to it")
        if why := self.broken.get(f"{step.gateway}/{step.remedy}") or self.broken.get(step.remedy):
            return StepResult(result="failed", message=why)
        before = self._found(machine, step)
        if step.restores:
            self._restore(machine, step)
        else:
            try:
                ACTS[step.remedy](self, machine, step)
            except WillNotStart as failure:
                return StepResult(result="failed", message=str(failure), before=before)
        if step.remedy in self.lost:
            return StepResult(result="unreachable", message="the line broke")
        return StepResult(result="ok", changed=True, before=before, seconds=3.0, output=(f"changed: {step.remedy}",))

    def _hears(self, machine: Machine) -> Callable[[dict[str, Any]], None]:
        def hear(event: dict[str, Any]) -> None:
            self.happened.append({"at": self.clock.isoformat(), "gateway": machine.name, **event})

        return hear

    # The judge

    def two_at_once(self) -> list[str]:
        """Each moment at which two Connectors of one practice ran."""
        rows = {row.name: row.practice for row in self.fleet.gateways}
        return judge.two_at_once(self.happened, rows, (name for name in rows if name.startswith("OLD-")))

    def runs(self) -> set[str]:
        """The gateways on which a Connector runs now."""
        return {
            name for name, machine in self.machines.items() if any(one.state == "running" for one in machine.services)
        }

    def roles(self) -> dict[str, str]:
        """What practices.csv says."""
        return {row.name: row.role.value for row in self.fleet.gateways}


def _nothing(url: str) -> bytes:
    raise OSError("404")


def _row(practice: str, gateway: str, role: str) -> dict[str, str]:
    return {"practice": practice, "name": f"Practice {practice}", "gateway": gateway, "address": "127.0.0.1",
            "role": role, "path": f"/{gateway}/wsman"}  # fmt: skip


__all__ = ["CONNECTOR", "JRE", "POLICY", "Killed", "LabWorld", "Role"]
