"""Our package_tree: fetch a package, verify it, unpack it into a folder."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from provisioner.lab.modules.arguments import Call, Failed, Option, Spec
from provisioner.lab.windows import kept as record
from provisioner.lab.windows.disk import DiskFull, File, described, key, leaf, parent, plain
from provisioner.lab.windows.kept import Change, Record
from provisioner.lab.windows.package import MANIFEST, BadName, BadPackage, members, put, read, take_away, whole

SPEC: Spec = {
    "source": Option(choices=("url", "path", "push")),
    "location": Option(),
    "sha256": Option(),
    "signer": Option(default=""),
    "size": Option(kind="int", default=0),
    "keep": Option(),
    "undo": Option(default=""),
    "existed": Option(kind="bool", default=True),
    "skip": Option(kind="list", elements="path"),
    "root": Option(default=""),
    "member": Option(default=""),
    "unpack": Option(kind="bool", default=True),
    "destination": Option(kind="path", required=True),
    "state": Option(default="present", choices=("present", "absent", "restored")),
}


# The most bytes of a package whose size fleet.yml does not give.
_LARGEST = 4 * 1024**3


class _Tree:
    """One run: where the files go, where the manifest lies, what it says, where what was there is kept."""

    def __init__(self, call: Call) -> None:
        args = call.args
        self.call, self.args, self.disk = call, args, call.machine.disk
        self.destination, self.sha256 = plain(args["destination"]), (args["sha256"] or "").lower()
        self.folder = parent(self.destination) if args["member"] or not args["unpack"] else self.destination
        self.manifest = f"{self.destination}{'' if args['member'] else chr(92)}{MANIFEST}" if args["unpack"] else ""
        self.said = self._manifest()
        self.found: str | None = self.said.get("sha256")
        self.intact = bool(self.found) and whole(self.disk, self.folder, self.said, digests=True)
        self.record = record.place(args["keep"], args["undo"], self.destination) if args["undo"] else ""
        self.answer: dict[str, Any] = {
            "changed": False,
            "before": {"exists": self.found is not None, "sha256": self.found, "edited": 0},
            "files": len(self.said.get("files", ())) if args["unpack"] else 0,
            "size": None,
        }

    def _manifest(self) -> Mapping[str, Any]:
        if self.args["unpack"]:
            return read(self.disk, self.manifest)
        there = self.disk.file(self.destination)
        if there is None:
            return {}
        file = {"path": leaf(self.destination), "size": there.size, "sha256": there.sha256}
        return {"sha256": there.sha256, "files": [file]}

    @property
    def manifest_text(self) -> str | None:
        """The manifest as it stands on the disk."""
        file = self.disk.file(self.manifest) if self.manifest else None
        return file.text if file else None

    def changes(self, files: Sequence[File]) -> list[Change]:
        """What these files, in the place of those that the manifest lists, would change."""
        names = {key(file.path) for file in files}
        listed = (entry["path"] for entry in self.said.get("files", ()))
        return record.changes(self.disk, self.folder, files, (path for path in listed if key(path) not in names))

    def failed(self, message: str) -> Failed:
        """The module's failure with what it knows so far."""
        return Failed(message, **self.answer)


def package_tree(call: Call) -> dict[str, Any]:
    """Lay a package into its folder, take it away again, or put back what was there before it."""
    args = call.args
    missing = [name for name in ("source", "location", "sha256") if not args[name]]
    if args["state"] == "present" and missing:
        raise Failed(f"state is present but all of the following are missing: {', '.join(missing)}")
    if args["undo"] and not (args["keep"] and re.fullmatch(r"\w[\w.-]*", args["undo"])):
        raise Failed(f"undo, '{args['undo']}', must be the name of a folder in keep, which must be given")
    tree = _Tree(call)
    before = _words(tree.found)
    if args["state"] == "restored":
        after = _restored(tree, before)
    elif args["state"] == "absent":
        tree.answer["changed"] = tree.found is not None
        after = ""
        if tree.found and not call.check:
            _remove(tree)
    else:
        tree.answer["changed"] = not (tree.intact and tree.found == tree.sha256)
        after = _words(tree.sha256)
        before += "files are missing or changed\n" if tree.found and not tree.intact else ""
        if tree.answer["changed"]:
            _check(tree) if call.check else _install(tree)
        elif not call.check:
            # That nothing was to be changed is worth knowing too.
            _keep(tree, ())
    if call.diff:
        tree.answer["diff"] = {"before": before, "after": after}
    return tree.answer


