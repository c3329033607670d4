"""ansible.windows.win_copy, in the modes in which its action plugin calls it."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from provisioner.lab.modules.arguments import Call, Failed, Option, Spec, Unmodelled
from provisioner.lab.windows.disk import File, described, leaf, parent, plain

SPEC: Spec = {
    "_copy_mode": Option(default="single", choices=("explode", "query", "remote", "single")),
    "_original_basename": Option(),
    "backup": Option(kind="bool", default=False),
    "decrypt": Option(kind="bool", default=True),
    "dest": Option(kind="path", required=True),
    "directories": Option(kind="list"),
    "files": Option(kind="list"),
    "follow": Option(kind="bool", default=False),
    "force": Option(kind="bool", default=True),
    "local_follow": Option(kind="bool", default=False),
    "mode": Option(unmodelled=True),
    "remote_src": Option(kind="bool", default=False),
    "src": Option(kind="path"),
    "symlinks": Option(kind="list"),
}


def win_copy(call: Call) -> dict[str, Any]:
    """Answer which files differ, or put one in place."""
    mode = call.args["_copy_mode"]
    if mode == "query":
        answer = _query(call)
    elif mode == "single":
        answer = _single(call)
    elif mode == "remote":
        answer = _remote(call)
    else:
        raise Unmodelled("ansible.windows.win_copy: the lab does not model several files at once")
    if call.diff:
        answer.setdefault("diff", {})
    return answer


def _query(call: Call) -> dict[str, Any]:
    disk, args = call.machine.disk, call.args
    files = []
    for one in args["files"] or ():
        path = f"{plain(args['dest'])}\\{one['dest']}"
        if disk.folder(path):
            path = f"{path}\\{one['src'].replace('/', chr(92)).rpartition(chr(92))[2]}"
        if disk.folder(path):
            raise Failed(f"cannot copy file to dest '{path}': object at path is already a directory")
        there = disk.file(path)
        if there is None or (args["force"] and there.sha1 != one["checksum"]):
            files.append(one)
    folders = []
    for one in args["directories"] or ():
        path = f"{plain(args['dest'])}\\{one['dest']}"
        if disk.file(path):
            raise Failed(f"cannot copy folder to dest '{path}': object at path is already a file")
        if not disk.folder(path):
            folders.append(one)
    return {"changed": False, "files": files, "directories": folders, "symlinks": []}


def _single(call: Call) -> dict[str, Any]:
    source = _source(call)
    dest = _into(call, call.args["_original_basename"] or "")
    answer: dict[str, Any] = {"changed": True}
    if call.args["backup"]:
        answer["backup_file"] = _back_up(call, dest)
    _place(call, source, dest)
    return answer


def _remote(call: Call) -> dict[str, Any]:
    source, disk = _source(call), call.machine.disk
    dest = _into(call, leaf(source.path))
    there = disk.file(dest)
    answer: dict[str, Any] = {
        "changed": there is None or (call.args["force"] and there.sha256 != source.sha256),
        "src": call.args["src"],
        "dest": dest,
        "operation": "file_copy",
        "original_basename": leaf(source.path),
        "checksum": source.sha1 if call.args["force"] else None,
    }
    if answer["changed"]:
        if call.args["backup"]:
            answer["backup_file"] = _back_up(call, dest)
        if not call.check:
            _place(call, source, dest)
    left = disk.file(dest)
    answer["size"] = left.size if left else None
    if call.diff:
        lines = (f"-{dest}\n" if there else "") + f"+{dest}\n"
        answer["diff"] = {"prepared": lines if answer["changed"] else ""}
    return answer


def _source(call: Call) -> File:
    path = call.args["src"] or ""
    file = call.machine.disk.file(path)
    if file is None and call.machine.disk.folder(path):
        raise Unmodelled(f"ansible.windows.win_copy: the lab does not model the copying of the folder {path}")
    # Test-Path does not find what somebody holds.
    if file is None or file.held:
        raise Failed(f"Cannot copy src file: '{path}' as it does not exist")
    return file


def _into(call: Call, name: str) -> str:
    """The whole path of the new file. Its folder is made only where `dest` itself names the folder."""
    disk, dest = call.machine.disk, call.args["dest"]
    named = dest.endswith(("\\", "/")) or disk.folder(dest) is not None
    whole = f"{plain(dest)}\\{name}" if named else plain(dest)
    if disk.file(parent(whole)):
        raise Failed(f"object at destination parent dir '{parent(whole)}' is currently a file")
    if not named and "\\" in parent(whole) and not disk.folder(parent(whole)):
        raise Failed(f"Destination directory '{parent(whole)}' does not exist")
    return whole


def _back_up(call: Call, path: str) -> str | None:
    file = call.machine.disk.file(path)
    if file is None:
        return None
    at = datetime.fromtimestamp(call.now, UTC).strftime("%Y%m%d-%H%M%S")
    copy = f"{path}.{call.machine.pid('win_copy')}.{at}.bak"
    if not call.check:
        _place(call, file, copy)
    return copy


def _place(call: Call, source: File, dest: str) -> None:
    content = source.content
    new = replace(source, path=dest) if content is None else described(dest, content)
    call.machine.disk.place(new)
    call.machine.happened("file_written", path=new.path, size=new.size)
