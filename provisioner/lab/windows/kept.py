"""What package_tree keeps of what was there before it acted (its undo.json, and the files beside it)."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace

from provisioner.lab.windows.disk import Disk, File, key, parent


@dataclass
class Record:
    """What was there before: paths are relative to the package's folder. `kept` lie beside the record, `added` were not
    there, `folders` neither; `manifest` is the text of the old one; `package` the sha256 of what was put there."""

    destination: str
    existed: bool = True
    manifest: str | None = None
    package: str = ""
    restored: bool = False
    kept: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Change:
    """A path that does not stay as it is: the file that is there, and the one that comes."""

    path: str
    was: File | None
    new: File | None


def place(keep: str, undo: str, destination: str) -> str:
    """The folder in which a destination's record lies."""
    name = re.sub(r"[:\\/]+", "-", destination)
    return f"{keep}\\{undo}\\{name}"


def read(disk: Disk, folder: str) -> Record | None:
    """The record in a folder, if there is one."""
    file = disk.file(f"{folder}\\undo.json")
    return Record(**json.loads(file.text)) if file and file.text else None


def write(disk: Disk, folder: str, record: Record) -> None:
    """Write a record down."""
    disk.write(f"{folder}\\undo.json", json.dumps(asdict(record)).encode())


def changes(disk: Disk, folder: str, files: Iterable[File], gone: Iterable[str]) -> list[Change]:
    """What will not stay as it is once `files` (paths relative to `folder`) are there and `gone` are not."""
    found = []
    for file in files:
        was = disk.file(f"{folder}\\{file.path}")
        if was is None or was.sha256 != file.sha256:
            found.append(Change(file.path, was, file))
    for path in gone:
        was = disk.file(f"{folder}\\{path}")
        if was:
            found.append(Change(path, was, None))
    return found


def save(disk: Disk, where: str, folder: str, changed: Sequence[Change], begun: Record) -> set[str]:
    """Keep what will not stay as it is; what is kept under that name already stays. `begun` is the record of one that
    begins. Gives the paths kept now, in lower case."""
    record = read(disk, where)
    if record is None or record.restored:
        disk.remove(f"{where}\\files")
        record = begun
    record.package = begun.package
    known = {key(path) for path in record.kept + record.added}
    kept = set()
    for change in changed:
        if key(change.path) in known:
            continue
        if change.was:
            disk.place(replace(change.was, path=f"{where}\\files\\{change.path}"))
            record.kept.append(change.path)
            kept.add(key(change.path))
        else:
            record.added.append(change.path)
        record.folders += _missing(disk, folder, change.path, record.folders)
    write(disk, where, record)
    return kept


def _missing(disk: Disk, folder: str, path: str, known: Sequence[str]) -> list[str]:
    found: list[str] = []
    above = parent(path)
    while above and above not in known and not disk.folder(f"{folder}\\{above}"):
        found.append(above)
        above = parent(above)
    return found


def undone(disk: Disk, where: str, folder: str, record: Record) -> list[Change]:
    """What differs from what a record says. Raises KeyError with the path of a file that was kept and is gone."""
    originals = []
    for path in record.kept:
        file = disk.file(f"{where}\\files\\{path}")
        if file is None:
            raise KeyError(f"{where}\\files\\{path}")
        originals.append(replace(file, path=path))
    return changes(disk, folder, originals, record.added)


def apply(disk: Disk, folder: str, changed: Iterable[Change]) -> None:
    """Make the changes."""
    for change in changed:
        path = f"{folder}\\{change.path}"
        if change.new:
            disk.place(replace(change.new, path=path))
        else:
            disk.remove(path)


def remove_empty(disk: Disk, folders: Iterable[str]) -> None:
    """Take those of the folders away in which nothing is left."""
    for folder in sorted(folders, key=len, reverse=True):
        below = key(folder) + "\\"
        if disk.folder(folder) and not any(name.startswith(below) for name in (*disk.files, *disk.folders)):
            disk.remove(folder)


def finish(disk: Disk, where: str, folder: str, record: Record) -> None:
    """What is left to do once the files are back: folders that were not there, and what was kept."""
    made = [f"{folder}\\{path}" for path in record.folders]
    remove_empty(disk, made if record.existed else [*made, folder])
    write(disk, where, Record(record.destination, restored=True))
    disk.remove(f"{where}\\files")
