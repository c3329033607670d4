"""Audit -> Plan: which steps, on which gateways, in which waves, and whose job the rest is. Pure."""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from provisioner import remedies as offered
from provisioner.audit.causes import OPEN
from provisioner.audit.facts.running import Programs, programs
from provisioner.errors import InputError, suggest
from provisioner.fleet import packages
from provisioner.model import (
    Audit,
    Budget,
    Change,
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
from provisioner.model.controls import IDENTITY, ONE_ACTIVE, RUNNING, STOPPED
from provisioner.plan.gaps import (
    asked_of_vendor,
    before_start,
    left_to_owner,
    removal_barred,
    service_barred,
    start_barred,
    why_not_at_all,
)
from provisioner.plan.guards import (
    SERVICE,
    START,
    after_restart,
    by_hand,
    gap,
    going,
)
from provisioner.plan.index import AuditIndex, is_stated, of_audit, place_of
from provisioner.remedies.remedy import Remedy

_UNTOLD_ASK = (
    "See that one program runs and is set: end by hand what no service runs, start the Connector's service (again); "
    "then audit and plan again."
)


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
    asked = frozenset(offered.order() if remedies is None else remedies)
    _refuse_unknown(asked)
    index = of_audit(audit, fleet, at, durations or {})
    steps: list[tuple[Step, ...]] = []
    gaps: list[Gap] = []
    for gateway in audit.gateways:
        made, left = _of_gateway(index, gateway, asked)
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
        places={made[0].gateway: place_of(index.rows[made[0].gateway]) for made in steps},
        roles={made[0].gateway: index.rows[made[0].gateway].role for made in steps},
        waves=_waves(steps, fleet.settings.rollout.waves),
        budget=budget_of(fleet),
        gaps=tuple(sorted(gaps, key=_not_identity)),
    )


def left_to_others(audit: Audit, fleet: Fleet, at: datetime) -> tuple[Gap, ...]:
    """What a plan of all remedies that is made now would leave to others."""
    index, asked = of_audit(audit, fleet, at, {}), frozenset(offered.order())
    found = (lack for gateway in audit.gateways for lack in _due(index, gateway, asked)[1])
    return tuple(sorted(found, key=_not_identity))


def _not_identity(lack: Gap) -> bool:
    """A PC that is not the one it should be comes first: all else that is said of it is about another PC."""
    return lack.control != IDENTITY


def not_planned(audit: Audit, fleet: Fleet, at: datetime) -> dict[tuple[str, str], Gap]:
    """What failed and has a remedy, but would not be done by a plan made now; why, by gateway and control."""
    index, asked = of_audit(audit, fleet, at, {}), frozenset(offered.order())
    remedies = {control.id: control.remedy for control in audit.controls}
    found: dict[tuple[str, str], Gap] = {}
    for gateway in audit.gateways:
        due, gaps = _due(index, gateway, asked)
        done = {one.remedy.name for one in due} | {finding.control for one in due for finding in one.findings}
        why, first = {lack.control: lack for lack in gaps}, min(gaps, key=_not_identity, default=None)
        for finding in audit.some(gateway.name, Status.FAILED):
            remedy = remedies[finding.control]
            if remedy and not {finding.control, remedy} & done and (lack := why.get(finding.control) or first):
                found[gateway.name, finding.control] = lack
    return found


def budget_of(fleet: Fleet) -> Budget:
    """How many gateways may go wrong, by fleet.yml."""
    rollout = fleet.settings.rollout
    return Budget(
        failed=rollout.failed, unreachable=rollout.unreachable, refused=rollout.refused, unknown=rollout.unknown
    )


