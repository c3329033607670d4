"""What is said to a gateway: pywinrm's own messages, but each worded once.

pywinrm words every message anew, which is 1 ms of CPU for each gateway. Here it does so once, with a mark wherever one
gateway's differs from another's.
"""

import base64
import functools
import random
import re
from collections.abc import Callable, Iterable
from typing import Any, cast
from uuid import UUID
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from winrm.protocol import Protocol

_SHELL, _COMMAND, _INPUT, _ID = "-shell-", "-command-", b"-input-", "-id-"
# As pywinrm writes what is given.
_ENCODED = base64.b64encode(_INPUT).decode()
_MARKS = re.compile(f"({'|'.join(map(re.escape, (_SHELL, _COMMAND, _ENCODED, _ID)))})")
_Act = Callable[[Protocol], object]


class Conversation:
    """One shell with one command in it, over a pywinrm Protocol that is set up. Not for several threads.

    Errors: whatever the Protocol's `send_message` raises; LookupError or ValueError for answers that are none.
    """

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol
        self._names: dict[str, tuple[bytes, ...]] = {}

    def open_shell(self) -> None:
        """Open a shell, in UTF-8."""
        root = self._said(_open)
        self._name(_SHELL, _text(node for node in root.iter() if node.get("Name") == "ShellId"))

    def run_command(self, program: str, *arguments: str) -> None:
        """Start a command in it."""
        root = self._said(_run(program, arguments))
        self._name(_COMMAND, _text(node for node in root.iter() if node.tag.endswith("CommandId")))

    def send_input(self, *given: bytes) -> None:
        """All of its standard input, in pieces, each but the last of a length that is a multiple of three."""
        assert not any(len(piece) % 3 for piece in given[:-1])
        self._tell(_send, *map(_encoded, given))

    def output(self) -> tuple[bytes, bytes, int, bool]:
        """What it printed since it was last asked, to stdout and stderr; its exit code once it has ended; whether."""
        printed: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
        ended, code = False, -1
        for node in self._said(_receive).iter():
            if node.tag.endswith("Stream") and node.text and node.attrib["Name"] in printed:
                printed[node.attrib["Name"]].append(base64.b64decode(node.text.encode("ascii")))
            ended = ended or node.get("State", "").endswith("CommandState/Done")
            if node.tag.endswith("ExitCode"):
                code = int(node.text or -1)
        return b"".join(printed["stdout"]), b"".join(printed["stderr"]), code, ended

    def end_command(self) -> None:
        """End the command."""
        self._tell(_end)

    def close_shell(self) -> None:
        """Close the shell; the connection stays."""
        self._tell(_close)

    def _said(self, act: _Act) -> ET.Element:
        return ET.fromstring(self._tell(act))  # noqa: S314 - as pywinrm does

    def _tell(self, act: _Act, *given: bytes) -> bytes:
        put = {**self._names, _ID: (_id(),), _ENCODED: given}
        # As bytes, which the session takes too: of hundreds at a time each copy of 100 kB counts.
        said = b"".join([piece for part in _parts(act) for piece in (put[part] if isinstance(part, str) else (part,))])
        return self._protocol.send_message(cast(str, said))

    def _name(self, mark: str, name: str) -> None:
        self._names[mark] = (escape(name, {'"': "&quot;"}).encode(),)


def _id() -> bytes:
    # No secret, so not by uuid4: that asks the system, around which threads hand on Python's lock.
    return f"uuid:{UUID(int=random.getrandbits(128), version=4)}".encode()


def _text(nodes: Iterable[ET.Element]) -> str:
    for node in nodes:
        return node.text or ""
    raise LookupError("the answer does not say it")


# What all gateways are given is encoded once, and is there once, however many are given it at the same time.
@functools.lru_cache(maxsize=8)
def _encoded(piece: bytes) -> bytes:
    return base64.b64encode(piece)


class _Worded(Exception):
    """A message that pywinrm was about to send."""


class _Nowhere:
    """What pywinrm has in the place of a line while it words a message."""

    def send_message(self, message: str) -> bytes:
        """Send nothing. Errors: _Worded, always."""
        raise _Worded(message)


@functools.cache
def _parts(act: _Act) -> tuple[bytes | str, ...]:
    """pywinrm's message for that, cut at what differs from gateway to gateway, for which a mark stands, a str."""
    cut = _MARKS.split(re.sub("uuid:[0-9a-f-]{36}", _ID, _worded(act), count=1))
    return tuple(part if number % 2 else part.encode() for number, part in enumerate(cut))


def _worded(act: _Act) -> str:
    nowhere: Any = Protocol.__new__(Protocol)
    nowhere.operation_timeout_sec = Protocol.DEFAULT_OPERATION_TIMEOUT_SEC
    nowhere.transport = _Nowhere()
    try:
        act(cast(Protocol, nowhere))
    except _Worded as worded:
        return str(worded)
    raise AssertionError("pywinrm said nothing")


@functools.cache
def _run(program: str, arguments: tuple[str, ...]) -> _Act:
    return lambda protocol: protocol.run_command(_SHELL, program, arguments, console_mode_stdin=False)


def _open(protocol: Protocol) -> object:
    return protocol.open_shell(codepage=65001)


def _send(protocol: Protocol) -> None:
    protocol.send_command_input(_SHELL, _COMMAND, _INPUT, end=True)


def _receive(protocol: Protocol) -> object:
    return protocol.get_command_output_raw(_SHELL, _COMMAND)


def _end(protocol: Protocol) -> None:
    protocol.cleanup_command(_SHELL, _COMMAND)


def _close(protocol: Protocol) -> None:
    protocol.close_shell(_SHELL, close_session=False)
