"""A believable estate, a plan and outcomes for the report tests, built by hand and always the same."""

import json
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from provisioner.model import (
    Audit,
    Budget,
    Cause,
    Change,
    Control,
    Evidence,
    Fact,
    Finding,
    Gap,
    Gateway,
    Impact,
    Outcome,
    Plan,
    Problem,
    Result,
    Role,
    Status,
    Step,
    Wave,
)

AT = datetime(2026, 11, 23, 20, 15, tzinfo=UTC)

PRACTICES = {
    "A84002": "The Rothbury Practice", "A84005": "Bedlingtonshire Med.Group", "A84006": "Alnwick Medical Group",
    "A84007": "Ponteland Medical Group", "A84008": "Belford Medical Practice", "A84013": "The Gables Medical Group",
    "A84014": "Marine Medical Group", "A84016": "Prudhoe Medical Group", "A84020": "Guidepost Medical Group",
    "A84022": "Coquet Medical Group", "A84025": "Cramlington Medical Group", "A84026": "Well Close Medical Group",
    "A84027": "Bellingham Practice", "A84028": "Seaton Park Medical Group", "A84029": "Northumberland Health",
    "A84030": "Village Medical Group", "A84031": "Greystoke Surgery", "A84035": "Riversdale Surgery",
    "A84036": "Valens Medical Partnership", "A84038": "Forum Family Practice", "A84039": "Gas House Lane Surgery",
    "A84044": "Union Brae & Norham Prac", "A84045": "Haydon Bridge & Allendale Medical Pract",
    "A84047": "Branch End Surgery", "A84604": "Wooler Health", "A84619": "Elsdon Avenue Surgery",
}  # fmt: skip

FEW = dict(list(PRACTICES.items())[:8])

GOLDEN = Path(__file__).parent / "golden"
_LINES = [line.split("|") for line in (GOLDEN / "controls.txt").read_text("utf-8").splitlines() if line[0] != "#"]

_DRIFT = ("R13-java", "R14-rule", "R17-files", "R17-service", "R17-recovery", "R17-running", "R12-antivirus", "access")
_UNKNOWN = ("R3-dedicated", "R6-cpu", "R9-screen", "R17-working")


def controls() -> tuple[Control, ...]:
    """A policy of the size of the real one."""
    found = []
    for name, requirement, title, required, job, *_ in _LINES:
        found.append(
            Control(
                id=name,
                requirement=requirement,
                title=title,
                impact=Impact.REQUIRED if required == "y" else Impact.ADVICE,
                fact=name.lower().replace("-", "."),
                operator="equals",
                operand=True,
                remedy=job[1:] if job.startswith(":") else "",
                owner="" if job.startswith(":") else job,
                ask="" if job.startswith(":") else f"Please see to it: {title[0].lower()}{title[1:]}.",
            )
        )
    return tuple(found)


def estate(practices: Mapping[str, str] = PRACTICES) -> tuple[Audit, dict[str, bool], tuple[Cause, ...]]:
    """A mixed estate, always the same: an audit, who is ready, and the causes."""
    lines = {line[0]: line for line in _LINES}
    gateways, evidence, findings, facts = [], [], [], {}
    for number, (code, name) in enumerate(practices.items()):
        gateway = _gateway(code, name, number)
        gateways.append(gateway)
        if not gateway.known:
            continue
        problem = _problem(gateway) if number % 13 == 7 else None
        evidence.append(_evidence(gateway, number, problem))
        facts[gateway.name] = {} if problem else _facts(lines, number)
        for control in controls():
            findings.append(_finding(gateway, control, lines[control.id], _status(control, number, problem), problem))
    audit = Audit(
        id="a-20261123-201500",
        at=AT,
        fleet_digest="sha256:0d6c9a41",
        policy_digest="sha256:7f3b52ce",
        gateways=tuple(gateways),
        controls=controls(),
        evidence=tuple(evidence),
        findings=tuple(findings),
        facts=facts,
    )
    return audit, ready(audit), causes(audit)


