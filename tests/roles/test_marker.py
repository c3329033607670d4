"""The marker by which two teams do not meet on one PC: the module, a run that sets it, and who waits."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from provisioner import resources
from tests.fixtures.windows import ROOT, Engine, doubled, windows_home, wine_engine
from tests.roles.markers import OURS, PLACE, marker

__all__ = ["windows_home", "wine_engine"]


CHECK = {"_ansible_check_mode": True}


THEIRS = {**OURS, "journal": "j-2", "by": "another team"}


Jobs = Sequence[str | tuple[str, Mapping[str, Any]]]


def library(folder: Path, **functions: str) -> Path:
    """The module with doubles: Wine and Linux know no rights."""
    made = {"New-Folder": "    $null = [System.IO.Directory]::CreateDirectory($Path)"}
    return doubled(folder, "work_marker", made | {name.replace("_", "-"): body for name, body in functions.items()})


# What a reading says of the marker there, into a file: by parts of the script that hold nothing but functions.
READ = f"""
    foreach ($part in 'doors', 'helpers', 'ours') {{
        . ([ScriptBlock]::Create([System.IO.File]::ReadAllText("Z:{resources.script()}/$part.ps1")))
    }}
    $marker = (Read-Ours).marker
    $minutes = if ($marker) {{ [Math]::Ceiling($marker.seconds_left / 600) }}
    [System.IO.File]::AppendAllText('C:\\read', "$($marker.journal) $($marker.step) $minutes`n")
