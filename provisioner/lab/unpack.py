"""What lies in a package, and a folder as package_tree leaves it."""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from provisioner.lab.disk import Disk, DiskFull, File, described, key, parent

MANIFEST = ".provisioner-package.json"


class BadPackage(Exception):
    """Not a zip, or one whose paths lead out of the folder."""


@lru_cache(maxsize=16)
def members(content: bytes, root: str) -> tuple[File, ...]:
    """The files of a zip below `root`, with paths relative to it. Raises BadPackage."""
    start = root.replace("\\", "/").strip("/")
    start = f"{start}/" if start else ""
    found = []
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for entry in archive.infolist():
                name = entry.filename.replace("\\", "/")
                if name.endswith("/") or not name.lower().startswith(start.lower()):
                    continue
                path = name[len(start) :]
                if ".." in path.split("/") or ":" in path or path.startswith("/"):
                    raise BadPackage(f"the package holds a file that leads out of its folder: {name}")
                found.append(described(path, archive.read(entry)))
    except zipfile.BadZipFile:
        raise BadPackage("End of Central Directory record could not be found.") from None
    return tuple(found)


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
