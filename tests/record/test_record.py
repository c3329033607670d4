"""The record of a plan says what the journal says, shows each practice its own, and tells when it was touched."""

import hashlib
import json
import os
import re
import shutil
from dataclasses import replace
from itertools import product
from pathlib import Path
from time import perf_counter

import jsonschema
import pytest

from provisioner.errors import InputError, ProvisionerError
from provisioner.journal import Journal
from provisioner.model import Wave
from provisioner.record import chain, signing
from provisioner.record import document as records
from provisioner.report.words import clean
from tests.fixtures.documents import Page, promised
from tests.fixtures.fleets import FLEET, write
from tests.fixtures.hostile import NASTY
from tests.fixtures.records import OTHER, PLAN, UNDO, fill, planned
from tests.fixtures.reports import AT
from tests.journal.journals import change
from tests.record.records import ONE, TWO, fleet, held, made, plain, private, run

__all__ = ["fleet", "plain"]  # fixtures


def test_each_practice_has_a_page_and_a_document_as_promised(plain: Path) -> None:
    names = {path.name for path in plain.iterdir()}
    assert names == {"A84002.html", ONE, "A84005.html", TWO, "manifest.json"}
    for name in (ONE, TWO):
        text = (plain / name).read_text()
        assert text.isascii()
        jsonschema.validate(json.loads(text), promised("record"))
    jsonschema.validate(json.loads((plain / "manifest.json").read_text()), promised("manifest"))
    assert held(plain)[0] == 0


def test_it_tells_who_when_why_and_what_was_there(plain: Path) -> None:
    document = json.loads((plain / ONE).read_text())
    first, second, undo = document["runs"]
    assert (first["by"], first["approved_by"], first["ticket"]) == ("alice@controller pid 7", "B. Person", "CHG-1182")
    assert (first["result"], second["because"], undo["plan"]) == ("1 failed; stopped: 1 gateway failed", "again", UNDO)
    steps = {step["id"]: step for step in document["steps"]}
    connector = steps["s-0-connector"]
    assert [one["result"] for one in connector["attempts"]] == ["failed", "done"]
    assert connector["because"][0]["title"] == "The Connector's files are there"
    assert connector["attempts"][1]["before"] == {"rule": None, "addresses": ["192.0.2.5"]}
    assert connector["attempts"][1]["output"][1] == "changed: Allow the Connector out"
    assert steps["s-0-java"]["attempts"][0]["result"] == "unchanged"
    assert steps["s-approve"]["confirmed"][0]["by"] == "C. Person"
    assert steps["s-0-firewall-back"]["attempts"][0]["result"] == "undone"
    page = Page((plain / "A84002.html").read_text()).words
    for words in (
        "The Rothbury Practice: all 7 steps are done, 1 undone later", "B. Person", "CHG-1182", "disk full",
        "The Connector's files are there", "changed: Allow the Connector out", "Attempt 2: done", "C. Person",
        "out, allow, TCP 443 to 4 addresses", "WMI did not answer within 20 s.", "GWPC-A84002", UNDO,
        connector["attempts"][0]["reading_before"], document["plans"][0]["sha256"], document["journal"]["id"],
    ):  # fmt: skip
        assert words in page


def test_what_is_not_there_is_said(plain: Path) -> None:
    page = Page((plain / "A84005.html").read_text()).words
    for words in ("3 of 6 steps are done", "not begun", "begun; no end is recorded", "waiting", "not kept"):
        assert words in page
    assert UNDO not in page


def test_a_practice_is_shown_nobody_else(plain: Path) -> None:
    texts = {name: (plain / name).read_text() for name in (ONE, TWO, "A84002.html", "A84005.html")}
    assert not [name for name, text in texts.items() if ("A84005" if "A84002" in name else "A84002") in text]
    assert not [name for name, text in texts.items() if OTHER in text]


