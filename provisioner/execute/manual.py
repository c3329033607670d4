"""What a person has to do: shown by a reading where it leaves a trace, by that person's confirmation where not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from provisioner.execute import events, judge
from provisioner.execute.start import POLL
from provisioner.migration.stages import GATEWAY_ENDED
from provisioner.model import Reason, Result, Status, Step

if TYPE_CHECKING:
    from provisioner.execute.run import Rollout


def wait_for(run: Rollout, steps: Sequence[Step]) -> None:
    """Look whether persons have done their steps, for as long as `rollout.approve_wait` says; then they are waited for
    without us."""
    begun = run.hands.now()
    until = begun + timedelta(seconds=run.patience)
    left, told = list(steps), False
    while left:
        over = run.hands.now() >= until or bool(run.why_stop())
        reading = run.look([step for step in left if step.proves], peers=True)
        ended, still = [], []
        for step in left:
            verdict = _verdict(run, step, reading)
            lost = step.proves and (reading.trouble(step.gateway) or _not_asked(run, step, reading))
            if verdict[0] is Result.WAITING and step.proves and not over and not lost:
                still.append(step)
            else:
                ended.append((step, verdict, judge.NOT_ACTED, begun))
        run.record(ended)
        left = still
        if left and not told:
            words = "; ".join(dict.fromkeys(step.words for step in left))
            run.tell(events.PersonAwaited(gateways=tuple(step.gateway for step in left), words=words, until=until))
            told = True
        if left:
            run.hands.pause(POLL)


def _verdict(run: Rollout, step: Step, reading: judge.Reading) -> judge.Verdict:
    if step.proves and run.left_dead(run.row(step.gateway), reading):
        return judge.UNNEEDED
    found = verdict(step, reading, run.confirmed.get(step.id, ""))
    if found[0] is Result.WAITING and (why := _not_asked(run, step, reading)):
        return Result.WAITING, why
    return found


def _not_asked(run: Rollout, step: Step, reading: judge.Reading) -> str:
    """Why nobody is asked to end SystmOne's Gateway: the PC that takes over is away; "" where it is there."""
    if step.remedy != GATEWAY_ENDED or not (trouble := reading.trouble(run.plan.leads_to)):
        return ""
    return f"not asked for yet, because {run.plan.leads_to}, which takes over, is away: {trouble}"


def carried_by_hand(step: Step, confirmed: str) -> judge.Verdict:
    """How the carrying of files stands where the gateway that has them is switched off for good. Pure."""
    if confirmed:
        return Result.UNCHANGED, confirmed
    paths = ", ".join(step.values["carry_paths"])
    return Result.WAITING, f"{step.values['carry_from']} is switched off: bring {paths} by hand, and confirm it"


def verdict(step: Step, reading: judge.Reading, confirmed: str) -> judge.Verdict:
    """How a person's step stands. What a reading shows counts for more than what is said. Pure."""
    if step.proves and (trouble := reading.trouble(step.gateway)):
        return Result.REFUSED if reading.refused(step.gateway) else Result.UNREACHABLE, trouble
    if step.proves and reading.proved(step):
        return Result.DONE, "shown by a reading"
    found = reading.findings.get(step.gateway, {})
    failed = [control for control in step.proves if control in found and found[control].status is Status.FAILED]
    if confirmed and not failed:
        return Result.DONE, confirmed
    untold = [control for control in step.proves if control in found and found[control].status is Status.UNKNOWN]
    now = " ".join(found[control].message for control in (failed or untold))
    shown = f" (now: {now})" if now else ""
    against = f"; {confirmed}, but the gateway shows otherwise" if confirmed else ""
    return Result.WAITING, f"{step.who}: {step.words}{shown}{against}", Reason.ASKED
