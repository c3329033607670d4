"""The record of a plan says what the journal says, shows each practice its own, and tells when it was touched."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result

from provisioner.cli import provisioner
from provisioner.errors import InputError, ProvisionerError
from provisioner.journal import Journal
from provisioner.record import chain, signing, verify
from provisioner.record import document as record
from provisioner.report.words import clean
from tests.fixtures.fleets import FLEET, write
from tests.fixtures.hostile import NASTY
from tests.fixtures.records import OTHER, PLAN, UNDO, fill
from tests.record.test_signing import private
from tests.report.test_html import Page
from tests.report.test_json import paths, promised

ONE, TWO = "A84002.json", "A84005.json"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fleet folder whose journal has a past."""
    folder = write(tmp_path_factory.mktemp("fleet"), {})
    fill(folder / ".provisioner" / "journal.db")
    (folder / "key.pem").touch(mode=0o600)
    (folder / "key.pem").write_text(private())
    return folder


@pytest.fixture(scope="module")
def plain(fleet: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record that nobody signed."""
    return made(fleet, tmp_path_factory.mktemp("plain") / "record")


@pytest.fixture(scope="module")
def signed(fleet: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record that was signed."""
    return made(fleet, tmp_path_factory.mktemp("signed") / "record", "--key", fleet / "key.pem")


@pytest.fixture
def copy(plain: Path, tmp_path: Path) -> Path:
    """The plain record, to be touched."""
    return Path(shutil.copytree(plain, tmp_path / "record"))


def run(*arguments: str | Path) -> Result:
    """A command; its own errors are raised."""
    ran = CliRunner().invoke(provisioner, [str(one) for one in arguments], standalone_mode=False)
    if isinstance(ran.exception, ProvisionerError):
        raise ran.exception
    assert ran.exception is None, ran.exception
    return ran


def made(fleet: Path, folder: Path, *more: str | Path) -> Path:
    assert run("--fleet", fleet, "record", PLAN, "--output", folder, *more).return_value == 0
    return folder


def held(folder: Path, *more: str | Path) -> tuple[int, str]:
    """How `record --verify` ends, and what it says."""
    ran = run("record", "--verify", folder, *more)
    return ran.return_value, ran.stdout + ran.stderr


def summed(folder: Path) -> None:
    """What somebody would do who changes a record and is not asked for a signature: mend the manifest."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"] = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in sorted(one.name for one in folder.iterdir())
        if name.endswith((".json", ".html")) and name != "manifest.json"
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))


def edited(folder: Path, name: str, change: Callable[[Any], object], *, draw: bool = True) -> None:
    """Change a practice's document, draw its page anew, and mend the manifest."""
    from provisioner.record import page as record_page

    document = json.loads((folder / name).read_text())
    change(document)
    (folder / name).write_text(record.text(document))
    if draw:
        (folder / name).with_suffix(".html").write_text(record_page.page(document))
    summed(folder)


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


def _outcome(document: Any) -> None:
    document["steps"][0]["attempts"][0]["result"] = "done"


def _event(document: Any) -> None:
    body = document["events"][3]["body"].replace("failed", "done")
    assert body != document["events"][3]["body"]
    document["events"][3]["body"] = body
    document["steps"][0]["attempts"][0]["result"] = "done"


def _reading(document: Any) -> None:
    next(iter(document["readings"].values()))["sections"]["identity"]["serial"] = "another"


def _approver(document: Any) -> None:
    document["runs"][0]["approved_by"] = "Somebody Else"


def _confirmed(document: Any) -> None:
    next(step for step in document["steps"] if step["confirmed"])["confirmed"] = []


def _order(document: Any) -> None:
    document["events"].insert(1, document["events"].pop(4))


def _another(document: Any) -> None:
    """An event that is whole in itself, in the place of the next one."""
    event = document["events"][4]
    event["body"] = event["body"].replace("stopped", "went on")
    event["hash"] = chain.event_hash(event["before"], event)
    document["runs"][0]["result"] = document["runs"][0]["result"].replace("stopped", "went on")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_outcome, "step s-0-connector: its attempts are not what its events tell"),
        (_event, "event 6 (step_ended) is not the one of its hash"),
        (_reading, "is not the one of that hash"),
        (_approver, "its runs are not those that its events tell"),
        (_confirmed, "its confirmed are not what its events tell"),
        (_order, "stands after event"),
        (lambda document: document["steps"].pop(0), "it has events of a step s-0-connector, and says nothing of it"),
        (lambda document: document["journal"].update(id="another"), "its journal is not the manifest's"),
        (lambda document: document.update(plan="another"), "its plan is not the manifest's"),
        (lambda document: document.update(practice="A84009"), "it is the record of A84009"),
    ],
)
def test_a_document_is_held_against_its_events(change: Callable[[Any], object], words: str, copy: Path) -> None:
    edited(copy, ONE, change)
    code, said = held(copy)
    assert code == 1
    assert f"{ONE}: " in said and words in said


