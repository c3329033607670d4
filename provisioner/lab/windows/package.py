"""What lies in a package, and a folder as package_tree leaves it."""

import io
import json
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from provisioner.lab.windows.disk import Disk, DiskFull, File, described, key, parent, plain

MANIFEST = ".provisioner-package.json"


_DEVICE = re.compile(r"(CON|PRN|AUX|NUL|CLOCK\$|CONIN\$|CONOUT\$|(COM|LPT)[0-9\u00b9\u00b2\u00b3])\s*(\.|$)", re.I)
_OURS = re.compile(r"\.provisioner-(new|old|package\.json)", re.I)
_NO_CHARACTER = re.compile(r'[\x00-\x1f\x7f"*<>?|]')


# Of an entry's general purpose bits (APPNOTE.TXT, 4.4.4).
_ENCRYPTED = 1
# Of its attributes: the uppermost bits of a UNIX mode where such a system made it (4.4.2).
_UNIX = (3, 19)
_LINK, _USUAL = 10, (0, 4, 8)


class BadPackage(Exception):
    """Not a zip, or not one that can be unpacked."""


class BadName(BadPackage):
    """A zip with a name that Windows takes for something else, or with what is no file."""


@lru_cache(maxsize=16)
def members(content: bytes, root: str, member: str = "", folder: str = "") -> tuple[File, ...]:
    """The files of a zip below `root` (or its one member), with paths relative to it, to be unpacked into `folder`.

    Raises BadPackage.
    """
    start = root.replace("\\", "/").strip("/")
    start = f"{start}/" if start else ""
    found = []
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for entry in archive.infolist():
                name = entry.filename.replace("\\", "/")
                if not name.lower().startswith(start.lower()):
                    continue
                path = name[len(start) :]
                if not member or plain(path).lower() == plain(member).lower():
                    path = path.replace("/", "\\")
                    if fault := _no_file(entry):
                        raise BadName(f"the package holds what cannot be unpacked: {path}: {fault}")
                    if not name.endswith("/"):
                        found.append((path, _content(archive, entry, path)))
    except NotImplementedError as error:
        raise BadPackage(str(error)) from None
    except zipfile.BadZipFile:
        raise BadPackage("End of Central Directory record could not be found.") from None
    if fault := names_fault([path for path, _ in found], folder):
        raise BadName(f"the package holds a name that it cannot have on Windows: {fault}")
    return tuple(described(path, each) for path, each in found)


def _no_file(entry: zipfile.ZipInfo) -> str:
    """As Get-ZipFacts of plugins/module_utils has it."""
    kind = entry.external_attr >> 28 if entry.create_system in _UNIX else 0
    if kind == _LINK:
        return "it is a link, and no file"
    return "" if kind in _USUAL else "it is a device, and no file"


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: str) -> bytes:
    if entry.flag_bits & _ENCRYPTED:
        raise BadPackage(f"{path} is not as long as the package says: it is encrypted, or damaged")
    try:
        return archive.read(entry)
    except (zipfile.BadZipFile, zlib.error):
        words = "it has another CRC-32 than the package says. Ask whoever made the package for a whole one"
        raise BadPackage(f"{path} is damaged: {words}") from None


def _name_fault(path: str) -> str:
    """As Get-NameFault of plugins/module_utils has it."""
    if _NO_CHARACTER.search(path):
        return "a character that no name can have"
    for part in re.split(r"[\\/]", path):
        if not part.strip(".") or ":" in part:
            return "it leads out of its folder"
        if part[-1] in ". ":
            return "Windows drops a dot or a blank at the end"
        if _DEVICE.match(part):
            return "it is the name of a device"
        if _OURS.fullmatch(part):
            return "it is the name of a file of ours"
        if len(part) > 255:
            return "it is longer than a name can be"
    return ""


def names_fault(paths: Sequence[str], folder: str) -> str:
    """As Get-NamesFault of plugins/module_utils has it."""
    kinds: dict[str, str] = {}
    for path in paths:
        fault = _name_fault(path)
        if not fault and len(folder) + 1 + len(path) > 259:
            fault = "its path is longer than 259 characters"
        if not fault and path.upper() in kinds:
            fault = "there is another one of that name"
        if fault:
            return f"{path}: {fault}"
        kinds[path.upper()] = "file"
        above = path.upper().rpartition("\\")[0]
        while above:
            if kinds.setdefault(above, "folder") == "file":
                return f"{path}: there is a file of the name of its folder"
            above = above.rpartition("\\")[0]
    return ""


def put(disk: Disk, folder: str, files: Sequence[File], sha256: str, manifest: str = "") -> None:
    """Lay a package's files into a folder, take away what the package before had more, write the manifest.

    `manifest` is its path where that is not the folder's own. Raises DiskFull, and has changed nothing then.
    """
    path = manifest or f"{folder}\\{MANIFEST}"
    if disk.full or sum(file.size for file in files) > disk.free_bytes:
        raise DiskFull
    names = {key(file.path) for file in files}
    for old in read(disk, path).get("files", ()):
        if key(old["path"]) not in names:
            disk.remove(f"{folder}\\{old['path']}")
    disk.make(folder)
    for file in files:
        disk.place(replace(file, path=f"{folder}\\{file.path}"))
    listed = [{"path": file.path, "size": file.size, "sha256": file.sha256} for file in files]
    disk.write(path, json.dumps({"sha256": sha256, "files": listed}).encode())


def take_away(disk: Disk, folder: str, manifest: str, *, with_folder: bool) -> None:
    """Remove what the manifest lists, the manifest, and the folders that this leaves empty."""
    folders = {folder} if with_folder else set()
    for file in read(disk, manifest).get("files", ()):
        disk.remove(f"{folder}\\{file['path']}")
        above = parent(f"{folder}\\{file['path']}")
        while key(above) != key(folder):
            folders.add(above)
            above = parent(above)
    disk.remove(manifest)
    for one in sorted(folders, key=len, reverse=True):
        below = key(one) + "\\"
        if not any(name.startswith(below) for name in (*disk.files, *disk.folders)):
            disk.remove(one)


def read(disk: Disk, manifest: str) -> Mapping[str, Any]:
    """What a manifest says; empty where there is none, or a broken one."""
    file = disk.file(manifest)
    try:
        said = json.loads(file.text) if file and file.text else {}
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def whole(disk: Disk, folder: str, said: Mapping[str, Any], *, digests: bool) -> bool:
    """Whether all that a manifest lists lies there with its size and, if asked, its sha256."""
    found = ((disk.file(f"{folder}\\{one['path']}"), one) for one in said.get("files", ()))
    return all(
        file is not None and file.size == one["size"] and (not digests or file.sha256 == one["sha256"])
        for file, one in found
    )
