"""What is said to a gateway is what pywinrm says, word for word; and each gateway is told six messages."""

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from winrm.protocol import Protocol

from provisioner.lab import Handle
from provisioner.transport.messages import Conversation
from provisioner.transport.winrm import converse
from tests.conftest import Command

SHELL, COMMAND = str(uuid4()).upper(), "C<&1"
ANSWERS = {
    "transfer/Create": f"<a><b Name='ShellId'>{SHELL}</b></a>",
    "shell/Command": "<a><r:CommandId xmlns:r='r'>C&lt;&amp;1</r:CommandId></a>",
    "shell/Receive": "<a xmlns:r='r'><r:Stream Name='stdout'>I3Byb3Zpc2lvbmVyIEZ1bGxMYW5ndWFnZQpvaw==</r:Stream>"
    "<r:Stream Name='stderr'>d2hhdA==</r:Stream><r:CommandState State='/CommandState/Done'>"
    "<r:ExitCode>3</r:ExitCode></r:CommandState></a>",
}


class Line:
    """In the place of a Session: notes what is sent."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def send_message(self, sent: str | bytes) -> bytes:
        message = sent if isinstance(sent, str) else sent.decode()
        self.sent.append(message)
        return next((text for action, text in ANSWERS.items() if f"{action}<" in message), "<a/>").encode()


def protocol(line: Line) -> Protocol:
    made: Any = Protocol.__new__(Protocol)
    made.operation_timeout_sec, made.transport = Protocol.DEFAULT_OPERATION_TIMEOUT_SEC, line
    return made  # type: ignore[no-any-return]


def without_ids(messages: list[str]) -> list[str]:
    return [re.sub("uuid:[0-9a-f-]{36}", "uuid", message) for message in messages]


@pytest.fixture
def pywinrm() -> Line:
    """What pywinrm says in the same conversation."""
    line = Line()
    real = protocol(line)
    real.open_shell(codepage=65001)
    real.run_command(SHELL, "a.exe", ["-b", '"<&'], console_mode_stdin=False)
    real.send_command_input(SHELL, COMMAND, b"one\ntwo", end=True)
    assert real.get_command_output_raw(SHELL, COMMAND)[2:] == (3, True)
    with pytest.raises(StopIteration):
        real.cleanup_command(SHELL, COMMAND)
    with pytest.raises(StopIteration):
        real.close_shell(SHELL, close_session=False)
    return line


def test_each_message_is_pywinrms(pywinrm: Line) -> None:
    line = Line()
    said = Conversation(protocol(line))
    said.open_shell()
    said.run_command("a.exe", "-b", '"<&')
    said.send_input(b"one", b"\ntwo")
    assert said.output() == (b"#provisioner FullLanguage\nok", b"what", 3, True)
    said.end_command()
    said.close_shell()
    assert without_ids(line.sent) == without_ids(pywinrm.sent)


def test_each_message_has_an_id_of_its_own() -> None:
    line = Line()
    for _ in range(2):
        converse(protocol(line), [b"given"], lambda: float("inf"))
    ids = [re.findall("uuid:[0-9a-f-]{36}", message) for message in line.sent]
    assert all(len(its) == 1 for its in ids)
    assert len({its[0] for its in ids}) == len(ids)


def test_a_gateway_is_told_six_messages() -> None:
    line = Line()
    converse(protocol(line), [b"given"], lambda: float("inf"))
    assert len(line.sent) == 6


def test_an_audit_is_six_messages_to_each_gateway_and_two_requests_more(
    lab: Callable[..., Handle], provisioner: Command
) -> None:
    """The two are NTLM's."""
    here = lab("A81001", "A81002", "A81003")
    assert provisioner("audit", fleet=here.folder).code == 1
    assert here.heard() == {"messages": 3 * 6, "requests": 3 * 8}
