"""Reading gateways for the verbs: the caller with its guard, the progress that a person sees."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import click

from provisioner.cli.console import say
from provisioner.evidence import collect, question
from provisioner.model import Evidence, Fleet, Gateway
from provisioner.transport import credentials, winrm
from provisioner.transport.session import Login


def caller(fleet: Fleet, guard: credentials.LoginGuard) -> winrm.Caller:
    """How this fleet's gateways are called. Asks for a password where fleet.yml says so.

    Errors: InputError where there is no credential.
    """
    connection = fleet.settings.connection
    credential = credentials.find(connection, Path(fleet.folder), _ask_password)
    login = Login(transport=connection.transport, user=credential.user, password=credential.password, turn=guard.turn)
    return winrm.Caller(connection=connection, tls=winrm.tls_context(connection, Path(fleet.folder)), login=login)


def _ask_password(question: str) -> str:
    answer: str = click.prompt(question, hide_input=True, err=True)
    return answer


def files_of(fleet: Fleet) -> list[str]:
    """The full paths, on a gateway, of the files that the fleet makes from templates, and of those that a migration
    carries."""
    connector = fleet.settings.connector
    paths = dict.fromkeys([*(file.path for file in connector.files), *connector.carry])
    return [f"{connector.folder}\\{path}" for path in paths]


class Reader:
    """Reads gateways of one fleet. One guard for the whole command: a refused password stays refused."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self._guard = credentials.LoginGuard()
        self.turn = self._guard.turn
        self._caller = caller(fleet, self._guard)
        self._script = question.script()

    def knock(self, gateway: Gateway) -> bool:
        """Whether the gateway answers again, by its WinRM and without a log-in."""
        return winrm.knock(gateway, self._caller)

    def secret(self, name: str) -> str:
        """A gateway's password, or with `secret:NAME` a secret of the Connector's files. Errors: InputError."""
        reference = name.removeprefix("secret:")
        if reference == name:
            return self._caller.login.password
        return credentials.secret(reference, self._caller.connection, Path(self.fleet.folder))

    def read(self, gateways: Sequence[Gateway], sections: Callable[[Gateway], Iterable[str]]) -> Iterator[Evidence]:
        """Evidence of each gateway as it comes; `sections` says what is asked of one."""

        def ask(gateway: Gateway) -> bytes:
            self._guard.check(gateway.name)
            settings = question.question(self.fleet.settings, sections(gateway), files_of(self.fleet))
            # A gateway must leave a hung section behind well before we leave the gateway behind.
            settings["section_seconds"] = min(question.SECTION_SECONDS, int(self._caller.connection.deadline * 0.6))
            login = replace(self._caller.login, turn=lambda: self._guard.turn(gateway.name))
            return winrm.run(gateway, replace(self._caller, login=login), self._script, settings)

        return collect.collect(gateways, ask, self.fleet.settings.connection.at_once)


def watched(evidence: Iterator[Evidence], gateways: Sequence[Gateway], what: str) -> list[Evidence]:
    """All of the evidence, in the gateways' order, with progress on stderr: a bar with an estimate where a person
    looks on, one line a gateway where not, nothing where `what` is ""."""
    found: dict[str, Evidence] = {}
    if not what:
        found = {one.gateway: one for one in evidence}
    elif sys.stderr.isatty():
        for one in _with_bar(evidence, len(gateways), what):
            found[one.gateway] = one
    else:
        begun = time.monotonic()
        for one in evidence:
            found[one.gateway] = one
            ending = f"{one.error.kind}: {one.error.message}" if one.error else f"read in {one.seconds:.1f} s"
            say(f"{what} {len(found)}/{len(gateways)} {one.gateway}: {ending} [{time.monotonic() - begun:.0f} s]")
    return [found[gateway.name] for gateway in gateways]


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
