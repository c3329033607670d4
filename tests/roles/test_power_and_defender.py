"""Our modules power_setting and defender_exclusion on a real PowerShell with the real Ansible.Basic."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.evidence import case
from tests.fixtures.windows import ROOT, Engine, doubled, windows_home, wine_engine
from tests.roles.modules import CHECK, Job

__all__ = ["windows_home", "wine_engine"]

JAVA = "C:\\iPlato\\jre\\bin\\java.exe"


OWN_PLANS = "SYSTEM\\CurrentControlSet\\Control\\Power\\User\\PowerSchemes"


@pytest.mark.wine
def test_power_setting_reads_by_guid_and_writes_what_differs(wine_engine: Engine, tmp_path: Path) -> None:
    plan, group = "381b4222-f694-41f0-9685-ff5bb260df2e", "238c9fa8-0aad-41ed-83f4-97be242c8f20"
    sleep = "29f6c1db-86da-48c5-9fdb-f2b67b1f44da"
    power = "HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Control\\Power"
    library = doubled(
        tmp_path / "library",
        "power_setting",
        {
            "Invoke-PowerCfg": "    if ($Arguments[0] -eq '/setacvalueindex') {\n"
            '        $place = "$power\\User\\PowerSchemes\\$($Arguments[1])\\$($Arguments[2])\\$($Arguments[3])"\n'
            "        [Microsoft.Win32.Registry]::SetValue($place, 'ACSettingIndex', [int]$Arguments[4], 'DWord')\n    }"
        },
    )
    default = f"{power}\\PowerSettings\\{group}\\{sleep}\\DefaultPowerSchemeValues\\{plan}"
    policy = f"HKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\Microsoft\\Power\\PowerSettings\\{sleep}"
    never = {"sleep_seconds": 0, "hibernate_seconds": 0}
    value = f"{power}\\User\\PowerSchemes\\{plan}\\{group}\\{sleep}"
    told = (
        f"$seconds = [Microsoft.Win32.Registry]::GetValue('{value}', 'ACSettingIndex', '')\n"
        "[System.IO.File]::AppendAllText('C:\\told', \"<$seconds>\")"
    )
    checked, done, again, refused = replace(wine_engine, library=library).run(
        [
            f"[Microsoft.Win32.Registry]::SetValue('{power}\\User\\PowerSchemes', 'ActivePowerScheme', '{plan}')\n"
            f"[Microsoft.Win32.Registry]::SetValue('{default}', 'ACSettingIndex', 1800, 'DWord')",
            ("power_setting", {**never, **CHECK}),
            told,
            ("power_setting", never),
            told,
            ("power_setting", never),
            f"[Microsoft.Win32.Registry]::SetValue('{policy}', 'ACSettingIndex', 900, 'DWord')",
            ("power_setting", never),
        ]
    )
    assert checked["changed"]
    assert checked["before"] == done["before"] == {"plan": plan, "sleep_seconds": 1800, "hibernate_seconds": None}
    assert done["changed"]
    assert not again["changed"]
    assert wine_engine.prefix
    assert (wine_engine.prefix / "drive_c" / "told").read_text() == "<><0>"
    assert again["before"] == {"plan": plan, "sleep_seconds": 0, "hibernate_seconds": 0}
    assert refused["failed"]
    assert refused["cause"] == "managed_policy"


@pytest.mark.wine
def test_power_setting_reads_what_evidence_reads(wine_engine: Engine, tmp_path: Path) -> None:
    """The machine `sleeps` of tests/machines: a plan by policy, a time that Windows came with, and one by policy."""
    machine, wanted = case("sleeps")
    setting = "[Microsoft.Win32.Registry]::SetValue('{}', '{}', {}, '{}')"
    registry = "\n".join(
        setting.format(f"HKEY_LOCAL_MACHINE{key.removeprefix('LocalMachine')}", name, repr(value), kind)
        for key, values in machine["machine"]["registry"].items() if "\\Power" in key
        for name, value in (values or {}).items() if value is not None
        for kind in ["String" if isinstance(value, str) else "DWord"]
    )  # fmt: skip
    policy = "HKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\Microsoft\\Power\\PowerSettings"
    plan = wanted["power"]["plan"]
    chosen = setting.format(f"{policy.partition('SOFTWARE')[0]}{OWN_PLANS}", "ActivePowerScheme", f"'{plan}'", "String")
    library = doubled(tmp_path / "library", "power_setting", {"Invoke-PowerCfg": "    throw 'nothing is written here'"})
    job = ("power_setting", {"sleep_seconds": 1800, "hibernate_seconds": 10800, **CHECK})
    imposed, told, ruled = replace(wine_engine, library=library).run(
        [registry, job, chosen, job, ("power_setting", {"sleep_seconds": 0, "hibernate_seconds": 0, **CHECK})]
    )
    assert (imposed["failed"], imposed["cause"]) == (True, "managed_policy")
    assert f"makes {plan} the active power plan" in imposed["msg"]
    # What Windows came with may be the right time, and is nothing that was set.
    assert told["changed"]
    assert told["before"] == {name: wanted["power"][name] for name in ("plan", "sleep_seconds", "hibernate_seconds")}
    assert (ruled["failed"], ruled["cause"]) == (True, "managed_policy")
    assert "sets hibernate_seconds to 10800" in ruled["msg"]


@pytest.fixture
def defender(pwsh: str, tmp_path: Path) -> tuple[Engine, Path]:
    """An engine with a simulated Defender, and the file that is its state; its MpCmdRun.exe answers from that file."""
    if not shutil.which("winrm-gateways"):
        pytest.skip("pwsh with a simulated Defender is not on PATH")
    programs = tmp_path / "Windows Defender"
    programs.mkdir()
    asked = programs / "MpCmdRun.exe"
    asked.write_text('#!/bin/sh\ngrep -qF "${3##*\\\\}" "$PWSH_SIMULATED_DEFENDER"\n')
    asked.chmod(0o755)
    state = tmp_path / "defender.json"
    return Engine(pwsh, tmp_path, None, {"ProgramFiles": str(tmp_path), "PWSH_SIMULATED_DEFENDER": str(state)}), state


def write_defender(state: Path, protected: bool) -> None:
    lists = {"ExclusionPath": ["C:\\Theirs"], "ExclusionProcess": []}
    state.write_text(json.dumps({"status": {"IsTamperProtected": protected}, "preference": lists}))


@pytest.mark.engine
def test_defender_exclusion_adds_and_removes_only_its_own(defender: tuple[Engine, Path]) -> None:
    engine, state = defender
    write_defender(state, protected=False)
    add, drop = (
        {"path": [JAVA], "process": ["C:\\a.exe"]},
        {"path": [JAVA], "process": ["C:\\a.exe"], "state": "absent"},
    )
    (checked,) = engine.run([("defender_exclusion", {**add, **CHECK})])
    assert json.loads(state.read_text())["preference"]["ExclusionPath"] == ["C:\\Theirs"]
    answers = [checked, *engine.run([("defender_exclusion", job) for job in (add, add)])]
    assert json.loads(state.read_text())["preference"]["ExclusionPath"] == ["C:\\Theirs", JAVA]
    answers += engine.run([("defender_exclusion", job) for job in (drop, {**drop, **CHECK}, drop)])
    assert [answer["changed"] for answer in answers] == [True, True, False, True, False, False]
    assert answers[1]["before"] == {"path": [], "process": []}
    assert answers[3]["before"] == {"path": [JAVA], "process": ["C:\\a.exe"]}
    assert answers[1]["diff"]["after"] == f"{JAVA}\nC:\\a.exe\n"
    assert json.loads(state.read_text())["preference"]["ExclusionPath"] == ["C:\\Theirs"]


@pytest.mark.engine
def test_defender_exclusion_believes_defender_and_not_the_cmdlet(defender: tuple[Engine, Path], tmp_path: Path) -> None:
    engine, state = defender
    write_defender(state, protected=True)
    # Linux has no registry: what stands there is told by the test.
    library = doubled(tmp_path / "library", "defender_exclusion", {"Get-Setting": "    $global:settings[$Name]"})
    void, tampered, absent = replace(engine, library=library).run(
        [
            "$global:settings = @{}",
            ("defender_exclusion", {"path": [JAVA]}),
            "$global:settings = @{ TPExclusions = 1 }",
            ("defender_exclusion", {"path": [JAVA]}),
            "function global:Get-MpPreference { throw 'The service cannot be started. 0x800106ba' }",
            ("defender_exclusion", {"path": [JAVA]}),
        ]
    )
    # Tamper protection is on nearly everywhere: it is the cause only where it guards the exclusions.
    assert (void["failed"], void["cause"]) == (True, "not_effective")
    assert tampered["failed"]
    assert tampered["cause"] == "tamper_protection"
    assert "tamper protection is on" in tampered["msg"]
    assert absent["failed"]
    assert absent["cause"] == "not_running"


@pytest.mark.engine
def test_defender_exclusion_where_its_lists_are_hidden(defender: tuple[Engine, Path]) -> None:
    """Only Defender itself says of a path whether it is excluded; of a process nobody does."""
    engine, state = defender
    program, other = "C:\\a.exe", "C:\\Theirs"
    lists = {"ExclusionPath": [other, JAVA], "ExclusionProcess": [program]}
    state.write_text(json.dumps({"status": {"IsTamperProtected": False}, "preference": lists}))
    says = "'N/A: Administrators are not allowed to view exclusions'"
    told = f"@{{ ExclusionPath = @({says}); ExclusionProcess = @({says}) }}"
    # Called once, so that the cmdlets are loaded and stay as they are told from here.
    hides = f"$null = Get-MpPreference; function global:Get-MpPreference {{ {told} }}"

    def left() -> tuple[list[str], list[str]]:
        preference = json.loads(state.read_text())["preference"]
        return preference["ExclusionPath"], preference["ExclusionProcess"]

    absent = {"path": [JAVA], "process": [program], "state": "absent"}
    (gone,) = engine.run([hides, ("defender_exclusion", absent)])
    assert left() == ([other], [])
    assert (gone["changed"], gone["before"]) == (True, {"path": [JAVA], "process": [], "untold": [program]})
    assert "Whether the exclusion of C:\\a.exe is gone cannot be read" in gone["warnings"][0]
    path = {"path": [JAVA]}
    again, made, same = engine.run(
        [hides, *(("defender_exclusion", job) for job in ({**path, "state": "absent"}, path, path))]
    )
    assert [one["changed"] for one in (again, made, same)] == [False, True, False]
    assert (made["before"]["path"], same["before"]["path"]) == ([], [JAVA])
    (refused,) = engine.run([hides, ("defender_exclusion", {"process": [program]})])
    assert (refused["failed"], refused["cause"]) == (True, "hidden")
    assert left() == ([other, JAVA], [])


@pytest.mark.engine
def test_defender_exclusion_names_why_a_change_is_void(defender: tuple[Engine, Path], tmp_path: Path) -> None:
    engine, state = defender
    write_defender(state, protected=False)
    # Linux has no registry: what stands there is told by the test.
    double = "    $global:settings[(Split-Path $Key -Leaf) + '/' + $Name]"
    library = doubled(tmp_path / "library", "defender_exclusion", {"Get-Setting": double})
    void = "function global:Add-MpPreference { }; $global:settings = @{ %s }"
    jobs: list[Job] = []
    for settings, job in (
        ("'Windows Defender/DisableLocalAdminMerge' = 1", {"path": [JAVA], **CHECK}),
        ("'Policy Manager/DisableLocalAdminMerge' = 1", {"path": [JAVA]}),
        ("'Windows Defender/ManagedDefenderProductType' = 6", {"path": [JAVA]}),
        ("'Windows Defender/ManagedDefenderProductType' = 6; 'Features/TPExclusions' = 1", {"path": [JAVA]}),
        ("'Policy Manager/HideExclusionsFromLocalAdmins' = 1", {"process": [JAVA]}),
        ("", {"path": [JAVA]}),
    ):
        jobs += [void % settings, ("defender_exclusion", job)]
    jobs += ["function global:Add-MpPreference { throw 'no' }", ("defender_exclusion", {"path": [JAVA]})]
    answers = replace(engine, library=library).run(jobs)
    assert all(answer["failed"] for answer in answers)
    merge, managed, hidden, nothing = "local_merge_disabled", "managed_policy", "hidden", "not_effective"
    tamper = "tamper_protection"
    assert [answer["cause"] for answer in answers] == [merge, merge, managed, tamper, hidden, nothing, nothing]
    assert "refused the change: no" in answers[-1]["msg"]
    assert json.loads(state.read_text())["preference"]["ExclusionPath"] == ["C:\\Theirs"]
    source = (ROOT / "plugins" / "modules" / "defender_exclusion.ps1").read_text("utf-8")
    assert "Set-MpPreference @" not in source


# As Defender's own commands are: functions of a module, in which our $ErrorActionPreference does not count.
ONLY_REPORTED = (
    "$null = Get-MpPreference; New-Module { function %s { [CmdletBinding()] param($ExclusionPath, $ExclusionProcess)"
    " Write-Error 'Operation failed: 0x800106ba' } } | Import-Module -Global -DisableNameChecking"
)


@pytest.mark.engine
@pytest.mark.parametrize(
    ("command", "job", "cause"),
    [
        ("Get-MpPreference", {"path": [JAVA], **CHECK}, "not_running"),
        ("Get-MpPreference", {"path": [JAVA], "state": "absent"}, "not_running"),
        ("Add-MpPreference", {"path": [JAVA]}, "not_effective"),
        ("Remove-MpPreference", {"path": ["C:\\Theirs"], "state": "absent"}, "not_effective"),
    ],
)
def test_what_a_command_of_defender_only_reports_is_a_failure(
    command: str, job: dict[str, Any], cause: str, defender: tuple[Engine, Path]
) -> None:
    engine, state = defender
    write_defender(state, protected=False)
    (answer,) = engine.run([ONLY_REPORTED % command, ("defender_exclusion", job)])
    assert (answer["failed"], answer["cause"]) == (True, cause)
    assert "0x800106ba" in answer["msg"]


@pytest.mark.engine
def test_a_defender_that_tells_nothing_has_no_empty_lists(defender: tuple[Engine, Path]) -> None:
    engine, state = defender
    write_defender(state, protected=False)
    silent = "$null = Get-MpPreference; function global:Get-MpPreference { [CmdletBinding()] param() }"
    (answer,) = engine.run([silent, ("defender_exclusion", {"path": [JAVA], "state": "absent"})])
    assert (answer["failed"], answer["cause"]) == (True, "not_running")


@pytest.mark.engine
def test_no_path_that_defender_is_asked_of_ends_in_a_backslash_but_a_drives_root(
    defender: tuple[Engine, Path], tmp_path: Path
) -> None:
    """Windows PowerShell quotes what has a blank in it, and the backslash would escape the last quote."""
    engine, state = defender
    write_defender(state, protected=False)
    program = tmp_path / "Windows Defender" / "MpCmdRun.exe"
    program.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$3\" >> '{tmp_path}/asked'\n")
    folders = ["C:\\Program Files\\i Plato\\", "C:\\a b\\\\", "D:\\", "C:\\x y"]
    (answer,) = engine.run([("defender_exclusion", {"path": folders})])
    assert answer["changed"]
    # The list is theirs: a path stands there as it is given.
    assert json.loads(state.read_text())["preference"]["ExclusionPath"] == ["C:\\Theirs", *folders]
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == ["C:\\Program Files\\i Plato", "C:\\a b", "D:\\", "C:\\x y"]
