"""A pretend gateway's C drive: files and folders by path, without regard to case, with backslashes."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

ADMINISTRATORS = "S-1-5-32-544"
AUTHENTICATED_USERS = "S-1-5-11"
USERS = "S-1-5-32-545"

_KEPT_TEXT = 65_536


class DiskFull(OSError):
    """No room for what was to be written, in Windows' own words."""

    def __init__(self) -> None:
        super().__init__("There is not enough space on the disk.")


@dataclass
class File:
    """A file. `text` is kept of small text files, `raw` of all, but `raw` does not outlive the process. `held`: nobody
    else may even read it."""

    path: str
    size: int
    sha256: str
    sha1: str
    text: str | None = None
    raw: Annotated[bytes | None, Field(exclude=True)] = None
    held: Annotated[bool, Field(exclude=True)] = False

    @property
    def content(self) -> bytes | None:
        """The bytes, where they are known."""
        if self.raw is not None:
            return self.raw
        return None if self.text is None else self.text.encode()


@dataclass
class Access:
    """A right to write, of somebody who is neither an administrator nor SYSTEM."""

    sid: str
    rights: str


@dataclass
class Folder:
    """A folder and who may write there. `protected`: it takes no rights from the folder above; `private`: users
    may not even read."""

    path: str
    owner: str = ADMINISTRATORS
    protected: bool = False
    private: bool = False
    writers: list[Access] = field(default_factory=list)


@dataclass
class Disk:
    """The drive. `full` is not kept: it follows the fault of that name."""

    free_bytes: int = 180 * 1024**3
    total_bytes: int = 237 * 1024**3
    files: dict[str, File] = field(default_factory=dict)
    folders: dict[str, Folder] = field(default_factory=dict)
    full: Annotated[bool, Field(exclude=True)] = False

    def file(self, path: str) -> File | None:
        """The file of that path, if there is one."""
        return self.files.get(key(path)) or _WINDOWS_FILES.get(key(path))

    def folder(self, path: str) -> Folder | None:
        """The folder of that path, if there is one."""
        return self.folders.get(key(path)) or _WINDOWS_FOLDERS.get(key(path))

    def exists(self, path: str) -> bool:
        """Whether there is a file or a folder of that path."""
        return self.file(path) is not None or self.folder(path) is not None

    def under(self, path: str) -> Iterator[File]:
        """All files below a folder, by path."""
        start = key(path) + "\\"
        return (self.files[name] for name in sorted(self.files) if name.startswith(start))

    def write(self, path: str, content: bytes) -> File:
        """Put a file there, in place of the one that was, and make the folders above it. Raises DiskFull."""
        return self.place(described(path, content))

    def place(self, file: File) -> File:
        """As `write`, for a file whose content is known by its digest alone."""
        old = self.file(file.path)
        if self.full or file.size - (old.size if old else 0) > self.free_bytes:
            raise DiskFull
        self.free_bytes -= file.size - (old.size if old else 0)
        self.make(parent(file.path))
        self.files[key(file.path)] = file
        return file

    def make(self, path: str) -> list[Folder]:
        """Make a folder and those above it; gives the new ones. Raises DiskFull."""
        made: list[Folder] = []
        while "\\" in plain(path) and key(path) not in self.folders:
            if self.full:
                raise DiskFull
            above = key(parent(path))
            # Windows gives every signed-in user the right to change what is made straight under C:\.
            writers = [Access(AUTHENTICATED_USERS, "Modify, Synchronize")] if "\\" not in above else []
            made.append(Folder(path=plain(path), writers=writers))
            self.folders[key(path)] = made[-1]
            path = parent(path)
        return made

    def remove(self, path: str) -> bool:
        """Take a file, or a folder with all below it, away; whether there was one."""
        start = key(path) + "\\"
        found = key(path) in self.files or key(path) in self.folders
        for name in [name for name in self.files if name == key(path) or name.startswith(start)]:
            self.free_bytes += self.files.pop(name).size
        for name in [name for name in self.folders if name == key(path) or name.startswith(start)]:
            del self.folders[name]
        return found


def is_windows_own(path: str) -> bool:
    """Whether a path is of Windows itself, or has such a one below it: nobody takes that away."""
    return any(own == key(path) or own.startswith(key(path) + "\\") for own in (*_WINDOWS_FILES, *_WINDOWS_FOLDERS))


def plain(path: str) -> str:
    """A path as it is shown: backslashes, none at the end."""
    return path.replace("/", "\\").rstrip("\\")


def key(path: str) -> str:
    """A path as it is compared."""
    return plain(path).lower()


def parent(path: str) -> str:
    """The folder above."""
    return plain(path).rpartition("\\")[0]


def leaf(path: str) -> str:
    """The last part of a path."""
    return plain(path).rpartition("\\")[2]


def described(path: str, content: bytes) -> File:
    """A file of that content."""
    text: str | None = None
    if len(content) <= _KEPT_TEXT:
        try:
            text = content.decode()
        except UnicodeDecodeError:
            text = None
    return File(
        path=plain(path),
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        sha1=hashlib.sha1(content, usedforsecurity=False).hexdigest(),
        text=text,
        raw=content,
    )


def _windows_file(path: str, size: int, *, held: bool = False) -> File:
    """A file of Windows' own: the same on every PC, and none of its bytes are known."""
    name = path.encode()
    sha1 = hashlib.sha1(name, usedforsecurity=False).hexdigest()
    return File(path=path, size=size, sha256=hashlib.sha256(name).hexdigest(), sha1=sha1, held=held)


# What is on every PC, and in no machine's own state. The paging file is held by the kernel.
_WINDOWS_FILES = {
    key(file.path): file
    for file in (
        _windows_file("C:\\pagefile.sys", 2_550_136_832, held=True),
        _windows_file("C:\\Windows\\System32\\cmd.exe", 323_584),
        _windows_file("C:\\Windows\\System32\\svchost.exe", 79_920),
        _windows_file("C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe", 454_656),
    )
}
_WINDOWS_FOLDERS = {
    key(path): Folder(path=path)
    for path in (
        *("C:", "C:\\Program Files", "C:\\Program Files (x86)", "C:\\ProgramData", "C:\\Users", "C:\\Windows"),
        *("C:\\Windows\\System32", "C:\\Windows\\System32\\WindowsPowerShell", "C:\\Windows\\Temp"),
        "C:\\Windows\\System32\\WindowsPowerShell\\v1.0",
    )
}
