"""A record is held against itself: each byte, event, page and signature counts."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from provisioner.errors import InputError
from provisioner.record import chain, signing, verify
from provisioner.record import document as record
from tests.fixtures.documents import paths, promised
from tests.record.records import ONE, TWO, fleet, held, made, plain, private, run

__all__ = ["fleet", "plain"]  # fixtures


@pytest.fixture(scope="module")
def signed(fleet: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record that was signed."""
    return made(fleet, tmp_path_factory.mktemp("signed") / "record", "--key", fleet / "key.pem")


@pytest.fixture
def copy(plain: Path, tmp_path: Path) -> Path:
    """The plain record, to be touched."""
    return Path(shutil.copytree(plain, tmp_path / "record"))


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


def test_where_no_record_is_none_is_wrong(copy: Path, tmp_path: Path) -> None:
    """Bad input, with what to give; a record of which anything is left is told as spoiled."""
    (tmp_path / "notes").mkdir()
    for folder in (tmp_path / "notes", tmp_path):
        with pytest.raises(InputError, match="There is no record in") as caught:
            held(folder)
        assert "manifest.json" in caught.value.hint
        (tmp_path / "notes" / "A84002.json").write_text("{}")
    for name in ("manifest.json", ONE, "A84002.html"):
        (copy / name).unlink()
        assert held(copy)[0] == 1


def test_what_is_no_record_is_not_read(tmp_path: Path) -> None:
    """Such as somebody's home, or a folder with a file that is larger than anything we read."""
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2**31)
    with pytest.raises(InputError, match="There is no record in"):
        held(tmp_path)


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
