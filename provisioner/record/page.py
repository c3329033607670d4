"""A practice's record as one HTML page without a script, made of its JSON document alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from provisioner.model import Result
from provisioner.report import pretty, words
from provisioner.report.html import render

# The class of a result's pill, which gives it its colour and its sign.
_TONES: Mapping[str, str] = {
    Result.DONE: "ready",
    Result.UNCHANGED: "ready",
    Result.UNDONE: "ready",
    Result.FAILED: "unready",
    Result.UNREACHABLE: "unread",
    Result.REFUSED: "unread",
    Result.UNKNOWN: "unread",
}
_KINDS: Mapping[str, str] = {
    "rollout": "rollout",
    "migration": "migration to another PC",
    "finish": "end of a migration",
    "undo": "undo",
}


@dataclass(frozen=True, kw_only=True)
class Done:
    """One step as it is shown. `tone` is the class of its pill, `result` the words in it; `when` is since when it
    stands so, or "", and `again` what the last look since then found, if there was one."""

    step: Mapping[str, Any]
    tone: str
    result: str
    when: str = ""
    again: Mapping[str, Any] | None = None

    @property
    def well(self) -> bool:
        """Whether it ended as it should."""
        return self.tone == "ready"


def page(practice: Mapping[str, Any]) -> str:
    """The page. Its document may come from anywhere: what is missing in it or of another kind raises KeyError,
    TypeError, ValueError, AttributeError or jinja2's TemplateError.
    """
    done = [_done(step) for step in practice["steps"]]
    parts = [
        (plan, _by_gateway([entry for entry in done if entry.step["plan"] == plan["id"]])) for plan in practice["plans"]
    ]
    return render(
        "record.html.j2",
        scripted=False,
        # One of before there were approvals has none.
        record={"approvals": [], **practice},
        plan=practice["plans"][0],
        sentence=_sentence(done, practice["plan"]),
        later=[plan for plan, gateways in parts[1:] if gateways],
        parts=[(plan, gateways) for plan, gateways in parts if gateways],
        kinds=_KINDS,
        readings={sha256: number for number, sha256 in enumerate(practice["readings"], 1)},
        sections={sha256: _sections(reading) for sha256, reading in practice["readings"].items()},
    )


def _done(step: Mapping[str, Any]) -> Done:
    if not step["attempts"]:
        confirmed = bool(step["confirmed"])
        return Done(step=step, tone="ready" if confirmed else "", result="confirmed" if confirmed else "not begun")
    result = step["attempts"][-1]["result"]
    if not result:
        return Done(step=step, tone="unread", result="begun; no end is recorded")
    # What was done stays done: a second run that only looked does not hide the first.
    stands = step.get("standing") or {"result": result, "at": "", "again": None}
    result = stands["result"]
    tone, said = _TONES.get(result, "waiting"), words.RESULTS[Result(result)]
    return Done(step=step, tone=tone, result=said, when=stands["at"], again=stands["again"])


def _by_gateway(done: list[Done]) -> dict[str, list[Done]]:
    found: dict[str, list[Done]] = {}
    for entry in done:
        found.setdefault(entry.step["gateway"], []).append(entry)
    return found


def _sentence(done: list[Done], plan: str) -> str:
    """How far the plan itself got, and what of it was taken back."""
    own = [entry for entry in done if entry.step["plan"] == plan]
    well = sum(entry.well for entry in own)
    if not own:
        return "nothing was planned here"
    if well == len(own):
        said = "the one step is done" if well == 1 else f"all {well} steps are done"
    else:
        said = f"{well} of {words.counted(len(own), 'step')} {'is' if well == 1 else 'are'} done"
    undone = sum(entry.result == words.RESULTS[Result.UNDONE] for entry in done if entry not in own)
    return f"{said}, {undone} undone later" if undone else said


def _sections(reading: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Each section of a reading: its name, its data printed or "", and why it could not be read."""
    names = dict.fromkeys([*reading["sections"], *reading["section_errors"]])
    return [
        (
            name,
            pretty.text(reading["sections"][name]) if name in reading["sections"] else "",
            reading["section_errors"].get(name, ""),
        )
        for name in names
    ]
