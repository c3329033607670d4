"""Audit -> Plan: which steps, on which gateways, in which waves, and whose job the rest is. Pure."""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from provisioner import remedies as offered
from provisioner.audit.facts.running import Programs, programs
from provisioner.errors import InputError, suggest
from provisioner.fleet import endpoints
from provisioner.model import (
    Audit,
    Budget,
    Change,
    Control,
    Evidence,
    Finding,
    Fleet,
    Gap,
    Gateway,
    Impact,
    Plan,
    Role,
    Status,
    Step,
    Wave,
)
from provisioner.plan.guards import (
    IDENTITY,
    ONLY_CONNECTOR,
    SERVICES,
    START,
    SWITCHED_OFF,
    after_restart,
    by_hand,
    connector_runs,
    gap,
    going,
    stated_off,
    strangers,
    why_not_beside,
    why_not_fenced,
    why_not_remove,
    why_not_start,
)
from provisioner.plan.statements import StatementsInForce

__all__ = [
    "IDENTITY",
    "ONLY_CONNECTOR",
    "SERVICES",
    "START",
    "SWITCHED_OFF",
    "before_start",
    "budget_of",
    "by_hand",
    "by_practice",
    "connector_runs",
    "fingerprint",
    "going",
    "make",
    "stated_off",
    "strangers",
    "why_not_beside",
    "why_not_fenced",
    "why_not_remove",
    "why_not_start",
]

STOPPED = "R17-stopped"
ONE_ACTIVE = "R17-one-active"

# What a remedy takes on a gateway, in seconds, until the journal has measured it.
_SECONDS = {"connector": 30.0, "java": 30.0, "firewall": 5.0, "antivirus": 8.0, "service": 15.0, "power": 5.0}
# What cannot be told as long as the vendor's endpoints are not all known.
_OF_ENDPOINTS = frozenset({"endpoints.tls", "endpoints.reachable", "firewall.rule", "firewall.override"})
# What is so only once a Connector runs.
_FOLLOWS = frozenset({"R17-working", ONE_ACTIVE})
_UNTOLD_ASK = (
    "See that one program runs and is set: end by hand what no service runs, start the Connector's service (again); "
    "then audit and plan again."
)
_OPEN = (Status.FAILED, Status.UNKNOWN, Status.ERROR)


@dataclass(frozen=True, kw_only=True)
class _View:
    """An audit as planning looks things up in it, and the fleet as it is now."""

    audit: Audit
    fleet: Fleet
    said: StatementsInForce
    controls: Mapping[str, Control]
    findings: Mapping[str, tuple[Finding, ...]]
    evidence: Mapping[str, Evidence]
    rows: Mapping[str, Gateway]
    practices: Mapping[str, Sequence[Gateway]]
    seconds: Mapping[str, float]
    strangers: frozenset[str]


def make(
    audit: Audit,
    fleet: Fleet,
    *,
    at: datetime,
    plan_id: str,
    remedies: Collection[str] | None = None,
    durations: Mapping[str, float] | None = None,
) -> Plan:
    """The plan that mends what can be mended of an audit.

    `remedies` narrows it to these; `durations` is what each remedy was measured to take, in seconds.
    Errors: InputError for a remedy that does not exist.
    """
    asked = frozenset(offered.ORDER if remedies is None else remedies)
    _refuse_unknown(asked)
    view = _view(audit, fleet, at, durations or {})
    steps: list[tuple[Step, ...]] = []
    gaps: list[Gap] = []
    for gateway in audit.gateways:
        made, left = _of_gateway(view, gateway, asked)
        gaps.extend(left)
        if made:
            steps.append(tuple(made))
    return Plan(
        id=plan_id,
        kind="rollout",
        at=at,
        audit=audit.id,
        fleet_digest=fleet.digest,
        policy_digest=audit.policy_digest,
        places={made[0].gateway: _place(view.rows[made[0].gateway]) for made in steps},
        roles={made[0].gateway: view.rows[made[0].gateway].role for made in steps},
        waves=_waves(steps, fleet.settings.rollout.waves),
        budget=budget_of(fleet),
        # A PC that is not the one it should be comes first: all else that is said of it is about another PC.
        gaps=tuple(sorted(gaps, key=lambda one: one.control != IDENTITY)),
    )