def test_its_events_are_those_of_the_journal(fleet: Path, plain: Path) -> None:
    with Journal.open(fleet / ".provisioner" / "journal.db") as journal:
        links = {link.seq: link for link in journal.links([PLAN, UNDO])}
        head, name = journal.head(), journal.id
    events = [chain.Link(**event) for each in (ONE, TWO) for event in json.loads((plain / each).read_text())["events"]]
    assert {event.seq: event for event in events} == links
    manifest = json.loads((plain / "manifest.json").read_text())
    assert manifest["journal"] == {"id": name, "seq": head[0], "hash": head[1]}


def test_an_auditor_can_compute_the_hashes_with_nothing_of_ours(plain: Path) -> None:
    """By the words of docs/json.md alone."""
    document = json.loads((plain / ONE).read_text())
    for event in document["events"]:
        said = [event[name] for name in ("seq", "at", "kind", "plan", "step", "gateway", "body")]
        assert hashlib.sha256((event["before"] + json.dumps(said)).encode()).hexdigest() == event["hash"]
    for key, reading in document["readings"].items():
        text = json.dumps(reading, sort_keys=True, separators=(",", ":"))
        assert hashlib.sha256(text.encode()).hexdigest() == key


def test_a_page_asks_for_nothing_and_runs_nothing(plain: Path) -> None:
    page = Page((plain / "A84002.html").read_text())
    assert page.tags["script"] == page.tags["img"] == page.tags["iframe"] == 0
    assert all(value.startswith(("#", "data:")) for value in [*page.values("href"), *page.values("src")])
    (policy,) = [value for value in page.values("content") if "default-src" in value]
    assert "default-src 'none'" in policy and "script-src 'none'" in policy
    anchors = {value.removeprefix("#") for value in page.values("href") if value.startswith("#")}
    assert anchors <= set(page.values("id"))


@pytest.mark.parametrize("text", [NASTY[0], NASTY[7], NASTY[8]], ids=["markup", "templates", "unfit"])
def test_what_a_gateway_says_is_text(text: str, tmp_path: Path) -> None:
    fleet = write(tmp_path / "fleet", {})
    fill(fleet / ".provisioner" / "journal.db", text)
    folder = made(fleet, tmp_path / "record")
    assert held(folder)[0] == 0
    page = Page((folder / "A84002.html").read_text("utf-8"))
    assert page.tags["script"] == page.tags["img"] == 0
    assert "".join(clean(text).split())[:20] in "".join(page.words.split())


def test_the_option_beats_the_setting_and_a_key_must_be_closed(fleet: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(fleet, tmp_path / "fleet"))
    (own / "fleet.yml").write_text(f"{FLEET}record_key: key.pem\n")
    by_setting = made(own, tmp_path / "one")
    other = tmp_path / "other.pem"
    other.touch(mode=0o600)
    other.write_text(private())
    by_option = made(own, tmp_path / "two", "--key", other)
    keys = [(folder / "public-key.pem").read_text() for folder in (by_setting, by_option)]
    assert keys == [signing.public_half(path.read_text(), "k") for path in (own / "key.pem", other)]
    other.chmod(0o644)
    with pytest.raises(InputError, match="can be read by others"):
        made(own, tmp_path / "three", "--key", other)
    assert not (tmp_path / "three").exists()


def test_an_earlier_record_of_the_plan_is_replaced_whole_and_nothing_else_is(fleet: Path, tmp_path: Path) -> None:
    folder = made(fleet, tmp_path / "record", "--key", fleet / "key.pem")
    made(fleet, folder)
    assert held(folder)[0] == 0
    assert not (folder / "manifest.sig").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["record"]
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"other files, such as notes\.txt"):
        made(fleet, folder)
    (folder / "notes.txt").unlink()
    with pytest.raises(InputError, match=f"holds the record of {PLAN}"):
        run("--fleet", fleet, "record", OTHER, "--output", folder)
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "thesis.doc").write_text("mine")
    with pytest.raises(InputError, match="something else"):
        made(fleet, folder)
    assert (folder / "thesis.doc").read_text() == "mine"
    (folder / "thesis.doc").unlink()
    assert held(made(fleet, folder))[0] == 0


