"""What a person has to do: shown by a reading where it leaves a trace, by that person's confirmation where not."""

from collections.abc import Sequence
from datetime import timedelta

from provisioner.execute import act, events, handover, judge
from provisioner.execute.ports import POLL
from provisioner.execute.run import Run
from provisioner.model import Reason, Result, Status, Step
from provisioner.model.plan import GATEWAY_ENDED


def wait_for(run: Run, steps: Sequence[Step]) -> None:
    """Look whether persons have done their steps, for as long as `rollout.approve_wait` says; then they are waited for
    without us."""
    begun = run.ports.now()
    until = begun + timedelta(seconds=run.patience)
    left, asked = list(steps), False
    while left:
        over = run.ports.now() >= until or bool(run.why_stop())
        reading = act.observe(run, [step for step in left if step.proves], peers=True)
        endings, still = list[act.Ending](), []
        for step in left:
            verdict, barred = _verdict(run, step, reading, asked)
            lost = step.proves and (reading.trouble(step.gateway) or barred)
            if verdict[0] is Result.WAITING and step.proves and not over and not lost:
                still.append(step)
            else:
                endings.append((step, verdict, judge.NOT_ACTED, begun))
        act.record(run, endings)
        left = still
        if left and not asked:
            words = "; ".join(dict.fromkeys(step.words for step in left))
            run.notify(events.PersonAwaited(steps=tuple(left), words=words, until=until))
            asked = True
        if left:
            run.ports.pause(POLL)


def _verdict(run: Run, step: Step, reading: judge.Observation, asked: bool) -> tuple[judge.Verdict, bool]:
    """How a person's step stands, and whether nobody is asked for it yet."""
    if step.proves and run.is_abandoned(step.gateway, reading):
        return judge.UNNEEDED, False
    stands = verdict(step, reading, run.confirmed.get(step.id, ""))
    if stands[0] is Result.WAITING and (why := _not_asked(run, step, reading, asked)):
        return (Result.WAITING, f"not asked for yet, because {why}"), True
    return stands, False


def _not_asked(run: Run, step: Step, reading: judge.Observation, asked: bool) -> str:
    """Why nobody is asked to end SystmOne's Gateway: nothing could take over; "" where it could. Who has been `asked`
    is not told otherwise, unless what takes over is away since: all of it is asked again before the Connector stops."""
    if step.remedy != GATEWAY_ENDED:
        return ""
    return handover.away(run, reading) or ("" if asked else handover.why_not(run, step))


def carried_by_hand(step: Step, confirmed: str) -> judge.Verdict:
    """How the carrying of files stands where the gateway that has them is switched off for good. Pure."""
    if confirmed:
        return Result.UNCHANGED, confirmed
    paths = ", ".join(step.values["carry_paths"])
    return Result.WAITING, f"{step.values['carry_from']} is switched off: bring {paths} by hand, and confirm it"


def verdict(step: Step, reading: judge.Observation, confirmed: str) -> judge.Verdict:
    """How a person's step stands. What a reading shows counts for more than what is said. Pure."""
    if step.proves and (trouble := reading.trouble(step.gateway)):
        return Result.REFUSED if reading.refused(step.gateway) else Result.UNREACHABLE, trouble
    if step.proves and reading.proved(step):
        return Result.DONE, "shown by a reading"
    findings = reading.findings.get(step.gateway, {})
    failed = [control for control in step.proves if control in findings and findings[control].status is Status.FAILED]
    if confirmed and not failed:
        return Result.DONE, confirmed
    untold = [control for control in step.proves if control in findings and findings[control].status is Status.UNKNOWN]
    now = " ".join(findings[control].message for control in (failed or untold))
    shown = f" (now: {now})" if now else ""
    against = f"; {confirmed}, but the gateway shows otherwise" if confirmed else ""
    return Result.WAITING, f"{step.who}: {step.words}{shown}{against}", Reason.ASKED
