"""Wrong input of every kind: `make fuzz`. Whatever a file holds or a gateway says is answered in words.

Each input is a right one, spoilt at random; what reads it is what reads it for a person, the verb itself or, for what a
gateway says, the transport against a socket on loopback. A find is a traceback, more than ten seconds, or more than 500
MB. The seed, the target and the number say all of an input: `--seed 7 --only journal --from 123 --count 1` is that one.
"""

import argparse
import base64
import io
import json
import random
import resource
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from provisioner import cli, remedies, resources
from provisioner import fleet as fleets
from provisioner.audit import evaluate, facts, policy
from provisioner.audit.evaluate import readiness
from provisioner.cli.verbs import validate
from provisioner.errors import ProvisionerError
from provisioner.evidence import collect
from provisioner.fleet import ods
from provisioner.journal import Journal
from provisioner.lab.wsman.answer import document
from provisioner.model import Audit, Evidence, Fleet, Gateway, Role
from provisioner.model.settings import Connection
from provisioner.plan import rollout
from provisioner.report import csv, html, junit
from provisioner.report import json as as_json
from provisioner.transport import credentials, winrm
from provisioner.transport.session import Login
from tests.audit.test_facts import SETTINGS
from tests.fixtures import lab, records

SECONDS, MEGABYTES = 10, 500
AT = datetime(2026, 11, 23, 20, 15, tzinfo=UTC)
NASTY = (
    b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\\ud800", b'"', b"'", b",", b";", b"\t", b"\r", b"\n",
    b"\n\n", b": ", b"- ", b"{", b"[", b"]", b"}", b"&a", b"*a", b"!!python/object:os.system", b"|", b"#", b"%",
    b"{{ 1 }}", b"9" * 40, b"-1", b"1e999", b"NaN", b"null", b"true", b"2026-02-30", b"\xe2\x80\xae",
    b"\xf0\x9f\xa9\xba", b"A" * 5000, b"[" * 3000, b"../../x", b"=1+1", b"0x10", b"1:30", b"\x1b[2J", b"<", b"&",
    b"</s:Envelope>", b"\r\n\r\n",
)  # fmt: skip
LEAVES: tuple[Any, ...] = (
    None, True, -1, 0, 2**70, 1e308, float("nan"), "", "\ud800", "\0", "x" * 9000, "9999-99-99", [], {}, [[]], {"": {}},
    "\u202e", [None] * 300, {"a": [{"b": None}]},
)  # fmt: skip


class Hang(BaseException):
    """An input took longer than it may."""