def not_planned(audit: Audit, fleet: Fleet, at: datetime) -> dict[tuple[str, str], Gap]:
    """What failed and has a remedy, but would not be done by a plan made now; why, by gateway and control."""
    made = make(audit, fleet, at=at, plan_id="none")
    done = {(step.gateway, step.remedy) for step in made.steps}
    done |= {(step.gateway, control) for step in made.steps for control in step.because}
    why = {(one.gateway, one.control): one for one in made.gaps}
    first: dict[str, Gap] = {}
    for one in made.gaps:
        first.setdefault(one.gateway, one)
    remedies = {control.id: control.remedy for control in audit.controls}
    open_ = [one for one in audit.findings if one.status is Status.FAILED and remedies[one.control]]
    return {
        (one.gateway, one.control): found
        for one in open_
        if not {(one.gateway, one.control), (one.gateway, remedies[one.control])} & done
        and (found := why.get((one.gateway, one.control)) or first.get(one.gateway))
    }


def budget_of(fleet: Fleet) -> Budget:
    """How many gateways may go wrong, by fleet.yml."""
    rollout = fleet.settings.rollout
    return Budget(
        failed=rollout.failed, unreachable=rollout.unreachable, refused=rollout.refused, unknown=rollout.unknown
    )


def fingerprint(findings: Iterable[Finding]) -> str:
    """What tells these findings from others: control, status and value of each."""
    said = [
        [finding.control, finding.status, finding.actual if finding.value is None else finding.value]
        for finding in sorted(findings, key=lambda finding: finding.control)
    ]
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()[:16]


def by_practice(gateways: Iterable[Gateway]) -> dict[str, list[Gateway]]:
    """Gateways by their practice."""
    found: dict[str, list[Gateway]] = {}
    for gateway in gateways:
        found.setdefault(gateway.practice, []).append(gateway)
    return found


def _refuse_unknown(asked: frozenset[str]) -> None:
    for name in sorted(asked - set(offered.ORDER)):
        hint = suggest(name, offered.ORDER) or f"There are {', '.join(offered.ORDER)}."
        raise InputError(f"there is no remedy {name!r}.", hint)


def _view(audit: Audit, fleet: Fleet, at: datetime, durations: Mapping[str, float]) -> _View:
    findings: dict[str, list[Finding]] = {gateway.name: [] for gateway in audit.gateways}
    for finding in audit.findings:
        findings.setdefault(finding.gateway, []).append(finding)
    said = StatementsInForce.of(fleet, at.date())
    return _View(
        audit=audit,
        fleet=fleet,
        said=said,
        strangers=strangers(fleet.gateways, audit.findings, said),
        controls={control.id: control for control in audit.controls},
        findings={gateway: tuple(found) for gateway, found in findings.items()},
        evidence={one.gateway: one for one in audit.evidence},
        rows={gateway.name: gateway for gateway in fleet.gateways},
        practices=by_practice(fleet.known),
        seconds={**_SECONDS, **durations},
    )


def _of_gateway(view: _View, gateway: Gateway, asked: frozenset[str]) -> tuple[list[Step], list[Gap]]:
    """One gateway's steps, in the order in which they are done, and its gaps."""
    if gateway.role is Role.CANDIDATE:
        return [], []
    findings = view.findings[gateway.name]
    if barred := _why_not_at_all(view, gateway, findings):
        return [], [barred]
    open_ = [finding for finding in findings if finding.status in _OPEN and not _stated(view, gateway, finding)]
    mended: dict[str, list[Finding]] = {}
    gaps: list[Gap] = []
    for remedy in _mendable(view, gateway, open_):
        # What is judged over a whole practice is not proved by a reading of one gateway.
        mended[remedy] = [
            finding for finding in open_ if _remedy(view, gateway, finding) == remedy and finding.control != ONE_ACTIVE
        ]
    for finding in open_:
        required = view.controls[finding.control].impact is Impact.REQUIRED
        if required and _remedy(view, gateway, finding) not in mended:
            gaps.append(_left(view, gateway, finding))
    if gateway.role is Role.RETIRED and mended and (why := _removal_barred(view, gateway)):
        return [], [why, *gaps]
    if service := going(view.evidence[gateway.name]):
        for remedy in SERVICES & mended.keys() & asked:
            gaps.extend(after_restart(gateway, finding, service) for finding in mended.pop(remedy))
    if START in mended and START in asked and (why := _start_barred(view, gateway, mended, asked, open_)):
        del mended[START]
        gaps.append(why)
    steps, lacking = _steps(view, gateway, {remedy: found for remedy, found in mended.items() if remedy in asked})
    return steps, [*gaps, *lacking]


