"""The PowerShell engine that is asked for syntax trees and for what its own .NET has."""

import json
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tools.powershell51.tree import Script

_ASK = Path(__file__).parent / "ask.ps1"


class NoEngine(Exception):
    """There is no `pwsh`, or it does not answer."""


class Engine:
    """One start of PowerShell 7, for as many questions as there are: most of a check's time is that start.

    Errors: NoEngine.
    """

    def __init__(self, pwsh: str | None = None) -> None:
        found = pwsh or shutil.which("pwsh")
        if not found:
            raise NoEngine("no pwsh is on PATH: name one with --pwsh")
        command = [found, "-NoProfile", "-NonInteractive", "-File", str(_ASK)]
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
        except OSError as error:
            raise NoEngine(f"{found} cannot be started: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.communicate()

    def _ask(self, what: str, name: str) -> Any:
        """One question, one answer: nothing waits in a pipe that nobody reads."""
        sending, reading = self._process.stdin, self._process.stdout
        assert sending and reading
        sending.write(f"{what} {name}\n")
        sending.flush()
        answer = reading.readline()
        if not answer.startswith(("{", "null")):
            raise NoEngine(f"the engine gave no answer of {name}: {answer.strip() or 'it ended'}")
        return json.loads(answer)

    def script(self, path: Path) -> Script:
        return Script(str(path), self._ask("script", str(path.resolve())))

    def surface(self, names: Iterable[str]) -> dict[str, Any]:
        """What this engine's .NET has of types, by their full names; of those that it has not, nothing."""
        told = {name: self._ask("type", name) for name in names}
        return {name: one for name, one in told.items() if one}