def test_an_event_in_another_ones_place_is_found_where_its_neighbour_is_here(copy: Path) -> None:
    document = json.loads((copy / ONE).read_text())
    assert document["events"][3]["seq"] + 1 == document["events"][4]["seq"]
    edited(copy, ONE, lambda found: found["events"][3].update(hash="0" * 64))
    assert "does not follow on event 6" in held(copy)[1]


def test_one_who_mends_the_manifest_and_the_chain_is_stopped_by_the_signature(signed: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(signed, tmp_path / "record"))
    edited(copy, ONE, _another)
    code, said = held(copy)
    assert (code, said.count("not the manifest's signature")) == (1, 1)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "A84002.html").unlink(), "A84002.html: it is missing"),
        (lambda folder: (folder / ONE).unlink(), "A84002.json: it is missing"),
        (lambda folder: (folder / "note.txt").write_text("x"), "note.txt: it is not in the manifest"),
        (lambda folder: (folder / "more").mkdir(), "more: it is not in the manifest"),
        (lambda folder: (folder / "manifest.json").unlink(), "manifest.json: it is missing"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "manifest.json: it is no manifest"),
        (lambda folder: (folder / "manifest.json").write_bytes(b"\xff"), "manifest.json: it is no manifest"),
        (lambda folder: (folder / ONE).write_text("{}"), "A84002.json: it is no record of a practice"),
        (lambda folder: (folder / ONE).write_text("[" * 100_000), "A84002.json: it is no record of a practice"),
        (lambda folder: (folder / "manifest.sig").write_text("x"), "manifest.sig: it is not in the manifest"),
    ],
)  # fmt: skip
def test_what_is_missing_added_or_something_else(spoil: Callable[[Path], object], words: str, copy: Path) -> None:
    spoil(copy)
    code, said = held(copy)
    assert code == 1
    assert words in said


def test_each_byte_counts(copy: Path) -> None:
    for name in ("A84002.html", ONE):
        content = (copy / name).read_bytes()
        (copy / name).write_bytes(content.replace(b"CHG-1182", b"CHG-1183"))
        assert f"{name}: its SHA-256 is not the one in the manifest" in held(copy)[1]
        (copy / name).write_bytes(content)
    assert held(copy)[0] == 0


def test_the_page_must_say_what_the_document_says(copy: Path) -> None:
    page = copy / "A84002.html"
    page.write_text(page.read_text().replace("disk full", "all well"))
    summed(copy)
    assert held(copy) == (1, f"A84002.html: it does not say what {ONE} says\n{copy} is WRONG.\n")


def test_a_record_of_another_version_may_be_drawn_otherwise(copy: Path) -> None:
    for name in (ONE, TWO, "manifest.json"):
        (copy / name).write_text((copy / name).read_text().replace(record.MADE_BY, "provisioner 9.9"))
    summed(copy)
    code, said = held(copy)
    assert code == 0
    assert said.count("warning: ") == 2 and "made by provisioner 9.9" in said


