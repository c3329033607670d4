"""Running a plan for the verbs: real gateways, real Ansible, and a person who looks on."""

import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import click

from provisioner.audit.auditor import Auditor
from provisioner.cli.console import as_json, confirm, out, say, table
from provisioner.cli.lookup import narrowed
from provisioner.cli.options import common
from provisioner.cli.progress import Watch
from provisioner.execute import budget, by_ansible, engine
from provisioner.execute.admission import Asked
from provisioner.execute.by_ansible import Stopping
from provisioner.journal import Journal, standing
from provisioner.model import FINISHED, Plan, Result
from provisioner.report import outcomes
from provisioner.report.words import counted

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
    durations, shard = auditor.journal.durations(), auditor.fleet.settings.rollout.shard
    with interrupts.caught(), Watch(plan, durations, shard) as watch:
        return by_ansible.run(
            plan,
            auditor,
            asked,
            notify=watch.say,
            on_task=watch.task,
            ask=lambda why: _goes_on(why, unsure, watch),
            stopping=Stopping(begin_nothing=interrupts.once, end_now=interrupts.twice, pause=interrupts.pause),
        )


def _goes_on(why: str, unsure: str, watch: Watch) -> bool:
    if unsure or not sys.stdin.isatty():
        say(f"Cannot tell whether to go on: {why}. {'Going on' if unsure == 'go-on' else 'Stopped'}, as --unsure says.")
        return unsure == "go-on"
    with watch.away():
        return click.confirm(f"Cannot tell whether to go on: {why}. Go on?", err=True)


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
    left = [outcome for outcome in ended.outcomes if outcome.result not in FINISHED]
    if left:
        table(tables.outcomes(plan, left))
    if ended.outcomes:
        table(tables.counted(ended.outcomes))
    unchanged = {outcome.step for outcome in ended.outcomes if outcome.result is Result.UNCHANGED}
    for line in standings.who(replace(stands[id_], again=None) for id_ in unchanged & stands.keys()):
        out(f"Before this run: {line[0].lower()}{line[1:]}")
    # What is so at one gateway only has its row above.
    found = outcomes.grouped(plan, ended.outcomes)
    shared = [cause for cause in found if len(cause.gateways) > 1]
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
    results = {outcome.result for outcome in ended.outcomes} - set(FINISHED)
    if results and not results - {Result.WAITING, Result.SKIPPED}:
        waits = "what it waits for is said above" if Result.WAITING in results else f"it was stopped ({ended.stopped})"
        return f"Nothing has failed; {waits}. To go on: {again}"
    if ended.exit_code:
        return f"Not all is done. Mend what is said above; then: {again}"
    return f"{plan.id}: {counted(len(plan.steps), 'step')} done, each proved by a new reading."