def _words(sha256: str | None) -> str:
    return f"package {sha256}\n" if sha256 else ""


def _check(tree: _Tree) -> None:
    """Check mode: only whether the package is there."""
    location = tree.args["location"]
    if tree.args["source"] == "path":
        file = tree.disk.file(location)
        if file is None:
            raise tree.failed(f"there is no file {location} on this gateway")
        if file.sha256 != tree.sha256:
            raise tree.failed(f"{location} has sha256 {file.sha256}, wanted {tree.sha256}")
    elif tree.args["source"] == "url":
        try:
            tree.answer["size"] = len(tree.call.fetch(location))
            _bounded(tree, tree.answer["size"])
        except OSError as failure:
            raise tree.failed(f"{location} cannot be fetched from this gateway: {failure}") from None


def _content(tree: _Tree) -> bytes:
    """The verified package."""
    location = tree.args["location"]
    if tree.args["source"] == "url":
        try:
            content = tree.call.fetch(location)
            _bounded(tree, len(content))
            if tree.disk.full or len(content) > tree.disk.free_bytes:
                raise DiskFull
        except OSError as failure:
            raise tree.failed(f"{location} could not be fetched: {failure}") from None
    else:
        file = tree.disk.file(location)
        if file is None or file.content is None:
            raise tree.failed(f"there is no file {location} on this gateway")
        content = file.content
        try:
            _bounded(tree, len(content))
        except OSError as failure:
            raise tree.failed(f"{location} could not be read: {failure}") from None
    found = hashlib.sha256(content).hexdigest()
    if found != tree.sha256:
        raise tree.failed(f"{location} has sha256 {found}, wanted {tree.sha256}: nothing was unpacked or run")
    tree.answer["size"] = len(content)
    return content


def _bounded(tree: _Tree, size: int) -> None:
    """Errors: OSError for a package that is larger than it may be."""
    if size > (tree.args["size"] or _LARGEST):
        known = "the size that fleet.yml gives" if tree.args["size"] else "the most where fleet.yml gives no size"
        raise OSError(f"it is larger than {tree.args['size'] or _LARGEST} bytes, {known}")


def _install(tree: _Tree) -> None:
    """Lay the files down, at once or, under the fault slow_installer, later."""
    content = _content(tree)
    unpack = bool(tree.args["unpack"])
    files = _files(tree, content) if unpack else (described(leaf(tree.destination), content),)
    machine, disk = tree.call.machine, tree.disk
    if disk.full or sum(file.size for file in files) > disk.free_bytes:
        raise tree.failed(f"the package could not be unpacked into {tree.folder}: {DiskFull()}")
    if held := _held(tree, tree.changes(files)):
        raise tree.failed(f"the package could not be unpacked into {tree.folder}: {held}")

    def lay(now: float) -> None:
        changed = tree.changes(files)
        _save_edited(tree, changed, _keep(tree, changed))
        if unpack:
            put(disk, tree.folder, files, tree.sha256, tree.manifest)
        else:
            disk.write(tree.destination, content)
        machine.happened("package_unpacked", path=tree.destination, sha256=tree.sha256)

    tree.answer["files"] = len(files)
    seconds = machine.install(f"package_tree {tree.destination}", lay, tree.call.now)
    if seconds:
        tree.answer["_lab_seconds"] = seconds


def _files(tree: _Tree, content: bytes) -> tuple[File, ...]:
    """The files that are unpacked. The lab's programs bear no signature."""
    root, member = tree.args["root"], tree.args["member"]
    try:
        files = members(content, root, member, f"{tree.folder}\\.provisioner-new")
    except BadName as failure:
        raise tree.failed(str(failure)) from None
    except BadPackage as failure:
        raise tree.failed(f"the package could not be unpacked into {tree.folder}: {failure}") from None
    if member:
        files = tuple(replace(file, path=leaf(tree.destination)) for file in files)
    skipped = {plain(path).lower() for path in tree.args["skip"] or ()}
    files = tuple(file for file in files if f"{tree.folder}\\{file.path}".lower() not in skipped)
    if not files:
        where = "\\".join(part for part in (root, member) if part)
        raise tree.failed(f"the package has no file under '{where}'")
    programs = [file.path for file in files if file.path.lower().endswith((".exe", ".msi"))]
    if tree.args["signer"] and programs:
        path = f"{tree.folder}\\.provisioner-new\\{programs[0]}"
        raise tree.failed(f"the signature of {path} is not valid: The file {path} is not digitally signed.")
    return files


