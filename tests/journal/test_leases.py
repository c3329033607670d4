"""A lease is held by one, ends, is taken over, and that is recorded."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from provisioner import processes
from provisioner.errors import InputError
from provisioner.journal import Journal
from tests.journal.journals import LATER, journal
from tests.worlds.memory import AT

__all__ = ["journal"]  # fixtures


ME = processes.this()


ALICE = processes.Process(user="alice", host="elsewhere", pid=3, started="b:1")


def test_a_lease_is_held_by_one(journal: Journal) -> None:
    assert journal.take(["B84001", "B84002"], ALICE, "plan-1", AT, LATER) == {}
    kept = journal.take(["B84002", "B84003"], ME, "plan-2", AT, LATER)
    assert list(kept) == ["B84002"]
    assert (kept["B84002"].holder, kept["B84002"].why, kept["B84002"].until) == (ALICE, "plan-1", LATER)
    assert {lease.gateway: lease.holder for lease in journal.leases()} == {
        "B84001": ALICE,
        "B84002": ALICE,
        "B84003": ME,
    }
    journal.release(["B84001", "B84003"], ME)
    assert [lease.gateway for lease in journal.leases()] == ["B84001", "B84002"]


def test_a_lease_past_its_end_is_taken_over_and_that_is_recorded(journal: Journal) -> None:
    journal.take(["B84001"], ALICE, "plan-1", AT, LATER)
    assert journal.take(["B84001"], ME, "plan-2", LATER, LATER + timedelta(hours=1)) == {}
    broken = journal.events()[0]
    assert (broken.kind, broken.gateway, broken.body["holder"]) == ("lease_broken", "B84001", str(ALICE))


def test_a_dead_process_holds_nothing(journal: Journal) -> None:
    dead = replace(ME, started="another boot:1")
    journal.take(["B84001"], dead, "plan-1", AT, LATER)
    assert journal.take(["B84001"], ME, "plan-2", AT, LATER) == {}
    assert journal.leases()[0].holder == ME


def test_a_persons_word_breaks_a_lease(journal: Journal) -> None:
    journal.take(["B84001"], ALICE, "plan-1", AT, LATER)
    journal.break_lease("B84001", "B. Person", "Alice is on leave", AT)
    assert journal.leases() == []
    assert journal.events()[0].body["by"] == "B. Person"
    with pytest.raises(InputError):
        journal.break_lease("B84001", "B. Person", "again", AT)


class Leases(RuleBasedStateMachine):
    """No two holders at once, whatever they do; time only goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = file_folder()
        self.journal = Journal.open(self.folder / "journal.db")
        self.now, self.held = AT, dict[str, tuple[processes.Process, object]]()

    @rule(
        names=st.sets(st.sampled_from(["A", "B", "C"]), min_size=1),
        who=st.sampled_from([ME, ALICE]),
        hours=st.integers(1, 3),
    )
    def take(self, names: set[str], who: processes.Process, hours: int) -> None:
        until = self.now + timedelta(hours=hours)
        kept = self.journal.take(sorted(names), who, "why", self.now, until)
        for name in names:
            other = self.held.get(name)
            taken = not other or other[0] == who or other[1] <= self.now  # type: ignore[operator]
            assert (name not in kept) == taken
            if taken:
                self.held[name] = (who, until)

    @rule(names=st.sets(st.sampled_from(["A", "B", "C"])), who=st.sampled_from([ME, ALICE]))
    def release(self, names: set[str], who: processes.Process) -> None:
        self.journal.release(names, who)
        self.held = {name: one for name, one in self.held.items() if name not in names or one[0] != who}

    @rule(minutes=st.integers(30, 90))
    def later(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @invariant()
    def as_told(self) -> None:
        assert {one.gateway: (one.holder, one.until) for one in self.journal.leases()} == self.held

    def teardown(self) -> None:
        assert self.journal.verify() == ""
        self.journal.close()


_folders: list[Path] = []


def file_folder() -> Path:
    folder = _folders[0] / f"leases-{len(_folders)}"
    _folders.append(folder)
    return folder


def test_leases_as_a_state_machine(tmp_path: Path) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    _folders[:] = [tmp_path]
    run_state_machine_as_test(Leases, settings=settings(max_examples=15, stateful_step_count=15, deadline=None))
