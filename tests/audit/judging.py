"""A gateway, facts and statements, judged by the shipped policy."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import yaml

from provisioner import resources
from provisioner.audit import evaluate, facts, policy
from provisioner.model import (
    Control,
    Evidence,
    Finding,
    Fleet,
    Gateway,
    Impact,
    Problem,
    Role,
    Statement,
    Waiver,
)
from provisioner.model.settings import Java, Package, Service, Settings

POLICY = policy.load(resources.root() / "policy", facts.NAMES)
FOLDER = Path(__file__).parent / "facts"
READY: dict[str, Any] = yaml.safe_load((FOLDER / "ready.yml").read_text("utf-8"))
NOON = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
ENDPOINTS = ("192.0.2.5", "192.0.2.9", "192.0.2.15", "192.0.2.16")
SETTINGS = Settings(
    version=1,
    endpoints=ENDPOINTS,
    packages={
        "connector": Package(sha256="C0" * 32, path="C:\\connector.zip"),
        "procrun": Package(sha256="d0" * 32, path="C:\\procrun.exe"),
    },
    java=Java(version="17"),
    service=Service(name="iPlatoConnector"),
)
NOBODY: dict[str, Any] = {"systmone.listeners": []}


CONTROLS = {control.id: control for control in POLICY.controls}


def changed(place: str, value: Any, tree: Any) -> None:
    """Put a value at a dotted place: names of keys, numbers of entries."""
    *way, last = (int(part) if part.isdecimal() else part for part in place.split("."))
    for part in way:
        tree = tree[part]
    tree[last] = value


def gateway(name: str, role: Role = Role.ACTIVE, practice: str = "A81001") -> Gateway:
    return Gateway(
        name=name, practice=practice, practice_name="", address=f"{name}.example", port=1, path="", role=role
    )


def fleet(*gateways: Gateway, statements: Sequence[Statement] = (), waivers: Sequence[Waiver] = ()) -> Fleet:
    dedicated = [said("R3-dedicated", practice=practice) for practice in {one.practice for one in gateways}]
    return Fleet(
        folder="",
        settings=SETTINGS,
        gateways=gateways,
        statements=(*dedicated, *statements),
        waivers=tuple(waivers),
        digest="",
    )


def said(control: str, name: str = "", practice: str = "A81001", until: date = date(2027, 6, 30)) -> Statement:
    return Statement(
        control=control, practice=practice, gateway=name, says="seen", by="P. Shah", on=date(2026, 1, 1), until=until,
        ticket="CHG-7",
    )  # fmt: skip


def waived(control: str, until: date = date(2027, 6, 30), on: date = date(2026, 1, 1)) -> Waiver:
    return Waiver(
        control=control, practice="A81001", gateway="", says="agreed", by="J. Fox", on=on, until=until, ticket=""
    )


Answer = Mapping[str, Any] | Problem


def judged(asked: Fleet, answers: Mapping[str, Answer], at: datetime = NOON) -> dict[str, dict[str, Finding]]:
    """The findings of a fleet whose gateways answer as a good one does, but for what `answers` changes."""
    evidence = []
    for one in asked.known:
        answer = answers.get(one.name, {})
        if isinstance(answer, Problem):
            evidence.append(Evidence(gateway=one.name, taken_at=at, seconds=1.0, error=answer))
            continue
        sections = deepcopy(READY)
        for place, value in answer.items():
            changed(place, value, sections)
        evidence.append(Evidence(gateway=one.name, taken_at=at, seconds=1.0, sections=sections))
    by_name = {one.name: one for one in asked.gateways}
    known = {
        one.gateway: facts.derive(one, by_name[one.gateway], SETTINGS, POLICY.lifecycle, at, None) for one in evidence
    }
    found: dict[str, dict[str, Finding]] = {one.gateway: {} for one in evidence}
    for finding in evaluate.evaluate(asked, evidence, POLICY.controls, known, at):
        found[finding.gateway][finding.control] = finding
    assert all(list(each) == list(CONTROLS) for each in found.values()), "one finding a control, in the policy's order"
    return found


OFF = {"service.service.state": "stopped", "connector.processes": []}


AWAY = Problem(kind="Unreachable", message="GW1 (gw1.example): no route", hint="Is it switched on?", absent=True)


ANSWERS = Problem(kind="Unreachable", message="WinRM has no room", hint="Wait some minutes.")


def control(operator: str, operand: Any) -> Control:
    return Control(
        id="c", requirement="ours", title="T", impact=Impact.REQUIRED, fact="f", operator=operator, operand=operand,
        owner="practice", wants="w", failed="F: {actual}.",
    )  # fmt: skip
