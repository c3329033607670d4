"""A package of fleet.yml on a gateway: put there, put back, installed, uninstalled, while the Connector does not run.

What the roles `connector`, `java` and `service` share. `Unpacking` says which package, and where its files go.
"""

import hashlib
import json
import ntpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from provisioner.ansible.work import Values, Work

OPTIONS: Values = {
    "keep": {"type": "str", "required": True},
    "folder": {"type": "str", "default": ""},
    "service": {"type": "str", "default": ""},
    "restart": {"type": "bool", "default": False},
    "plan": {"type": "str", "default": ""},
}
_UNINSTALL = (
    r"HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall",
    r"HKLM:\SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall",
)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where ours is on a gateway. `keep`: our own folder; `folder`: the Connector's; `service`: its service, "" for
    none; `restart`: whether one that runs may be stopped for a moment; `plan`: the name under which what was there
    before is kept, "" for not at all."""

    keep: str
    folder: str
    service: str
    restart: bool
    plan: str

    @property
    def kept(self) -> str:
        """The folder with the files as they were."""
        return f"{self.keep}\\kept"


@dataclass(frozen=True, kw_only=True)
class Unpacking:
    """A package (as a role's `..._package`), and its files' folder, or with `member` its one file's path. `skip`: paths
    of files that others make. `state`: `present`, or `restored` as it was; `existed` says whether anything was."""

    package: Values
    destination: str
    member: str = ""
    skip: Sequence[str] = ()
    state: str = "present"
    existed: bool = True

    @property
    def zipped(self) -> bool:
        """Whether its files are unpacked; an installer's are not."""
        return bool(self.package["kind"] == "zip")


@dataclass(kw_only=True)
class Put:
    """What was there of a package before it was put there. An installer's: the `product` (whether it was there, and
    what it took the place of), whether a restart is needed, and the services that it started by itself."""

    before: Any = None
    product: Values | None = None
    restart_needed: bool = False
    started: list[str] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        """As a role says it."""
        return {
            "package": self.before,
            "product": self.product,
            "restart_needed": self.restart_needed,
            "started_by_itself": self.started,
        }


def place(given: Values) -> Place:
    """Of the options that `OPTIONS` names."""
    return Place(**{name: given[name] for name in OPTIONS})


def close_folders(work: Work, at: Place, folders: Sequence[str]) -> Any:
    """Close these and all of ours to all but administrators: whoever can write there can run a program as a service
    that no antivirus looks at. Their rights before."""
    ours = [at.keep, at.kept, f"{at.keep}\\packages", f"{at.keep}\\running"]
    part = "Close the Connector's folder and ours to all but administrators"
    return work.do(part, "folder_access", path=list(folders), private=ours)["before"]


def close_ours(work: Work, at: Place) -> None:
    """Close our own folder to all but administrators."""
    work.do("Close our folder to all but administrators", "folder_access", private=[at.keep, at.kept])


def put(work: Work, at: Place, unpacking: Unpacking, *, restart: bool = True) -> Put:
    """Put a package there, from wherever fleet.yml says that it comes. `restart`: whether a Connector that was stopped
    for it is started again."""
    package = unpacking.package
    if package["source"] == "push":
        there = f"{at.keep}\\packages\\pushed-{package['name']}"
        work.do("Push the package", "ansible.windows.win_copy", src=package["location"], dest=there)
    if unpacking.zipped or unpacking.member:
        return Put(before=unpack(work, at, unpacking, restart=restart))
    # An installer is only fetched: nothing that runs is touched by that.
    fetched = tree(work, at, unpacking)
    # On a gateway that has not fetched it yet there is nothing to ask: the fetching already shows as a change.
    if work.check and fetched["changed"]:
        return Put(before=fetched["before"])
    done = _install(work, at, package)
    done.before = fetched["before"]
    return done


def tree(work: Work, at: Place, unpacking: Unpacking, *, asked: bool = False) -> dict[str, Any]:
    """Bring the package's files to their wanted state, or only ask whether that would change anything."""
    package, zipped = unpacking.package, unpacking.zipped
    pushed = package["source"] == "push"
    own = zipped or bool(unpacking.member)
    return work.do(
        "Ask whether the package would change anything" if asked else "Bring the package's files to their wanted state",
        "package_tree",
        check=asked,
        diff=False if asked else None,
        source=package["source"],
        location=f"{at.keep}\\packages\\pushed-{package['name']}" if pushed else package["location"],
        sha256=package["sha256"],
        signer=package.get("signer") or "",
        size=package.get("size") or 0,
        keep=at.kept,
        # An installer that was only fetched is nobody's but ours.
        undo=at.plan if own else "",
        existed=unpacking.existed,
        root=package.get("root") or "" if zipped else "",
        member=unpacking.member if zipped else "",
        skip=list(unpacking.skip) or None,
        unpack=zipped,
        destination=unpacking.destination if own else f"{at.keep}\\packages\\{package['name']}",
        state=unpacking.state,
    )


def unpack(
    work: Work,
    at: Place,
    unpacking: Unpacking | None,
    *,
    changes: bool = False,
    also: Callable[[bool], object] = lambda would: None,
    restart: bool = True,
) -> Any:
    """Put the package's files in place, if there is one, while the Connector does not run; what was there before.

    `changes`: whether `also`, which is done first, changes files of the Connector's; it is told whether anything will
    change. `restart`: whether one that was stopped for it is started again.
    """
    would = changes
    if unpacking is not None:
        would |= bool(tree(work, at, unpacking, asked=True)["changed"])
    with stopped(work, at, would, restart):
        also(would)
        return tree(work, at, unpacking)["before"] if unpacking is not None else None


@contextmanager
def stopped(work: Work, at: Place, would: bool, restart: bool = True) -> Iterator[None]:
    """The Connector does not run while files are replaced, if any will be (`would`). Files of a program that runs
    cannot be replaced, or would be mixed with what it has read already."""
    state = _state(work, at)
    left = work.do(
        "Look whether an earlier run stopped it and could not start it again",
        "ansible.windows.win_stat",
        path=_note(at),
        get_checksum=False,
    )["stat"]["exists"]
    # Paused, or on its way to either, it has its files open too.
    stops = would and state != "stopped"
    ran = state not in ("stopped", "stop_pending")
    try:
        if stops:
            _stop(work, at, ran)
        yield
    finally:
        # It ran before, so this is no first start.
        if at.restart and restart and ((stops and ran) or left):
            service(work, "Start the Connector again", at.service, state="started")
            if not work.check:
                _gone(work, "Take the note away", _note(at))


def forget_note(work: Work, at: Place) -> None:
    """A note that it was stopped for its files, left by a run that died, would make a later one start a Connector."""
    if not work.check:
        _gone(work, "Take away the note that it was stopped for its files", _note(at))


def refuse_running(work: Work, at: Place) -> None:
    """A Connector that runs keeps its files. In check mode the service that would have gone before is still there."""
    found = services(work, "Look whether the Connector runs", at.service) if at.service else []
    if any(one["state"] != "stopped" for one in found) and not work.check:
        raise work.refused(
            "A Connector that runs keeps its files",
            "The Connector runs on this gateway. Its service goes first; nothing was removed.",
        )


def uninstall(work: Work, package: Values, product: Values) -> None:
    """Undo what an installer did, where it found nothing. `product`: as it was told when it was installed."""
    asked = {"product_id": package["product_id"], "state": "absent"}
    part = "Ask whether the product is installed"
    installed = work.do(part, "ansible.windows.win_package", check=True, diff=False, **asked)["changed"]
    why = (
        "nothing is known of what was there before"
        if product.get("exists") is None
        else f"it took the place of {', '.join(product['replaced'])}"
        if product.get("replaced")
        else "the product was installed before, and is not now"
        if product["exists"] and not installed
        else ""
    )
    if why:
        raise work.refused(
            "Refuse what cannot be undone",
            f"What the installer {package['name']} did cannot be undone from here: {why}. Nothing was changed. "
            "Install the version that is wanted by a plan whose packages name it.",
        )
    if not product["exists"]:
        arguments = package.get("arguments") or None
        part = "Uninstall what was not there"
        work.do(part, "ansible.windows.win_package", arguments=arguments, **asked)


def remove_product(work: Work, package: Values | None) -> Values | None:
    """Uninstall a product, if the package is one: whether it was there, as an undo of it is told; None for a zip."""
    if package is None or not package.get("product_id"):
        return None
    gone = work.do(
        "Uninstall",
        "ansible.windows.win_package",
        product_id=package["product_id"],
        arguments=package.get("arguments") or None,
        state="absent",
    )
    return {"exists": gone["changed"], "replaced": []}


def remove_tree(work: Work, at: Place, part: str, destination: str, **options: Any) -> Any:
    """Remove what was unpacked, keeping it for an undo; what was there before."""
    removed = work.do(
        part, "package_tree", destination=destination, keep=at.kept, undo=at.plan, state="absent", **options
    )
    return removed["before"]


def as_it_was(
    package: Values, destination: str, before: Values, *, existed: bool = True, member: str = ""
) -> Unpacking:
    """What puts a package's files back. `before`: what a role told of the package (`provisioner_before`); `existed`:
    whether anything was there, where it does not say."""
    there = bool(before.get("exists", existed) or before.get("edited", 0) > 0)
    return Unpacking(package=package, destination=destination, member=member, state="restored", existed=there)


def made(before: Values, at: Place, missing: Values) -> list[str]:
    """The folders that a role made, by the rights that it told of them; ours stay. `missing`: where it told of none."""
    access = before.get("access", missing)
    return [path for path, was in access.items() if was is None and not path.startswith(at.keep)]


def remove_empty(work: Work, folders: Sequence[str]) -> None:
    """Remove the folders that were not there and are left empty."""
    part = "Remove the folders that were not there and are left empty"
    work.do(part, "folder_access", path=list(folders), state="absent")


def forget(work: Work, at: Place, package: Values) -> None:
    """Remove our own copies of a package."""
    for name in (package["name"], f"pushed-{package['name']}"):
        part = "Remove our own copies of the package"
        work.do(part, "ansible.windows.win_file", path=f"{at.keep}\\packages\\{name}", state="absent")


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


def _state(work: Work, at: Place) -> str:
    found = services(work, "Look whether the Connector runs", at.service) if at.service else []
    return str(found[0]["state"]) if found else "stopped"


def _note(at: Place) -> str:
    return f"{at.keep}\\stopped-for-files"


def _stop(work: Work, at: Place, ran: bool) -> None:
    if not at.restart:
        raise work.refused(
            "A Connector that runs where none should is not touched",
            "A Connector runs on this gateway, and by its role none should. Find out why first; nothing was changed.",
        )
    if ran and not work.check:
        part = "Note that it ran, for whoever goes on should this run end here"
        work.do(part, "ansible.windows.win_copy", content=at.service, dest=_note(at), counts=False)
    service(work, "Stop the Connector while its files are replaced", at.service, state="stopped")


def _gone(work: Work, part: str, path: str) -> None:
    work.do(part, "ansible.windows.win_file", path=path, state="absent", counts=False)


def _install(work: Work, at: Place, package: Values) -> Put:
    """Run the installer. Never restarts the PC: 3010 is done, with a restart for the practice to do."""
    running = f"{at.keep}\\running\\{package['name']}.json"
    if not work.check:
        # An installer outlives its client: whoever comes next sees from this that one of ours may still be at work.
        started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        words = json.dumps({"pid": 0, "what": package["name"], "started": started})
        part = "Mark the installer as running"
        work.do(part, "ansible.windows.win_copy", content=words, dest=running, counts=False)
    done = Put()
    try:
        before = _products(work, "List the products that are there")
        ran = services(work, "List the services that are there")
        try:
            installed = work.do(
                "Install",
                "ansible.windows.win_package",
                path=f"{at.keep}\\packages\\{package['name']}",
                product_id=package.get("product_id") or None,
                arguments=package.get("arguments") or None,
                provider="msi" if package["kind"] == "msi" else "registry",
            )
            left = _products(work, "List the products that are left")
            done.product = {
                "exists": not installed["changed"],
                "replaced": [name for name in dict.fromkeys(before) if name not in left],
            }
            done.restart_needed = bool(installed.get("reboot_required"))
        finally:
            # An installer that fails may have started or stopped one as well.
            done.started = _as_they_ran(work, at, ran)
    finally:
        if not work.check:
            _gone(work, "Take the mark away", running)
    return done


def _products(work: Work, part: str) -> list[str]:
    return [
        name
        for key in _UNINSTALL
        for name in work.do(part, "ansible.windows.win_reg_stat", path=key).get("sub_keys") or ()
    ]


def _as_they_ran(work: Work, at: Place, before: Sequence[Values]) -> list[str]:
    """Let run what ran before the installer, and nothing else; the names of those that it started by itself.

    A Connector's first start has guards of its own (two that run at once send everything twice); an installer's has
    none. Also one that does not run yet is kept from it: it would with the PC's next start.
    """
    ran = {one["name"] for one in before if one["state"] != "stopped"}
    known = {one["name"] for one in before}
    own = _own(at, services(work, "List the services that are left"))
    made = [one["name"] for one in own if one["name"] not in known]
    started = [one["name"] for one in own if one["state"] != "stopped" and one["name"] not in ran]
    ended = [one["name"] for one in own if one["state"] == "stopped" and one["name"] in ran]
    for name in dict.fromkeys(made + started):
        part = "Stop what the installer started by itself, and let it not start with the PC"
        service(work, part, name, state="stopped", start_mode="manual")
    for name in ended if at.restart else ():
        service(work, "Start again what ran before the installer", name, state="started")
    return started


def _own(at: Place, left: Sequence[Values]) -> list[Values]:
    """The Connector's, by its name or by a program in its folder."""
    inside = re.compile(rf'"?{re.escape(at.folder)}\\', re.IGNORECASE)
    told = [one for one in left if isinstance(one.get("path"), str)]
    return [one for one in told if one["name"] == at.service or inside.match(one["path"])]
