"""tools/powershell51: what it finds of mistakes put in by hand, and nothing in what the project sends."""

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.fixtures import sent
from tools.powershell51.check import check
from tools.powershell51.engine import Engine
from tools.powershell51.looking import Allowed, Finding

PLANTED = Path(__file__).parent / "planted.txt"
# Ansible's own, which it sends along with our modules; and what a person types who has the modules of LAPS, the new one
# (in Windows since April 2023) and the older one.
LAPS = ("Set-LapsADReadPasswordPermission", "Set-AdmPwdReadPasswordPermission")
ALLOWED = Allowed.of(["[Ansible.*]", "Get-AnsibleWindowsWebRequest", *LAPS])

QUIET = {"note-json", "note-encoding", "note-csv", "note-web", "note-abbreviated"}


@pytest.fixture(scope="session")
def findings(pwsh: str, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Sequence[Finding]]:
    """What is found, by script: in one start of the engine, which costs more than all the rest."""
    folder = tmp_path_factory.mktemp("sent")
    alone = [sent.evidence(folder), sent.bootstrap(folder), sent.typed(folder), *sent.tasks(folder), PLANTED]
    with Engine(pwsh) as engine:
        found = check(engine, [*([path] for path in alone), *sent.modules()], ALLOWED)
    by_script: dict[str, list[Finding]] = {
        str(path): [] for path in (*alone, *(path for one in sent.modules() for path in one))
    }
    for finding in found:
        by_script[finding.script].append(finding)
    return by_script


@pytest.mark.engine
def test_nothing_that_windows_powershell_5_1_has_not_is_sent(findings: Mapping[str, Sequence[Finding]]) -> None:
    assert len(findings) > 8
    wrong = [one for script, found in findings.items() if script != str(PLANTED) for one in found if not one.is_note]
    # Legal in 5.1, and something else there.
    wrong += [one for found in findings.values() for one in found if one.rule in QUIET and one.script != str(PLANTED)]
    # Who types a command sees its error.
    told = [one for one in wrong if (Path(one.script).name, one.rule) != ("typed.ps1", "preference")]
    assert [f"{one.script}:{one.line}: {one.rule}: {one.words}" for one in told] == []


@pytest.mark.engine
def test_every_planted_mistake_is_found_and_no_sound_line_is_called_wrong(
    findings: Mapping[str, Sequence[Finding]],
) -> None:
    lines = enumerate(PLANTED.read_text("utf-8").splitlines(), 1)
    planted = {number: mark[1] for number, line in lines if (mark := re.search(r"#! (\S+)$", line))}
    assert len(planted) == 116
    found = {(finding.line, finding.rule) for finding in findings[str(PLANTED)] if not finding.is_note}
    assert set(planted.items()) - found == set()
    assert {number for number, _ in found} - set(planted) == set()


def test_powershell_in_tasks_is_seen_whatever_its_module_is_called() -> None:
    text = """
- hosts: all
  tasks:
    - ansible.windows.win_shell: Get-Item {{ place }}
    - block:
        - name: One
          ansible.windows.win_powershell:
            script: |
              Get-Date
              Get-Host
      rescue:
        - win_command: {cmd: whoami.exe}
        - ansible.windows.win_stat: {path: x}
"""
    assert sent.in_tasks(text) == ["Get-Item word", "Get-Date\nGet-Host\n", "whoami.exe"]


@pytest.mark.engine
def test_as_a_command_it_says_the_line_and_ends_with_1(pwsh: str, tmp_path: Path) -> None:
    script = tmp_path / "one.ps1"
    script.write_text("$a = Get-Date\n$a ?? 'never'\n", "utf-8")
    command = [sys.executable, "-m", "tools.powershell51", "--pwsh", pwsh]
    done = subprocess.run([*command, str(script)], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, f"{script}:2: language: ?? needs PowerShell 7\n", "")


def test_a_command_that_cannot_check_says_why_and_ends_with_2(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tools.powershell51"]
    (tmp_path / "one.ps1").write_text("", "utf-8")
    for script, says in (("none.ps1", "none.ps1"), ("one.ps1", "no pwsh is on PATH")):
        done = subprocess.run(
            [*command, str(tmp_path / script)], capture_output=True, text=True, cwd=ROOT, check=False, env={"PATH": ""}
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert says in done.stderr
