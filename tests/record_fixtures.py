"""A journal with a past for the records: two practices, a run that went wrong and was gone on with, an undo, and
another plan whose events lie between."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from provisioner.journal import Event, Journal, ended, started
from provisioner.model import Audit, Evidence, Outcome, Plan, Result, Step, Wave
from tests.report_fixtures import AT, estate, plan

PLAN = "p-20261123-203000"
UNDO = "undo-20261125-090000"
OTHER = "p-other"
FOLDER = "OUT"

_OUTPUT = ("ok: Look at the rule that is there", "changed: Allow the Connector out", "ok: Say what was there")


def planned() -> Plan:
    """What is planned for two practices, a step of a person among it."""
    made = plan()
    wanted = ("A84002", "A84005")
    waves = [
        Wave(number=number, steps=tuple(step for step in made.steps if step.practice == code))
        for number, code in enumerate(wanted, 1)
    ]
    places = {name: place for name, place in made.places.items() if place[0] in wanted}
    return replace(made, waves=tuple(waves), places=places, gaps=())


def undoing(made: Plan) -> Plan:
    """The way back of one step of it."""
    step = next(step for step in made.steps if step.id == "s-0-firewall")
    back = replace(step, id="s-0-firewall-back", values={"state": "absent"}, because=(), words="Take the rule away.")
    places = {step.gateway: made.places[step.gateway]}
    return replace(
        made, id=UNDO, kind="undo", of=made.id, at=AT + timedelta(days=2), audit="", places=places,
        waves=(Wave(number=1, steps=(back,)),),
    )  # fmt: skip


def readings(audit: Audit, text: str = "") -> dict[str, tuple[Evidence, Evidence]]:
    """What each gateway said before and after; with `text` it says that everywhere."""
    found = {}
    for one in audit.evidence:
        sections: dict[str, Mapping[str, Any]] = {**one.sections}
        if text:
            sections |= {"ours": {text: text}, text: {"x": [text]}}
        errors = {"screen": text or "WMI did not answer within 20 s."}
        first = replace(one, sections=sections, section_errors=errors)
        found[one.gateway] = (first, replace(first, taken_at=AT + timedelta(hours=1)))
    return found


def fill(path: Path, text: str = "") -> Plan:
    """Fill a journal at that place; the plan. With `text` gateways and people say that in every free word."""
    audit, made = estate()[0], planned()
    with Journal.open(path) as journal:
        journal.save(audit, "some are ready")
        journal.save(made, "12 steps")
        journal.save(replace(made, id=OTHER))
        both = readings(audit, text)
        before = journal.keep_readings(one[0] for one in both.values())
        after = journal.keep_readings(one[1] for one in both.values())
        told = _Teller(journal, made.id, before, after, text)
        told.run("first")
        told.step(made.steps, "s-0-connector", Result.FAILED, "disk full")
        told.run_ended("1 failed; stopped: 1 gateway failed")
        journal.append([Event(at=AT, kind="run_started", plan=OTHER, body={"words": "by another"})])
        told.run("again")
        told.all_of(made)
        told.run_ended("11 done, 1 waiting")
        back = undoing(made)
        journal.save(back)
        undo = _Teller(journal, back.id, before, after, text)
        undo.run("the rule was not wanted")
        undo.step(back.steps, "s-0-firewall-back", Result.UNDONE, "")
        undo.run_ended("1 undone")
    return made


class _Teller:
    """Writes what a run would write."""

    def __init__(
        self, journal: Journal, plan: str, before: Mapping[str, str], after: Mapping[str, str], text: str
    ) -> None:
        self.journal, self.plan, self.before, self.after, self.text = journal, plan, before, after, text
        self.at = AT + timedelta(minutes=30)

    def run(self, because: str) -> None:
        body = {
            "words": "by a person", "by": "alice@controller pid 7", "approved_by": self.text or "B. Person",
            "ticket": "CHG-1182", "because": self.text or because, "budget": "stops when a second gateway fails",
        }  # fmt: skip
        self.journal.append([Event(at=self.at, kind="run_started", plan=self.plan, body=body)])

    def run_ended(self, words: str) -> None:
        self.journal.append([Event(at=self.at, kind="run_ended", plan=self.plan, body={"words": words})])

    def all_of(self, made: Plan) -> None:
        """Each step's end: one was not needed, one waits, one broke off, one is not begun; the rest are done."""
        results = {"s-0-java": Result.UNCHANGED, "s-1-start": Result.WAITING}
        for step in made.steps:
            if step.kind == "person":
                body = {"step": step.id, "by": "C. Person", "words": self.text or "pressed, and seen on the screen"}
                self.journal.append([Event(at=self.at, kind="confirmed", plan=self.plan, body=body)])
            elif step.id == "s-1-service":
                self.journal.append([started(step.id, step.gateway, self.plan, self.at, "m9")])
            elif step.id != "s-1-antivirus":
                self.step(made.steps, step.id, results.get(step.id, Result.DONE), "")

    def step(self, steps: Sequence[Step], name: str, result: Result, message: str) -> None:
        step = next(one for one in steps if one.id == name)
        begun, self.at = self.at, self.at + timedelta(seconds=40)
        outcome = Outcome(
            step=step.id, gateway=step.gateway, result=result, changed=result is Result.DONE, started=begun,
            ended=self.at, message=self.text or message, before={"rule": self.text or None, "addresses": ["192.0.2.5"]},
            reading_before=self.before[step.gateway],
            reading_after="" if name == "s-1-start" else self.after[step.gateway],
            output=(self.text, *_OUTPUT) if self.text else _OUTPUT,
        )  # fmt: skip
        events = [ended(outcome, self.plan)]
        if result is not Result.UNCHANGED:
            events.insert(0, started(step.id, step.gateway, self.plan, begun, "m1"))
        self.journal.append(events)
