"""A whole rollout by real Ansible, and its record: nothing that is secret is in it."""

import json
import shutil
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from sqlite3 import connect

import jsonschema

from provisioner.lab.process.client import Handle
from tests.conftest import Command
from tests.fixtures.documents import promised
from tests.roads.planning import planned

SECRET = "MARKED-s3cret-of-a-template"


def with_a_secret(fleet: Path) -> None:
    """A file of the Connector's with a secret in it."""
    secrets = fleet / ".provisioner" / "lab" / "secrets"
    secrets.mkdir(mode=0o700)
    (secrets / "api-key").touch(mode=0o600)
    (secrets / "api-key").write_text(SECRET)
    (fleet / "conf.j2").write_text("key={{ api_key }}\n", "utf-8")
    text = (fleet / "fleet.yml").read_text("utf-8")
    files = "files:\n    - {path: conf.ini, template: conf.j2, secrets: {api_key: api-key}}"
    assert "connector:\n  version" in text
    (fleet / "fleet.yml").write_text(
        text.replace("connector:\n  version", f"connector:\n  {files}\n  version"), "utf-8"
    )


def test_no_secret_is_in_the_record_of_a_whole_rollout(
    lab: Callable[..., Handle], provisioner: Command, tmp_path: Path
) -> None:
    handle = lab("A84002")
    with_a_secret(handle.folder)
    plan = str(planned(provisioner, handle.folder)["plan"])
    named = ("--approved-by", "B. Person", "--ticket", "CHG-1182")
    ran = provisioner("apply", plan, "--yes", *named, fleet=handle.folder)
    assert ran.code == 0, ran.out + ran.err
    assert SECRET in json.dumps(handle.state())

    folder = tmp_path / "record"
    assert provisioner("record", plan, "--output", folder, fleet=handle.folder).code == 0
    held = provisioner("record", "--verify", folder)
    assert held.code == 0, held.out

    document = json.loads((folder / "A84002.json").read_text())
    jsonschema.validate(document, promised("record"))
    assert {step["attempts"][-1]["result"] for step in document["steps"]} == {"done"}
    page = (folder / "A84002.html").read_text("utf-8")
    assert "B. Person" in page and "CHG-1182" in page
    judged = {
        attempt[key]
        for step in document["steps"]
        for attempt in step["attempts"]
        for key in ("reading_before", "reading_after")
    }
    assert judged - {""} == set(document["readings"])
    assert ("not kept" in page) == ("" in judged)

    marks = (handle.password.encode(), SECRET.encode())
    found = [path.name for path in folder.rglob("*") for mark in marks if mark in path.read_bytes()]
    assert found == []
    assert not [name for name, text in kept(handle.folder).items() for mark in marks if mark in text]


def kept(fleet: Path) -> dict[str, bytes]:
    """All that the journal holds, taken apart."""
    copy = shutil.copy(fleet / ".provisioner" / "journal.db", fleet / "copy.db")
    found = {"file": Path(copy).read_bytes()}
    with closing(connect(copy)) as raw:
        found |= {name: zlib.decompress(body) for name, body in raw.execute("SELECT id, body FROM documents")}
        found |= {name: zlib.decompress(body) for name, body in raw.execute("SELECT sha256, body FROM readings")}
        found |= {f"event {seq}": body.encode() for seq, body in raw.execute("SELECT seq, body FROM events")}
    assert len(found) > 5
    return found
