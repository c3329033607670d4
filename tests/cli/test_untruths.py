"""What is said agrees with what is so: the audit with the plan, a migration's status with what persons said, and the
question with what is left to do."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest

from provisioner.cli import asking, lookup, moves, plans, progress, provisioner, runs
from provisioner.cli.options import Common
from provisioner.cli.watch import Screen, Watch
from provisioner.errors import InputError
from provisioner.execute import undoing
from provisioner.execute.events import PersonAwaited, StepEnded
from provisioner.journal import Event, Journal, standing
from provisioner.migration import stand
from provisioner.model import Outcome, Plan, Reason, Result
from provisioner.plan.causes import causes
from provisioner.report import words
from provisioner.report.view import view
from tests.execute.plans import apply
from tests.migration.operators import NEW, OLD, Operator
from tests.worlds.disk import LabWorld
from tests.worlds.memory import AT, Machine, World, fleet, gateway


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(tmp_path / "journal.db") as opened:
        yield opened


def within() -> click.Context:
    """A command without options, of which nobody is at the terminal."""
    return click.Context(provisioner, obj=Common())


def whose(world: World, name: str) -> dict[str, str]:
    """By whose job it is what the audit says is missing at a gateway."""
    audit = world.audit()
    shown = view(audit, {}, causes(audit, world.fleet))
    machine = next(one for one in shown.machines if one.gateway.name == name)
    return {row.control.id: row.whose for row in machine.rows if row.blocks}


def test_the_audit_promises_no_plan_that_plan_does_not_make() -> None:
    machines = {name: Machine(rule=True, service=True) for name in ("B84000", "B84001")}
    rows = fleet(gateway("B84000"), gateway("B84001"))
    # Of the second nobody has stated that no other PC runs a Connector: nothing is started there.
    world = World(replace(rows, statements=rows.statements[:1]), **machines)
    assert {step.id for step in world.plan().steps} == {"B84000-start"}
    assert whose(world, "B84000")["R17-running"] == "a plan"
    assert whose(world, "B84001")["R17-running"] == "ICB IT"
    found = [one for one in causes(world.audit(), world.fleet) if one.control == "R17-running"]
    assert [(one.remedy, one.gateways) for one in found] == [("start", ("B84000",)), ("", ("B84001",))]
    assert "nobody has stated that no other PC of this practice runs a Connector" in found[1].text


def test_where_nothing_is_planned_at_all_the_audit_says_what_comes_first() -> None:
    world = World(fleet(gateway("B84000")), B84000=Machine(right_pc=False))
    assert world.plan().steps == ()
    assert set(whose(world, "B84000").values()) <= {"ICB IT", "the practice", "somebody who looks"}
    texts = [one.text for one in causes(world.audit(), world.fleet) if one.control == "R14-rule"]
    assert texts and texts[0].endswith("(no plan does it before R5-identity is settled)")


def test_of_a_done_plan_nothing_is_asked_and_it_is_said_to_be_done(
    journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World(fleet(gateway("B84000"), gateway("B84001")))
    planned = world.plan(remedies=["firewall"])
    journal.save(planned, "a plan")
    world.machines["B84001"].online = False
    apply(world, planned, journal)
    with within(), pytest.raises(InputError, match="Change 1 gateway in 1 wave, 1 step"):
        asking.ask(planned, journal)
    world.machines["B84001"].online = True
    apply(world, planned, journal)
    capsys.readouterr()
    with within():
        asking.ask(planned, journal)
    told = capsys.readouterr().err
    assert told.startswith("2 of 2 steps were done already")
    assert "put back" not in told


def test_a_plan_of_nothing_asks_nothing_and_is_not_what_comes_next(journal: Journal) -> None:
    world = World(fleet(gateway("B84000")), B84000=Machine(right_pc=False))
    planned = world.plan()
    with within():
        asking.ask(planned, journal)
    then = plans.following(planned, world.fleet, approved=False)
    assert planned.audit in then and "apply" not in then


def test_what_was_put_back_since_is_not_called_done(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    world = World(fleet(gateway("B84000"), gateway("B84001")))
    planned = world.plan(remedies=["firewall"])
    for document in (world.audit(), planned):
        journal.save(document, "before")
    apply(world, planned, journal)
    back = undoing.way_back(journal, planned)
    undoing.keep(journal, planned, back)
    assert standing.put_back(journal, planned) == {}
    # Of the two only the first was begun to be put back; a plan that is begun again has not done it by that.
    later = datetime.now(UTC) + timedelta(hours=1)
    begun = Event(at=later, kind="step_started", plan=back.id, step=back.steps[0].id, gateway=back.steps[0].gateway)
    journal.append([begun, Event(at=later, kind="run_started", plan=planned.id)])
    with within(), pytest.raises(InputError, match="Change 1 gateway in 1 wave, 1 step"):
        asking.ask(planned, journal)
    told = " ".join(capsys.readouterr().err.split())
    assert told.startswith("1 of 2 steps was done already") and f"put back since by {back.id}" in told


def test_what_a_clock_that_was_ahead_has_made_is_not_taken_for_the_newest_in_silence(
    journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    planned = World(fleet(gateway("B84000"))).plan(remedies=["firewall"])
    for ahead in (timedelta(0), timedelta(days=1)):
        made = replace(planned, at=datetime.now(UTC) + ahead, id=f"{planned.id}-{ahead.days}")
        journal.save(made, "a plan")
        assert lookup.any_plan(journal, "latest").id == made.id
        assert ("which is still to come" in capsys.readouterr().err) == bool(ahead)


# A migration that waits for a person.


def waiting(folder: Path) -> tuple[Operator, Plan]:
    """A migration that waits for somebody to compare the Online Record, which no reading shows."""
    LabWorld.make(folder)
    operator = Operator(folder)
    planned = operator.planned()
    operator.run(planned)
    return operator, planned


def status(operator: Operator, planned: Plan) -> str:
    with operator.journal() as opened:
        return moves.text(stand.stand(opened, planned.id), operator.world().fleet)


def test_status_says_once_what_is_asked_and_how_it_is_confirmed(tmp_path: Path) -> None:
    operator, planned = waiting(tmp_path)
    text = status(operator, planned)
    assert text.count('"Visible in the Online Record"') == 1
    assert "provisioner migrate confirm B84001 online-record --by NAME" in text


def test_after_a_confirmation_status_waits_no_more(tmp_path: Path) -> None:
    operator, planned = waiting(tmp_path)
    operator.confirm(planned, "online-record")
    text = status(operator, planned)
    assert "Waits for" not in text
    assert "online-record is confirmed by B. Person" in text and "Next: provisioner migrate start B84001" in text


def test_a_confirmation_that_the_gateway_belies_is_not_taken_for_an_answer(tmp_path: Path) -> None:
    operator, planned = waiting(tmp_path)
    step = next(one for one in planned.steps if one.remedy == "online-record")
    operator.confirm(planned, "online-record")
    at = operator.world().now()
    said = f"practice: {step.words}; confirmed by B. Person: seen, but the gateway shows otherwise"
    outcome = Outcome(
        step=step.id,
        gateway=step.gateway,
        result=Result.WAITING,
        changed=False,
        started=at,
        ended=at,
        message=said,
        reason=Reason.ASKED,
    )
    with operator.journal() as opened:
        from provisioner.journal import ended

        opened.append([Event(at=at, kind="run_started", plan=planned.id, body={"words": ""})])
        opened.append([ended(outcome, planned.id)])
        opened.append([Event(at=at, kind="run_ended", plan=planned.id, body={"words": ""})])
    assert "Waits for the practice" in status(operator, planned)


def test_a_run_that_only_waits_says_so_and_how_to_confirm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    operator, planned = waiting(tmp_path)
    ended = operator.run(planned)
    with operator.journal() as opened, within():
        again, then = words.command(planned), stand.after(planned)
        runs.show(planned, ended, operator.world().fleet, opened, again=again, then=then)
    said = capsys.readouterr().out
    assert "Mend what is said above" not in said and "Nothing has failed" in said
    assert "provisioner migrate confirm B84001 online-record --by NAME" in said
    # What is done was said when it was done.
    assert OLD not in said.replace(NEW, "")


def test_what_a_person_is_asked_is_not_said_again_when_nobody_has_done_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    planned = World(fleet(gateway("B84000"))).plan()
    watch, words = Watch(planned, fleet(gateway("B84000")), Screen()), "press Approve in SystmOne"
    watch.say(PersonAwaited(steps=planned.steps[-1:], words=words, until=AT))
    outcome = Outcome(
        step=planned.steps[-1].id, gateway="B84000", result=Result.WAITING, changed=False, started=AT, ended=AT,
        message=f"practice: {words} (now: nobody has)",
    )  # fmt: skip
    watch.say(StepEnded(outcome=outcome))
    said = capsys.readouterr().err
    assert said.count(words) == 1 and "not yet (now: nobody has)" in said


def test_of_nothing_that_is_read_no_progress_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "live", lambda: True)
    assert list(progress.reading(iter(()), 0, "find")) == []
    assert capsys.readouterr().err == ""
