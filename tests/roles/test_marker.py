"""The marker by which two teams do not meet on one PC: the module, a run that sets it, and who waits."""

import json
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from provisioner import remedies, resources
from provisioner.ansible import playbook
from provisioner.ansible.playbook import Marker, StepResult
from provisioner.execute import judge
from provisioner.fleet import load
from provisioner.lab import Handle
from provisioner.model import Result, Step
from provisioner.transport.credentials import LoginGuard
from tests.ansible import test_playbook
from tests.conftest import own_mark
from tests.fixtures.windows import ROOT, Engine, doubled, windows_home, wine_engine
from tests.worlds.memory import World, fleet, gateway

__all__ = ["windows_home", "wine_engine"]

CHECK = {"_ansible_check_mode": True}
OURS = {"journal": "j-1", "step": "A81001-firewall", "by": "Siân", "minutes": "60"}
THEIRS = {**OURS, "journal": "j-2", "by": "another team"}
PLACE = "C:\\ProgramData\\provisioner\\marker.json"

Jobs = Sequence[str | tuple[str, Mapping[str, Any]]]


def library(folder: Path, **functions: str) -> Path:
    """The module with doubles: Wine and Linux know no rights."""
    made = {"New-Folder": "    $null = [System.IO.Directory]::CreateDirectory($Path)"}
    return doubled(folder, "work_marker", made | {name.replace("_", "-"): body for name, body in functions.items()})


def marker(path: str | Path = PLACE, **values: Any) -> tuple[str, dict[str, Any]]:
    return "work_marker", {**OURS, "path": str(path), **values}


# What evidence.ps1 says of the marker there, into a file.
READ = f"""
    $ast = [ScriptBlock]::Create([System.IO.File]::ReadAllText('Z:{ROOT}/provisioner/evidence/evidence.ps1')).Ast
    $functions = $ast.EndBlock.Statements | Where-Object {{
        $_ -is [System.Management.Automation.Language.FunctionDefinitionAst] }}
    . ([ScriptBlock]::Create(($functions | ForEach-Object {{ $_.Extent.Text }}) -join "`n"))
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
def test_one_that_cannot_be_read_is_another_teams_for_a_day(pwsh: str, tmp_path: Path) -> None:
    engine = Engine(tmp_path, library=library(tmp_path / "library"))
    answers = {}
    for hours in (23, 25):
        path = tmp_path / f"{hours}.json"
        path.write_text("{half", "utf-8")
        os.utime(path, (time.time() - hours * 3600,) * 2)
        answers[hours] = engine.run([marker(path, **CHECK), marker(path)])
    assert [one["held"] for one in answers[23]] == [True, True]
    assert (tmp_path / "23.json").read_text("utf-8") == "{half"
    assert [one["changed"] for one in answers[25]] == [True, True]
    assert json.loads((tmp_path / "25.json").read_text("utf-8"))["journal"] == "j-1"


@pytest.mark.engine
@pytest.mark.parametrize("apart", [-36, -2, 0, 2, 36])
def test_how_long_it_stands_is_its_own_gateways_matter(apart: int, pwsh: str, tmp_path: Path) -> None:
    """Whatever the clocks of those who come say: of a marker its age counts, on the clock that wrote it."""
    engine = Engine(tmp_path, library=library(tmp_path / "library"))
    path = tmp_path / "marker.json"
    # The same moment on a gateway whose clock is so many hours apart: the marker's beginning moves with it.
    clock = (tmp_path / "library" / "work_marker.ps1").read_text("utf-8")
    shifted = clock.replace("[datetime]::UtcNow", f"[datetime]::UtcNow.AddHours({apart})")
    (tmp_path / "library" / "work_marker.ps1").write_text(shifted, "utf-8")
    first, second = engine.run([marker(path), marker(path, journal="j-2")])
    assert first["changed"]
    assert second["held"]
    age = json.loads(path.read_text("utf-8"))
    began = datetime.fromisoformat(age["since"]) - timedelta(minutes=61)
    path.write_text(json.dumps({**age, "since": f"{began:%Y-%m-%dT%H:%M:%SZ}"}), "utf-8")
    (after,) = engine.run([marker(path, journal="j-2")])
    assert after["changed"]


@pytest.mark.engine
def test_another_name_of_the_same_journal_is_no_other_team(pwsh: str, tmp_path: Path) -> None:
    engine = Engine(tmp_path, library=library(tmp_path / "library"))
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


# A run of real Ansible


def work(pretend: Handle, *names: str) -> list[Step]:
    """Steps of these remedies on all gateways of a lab."""
    rows = load(pretend.folder)
    found = [(row.name, *remedies.values(rows, row, name)) for row in rows.known for name in names]
    return [replace(test_playbook.step(name, role), values=values) for name, role, values in found]


def act(pretend: Handle, steps: Sequence[Step], journal: str = "j-1", **options: Any) -> dict[str, StepResult]:
    """The steps, under that journal's marker."""
    rows = load(pretend.folder)
    hosts = {row.name: remedies.connection(rows, row) for row in rows.known}
    marker = Marker(journal=journal, known=(), by="{{ 6 * 7 }} Siân", minutes=60)
    acted = playbook.run(steps, hosts, lambda name: pretend.password, mark=own_mark("m5"), marker=marker, **options)
    assert pretend.password not in json.dumps([pretend.state(), pretend.events()]) + repr(acted)
    return acted


