"""What Ansible's events say of each step. Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from provisioner import foreign
from provisioner.ansible.claim import RELEASE
from provisioner.model import Step
from provisioner.transport import diagnosis

# No event of Ansible's: what a role found before it changes anything (`there`), as it told us itself.
FOUND = "found"
# What rollout.yml does where a role has failed: whatever becomes of it, what is said of the work is said already.
AFTERWARDS = (RELEASE, "Say that it failed")
_LONGEST_MESSAGE = 600
_LONGEST_DIFFERENCE = 8000
_MOST_LINES = 200
_SAID = {
    "runner_on_ok": "ok",
    "runner_on_failed": "failed",
    "runner_on_skipped": "skipped",
    "runner_on_unreachable": "unreachable",
}

Answer = Literal["ok", "failed", "unreachable", "refused", "held", "late", "lost", "skipped", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What one task changes, or would change; both sides empty where its module does not say."""

    task: str
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """What Ansible says of one step. `refused`: the gateway did not accept the log-in. `held`: another team's work is
    marked there. `late`: Ansible was not asked, for want of time; `lost`: for want of the gateway's lease. `unknown`:
    it says nothing.

    `before` is what the role found; `seconds` what its tasks took; `output` a line for each task.
    """

    result: Answer
    changed: bool = False
    message: str = ""
    before: Mapping[str, Any] = field(default_factory=dict)
    differences: tuple[Difference, ...] = ()
    seconds: float = 0.0
    output: tuple[str, ...] = ()


@dataclass(kw_only=True)
class _Role:
    """What the events say of one role on one gateway."""

    changed: bool = False
    finished: bool = False
    trouble: Answer | None = None
    message: str = ""
    before: Mapping[str, Any] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    seconds: float = 0.0
    output: list[str] = field(default_factory=list)


def last_words(printed: str) -> str:
    """Of all that Ansible printed its own complaint, or else the end."""
    complaint = printed.rfind("[ERROR]")
    return printed[complaint:] if complaint >= 0 else printed[-_LONGEST_MESSAGE:]


def _remark(before: Mapping[str, Any]) -> str:
    """What a person should know of a role that ended well: what its installer asked for, or did by itself."""
    words = []
    if started := before.get("started_by_itself"):
        words.append(f"the installer started {', '.join(started)} by itself; it was stopped and starts by hand only")
    if before.get("restart_needed"):
        words.append("restart needed, for the practice to do")
    return "; ".join(words)


def by_step(
    steps: Sequence[Step], events: Iterable[Mapping[str, Any]], said: str, check: bool
) -> dict[str, StepResult]:
    """What became of each step, by its id, one for each. `said` is what Ansible printed last, for a step of which no
    event tells."""
    roles = {(step.gateway, step.role): _Role() for step in steps}
    # Diagnosis outside any role of the gateway (Ansible's own) is the first unfinished role's.
    order: dict[str, list[str]] = {}
    held: dict[str, str] = {}
    for step in steps:
        order.setdefault(step.gateway, []).append(step.role)
    for event in events:
        data = event["event_data"]
        gateway, role = str(data["host"]), str(data.get("role") or "")
        if gateway not in order:
            continue
        # By its name alone: of a task of no role ansible-runner says the role that another gateway has just begun.
        if data.get("task") in AFTERWARDS:
            continue
        if event["event"] == "runner_on_failed" and (data.get("res") or {}).get("held") is True:
            held[gateway] = _message(data["res"])
        if role not in order[gateway]:
            if event["event"] not in ("runner_on_failed", "runner_on_unreachable"):
                continue
            role = next((role for role in order[gateway] if not roles[gateway, role].finished), order[gateway][-1])
        _note(roles[gateway, role], event["event"], data, check)
    acted: dict[str, StepResult] = {}
    for step in steps:
        if step.gateway in held:
            acted[step.id] = StepResult(result="held", message=held[step.gateway])
            continue
        earlier = order[step.gateway][: order[step.gateway].index(step.role)]
        troubled = next((role for role in earlier if not roles[step.gateway, role].finished), "")
        acted[step.id] = _acted(roles[step.gateway, step.role], troubled, said)
    return acted