def ready(audit: Audit) -> dict[str, bool]:
    """As the policy has it: unknown stands only for R3, which these fixtures state."""
    required = {control.id for control in audit.controls if control.impact is Impact.REQUIRED}
    good = (Status.PASSED, Status.WAIVED, Status.NOT_APPLICABLE)
    return {
        gateway.name: all(
            finding.status in good or finding.control == "R3-dedicated"
            for finding in audit.of(gateway.name)
            if finding.control in required
        )
        for gateway in audit.gateways
    }


def causes(audit: Audit) -> tuple[Cause, ...]:
    """Open findings with the same control, status and text; an unread gateway once."""
    found: defaultdict[tuple[str, Status, str], dict[str, None]] = defaultdict(dict)
    for finding in audit.findings:
        if finding.status is Status.ERROR:
            found["", finding.status, finding.cause][finding.gateway] = None
        elif finding.status in (Status.FAILED, Status.UNKNOWN) and finding.control != "R3-dedicated":
            found[finding.control, finding.status, finding.cause][finding.gateway] = None
    known = {control.id: control for control in audit.controls}
    made = [
        Cause(
            text=text,
            control=control,
            status=status,
            owner=known[control].owner if control else "",
            remedy=known[control].remedy if control else "",
            gateways=tuple(gateways),
            headline=control == "R2-logged-in" and len(gateways) > 5,
        )
        for (control, status, text), gateways in found.items()
    ]
    return tuple(sorted(made, key=lambda cause: (not cause.headline, -len(cause.gateways))))


def plan() -> Plan:
    """A rollout over a dozen gateways, with a person's step, and a gap for several teams."""
    steps = []
    for number, code in enumerate(list(PRACTICES)[:12]):
        steps += [_step(number, code, remedy) for remedy in ("connector", "java", "firewall", "antivirus", "service")]
        steps.append(_step(number, code, "start"))
    approve = Step(
        id="s-approve", gateway="GW-A84002", practice="A84002", kind="person", remedy="approve", who="practice",
        words="Press Approve in SystmOne when the Connector asks for the first time.", because=("R17-running",),
    )  # fmt: skip
    waves = ([*steps[:6], approve], steps[6:36], steps[36:])
    gaps = [
        Gap(gateway=f"GW-{code}", practice=code, control=control, message=message, owner=owner, ask=ask)
        for code in list(PRACTICES)[12:18]
        for control, message, owner, ask in (
            ("R2-logged-in", "Nobody is logged in to SystmOne.", "practice", "Please log in to SystmOne and stay so."),
            ("R14-reachable", "The network blocks 203.0.113.9:443.", "network", "Please let 203.0.113.9:443 through."),
        )
    ]
    return Plan(
        id="p-20261123-203000",
        kind="rollout",
        at=AT + timedelta(minutes=15),
        audit="a-20261123-201500",
        fleet_digest="sha256:0d6c9a41",
        policy_digest="sha256:7f3b52ce",
        places={f"GW-{code}": (code, f"198.51.100.{number + 10}") for number, code in enumerate(PRACTICES)},
        waves=tuple(Wave(number=number, steps=tuple(wave)) for number, wave in enumerate(waves, 1)),
        budget=Budget(),
        gaps=tuple(gaps),
    )


def outcomes() -> tuple[Outcome, ...]:
    """One of each kind that people meet."""
    return tuple(
        Outcome(
            step=f"s-{number}",
            gateway=f"GW-{code}",
            result=result,
            changed=result is Result.DONE,
            started=AT,
            ended=AT + timedelta(seconds=7 * number),
            message=message,
            before={"rule": None},
        )
        for number, (code, result, message) in enumerate(
            (
                ("A84002", Result.DONE, "The rule is there."),
                ("A84005", Result.WAITING, "Approve was not pressed yet."),
                ("A84006", Result.FAILED, "[red]not markup[/red] \x1b[2J disk full"),
            )
        )
    )


def _gateway(code: str, name: str, number: int) -> Gateway:
    known = number % 26 != 25
    return Gateway(
        name=f"GW-{code}" if known else code,
        practice=code,
        practice_name=name,
        address=f"198.51.100.{number % 240 + 10}" if known else "",
        port=5986,
        path="/wsman",
        role=Role.CANDIDATE if number % 26 == 24 else Role.ACTIVE,
    )


