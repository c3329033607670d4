"""Targets: what a person or an earlier release keeps in files."""

import json
import random
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from provisioner import fleet as fleets
from provisioner import resources
from provisioner.ansible import inventory
from provisioner.cli.verbs import validate
from provisioner.errors import ProvisionerError
from provisioner.fleet import ods
from provisioner.journal import Journal
from provisioner.model import Audit
from tests.fixtures import records
from tests.fuzz.spoilt import Target, right, spoilt, spoilt_tree, verb

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
                inventory.of_fleet(found)

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
