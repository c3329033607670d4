"""A package of fleet.yml on a gateway: put there, put back, removed, while the Connector does not run.

What the roles `connector`, `java` and `service` share. `Unpacking` says which package, and where its files go.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from provisioner.ansible.installer import Put, install
from provisioner.ansible.ours import Ours, gone, service, services
from provisioner.ansible.work import Values, Work


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


def put(work: Work, at: Ours, unpacking: Unpacking, *, restart: bool = True) -> Put:
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
    done = install(work, at, package)
    done.before = fetched["before"]
    return done


def tree(work: Work, at: Ours, unpacking: Unpacking, *, asked: bool = False) -> dict[str, Any]:
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
    at: Ours,
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
def stopped(work: Work, at: Ours, would: bool, restart: bool = True) -> Iterator[None]:
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
                gone(work, "Take the note away", _note(at))


def forget_note(work: Work, at: Ours) -> None:
    """A note that it was stopped for its files, left by a run that died, would make a later one start a Connector."""
    if not work.check:
        gone(work, "Take away the note that it was stopped for its files", _note(at))


def refuse_running(work: Work, at: Ours) -> None:
    """A Connector that runs keeps its files. In check mode the service that would have gone before is still there."""
    found = services(work, "Look whether the Connector runs", at.service) if at.service else []
    if any(one["state"] != "stopped" for one in found) and not work.check:
        raise work.refused(
            "A Connector that runs keeps its files",
            "The Connector runs on this gateway. Its service goes first; nothing was removed.",
        )


def remove_tree(work: Work, at: Ours, part: str, destination: str, **options: Any) -> Any:
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


def made(before: Values, at: Ours, missing: Values) -> list[str]:
    """The folders that a role made, by the rights that it told of them; ours stay. `missing`: where it told of none."""
    access = before.get("access", missing)
    return [path for path, was in access.items() if was is None and not path.startswith(at.keep)]


def remove_empty(work: Work, folders: Sequence[str]) -> None:
    """Remove the folders that were not there and are left empty."""
    part = "Remove the folders that were not there and are left empty"
    work.do(part, "folder_access", path=list(folders), state="absent")


def forget(work: Work, at: Ours, package: Values) -> None:
    """Remove our own copies of a package."""
    for name in (package["name"], f"pushed-{package['name']}"):
        part = "Remove our own copies of the package"
        work.do(part, "ansible.windows.win_file", path=f"{at.keep}\\packages\\{name}", state="absent")


def _state(work: Work, at: Ours) -> str:
    found = services(work, "Look whether the Connector runs", at.service) if at.service else []
    return str(found[0]["state"]) if found else "stopped"


def _note(at: Ours) -> str:
    return f"{at.keep}\\stopped-for-files"


def _stop(work: Work, at: Ours, ran: bool) -> None:
    if not at.restart:
        raise work.refused(
            "A Connector that runs where none should is not touched",
            "A Connector runs on this gateway, and by its role none should. Find out why first; nothing was changed.",
        )
    if ran and not work.check:
        part = "Note that it ran, for whoever goes on should this run end here"
        work.do(part, "ansible.windows.win_copy", content=at.service, dest=_note(at), counts=False)
    service(work, "Stop the Connector while its files are replaced", at.service, state="stopped")
