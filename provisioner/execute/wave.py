"""One wave: lease its gateways, read them, act on what is due, prove it by a new reading, record."""

from collections.abc import Mapping, Sequence

from provisioner.execute import (
    act,
    admission,
    as_planned,
    events,
    failpoints,
    handover,
    judge,
    manual,
    rows,
    schedule,
    start,
)
from provisioner.execute.failpoints import Failpoint
from provisioner.execute.run import LEASE, Run
from provisioner.journal import Lease, standing
from provisioner.model import Result, Step, Wave
from provisioner.model.controls import IDENTITY
from provisioner.model.plan import STOP
from provisioner.plan.guards import SERVICE, START, why_not_disabled, why_not_remove


def do(run: Run, wave: Wave) -> None:
    """One wave, to its end; its leases are given back whatever happens."""
    if not hold(run):
        return
    gateways = tuple(dict.fromkeys(step.gateway for step in wave.steps))
    count = max(len(run.plan.waves), wave.number)
    run.notify(events.WaveStarted(number=wave.number, of=count, gateways=gateways, steps=len(wave.steps)))
    now, leased = run.ports.now(), _leased(run, wave)
    held = run.journal.take(leased, run.me, run.plan.id, now, now + LEASE)
    run.moving = _others_moving(run)
    failpoints.reached(Failpoint.WAVE_LEASED)
    between, run.wave = run.wave, wave
    try:
        _do_leased(run, wave, held)
    finally:
        run.wave = between
        run.journal.release(leased, run.me)
    failpoints.reached(Failpoint.WAVE_RELEASED)
    run.notify(events.WaveEnded(number=wave.number))


def hold(run: Run) -> bool:
    """Make the run's own leases longer. False, and it stops, where somebody has taken one from it."""
    now = run.ports.now()
    for id_, lease in run.journal.take(run.leased, run.me, "apply", now, now + LEASE).items():
        run.stopped = f"{id_} was taken from this run: {admission.held_by(lease)}"
    return not run.stopped


def _others_moving(run: Run) -> dict[str, str]:
    """The open migration of each practice that has one which this plan does not belong to."""
    open_ = standing.open_migrations(run.journal)
    return {practice: id_ for practice, id_ in open_.items() if id_ not in (run.plan.id, run.plan.of)}


def _takes_practice(run: Run, step: Step) -> bool:
    """Whether a step is done with its whole practice leased: where a Connector is started or moved."""
    return run.wave_policy.whole_practice or step.remedy == START


def _leased(run: Run, wave: Wave) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for step in wave.steps:
        names[step.gateway] = None
        if step.gateway in run.rows and _takes_practice(run, step):
            names |= dict.fromkeys(row.name for row in run.practice(step.gateway))
    return tuple(names)


def _do_leased(run: Run, wave: Wave, held: Mapping[str, Lease]) -> None:
    now = run.ports.now()
    verdicts = {step.id: why for step in wave.steps if (why := _not_now(run, step, held))}
    acts = [step for step in wave.steps if step.id not in verdicts and step.kind == "playbook"]
    if ends := schedule.outlasts(run, acts):
        run.postponed |= {step.id for step in acts}
        verdicts |= {step.id: (Result.WAITING, ends) for step in acts}
    ready = [step for step in wave.steps if step.id not in verdicts]
    acts = [step for step in ready if step.kind == "playbook"]
    if run.wave_policy.whole_practice:
        start.settle(run, acts)
    reading = act.observe(run, acts, peers=run.wave_policy.whole_practice)
    failpoints.reached(Failpoint.WAVE_READ)
    verdicts |= {step.id: why for step in acts if (why := _before_acting(run, step, reading))}
    step_of = {step.id: step for step in wave.steps}
    act.record(run, [(step_of[id_], verdict, judge.NOT_ACTED, now) for id_, verdict in verdicts.items()])
    failpoints.reached(Failpoint.VERDICTS_NOTED)
    due = [step for step in ready if step.id not in verdicts]
    _act(run, _removable(run, [step for step in due if step.kind == "playbook" and step.remedy != START]))
    start.start(run, [step for step in due if step.remedy == START])
    manual.wait_for(run, [step for step in due if step.kind == "person"])
    rows.change(run, [step for step in due if step.kind == "row"])


