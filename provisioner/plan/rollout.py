"""Audit -> Plan: which steps, on which gateways, in which waves, and whose job the rest is. Pure."""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from provisioner import remedies as offered
from provisioner.audit.causes import OPEN
from provisioner.audit.facts.running import Programs, programs
from provisioner.errors import InputError, suggest
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
        # A PC that is not the one it should be comes first: all else that is said of it is about another PC.
        gaps=tuple(sorted(gaps, key=lambda lack: lack.control != IDENTITY)),
    )


def not_planned(audit: Audit, fleet: Fleet, at: datetime) -> dict[tuple[str, str], Gap]:
    """What failed and has a remedy, but would not be done by a plan made now; why, by gateway and control."""
    made = make(audit, fleet, at=at, plan_id="none")
    done = {(step.gateway, step.remedy) for step in made.steps}
    done |= {(step.gateway, control) for step in made.steps for control in step.because}
    why = {(lack.gateway, lack.control): lack for lack in made.gaps}
    first: dict[str, Gap] = {}
    for lack in made.gaps:
        first.setdefault(lack.gateway, lack)
    remedies = {control.id: control.remedy for control in audit.controls}
    open_ = [finding for finding in audit.that_are(Status.FAILED) if remedies[finding.control]]
    return {
        (finding.gateway, finding.control): why_not
        for finding in open_
        if not {(finding.gateway, finding.control), (finding.gateway, remedies[finding.control])} & done
        and (why_not := why.get((finding.gateway, finding.control)) or first.get(finding.gateway))
    }


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


def _of_gateway(index: AuditIndex, gateway: Gateway, asked: frozenset[str]) -> tuple[list[Step], list[Gap]]:
    """One gateway's steps, in the order in which they are done, and its gaps."""
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
    stopping = [name for name in offered.order() if name in mended and name in asked and offered.stops_service(name)]
    # Readings are kept packed: one is taken apart only where something depends on it.
    if stopping and (service := going(index.evidence[gateway.name])):
        for remedy in stopping:
            gaps.extend(after_restart(gateway, finding, service) for finding in mended.pop(remedy))
    if START in mended and START in asked and (why := start_barred(index, gateway, mended, asked, open_)):
        del mended[START]
        gaps.append(why)
    steps, lacking = _steps(
        index, gateway, {remedy: findings for remedy, findings in mended.items() if remedy in asked}
    )
    return steps, [*gaps, *lacking]


def _steps(index: AuditIndex, gateway: Gateway, mended: Mapping[str, list[Finding]]) -> tuple[list[Step], list[Gap]]:
    """A gateway's steps from what each remedy mends, and what cannot be set yet because something is not known."""
    row, retired = index.rows[gateway.name], gateway.role is Role.RETIRED
    order = offered.removal() if retired else offered.order()
    # What is not done to a gateway of that role is said, never passed over.
    others = sorted(mended.keys() - set(order))
    steps, gaps = list[Step](), [left_to_owner(index, row, finding) for name in others for finding in mended[name]]
    for remedy in (offered.known()[name] for name in order if name in mended):
        findings = mended[remedy.name]
        program = _program(index, gateway, mended.keys()) if remedy.told_of_program and not retired else None
        if program and program.one == "":
            gaps.extend(gap(row, finding.control, _untold(program), "icb-it", _UNTOLD_ASK) for finding in findings)
            continue
        lacks = [remedy.lacks(index.fleet.settings, row, finding.control) for finding in findings]
        gaps.extend(asked_of_vendor(row, finding, lack) for finding, lack in zip(findings, lacks, strict=True) if lack)
        if able := [finding for finding, lack in zip(findings, lacks, strict=True) if not lack]:
            values = offered.values(index.fleet, row, remedy.name, program.one if program else "")[1]
            steps.append(_step(index, row, remedy, values, able))
    return steps, gaps


def _program(index: AuditIndex, gateway: Gateway, remedies: Collection[str]) -> Programs:
    """Which program firewall and antivirus are told of: that which the plan's own service step sets, else what runs.
    What no service runs, no step of ours takes the place of: then it is both."""
    settings, evidence = index.fleet.settings, index.evidence[gateway.name]
    at_work = programs(evidence.sections, settings)
    if SERVICE in remedies and "procrun" in settings.packages:
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


def _step(
    index: AuditIndex, row: Gateway, remedy: Remedy, values: Mapping[str, Any], findings: Sequence[Finding]
) -> Step:
    controls = tuple(finding.control for finding in findings)
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
        fingerprint=fingerprint(findings),
        changes=tuple(
            Change(what=index.controls[finding.control].title, before=finding.actual, after=finding.expected)
            for finding in findings
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
