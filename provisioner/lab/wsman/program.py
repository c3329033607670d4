"""What commands are made of: the line, the program that is found for it, what it printed; and where it runs."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from provisioner.lab import faults
from provisioner.lab.windows.machine import Machine

_SLOW_SECONDS = 30.0


class Gone(Exception):
    """The line is to break here, without an answer."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A command line. `console`: its input is a console; `by_cmd`: cmd.exe starts it; `encoding` of its output; `user`:
    who runs it."""

    text: str
    console: bool
    by_cmd: bool
    encoding: str
    user: str = ""


@dataclass(frozen=True, kw_only=True)
class Output:
    """What a command printed, and how it ended."""

    text: bytes = b""
    errors: bytes = b""
    code: int = 0


@dataclass(frozen=True)
class Program:
    """What is run. `reads_input`: it starts when its input has ended."""

    reads_input: bool
    run: Callable[[bytes], Awaitable[Output]]


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """One gateway as its commands see it. `delay` is what each costs in seconds; `fetch` gets what a URL holds."""

    machine: Machine
    delay: float
    fetch: Callable[[str], bytes]

    async def take_time(self) -> None:
        """What any command costs here. Errors: Gone where the line breaks at every command."""
        seconds = self.delay
        if "slow" in self.machine.faults:
            seconds += faults.seconds(self.machine.faults["slow"], _SLOW_SECONDS)
        if seconds:
            await asyncio.sleep(seconds)
        if self.machine.faults.get("drops_midway") == "":
            raise Gone
        self.machine.tick(time.time())


def failed(words: str, line: Line) -> Output:
    """A program that says why it does nothing, and ends with 1."""
    return Output(errors=f"{words}\r\n".encode(line.encoding, "replace"), code=1)
