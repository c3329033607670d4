"""What a person sees on stderr while gateways are read."""

import sys
import time
from collections.abc import Iterator

from provisioner.audit.auditor import Auditor
from provisioner.audit.policy import Policy
from provisioner.cli.console import ask_password, say
from provisioner.journal import Journal
from provisioner.model import Evidence, Fleet


def live() -> bool:
    """Whether a person looks on, at a terminal that can draw."""
    if not sys.stderr.isatty():
        return False
    # An audit that nobody looks at, as at night, loads nothing that draws.
    from rich.console import Console

    return not Console(stderr=True).is_dumb_terminal


def reading(evidence: Iterator[Evidence], total: int, what: str = "audit") -> Iterator[Evidence]:
    """The evidence as it comes, with progress on stderr: a bar with an estimate where a person looks on, one line a
    gateway where not. `what` the reading is for, in a word."""
    return _with_bar(evidence, total, what) if total and live() else _in_lines(evidence, total, what)


def _in_lines(evidence: Iterator[Evidence], total: int, what: str) -> Iterator[Evidence]:
    begun = time.monotonic()
    for number, one in enumerate(evidence, 1):
        ending = f"{one.error.kind}: {one.error.message}" if one.error else f"read in {one.seconds:.1f} s"
        say(f"{what} {number}/{total} {one.gateway}: {ending} [{time.monotonic() - begun:.0f} s]")
        yield one


def _with_bar(evidence: Iterator[Evidence], total: int, what: str) -> Iterator[Evidence]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=Console(stderr=True), transient=True)
    try:
        progress.start()
    except RuntimeError:
        yield from evidence  # no thread is left that could draw it
        return
    try:
        task = progress.add_task(what, total=total)
        for one in evidence:
            progress.advance(task)
            yield one
    finally:
        progress.stop()


def auditor(fleet: Fleet, policy: Policy, journal: Journal) -> Auditor:
    """An auditor whose readings a person sees pass, and who is asked for the password. Errors: InputError."""
    return Auditor(fleet, policy, journal, ask_password=ask_password, observe=reading)
