"""Our marker on every gateway of a practice while a Connector is started there: two teams with two journals do not both
find the other PC stopped.

The marker stands on a gateway before its peers are looked at for the last time, and until what was started has been
looked at. Whoever comes second is refused by it, there or here.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from provisioner.ansible.playbook import Acted
from provisioner.execute import failpoints, judge
from provisioner.execute.failpoints import Point
from provisioner.execute.shards import in_shards
from provisioner.journal import Event
from provisioner.model import Gateway, Result, Step
from provisioner.plan.rollout import ONLY_CONNECTOR, SWITCHED_OFF

if TYPE_CHECKING:
    from provisioner.execute.run import Rollout

# The role that does nothing but what the playbook does around all: claim the gateway, and release it.
MARKER = "marker"
# The variable that leaves the marker there after the play.
STAYS = "marker_stays"


def staying(step: Step) -> Step:
    """The step, after which our marker stays on its gateway."""
    return replace(step, values={**step.values, STAYS: True})


@contextmanager
def on_practices(run: Rollout, steps: Sequence[Step], reading: judge.Reading) -> Iterator[dict[str, judge.Verdict]]:
    """While this lasts, our marker is on all gateways of these steps' practices. Gives, by step, how a step ends whose
    practice has one on which it could not be left.

    A practice of one gateway needs none: the step's own is enough. `reading` says which PCs are away for good.
    """
    practices = {step.id: _to_mark(run, step, reading) for step in steps}
    peers = [
        practice
        for step, practice in zip(steps, practices.values(), strict=True)
        if len(run.practice(step.gateway)) > 1
    ]
    rows = {row.name: row for practice in peers for row in practice}
    acted = _marked(run, list(rows.values()), stays=True)
    try:
        why = {name: why for name, said in acted.items() if (why := _why_not(name, said))}
        yield {
            id_: (Result.WAITING, why[row.name])
            for id_, practice in practices.items()
            for row in practice
            if row.name in why
        }
    finally:
        _marked(run, [rows[name] for name, said in acted.items() if said.result != "held"], stays=False)


def _to_mark(run: Rollout, step: Step, reading: judge.Reading) -> list[Gateway]:
    """The gateways of a step's practice but those at which nothing accepts a connection, as a person has said, and
    those at whose address another PC may answer: on a PC that is not the practice's nothing is written."""
    said, practice = run.said(), run.practice(step.gateway)
    strangers = reading.strangers(practice, said)

    def away(row: Gateway) -> bool:
        evidence = reading.evidence.get(row.name)
        absent = bool(evidence and evidence.error and evidence.error.absent)
        return absent and (said.names(SWITCHED_OFF, row) or (said.names(ONLY_CONNECTOR, row) and not run.strict))

    return [row for row in practice if row.name == step.gateway or not (away(row) or row.name in strangers)]


def come_back(run: Rollout, step: Step, before: judge.Reading, now: judge.Reading) -> judge.Verdict | None:
    """How a step ends one of whose practice's gateways was away when the others were marked, and answers now."""
    marked = {row.name for row in _to_mark(run, step, before)}
    back = [row.name for row in _to_mark(run, step, now) if row.name not in marked]
    words = (
        f"not started: {', '.join(back)}, of the same practice, was away and answers now; give the same command again"
    )
    return (Result.WAITING, words) if back else None


def _why_not(gateway: str, said: Acted) -> str:
    if said.result == "ok":
        return ""
    if said.result == "held":
        return f"not started: {gateway}, of the same practice: {said.message}; {judge.HELD}"
    why = said.message or said.result
    return f"not started: {gateway}, of the same practice, could not be marked as worked on: {why}"


def _marked(run: Rollout, rows: Sequence[Gateway], *, stays: bool) -> dict[str, Acted]:
    """Claim these gateways, and release them again unless the marker `stays`; by gateway what was said."""
    acted: dict[str, Acted] = {}
    steps = [
        Step(
            id=f"{row.name}-{MARKER}",
            gateway=row.name,
            practice=row.practice,
            kind="playbook",
            remedy=MARKER,
            role=MARKER,
            values={STAYS: stays},
        )
        for row in rows
    ]

    def shard(these: Sequence[Step]) -> Mapping[str, Acted]:
        mark = secrets.token_hex(6)
        run.journal.append(_event(run, step, "claim_started", {"mark": mark}) for step in these)
        try:
            said = run.hands.act(these, mark)
        except Exception as error:
            # Whatever went wrong in there: nothing is known of these, and nothing is started in their practices.
            said = {step.id: Acted(result="unknown", message=f"{type(error).__name__}: {error}") for step in these}
        found = {step.id: said.get(step.id, Acted(result="unknown", message="no result")) for step in these}
        results = {step.id: {"result": found[step.id].result, "stays": stays} for step in these}
        run.journal.append(_event(run, step, "claim_ended", results[step.id]) for step in these)
        return found

    if steps:
        in_shards(steps, run.fleet.settings.rollout.shard, shard, acted, lambda: False)
        failpoints.reach(Point.CLAIMED if stays else Point.RELEASED)
    return {step.gateway: acted[step.id] for step in steps}


def _event(run: Rollout, step: Step, kind: str, body: Mapping[str, Any]) -> Event:
    return Event(at=run.hands.now(), kind=kind, plan=run.plan.id, step=step.id, gateway=step.gateway, body=body)