def _keep(tree: _Tree, changed: Sequence[Change]) -> set[str]:
    """What will not stay as it is, kept under the undo's name; which paths were kept now."""
    if not tree.record:
        return set()
    existed = tree.disk.folder(tree.folder) is not None
    begun = Record(tree.destination, existed=existed, manifest=tree.manifest_text, package=tree.sha256)
    return record.save(tree.disk, tree.record, tree.folder, changed, begun)


def _save_edited(tree: _Tree, changed: Iterable[Change], kept: set[str]) -> None:
    """Files that are not as a package of ours left them are kept before they are replaced."""
    known = {(key(entry["path"]), entry["sha256"]) for entry in tree.said.get("files", ())}
    for change in changed:
        if change.was is None or (key(change.path), change.was.sha256) in known:
            continue
        tree.answer["before"]["edited"] += 1
        if tree.args["keep"] and key(change.path) not in kept:
            path = f"{tree.args['keep']}\\{leaf(change.path)}.{change.was.sha256[:12]}"
            tree.disk.place(replace(change.was, path=path))


def _held(tree: _Tree, changed: Iterable[Change]) -> str:
    """What keeps a file from being replaced: a program that runs holds its own open, and those of the folder it runs
    from; "" for nothing."""
    machine = tree.call.machine
    images = [machine.runs(service).lower() for service in machine.services if service.state != "stopped"]
    if not any(image.startswith(f"{tree.folder.lower()}\\") for image in images):
        return ""
    path = next((change.path for change in changed if change.was), "")
    cause = "The process cannot access the file because it is being used by another process."
    return f"{tree.folder}\\{path}: {cause}" if path else ""


def _remove(tree: _Tree) -> None:
    _keep(tree, tree.changes(()))
    if tree.args["unpack"]:
        take_away(tree.disk, tree.folder, tree.manifest, with_folder=not tree.args["member"])
    else:
        tree.disk.remove(tree.destination)
    tree.call.machine.happened("package_removed", path=tree.destination)


def _restored(tree: _Tree, before: str) -> str:
    """Put back what the record says; what the difference shows after it."""
    known = record.read(tree.disk, tree.record) if tree.record else None
    if known is None:
        return _without_record(tree)
    if known.restored:
        return before
    if tree.args["unpack"] and tree.found not in (None, known.package) and tree.manifest_text != known.manifest:
        raise tree.failed(
            f"package {tree.found} was put into {tree.destination} since: undo that first. Nothing was changed"
        )
    try:
        changed = record.undone(tree.disk, tree.record, tree.folder, known)
    except KeyError as gone:
        raise tree.failed(f"{gone.args[0]}, which was kept, is gone: nothing was changed") from None
    tree.answer["changed"] = bool(changed) or tree.manifest_text != known.manifest
    if not tree.call.check:
        _put_back(tree, known, changed)
    back = sum(1 for change in changed if change.new)
    words = f"as before {tree.args['undo']}; files put back: {back}, taken away: {len(changed) - back}\n"
    return words if tree.answer["changed"] else before


def _without_record(tree: _Tree) -> str:
    if tree.args["existed"]:
        where = f"nothing of {tree.destination} is kept in {tree.record}"
        if not tree.record:
            where = f"no name is given under which {tree.destination} could have been kept"
        raise tree.failed(f"{where}: what was there before cannot be put back, and nothing was changed")
    tree.answer["changed"] = tree.found is not None
    if tree.found and not tree.call.check:
        _remove(tree)
    return ""


def _put_back(tree: _Tree, known: Record, changed: Sequence[Change]) -> None:
    if held := _held(tree, changed):
        raise tree.failed(f"what was kept in {tree.record} could not be put back into {tree.folder}: {held}")
    _save_edited(tree, changed, set())
    record.apply(tree.disk, tree.folder, changed)
    if known.manifest is not None:
        tree.disk.write(tree.manifest, known.manifest.encode())
    elif tree.manifest:
        tree.disk.remove(tree.manifest)
    record.finish(tree.disk, tree.record, tree.folder, known)
    if tree.answer["changed"]:
        tree.call.machine.happened("package_restored", path=tree.destination)
