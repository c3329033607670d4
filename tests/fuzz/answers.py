"""Targets: what a gateway answers, as evidence and as HTTP."""

import base64
import json
import random
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner import resources
from provisioner.audit import evaluate, facts, policy
from provisioner.audit.evaluate import readiness
from provisioner.evidence import collect, question
from provisioner.journal import Journal
from provisioner.lab.wsman.answer import document
from provisioner.model import Audit, Evidence, Fleet, Gateway, Role
from provisioner.model.settings import Connection
from provisioner.plan import rollout
from provisioner.report import csv, html, junit
from provisioner.report import json as as_json
from provisioner.transport import credentials, winrm
from provisioner.transport.session import Login
from tests.audit.judging import SETTINGS
from tests.fixtures import lab
from tests.fuzz.spoilt import AT, Target, spoilt, spoilt_tree


@dataclass(frozen=True)
class _Judge:
    """All that is done with a gateway's answer."""

    rules: policy.Policy
    journal: Journal

    def __call__(self, evidence: Evidence) -> None:
        if evidence.error and evidence.error.kind == "Fault":
            raise AssertionError(evidence.error.message)
        gateway = _gateway(5985)
        fleet = Fleet(folder="/f", settings=SETTINGS, gateways=(gateway,), statements=(), waivers=(), digest="d")
        known = {gateway.name: facts.derive(evidence, gateway, SETTINGS, self.rules.lifecycle, AT, None)}
        audit = Audit(
            id=f"audit-{time.monotonic_ns()}", at=AT, fleet_digest="d", policy_digest="p", gateways=(gateway,),
            controls=self.rules.controls, evidence=(evidence,), facts=known,
            findings=evaluate.evaluate(fleet, [evidence], self.rules.controls, known, AT),
        )  # fmt: skip
        made = rollout.make(audit, fleet, at=AT, plan_id=f"plan-{audit.id}")
        ready, causes = readiness(audit), evaluate.causes(audit)
        for text in (html.audit(audit, ready, causes), csv.audit(audit, ready), junit.audit(audit, ready),
                     as_json.audit(audit, ready), html.plan(made, {}), as_json.plan(made)):  # fmt: skip
            text.encode()
        self.journal.save(audit)
        self.journal.save(made)
        self.journal.keep_readings([evidence])
        self.journal.load(audit.id)


def _gateway(port: int) -> Gateway:
    return Gateway(
        name="GW1",
        practice="A84002",
        practice_name="P",
        address="127.0.0.1",
        port=port,
        path="/wsman",
        role=Role.ACTIVE,
    )


def _judge(folder: Path) -> _Judge:
    folder.mkdir()
    return _Judge(policy.load(resources.root() / "policy", facts.NAMES), Journal.open(folder / "j.db"))


def _answer() -> dict[str, Any]:
    return document(lab.one("ready"), lab.settings(), lab.NOW)


def _printed(tree: Any) -> bytes:
    text = json.dumps(tree).encode()
    return b"#provisioner FullLanguage\n#evidence begin\n" + text + b"\n#evidence end\n"


def _evidence(folder: Path) -> Target:
    """What the script prints, as far as it goes."""
    judge, whole = _judge(folder), _answer()

    def attempt(chance: random.Random) -> None:
        tree = whole
        for _ in range(chance.randint(1, 3)):
            tree = spoilt_tree(tree, chance)
        data = _printed(tree)
        if chance.random() < 0.3:
            data = spoilt(data, chance)
        judge(collect.one(_gateway(5985), lambda _: data))

    return attempt


_SOAP = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:rsp="http://schemas.microsoft.com/wbem/wsman/1/'
    'windows/shell" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"><s:Header/><s:Body>%s</s:Body></s:Envelope>'
)


_SHELL = '<w:SelectorSet><w:Selector Name="ShellId">11111111-2222-4333-8444-555555555555</w:Selector></w:SelectorSet>'


_COMMAND = (
    "<rsp:CommandResponse><rsp:CommandId>21111111-2222-4333-8444-555555555555</rsp:CommandId></rsp:CommandResponse>"
)


_DONE = (
    '<rsp:CommandState CommandId="2" State="http://schemas.microsoft.com/wbem/wsman/1/windows/shell/CommandState/Done">'
    "<rsp:ExitCode>0</rsp:ExitCode></rsp:CommandState>"
)


_FAULT = (
    "<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>w:TimedOut</s:Value></s:Subcode></s:Code><s:Reason>"
    '<s:Text>no</s:Text></s:Reason><s:Detail><f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"'
    ' Code="2150858793"><f:Message>no</f:Message></f:WSManFault></s:Detail></s:Fault>'
)


def _http(folder: Path) -> Target:
    """A whole conversation over a socket: the real transport, against a gateway that says one thing wrongly."""
    judge = _judge(folder)
    stream = base64.b64encode(_printed(_answer())).decode()
    out = f'<rsp:Stream Name="stdout" CommandId="2">{stream}</rsp:Stream>{_DONE}'
    said = [_SOAP % body for body in ("<x/>", _SHELL, _COMMAND, "<x/>", out, "<x/>", "<x/>")]
    whole = [b'HTTP/1.1 401 \r\nWWW-Authenticate: Basic realm="WSMAN"\r\nContent-Length: 0\r\n\r\n', *map(_ok, said)]
    wrong = [_ok(_SOAP % _FAULT, 500), *whole]

    def read(answers: Sequence[bytes]) -> Evidence:
        with _listening(answers) as port:
            connection = Connection(transport="basic", tls=False, user="u", credential="file", deadline=3.0)
            login = Login(transport="basic", user="u", password="p", turn=credentials.LoginGuard().turn)
            caller = winrm.Caller(connection=connection, tls=None, login=login)
            return collect.one(
                _gateway(port), lambda gateway: winrm.run(gateway, caller, question.script().encode(), {})
            )

    found = read(whole)
    assert found.error is None and not found.section_errors, found

    def attempt(chance: random.Random) -> None:
        answers = list(whole)
        at = chance.randrange(len(answers) - 2)
        answers[at] = spoilt(wrong[chance.randrange(len(wrong))] if chance.random() < 0.2 else answers[at], chance)
        judge(read(answers))

    return attempt


def _ok(body: str, status: int = 200) -> bytes:
    head = (
        f"HTTP/1.1 {status} \r\nContent-Type: application/soap+xml;charset=UTF-8\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()


@contextmanager
def _listening(answers: Sequence[bytes]) -> Iterator[int]:
    """A port of loopback that gives these answers, one a request, on one connection."""

    def serve() -> None:
        with suppress(OSError):
            taken, _ = listener.accept()
            # What is not answered by then never is: the other side waits for more.
            taken.settimeout(0.4)
            with taken, taken.makefile("rb") as lines, suppress(OSError, ValueError):
                for answer in answers:
                    length = 0
                    while (line := lines.readline()) not in (b"\r\n", b""):
                        if line.lower().startswith(b"content-length:"):
                            length = int(line.split(b":")[1])
                    lines.read(length)
                    taken.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(4)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join(10)
