"""Who holds which gateway, and taking that from somebody: by a person's word, with a reason, and never unseen."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest

from provisioner import processes
from provisioner.errors import InputError, ProvisionerError
from provisioner.journal import Journal
from provisioner.processes import Process
from tests.fixtures.documents import promised
from tests.fixtures.fleets import write
from tests.record.records import run
from tests.worlds.memory import AT

LATER = AT + timedelta(hours=4)
ELSEWHERE = Process(user="alice", host="elsewhere", pid=3, started="b:1")
GONE = replace(processes.this(), pid=2**22 + 1, started="another boot:1")


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    return write(tmp_path / "fleet", {})


@pytest.fixture
def journal(fleet: Path) -> Iterator[Journal]:
    with Journal.open(fleet / ".provisioner" / "journal.db") as opened:
        yield opened


@pytest.fixture
def living() -> Iterator[Process]:
    """Another process of this machine that is alive."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    me = processes.this()
    yield replace(me, pid=child.pid, started=processes._started(child.pid))
    child.communicate(b"\n")


def test_the_list_says_who_why_and_whether_they_live(fleet: Path, journal: Journal, living: Process) -> None:
    journal.take(["GW-A81001"], ELSEWHERE, "plan-1", AT, LATER)
    journal.take(["GW-A81002"], GONE, "plan-2", AT, LATER)
    journal.take(["plan-3"], living, "apply", AT, LATER)
    document = json.loads(run("--fleet", fleet, "lease", "list", "--format", "json").stdout)
    jsonschema.validate(document, promised("leases"))
    assert [(one["gateway"], one["dead"], one["pid"]) for one in document["leases"]] == [
        ("GW-A81001", None, 3),
        ("GW-A81002", True, GONE.pid),
        ("plan-3", False, living.pid),
    ]
    assert document["leases"][0] == {
        "gateway": "GW-A81001", "user": "alice", "machine": "elsewhere", "pid": 3, "why": "plan-1",
        "since": "2026-11-23T20:15:00Z", "until": "2026-11-24T00:15:00Z", "dead": None,
    }  # fmt: skip
    head, *rows = (line.split("\t") for line in run("lease", "list", "--fleet", fleet).stdout.splitlines())
    assert head == ["gateway", "who", "why", "since", "until", "process"]
    assert [(row[0], row[5]) for row in rows] == [
        ("GW-A81001", "elsewhere"), ("GW-A81002", "dead"), ("plan-3", "lives")
    ]  # fmt: skip
    shown = run("lease", "list", "--fleet", fleet, "--format", "table").stdout
    for words in ("alice@elsewhere pid 3", "another machine's", "its process is dead", "its process lives", "plan-2"):
        assert words in shown


def test_an_empty_list(fleet: Path) -> None:
    assert "Nobody" in run("--fleet", fleet, "lease", "list", "--format", "table").stdout
    empty = run("--fleet", fleet, "lease", "list")
    assert ("Nobody" in empty.stderr, len(empty.stdout.splitlines())) == (True, 1)
    assert json.loads(run("--fleet", fleet, "lease", "list", "--format", "json").stdout)["leases"] == []


def test_a_lease_is_broken_by_a_word_that_is_kept(fleet: Path, journal: Journal) -> None:
    journal.take(["GW-A81001", "GW-A81002"], ELSEWHERE, "plan-1", AT, LATER)
    with pytest.raises(InputError, match="Nobody can be asked"):
        run("--fleet", fleet, "lease", "break", "GW-A81001", "--because", "Alice is on leave")
    because = ("--because", "Alice is on leave", "--yes", "--format", "json")
    document = json.loads(run("--fleet", fleet, "lease", "break", "gw-a81001", *because).stdout)
    jsonschema.validate(document, promised("leases"))
    assert [lease.gateway for lease in journal.leases()] == ["GW-A81002"]
    (event,) = journal.events()
    assert (event.kind, event.gateway, event.body["why"]) == ("lease_broken", "GW-A81001", "Alice is on leave")
    me = processes.this()
    assert event.body["by"] == str(me)
    assert event.body["holder"] == str(ELSEWHERE)


def test_whose_process_lives_here_is_named_and_needs_more_than_an_answer(
    fleet: Path, journal: Journal, living: Process
) -> None:
    journal.take(["GW-A81001"], living, "plan-1", AT, LATER)
    with pytest.raises(InputError, match=f"pid {living.pid} lives on this machine") as caught:
        run("--fleet", fleet, "lease", "break", "GW-A81001", "--because", "I am sure")
    assert "--yes" in caught.value.hint
    assert len(journal.leases()) == 1
    run("--fleet", fleet, "lease", "break", "GW-A81001", "--because", "I am sure", "--yes")
    assert journal.leases() == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("GW-A81001", "--because", "why"), "nobody holds a lease"),
        (("GW-A81002", "--because", "  "), "says nothing"),
    ],
)
def test_what_is_refused(words: tuple[str, ...], said: str, fleet: Path, journal: Journal) -> None:
    journal.take(["GW-A81002"], ELSEWHERE, "plan-1", AT, LATER)
    with pytest.raises(InputError, match=said):
        run("--fleet", fleet, "lease", "break", *words, "--yes")
    assert journal.events() == []


def test_a_lease_that_has_passed_on_meanwhile_is_not_broken(journal: Journal) -> None:
    journal.take(["GW-A81001"], ELSEWHERE, "plan-1", AT, LATER)
    with pytest.raises(InputError, match=re.escape("alice@elsewhere pid 3 holds the lease by now")):
        journal.break_lease("GW-A81001", "me", "why", AT, holder=GONE)
    assert len(journal.leases()) == 1


def test_what_is_old_is_removed_after_a_yes(fleet: Path) -> None:
    from tests.fixtures.records import PLAN, fill

    path = fleet / ".provisioner" / "journal.db"
    fill(path)
    with pytest.raises(InputError, match="readings"):
        run("--fleet", fleet, "history", "--prune", "1")
    with Journal.open(path) as journal:
        # One plan of the past broke off in a step, and so did a run of another: both stay, whatever their age.
        assert journal.progress(PLAN).unended
        asked = journal.old(AT + timedelta(days=3650))
    document = json.loads(run("--fleet", fleet, "history", "--prune", "1", "--yes", "--format", "json").stdout)
    jsonschema.validate(document, promised("pruned"))
    assert document["removed"] == {"audits": 0, "plans": 0, "events": 0, "readings": asked.readings}
    assert asked.readings > 0
    assert "Nothing that is older" in run("--fleet", fleet, "history", "--prune", "1").stdout
    assert "pruned" in run("--fleet", fleet, "history").stdout
    # The record of what stayed is as it was.
    run("--fleet", fleet, "record", PLAN, "--output", fleet / "record")
    assert run("record", "--verify", fleet / "record").return_value == 0


def test_nothing_is_removed_from_a_journal_that_was_changed(fleet: Path) -> None:
    from tests.fixtures.records import fill
    from tests.journal.journals import change

    path = fleet / ".provisioner" / "journal.db"
    fill(path)
    change(path, "DELETE FROM events WHERE seq = 8")
    ran = run("--fleet", fleet, "history", "--prune", "1", "--yes")
    assert (ran.return_value, "cannot be trusted: event 8 is missing" in ran.stderr) == (2, True)
    with Journal.open(path) as journal, pytest.raises(ProvisionerError, match="event 8"):
        journal.prune(AT, "me", AT)
