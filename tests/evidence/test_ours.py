"""What the evidence script says of our own work on a gateway, by the gateway's own clock and processes."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.fixtures.evidence import asked, document, lay_out, run

ROOT = "C:\\ProgramData\\provisioner"
DOOR = f"function Get-DataFolder {{ '{ROOT}' }}"


def ago(**time: float) -> str:
    return f"{datetime.now(UTC) - timedelta(**time):%Y-%m-%dT%H:%M:%SZ}"


@pytest.mark.engine
def test_a_marker_stands_for_its_minutes_and_a_note_while_the_process_that_it_names_lives(
    pwsh: str, tmp_path: Path
) -> None:
    """A number that is given away again is somebody else's: who started later than the note says."""
    mine = os.getpid()
    notes = [("before.json", "before", ago(days=3000)), ("now.json", "now", ago())]
    files = {f"{ROOT}\\running\\{name}": {"pid": mine, "what": what, "started": at} for name, what, at in notes}
    files |= {f"{ROOT}\\marker.json": {"journal": "j-1", "step": "s", "since": ago(minutes=10), "minutes": 60}}
    lay_out({path: json.dumps(told) for path, told in files.items()}, tmp_path)
    section = document(run(pwsh, asked("ours"), DOOR, folder=tmp_path))["sections"]["ours"]
    assert section["error"] is None
    assert section["data"]["marker"]["seconds_left"] == pytest.approx(50 * 60, abs=120)
    assert [(one["pid"], one["what"]) for one in section["data"]["unfinished"]] == [(mine, "now")]
