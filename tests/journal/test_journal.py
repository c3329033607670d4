"""The journal keeps what was done, tells when it was touched, and says what is wrong with its file."""

import multiprocessing
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.errors import InputError, JournalError
from provisioner.journal import Event, Journal, ended, started
from provisioner.model import Outcome, Reason, Result
from tests.journal.journals import LATER, change, journal
from tests.worlds.memory import AT, World, fleet, gateway

__all__ = ["journal"]  # fixtures


def outcome(step: str, result: Result = Result.DONE) -> Outcome:
    return Outcome(
        step=step, gateway=step[:6], result=result, changed=True, started=AT, ended=AT, message="as said",
        before={"rule": None, "addresses": ["192.0.2.5"]},
    )  # fmt: skip


def test_audits_and_plans_come_back_as_they_were(journal: Journal) -> None:
    world = World(fleet(gateway("B84001"), gateway("B84002")))
    audit, plan = world.audit(), world.plan()
    journal.save(audit, "0 of 2 ready")
    journal.save(plan)
    assert journal.load(audit.id) == audit
    assert journal.load(plan.id) == plan
    assert journal.kept("audit") == [audit.id]
    assert journal.kept("plan") == [plan.id]
    assert {(entry.id, entry.title) for entry in journal.history()} == {(audit.id, "0 of 2 ready"), (plan.id, "")}


def test_the_latest_is_the_newest_whatever_was_saved_last(journal: Journal) -> None:
    audit = World(fleet(gateway("B84001"))).audit()
    assert journal.kept("audit") == []
    journal.save(replace(audit, id="new", at=LATER))
    journal.save(replace(audit, id="old", at=AT))
    assert journal.kept("audit")[0] == "new"


def test_an_unknown_id_is_the_askers_mistake(journal: Journal) -> None:
    with pytest.raises(InputError, match="plan-nope"):
        journal.load("plan-nope")


def test_what_was_saved_cannot_be_saved_over(journal: Journal) -> None:
    audit = World(fleet(gateway("B84001"))).audit()
    journal.save(audit)
    with pytest.raises(JournalError):
        journal.save(audit)


def test_progress_is_the_newest_word_of_each_step(journal: Journal) -> None:
    journal.append(
        [started("B84001-a", "B84001", "plan-1", AT, "m1"), started("B84002-a", "B84002", "plan-1", AT, "m1")]
    )
    journal.append([ended(outcome("B84001-a", Result.FAILED), "plan-1")])
    journal.append([started("B84001-a", "B84001", "plan-1", AT, "m2"), ended(outcome("B84001-a"), "plan-1")])
    journal.append([started("X-a", "X", "plan-2", AT, "m3")])
    progress = journal.progress("plan-1")
    assert progress.outcomes == {"B84001-a": outcome("B84001-a")}
    assert {step: event.body["mark"] for step, event in progress.unended.items()} == {"B84002-a": "m1"}
    assert progress.begun == {"B84001", "B84002"}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("a person has stated that this PC is switched off and stays so", Reason.STATED_OFF),
        ("practice: end SystmOne's Gateway on OLD-B84001 (now: it runs)", Reason.ASKED),
        ("icb-it: see that the Connector works", Reason.ASKED),
        ("not asked for yet, because NEW, which takes over, is away", Reason.NONE),
        ("already as planned", Reason.NONE),
    ],
)
def test_a_journal_without_reasons_tells_them_by_the_words_of_then(
    journal: Journal, message: str, reason: Reason
) -> None:
    event = ended(replace(outcome("B84001-a"), message=message), "plan-1")
    journal.append([replace(event, body={name: value for name, value in event.body.items() if name != "reason"})])
    assert journal.progress("plan-1").outcomes["B84001-a"].reason is reason