def _note(role: _Role, kind: str, data: Mapping[str, Any], check: bool) -> None:
    result: Mapping[str, Any] = data.get("res") or {}
    role.seconds += float(data.get("duration") or 0)
    if kind in _SAID:
        role.output += _lines(kind, data, result)
    if kind == FOUND:
        role.before = _kept(data["there"])
    elif kind == "runner_on_unreachable":
        words = _message(result)
        role.trouble = "refused" if diagnosis.rejected(words) else "unreachable"
        role.message = diagnosis.unmarked(words)
    elif kind == "runner_on_failed" and not data.get("ignore_errors"):
        words = _message(result)
        role.trouble = "refused" if diagnosis.rejected(words) else "unreachable" if diagnosis.broke(words) else "failed"
        role.message = f"{result.get('part') or data.get('task', '')}: {diagnosis.unmarked(words)}"
        # What was done before it failed is done.
        role.changed |= bool(result.get("changed")) and bool(result.get("parts"))
    elif kind == "runner_on_ok":
        role.changed |= bool(result.get("changed"))
        if check and result.get("changed"):
            role.differences += differences(str(data.get("task", "")), result)
        facts = result.get("ansible_facts") or {}
        # Every role ends with the second: one that did not get there has not finished. Some tell before they change
        # anything, so that it is known of a failure too.
        for name in ("provisioner_found", "provisioner_before"):
            if name in facts:
                role.finished = name == "provisioner_before"
                role.before = _kept(facts[name])


def _acted(role: _Role, troubled: str, said: str) -> StepResult:
    result: Answer
    if role.finished:
        result, message = "ok", _remark(role.before)
    elif role.trouble:
        result, message = role.trouble, role.message
    elif troubled:
        result, message = "skipped", f"not tried, because {troubled} did not finish here"
    else:
        result, message = "unknown", said
    return StepResult(
        result=result,
        changed=role.changed,
        message=message,
        before=role.before,
        # Of four values below a key that is not there yet each module tells no more than the key.
        differences=tuple(dict.fromkeys(role.differences)),
        seconds=role.seconds,
        output=_at_most(role.output),
    )


def _lines(kind: str, data: Mapping[str, Any], result: Mapping[str, Any]) -> list[str]:
    """What Ansible said of one task, a line for each of its parts: how it ended, its name, and why it went wrong."""
    if parts := result.get("parts"):
        return [_line("runner_on_failed" if part.get("failed") else "runner_on_ok", part, part) for part in parts]
    return [_line(kind, data, result)]


def _line(kind: str, data: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    """What Ansible said of one task: how it ended, its name, and where it went wrong why."""
    outcome = _SAID[kind]
    if outcome == "ok":
        # Of a task that is not logged nobody is told which of the two it was.
        outcome = "ok or changed" if "censored" in result else "changed" if result.get("changed") else "ok"
    words = f"{outcome}: {data.get('task', '')}"
    if kind in ("runner_on_failed", "runner_on_unreachable"):
        words += f": {_message(result)}"
        words += " (passed over)" if data.get("ignore_errors") else ""
    return clean(diagnosis.unmarked(words))


def _at_most(lines: Sequence[str]) -> tuple[str, ...]:
    """The beginning and the end, where there are more lines than anybody reads."""
    if len(lines) <= _MOST_LINES:
        return tuple(lines)
    first, last = _MOST_LINES // 2, _MOST_LINES // 2 - 1
    return (*lines[:first], f"... {len(lines) - first - last} lines are left out", *lines[-last:])


def differences(task: str, result: Mapping[str, Any]) -> list[Difference]:
    """What one task changes, item by item."""
    differences = []
    for item in result.get("results") or [result]:
        if not item.get("changed"):
            continue
        diffs = item.get("diff") or {}
        for diff in diffs if isinstance(diffs, list) else [diffs]:
            if "prepared" in diff:
                diff = {**diff, **_taken_apart(str(diff["prepared"]))}
            before, after = _text(diff.get("before", "")), _text(diff.get("after", ""))
            part = str(diff.get("part") or task)
            differences.append(Difference(task=part, before=before, after=after))
    return differences


def _taken_apart(prepared: str) -> dict[str, str]:
    """The two sides of a difference that a module has put together itself, with its signs."""
    sides: dict[str, list[str]] = {"-": [], "+": []}
    for line in prepared.splitlines():
        if line[:1] in sides:
            sides[line[0]].append(line[1:])
    return {"before": "\n".join(sides["-"]), "after": "\n".join(sides["+"])}


def _kept(found: Any) -> Mapping[str, Any]:
    """What a role found, as it can be kept. Where it cannot be at all, an undo is told that nothing is known."""
    try:
        kept = foreign.kept(found)
    except foreign.Unfit:
        return {"untold": ["all of it"]}
    return kept if isinstance(kept, Mapping) else {"found": kept}


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, indent=2, sort_keys=True, default=str)
    return foreign.lines(text[:_LONGEST_DIFFERENCE])


def _message(result: Mapping[str, Any]) -> str:
    """Why a task failed: of a loop, why its first item did."""
    for item in result.get("results") or ():
        if item.get("failed") or item.get("unreachable"):
            return _message(item)
    return clean(str(result.get("msg") or result.get("censored") or "no reason given"))


def clean(text: str) -> str:
    """Text of a gateway or of Ansible, in one line, without what a terminal might obey."""
    words = " ".join(foreign.readable(text).split())
    return words if len(words) <= _LONGEST_MESSAGE else words[: _LONGEST_MESSAGE - 1] + "…"
