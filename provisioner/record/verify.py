"""A record held against itself: every file's hash, each event's, each reading's, and the page against its document.

Needs nothing but the record's own files: no fleet, no journal, no gateway.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jinja2 import TemplateError

from provisioner.errors import Fault, InputError
from provisioner.record import chain, document, signing
from provisioner.record import page as record_page
from provisioner.record.approval import Proof
from provisioner.record.chain import Link
from provisioner.report.envelope import VERSION

MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
KEY = "public-key.pem"

# What reading a document of another shape than ours raises.
_UNFIT = (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, RecursionError, TemplateError)


def is_any(names: Iterable[str]) -> bool:
    """Whether any of these files is a record's: of one that was spoiled something is left."""
    there = set(names)
    documents = {name.removesuffix(".json") for name in there if name.endswith(".json")}
    return bool(there & {MANIFEST, SIGNATURE, KEY}) or any(f"{name}.html" in there for name in documents)


def manifest(files: Mapping[str, bytes]) -> dict[str, Any]:
    """The manifest. Errors: ValueError, with words, where there is none of this version."""
    if MANIFEST not in files:
        raise ValueError("it is missing: this is no record")
    try:
        found = json.loads(files[MANIFEST])
        right = found["version"] == VERSION and isinstance(found["plan"], str) and found["files"].items()
        whole = right and all(isinstance(text, str) for pair in found["files"].items() for text in pair)
    except _UNFIT as error:
        raise ValueError("it is no manifest of a record") from error
    if not whole:
        raise ValueError("it is no manifest of a record of this version")
    return dict(found)


def faults(files: Mapping[str, bytes], listed: Mapping[str, Any]) -> list[Fault]:
    """All that is wrong with a record, by its files and its manifest, in the order of names."""
    found = list(_sums(files, listed["files"]))
    for name in sorted(name for name in files if name.endswith(".json") and name != MANIFEST):
        try:
            practice = json.loads(files[name])
            found += _practice(name, practice, listed)
        except (*_UNFIT, InputError):
            found.append(_fault(name, "it is no record of a practice"))
            continue
        found += _page(name, practice, files.get(name.removesuffix(".json") + ".html"))
    return found


def _fault(name: str, message: str, *, warning: bool = False) -> Fault:
    return Fault(file=name, line=None, message=message, warning=warning)


def _sums(files: Mapping[str, bytes], sums: Mapping[str, str]) -> Iterator[Fault]:
    ours = {MANIFEST, SIGNATURE, KEY}
    for name in sorted({*files, *sums} - ours):
        if name not in files:
            yield _fault(name, "it is missing")
        elif name not in sums:
            yield _fault(name, "it is not in the manifest: it was added")
        elif hashlib.sha256(files[name]).hexdigest() != sums[name]:
            yield _fault(name, "its SHA-256 is not the one in the manifest: it was changed")


def _practice(name: str, practice: Mapping[str, Any], listed: Mapping[str, Any]) -> list[Fault]:
    found = [
        _fault(name, f"its {key} is not the manifest's")
        for key in ("version", "plan", "journal", "made_at", "made_by")
        if practice[key] != listed[key]
    ]
    if name != f"{practice['practice']}.json":
        found.append(_fault(name, f"it is the record of {practice['practice']}"))
    links = [Link(**event) for event in practice["events"]]
    found += _chain(name, links)
    for sha256, reading in practice["readings"].items():
        if chain.sha256(chain.canonical_json(reading)) != sha256:
            found.append(_fault(name, f"the reading {sha256} of {reading.get('gateway')} is not the one of that hash"))
    steps = {(step["plan"], step["id"]) for step in practice["steps"]}
    for step in {link.step: link for link in links if link.step and (link.plan, link.step) not in steps}:
        found.append(_fault(name, f"it has events of a step {step}, and says nothing of it"))
    said = document.told(practice["steps"], links)
    if practice["runs"] != said["runs"]:
        found.append(_fault(name, "its runs are not those that its events tell"))
    if practice.get("approvals", []) != said["approvals"]:
        found.append(_fault(name, "its approvals are not those that its events tell"))
    for proof in (Proof.of(link.said) for link in links if link.kind == "approved"):
        if proof.signature and not signing.right(proof.text.encode(), proof.signature, proof.key, name):
            found.append(_fault(name, "the signature of an approval is not that of its text"))
    for step in practice["steps"]:
        # A record of before it was told has no standing result.
        for key in ("attempts", "confirmed", *({"standing"} & step.keys())):
            if step[key] != said[key][f"{step['plan']} {step['id']}"]:
                found.append(_fault(name, f"step {step['id']}: its {key} are not what its events tell"))
    return found


def _chain(name: str, links: list[Link]) -> Iterator[Fault]:
    before: Link | None = None
    for link in links:
        if not link.whole:
            yield _fault(name, f"event {link.seq} ({link.kind}) is not the one of its hash")
        if before and link.seq <= before.seq:
            yield _fault(name, f"event {link.seq} stands after event {before.seq}")
        elif before and link.seq == before.seq + 1 and link.before != before.hash:
            yield _fault(name, f"event {link.seq} does not follow on event {before.seq}")
        before = link


def _page(name: str, practice: Mapping[str, Any], page: bytes | None) -> Iterator[Fault]:
    html = name.removesuffix(".json") + ".html"
    if page is None:
        yield _fault(name, f"its page {html} is not here")
        return
    try:
        same = record_page.page(practice).encode() == page
    except _UNFIT:
        yield _fault(name, "no page can be made of it")
        return
    if not same and practice["made_by"] == document.MADE_BY:
        yield _fault(html, f"it does not say what {name} says")
    elif not same:
        words = f"it was made by {practice['made_by']}, and {document.MADE_BY} would draw it otherwise"
        yield _fault(html, f"{words}: only its hash was held against the manifest", warning=True)
