"""Our folder_access: folders that only administrators can change."""

from typing import Any

from provisioner.lab.modules.arguments import Call, Option, Spec, Unmodelled
from provisioner.lab.windows.disk import ADMINISTRATORS, Folder, key, plain

SPEC: Spec = {
    "path": Option(kind="list", elements="path", default=[]),
    "private": Option(kind="list", elements="path", default=[]),
    "state": Option(default="present", choices=("present", "absent")),
}

_CLOSED = "(A;OICI;FA;;;BA)(A;OICI;FA;;;SY)"
_READERS = "(A;OICI;0x1200a9;;;BU)(A;OICI;0x1200a9;;;LS)"


def folder_access(call: Call) -> dict[str, Any]:
    """Make folders that administrators own and that nobody else can change (private: or read)."""
    answer: dict[str, Any] = {"changed": False, "before": {}}
    before: list[str] = []
    after: list[str] = []
    if loose := [path for path in call.args["path"] + call.args["private"] if "\\" not in plain(path)]:
        raise Unmodelled(f"folder_access: the lab does not model the folder {loose[0]}")
    if call.args["state"] == "absent":
        _remove(call, answer, before)
    for private in (False, True) if call.args["state"] == "present" else ():
        tops: list[str] = []
        paths = sorted(
            {plain(path) for path in call.args["private" if private else "path"]}, key=lambda path: (len(path), path)
        )
        for path in paths:
            if any(key(path).startswith(key(top) + "\\") for top in tops):
                _make_below(call, path, answer, after)
                continue
            tops.append(path)
            _close(call, path, private, answer, before, after)
    if call.diff:
        answer["diff"] = {"before": "".join(before), "after": "".join(after)}
    return answer


def _remove(call: Call, answer: dict[str, Any], before: list[str]) -> None:
    """Take those of the folders away in which nothing is left, the lowest first."""
    disk = call.machine.disk
    for path in sorted(map(plain, call.args["path"] + call.args["private"]), key=len, reverse=True):
        folder = disk.folder(path)
        answer["before"][path] = sddl(folder) if folder else None
        below = key(path) + "\\"
        if folder is None or any(name.startswith(below) for name in (*disk.files, *disk.folders)):
            continue
        answer["changed"] = True
        before.append(f"{path}\n")
        if not call.check:
            disk.remove(path)
            call.machine.happened("folder_removed", path=path)


def _close(call: Call, path: str, private: bool, answer: dict[str, Any], before: list[str], after: list[str]) -> None:
    machine, folder = call.machine, call.machine.disk.folder(path)
    wanted = Folder(path=path, protected=True, private=private)
    answer["before"][path] = sddl(folder) if folder else None
    before += [f"{path} {sddl(folder)}\n"] if folder else []
    after.append(f"{path} {sddl(wanted)}\n")
    below = [inner for inner in _below(call, path) if inner.writers or inner.owner != ADMINISTRATORS]
    differs = folder is None or sddl(folder) != sddl(wanted)
    # In check mode what is below still shows the rights that it has from above: only the folder's own are told.
    if below and not (call.check and differs):
        before += [f"{inner.path} can be changed or read by others\n" for inner in below]
        differs = True
    if not differs:
        return
    answer["changed"] = True
    if call.check:
        return
    machine.disk.make(path)
    vars(machine.disk.folders[key(path)]).update(vars(wanted))
    for inner in below:
        inner.owner, inner.writers = ADMINISTRATORS, []
    machine.happened("rights_changed", path=path)


def _below(call: Call, path: str) -> list[Folder]:
    return [inner for name, inner in call.machine.disk.folders.items() if name.startswith(key(path) + "\\")]


def _make_below(call: Call, path: str, answer: dict[str, Any], after: list[str]) -> None:
    if call.machine.disk.folder(path):
        return
    answer["changed"] = True
    answer["before"][path] = None
    after.append(f"{path}\n")
    if not call.check:
        call.machine.disk.make(path)
        call.machine.happened("folder_made", path=path)


def sddl(folder: Folder) -> str:
    """A folder's owner and rights in Windows' own short form."""
    owner = "BA" if folder.owner == ADMINISTRATORS else folder.owner
    if folder.protected:
        more = "" if folder.private else _READERS
        return f"O:{owner}D:PAI{_CLOSED}{more}" + "".join(
            f"(A;OICI;0x1301bf;;;{writer.sid})" for writer in folder.writers
        )
    rights = "(A;OICIID;FA;;;BA)(A;OICIID;FA;;;SY)(A;OICIID;0x1200a9;;;BU)"
    return f"O:{owner}D:AI{rights}" + "".join(f"(A;OICIID;0x1301bf;;;{writer.sid})" for writer in folder.writers)