def main() -> None:
    """All targets in turn until the time is over or each has had its count."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seed", type=int, default=random.randrange(10**6))
    options.add_argument("--seconds", type=float, default=3600.0, help="When to end at the latest.")
    options.add_argument("--count", type=int, default=3000, help="How many inputs of each target.")
    options.add_argument("--from", type=int, default=0, dest="first", help="The first input's number.")
    options.add_argument("--only", action="append", choices=list(TARGETS), help="Only this target; may be repeated.")
    given = options.parse_args()
    print(f"seed {given.seed}: the same seed, the same inputs", flush=True)
    tried: Counter[str] = Counter()
    finds = 0
    with tempfile.TemporaryDirectory(prefix="provisioner-fuzz-") as folder:
        targets = {name: TARGETS[name](Path(folder) / name) for name in given.only or TARGETS}
        until = time.monotonic() + given.seconds
        for number in range(given.first, given.first + given.count):
            for name, target in targets.items():
                if time.monotonic() > until:
                    break
                tried[name] += 1
                finds += _find(name, target, number, given.seed)
    print(", ".join(f"{count} of {name}" for name, count in tried.items()), f"and {finds} finds", flush=True)
    sys.exit(1 if finds or not all(tried[name] for name in targets) else 0)


Target = Callable[[random.Random], None]


def _find(name: str, target: Target, number: int, seed: int) -> bool:
    """Try one input; say all that is needed to try it again where it is answered wrongly."""
    why = ""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        with _bounded():
            target(random.Random(f"{seed}/{name}/{number}"))
    except Hang:
        why = f"it took more than {SECONDS} s"
    except Exception:
        why = traceback.format_exc()
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if after > MEGABYTES * 1024 and after > before:
        why = why or f"memory rose from {before // 1024} to {after // 1024} MB"
    if why:
        print(f"FIND: --seed {seed} --only {name} --from {number} --count 1\n{why}", flush=True)
    return bool(why)


@contextmanager
def _bounded() -> Iterator[None]:
    def ring(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def spoilt(data: bytes, chance: random.Random, most: int = 4) -> bytes:
    """These bytes with a few things wrong: what is nasty put in, parts doubled, taken out, cut off or changed."""
    found = bytearray(data)
    for _ in range(chance.randint(1, most)):
        at = chance.randrange(len(found) + 1)
        end = min(len(found), at + int(chance.expovariate(1 / 20)))
        match chance.randrange(6):
            case 0 | 1:
                found[at:at] = chance.choice(NASTY)
            case 2:
                found[at:end] = chance.choice(NASTY)
            case 3:
                found[at:end] = found[at:end] * chance.choice((0, 2, 50))
            case 4:
                found[at : at + 1] = bytes([chance.randrange(256)])
            case 5 if chance.random() < 0.3:
                del found[at:]
    return bytes(found)


def spoilt_tree(tree: Any, chance: random.Random) -> Any:
    """A JSON document with one leaf, key or branch that is something else."""
    if isinstance(tree, dict) and tree and chance.random() > 0.1:
        key = chance.choice(list(tree))
        match chance.randrange(12):
            case 0:
                return {name: value for name, value in tree.items() if name != key}
            case 1:
                return {**tree, "\u202e\ud800": tree[key]}
            case _:
                return {**tree, key: spoilt_tree(tree[key], chance)}
    if isinstance(tree, list) and tree and chance.random() > 0.2:
        at = chance.randrange(len(tree))
        return [*tree[:at], spoilt_tree(tree[at], chance), *tree[at + 1 :]]
    return chance.choice(LEAVES)


def verb(*arguments: str | Path) -> str:
    """A command, as a person gives it: what it says where it refuses, or "". What is no answer in words is raised."""
    said, before = io.BytesIO(), (sys.stdout, sys.stderr)
    sys.stdout, sys.stderr = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(said, "utf-8")
    try:
        cli.main(list(map(str, arguments)))
    except SystemExit as ended:
        code = ended.code
    finally:
        kept, (sys.stdout, sys.stderr) = sys.stderr, before
    words = said.getvalue().decode("utf-8", "replace")
    kept.close()
    assert code in range(6), f"{' '.join(map(str, arguments))}: exit {code}\n{words}"
    return words or "refused" if code else ""


def right(*arguments: str | Path) -> None:
    """The same of what nothing is wrong with: what is spoilt is to be read to its end before."""
    refused = verb(*arguments)
    assert not refused, refused


# What people write


FLEET = f"""\
version: 1
endpoints: [10.237.215.5, 10.237.215.9, 10.237.215.15, 10.237.215.16]
read_only: false
practice_list_date: 2026-01-31
practice_list: epraccur.csv
connection: {{transport: ntlm, user: 'EX\\a', credential: keyring, deadline: 30.5, at_once: 10, path: '/w/{{gateway}}'}}
packages:
  connector: {{url: 'https://p.example.org/c.msi', sha256: {"a" * 64}, kind: msi, product_id: '{{x}}', size: 10}}
  jre: {{path: 'C:\\p\\j.zip', sha256: {"b" * 64}, root: j}}
connector:
  files: [{{path: a.txt, template: a.j2, secrets: {{key: ref}}}}]
  carry: [device.dat]
