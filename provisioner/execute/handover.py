"""Whether one PC can take over from another by now: before that, nothing is taken from the practice that works.

What the start will ask is asked before the stop too. Found only then, it would leave the practice without a Connector,
and without a way back: the fence bars both.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from provisioner.execute import act, judge
from provisioner.execute.run import Run
from provisioner.model import Step, Wave
from provisioner.plan.guards import START, connector_runs, why_not_beside, why_not_fenced


def away(run: Run, reading: judge.Observation) -> str:
    """Why the PC that takes over is not there; "" where it is."""
    trouble = reading.trouble(run.plan.leads_to)
    return f"{run.plan.leads_to}, which takes over, is away: {trouble}" if trouble else ""


def why_not(run: Run, step: Step) -> str:
    """Why the practice's Connector is to go on before this step; "" where by a fresh reading what takes over is there,
    and the start that follows would be barred by nothing but what comes in between; and where the one that is left
    stands."""
    here = next((number for number, wave in enumerate(run.plan.waves) if step in wave.steps), len(run.plan.waves))
    later = run.plan.waves[here:]
    starts = [(number, one) for number, wave in enumerate(later) for one in wave.steps if one.remedy == START]
    number, start = starts[0] if starts else (0, None)
    between = {control for wave in later[:number] for one in wave.steps for control in one.proves}
    with _as_in(run, later[number] if start else run.wave):
        reading = act.observe(run, [start or step], peers=True)
        if connector_runs(reading.evidence.get(run.plan.leaves)) is False:
            return ""
        why = away(run, reading)
        if why or start is None:
            return why
        return _barred(run, replace(start, needs=tuple(one for one in start.needs if one not in between)), reading)


@contextmanager
def _as_in(run: Run, wave: Wave) -> Iterator[None]:
    """While this lasts, gateways are judged as that later wave will judge them."""
    now, run.wave = run.wave, wave
    try:
        yield
    finally:
        run.wave = now


def _barred(run: Run, start: Step, reading: judge.Observation) -> str:
    """Why this start would be barred by what is read now, but for the gateway that is left; "" where it would not.

    Where another Connector of the practice runs as well, nobody is left without one by a stop, and two are worse.
    """
    peers, statements, row = run.peers(run.plan.leaves), run.statements(), run.row(start.gateway)
    if any(connector_runs(reading.evidence.get(peer.name)) for peer in peers):
        return ""
    others = [peer for peer in peers if peer.name != start.gateway]
    if why := why_not_fenced(others, statements, reading.evidence, reading.strangers(others, statements)):
        return f"the fence would not hold after it: {why}"
    first = ", ".join(judge.unmet(start, row, reading, statements))
    why = why_not_beside(row, statements, reading.evidence.get(row.name)) or (first and f"required first: {first}")
    return f"{start.gateway}, which takes over, could not be started: {why}" if why else ""
