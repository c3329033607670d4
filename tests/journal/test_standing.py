"""What the journal says is still open on a gateway, for the fence of a start."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from provisioner.journal import Journal, entries
from provisioner.journal.standing import unsettled
from provisioner.model import Outcome, Result
from tests.worlds.memory import AT

FIRST, SECOND = AT, AT + timedelta(seconds=30)
HELD = Outcome(
    step="step", gateway="A81001", result=Result.WAITING, changed=False, started=SECOND, ended=SECOND, untouched=True
)
LOST = replace(HELD, result=Result.UNKNOWN, untouched=False)
DONE = replace(HELD, result=Result.DONE, untouched=False)


@pytest.mark.parametrize(
    ("ends", "open_since"),
    [
        ([HELD], None),
        ([LOST], FIRST),
        ([None, HELD], FIRST),
        ([LOST, HELD], FIRST),
        ([HELD, LOST], SECOND),
        ([LOST, LOST], SECOND),
        ([LOST, DONE], None),
    ],
)
def test_a_step_that_was_kept_off_neither_opens_nor_closes_anything(
    ends: list[Outcome | None], open_since: datetime | None, tmp_path: Path
) -> None:
    """Each try of the step, by how it ended; None: nobody heard."""
    with Journal.open(tmp_path / "journal.db") as journal:
        for at, end in zip((FIRST, SECOND), ends, strict=False):
            journal.append([entries.started("step", "A81001", "plan", at, "run")])
            if end:
                journal.append([entries.ended(end, "plan")])
        found = unsettled(journal, ["A81001", "A81002"], AT - timedelta(hours=1))
    assert found == ({"A81001": open_since} if open_since else {})
