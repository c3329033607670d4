"""Our work marker on every gateway of a practice while a Connector is started there: two teams with two journals do not
both find the other PC stopped.

The marker stands on a gateway before its peers are looked at for the last time, and until what was started has been
looked at. Whoever comes second is refused by it, there or here.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from provisioner.ansible import claim
from provisioner.ansible.results import StepResult
from provisioner.execute import failpoints, judge
from provisioner.execute.failpoints import Failpoint
from provisioner.execute.ports import applied
from provisioner.execute.run import Run
from provisioner.execute.shards import in_shards, limits
from provisioner.journal import Event
from provisioner.model import Gateway, Result, Step
from provisioner.model.controls import ONLY_CONNECTOR, SWITCHED_OFF

# The role that does nothing but what is around each gateway's roles: claim it, and release it.
MARKER = claim.MARKER
# The variable that leaves the marker there after the play.
STAYS = "marker_stays"


def staying(step: Step) -> Step:
    """The step, after which our marker stays on its gateway."""
    return replace(step, values={**step.values, STAYS: True})


@contextmanager
def on_practices(run: Run, steps: Sequence[Step], reading: judge.Observation) -> Iterator[dict[str, judge.Verdict]]:
    """While this lasts, our marker is on all gateways of these steps' practices. Gives, by step, how a step ends whose
    practice has one on which it could not be left.

    A practice of one gateway needs none: the step's own is enough. `reading` says which PCs are away for good.
    """
    practices = {step.id: _to_mark(run, step, reading) for step in steps}
    rows = {row.name: row for step in steps if run.peers(step.gateway) for row in practices[step.id]}
    claimed = _marked(run, list(rows.values()), stays=True)
    try:
        why = {name: why for name, result in claimed.items() if (why := _why_not(name, result))}
        yield {
            id_: (Result.WAITING, why[row.name])
            for id_, practice in practices.items()
            for row in practice
            if row.name in why
        }
    finally:
        _marked(run, [rows[name] for name, result in claimed.items() if result.result != "held"], stays=False)


def _to_mark(run: Run, step: Step, reading: judge.Observation) -> list[Gateway]:
    """The gateways of a step's practice but those at which nothing accepts a connection, as a person has said, and
    those at whose address another PC may answer: on a PC that is not the practice's nothing is written."""
    statements, practice = run.statements(), run.practice(step.gateway)
    strangers = reading.strangers(practice, statements)
    return [
        row for row in practice if row.name == step.gateway or not (away(run, row, reading) or row.name in strangers)
    ]


def away(run: Run, row: Gateway, reading: judge.Observation) -> bool:
    """Whether nothing accepts a connection at a gateway, as a person has said."""
    statements, evidence = run.statements(), reading.evidence.get(row.name)
    absent = bool(evidence and evidence.error and evidence.error.absent)
    alone = statements.names(ONLY_CONNECTOR, row) and not run.wave_policy.hands_over
    return absent and (statements.names(SWITCHED_OFF, row) or alone)


def come_back(run: Run, step: Step, before: judge.Observation, now: judge.Observation) -> judge.Verdict | None:
    """How a step ends one of whose practice's gateways was away when the others were marked, and answers now."""
    marked = {row.name for row in _to_mark(run, step, before)}
    back = [row.name for row in _to_mark(run, step, now) if row.name not in marked]
    words = (
        f"not started: {', '.join(back)}, of the same practice, was away and answers now; give the same command again"
    )
    return (Result.WAITING, words) if back else None


def _why_not(gateway: str, said: StepResult) -> str:
    if said.result == "ok":
        return ""
    if said.result == "held":
        return f"not started: {gateway}, of the same practice: {said.message}; {judge.HELD}"
    why = said.message or said.result
    return f"not started: {gateway}, of the same practice, could not be marked as worked on: {why}"


def _marked(run: Run, rows: Sequence[Gateway], *, stays: bool) -> dict[str, StepResult]:
    """Claim these gateways, and release them again unless the marker `stays`; by gateway what was said."""
    steps = [_claim(row, stays=stays) for row in rows]
    if not steps:
        return {}
    claimed: dict[str, StepResult] = {}
    in_shards(steps, limits(run.fleet), partial(_shard, run, stays), claimed, lambda: False)
    failpoints.reached(Failpoint.CLAIMED if stays else Failpoint.RELEASED)
    return {step.gateway: claimed[step.id] for step in steps}


def _claim(row: Gateway, *, stays: bool) -> Step:
    return Step(
        id=f"{row.name}-{MARKER}", gateway=row.name, practice=row.practice, kind="playbook", remedy=MARKER, role=MARKER,
        values={STAYS: stays},
    )  # fmt: skip


def _shard(run: Run, stays: bool, steps: Sequence[Step]) -> Mapping[str, StepResult]:
    run_tag = secrets.token_hex(6)
    run.journal.append(_event(run, step, "claim_started", {"mark": run_tag}) for step in steps)
    claimed = applied(run.ports, steps, run_tag)
    results = {step.id: {"result": claimed[step.id].result, "stays": stays} for step in steps}
    run.journal.append(_event(run, step, "claim_ended", results[step.id]) for step in steps)
    return claimed


def _event(run: Run, step: Step, kind: str, body: Mapping[str, Any]) -> Event:
    return Event(at=run.ports.now(), kind=kind, plan=run.plan.id, step=step.id, gateway=step.gateway, body=body)
