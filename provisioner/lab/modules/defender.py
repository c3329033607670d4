"""Our defender_exclusion: what Microsoft Defender leaves alone, read back from Defender itself."""

from typing import Any

from provisioner.lab.modules.arguments import Call, Failed, Option, Spec
from provisioner.lab.windows.disk import key
from provisioner.lab.windows.state import Defender

SPEC: Spec = {
    "path": Option(kind="list", elements="str", default=[]),
    "process": Option(kind="list", elements="str", default=[]),
    "state": Option(default="present", choices=("present", "absent")),
}

_REASONS = {
    "local_merge_disabled": "its policy takes no exclusions from local administrators (DisableLocalAdminMerge)",
    "tamper_protection": "tamper protection is on: the change seemed to succeed and was blocked",
    "managed_policy": "Intune or Configuration Manager manages it",
    "hidden": "its policy hides the exclusions, so that the change cannot be read back",
    "not_effective": "it took the change and does not apply it",
}
_NO_ANSWER = "A general error occurred that is not covered by a more specific error code."


def defender_exclusion(call: Call) -> dict[str, Any]:
    """Add or remove exclusions. Fails, naming the cause, where Defender does not apply what it was told."""
    args, seen, present = call.args, call.machine.seen_defender(), call.args["state"] == "present"
    if not seen.running:
        raise Failed(
            f"Microsoft Defender does not answer: {_NO_ANSWER} Which antivirus does this gateway have?",
            cause="not_running",
        )
    listed = _listed(call, seen)
    before = {kind: [item for item in args[kind] if key(item) in listed[kind]] for kind in ("path", "process")}
    if seen.exclusions_hidden:
        before["untold"] = [item for item in args["path"] if call.machine.excluded(item) is None] + args["process"]
    if seen.exclusions_hidden and present and args["process"]:
        names = ", ".join(args["process"])
        words = f"Whether Microsoft Defender applies an exclusion of {names} could not be read: {_REASONS['hidden']}."
        raise Failed(f"{words} Nothing was changed. Ask the owner of its policy.", before=before, cause="hidden")
    wanting = _wanting(call, seen, listed)
    answer: dict[str, Any] = {"changed": bool(wanting["path"] or wanting["process"]), "before": before}
    if answer["changed"] and present and seen.local_merge_disabled:
        raise _stopped(answer, seen, "its exclusions")
    if not call.check:
        if answer["changed"]:
            _change(call, seen, wanting)
        _confirm(call, answer)
    if call.diff:
        after = args["path"] + args["process"] if present else []
        answer["diff"] = {"before": _lines(before["path"] + before["process"]), "after": _lines(after)}
    return answer


def _lines(paths: list[str]) -> str:
    return "".join(f"{path}\n" for path in paths)


def _listed(call: Call, seen: Defender) -> dict[str, set[str]]:
    """What Get-MpPreference lists; where a policy hides it those of our paths that Defender says are excluded."""
    if seen.exclusions_hidden:
        return {"path": {key(item) for item in call.args["path"] if call.machine.excluded(item)}, "process": set()}
    return {"path": set(map(key, seen.paths + seen.managed_paths)), "process": set(map(key, seen.processes))}


def _wanting(call: Call, seen: Defender, listed: dict[str, set[str]]) -> dict[str, list[str]]:
    """What is still to be changed, by kind; what may be there unseen is taken away all the same."""
    present = call.args["state"] == "present"
    wanting = {kind: [item for item in call.args[kind] if (key(item) in listed[kind]) != present] for kind in listed}
    if seen.exclusions_hidden and not present:
        wanting["path"] += [item for item in call.args["path"] if call.machine.excluded(item) is None]
        wanting["process"] = list(call.args["process"])
    return wanting


def _change(call: Call, seen: Defender, wanting: dict[str, list[str]]) -> None:
    if seen.exclusions_protected:
        return
    defender, present = call.machine.defender, call.args["state"] == "present"
    for kind, paths in (("path", defender.paths), ("process", defender.processes)):
        names = set(map(key, wanting[kind]))
        paths[:] = paths + wanting[kind] if present else [item for item in paths if key(item) not in names]
    changed = wanting["path"] + wanting["process"]
    call.machine.happened("exclusion_added" if present else "exclusion_removed", paths=changed)


def _confirm(call: Call, answer: dict[str, Any]) -> None:
    """Ask Defender whether it does what it was told."""
    present, seen = call.args["state"] == "present", call.machine.seen_defender()
    left = _wanting(call, seen, _listed(call, seen))
    if present:
        for path in call.args["path"]:
            said = call.machine.excluded(path)
            if not said if said is not None else path in left["path"]:
                raise _stopped(answer, seen, f"the exclusion of {path}")
    still = left["process"] if present else left["path"] + left["process"]
    if still and seen.exclusions_hidden:
        words = f"Whether the exclusion of {', '.join(still)} is gone cannot be read: {_REASONS['hidden']}."
        answer["warnings"] = [words]
    elif still:
        raise _stopped(answer, seen, f"the exclusion of {', '.join(still)}")


def _stopped(answer: dict[str, Any], seen: Defender, what: str) -> Failed:
    cause = "not_effective"
    if seen.local_merge_disabled:
        cause = "local_merge_disabled"
    elif seen.exclusions_protected:
        cause = "tamper_protection"
    elif seen.managed_by in (6, 7):
        cause = "managed_policy"
    elif seen.exclusions_hidden:
        cause = "hidden"
    said = f"Microsoft Defender did not change {what}: {_REASONS[cause]}. Ask the owner of its policy."
    return Failed(said, **answer, cause=cause)
