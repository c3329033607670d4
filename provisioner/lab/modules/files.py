"""ansible.windows.win_stat and win_file."""

import hashlib
from typing import Any

from provisioner.lab.modules.arguments import Call, Failed, Option, Spec, Unmodelled
from provisioner.lab.windows.disk import File, Folder, is_windows_own, key, leaf, parent, plain

_ALGORITHMS = ("md5", "sha1", "sha256", "sha384", "sha512")

STAT_SPEC: Spec = {
    "path": Option(kind="path", required=True, aliases=("dest", "name")),
    "get_checksum": Option(kind="bool", default=True),
    "get_size": Option(kind="bool", default=True),
    "checksum_algorithm": Option(default="sha1", choices=_ALGORITHMS),
    "follow": Option(kind="bool", default=False),
}
FILE_SPEC: Spec = {
    "path": Option(kind="path", required=True, aliases=("dest", "name")),
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
            stat["size"] = sum(file.size for file in disk.under(folder.path))
        return {"changed": False, "stat": stat}
    return {"changed": False, "stat": {"exists": False}}


def _file(call: Call, file: File) -> dict[str, Any]:
    path = plain(call.args["path"])
    name = leaf(path)
    extension = name[name.rindex(".") :] if "." in name else ""
    stat = _common(path, "Hidden, System, Archive" if file.held else "Archive", "BUILTIN\\Administrators")
    stat |= {"isarchive": True, "isreg": True, "extension": extension, "ishidden": file.held}
    if file.held:
        # Its rights cannot be read either.
        stat["owner"] = None
    if file.held and call.args["get_checksum"]:
        raise Failed(
            'Failed to get hash of file, set get_checksum to False to ignore this error: Exception calling "Open" with '
            f'"4" argument(s): "The process cannot access the file \'{file.path}\' because it is being used by another '
            'process."',
            stat={"exists": False},
        )
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
    machine, state, shown = call.machine, call.args["state"], call.args["path"]
    if machine.disk.folder(shown) and call.args["_original_basename"] is not None:
        shown = f"{plain(shown)}\\{call.args['_original_basename']}"
    path = plain(shown)
    file, folder = _seen(call, path)
    if state == "touch":
        return _touch(call, path, file, folder)
    if file or folder:
        if state == "absent":
            return _take_away(call, path, file)
        if state == "directory" and file:
            raise Failed(f"path {shown} is not a directory")
        if state == "file" and folder:
            raise Failed(f"path {shown} is not a file")
        return {"changed": False}
    if state == "directory":
        _has_drive(path)
        if not call.check:
            _no_file_above(call, path)
            machine.disk.make(path)
            machine.happened("folder_made", path=path)
        return {"changed": True}
    if state in ("file", None):
        raise Failed(f"path {shown} will not be created")
    return {"changed": False}


def _seen(call: Call, path: str) -> tuple[File | None, Folder | None]:
    """What Test-Path finds: no file that somebody holds (ansible.windows, plugins/module_utils, FileUtil)."""
    file = call.machine.disk.file(path)
    return (None if file and file.held else file), call.machine.disk.folder(path)


def _touch(call: Call, path: str, file: File | None, folder: Folder | None) -> dict[str, Any]:
    """Make an empty file, or give one the time of now, which the lab does not keep."""
    machine = call.machine
    if file or folder:
        if folder and len(_straight_below(call, path)) != 1 and not call.check:
            # The module sets the time of what is in the folder, which PowerShell does for exactly one thing.
            raise _unhandled(
                "The property 'LastWriteTime' cannot be found on this object. Verify that the property exists and can "
                "be set."
            )
        return {"changed": True}
    if not call.check:
        if not machine.disk.folder(parent(path)):
            raise _unhandled(f"Could not find a part of the path '{path}'.")
        machine.put_file(path, b"", call.now)
    return {"changed": True}


def _straight_below(call: Call, path: str) -> list[str]:
    start = key(path) + "\\"
    names = (
        name[len(start) :] for name in (*call.machine.disk.files, *call.machine.disk.folders) if name.startswith(start)
    )
    return [name for name in names if "\\" not in name]


def _take_away(call: Call, path: str, file: File | None) -> dict[str, Any]:
    machine = call.machine
    if not call.check:
        held = path if is_windows_own(path) else machine.running_in(path)
        if held:
            held += "\\" if held.endswith(":") else ""
            raise Failed(f"Failed to delete {held}: Access to the path '{held}' is denied.")
        machine.disk.remove(path)
        machine.happened("file_removed" if file else "folder_removed", path=path)
    return {"changed": True}


def _has_drive(path: str) -> None:
    """Windows makes a folder only where there is a drive: a pretend PC has C alone, and no network."""
    drive, colon, _ = path.partition(":")
    if path.startswith("\\\\"):
        raise Failed("The network path was not found.")
    if colon and drive.upper() != "C":
        raise Failed(f"Cannot find drive. A drive with the name '{drive}' does not exist.")
    if not colon:
        raise Unmodelled(f"ansible.windows.win_file: the lab does not model the path {path}, which is of no drive")


def _no_file_above(call: Call, path: str) -> None:
    above = parent(path)
    while "\\" in above:
        if call.machine.disk.file(above):
            raise Unmodelled(f"ansible.windows.win_file: the lab does not model a folder below the file {above}")
        above = parent(above)


def _unhandled(message: str) -> Failed:
    return Failed(f"Unhandled exception while executing module: {message}")
