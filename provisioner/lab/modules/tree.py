"""Our package_tree: fetch a package, verify it, unpack it into a folder."""

import hashlib
from dataclasses import replace
from typing import Any

from provisioner.lab.disk import DiskFull, File, leaf, parent, plain
from provisioner.lab.modules.arguments import Call, Failed, Option, Spec
from provisioner.lab.unpack import MANIFEST, BadPackage, members, put, read, take_away, whole

SPEC: Spec = {
    "source": Option(choices=("url", "path", "push")),
    "location": Option(),
    "sha256": Option(),
    "signer": Option(default=""),
    "keep": Option(),
    "skip": Option(kind="list"),
    "root": Option(default=""),
    "member": Option(default=""),
    "unpack": Option(kind="bool", default=True),
    "destination": Option(required=True),
    "state": Option(default="present", choices=("present", "absent")),
}


class _Tree:
    """One run: where the files go, where the manifest lies, what it says."""

    def __init__(self, call: Call) -> None:
        args = call.args
        self.call, self.args, self.disk = call, args, call.machine.disk
        self.destination, self.sha256 = plain(args["destination"]), (args["sha256"] or "").lower()
        self.folder = parent(self.destination) if args["member"] else self.destination
        self.manifest = f"{self.destination}{'' if args['member'] else chr(92)}{MANIFEST}"
        self.said = read(self.disk, self.manifest) if args["unpack"] else {}
        there = self.disk.file(self.destination)
        alone = there.sha256 if there and not args["unpack"] else None
        self.found: str | None = self.said.get("sha256", alone)
        self.intact = bool(self.found) and whole(self.disk, self.folder, self.said, digests=True)
        self.answer: dict[str, Any] = {
            "changed": False,
            "before": {"exists": self.found is not None, "sha256": self.found},
            "files": len(self.said.get("files", ())),
            "size": None,
        }

    def failed(self, message: str) -> Failed:
        """The module's failure with what it knows so far."""
        return Failed(message, **self.answer)


def package_tree(call: Call) -> dict[str, Any]:
    """Lay a package into its folder, or take it away again."""
    args = call.args
    missing = [name for name in ("source", "location", "sha256") if not args[name]]
    if args["state"] == "present" and missing:
        raise Failed(f"state is present but all of the following are missing: {', '.join(missing)}")
    tree = _Tree(call)
    if args["state"] == "absent":
        tree.answer["changed"] = tree.found is not None
        after = ""
        if tree.found and not call.check:
            _remove(tree)
    else:
        tree.answer["changed"] = not (tree.intact and tree.found == tree.sha256)
        after = tree.sha256
        if tree.answer["changed"]:
            _check(tree) if call.check else _install(tree)
    if call.diff:
        damaged = "files are missing or changed\n" if after and tree.found and not tree.intact else ""
        tree.answer["diff"] = {"before": _words(tree.found) + damaged, "after": _words(after)}
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
        except OSError as failure:
            raise tree.failed(f"{location} cannot be fetched from this gateway: {failure}") from None


def _content(tree: _Tree) -> bytes:
    """The verified package."""
    location = tree.args["location"]
    if tree.args["source"] == "url":
        try:
            content = tree.call.fetch(location)
            if tree.disk.full or len(content) > tree.disk.free_bytes:
                raise DiskFull
        except OSError as failure:
            raise tree.failed(f"{location} could not be fetched: {failure}") from None
    else:
        file = tree.disk.file(location)
        if file is None or file.content is None:
            raise tree.failed(f"there is no file {location} on this gateway")
        content = file.content
    found = hashlib.sha256(content).hexdigest()
    if found != tree.sha256:
        raise tree.failed(f"{location} has sha256 {found}, wanted {tree.sha256}: nothing was unpacked or run")
    tree.answer["size"] = len(content)
    return content


def _install(tree: _Tree) -> None:
    """Lay the files down, at once or, under the fault slow_installer, later."""
    content = _content(tree)
    files = _files(tree, content) if tree.args["unpack"] else ()
    machine, disk = tree.call.machine, tree.disk
    if disk.full or sum(file.size for file in files) > disk.free_bytes:
        raise tree.failed(f"the package could not be unpacked into {tree.folder}: {DiskFull()}")
    unpack = bool(tree.args["unpack"])

    if unpack and (held := _held(tree, files)):
        cause = "The process cannot access the file because it is being used by another process."
        raise tree.failed(f"the package could not be unpacked into {tree.folder}: {held}: {cause}")

    def lay(now: float) -> None:
        if unpack:
            _save_edited(tree, files)
            put(disk, tree.folder, files, tree.sha256, tree.manifest)
        else:
            disk.write(tree.destination, content)
        machine.happened("package_unpacked", path=tree.destination, sha256=tree.sha256)

    tree.answer["files"] = len(files) if unpack else 1
    seconds = machine.install(f"package_tree {tree.destination}", lay, tree.call.now)
    if seconds:
        tree.answer["_lab_seconds"] = seconds


def _files(tree: _Tree, content: bytes) -> tuple[File, ...]:
    """The files that are unpacked. The lab's programs bear no signature."""
    root, member = tree.args["root"], tree.args["member"]
    try:
        files = members(content, root)
    except BadPackage as failure:
        if "leads out" in str(failure):
            raise tree.failed(str(failure)) from None
        raise tree.failed(f"the package could not be unpacked into {tree.folder}: {failure}") from None
    if member:
        files = tuple(replace(one, path=leaf(tree.destination)) for one in files if one.path == plain(member))
    skipped = {plain(path).lower() for path in tree.args["skip"] or ()}
    files = tuple(one for one in files if f"{tree.folder}\\{one.path}".lower() not in skipped)
    if not files:
        raise tree.failed(f"the package has no file under '{plain(root)}\\{member}'")
    programs = [file.path for file in files if file.path.lower().endswith((".exe", ".msi"))]
    if tree.args["signer"] and programs:
        path = f"{tree.folder}\\.provisioner-new\\{programs[0]}"
        raise tree.failed(f"the signature of {path} is not valid: The file {path} is not digitally signed.")
    return files


def _save_edited(tree: _Tree, files: tuple[File, ...]) -> None:
    """Files that are not as a package of ours left them are kept before they are replaced."""
    known = {one["path"].lower(): one["sha256"] for one in tree.said.get("files", ())}
    for file in files:
        there = tree.disk.file(f"{tree.folder}\\{file.path}")
        edited = there and there.sha256 not in (file.sha256, known.get(file.path.lower()))
        if there and edited and tree.args["keep"]:
            path = f"{tree.args['keep']}\\{leaf(there.path)}.{there.sha256[:12]}"
            tree.disk.write(path, there.content or b"")


def _held(tree: _Tree, files: tuple[File, ...]) -> str:
    """A file that would be replaced and that a running program holds open: its own, and those of the folder it runs
    from; "" for none."""
    machine = tree.call.machine
    images = [machine.image(service).lower() for service in machine.services if service.state == "running"]
    for file in files:
        path = f"{tree.folder}\\{file.path}"
        there = tree.disk.file(path)
        inside = any(image.startswith(f"{tree.folder.lower()}\\") for image in images)
        if there and there.sha256 != file.sha256 and inside:
            return path
    return ""


def _remove(tree: _Tree) -> None:
    if tree.args["unpack"]:
        take_away(tree.disk, tree.folder, tree.manifest, with_folder=not tree.args["member"])
    else:
        tree.disk.remove(tree.destination)
    tree.call.machine.happened("package_removed", path=tree.destination)
