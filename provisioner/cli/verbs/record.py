"""`provisioner record`: what a plan did, for an audit; and whether such a record is right."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from provisioner import files as disk
from provisioner import processes
from provisioner.cli.commands import word
from provisioner.cli.completion import ids
from provisioner.cli.console import as_json, folded, out, say
from provisioner.cli.fleets import fleet_on_paper
from provisioner.cli.lookup import any_plan, look_into, practice_names
from provisioner.errors import Fault, InputError
from provisioner.execute import admission
from provisioner.journal import Journal
from provisioner.model import Audit, Evidence, Fleet, Plan
from provisioner.record import document as records
from provisioner.record import page, signing, verify
from provisioner.record.verify import KEY, MANIFEST, SIGNATURE
from provisioner.report.words import counted
from provisioner.transport.credentials import read_private

_FOLDER = click.Path(path_type=Path)
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("record")
@click.argument("plan", required=False, shell_complete=ids("plan"))
@click.option("--output", type=_FOLDER, metavar="FOLDER", help="Where the record is written.")
@click.option("--key", type=_FILE, metavar="FILE.pem", help="Sign with this key; default: record_key of fleet.yml.")
@click.option("--verify", "folder", type=_FOLDER, metavar="FOLDER", help="Is this record right? Needs nothing else.")
@click.option("--public-key", type=_FILE, metavar="FILE.pem", help="With --verify: who must have signed it.")
def command(
    plan: str | None, output: Path | None, key: Path | None, folder: Path | None, public_key: Path | None
) -> int:
    """Write the record of a plan: a page and a JSON document for each practice, and a manifest over all of them.

    With --verify nothing is written: exit 0 where the record is right, 1 where it is not.
    """
    if folder is not None:
        if plan or output or key:
            raise InputError("--verify takes a folder, and beside it --public-key only.")
        return _verify(folder, public_key)
    if plan is None or output is None:
        raise InputError("Which plan, and where to?", "Such as: provisioner record PLAN --output FOLDER")
    if public_key:
        raise InputError("--public-key belongs to --verify.", "--key signs a record.")
    return _record(plan, output, key)


def _record(plan_id: str, output: Path, key: Path | None) -> int:
    fleet = fleet_on_paper()
    with look_into(fleet) as journal:
        plan = any_plan(journal, plan_id)
        folder, before = _place(output, plan)
        pem, name = _key(fleet, key)
        admission.trusted(journal)
        files = _files(_source(journal, plan, fleet), pem, name)
    _put(folder, files, before)
    practices = sum(name.endswith(".html") for name in files)
    if as_json():
        signed = signing.fingerprint(files[KEY].decode(), name) if pem else ""
        body = {"version": 1, "plan": plan.id, "folder": str(folder), "practices": practices, "signed_by": signed}
        out(json.dumps(body, indent=2))
    else:
        folded(f"{folder}: the record of {plan.id}, {counted(practices, 'practice')}, {'' if pem else 'not '}signed.")
        folded(f"To hold it against itself: provisioner record --verify {word(output)}")
    return 0


def _source(journal: Journal, plan: Plan, fleet: Fleet) -> records.Source:
    """All that the journal knows of a plan."""
    plans = journal.family(plan)
    audits = [found for id in dict.fromkeys(each.audit for each in plans) if (found := _audit(journal, id))]
    links = journal.links([each.id for each in plans])
    readings = {sha256: one for sha256 in records.named(links) if (one := _reading(journal, sha256))}
    then = {row.practice: row.practice_name for audit in audits for row in audit.gateways}
    return records.Source(
        plans=tuple(plans),
        audits=tuple(audits),
        names={**practice_names(fleet), **then},
        links=tuple(links),
        readings=readings,
        journal=journal.id,
        head=journal.head(),
        made_at=datetime.now(UTC),
    )


def _audit(journal: Journal, id: str) -> Audit | None:
    try:
        found = journal.load(id)
    except InputError:
        return None  # not kept any more, or made from none
    return found if isinstance(found, Audit) else None


def _reading(journal: Journal, sha256: str) -> Evidence | None:
    try:
        return journal.reading(sha256)
    except InputError:
        return None


def _files(source: records.Source, pem: str, name: str) -> dict[str, bytes]:
    """The whole record, by file name; signed where there is a key."""
    files: dict[str, bytes] = {}
    for code, practice in records.practices(source).items():
        text = records.text(practice)
        files[f"{code}.json"] = text.encode()
        # Of what is written, not of what was in memory: so it is drawn when the record is verified.
        files[f"{code}.html"] = page.page(json.loads(text)).encode()
    for proof_name, proof in records.proofs(source.links).items():
        files[f"{proof_name}.txt"] = proof.text.encode()
        if proof.signature:
            files |= {f"{proof_name}.sig": f"{proof.signature}\n".encode(), f"{proof_name}.pem": proof.key.encode()}
    me = processes.this()
    public = signing.public_half(pem, name) if pem else ""
    signed_by = signing.fingerprint(public, name) if pem else ""
    manifest = records.manifest(source, files, f"{me.user}@{me.host}", signed_by).encode()
    files[MANIFEST] = manifest
    if pem:
        files |= {SIGNATURE: signing.sign(manifest, pem, name).encode() + b"\n", KEY: public.encode()}
    return files


def _key(fleet: Fleet, given: Path | None) -> tuple[str, str]:
    """The private key and the name of its file; both "" where none is to be used."""
    configured = Path(fleet.folder, fleet.settings.record_key) if fleet.settings.record_key else None
    path = given or configured
    return (read_private(path, "a private key in PEM"), str(path)) if path else ("", "")


def _place(output: Path, plan: Plan) -> tuple[Path, list[str]]:
    """Where the record is put, and the files of an earlier one there. Errors: InputError where something else than a
    record of the plan is there."""
    folder = output.absolute()
    hint = "Give another --output."
    if not folder.exists():
        if not folder.parent.is_dir():
            raise InputError(f"{folder.parent} is no folder.", hint)
        return folder, []
    there = _read(folder)
    if not there:
        return folder, []
    try:
        listed = verify.manifest(there)
    except ValueError as error:
        raise InputError(f"{folder} holds something else than a record.", hint) from error
    if listed["plan"] != plan.id:
        raise InputError(f"{folder} holds the record of {listed['plan']}.", hint)
    if others := sorted({*there} - {*listed["files"], MANIFEST, SIGNATURE, KEY}):
        raise InputError(f"{folder} holds a record and other files, such as {others[0]}.", hint)
    return folder, list(there)


def _put(folder: Path, files: Mapping[str, bytes], before: Sequence[str]) -> None:
    """Write the files as that folder, whole or not at all, in the place of these. Errors: InputError."""
    try:
        disk.write_folder(folder, files.items(), "|".join(map(re.escape, before)))
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror}.", "Give another --output.") from error


def _read(folder: Path) -> dict[str, bytes]:
    """Every file of a folder; what is no file counts as an empty one, and nothing is read where no record is.

    Errors: InputError where it cannot be read.
    """
    try:
        there = sorted(folder.iterdir())
        if not verify.is_any(path.name for path in there):
            return {path.name: b"" for path in there}
        return {path.name: disk.read(path, disk.LIST) if path.is_file() else b"" for path in there}
    except OSError as error:
        where = error.filename or folder
        raise InputError(f"{where} cannot be read: {error.strerror}.", "Give the folder of a record.") from error


def _verify(folder: Path, public_key: Path | None) -> int:
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder.", "--verify takes the folder that provisioner record wrote.")
    files = _read(folder)
    if not verify.is_any(files):
        hint = "Give the folder that provisioner record PLAN --output FOLDER wrote: manifest.json lies in it."
        raise InputError(f"There is no record in {folder}.", hint)
    given = _read_key(public_key) if public_key else ""
    plan, signed = "", ""
    try:
        listed = verify.manifest(files)
    except ValueError as error:
        faults = [Fault(file=MANIFEST, line=None, message=str(error))]
    else:
        plan, signed = str(listed["plan"]), str(listed.get("signed_by", ""))
        faults = [*verify.faults(files, listed), *_signature(files, signed, given)]
    wrong = any(not fault.warning for fault in faults)
    if as_json():
        told = [{"file": fault.file, "message": fault.message, "warning": fault.warning} for fault in faults]
        body = {"version": 1, "folder": str(folder), "plan": plan, "right": not wrong, "signed_by": signed}
        out(json.dumps({**body, "vouched": bool(given) and bool(signed) and not wrong, "faults": told}, indent=2))
        return int(wrong)
    for fault in faults:
        folded(f"{'warning: ' if fault.warning else ''}{fault}")
    if wrong:
        folded(f"{folder} is WRONG.")
        return 1
    folded(f"{folder} is right: the record of {plan}, {counted(len(listed['files']), 'file')}.")
    say(_vouched(signed, given))
    return 0


def _vouched(signed: str, given: str) -> str:
    """Who stands behind a record that is right in itself."""
    if not signed:
        return "It is not signed: nobody vouches for it, and who could write it could have made it up."
    if not given:
        return f"It is signed by the key that lies in the folder ({signed}); nobody vouches for that. See --public-key."
    return f"It is signed by the given key ({signed})."


def _read_key(path: Path) -> str:
    try:
        text = disk.read(path, disk.SECRET).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read: {why}", "It is to hold a public key in PEM.") from error
    signing.fingerprint(text, str(path))
    return text


def _signature(files: Mapping[str, bytes], signed: str, given: str) -> list[Fault]:
    """What is wrong with the signature; a record without one is right unless a key is given."""

    def fault(name: str, message: str) -> list[Fault]:
        return [Fault(file=name, line=None, message=message)]

    there = [name for name in (SIGNATURE, KEY) if name in files]
    if not signed:
        if there:
            return fault(there[0], "it is not in the manifest: it was added")
        return fault(MANIFEST, "it is not signed, and a key was given that should have signed it") if given else []
    if len(there) < 2:
        return fault(KEY if there == [SIGNATURE] else SIGNATURE, "it is missing: the manifest says that it is signed")
    public, signature = (files[name].decode("utf-8", "replace") for name in (KEY, SIGNATURE))
    try:
        if signing.fingerprint(public, KEY) != signed:
            return fault(KEY, "it is another key than the one that the manifest names")
        if not signing.right(files[MANIFEST], signature.strip(), given or public, KEY):
            return fault(SIGNATURE, f"it is not the manifest's signature by the {'given ' if given else ''}key")
    except InputError as error:
        return fault(KEY, error.message)
    return []
