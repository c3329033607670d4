"""Taking a Connector away: never a practice's last one unasked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from provisioner.execute import judge
from provisioner.model import Result, Step
from provisioner.plan.rollout import why_not_remove

if TYPE_CHECKING:
    from provisioner.execute.run import Rollout


def removable(run: Rollout, steps: Sequence[Step]) -> list[Step]:
    """Without those that would take away a practice's last Connector unasked, by a fresh reading of the whole
    practice; these are recorded. An undo only puts back what was there."""
    removing = [step for step in steps if step.removes and run.plan.kind != "undo"]
    reading, said = run.look(removing, peers=True), run.said()
    barred: dict[str, judge.Verdict] = {}
    for step in removing:
        others = [one for one in run.practice(step.gateway) if one.name != step.gateway]
        strangers = reading.strangers(others, said)
        if why := why_not_remove(run.row(step.gateway), others, said, reading.evidence, strangers):
            barred[step.id] = (Result.STALE, f"{why.message}. {why.ask}")
    now = run.hands.now()
    run.record([(step, barred[step.id], judge.NOT_ACTED, now) for step in steps if step.id in barred])
    return [step for step in steps if step.id not in barred]