def _problem(gateway: Gateway) -> Problem:
    return Problem(
        kind="Unreachable",
        message=f"No connection to {gateway.address}:5986 within 10 s.",
        hint="Is the PC on? Ask the practice to look; it may be asleep.",
    )


def _status(control: Control, number: int, problem: Problem | None) -> Status:
    if problem:
        return Status.ERROR
    if number % 26 == 24 and control.requirement in ("R17", "R14", "R12"):
        return Status.NOT_APPLICABLE
    if control.id == "R3-dedicated":
        return Status.UNKNOWN
    if number % 4 == 3:
        return Status.PASSED
    drifted = control.id in _DRIFT and number % 3 != 0
    ordinary = (number * 7 + sum(control.id.encode())) % 17 == 0
    if control.id == "R2-logged-in" and number % 2 == 0:
        return Status.FAILED
    if not drifted and not ordinary:
        return Status.PASSED
    if control.id == "R8-windows" and number % 2:
        return Status.WAIVED
    return Status.UNKNOWN if control.id in _UNKNOWN else Status.FAILED


def _finding(gateway: Gateway, control: Control, line: list[str], status: Status, problem: Problem | None) -> Finding:
    expected, right, wrong = line[5:8]
    message = {
        Status.PASSED: f"{control.title}.",
        Status.ERROR: f"{problem.message} {problem.hint}" if problem else "",
        Status.WAIVED: f"{wrong} Waived until 2027-03-31 by J. Ahmed, ticket CHG-1182: replaced in March.",
        Status.NOT_APPLICABLE: "Not asked of a candidate.",
    }.get(status, wrong)
    if control.id == "R3-dedicated" and status is Status.UNKNOWN:
        message = "P. Shah states until 2027-06-30: in the back office, nobody works on it."
    return Finding(
        gateway=gateway.name,
        practice=gateway.practice,
        control=control.id,
        status=status,
        expected=expected,
        actual=right if status is Status.PASSED else "something else",
        message=message,
        cause=problem.hint if problem else wrong,
        value=None,
    )


def _facts(lines: Mapping[str, list[str]], number: int) -> dict[str, Fact]:
    return {
        control.fact: Fact(value=lines[control.id][6] if number % 2 else [1920, 1080, number]) for control in controls()
    }


def _evidence(gateway: Gateway, number: int, problem: Problem | None) -> Evidence:
    if problem:
        return Evidence(gateway=gateway.name, taken_at=AT, seconds=10.0, error=problem)
    text = (GOLDEN / "evidence.json").read_text("utf-8").replace("A84013", gateway.practice)
    sections: dict[str, dict[str, Any]] = json.loads(text)
    sections["identity"] |= {"serial": f"5CG{number:07}"}
    return Evidence(
        gateway=gateway.name,
        taken_at=AT - timedelta(seconds=number),
        seconds=2.1 + number / 10,
        sections=sections,
        section_errors={"screen": "WMI did not answer within 20 s."} if number == 3 else {},
        section_seconds={name: 0.004 * place for place, name in enumerate(sections, 1)},
    )


def _step(number: int, code: str, remedy: str) -> Step:
    changes = {
        "firewall": (Change(what="rule iPlato Connector", before="none", after="out, allow, TCP 443 to 4 addresses"),),
        "java": (Change(what="C:\\iPlato\\jre", before="none", after="Temurin 21.0.5, 46.2 MB"),),
    }.get(remedy, (Change(what=remedy, before="as found", after="as wanted"),))
    return Step(
        id=f"s-{number}-{remedy}",
        gateway=f"GW-{code}",
        practice=code,
        kind="playbook",
        remedy=remedy,
        role="service" if remedy == "start" else remedy,
        values={"state": "present"},
        because=("R17-files",),
        proves=("R17-files",),
        fingerprint="f00d",
        changes=changes,
        seconds=90.0 if remedy == "java" else 12.0,
        size=46_200_000 if remedy == "java" else 0,
    )
