"""What each remedy's role does to one of the lab's machines, and finds there, without Ansible."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from provisioner.execute.claims import MARKER
from provisioner.lab.estate import machines as estate
from provisioner.lab.windows.hosts import PROCRUN
from provisioner.lab.windows.machine import Machine, stamp
from provisioner.lab.windows.package import MANIFEST, put, take_away
from provisioner.model import Step
from tests.fixtures.lab import ENDPOINTS, FOLDER, IMAGE, JAVA_HOME, PACKAGES, SERVICE

BEGIN = datetime(2026, 11, 28, 20, 0, tzinfo=UTC)


class Killed(BaseException):
    """The run dies here, as by kill -9: nothing of it is cleaned up."""


@dataclass
class Roles:
    """The machines on which roles act, by gateway, at which time. `late` are effects on their way; a start takes
    `slow_start` seconds, and its client is gone by then."""

    folder: Path
    machines: dict[str, Machine] = field(default_factory=dict)
    clock: datetime = BEGIN
    late: list[dict[str, Any]] = field(default_factory=list)
    slow_start: float = 0.0

    def save(self) -> None:
        """Keep all of it as it is now."""

    def _found(self, machine: Machine, step: Step) -> dict[str, Any]:
        """What the step's role says that it found: as far as anything here asks for it, in that role's own words."""
        match step.role:
            case "java" | "connector":
                folder = JAVA_HOME if step.role == "java" else FOLDER
                return {"package": machine.disk.exists(f"{folder}\\{MANIFEST}")}
            case "antivirus":
                return {"path": IMAGE in machine.defender.paths, "process": False}
            case "carry":
                there = [path for path in step.values["carry_paths"] if machine.disk.file(path)]
                return {"files": dict.fromkeys(there, "checksum")}
            case "firewall":
                return {"exists": bool(machine.firewall.rules)}
            case "power":
                return {"sleep_seconds": machine.power.sleep_seconds}
            case "service" | "marker":
                return {"exists": bool(machine.services)}
        raise KeyError(step.role)

    def _restore(self, machine: Machine, step: Step) -> None:
        was = step.values[f"{step.role}_before"]
        if step.role == "service" and not was["exists"]:
            self._service(machine, run=False)
            machine.services.clear()
            machine.disk.remove(f"{FOLDER}\\{SERVICE}.exe")
        elif step.role == "firewall":
            machine.firewall.rules.clear()
        elif step.role == "antivirus":
            machine.defender.paths.clear()
        elif step.role in ("connector", "java") and not was["package"]:
            folder = FOLDER if step.role == "connector" else JAVA_HOME
            take_away(machine.disk, folder, f"{folder}\\{MANIFEST}", with_folder=True)
            if not list(machine.disk.under(FOLDER)):
                machine.disk.remove(FOLDER)
        elif step.role == "carry":
            machine.disk.remove(f"{FOLDER}\\device.dat")
        elif step.role == "power":
            machine.power.sleep_seconds = was["sleep_seconds"]
        elif step.role not in ("connector", "java", "service"):
            raise KeyError(step.role)
        machine.happened("put_back", role=step.role)

    def _service(self, machine: Machine, *, run: bool) -> None:
        now = self.clock.timestamp()
        for service in machine.services:
            if run and service.state != "running":
                service.start_mode = "delayed"
                machine.start(service, now)
            elif not run and service.state == "running":
                machine.stop(service)

    def _start(self, machine: Machine, step: Step) -> None:
        if self.slow_start:
            at = (self.clock + timedelta(seconds=self.slow_start)).isoformat()
            self.late.append({"gateway": machine.name, "at": at})
            self.save()
            raise Killed
        self._service(machine, run=True)

    def _disable(self, machine: Machine, step: Step) -> None:
        for service in machine.services:
            service.start_mode = "disabled"
        self._service(machine, run=False)

    def _set_service(self, machine: Machine, step: Step) -> None:
        if step.values["service_state"] == "disabled":
            self._disable(machine, step)
        elif step.values["service_state"] == "absent":
            self._service(machine, run=False)
            machine.services.clear()
        elif machine.services:
            machine.services[0].start_mode = step.values["service_start_mode"]
        else:
            made = estate._service(f"{FOLDER}\\{SERVICE}.exe", False, stamp(self.clock.timestamp()))
            machine.disk.write(f"{FOLDER}\\{SERVICE}.exe", b"MZ")
            machine.services.append(made)
            machine.registry.put(f"{PROCRUN}\\{SERVICE}\\Parameters\\Start", "Image", "String", IMAGE)
        machine.happened("service_set", start_mode=[one.start_mode for one in machine.services])

    def _put(self, machine: Machine, step: Step) -> None:
        if step.values[f"{step.role}_state"] == "absent":
            machine.disk.remove(JAVA_HOME if step.role == "java" else FOLDER)
        else:
            machine.disk.make(FOLDER)
            machine.disk.folders[FOLDER.lower()].protected = True
            machine.disk.folders[FOLDER.lower()].writers = []
            if step.role == "java":
                put(machine.disk, JAVA_HOME, estate._files({"jre": PACKAGES["jre"]}, "jre"), sha256("jre"))
            else:
                put(machine.disk, FOLDER, estate._files(PACKAGES, "connector"), sha256("connector"))
        machine.happened("files", role=step.role)

    def _rule(self, machine: Machine, step: Step) -> None:
        machine.firewall.rules.clear()
        if step.values["firewall_state"] == "present":
            machine.firewall.rules.append(estate._rule(machine, ENDPOINTS))
        machine.happened("rule")

    def _exclude(self, machine: Machine, step: Step) -> None:
        machine.defender.paths = [IMAGE] if step.values["antivirus_state"] == "present" else []
        machine.happened("exclusion")

    def _carry(self, machine: Machine, step: Step) -> None:
        for path in step.values["carry_paths"]:
            file = self.machines[step.values["carry_from"]].disk.file(path)
            assert file is not None and file.content is not None
            machine.disk.write(path, file.content)
        machine.happened("carried")

    def _power(self, machine: Machine, step: Step) -> None:
        machine.power.sleep_seconds = 0
        machine.happened("power")


ACTS: Mapping[str, Callable[[Roles, Machine, Step], None]] = {
    "java": Roles._put,
    "connector": Roles._put,
    "firewall": Roles._rule,
    "antivirus": Roles._exclude,
    "service": Roles._set_service,
    "stop": Roles._disable,
    "start": Roles._start,
    "carry": Roles._carry,
    "power": Roles._power,
    MARKER: lambda world, machine, step: None,
}


def sha256(name: str) -> str:
    return str(PACKAGES[name]["sha256"])