"""


@pytest.mark.wine
def test_a_marker_is_set_once_read_as_evidence_and_taken_away(wine_engine: Engine, tmp_path: Path) -> None:
    engine = replace(wine_engine, library=library(tmp_path / "library"))
    assert engine.prefix
    drive = engine.prefix / "drive_c"
    folder = drive / "ProgramData" / "provisioner"
    (asked,) = engine.run([marker(PLACE, **CHECK)])
    assert (asked["changed"], asked["before"], folder.exists()) == (True, None, False)
    away: dict[str, Any] = {"state": "absent"}
    answers = engine.run(
        [marker(), READ, marker(), marker(PLACE, **away, **CHECK), READ, marker(**away), READ, marker(**away), marker()]
    )
    assert [one["changed"] for one in answers] == [True, False, True, True, False, True]
    assert answers[1]["before"] == {**OURS, "since": answers[1]["before"]["since"]}
    line = "j-1 A81001-firewall 6"
    assert (drive / "read").read_text("utf-8").splitlines() == [line, line, "  "]
    written = json.loads((folder / "marker.json").read_text("utf-8"))
    assert written == {**OURS, "since": written["since"]}
    assert abs(datetime.fromisoformat(written["since"]) - datetime.now(UTC)) < timedelta(minutes=5)
    assert [path.name for path in folder.iterdir()] == ["marker.json"]
    closed = "O:BAD:PAI(A;OICI;FA;;;BA)(A;OICI;FA;;;SY)"
    sources = [(ROOT / "plugins" / "modules" / f"{name}.ps1").read_text("utf-8") for name in (
        "work_marker", "folder_access")]  # fmt: skip
    assert f"'{closed}'" in sources[0]
    assert closed.removeprefix("O:BAD:PAI") in sources[1]


@pytest.mark.engine
def test_another_pc_than_the_named_one_is_told_before_anything_is_written(pwsh: str, tmp_path: Path) -> None:
    engine = Engine(pwsh, tmp_path, library=library(tmp_path / "library"))
    path = tmp_path / "ours" / "marker.json"
    # Windows cuts the name by which it calls itself at 15 characters; this computer may have any.
    double = (tmp_path / "library" / "work_marker.ps1").read_text("utf-8")
    name = "GWPC-A84002-REC"
    named = double.replace("[Environment]::MachineName", f"'{name}'")
    (tmp_path / "library" / "work_marker.ps1").write_text(named, "utf-8")
    assert named != double
    wrong, right, cut, free = engine.run(
        [
            marker(path, computer="GWPC-A84003-REC"),
            marker(path, computer="gwpc-a84002-reception.surgery.nhs.uk", **CHECK),
            marker(path, computer=" GWPC-A84002-REC "),
            marker(path, computer=name, state="free", journal="j-1"),
        ]
    )
    assert wrong["msg"] == f"the PC at this address is {name}, and the row names GWPC-A84003-REC; nothing was changed"
    assert [one["changed"] for one in (right, cut, free)] == [True, True, False]


@pytest.mark.engine
def test_one_that_cannot_be_read_is_another_teams_for_a_day(pwsh: str, tmp_path: Path) -> None:
    engine = Engine(pwsh, tmp_path, library=library(tmp_path / "library"))
    paths = [tmp_path / f"{hours}.json" for hours in (23, 25)]
    for hours, path in zip((23, 25), paths, strict=True):
        path.write_text("{half", "utf-8")
        os.utime(path, (time.time() - hours * 3600,) * 2)
    *young, asked, old = engine.run([job for path in paths for job in (marker(path, **CHECK), marker(path))])
    assert [one["held"] for one in young] == [True, True]
    assert (tmp_path / "23.json").read_text("utf-8") == "{half"
    assert (asked["changed"], old["changed"]) == (True, True)
    assert json.loads((tmp_path / "25.json").read_text("utf-8"))["journal"] == "j-1"


@pytest.mark.engine
@pytest.mark.parametrize("apart", [-36, -2, 0, 2, 36])
def test_how_long_it_stands_is_its_own_gateways_matter(apart: int, pwsh: str, tmp_path: Path) -> None:
    """Whatever the clocks of those who come say: of a marker its age counts, on the clock that wrote it."""
    engine = Engine(pwsh, tmp_path, library=library(tmp_path / "library"))
    path = tmp_path / "marker.json"
    # The same moment on a gateway whose clock is so many hours apart: the marker's beginning moves with it.
    clock = (tmp_path / "library" / "work_marker.ps1").read_text("utf-8")
    shifted = clock.replace("[datetime]::UtcNow", f"[datetime]::UtcNow.AddHours({apart})")
    (tmp_path / "library" / "work_marker.ps1").write_text(shifted, "utf-8")
    an_hour_and_a_minute_before = rf"""
        $text = [System.IO.File]::ReadAllText('{path}')
        $since = [regex]::Match($text, '"since": *"([^"]+)"').Groups[1].Value
        $before = [datetimeoffset]::Parse($since).UtcDateTime.AddMinutes(-61).ToString('yyyy-MM-ddTHH:mm:ssZ')
        [System.IO.File]::WriteAllText('{path}', $text.Replace($since, $before))
    """
    another = marker(path, journal="j-2")
    first, second, after = engine.run([marker(path), another, an_hour_and_a_minute_before, another])
    assert first["changed"]
    assert second["held"]
    assert after["changed"]


@pytest.mark.engine
def test_another_name_of_the_same_journal_is_no_other_team(pwsh: str, tmp_path: Path) -> None:
    engine = Engine(pwsh, tmp_path, library=library(tmp_path / "library"))
    path = tmp_path / "marker.json"
    answers = engine.run(
        [
            marker(path, journal="j.1"),
            marker(path, journal="j.2"),
            marker(path, journal="j.2", known=["j.0", "j.1"]),
            marker(path, journal="j.3", state="absent"),
            marker(path, journal="j.3", known=["j.2"], state="absent"),
        ]
    )
    assert [one.get("held", False) for one in answers] == [False, True, False, False, False]
    assert [one["changed"] for one in answers] == [True, False, True, False, True]
    assert not path.exists()


@pytest.mark.wine
def test_who_finds_another_at_it_waits_and_looks_again(wine_engine: Engine, tmp_path: Path) -> None:
    """Both find a marker that is over; the first has the lock, and is through while the second waits."""
    engine = replace(wine_engine, library=library(tmp_path / "library", Wait_Moment="    & $global:meanwhile"))
    over, theirs = (json.dumps({**THEIRS, "since": f"{year}-01-01T00:00:00Z"}) for year in (2020, 2099))
    lock = (
        "$null = [System.IO.Directory]::CreateDirectory('C:\\m')\n"
        f"[System.IO.File]::WriteAllText('C:\\m\\marker.json', '{over}')\n"
        "$global:lock = [System.IO.File]::Open('C:\\m\\marker.json.lock', 'OpenOrCreate', 'ReadWrite', 'None')\n"
        "$global:meanwhile = { %s }\n"
    )
    through = f"[System.IO.File]::WriteAllText('C:\\m\\marker.json', '{theirs}'); $global:lock.Dispose()"
    place = marker("C:\\m\\marker.json")
    waited, never, seen, freed = engine.run(
        [lock % through, place, lock % "", place, (place[0], {**place[1], **CHECK}), "$global:lock.Dispose()", place]
    )
    assert waited["held"]
    assert waited["before"] == {**THEIRS, "since": "2099-01-01T00:00:00Z"}
    assert "journal j-2" in waited["msg"]
    assert never["held"]
    assert "marker.json.lock cannot be opened" in never["msg"]
    # Check mode takes no lock.
    assert seen["changed"]
    assert freed["changed"]


@pytest.mark.wine
def test_of_two_at_the_same_time_one_has_it(wine_engine: Engine, tmp_path: Path) -> None:
    engine = replace(wine_engine, library=library(tmp_path / "library"))
    assert engine.prefix
    folder = engine.prefix / "drive_c" / "m"
    folder.mkdir()
    rounds = range(6)
    for number in rounds[::2]:
        (folder / f"{number}.json").write_text(json.dumps({**THEIRS, "since": "2020-01-01T00:00:00Z"}), "utf-8")

    def meet(number: int, me: str, other: str) -> str:
        """PowerShell that goes on when the other one is at the same place."""
        event = "New-Object System.Threading.EventWaitHandle $false, 'ManualReset', '%s'"
        return (
            f"$global:a{number} = {event % f'{me}{number}'}; $b = {event % f'{other}{number}'}\n"
            f"$null = $global:a{number}.Set(); if (-not $b.WaitOne(600000)) {{ throw 'alone' }}"
        )

    def team(me: str, other: str) -> list[dict[str, Any]]:
        jobs: list[str | tuple[str, Mapping[str, Any]]] = []
        for number in rounds:
            # Without Ansible's own log: two that make its source at the same time break, under Wine.
            jobs += [meet(number, me, other), marker(f"C:\\m\\{number}.json", journal=me, _ansible_no_log=True)]
        return engine.run(jobs)

    with ThreadPoolExecutor() as pool:
        one, two = (pool.submit(team, *names) for names in (("j-1", "j-3"), ("j-3", "j-1")))
        for number, answers in enumerate(zip(one.result(), two.result(), strict=True)):
            won = [answer.get("changed") for answer in answers]
            assert sorted(map(bool, won)) == [False, True], answers
            assert answers[won.index(False)]["held"]
            left = json.loads((folder / f"{number}.json").read_text("utf-8"))
            assert left["journal"] == ("j-1", "j-3")[won.index(True)]
    assert {path.suffix for path in folder.iterdir()} == {".json"}