def fingerprint(findings: Iterable[Finding]) -> str:
    """What tells these findings from others: control, status and value of each."""
    contents = [
        [finding.control, finding.status, finding.actual if finding.value is None else finding.value]
        for finding in sorted(findings, key=lambda finding: finding.control)
    ]
    return hashlib.sha256(json.dumps(contents, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _refuse_unknown(asked: frozenset[str]) -> None:
    order = offered.order()
    for name in sorted(asked - set(order)):
        hint = suggest(name, order) or f"There are {', '.join(order)}."
        raise InputError(f"there is no remedy {name!r}.", hint)


@dataclass(frozen=True, kw_only=True)
class _Due:
    """A remedy that is due on a gateway: for these findings, told of that program."""

    remedy: Remedy
    findings: Sequence[Finding]
    program: str


def _of_gateway(index: AuditIndex, gateway: Gateway, asked: frozenset[str]) -> tuple[list[Step], list[Gap]]:
    """One gateway's steps, in the order in which they are done, and its gaps."""
    due, gaps = _due(index, gateway, asked)
    return [_step(index, index.rows[gateway.name], one) for one in due], gaps


def _due(index: AuditIndex, gateway: Gateway, asked: frozenset[str]) -> tuple[list[_Due], list[Gap]]:
    """What is to be done on one gateway, in that order, and its gaps."""
    if gateway.role is Role.CANDIDATE:
        return [], []
    findings = index.audit.some(gateway.name, *OPEN)
    if barred := why_not_at_all(index, gateway, findings):
        return [], [barred]
    open_ = [finding for finding in findings if not is_stated(index, gateway, finding)]
    mended: dict[str, list[Finding]] = {}
    gaps: list[Gap] = []
    for remedy in _mendable(index, gateway, open_):
        # What is judged over a whole practice is not proved by a reading of one gateway.
        mended[remedy] = [
            finding for finding in open_ if _remedy(index, gateway, finding) == remedy and finding.control != ONE_ACTIVE
        ]
    for finding in open_:
        required = index.controls[finding.control].impact is Impact.REQUIRED
        if required and _remedy(index, gateway, finding) not in mended:
            gaps.append(left_to_owner(index, gateway, finding))
    if gateway.role is Role.RETIRED and mended and (why := removal_barred(index, gateway)):
        return [], [why, *gaps]
    stopping = [name for name in offered.order() if name in mended.keys() & asked and offered.stops_service(name)]
    # A reading is packed, and taken apart only for who wants something of it.
    if stopping and (service := going(index.evidence[gateway.name])):
        for remedy in stopping:
            gaps.extend(after_restart(gateway, finding, service) for finding in mended.pop(remedy))
    due, lacking = _able(index, gateway, {remedy: findings for remedy, findings in mended.items() if remedy in asked})
    due, more = _served(index, gateway, due, lacking, open_)
    return due, [*gaps, *lacking, *more]


def _served(
    index: AuditIndex, gateway: Gateway, due: Sequence[_Due], lacking: Iterable[Gap], open_: Sequence[Finding]
) -> tuple[list[_Due], list[Gap]]:
    """What is due without a service that nothing makes, and without a start that something bars; and why. `lacking` is
    what of it cannot be set yet, and is not there when it would be started."""
    findings, barred = {one.remedy.name: one.findings for one in due}, set[str]()
    gaps = service_barred(index, index.rows[gateway.name], findings) if SERVICE in findings else []
    if gaps:
        barred.add(SERVICE)
    coming, left = findings.keys() - barred - {START}, {lack.control for lack in (*lacking, *gaps)}
    if START in findings and (why := start_barred(index, gateway, coming, left, open_)):
        barred.add(START)
        gaps.append(why)
    return [one for one in due if one.remedy.name not in barred], gaps


def _able(index: AuditIndex, gateway: Gateway, mended: Mapping[str, list[Finding]]) -> tuple[list[_Due], list[Gap]]:
    """What can be done of what each remedy mends, and what cannot be set yet because something is not known."""
    row, retired, known = index.rows[gateway.name], gateway.role is Role.RETIRED, offered.known()
    order = offered.removal() if retired else offered.order()
    told = not retired and any(known[name].told_of_program for name in mended)
    program = _program(index, gateway, mended.keys()) if told else Programs()
    # What is not done to a gateway of that role is said, never passed over.
    others = sorted(mended.keys() - set(order))
    due, gaps = list[_Due](), [left_to_owner(index, row, finding) for name in others for finding in mended[name]]
    held = ""
    for remedy in (known[name] for name in order if name in mended):
        findings = mended[remedy.name]
        if remedy.told_of_program and told and program.one == "":
            gaps.extend(gap(row, finding.control, _untold(program), "icb-it", _UNTOLD_ASK) for finding in findings)
            continue
        lacks = [held or remedy.lacks(index.fleet.settings, row, finding.control) for finding in findings]
        # What one that stays was built on stays too.
        held = held or (next(filter(None, lacks), "") if retired else "")
        gaps.extend(asked_of_vendor(row, finding, lack) for finding, lack in zip(findings, lacks, strict=True) if lack)
        if able := [finding for finding, lack in zip(findings, lacks, strict=True) if not lack]:
            due.append(_Due(remedy=remedy, findings=able, program=program.one))
    return due, gaps


def _program(index: AuditIndex, gateway: Gateway, remedies: Collection[str]) -> Programs:
    """Which program firewall and antivirus are told of: that which the plan's own service step sets, else what runs.
    What no service runs, no step of ours takes the place of: then it is both."""
    settings, evidence = index.fleet.settings, index.evidence[gateway.name]
    at_work = programs(evidence.sections, settings)
    if SERVICE in remedies and packages.usable(settings, "procrun"):
        return Programs(running=at_work.running if by_hand(evidence) else (), configured=settings.connector.image)
    return at_work


def _untold(program: Programs) -> str:
    return program.why or " and ".join(program.words(image) for image in program.each)


def _mendable(index: AuditIndex, gateway: Gateway, findings: Sequence[Finding]) -> set[str]:
    """The remedies that this gateway needs: something of theirs failed. What could not be told, such as the restart
    actions of a service that is not there, comes with them. Only a start is needed by what is merely unknown."""
    failed = {index.controls[finding.control].remedy for finding in findings if finding.status is Status.FAILED}
    failed -= {"", START}
    starts = any(index.controls[finding.control].remedy == START for finding in findings)
    return failed | {START} if starts and gateway.role is Role.ACTIVE else failed


def _remedy(index: AuditIndex, gateway: Gateway, finding: Finding) -> str:
    """What mends a finding. Where a retired gateway still runs a Connector, that ends with its service."""
    if gateway.role is Role.RETIRED and finding.status is Status.FAILED and finding.control in (STOPPED, ONE_ACTIVE):
        return SERVICE
    return index.controls[finding.control].remedy


def _step(index: AuditIndex, row: Gateway, due: _Due) -> Step:
    remedy, controls = due.remedy, tuple(finding.control for finding in due.findings)
    values = offered.values(index.fleet, row, remedy.name, due.program)[1]
    removes, starts = row.role is Role.RETIRED, remedy.name == START
    size = 0 if removes or starts else _bytes(values)
    # What was measured is how long it takes to bring something.
    seconds = remedy.seconds if removes else index.seconds.get(remedy.name, remedy.seconds)
    return replace(
        remedy.step(row, values),
        because=controls,
        proves=controls,
        needs=before_start(index.audit.controls) if starts else (),
        keeps=(RUNNING,) if index.running.get(row.name) is Status.PASSED else (),
        fingerprint=fingerprint(due.findings),
        changes=tuple(
            Change(what=index.controls[finding.control].title, before=finding.actual, after=finding.expected)
            for finding in due.findings
        ),
        seconds=seconds + size * 8 / index.fleet.settings.rollout.line_speed,
        size=size,
    )


def _bytes(values: Any) -> int:
    """What has to be brought to the gateway: the sizes of the packages that are not there already."""
    if isinstance(values, Mapping):
        if "sha256" in values and values.get("source") != "path":
            return int(values.get("size") or 0)
        return sum(map(_bytes, values.values()))
    return 0


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