def _steps(view: _View, gateway: Gateway, mended: Mapping[str, list[Finding]]) -> tuple[list[Step], list[Gap]]:
    """A gateway's steps from what each remedy mends, and what cannot be set yet because something is not known."""
    row, retired = view.rows[gateway.name], gateway.role is Role.RETIRED
    program = _program(view, gateway, mended.keys())
    steps, gaps = list[Step](), list[Gap]()
    order = offered.REMOVAL if retired else offered.ORDER
    for remedy in (one for one in order if one in mended):
        if remedy in offered.TOLD_OF_PROGRAM and not retired and program.one == "":
            gaps.extend(gap(row, one.control, _untold(program), "icb-it", _UNTOLD_ASK) for one in mended[remedy])
            continue
        role, values = offered.values(view.fleet, row, remedy, "" if retired else program.one)
        lacking = [_lacking(row, values, remedy, finding) for finding in mended[remedy]]
        gaps.extend(lack for lack in lacking if lack)
        if able := [finding for finding, lack in zip(mended[remedy], lacking, strict=True) if lack is None]:
            steps.append(_step(view, row, remedy, role, values, able))
    return steps, gaps


def _program(view: _View, gateway: Gateway, remedies: Collection[str]) -> Programs:
    """Which program firewall and antivirus are told of: that which the plan's own service step sets, else what runs.
    What no service runs, no step of ours takes the place of: then it is both."""
    settings, evidence = view.fleet.settings, view.evidence[gateway.name]
    found = programs(evidence.sections, settings)
    if "service" in remedies and "procrun" in settings.packages:
        return Programs(running=found.running if by_hand(evidence) else (), configured=settings.connector.image)
    return found


def _untold(program: Programs) -> str:
    return program.why or " and ".join(program.words(one) for one in program.each)


def _lacking(gateway: Gateway, values: Mapping[str, Any], remedy: str, finding: Finding) -> Gap | None:
    """What fleet.yml must say before a remedy can mend this finding, as a gap; None where nothing is missing."""
    lacks = ""
    if remedy in ("service", START) and not values["service_name"]:
        lacks = "service.name"
    elif remedy == "java" and values["java_package"] is None:
        lacks = "packages.jre"
    elif remedy == "firewall" and values["firewall_state"] == "present":
        lacks = "all four endpoints" if endpoints.why_not_all(values["firewall_addresses"]) else ""
    elif finding.control == "R17-files" and values["connector_package"] is None and not values["connector_files"]:
        lacks = "packages.connector"
    if not lacks:
        return None
    return _asked_of_vendor(gateway, finding, lacks)


def _asked_of_vendor(gateway: Gateway, finding: Finding, lacks: str) -> Gap:
    words = finding.message or finding.actual
    return gap(gateway, finding.control, words, "vendor", f"Ask for it, and give {lacks} in fleet.yml.")


def _mendable(view: _View, gateway: Gateway, findings: Sequence[Finding]) -> set[str]:
    """The remedies that this gateway needs: something of theirs failed. What could not be told, such as the restart
    actions of a service that is not there, comes with them. Only a start is needed by what is merely unknown."""
    failed = {view.controls[finding.control].remedy for finding in findings if finding.status is Status.FAILED}
    failed -= {"", START}
    starts = any(view.controls[finding.control].remedy == START for finding in findings)
    return failed | {START} if starts and gateway.role is Role.ACTIVE else failed


def _remedy(view: _View, gateway: Gateway, finding: Finding) -> str:
    """What mends a finding. Where a retired gateway still runs a Connector, that ends with its service."""
    if gateway.role is Role.RETIRED and finding.status is Status.FAILED and finding.control in (STOPPED, ONE_ACTIVE):
        return "service"
    return view.controls[finding.control].remedy


def _why_not_at_all(view: _View, gateway: Gateway, findings: Sequence[Finding]) -> Gap | None:
    """Why nothing can be planned for a gateway; None where it can."""
    evidence, row = view.evidence.get(gateway.name), view.rows.get(gateway.name)
    if not gateway.known:
        ask = "Find out which PC it is, and write it into its row of practices.csv."
        return gap(gateway, "read", "its PC is not known yet", "icb-it", ask)
    if evidence is None:
        return gap(gateway, "read", "it was not read", "icb-it", "Audit it.")
    if evidence.error:
        return gap(gateway, "read", evidence.error.message, "icb-it", evidence.error.hint)
    if row is None or _place(row) != _place(gateway) or row.role != gateway.role:
        return gap(gateway, "read", "its row has changed since the audit", "icb-it", "Audit it again.")
    for finding in findings:
        if finding.control == IDENTITY and gateway.name in view.strangers:
            return _left(view, gateway, finding)
    return None


