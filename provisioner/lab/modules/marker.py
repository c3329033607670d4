"""Our work_marker: which team works on the gateway, in a file there."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from provisioner.lab.modules.arguments import Call, Failed, Option, Spec
from provisioner.lab.windows.disk import DiskFull, parent
from provisioner.lab.windows.machine import stamp

SPEC: Spec = {
    "journal": Option(default=""),
    "step": Option(default=""),
    "by": Option(default=""),
    "minutes": Option(kind="int"),
    "known": Option(kind="list", elements="str", default=()),
    "path": Option(kind="path", default="C:\\ProgramData\\provisioner\\marker.json"),
    "computer": Option(default=""),
    "state": Option(default="present", choices=("present", "absent", "free")),
}

_NAMES = ("journal", "step", "by", "since", "minutes")
_LONGEST = 1440
_LARGEST = 16_384

Marker = dict[str, str]


def work_marker(call: Call) -> dict[str, Any]:
    """Mark the gateway as this journal's until a time, take its mark away, or only see that it is nobody else's."""
    _assert_computer(call)
    present, ours = call.args["state"] == "present", (call.args["journal"], *call.args["known"])
    wanted = {name: "" if (said := call.args.get(name)) is None else str(said) for name in _NAMES}
    wanted["since"] = stamp(call.machine.clock(call.now))
    _assert_right(call, wanted, present)
    found = _read(call)
    answer: dict[str, Any] = {"changed": False, "before": found}
    before = after = _line(found)
    if call.args["state"] == "free":
        _assert_free(call, found, ours)
    elif present:
        _assert_free(call, found, ours)
        answer["changed"], after = not _is_fresh(call, found, wanted), _line(wanted)
        if answer["changed"] and not call.check:
            _write(call, wanted)
    elif found and found["journal"] in ours:
        answer["changed"], after = True, ""
        if not call.check:
            call.machine.disk.remove(call.args["path"])
            call.machine.happened("file_removed", path=call.args["path"])
    if call.diff:
        answer["diff"] = {"before": before, "after": after}
    return answer


def _assert_computer(call: Call) -> None:
    """Raises Failed where the PC is another one than it should be."""
    named, here = call.args["computer"], call.machine.who().computer_name.upper()[:15]
    if named.strip() and named.strip().partition(".")[0].upper()[:15] != here:
        words = f"the PC at this address is {here}, and the row names {named}; nothing was changed"
        raise Failed(words)


def _assert_right(call: Call, wanted: Marker, present: bool) -> None:
    if present and call.args["minutes"] is None:
        raise Failed("state is present but all of the following are missing: minutes")
    if not wanted["journal"] and call.args["state"] != "free":
        raise Failed("journal is empty: whose marker is it to be?")
    if present and _minutes(wanted["minutes"]) is None:
        raise Failed(f"minutes is a number from 1 to {_LONGEST}, not '{wanted['minutes']}'")


def _time(text: object) -> float | None:
    """A time of a marker; None for what is none."""
    try:
        time = datetime.strptime(str(text), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
    return time if stamp(time) == text else None


def _minutes(text: object) -> int | None:
    """How long a marker stands; None for what is no such number."""
    said = str(text)
    return int(said) if said.isascii() and said.isdigit() and 1 <= int(said) <= _LONGEST else None


def _read(call: Call) -> Marker | None:
    """The marker that is there: None for none, all empty for one that cannot be read."""
    file, unread = call.machine.disk.file(call.args["path"]), dict.fromkeys(_NAMES, "")
    if file is None:
        return None
    try:
        said = json.loads(file.text or "") if file.size <= _LARGEST else None
    except (ValueError, RecursionError):
        return unread
    said = said if isinstance(said, dict) else {}
    if not isinstance(said.get("journal"), str) or not said["journal"]:
        return unread
    if _time(said.get("since")) is None or _minutes(said.get("minutes")) is None:
        return unread
    return {name: "" if said.get(name) is None else str(said[name]) for name in _NAMES}


def _assert_free(call: Call, found: Marker | None, ours: Sequence[str]) -> None:
    """Raises Failed where the work of another team is marked and not over: by its age, by this gateway's own clock."""
    if found is None or found["journal"] in ours:
        return
    since = _time(found["since"])
    if since is None:
        # The lab keeps no times of files: one that cannot be read is always a fresh one.
        words = f"another team may work on this gateway: {call.args['path']} cannot be read and is less than a day old"
    elif call.machine.clock(call.now) - since < 60 * int(found["minutes"]):
        words = f"another team works on this gateway: {_words(found)}"
    else:
        return
    raise Failed(f"{words}; nothing was changed", held=True, before=found)


def _is_fresh(call: Call, found: Marker | None, wanted: Marker) -> bool:
    """Whether it is what is wanted, and has more than half of its time yet: an older one begins anew."""
    if found is None or {**found, "since": ""} != {**wanted, "since": ""}:
        return False
    age = call.machine.clock(call.now) - (_time(found["since"]) or 0.0)
    return 0 <= age < 30 * int(found["minutes"])


def _words(marker: Marker) -> str:
    if not marker["journal"]:
        return "a marker that cannot be read"
    return ", ".join(f"{name} {marker[name]}" for name in _NAMES if marker[name])


def _line(marker: Marker | None) -> str:
    return "" if marker is None else f"{_words(marker)}\n"


def _write(call: Call, wanted: Marker) -> None:
    machine, path = call.machine, call.args["path"]
    try:
        if made := machine.disk.make(parent(path)):
            for folder in made:
                folder.protected, folder.private, folder.writers = True, True, []
            machine.happened("folder_made", path=parent(path))
        machine.put_file(path, json.dumps(wanted, ensure_ascii=False, separators=(",", ":")).encode(), call.now)
    except DiskFull as failure:
        raise Failed(f"the marker {path} could not be changed: {failure}") from None
