"""A later run that only looks does not hide what an earlier one did: by the events, and wherever it is shown."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from provisioner.cli import provisioner
from provisioner.execute.undoing import acted_on
from provisioner.journal import Journal, ended, standing
from provisioner.model import Outcome, Result
from provisioner.model.results import Stands, stands
from provisioner.record import document
from tests.conftest import told, unfolded
from tests.execute.plans import apply, some
from tests.fixtures.fleets import write
from tests.fixtures.records import PLAN, fill
from tests.worlds.memory import AT

# One end of a step: whether it had been begun, and how it ended; "held" was begun and did nothing.
End = tuple[bool | str, Result]
D, U, F, W = Result.DONE, Result.UNCHANGED, Result.FAILED, Result.WAITING
LOST, STALE, NOBODY, BACK = Result.UNREACHABLE, Result.STALE, Result.UNKNOWN, Result.UNDONE

# The ends in their order; what stands, and what the last look found ("" where nobody has looked since).
TABLE: Sequence[tuple[str, list[End], Result, str]] = (
    ("done once", [(True, D)], D, ""),
    ("never needed", [(False, U)], U, ""),
    ("never needed, seen twice", [(False, U), (False, U)], U, ""),
    ("done, then looked at", [(True, D), (False, U)], D, "unchanged"),
    ("done, then looked at twice", [(True, D), (False, U), (False, U)], D, "unchanged"),
    ("done, then away", [(True, D), (False, LOST)], D, "unreachable"),
    ("done, then changed by somebody", [(True, D), (False, STALE)], D, "stale"),
    ("done, then changed, then right again", [(True, D), (False, STALE), (False, U)], D, "unchanged"),
    ("done, then kept off by another team", [(True, D), ("held", W)], D, "waiting"),
    ("put back, then looked at", [(True, BACK), (False, U)], BACK, "unchanged"),
    ("done, drifted and done again, and failed", [(True, D), (True, F)], F, ""),
    ("failed, then done", [(True, F), (True, D)], D, ""),
    ("failed, then right by somebody else", [(True, F), (False, U)], U, "unchanged"),
    ("started, approved after the run", [(True, W), (False, U)], D, "unchanged"),
    ("the run died; what it began is there", [(True, NOBODY), (False, U)], D, "unchanged"),
    ("the line broke; what was begun is there", [(True, LOST), (False, U)], D, "unchanged"),
    ("not the hours, then never needed", [(False, W), (False, U)], U, ""),
    ("away, then never needed", [(False, LOST), (False, U)], U, ""),
    ("kept off, then never needed", [("held", W), (False, U)], U, ""),
    ("waited for a person, who has done it", [(False, W), (False, D)], D, ""),
    ("a person has done it, and a reading shows it again", [(False, D), (False, D)], D, "done"),
)


def outcome(result: Result, minute: int, *, untouched: bool = False) -> Outcome:
    at = AT + timedelta(minutes=minute)
    return Outcome(
        step="s", gateway="g", result=result, changed=result is D, started=at, ended=at, message=f"said at {minute}",
        untouched=untouched,
    )  # fmt: skip


def happened(ends: Sequence[End]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for minute, (begun, result) in enumerate(ends):
        yield "run_started", "", {"by": f"person-{minute}@host pid 7"}
        if begun:
            yield "step_started", "s", {"mark": "m"}
        event = ended(outcome(result, minute, untouched=begun == "held"), "p")
        yield event.kind, event.step, dict(event.body)


@pytest.mark.parametrize(("ends", "result", "again"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_what_stands(ends: list[End], result: Result, again: str) -> None:
    found = stands(happened(ends))["s"]
    assert found.result is result
    assert (found.again.result if found.again else "") == again
    last = len(ends) - 1
    if again:
        assert found.by == "person-0@host pid 7" and found.again_by == f"person-{last}@host pid 7"
        assert found.outcome.ended == AT
    else:
        assert found.by == f"person-{last}@host pid 7"


def test_a_damaged_outcome_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="validation error"):
        stands([("step_ended", "s", {"step": "s"})])


def test_a_second_apply_hides_nothing_and_undo_knows_what_the_first_did(tmp_path: Path) -> None:
    world = some(3)
    with Journal.open(tmp_path / "journal.db") as journal:
        plan = world.plan(remedies=["firewall"])
        journal.save(plan)
        apply(world, plan, journal)
        back = acted_on(journal, plan.id)
        world.pause(3600)
        world.machines["B84001"].online = False
        assert {one.result for one in apply(world, plan, journal).outcomes} == {U, LOST}
        found = standing.stands(journal, plan.id)
        words = [one.title for one in journal.history() if one.kind == "run ended"]
        links = journal.links([plan.id])
        assert acted_on(journal, plan.id) == back
    assert words == ["2 unchanged (2 done by an earlier run), 1 unreachable", "3 done"]
    assert {one.result for one in found.values()} == {D}
    assert {one.outcome.ended for one in found.values()} == {AT}
    looks = {one.outcome.gateway: one.again.result for one in found.values() if one.again}
    assert looks == {"B84000": U, "B84001": LOST, "B84002": U}
    steps = [{"plan": plan.id, "id": step.id} for step in plan.steps]
    told = document.told(steps, links)["standing"]
    assert {one["result"] for one in told.values()} == {"done"}
    assert told[f"{plan.id} B84001-firewall"]["again"]["result"] == "unreachable"


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """A fleet whose plan was run again, by another person, who changed nothing."""
    folder = write(tmp_path / "fleet", {})
    path = folder / ".provisioner" / "journal.db"
    fill(path)
    with Journal.open(path) as journal:
        before = standing.stands(journal, PLAN)
        journal.append(_looks(before["s-0-connector"]))
    return folder


def _looks(one: Stands) -> Iterator[Any]:
    from provisioner.journal import Event

    at = one.outcome.ended + timedelta(days=1)
    yield Event(at=at, kind="run_started", plan=PLAN, body={"words": "", "by": "bob@controller pid 9"})
    yield ended(replace(one.outcome, result=U, changed=False, started=at, ended=at, message="already as planned"), PLAN)
    yield Event(at=at, kind="run_ended", plan=PLAN, body={"words": "1 unchanged"})


def run(fleet: Path, *arguments: str) -> str:
    done = CliRunner().invoke(provisioner, ["--fleet", str(fleet), *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_show_says_what_stands_by_whom_and_who_has_looked_since(fleet: Path) -> None:
    head, *rows = (line.split("\t") for line in run(fleet, "show", PLAN).splitlines())
    steps = [dict(zip(head, row, strict=True)) for row in rows]
    row = next(one for one in steps if (one["gateway"], one["step"]) == ("GW-A84002", "connector"))
    assert (row["wave"], row["result"], row["changed"], row["by"]) == ("1", "done", "yes", "alice@controller pid 7")
    assert row["at"].startswith("2026-11-23T20:")
    text = run(fleet, "--format", "table", "show", PLAN)
    assert unfolded(text).splitlines()[-1] == f"Next: {told('audit', fleet)}"
    assert "Done by alice@controller, 23 Nov 2026 20:" in text
    assert "Looked at again by bob@controller, 24 Nov 2026 20:" in text and ": 1 unchanged." in text
    assert "Since then undo-20261125-090000 (undo): 1 step: 1 undone." in text


def test_json_and_the_change_request_say_the_same(fleet: Path, tmp_path: Path) -> None:
    told = json.loads(run(fleet, "--format", "json", "show", PLAN))["standing"]
    one = next(one for one in told if one["step"] == "s-0-connector")
    assert (one["result"], one["by"]) == ("done", "alice@controller pid 7")
    assert (one["again"]["result"], one["again"]["by"]) == ("unchanged", "bob@controller pid 9")
    assert told == json.loads(run(fleet, "report", PLAN, "--as", "json"))["standing"]
    page = run(fleet, "report", PLAN)
    assert "What became of it" in page and "Looked at again by bob@controller" in page


def test_a_record_says_the_same_and_is_right_by_itself(fleet: Path, tmp_path: Path) -> None:
    run(fleet, "record", PLAN, "--output", str(tmp_path / "record"))
    assert run(fleet, "record", "--verify", str(tmp_path / "record"))
    page = (tmp_path / "record" / "A84002.html").read_text("utf-8")
    at = page.index("<h4>connector ")
    heading = page[at : page.index("</h4>", at)]
    assert ">done<" in heading and "unchanged" not in heading
    assert "bob@controller" in page[at : page.index("<h4>", at + 5)]
    path = tmp_path / "record" / "A84002.json"
    told = json.loads(path.read_text("utf-8"))
    step = next(step for step in told["steps"] if step["id"] == "s-0-connector")
    assert step["standing"]["result"] == "done"
    step["standing"]["by"] = "mallory@controller pid 9"
    path.write_text(json.dumps(told), "utf-8")
    assert "its standing are not what its events tell" in run(fleet, "record", "--verify", str(tmp_path / "record"))
