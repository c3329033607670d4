"""A plan that was done, and what each step found -> the plan that puts back what was there before. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from provisioner import remedies
from provisioner.model import Audit, Change, Finding, Gap, Plan, Step, Wave
from provisioner.plan.guards import START
from provisioner.plan.proof import work_fingerprint
from provisioner.remedies.remedy import Back


@dataclass(frozen=True, kw_only=True)
class Attempts:
    """What the journal knows of a step that was begun: how often, and what its role first found (None: it never
    said)."""

    begun: int
    before: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Undone:
    """The steps that lead a gateway back, in their order, and what has to be put back by hand."""

    steps: tuple[Step, ...] = ()
    gaps: tuple[Gap, ...] = field(default=())


def make(plan: Plan, audit: Audit, acted: Mapping[str, Attempts], *, at: datetime, plan_id: str) -> Plan:
    """The plan that undoes all steps of a rollout that were begun, in the same waves.

    `audit` is the one that the plan was made from; `acted` is by step.
    """
    waves, gaps = list[Wave](), list[Gap]()
    for wave in plan.waves:
        steps: list[Step] = []
        for gateway in dict.fromkeys(step.gateway for step in wave.steps):
            back = gateway_back([step for step in wave.steps if step.gateway == gateway], audit, acted, plan.id)
            steps += back.steps
            gaps += back.gaps
        if steps:
            waves.append(Wave(number=len(waves) + 1, steps=tuple(steps)))
    touched = {step.gateway for wave in waves for step in wave.steps}
    return Plan(
        id=plan_id,
        kind="undo",
        at=at,
        audit=plan.audit,
        fleet_digest=plan.fleet_digest,
        policy_digest=plan.policy_digest,
        places={name: place for name, place in plan.places.items() if name in touched},
        waves=tuple(waves),
        budget=plan.budget,
        gaps=tuple(gaps),
        of=plan.id,
        part=plan.part,
    )


def gateway_back(steps: Sequence[Step], audit: Audit, acted: Mapping[str, Attempts], plan_id: str) -> Undone:
    """What leads one gateway back from those of these steps that were begun."""
    begun = [step for step in steps if step.kind == "playbook" and step.id in acted]
    ways, made = remedies.ways_back(), list[Step]()
    # A role that nobody has given a way back is named, never passed over.
    gaps = [_gap(step, "provisioner knows no way back from it") for step in begun if step.role not in ways]
    for role, way in ways.items():
        # A service is set and started by two steps of one role: what was before the first of them counts.
        of_role = [step for step in begun if step.role == role]
        if not of_role:
            continue
        first = acted[of_role[0].id]
        if why := _why_by_hand(of_role[0], first, way):
            gaps.append(_gap(of_role[0], why))
        else:
            made.append(_back(of_role, way, audit, first.before or {}, plan_id))
    return Undone(steps=tuple(made), gaps=tuple(gaps))


def acted_on(events: Iterable[tuple[str, str, Mapping[str, Any]]]) -> dict[str, Attempts]:
    """What was acted on, by step, from (kind, step, body) of the journal's events of one plan, oldest first."""
    found: dict[str, Attempts] = {}
    # What was known of a step that has no end yet, when it was begun.
    earlier: dict[str, Attempts | None] = {}
    for kind, step, body in events:
        so_far = found.get(step)
        if kind == "step_started":
            earlier[step] = so_far
            begun = so_far.begun + 1 if so_far and so_far.before is None else (so_far.begun if so_far else 1)
            found[step] = Attempts(begun=begun, before=so_far.before if so_far else None)
        elif step in earlier:
            was = earlier.pop(step)
            if body.get("untouched"):
                found.pop(step)
                found |= {step: was} if was else {}
            elif so_far and so_far.before is None and body.get("before"):
                found[step] = Attempts(begun=so_far.begun, before=body["before"])
    return found


def _why_by_hand(step: Step, acted: Attempts, way: Back) -> str:
    if acted.before is None:
        return "what was there before is not known: the run ended before Ansible had said it"
    if untold := acted.before.get("untold"):
        return f"what was there before of {', '.join(untold)} could not be read"
    if lost := way.lost(acted.before):
        return lost
    # That nothing was there yet when the next run looked says that the earlier one had changed nothing.
    untouched = not step.removes and way.nothing_before(acted.before)
    if acted.begun > 1 and not way.recorded and not untouched:
        return "an earlier run ended in the middle of it, and what it had changed by then is not known"
    return ""


def _back(steps: Sequence[Step], way: Back, audit: Audit, before: Mapping[str, Any], plan_id: str) -> Step:
    first, role = steps[0], steps[0].role
    proves = tuple(dict.fromkeys(control for step in steps for control in step.proves))
    was = [finding for finding in audit.of(first.gateway) if finding.control in proves]
    own = {f"{role}_state": "restored", f"{role}_before": dict(before), "provisioner_plan": plan_id, **way.values}
    step = Step(
        id=f"{first.gateway}-undo-{role}",
        gateway=first.gateway,
        practice=first.practice,
        kind="playbook",
        remedy=role,
        role=role,
        values={**first.values, **own},
        because=first.because,
        proves=tuple(control for control in proves if control in {finding.control for finding in was}),
        changes=tuple(_change(finding, steps) for finding in was),
        seconds=sum(step.seconds for step in steps if step.remedy != START) or first.seconds,
        restores=True,
    )
    evidence = next(
        (evidence for evidence in audit.evidence if evidence.gateway == first.gateway and not evidence.error), None
    )
    return replace(step, fingerprint=work_fingerprint(step, evidence) if evidence else "")


def _change(was: Finding, steps: Sequence[Step]) -> Change:
    words = {change.before: change for step in steps for change in step.changes}
    what = words[was.actual].what if was.actual in words else was.control
    return Change(what=what, before=was.expected, after=was.actual)


def _gap(step: Step, why: str) -> Gap:
    return Gap(
        gateway=step.gateway,
        practice=step.practice,
        control=step.id,
        message=f"{step.remedy} cannot be undone from here: {why}",
        owner="icb-it",
        ask="Put it back by hand; `provisioner record` has the reading from before the step.",
    )
