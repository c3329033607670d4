"""Running a plan for the verbs: real gateways, real Ansible, and a person who looks on."""

import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click

from provisioner import processes, remedies
from provisioner.ansible import playbook
from provisioner.ansible.playbook import StepResult
from provisioner.cli.auditing import Auditor
from provisioner.cli.console import as_json, confirm, out, say, table
from provisioner.cli.options import common
from provisioner.cli.progress import Watch
from provisioner.execute import budget, engine
from provisioner.execute.admission import Asked
from provisioner.execute.ports import Apply, Ports
from provisioner.fleet import rewrite
from provisioner.journal import Journal, standing
from provisioner.model import FINISHED, Evidence, Finding, Gateway, Plan, Result, Step
from provisioner.report import outcomes
from provisioner.report.words import counted

# A marker on a gateway ends by itself, should nobody be left to take it away: after so many minutes of its own clock.
_MARKED_FOR = 120
_BLINK = 0.2


def ask(plan: Plan, journal: Journal) -> None:
    """Say what is done already and when the plan stops by itself, and go on only with a person's yes. Where all is done
    nothing is asked: it is only looked at again."""
    left = {step.id for step in standing.open_steps(journal, plan)}
    done = len(plan.steps) - len(left)
    if done:
        again = "they are looked at again, and what is not so any more is done again"
        say(f"{done} of {counted(len(plan.steps), 'step')} {'is' if done == 1 else 'are'} done already: {again}.")
    if not left or common().yes:
        return
    say(budget.words(plan.budget, len(plan.places)))
    rest = narrowed(plan, lambda step: step.id in left)
    counts = (counted(len(rest.places), "gateway"), counted(len(rest.waves), "wave"), counted(len(left), "step"))
    confirm("Change {} in {}, {}?".format(*counts))


class Interrupts:
    """What the operator's Ctrl-C asks: once to begin nothing further, twice to end at once."""

    def __init__(self) -> None:
        self.count = 0

    def once(self) -> bool:
        """Nothing further starts."""
        return self.count >= 1

    def twice(self) -> bool:
        """What runs is ended."""
        return self.count >= 2

    @contextmanager
    def caught(self) -> Iterator[None]:
        """While this lasts, Ctrl-C is counted; SIGTERM counts as both."""

        def note(number: int, _: object) -> None:
            self.count += 2 if number == signal.SIGTERM else 1
            if self.count == 1:
                say("Ending what runs; nothing further starts. Ctrl-C again ends it at once.")

        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def pause(self, seconds: float) -> None:
        """Wait, but no longer than until Ctrl-C."""
        until = time.monotonic() + seconds
        while not self.once() and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _BLINK))


def run(plan: Plan, auditor: Auditor, asked: Asked | None = None, unsure: str = "") -> engine.Ended:
    """Do a plan. `unsure`: `go-on` or `stop` where it cannot be told after a wave; "" asks the person who looks on."""
    interrupts = Interrupts()

    def read(gateways: Sequence[Gateway], measure: bool) -> tuple[Sequence[Evidence], Mapping[str, Sequence[Finding]]]:
        judged = auditor.look(gateways, measure=measure)
        found: dict[str, list[Finding]] = {gateway.name: [] for gateway in gateways}
        for finding in judged.findings:
            found[finding.gateway].append(finding)
        return judged.evidence, found

    durations, shard = auditor.journal.durations(), auditor.fleet.settings.rollout.shard
    with interrupts.caught(), Watch(plan, durations, shard) as watch:
        ports = Ports(
            read=read,
            apply=actor(auditor, watch.task, interrupts.twice, plan=plan.id),
            notify=watch.say,
            now=lambda: datetime.now(UTC),
            pause=interrupts.pause,
            interrupted=interrupts.once,
            change_rows=lambda roles: rewrite.change_roles(Path(auditor.fleet.folder), roles),
            probe=auditor.knock,
            ask=lambda why: _goes_on(why, unsure, watch),
            kill_leftovers=playbook.end_run,
        )
        return engine.run(plan, auditor.fleet, auditor.journal, ports, policy_digest=auditor.policy.digest, asked=asked)