def _not_now(run: Run, step: Step, held: Mapping[str, Lease]) -> judge.Verdict | None:
    """Why a step is not even looked at now; None where it is."""
    row = run.rows.get(step.gateway)
    if why := admission.why_stale(run.plan, row, step.gateway):
        return Result.STALE, why
    assert row is not None
    by_whom = [held[peer.name] for peer in run.practice(step.gateway) if peer.name in held]
    if step.gateway in held or (_takes_practice(run, step) and by_whom):
        return Result.WAITING, admission.held_by(held.get(step.gateway) or by_whom[0])
    if other := run.moving.get(row.practice):
        return Result.WAITING, f"a migration of this practice is open ({other}): provisioner migrate status"
    run.postponed.discard(step.id)
    if step.kind == "playbook" and (shut := schedule.shut(run, step.gateway, schedule.at_once(run, step))):
        run.postponed.add(step.id)
        return Result.WAITING, shut
    return None


def _before_acting(run: Run, step: Step, reading: judge.Observation) -> judge.Verdict | None:
    """How a step ends by this reading without being done; None where it is to be done."""
    if run.is_abandoned(step.gateway, reading):
        return judge.UNNEEDED
    lender = "" if step.restores else str(step.values.get("carry_from", ""))
    if lender and run.is_off(lender, reading) and not reading.proved(step):
        return manual.carried_by_hand(step, run.confirmed.get(step.id, ""))
    verdict = judge.decide_before(
        step,
        reading,
        begun=run.touched(step.gateway) and bool(run.left(step.gateway)),
        working=start.is_working(run, step.gateway, reading),
        stated=run.statements().covers(IDENTITY, run.row(step.gateway)),
        names=run.names,
    )
    if step.remedy == START and run.unheard(step) and (two := start.beside_another(run, step)):
        return two
    return verdict or _as_planned(run, step) or _at_work(run, step, reading) or _not_taken_over(run, step)


def _as_planned(run: Run, step: Step) -> judge.Verdict | None:
    """Why what a step would do is not what was planned, and approved; None where it is."""
    why = as_planned.why_not(run, step)
    return (Result.STALE, why) if why else None


def _at_work(run: Run, step: Step, reading: judge.Observation) -> judge.Verdict | None:
    """Why a rollout does not set a standby's service: it has come to be at work; None where it may."""
    if run.plan.kind != "rollout" or step.remedy != SERVICE:
        return None
    why = why_not_disabled(run.row(step.gateway), reading.evidence.get(step.gateway))
    return (Result.STALE, why) if why else None


def _not_taken_over(run: Run, step: Step) -> judge.Verdict | None:
    """Why the practice's Connector is not stopped: nothing could take over from it yet; None where it may be."""
    if not (run.wave_policy.hands_over and step.remedy == STOP):
        return None
    why = handover.why_not(run, step)
    return (Result.WAITING, f"not stopped, because {why}") if why else None


def _removable(run: Run, steps: Sequence[Step]) -> list[Step]:
    """Without those that would take away a practice's last Connector unasked, by a fresh reading of the whole
    practice; these are recorded. An undo only puts back what was there."""
    removing = [step for step in steps if step.removes and run.plan.kind != "undo"]
    reading, statements = act.observe(run, removing, peers=True), run.statements()
    barred: dict[str, judge.Verdict] = {}
    for step in removing:
        others = run.peers(step.gateway)
        strangers = reading.strangers(others, statements)
        if gap := why_not_remove(run.row(step.gateway), others, statements, reading.evidence, strangers):
            barred[step.id] = (Result.STALE, f"{gap.message}. {gap.ask}")
    return act.leave_out(run, steps, barred)


def _act(run: Run, steps: Sequence[Step]) -> None:
    """Act on the steps, read their gateways again, judge and record."""
    left = list(steps)
    # More than once round when what Ansible said held up the later shards, and the reading then said better.
    while left and not run.why_stop():
        acted, begun = act.act(run, left)
        done = [step for step in left if step.id in acted]
        asked = [step for step in done if acted[step.id].result not in judge.NOT_ASKED]
        reading = act.observe(run, asked, peers=run.wave_policy.whole_practice)
        failpoints.reached(Failpoint.READ_AGAIN)
        run.begun -= {step.id for step in done if acted[step.id].result == "held"}
        verdicts = [(step, judge.decide_after(step, acted[step.id], reading)) for step in done]
        act.record(run, [(step, verdict, acted[step.id], begun[step.id]) for step, verdict in verdicts])
        measured = [step for step in done if acted[step.id].result == "ok" and not step.removes]
        took = [(step.remedy, seconds) for step in measured if (seconds := acted[step.id].seconds) > 0]
        run.journal.took(took)
        left = [step for step in left if step.id not in acted]