def test_what_cannot_be_written_leaves_what_was_there(fleet: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no folder"):
        made(fleet, tmp_path / "not" / "there")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="cannot be read"):
        made(fleet, tmp_path / "file")
    if os.geteuid():
        (tmp_path / "closed").mkdir(mode=0o500)
        with pytest.raises(InputError, match="cannot be written"):
            made(fleet, tmp_path / "closed" / "record")


def test_a_record_of_the_whole_country_is_made_in_seconds() -> None:
    """Each practice's document was made by a look at all the others' events: 40 seconds and more."""
    base = planned()
    steps = [
        replace(base.steps[0], id=f"s-{at}-{number}", gateway=f"gw{at}", practice=f"P{at}")
        for at in range(6618)
        for number in range(4)
    ]
    at, said = AT.isoformat(), {"gateway": "", "step": "", "result": "done", "changed": True, "message": ""}
    body = json.dumps({**said, "started": at, "ended": at})
    shared = {"at": at, "plan": base.id, "before": "", "hash": ""}
    links = [
        chain.Link(seq=number, kind=kind, step=step.id, gateway=step.gateway, body=body, **shared)
        for number, (step, kind) in enumerate(product(steps, ("step_started", "step_ended")), 1)
    ]
    plan = replace(base, waves=(Wave(number=1, steps=tuple(steps)),), places={})
    source = records.Source(
        plans=(plan,), audits=(), names={}, links=tuple(links), readings={}, journal="j", head=(1, ""), made_at=AT
    )
    begun = perf_counter()
    made_of = records.practices(source)
    assert perf_counter() - begun < 15
    assert [len(one["events"]) for one in made_of.values()] == [8] * 6618
    assert made_of["P17"]["steps"][0]["attempts"][0]["result"] == "done"


def test_nothing_is_recorded_from_a_journal_that_was_changed(fleet: Path, tmp_path: Path) -> None:
    own = Path(shutil.copytree(fleet, tmp_path / "fleet"))
    change(own / ".provisioner" / "journal.db", "UPDATE events SET gateway = 'X' WHERE seq = 6")
    with pytest.raises(ProvisionerError, match="event 6"):
        made(own, tmp_path / "record")
    assert not (tmp_path / "record").exists()


def test_a_plan_whose_audit_has_gone_is_still_recorded(fleet: Path, tmp_path: Path) -> None:
    folder = tmp_path / "undo"
    assert run("--fleet", fleet, "record", UNDO, "--output", folder).return_value == 0
    document = json.loads((folder / ONE).read_text())
    assert [step["id"] for step in document["steps"]] == ["s-0-firewall-back"]
    assert held(folder)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Which plan"),
        ((PLAN,), "Which plan"),
        ((PLAN, "--output", "x", "--public-key", "y"), "belongs to --verify"),
        ((PLAN, "--verify", "x"), "--verify takes a folder"),
        (("--verify", "x", "--key", "y"), "--verify takes a folder"),
        (("--verify", "nowhere-at-all"), "nowhere-at-all is no folder"),
        (("p-none", "--output", "x"), "no audit or plan p-none"),
        (("a-20261123-201500", "--output", "x"), "is an audit, not a plan"),
    ],
)
def test_what_cannot_be_meant_is_said(arguments: tuple[str, ...], words: str, fleet: Path) -> None:
    with pytest.raises(InputError, match=re.escape(words)):
        run("--fleet", fleet, "record", *arguments)


def test_the_results_as_json(fleet: Path, tmp_path: Path) -> None:
    ran = run("--fleet", fleet, "record", PLAN, "--output", tmp_path / "record", "--format", "json")
    document = json.loads(ran.stdout)
    jsonschema.validate(document, promised("recorded"))
    assert (document["practices"], document["signed_by"]) == (2, "")