def there(pretend: Handle, name: str) -> dict[str, str] | None:
    """The marker on a gateway."""
    file = pretend.state()[name]["disk"]["files"].get(PLACE.lower())
    return file and dict(json.loads(file["text"]))


def results(acted: Mapping[str, StepResult]) -> dict[str, tuple[str, bool]]:
    return {step: (one.result, one.changed) for step, one in acted.items()}


def test_a_gateway_is_marked_while_it_is_worked_on(lab: Callable[..., Handle]) -> None:
    pretend = lab("A81001")
    steps = work(pretend, "firewall")
    assert results(act(pretend, steps, check=True)) == {"A81001-firewall": ("ok", True)}
    assert pretend.events() == []
    assert results(act(pretend, steps)) == {"A81001-firewall": ("ok", True)}
    events = [(one["event"], one.get("path")) for one in pretend.events()]
    assert events[:2] == [("folder_made", PLACE.rpartition("\\")[0]), ("file_written", PLACE)]
    assert events[-1] == ("file_removed", PLACE)
    assert len(events) == 4
    assert results(act(pretend, steps)) == {"A81001-firewall": ("ok", False)}
    assert len(pretend.events()) == 6


def test_a_marker_that_is_left_keeps_another_team_away_until_it_is_over(
    lab: Callable[..., Handle], tmp_path: Path
) -> None:
    pretend = lab("A81001", "A81002")
    root = test_playbook.filled(tmp_path, {"quiet": test_playbook.ROLES["quiet"], "leaves": LEAVES})
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        leaves = test_playbook.step("A81001", "leaves", leaves_port=closed.getsockname()[1])
        gone = act(pretend, [test_playbook.step("A81001", "quiet"), leaves], root=root)
    # The work was done by then: that the line broke at the marker is no matter of the steps.
    assert results(gone) == {"A81001-quiet": ("ok", False), "A81001-leaves": ("ok", False)}
    left = there(pretend, "A81001")
    assert left is not None
    assert left == {
        "journal": "j-1",
        "step": "A81001-quiet, A81001-leaves",
        "by": "{{ 6 * 7 }} Siân",
        "since": left["since"],
        "minutes": "60",
    }

    before = pretend.state()["A81001"]
    held = act(pretend, work(pretend, "firewall", "antivirus"), journal="j-2")
    assert results(held) == {
        "A81001-firewall": ("held", False),
        "A81001-antivirus": ("held", False),
        "A81002-firewall": ("ok", True),
        "A81002-antivirus": ("ok", True),
    }
    words = ", ".join(f"{name} {text}" for name, text in left.items())
    assert {one.message for one in held.values()} == {
        "",
        f"another team works on this gateway: {words}; nothing was changed",
    }
    assert pretend.state()["A81001"] == before

    # By the gateway's own clock, which is what both teams go by: it was set forward meanwhile.
    pretend.set("A81001", "clock_skew=7200")
    assert results(act(pretend, work(pretend, "firewall")[:1], journal="j-2")) == {"A81001-firewall": ("ok", True)}
    assert there(pretend, "A81001") is None


def test_a_role_that_fails_leaves_no_marker(lab: Callable[..., Handle]) -> None:
    pretend = lab("A81001")
    pretend.set("A81001", "tamper_protection")
    acted = act(pretend, work(pretend, "antivirus", "firewall"))
    assert [one.result for one in acted.values()] == ["failed", "skipped"]
    assert "tamper protection is on" in acted["A81001-antivirus"].message
    assert [(one["event"], one["path"]) for one in pretend.events()[-2:]] == [
        ("file_written", PLACE),
        ("file_removed", PLACE),
    ]


def test_a_line_that_breaks_breaks_at_the_work_and_not_at_its_marker(lab: Callable[..., Handle]) -> None:
    pretend = lab("A81001")
    pretend.set("A81001", "drops_midway=after")
    acted = act(pretend, work(pretend, "firewall"), turn=LoginGuard().turn)
    assert acted["A81001-firewall"].result == "unreachable"
    assert "the connection broke in the middle of a task" in acted["A81001-firewall"].message
    assert len(pretend.state()["A81001"]["firewall"]["rules"]) == 1
    assert there(pretend, "A81001") is None


