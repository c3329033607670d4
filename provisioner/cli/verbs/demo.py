"""`provisioner demo`: the whole road on a pretend fleet, narrated."""

import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from provisioner import fleet, resources
from provisioner.audit.evaluate import readiness
from provisioner.audit.shipped import open_policy
from provisioner.cli import progress, runs
from provisioner.cli.console import folded, lines, out, width
from provisioner.cli.lookup import open_journal
from provisioner.cli.options import common
from provisioner.cli.verbs import plan
from provisioner.cli.verbs.report import document, practice_pages, write, write_pages
from provisioner.errors import InputError
from provisioner.model import Audit, Fleet, Outcome, Plan, Result
from provisioner.plan.causes import causes


@click.command("demo")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default="provisioner-demo",
    show_default=True,
    help="Where the pretend fleet and the reports are written; an earlier demo there is replaced.",
)
@click.option("--seed", default=5, show_default=True, help="Another seed makes another estate.")
def command(folder: Path, seed: int) -> int:
    """Audit a pretend fleet, plan, apply in waves, audit again, and write the reports.

    The practices are the 26 of Northumberland that use SystmOne; their PCs are pretend ones on this machine, which
    speak real WinRM. Nothing outside this machine is touched, and no process stays behind.
    """
    from provisioner.lab.estate.folder import read_rows
    from provisioner.lab.process import client as process

    begun = time.monotonic()
    folder = folder.resolve()
    _make_room(folder)
    rows = read_rows(resources.root() / "inventory" / "example" / "practices.csv")
    with _ending_well(), process.running(folder / "fleet", rows, state="mixed", seed=seed, with_file=True):
        _say(f"A lab of {len(rows)} pretend gateways is up: real WinRM with NTLM and sealing, on this machine only.")
        common().fleet = folder / "fleet"
        code = _road(fleet.load(folder / "fleet"), folder)
    _say(f"The lab is down again. This took {time.monotonic() - begun:.0f} seconds.")
    folded("Next: open the report; then the same by hand, on a lab that stays up: README.md, the ten-minute tour.")
    return code


def _road(estate: Fleet, folder: Path) -> int:
    with open_journal(estate) as journal:
        auditor = progress.auditor(estate, open_policy(), journal)
        before = auditor.audit()
        _say("1. The audit: read-only, one script over WinRM, judged here.")
        lines(_report(before, estate))
        made = plan.make(estate, before, journal)
        _say(f"2. The plan: {_counted(made)}. Nothing is changed yet.")
        write(folder / "change-request.html", document(made, "html", estate))
        _say("3. Apply: a few gateways first, then the rest. A step is done when a new reading shows it.")
        ended = runs.run(made, auditor)
        _say("4. The audit again.")
        after = auditor.audit()
        lines(_report(after, estate))
    for as_ in ("html", "csv", "json", "junit"):
        name = "audit.xml" if as_ == "junit" else f"audit.{as_}"
        write(folder / name, document(after, as_, estate))
    write_pages(folder / "practices", practice_pages(after, estate))
    _proved(before, after, made, ended.outcomes)
    folded(f"   The report: {folder / 'audit.html'}")
    folded(f"   The change request: {folder / 'change-request.html'}; a page for each practice: {folder / 'practices'}")
    return 0 if not ended.stopped else ended.exit_code


def _report(audit: Audit, estate: Fleet) -> list[str]:
    from provisioner.report import screen
    from provisioner.report.view import view

    return screen.audit(view(audit, readiness(audit), causes(audit, estate)), width(), "")


def _counted(made: Plan) -> str:
    remedies = Counter(step.remedy for step in made.steps)
    words = ", ".join(f"{count} x {remedy}" for remedy, count in remedies.most_common())
    return f"{len(made.steps)} steps on {len(made.places)} gateways in {len(made.waves)} waves ({words})"


def _proved(before: Audit, after: Audit, made: Plan, outcomes: Iterable[Outcome]) -> None:
    """What was shown, and whose job the rest is."""
    ready = readiness(after)
    results = Counter(outcome.result for outcome in outcomes)
    good = results[Result.DONE] + results[Result.UNCHANGED]
    _say(
        f"5. Proved: {good} of {len(made.steps)} steps, each by a new reading. "
        f"Ready: {sum(readiness(before).values())} gateways before, {sum(ready.values())} of {len(ready)} now."
    )
    left = [name for name, fit in ready.items() if not fit]
    folded(f"   The other {len(left)} say why, and whose job it is: {', '.join(left)}." if left else "   None is left.")


def _make_room(folder: Path) -> None:
    """Errors: InputError where the folder holds something that no demo made."""
    if not folder.exists():
        return
    if any(folder.iterdir()) and not (folder / "fleet" / ".provisioner" / "lab").is_dir():
        raise InputError(f"{folder} holds something else than an earlier demo.", "Give another folder: --dir DIR.")
    from provisioner.errors import LabError
    from provisioner.lab.process import client as process

    with suppress(LabError):
        process.down(folder / "fleet")
    shutil.rmtree(folder)


@contextmanager
def _ending_well() -> Iterator[None]:
    """SIGTERM ends the demo as Ctrl-C does, with the lab taken down."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _say(words: str) -> None:
    out("")
    folded(words)
