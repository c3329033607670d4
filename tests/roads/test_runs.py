"""Connectors that are run in every way, by the commands that a person gives: audit, plan, apply, and the proof."""

import json
import subprocess
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from provisioner.lab.process.client import Handle
from provisioner.lab.windows.hosts import KINDS, SYSTEM_JAVA
from tests.conftest import Command, command, environment

Lab = Callable[..., Handle]
pytestmark = pytest.mark.timeout(1200)

IMAGE = "C:\\iPlato\\jre\\bin\\java.exe"
JAVAW = f"{SYSTEM_JAVA}\\bin\\javaw.exe"
# These two run another program than fleet.yml has, and the service step sets it; the last one has no service at all.
SET, BY_HAND = ("system", "jvm"), "logon"
CODES = {kind: f"A840{number:02}" for number, kind in enumerate(KINDS, 1)}
RIGHT = [CODES[kind] for kind in KINDS if kind not in (*SET, BY_HAND)]


def findings(provisioner: Command, handle: Handle) -> dict[str, dict[str, dict[str, Any]]]:
    """The audit's findings, by gateway and control."""
    ran = provisioner("audit", "--format", "json", fleet=handle.folder)
    assert ran.code in (0, 1), ran.err
    gateways = json.loads(ran.out)["gateways"]
    return {gateway["gateway"]: {one["control"]: one for one in gateway["findings"]} for gateway in gateways}


def status(found: Mapping[str, Mapping[str, Mapping[str, Any]]], control: str, gateways: Iterable[str]) -> set[str]:
    return {found[gateway][control]["status"] for gateway in gateways}


def test_rule_and_exclusion_are_made_for_what_really_runs(lab: Lab, provisioner: Command) -> None:
    handle = lab(*CODES.values(), state="ready")
    fleet = handle.folder / "fleet.yml"
    fleet.write_text(fleet.read_text("utf-8") + "\nrollout: {waves: [11], approve_wait: 1}\n", "utf-8")
    for kind, code in CODES.items():
        handle.set(code, f"runs_by={kind}")
    found = findings(provisioner, handle)
    for control in ("R17-service", "R17-running", "R17-one-active", "R17-working"):
        assert status(found, control, RIGHT) == {"passed"}, control
    for control in ("R14-rule", "R12-antivirus"):
        assert status(found, control, CODES.values()) == {"failed"}, control

    plan = json.loads(provisioner("plan", "--format", "json", fleet=handle.folder).out)
    # Many gateways at once: on a busy machine this takes minutes.
    apply = command("apply", str(plan["plan"]), "--yes", fleet=handle.folder)
    applied = subprocess.run(apply, capture_output=True, text=True, timeout=800, env=environment(), check=False)
    assert applied.returncode in (0, 4), applied.stdout + applied.stderr
    found, state = findings(provisioner, handle), handle.state()
    mended = [*RIGHT, *(CODES[kind] for kind in SET)]
    for control in ("R14-rule", "R12-antivirus", "R17-service", "R17-one-active", "R17-working"):
        assert {
            code: found[code][control]["message"] for code in mended if found[code][control]["status"] != "passed"
        } == {}
    for code in mended:
        (service,), (rule,) = state[code]["services"], state[code]["firewall"]["rules"]
        assert (service["state"], service["runs"], rule["program"]) == ("running", IMAGE, IMAGE), code
        assert state[code]["defender"]["paths"] == [IMAGE], code

    # Beside one that no service runs none is started, and no rule is made for either: the plan says why.
    by_hand = state[CODES[BY_HAND]]
    assert ([one["state"] for one in by_hand["services"]], by_hand["firewall"]["rules"]) == (["stopped"], [])
    gaps = {gap["control"]: gap["message"] for gap in plan["gaps"] if gap["gateway"] == CODES[BY_HAND]}
    assert "runs on it already, without its service" in gaps["R17-running"], gaps
    for control in ("R14-rule", "R12-antivirus"):
        assert gaps[control] == f"what runs is {JAVAW} and what its service is set to run is {IMAGE}"