STUB = """#!/usr/bin/python
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule({name: {} for name in ("journal", "known", "step", "by", "minutes", "state")})
if module.params["state"] == "absent":
    module.fail_json(msg="the disk is gone", held=True)
module.exit_json(changed=True)
"""
LEAVES = """
- name: Go where nobody answers
  ansible.builtin.set_fact:
    ansible_connection: winrm
    ansible_host: 127.0.0.1
    ansible_port: "{{ leaves_port }}"
    ansible_winrm_scheme: http
    ansible_winrm_transport: ntlm
- name: Say what was there
  ansible.builtin.set_fact:
    provisioner_before: {}
"""


def test_a_marker_that_stays_is_no_failure_of_the_work(tmp_path: Path) -> None:
    """On this computer, with a double of the module that cannot take its marker away."""
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "work_marker.py").write_text(STUB, "utf-8")
    roles = {name: test_playbook.ROLES[name] for name in ("quiet", "breaks")}
    root = test_playbook.filled(tmp_path, roles, str(tmp_path / "library"))
    step = test_playbook.step
    acted = test_playbook.run(
        root,
        *(step("B84001", "quiet"), step("B84002", "breaks"), step("B84002", "quiet")),
        marker=Marker(journal="j-1", known=(), by="", minutes=60),
    )
    assert {id: (one.result, one.message) for id, one in acted.items()} == {
        "B84001-quiet": ("ok", ""),
        "B84002-breaks": ("failed", "Look at it: [31maccess denied"),
        "B84002-quiet": ("skipped", "not tried, because breaks did not finish here"),
    }


def test_the_task_whose_trouble_does_not_count_is_in_the_playbook() -> None:
    text = (resources.root() / "playbooks" / "rollout.yml").read_text("utf-8")
    assert f"- name: {playbook._RELEASE}\n" in text


# Who waits

WORDS = "another team works on this gateway: journal j-2, step s-1, for 60 minutes more at most"


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (None, ""),
        ({"journal": "j-1"}, ""),
        ({"journal": "j-2"}, WORDS),
        ({"journal": "J-1", "step": ""}, WORDS.replace("j-2, step s-1", "J-1")),
        ({"journal": "j-2", "seconds_left": 0}, ""),
        ({"journal": "j-2", "seconds_left": -3600}, ""),
        # The claim on the gateway knows how old it is.
        ({"journal": "j-2", "seconds_left": None}, ""),
        ({"journal": "", "step": "", "seconds_left": None}, ""),
    ],
)
def test_a_marker_of_another_journal_is_told(there: Mapping[str, Any] | None, words: str) -> None:
    marker = there and {"journal": "j-1", "step": "s-1", "seconds_left": 3541, **there}
    evidence = World(fleet(gateway("B84001"))).evidence(gateway("B84001"))
    evidence = replace(evidence, sections={"ours": {"marker": marker, "unfinished": [], "kept": 0}})
    assert judge.marked_by_others(evidence, ["j-0", "j-1"]) == words
    assert judge.marked_by_others(replace(evidence, sections={}), ["j-1"]) == ""


def test_a_step_waits_for_another_team() -> None:
    world = World(fleet(gateway("B84001")))
    step = world.plan().steps[0]
    reading = judge.Observation.of(*world.read(world.fleet.known, False))
    theirs = {"journal": "j-2", "step": "A81001-firewall", "seconds_left": 90}
    seen = {"ours": {"marker": theirs, "unfinished": [], "kept": 0}}
    evidence = {"B84001": replace(reading.evidence["B84001"], sections=seen)}
    marked = replace(reading, evidence=evidence)

    def before(reading: judge.Observation, **asked: Any) -> judge.Verdict | None:
        return judge.decide_before(step, reading, begun=False, working=True, **asked)

    verdict = before(marked, names=["j-1"])
    assert verdict is not None
    assert verdict[0] is Result.WAITING
    assert verdict[1].startswith("another team works on this gateway: journal j-2, step A81001-firewall, for 2 minutes")
    assert "the marker ends by itself" in verdict[1]
    assert before(marked, names=["j-2"]) is before(reading, names=["j-1"]) is before(marked) is None


def test_a_refused_claim_waits_whatever_the_reading_shows() -> None:
    world = World(fleet(gateway("B84001")))
    step = world.plan().steps[0]
    world.machines["B84001"].rule = world.machines["B84001"].service = True
    held = StepResult(result="held", message="another team works on this gateway: journal j-2; nothing was changed")
    for online in (True, False):
        world.machines["B84001"].online = online
        result, words = judge.decide_after(step, held, judge.Observation.of(*world.read(world.fleet.known, False)))
        assert result is Result.WAITING
        assert words.startswith(held.message)
        assert "the marker ends by itself" in words