def test_a_reason_is_kept_whatever_the_words(journal: Journal) -> None:
    off = replace(outcome("B84001-a"), message="in other words", reason=Reason.STATED_OFF)
    said = replace(outcome("B84001-b"), message="a person has stated that this PC is switched off and stays so")
    journal.append([ended(off, "plan-1"), ended(said, "plan-1")])
    assert journal.progress("plan-1").outcomes == {"B84001-a": off, "B84001-b": said}


def test_runs_are_in_the_history(journal: Journal) -> None:
    journal.append([Event(at=AT, kind="run_started", plan="plan-1", body={"words": "by me"})])
    assert [(entry.id, entry.kind, entry.title) for entry in journal.history()] == [("plan-1", "run started", "by me")]


def test_events_that_fail_together_leave_nothing(journal: Journal) -> None:
    def breaks() -> Iterator[Event]:
        yield Event(at=AT, kind="one")
        raise ValueError("in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        journal.append(breaks())
    assert journal.events() == []


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE events SET body = '{}' WHERE seq = 2", "event 2 (two"),
        ("UPDATE events SET at = '2026-01-01T00:00:00+00:00' WHERE seq = 1", "event 1 (one"),
        ("UPDATE events SET gateway = 'B84009' WHERE seq = 3", "event 3 (three"),
        ("DELETE FROM events WHERE seq = 2", "event 2 is missing"),
        ("UPDATE events SET hash = before WHERE seq = 1", "event 1 (one"),
    ],
)
def test_a_changed_event_breaks_the_chain(journal: Journal, statement: str, words: str) -> None:
    journal.append(Event(at=AT, kind=kind, body={"said": kind}) for kind in ("one", "two", "three"))
    assert journal.verify() == ""
    change(journal.path, statement)
    assert words in journal.verify()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(st.tuples(st.text(), st.dictionaries(st.text(), st.text()))), max_size=5))
def test_any_events_come_back_in_order_and_whole(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[str, dict[str, str]]]]
) -> None:
    with Journal.open(tmp_path_factory.mktemp("any") / "journal.db") as journal:
        # A lone half of a pair is not text that any encoding can keep.
        batches = [[(_whole(kind), {_whole(key): _whole(value) for key, value in body.items()}) for kind, body in batch]
                   for batch in batches]  # fmt: skip
        for batch in batches:
            journal.append(Event(at=AT, kind=kind, body=body) for kind, body in batch)
        written = [Event(at=AT, kind=kind, body=body) for batch in batches for kind, body in batch]
        assert journal.events() == written
        assert journal.verify() == ""


def _whole(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def test_two_processes_write_one_chain(journal: Journal) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_some, args=(journal.path, f"w{number}")) for number in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert len(journal.events()) == 40
    assert journal.verify() == ""


def write_some(path: Path, name: str) -> None:
    with Journal.open(path) as journal:
        for number in range(20):
            journal.append([Event(at=AT, kind=f"{name}-{number}")])


def test_what_is_known_of_gateways_is_the_newest(journal: Journal) -> None:
    journal.see({"B84001": {"computer_name": "PC1", "serial": "1", "machine_guid": "a"}}, AT)
    journal.see({"B84001": {"computer_name": "PC2", "serial": "2", "machine_guid": "b"}}, LATER)
    assert journal.seen() == {"B84001": {"computer_name": "PC2", "serial": "2", "machine_guid": "b"}}
    journal.keep_endpoints({"B84001": (AT, {"measured_at": "x", "results": []})})
    ((at, body),) = journal.endpoints().values()
    assert (at, dict(body)) == (AT, {"measured_at": "x", "results": []})


def test_durations_are_medians(journal: Journal) -> None:
    assert journal.durations() == {}
    journal.took([("firewall", 1.0), ("firewall", 2.0), ("firewall", 90.0), ("java", 4.0)])
    assert journal.durations() == {"firewall": 2.0, "java": 4.0}
    # As an older provisioner kept them when the clock was set back: nothing was measured.
    journal.took([("firewall", -3600.0)] * 9 + [("power", 0.0)])
    assert journal.durations() == {"firewall": 2.0, "java": 4.0}
