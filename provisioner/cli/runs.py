"""Running a plan for the verbs: real gateways, real Ansible, and a person who looks on."""

import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import click

from provisioner.audit.auditor import Auditor
from provisioner.cli.asking import still_asked
from provisioner.cli.console import as_json, folded, follows, lines, out, room, say
from provisioner.cli.watch import Screen, Watch
from provisioner.execute import by_ansible, engine
from provisioner.execute.admission import Asked
from provisioner.execute.by_ansible import Stopping
from provisioner.journal import Journal, standing
from provisioner.model import FINISHED, Fleet, Plan, Reason, Result

_BLINK = 0.2


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
        """While this lasts, Ctrl-C is counted; SIGTERM counts as both. A terminal that is closed counts as
        Ctrl-C: the step that runs comes to its end, and the journal has it."""

        def note(number: int, _: object) -> None:
            self.count += 2 if number == signal.SIGTERM else 1
            if self.count == 1:
                say("Ending what runs; nothing further starts. Ctrl-C again ends it at once.")

        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM, *_closing())}
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


def _closing() -> Sequence[signal.Signals]:
    """What a closed terminal sends. Windows has none, and under nohup it is not heeded."""
    if sys.platform == "win32" or signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        return ()
    return (signal.SIGHUP,)


def run(plan: Plan, auditor: Auditor, asked: Asked | None = None, unsure: str = "") -> engine.Ended:
    """Do a plan. `unsure`: `go-on` or `stop` where it cannot be told after a wave; "" asks the person who looks on."""
    interrupts = Interrupts()
    with interrupts.caught(), Screen() as screen:
        return one_of(plan, auditor, asked, interrupts, screen, unsure=unsure)


def one_of(
    plan: Plan,
    auditor: Auditor,
    asked: Asked | None,
    interrupts: Interrupts,
    screen: Screen,
    *,
    unsure: str = "",
    name: str = "",
) -> engine.Ended:
    """Do one of the plans of a command, in any thread; `name` is what the screen calls it beside another."""
    durations, shard = auditor.journal.durations(), auditor.fleet.settings.rollout.shard
    with Watch(plan, auditor.fleet, screen, durations, shard, name=name) as watch:
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
    with watch.screen.away():
        return click.confirm(f"Cannot tell whether to go on: {why}. Go on?", err=True)


def show(plan: Plan, ended: engine.Ended, fleet: Fleet, journal: Journal, *, again: str, then: str) -> None:
    """How a run ended, on stdout: only what is not done, what is waited for, and the command to give next: `again`,
    which goes on, or `then` where all is done."""
    from provisioner.report import ending
    from provisioner.report import json as documents
    from provisioner.report import standing as standings

    stands = standing.stands(journal, plan.id)
    if as_json():
        out(documents.outcomes(plan.id, ended.outcomes, stands))
        return
    if not plan.steps:
        folded(f"{plan.id}: nothing to do.")
        return
    practice = f"{plan.move.practice}: " if plan.move else ""
    folded(f"{practice}{plan.id}, {ending.counted(ended.outcomes)}")
    unchanged = {outcome.step for outcome in ended.outcomes if outcome.result is Result.UNCHANGED}
    for line in standings.who(replace(stands[id_], again=None) for id_ in unchanged & stands.keys()):
        folded(f"Before this run: {line[0].lower()}{line[1:]}")
    # What persons were asked is said as an instruction; in a migration all that follows waits for it.
    told = [
        one
        for one in ended.outcomes
        if not (one.reason is Reason.ASKED or (plan.move and one.result is Result.SKIPPED))
    ]
    lines(ending.not_done(plan, told, room(sys.stdout)))
    asked = still_asked(plan, fleet, ended.outcomes)
    for line in asked:
        folded(line)
    # What was not begun says why with it.
    if ended.stopped and not (plan.move and asked) and not any(one.reason is Reason.NOT_BEGUN for one in told):
        folded(f"Stopped: {ended.stopped}.")
    folded(_verdict(ended, _by_word(plan, ended, journal)))
    follows(f"Next: {again if _goes_on_by_itself(ended) else then}")


def _goes_on_by_itself(ended: engine.Ended) -> bool:
    """Whether the same command again may bring what is left: not where all of it is at gateways that are not as planned
    any more, which only another audit and plan know of."""
    moved = {outcome.gateway for outcome in ended.outcomes if outcome.result is Result.STALE}
    left = {outcome.gateway for outcome in ended.outcomes if outcome.result not in FINISHED}
    return bool(ended.exit_code) and not (ended.kind == "rollout" and left and left <= moved)


def _by_word(plan: Plan, ended: engine.Ended, journal: Journal) -> str:
    """The steps of which a person said how they stand, whatever a reading shows besides; "" for none."""
    off = {outcome.step for outcome in ended.outcomes if outcome.reason is Reason.STATED_OFF}
    said = {*standing.confirmed(journal, plan.id), *off}
    return ", ".join(step.remedy for step in plan.steps if step.id in said)


def _verdict(ended: engine.Ended, by_word: str) -> str:
    """What all of it comes to, in one sentence."""
    results = {outcome.result for outcome in ended.outcomes} - set(FINISHED)
    if not ended.exit_code:
        but = f", but for what a person's word stands for: {by_word}" if by_word else ""
        return f"Each step was proved by a new reading{but}."
    if results and not results - {Result.WAITING, Result.SKIPPED}:
        return "Nothing has failed."
    return "Not all is done: mend what is said above first."