def _goes_on(why: str, unsure: str, watch: Watch) -> bool:
    if unsure or not sys.stdin.isatty():
        say(f"Cannot tell whether to go on: {why}. {'Going on' if unsure == 'go-on' else 'Stopped'}, as --unsure says.")
        return unsure == "go-on"
    with watch.away():
        return click.confirm(f"Cannot tell whether to go on: {why}. Go on?", err=True)


def actor(
    auditor: Auditor,
    on_task: Callable[[str, str, str], None],
    cancelled: Callable[[], bool],
    *,
    check: bool = False,
    plan: str = "",
) -> Apply:
    """What acts on gateways: Ansible, with this fleet's way in. What is replaced is kept there under the plan's id."""
    rows = {gateway.name: gateway for gateway in auditor.fleet.gateways}

    def act(steps: Sequence[Step], mark: str) -> Mapping[str, StepResult]:
        lending = [step for step in steps if step.values.get("carry_from") and not step.restores]
        lenders = [str(step.values["carry_from"]) for step in lending]
        names = dict.fromkeys([*(step.gateway for step in steps), *lenders])
        own = {"provisioner_plan": plan}
        hosts = {name: remedies.connection(auditor.fleet, rows[name]) | own for name in names}
        return playbook.run(
            steps, hosts, auditor.secret, mark=mark, check=check, turn=auditor.turn, on_task=on_task,
            cancelled=cancelled, marker=_marker(auditor),
        )  # fmt: skip

    return act


def _marker(auditor: Auditor) -> playbook.Marker:
    """What is left on a gateway while it is worked on: which journal knows of it, who, and for how long at most."""
    name, *before = auditor.journal.names()
    return playbook.Marker(journal=name, known=tuple(before), by=str(processes.this()), minutes=_MARKED_FOR)


def narrowed(plan: Plan, wanted: Callable[[Step], bool]) -> Plan:
    """The plan with the steps that are wanted."""
    waves = (replace(wave, steps=tuple(step for step in wave.steps if wanted(step))) for wave in plan.waves)
    left = tuple(wave for wave in waves if wave.steps)
    gateways = {step.gateway for wave in left for step in wave.steps}
    places = {name: place for name, place in plan.places.items() if name in gateways}
    return replace(plan, waves=left, places=places)


def show(plan: Plan, ended: engine.Ended, again: str, journal: Journal, also: Sequence[str] = ()) -> None:
    """How a run ended, on stdout; `again` is the command that goes on, `also` what is to be said before it. Each step
    was said when it ended: only what is not done is said once more."""
    from provisioner.report import json as documents
    from provisioner.report import standing as standings
    from provisioner.report import table as tables

    stands = standing.stands(journal, plan.id)
    if as_json():
        out(documents.outcomes(plan.id, ended.outcomes, stands))
        return
    left = [one for one in ended.outcomes if one.result not in FINISHED]
    if left:
        table(tables.outcomes(plan, left))
    if ended.outcomes:
        table(tables.counted(ended.outcomes))
    unchanged = {one.step for one in ended.outcomes if one.result is Result.UNCHANGED}
    for line in standings.who(replace(stands[id_], again=None) for id_ in unchanged & stands.keys()):
        out(f"Before this run: {line[0].lower()}{line[1:]}")
    # What is so at one gateway only has its row above.
    found = outcomes.grouped(plan, ended.outcomes)
    shared = [one for one in found if len(one.gateways) > 1]
    if shared:
        out(f"{outcomes.counted(found)}:")
    for cause in shared:
        what = ", ".join(part for part in (cause.result, cause.remedy) if part)
        out(f"  {what}, at {len(cause.gateways)}: {cause.words}")
    for line in also:
        out(line)
    out(_next(plan, ended, again))


def _next(plan: Plan, ended: engine.Ended, again: str) -> str:
    """What is left to do, in one sentence."""
    if not plan.steps:
        return f"{plan.id}: nothing to do."
    results = {one.result for one in ended.outcomes} - set(FINISHED)
    if results and not results - {Result.WAITING, Result.SKIPPED}:
        waits = "what it waits for is said above" if Result.WAITING in results else f"it was stopped ({ended.stopped})"
        return f"Nothing has failed; {waits}. To go on: {again}"
    if ended.exit_code:
        return f"Not all is done. Mend what is said above; then: {again}"
    return f"{plan.id}: {counted(len(plan.steps), 'step')} done, each proved by a new reading."