def _start_barred(
    view: _View,
    gateway: Gateway,
    mended: Mapping[str, Sequence[Finding]],
    asked: frozenset[str],
    open_: Sequence[Finding],
) -> Gap | None:
    service = view.evidence[gateway.name].sections.get("service")
    comes = "service" in mended and "service" in asked
    if not comes and (service is None or service["service"] is None):
        return gap(gateway, "R17-running", "there is no service to start", "icb-it", "Plan its `service` first.")
    needs = before_start(view.audit.controls)
    # [R16] All that is required is in place before a Connector starts; a person may waive some of it.
    first = [
        finding.control
        for finding in open_
        if finding.control in needs and view.controls[finding.control].remedy not in mended.keys() & asked
    ]
    if first:
        ask = "Have these mended, or accept them by name in waivers.yml; then plan again."
        return gap(gateway, "R17-running", f"not started, because required first: {', '.join(first)}", "icb-it", ask)
    return why_not_start(view.rows[gateway.name], _others(view, gateway), view.said, view.evidence, view.strangers)


def _removal_barred(view: _View, gateway: Gateway) -> Gap | None:
    return why_not_remove(view.rows[gateway.name], _others(view, gateway), view.said, view.evidence, view.strangers)


def _others(view: _View, gateway: Gateway) -> list[Gateway]:
    """The other gateways of its practice."""
    return [one for one in view.practices[gateway.practice] if one.name != gateway.name]


def before_start(controls: Iterable[Control]) -> tuple[str, ...]:
    """The controls that must be settled before a Connector is started: what is required, but for what follows from
    its running."""
    return tuple(
        control.id
        for control in controls
        if control.impact is Impact.REQUIRED and control.remedy != START and control.id not in _FOLLOWS
    )


def _stated(view: _View, gateway: Gateway, finding: Finding) -> bool:
    """Whether a standing statement answers what the gateway could not tell."""
    return finding.status is Status.UNKNOWN and view.said.covers(finding.control, gateway)


def _left(view: _View, gateway: Gateway, finding: Finding) -> Gap:
    control = view.controls[finding.control]
    untold = finding.status is Status.UNKNOWN and control.fact in _OF_ENDPOINTS
    if untold and endpoints.why_not_all(view.fleet.settings.endpoints):
        return _asked_of_vendor(gateway, finding, "all four endpoints")
    return gap(gateway, finding.control, finding.message or finding.actual, control.owner or "icb-it", control.ask)


def _step(
    view: _View, gateway: Gateway, remedy: str, role: str, values: Mapping[str, Any], findings: Sequence[Finding]
) -> Step:
    controls = tuple(finding.control for finding in findings)
    removes = gateway.role is Role.RETIRED
    size = 0 if removes or remedy == START else _bytes(values)
    # What was measured is how long it takes to bring something.
    seconds = (_SECONDS if removes else view.seconds).get(remedy, 10.0)
    return Step(
        id=f"{gateway.name}-{remedy}",
        gateway=gateway.name,
        practice=gateway.practice,
        kind="playbook",
        remedy=remedy,
        role=role,
        values=values,
        because=controls,
        proves=controls,
        needs=before_start(view.audit.controls) if remedy == START else (),
        keeps=tuple(
            one.control
            for one in view.findings[gateway.name]
            if one.control == "R17-running" and one.status is Status.PASSED
        ),
        fingerprint=fingerprint(findings),
        changes=tuple(
            Change(what=view.controls[finding.control].title, before=finding.actual, after=finding.expected)
            for finding in findings
        ),
        seconds=seconds + size * 8 / view.fleet.settings.rollout.line_speed,
        size=size,
    )


def _bytes(values: Any) -> int:
    """What has to be brought to the gateway: the sizes of the packages that are not there already."""
    if isinstance(values, Mapping):
        if "sha256" in values and values.get("source") != "path":
            return int(values.get("size") or 0)
        return sum(map(_bytes, values.values()))
    return 0


def _place(gateway: Gateway) -> tuple[str, str]:
    return (gateway.practice, gateway.address)


def _waves(steps: Sequence[tuple[Step, ...]], sizes: Sequence[int]) -> tuple[Wave, ...]:
    """Gateways in waves of these sizes, then the rest. The first is one with the commonest set of steps, because
    what it shows then holds for most."""
    if not steps:
        return ()
    kinds = [tuple(step.remedy for step in made) for made in steps]
    typical = kinds.index(Counter(kinds).most_common(1)[0][0])
    ordered = [steps[typical], *steps[:typical], *steps[typical + 1 :]]
    waves: list[Wave] = []
    for size in (*sizes, len(ordered)):
        if taken := ordered[:size]:
            waves.append(Wave(number=len(waves) + 1, steps=tuple(step for made in taken for step in made)))
            ordered = ordered[size:]
    return tuple(waves)