java: {{version: '17'}}
service: {{name: Conn, restart_after: [1, 2, 3]}}
rollout: {{waves: [1, 5], failed: none, unknown: 2, hours: 'Mon-Fri 19:00-07:00; Sat-Sun 00:00-24:00'}}
"""
FOLDER = {
    "fleet.yml": FLEET,
    "practices.csv": "practice,name,gateway,address,role,port,path,hours,site\n"
    'A84002,"The ""R"" Practice",GW1,10.0.0.1,active,5986,/wsman,always,1\nA84005,B,,,standby,,,,2\n'
    "A84006,C,GW3,gw3.example.org,candidate,,,Sat 08:00-18:00,3\n",
    "statements.csv": "practice,gateway,control,says,by,on,until,ticket\n"
    "A84002,GW1,R3-dedicated,nobody works on it,A. Person,2026-01-01,31/12/2026,CHG-1\n",
    "waivers.yml": "- control: R7-disk\n  practice: A84002\n  words: accepted\n  by: A. Person\n  on: 2026-01-01\n"
    "  until: 2026-12-31\n",
    "a.j2": "{{ practice }} {{ site }} {{ key }} {% if gateway %}x{% endif %}\n",
}


def _fleet(name: str) -> Callable[[Path], Target]:
    def target(folder: Path) -> Target:
        folder.mkdir()
        for file, text in FOLDER.items():
            (folder / file).write_text(text, "utf-8")
        shutil.copy(resources.root() / "inventory" / "example" / "epraccur.csv", folder)
        right("--fleet", folder, "validate")

        def attempt(chance: random.Random) -> None:
            (folder / name).write_bytes(spoilt(FOLDER[name].encode(), chance))
            if chance.random() < 0.05:
                verb(
                    "--fleet", folder, *chance.choice((("validate",), ("inventory",), ("validate", "--format", "json")))
                )
                return
            # What those verbs ask; most of their own time goes by reading the policy.
            found, faults = fleets.check(folder, practices=ods.read, controls=("R3-dedicated", "R7-disk"))
            json.dumps(validate.document(folder, found, faults))
            "\n".join(map(str, faults))
            if found:
                remedies.inventory(found)

        return attempt

    return target


def _list(name: str) -> Callable[[Path], Target]:
    def target(folder: Path) -> Target:
        folder.mkdir()
        example = resources.root() / "inventory" / "example" / "epraccur.csv"
        whole = {
            "epraccur.csv": b"".join(example.read_bytes().splitlines(keepends=True)[:12]),
            "systems.csv": b"Practice,Postcode,ODS Code,System\nA,BN6,A84002,TPP\nB,PO2,A84005,EMIS\n",
        }
        for file, data in whole.items():
            (folder / file).write_bytes(data)
        words = ("practices", folder / "epraccur.csv", "--system", folder / "systems.csv", "--supplier", "TPP")
        right(*words)

        def attempt(chance: random.Random) -> None:
            (folder / name).write_bytes(spoilt(whole[name], chance))
            verb(*words)

        return attempt

    return target


def _moves(folder: Path) -> Target:
    folder.mkdir()
    for file, text in FOLDER.items():
        (folder / file).write_text(text, "utf-8")
    shutil.copy(resources.root() / "inventory" / "example" / "epraccur.csv", folder)

    def attempt(chance: random.Random) -> None:
        (folder / "moves.csv").write_bytes(spoilt(b"practice,to\nA84002,GW2\nA84005,GW9\n", chance))
        from provisioner.fleet.moves import moves

        with suppress(ProvisionerError):
            moves(folder / "moves.csv")

    return attempt


# What is kept


def _journal(folder: Path) -> Target:
    """The journal's bytes, by the verbs that read it."""
    attempt = _kept(folder)

    def spoil(path: Path, chance: random.Random) -> None:
        data = bytearray(path.read_bytes())
        for _ in range(chance.randint(1, 60)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        path.write_bytes(spoilt(bytes(data), chance, 1) if chance.random() < 0.3 else bytes(data))

    return attempt(spoil)


def _documents(folder: Path) -> Target:
    """A row of the journal that is whole and holds something else: an audit, a plan, an event."""
    attempt = _kept(folder)

    def spoil(path: Path, chance: random.Random) -> None:
        import sqlite3
        import zlib

        with sqlite3.connect(path, isolation_level=None) as raw:
            if chance.random() < 0.7:
                rows = raw.execute("SELECT id, body FROM documents").fetchall()
                id_, body = chance.choice(rows)
                tree = json.loads(zlib.decompress(body))
                text = json.dumps(spoilt_tree(tree, chance)).encode()
                if chance.random() < 0.2:
                    text = spoilt(text, chance)
                raw.execute("UPDATE documents SET body = ? WHERE id = ?", (zlib.compress(text), id_))
            else:
                seq, body = chance.choice(raw.execute("SELECT seq, body FROM events").fetchall())
                changed = json.dumps(spoilt_tree(json.loads(body), chance))
                raw.execute("UPDATE events SET body = ? WHERE seq = ?", (changed, seq))
        raw.close()

    return attempt(spoil)


def _kept(folder: Path) -> Callable[[Callable[[Path, random.Random], None]], Target]:
    folder.mkdir()
    for file, text in FOLDER.items():
        (folder / file).write_text(text, "utf-8")
    shutil.copy(resources.root() / "inventory" / "example" / "epraccur.csv", folder)
    place = folder / ".provisioner" / "journal.db"
    place.parent.mkdir()
    made = records.fill(place)
    with Journal.open(place) as journal:
        kept = journal.load(next(entry.id for entry in journal.history() if entry.kind == "audit"))
        assert isinstance(kept, Audit)
        audit = "audit-of-this-fleet"
        journal.save(replace(kept, id=audit, folder=str(folder), left_out={}))
        journal.compact()
    whole = place.read_bytes()
    verbs: Sequence[tuple[str, ...]] = (
        ("history",), ("show", audit), ("show", made.id), ("report", made.id), ("lease", "list"), ("plan", audit),
        ("report", audit, "--as", "csv"), ("record", made.id, "--output", str(folder / "record")),
        ("migrate", "status"), ("history", "--prune", "1", "--yes"), ("plan", audit, "--format", "json"),
    )  # fmt: skip

    for words in verbs:
        place.write_bytes(whole)
        right("--fleet", folder, *words)

    def over(spoil: Callable[[Path, random.Random], None]) -> Target:
        def attempt(chance: random.Random) -> None:
            # In its place: another file there would be a journal that was moved.
            for file in place.parent.glob("*-*"):
                file.unlink()
            place.write_bytes(whole)
            spoil(place, chance)
            verb("--fleet", folder, *chance.choice(verbs))

        return attempt

    return over


def _record(folder: Path) -> Target:
    """A record, by its verification."""
    _kept(folder)
    place = folder / "record"
    right("record", "--verify", place)
    whole = {path.name: path.read_bytes() for path in place.iterdir()}

    def attempt(chance: random.Random) -> None:
        name = chance.choice(list(whole))
        data = whole[name]
        if name.endswith(".json") and chance.random() < 0.6:
            data = json.dumps(spoilt_tree(json.loads(data), chance)).encode("utf-8", "surrogatepass")
        (place / name).write_bytes(data if data != whole[name] else spoilt(data, chance))
        try:
            verb("record", "--verify", place)
        finally:
            (place / name).write_bytes(whole[name])

    return attempt


# What gateways say


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
            return collect.one(_gateway(port), lambda gateway: winrm.run(gateway, caller, collect.script(), {}))

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


TARGETS: dict[str, Callable[[Path], Target]] = {
    **{name: _fleet(name) for name in FOLDER},
    "epraccur.csv": _list("epraccur.csv"),
    "systems.csv": _list("systems.csv"),
    "moves.csv": _moves,
    "journal": _journal,
    "documents": _documents,
    "record": _record,
    "evidence": _evidence,
    "http": _http,
}

if __name__ == "__main__":
    main()