def places(document: Any) -> Iterator[tuple[Any, ...]]:
    """Where each key of a document is, once for each name: one outcome is like another."""
    seen = set()
    for path in paths(document):
        if "readings" not in path and path[-1] not in seen:
            seen.add(path[-1])
            yield path


def test_a_document_of_any_other_shape_is_wrong_and_no_traceback(plain: Path) -> None:
    """With the manifest mended each time: only what the page does not show passes, which a signature alone protects."""
    files = {name: (plain / name).read_bytes() for name in (ONE, "A84002.html", "manifest.json")}
    manifest = json.loads(files["manifest.json"])
    text, unseen = files[ONE], set()
    for path in places(json.loads(text)):
        others: tuple[object, ...] = (None, 7, "xxx", ["x"], {"x": {}})
        for value in others:
            document = inner = json.loads(text)
            for key in path[:-1]:
                inner = inner[key]
            if inner[path[-1]] == value:
                continue
            inner[path[-1]] = value
            files[ONE] = json.dumps(document).encode()
            manifest["files"] = {name: hashlib.sha256(files[name]).hexdigest() for name in (ONE, "A84002.html")}
            if not verify.faults(files, manifest):
                unseen.add(path[-1])
    assert unseen <= {"expected", "actual", "role", "words", "who", "of"}


def test_a_signature_by_the_folders_own_key_is_no_proof_of_who(fleet: Path, signed: Path, tmp_path: Path) -> None:
    code, said = held(signed)
    assert code == 0
    assert "nobody vouches for that" in said
    public = tmp_path / "ours.pem"
    public.write_text(signing.public_half((fleet / "key.pem").read_text(), "k"))
    code, said = held(signed, "--public-key", public)
    assert (code, "signed by the given key" in said) == (0, True)
    ran = json.loads(run("record", "--verify", signed, "--public-key", public, "--format", "json").stdout)
    jsonschema.validate(ran, promised("verified"))
    assert (ran["right"], ran["vouched"]) == (True, True)


def test_one_who_signs_it_again_is_not_the_one_that_was_asked_for(signed: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(signed, tmp_path / "record"))
    ours = tmp_path / "ours.pem"
    shutil.copy(copy / "public-key.pem", ours)
    theirs = private()
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["signed_by"] = signing.fingerprint(signing.public_half(theirs, "k"), "k")
    (copy / "manifest.json").write_text(json.dumps(manifest))
    (copy / "public-key.pem").write_text(signing.public_half(theirs, "k"))
    (copy / "manifest.sig").write_text(signing.sign((copy / "manifest.json").read_bytes(), theirs, "k"))
    assert held(copy)[0] == 0
    assert "manifest.sig: it is not the manifest's signature by the given key" in held(copy, "--public-key", ours)[1]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "manifest.sig").unlink(), "manifest.sig: it is missing"),
        (lambda folder: (folder / "public-key.pem").unlink(), "public-key.pem: it is missing"),
        (lambda folder: (folder / "manifest.sig").write_bytes(b"\xff\xfe"), "manifest.sig: it is not the manifest's"),
        (lambda folder: (folder / "public-key.pem").write_text("x"), "public-key.pem holds no public key"),
        (
            lambda folder: (folder / "public-key.pem").write_text(signing.public_half(private(), "k")),
            "public-key.pem: it is another key",
        ),
    ],
)
def test_a_signature_that_is_not_whole(
    spoil: Callable[[Path], object], words: str, signed: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(signed, tmp_path / "record"))
    spoil(copy)
    code, said = held(copy)
    assert (code, words in said) == (1, True)


def test_a_signature_that_was_asked_for_and_is_not_there(plain: Path, signed: Path) -> None:
    code, said = held(plain, "--public-key", signed / "public-key.pem")
    assert (code, "it is not signed" in said) == (1, True)


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


def test_nothing_is_recorded_from_a_journal_that_was_changed(fleet: Path, tmp_path: Path) -> None:
    from tests.journal.test_keeping import change

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
        (("--verify", "nowhere-at-all"), "cannot be read"),
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
