"""Documents for other programs, version 1. Their shapes are promised in docs/json.md.

All are ASCII, so that no pipe and no code page can spoil them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

from provisioner.model import Audit, Outcome, Plan, Step
from provisioner.model.results import Stands
from provisioner.report import standing, words
from provisioner.report.envelope import document, plain


def audit(audit: Audit, ready: Mapping[str, bool]) -> str:
    """The gateways whose PC is known, in the order of practices.csv, each with its findings."""
    return "".join(pieces(audit, ready))


def pieces(audit: Audit, ready: Mapping[str, bool]) -> Iterator[str]:
    """The same, a gateway at a time."""
    evidence = {one.gateway: one for one in audit.evidence}
    known = [gateway for gateway in audit.gateways if gateway.known]
    left_out = audit.left_out or {}
    head = {"audit": audit.id, "partial": bool(left_out), "of": len(known) + len(left_out)}
    if not known:
        yield document(head | {"gateways": []})
        return
    # Each gateway as json would write it in the place of a mark: no text has a line feed in JSON.
    before, after = document(head | {"gateways": [0]}).rsplit("0\n", 1)
    yield before
    for number, gateway in enumerate(known):
        problem = evidence[gateway.name].error if gateway.name in evidence else None
        told = {
            "gateway": gateway.name,
            "practice": gateway.practice,
            "ready": ready.get(gateway.name, False),
            "error": asdict(problem) if problem else None,
            "findings": [
                {
                    "control": finding.control,
                    "status": finding.status,
                    "expected": finding.expected,
                    "actual": finding.actual,
                    "message": finding.message,
                }
                for finding in audit.of(gateway.name)
            ],
        }
        yield (",\n    " if number else "") + json.dumps(told, indent=2, default=plain).replace("\n", "\n    ")
    yield f"\n{after}"


def plan(plan: Plan, stands: Mapping[str, Stands] = MappingProxyType({})) -> str:
    """The waves with their steps, the gaps that no step mends, and what stands of the steps by now."""
    waves = [{"number": wave.number, "steps": [_step(step) for step in wave.steps]} for wave in plan.waves]
    gaps = [asdict(gap) for gap in plan.gaps]
    body = {"plan": plan.id, "kind": plan.kind, "audit": plan.audit, "part": plan.part, "waves": waves, "gaps": gaps}
    told = [
        {"step": step.id, "gateway": step.gateway, **standing.document(stands[step.id])}
        for step in plan.steps
        if step.id in stands
    ]
    return document(body | {"standing": told})


def outcomes(plan_id: str, outcomes: Sequence[Outcome], stands: Mapping[str, Stands] = MappingProxyType({})) -> str:
    """How the steps of a plan ended in one run, in the order in which they ended, and what stands of each."""
    told = [
        _outcome(one) | {"standing": standing.document(stands[one.step]) if one.step in stands else None}
        for one in outcomes
    ]
    return document({"plan": plan_id, "outcomes": told})


def _step(step: Step) -> dict[str, Any]:
    return {
        "id": step.id,
        "gateway": step.gateway,
        "practice": step.practice,
        "kind": step.kind,
        "remedy": step.remedy,
        "role": step.role,
        "values": dict(step.values),
        "words": step.words,
        "who": step.who,
        "because": list(step.because),
        "proves": list(step.proves),
        "changes": [asdict(change) for change in step.changes],
        "seconds": step.seconds,
        "size": step.size,
        "restores": step.restores,
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "step": outcome.step,
        "gateway": outcome.gateway,
        "result": outcome.result,
        "changed": outcome.changed,
        "started": words.utc(outcome.started),
        "ended": words.utc(outcome.ended),
        "message": outcome.message,
        "before": dict(outcome.before),
        "seconds": outcome.seconds,
    }
