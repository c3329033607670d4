"""ansible.windows.win_stat and win_file."""

import hashlib
from typing import Any

from provisioner.lab.disk import File, Folder, leaf, plain
from provisioner.lab.modules.arguments import Call, Failed, Option, Spec, Unmodelled

_ALGORITHMS = ("md5", "sha1", "sha256", "sha384", "sha512")

STAT_SPEC: Spec = {
    "path": Option(required=True, aliases=("dest", "name")),
    "get_checksum": Option(kind="bool", default=True),
    "get_size": Option(kind="bool", default=True),
    "checksum_algorithm": Option(default="sha1", choices=_ALGORITHMS),
    "follow": Option(kind="bool", default=False),
}
FILE_SPEC: Spec = {
    "path": Option(required=True, aliases=("dest", "name")),
    "state": Option(choices=("absent", "directory", "file", "touch")),
    "_original_basename": Option(),
}

# The lab keeps no times of files: all were written at the same moment.
_WRITTEN = 1_767_225_600.0


def win_stat(call: Call) -> dict[str, Any]:
    """Tell of a file or folder."""
    args, disk = call.args, call.machine.disk
    file, folder = disk.file(args["path"]), disk.folder(args["path"])
    if file:
        return {"changed": False, "stat": _file(call, file)}
    if folder:
        # As it was asked for, whatever its letters are on the disk.
        stat = _common(plain(args["path"]), "Directory", _owner(folder)) | {"isdir": True}
        if args["get_size"]:
            stat["size"] = sum(one.size for one in disk.under(folder.path))
        return {"changed": False, "stat": stat}
    return {"changed": False, "stat": {"exists": False}}


def _file(call: Call, file: File) -> dict[str, Any]:
    path = plain(call.args["path"])
    name = leaf(path)
    extension = name[name.rindex(".") :] if "." in name else ""
    stat = _common(path, "Archive", "BUILTIN\\Administrators")
    stat |= {"isarchive": True, "isreg": True, "extension": extension}
    if call.args["get_checksum"]:
        stat["checksum"] = digest(file, call.args["checksum_algorithm"])
    if call.args["get_size"]:
        stat["size"] = file.size
    return stat


def digest(file: File, algorithm: str) -> str:
    """A file's digest, in lower case. Raises Unmodelled where the lab no longer has its bytes."""
    if algorithm in ("sha1", "sha256"):
        return file.sha1 if algorithm == "sha1" else file.sha256
    if file.content is None:
        raise Unmodelled(f"the lab does not keep the {algorithm} of {file.path}")
    return hashlib.new(algorithm, file.content, usedforsecurity=False).hexdigest()


def _owner(folder: Folder) -> str:
    return "BUILTIN\\Administrators" if folder.owner == "S-1-5-32-544" else folder.owner


def _common(path: str, attributes: str, owner: str) -> dict[str, Any]:
    return {
        "exists": True,
        "attributes": attributes,
        "isarchive": False,
        "isdir": False,
        "ishidden": False,
        "isjunction": False,
        "islnk": False,
        "isreadonly": False,
        "isreg": False,
        "isshared": False,
        "nlink": 1,
        "hlnk_targets": [],
        "creationtime": _WRITTEN,
        "lastaccesstime": _WRITTEN,
        "lastwritetime": _WRITTEN,
        "path": path,
        "filename": leaf(path),
        "owner": owner,
    }


def win_file(call: Call) -> dict[str, Any]:
    """Make a folder or an empty file, or take one away with all below it."""
    machine, state, path = call.machine, call.args["state"], plain(call.args["path"])
    file, folder = machine.disk.file(path), machine.disk.folder(path)
    if state == "touch":
        if not (file or folder) and not call.check:
            machine.put_file(path, b"", call.now)
        return {"changed": True}
    if file or folder:
        if state == "absent":
            if not call.check:
                if held := machine.running_in(path):
                    raise Failed(f"Failed to delete {held}: Access to the path '{held}' is denied.")
                machine.disk.remove(path)
                machine.happened("file_removed" if file else "folder_removed", path=path)
            return {"changed": True}
        if state == "directory" and file:
            raise Failed(f"path {path} is not a directory")
        if state == "file" and folder:
            raise Failed(f"path {path} is not a file")
        return {"changed": False}
    if state == "directory":
        if not call.check:
            machine.disk.make(path)
            machine.happened("folder_made", path=path)
        return {"changed": True}
    if state in ("file", None):
        raise Failed(f"path {path} will not be created")
    return {"changed": False}
