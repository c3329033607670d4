"""Where ours is on a gateway, and what roles ask and do there alike."""

import hashlib
import ntpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from provisioner.ansible.work import Values, Work

OPTIONS: Values = {
    "keep": {"type": "str", "required": True},
    "folder": {"type": "str", "default": ""},
    "service": {"type": "str", "default": ""},
    "restart": {"type": "bool", "default": False},
    "plan": {"type": "str", "default": ""},
}


@dataclass(frozen=True, kw_only=True)
class Ours:
    """Where ours is on a gateway. `keep`: our own folder; `folder`: the Connector's; `service`: its service, "" for
    none; `restart`: whether one that runs may be stopped for a moment; `plan`: the name under which what was there
    before is kept, "" for not at all."""

    keep: str
    folder: str
    service: str
    restart: bool
    plan: str

    @staticmethod
    def of(given: Values) -> "Ours":
        """Of the options that `OPTIONS` names."""
        return Ours(**{name: given[name] for name in OPTIONS})

    @property
    def kept(self) -> str:
        """The folder with the files as they were."""
        return f"{self.keep}\\kept"


def close_folders(work: Work, at: Ours, folders: Sequence[str]) -> Any:
    """Close these and all of ours to all but administrators: whoever can write there can run a program as a service
    that no antivirus looks at. Their rights before."""
    ours = [at.keep, at.kept, f"{at.keep}\\packages", f"{at.keep}\\running"]
    part = "Close the Connector's folder and ours to all but administrators"
    return work.do(part, "folder_access", path=list(folders), private=ours)["before"]


def close_ours(work: Work, at: Ours) -> None:
    """Close our own folder to all but administrators."""
    work.do("Close our folder to all but administrators", "folder_access", private=[at.keep, at.kept])


def services(work: Work, part: str, name: str | None = None) -> list[dict[str, Any]]:
    """The services of that name, or all of them, as win_service_info tells them."""
    return work.do(part, "ansible.windows.win_service_info", name=name).get("services") or []


def service(work: Work, part: str, name: str, **options: Any) -> dict[str, Any]:
    """Set what is given of one service, with the difference."""
    return work.do(part, "ansible.windows.win_service", name=name, **options)


def stats(work: Work, part: str, paths: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """What win_stat says of each file that is there, by its path."""
    found = {path: work.do(part, "ansible.windows.win_stat", path=path)["stat"] for path in paths}
    return {path: stat for path, stat in found.items() if stat["exists"]}


def checksums(found: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The SHA-1 of each file, of what `stats` says; "" of a folder."""
    return {path: stat.get("checksum", "") for path, stat in found.items()}


def kept_copy(kept: str, path: str, digest: str) -> str:
    """Where a file is kept as it was: below the folder for that, by its name and the beginning of its SHA-1."""
    return f"{kept}\\{ntpath.basename(path)}.{digest[:12]}"


def sha1(text: str) -> str:
    """As win_stat and win_copy compare files."""
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def gone(work: Work, part: str, path: str) -> None:
    work.do(part, "ansible.windows.win_file", path=path, state="absent", counts=False)
