"""Shells and commands of one gateway (WinRS): what is open, what runs, what has been printed, what is too much."""

import asyncio
import base64
import binascii
import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

from provisioner.lab.wsman import commands, messages
from provisioner.lab.wsman.program import Gateway, Gone, Line, Output

MOST_SHELLS = 30
MOST_PROCESSES = 25
IDLE_SECONDS = 7_200.0

# What an answer holds besides the output itself, which base64 makes a third longer.
_AROUND = 2_048

_log = logging.getLogger(__name__)


@dataclass
class Command:
    """A command that runs, or has run. `lost`: whoever asks for its output finds the line broken; `told`: its end has
    been given, and now its only use is to be signalled as done with."""

    id: str
    line: Line
    input: bytearray = field(default_factory=bytearray)
    input_ended: asyncio.Event = field(default_factory=asyncio.Event)
    output: dict[str, bytearray] = field(default_factory=lambda: {"stdout": bytearray(), "stderr": bytearray()})
    code: int | None = None
    lost: bool = False
    told: bool = False
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


@dataclass
class Shell:
    """An open shell; `used` is when it was last spoken of (time.monotonic)."""

    id: str
    user: str
    codepage: str
    idle: float
    used: float
    commands: dict[str, Command] = field(default_factory=dict)


class Shells:
    """All shells of one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._open: dict[str, Shell] = {}

    async def answer(self, request: messages.Request, client: messages.Client) -> str:
        """The body of the answer. Errors: soap.Fault; Gone where the line is to break."""
        if request.wrong is not None:
            raise request.wrong
        if request.resource != messages.CMD:
            raise messages.no_resource(request.resource)
        if request.action == _CREATE:
            return self._create(request, client)
        if request.action not in _ACTIONS:
            raise messages.no_action(request.action)
        if not request.shell:
            raise messages.shell_missing()
        shell = self._open.get(request.shell)
        if shell is None or shell.user != client.user:
            raise messages.no_shell(request.shell)
        shell.used = time.monotonic()
        if request.verb == "Receive":
            return await self._receive(shell, request)
        return _VERBS[request.verb](self, shell, request)

    def close(self) -> None:
        """End all commands."""
        for shell in list(self._open.values()):
            self._end(shell)

    def _create(self, request: messages.Request, client: messages.Client) -> str:
        if "no_rights" in self._gateway.machine.faults:
            raise messages.access_denied()
        now = time.monotonic()
        for shell in [one for one in self._open.values() if one.used + one.idle < now]:
            self._end(shell)
        mine = sum(1 for one in self._open.values() if one.user == client.user)
        if mine >= MOST_SHELLS or "shell_quota" in self._gateway.machine.faults:
            raise messages.too_many_shells(MOST_SHELLS)
        given = "" if request.body is None else request.body.get("ShellId", "")
        idle = None if request.body is None else request.body.findtext(f"{messages.RSP}IdleTimeOut")
        shell = Shell(
            id=(given or str(uuid.uuid4())).upper(),
            user=client.user,
            codepage=_encoding(request.options.get("WINRS_CODEPAGE", "437")),
            idle=messages.duration(idle or "", IDLE_SECONDS),
            used=now,
        )
        self._open[shell.id] = shell
        return messages.created(shell.id, client, shell.idle)

    def _command(self, shell: Shell, request: messages.Request) -> str:
        if len(shell.commands) >= MOST_PROCESSES:
            raise messages.too_many_processes(MOST_PROCESSES)
        if request.body is None:
            raise messages.invalid_parameter()
        words = [request.body.findtext(f"{messages.RSP}Command") or ""]
        words += [one.text or "" for one in request.body.iterfind(f"{messages.RSP}Arguments")]
        line = Line(
            text=" ".join(words),
            console=_flag(request, "WINRS_CONSOLEMODE_STDIN", "TRUE"),
            by_cmd=not _flag(request, "WINRS_SKIP_CMD_SHELL", "FALSE"),
            encoding=shell.codepage,
            user=shell.user,
        )
        command = Command(id=(request.body.get("CommandId") or str(uuid.uuid4())).upper(), line=line)
        shell.commands[command.id] = command
        # Not bound to the client: a command whose client is gone runs to its end.
        command.task = asyncio.get_running_loop().create_task(self._run(command))
        return f"<rsp:CommandResponse><rsp:CommandId>{command.id}</rsp:CommandId></rsp:CommandResponse>"

    async def _run(self, command: Command) -> None:
        try:
            program = commands.find(self._gateway, command.line)
            if program.reads_input:
                # Input that is a console has no end, so a program that reads to the end waits for ever.
                await command.input_ended.wait()
            output = await program.run(bytes(command.input))
        except Gone:
            command.lost = True
            output = Output()
        except Exception:
            _log.exception("%s: %s", self._gateway.machine.name, command.line.text[:200])
            output = Output(errors=b"The lab could not run this: see its log.\r\n", code=1)
        command.output["stdout"] += output.text
        command.output["stderr"] += output.errors
        command.code = output.code
        command.ready.set()

    def _send(self, shell: Shell, request: messages.Request) -> str:
        for stream in () if request.body is None else request.body.iterfind(f"{messages.RSP}Stream"):
            command = _named(shell, stream)
            try:
                command.input += base64.b64decode(stream.text or "")
            except binascii.Error:
                raise messages.invalid_parameter() from None
            if stream.get("End", "").lower() in ("true", "1") and not command.line.console:
                command.input_ended.set()
        return "<rsp:SendResponse/>"

    async def _receive(self, shell: Shell, request: messages.Request) -> str:
        wanted = None if request.body is None else request.body.find(f"{messages.RSP}DesiredStream")
        command = _named(shell, wanted)
        if command.told:
            raise messages.no_command()
        if not command.ready.is_set():
            try:
                async with asyncio.timeout(request.timeout):
                    await command.ready.wait()
            except TimeoutError:
                raise messages.timed_out() from None
        shell.used = time.monotonic()
        if command.lost:
            raise Gone
        left = (request.largest - _AROUND) * 3 // 4
        given: dict[str, bytes] = {}
        for name, output in command.output.items():
            given[name] = bytes(output[:left])
            del output[:left]
            left -= len(given[name])
        command.told = not any(command.output.values())
        return messages.received(command.id, given, command.code if command.told else None)

    def _signal(self, shell: Shell, request: messages.Request) -> str:
        command = _named(shell, request.body)
        del shell.commands[command.id]
        if command.task is not None:
            command.task.cancel()
        return "<rsp:SignalResponse/>"

    def _delete(self, shell: Shell, request: messages.Request) -> str:
        self._end(shell)
        return ""

    def _end(self, shell: Shell) -> None:
        del self._open[shell.id]
        for command in shell.commands.values():
            if command.task is not None:
                command.task.cancel()


_VERBS: dict[str, Callable[[Shells, Shell, messages.Request], str]] = {
    "Command": Shells._command,
    "Send": Shells._send,
    "Signal": Shells._signal,
    "Delete": Shells._delete,
}
_CREATE = f"{messages.TRANSFER}/Create"
_ACTIONS = frozenset(
    (f"{messages.TRANSFER}/Delete", *(f"{messages.SHELL}/{one}" for one in ("Command", "Send", "Signal", "Receive")))
)


def _named(shell: Shell, said: ET.Element | None) -> Command:
    """The command that an element names. Errors: soap.Fault for none, or for one that there is not."""
    name = "" if said is None else said.get("CommandId", "")
    if not name:
        raise messages.invalid_parameter()
    if name.upper() not in shell.commands:
        raise messages.no_command()
    return shell.commands[name.upper()]


def _flag(request: messages.Request, name: str, default: str) -> bool:
    return request.options.get(name, default).strip().upper() in ("TRUE", "1")


def _encoding(codepage: str) -> str:
    """Python's name of a Windows code page; 437 for one that there is not."""
    if codepage == "65001":
        return "utf-8"
    try:
        "".encode(f"cp{codepage}")
    except LookupError:
        return "cp437"
    return f"cp{codepage}"
