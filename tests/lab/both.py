"""Stories played on the lab and on the real modules under Wine, answer beside answer."""

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import ansible
import pytest

from provisioner.lab import modules
from provisioner.lab.windows.machine import Machine
from tests.fixtures.lab import NOW, one, zipped
from tests.fixtures.windows import RIGHTS_KEPT, ROOT, Engine, add_type, doubled
from tests.lab.stories import GROUP, PLAN, POWER, TIMES, ZIPS, Call, Put, Step

COLLECTIONS = Path(ansible.__file__).parent.parent / "ansible_collections"


# Arguments come as tables from Ansible's wrapper, and as objects from tests/modules.ps1.
TABLES = """
    function ConvertTo-Table($Value) {
        if ($Value -is [array]) { return , @($Value | ForEach-Object { ConvertTo-Table $_ }) }
        if ($Value -isnot [System.Management.Automation.PSCustomObject]) { return $Value }
        $table = @{}
        foreach ($one in $Value.PSObject.Properties) { $table[$one.Name] = ConvertTo-Table $one.Value }
        $table
    }
    foreach ($name in @($global:complex_args.Keys)) {
        $global:complex_args[$name] = ConvertTo-Table $global:complex_args[$name]
    }
"""
# What Ansible's wrapper makes of an exception that a module lets through.
UNHANDLED = """
    if ("$_" -match 'ended with \\d') { throw }
    $said = @{ changed = $false; failed = $true; msg = "Unhandled exception while executing module: $_" }
    $global:answer = ConvertTo-Json -InputObject $said -Compress
    throw 'ended with 1'
"""


@pytest.fixture
def engine(wine_engine: Engine, tmp_path: Path) -> Engine:
    """All the modules in one library, with all that they need loaded; doubles for rights and powercfg."""
    library = doubled(tmp_path / "library", "folder_access", RIGHTS_KEPT)
    written = (
        "    if ($Arguments[0] -eq '/setacvalueindex') {\n"
        '        $place = "$power\\User\\PowerSchemes\\$($Arguments[1])\\$($Arguments[2])\\$($Arguments[3])"\n'
        "        [Microsoft.Win32.Registry]::SetValue($place, 'ACSettingIndex', [int]$Arguments[4], 'DWord')\n    }"
    )
    doubled(library, "power_setting", {"Invoke-PowerCfg": written})
    doubled(library, "work_marker", {"New-Folder": "    $null = [System.IO.Directory]::CreateDirectory($Path)"})
    for name in modules.MODULES:
        *collection, last = name.split(".")
        if last in ("package_tree", "defender_exclusion"):
            shutil.copy(ROOT / "plugins" / "modules" / f"{last}.ps1", library)
        elif collection:
            shutil.copy(COLLECTIONS.joinpath(*collection, "plugins", "modules", f"{last}.ps1"), library)
    for path in library.iterdir():
        path.write_text(f"{TABLES}\ntry {{\n{path.read_text('utf-8')}\n}} catch {{ {UNHANDLED} }}\n", "utf-8")
    lists = {"ExclusionPath": ["C:\\Theirs"], "ExclusionProcess": []}
    defender = {"status": {"IsTamperProtected": False}, "preference": lists}
    (tmp_path / "defender.json").write_text(json.dumps(defender), "utf-8")
    simulated = {f"PWSH_SIMULATED_{name.upper()}": str(tmp_path / f"{name}.json") for name in ("defender", "firewall")}
    return replace(wine_engine, library=library, environment=simulated)


def prelude(folder: Path) -> str:
    """What Ansible's wrapper would have loaded; the older modules end by an exception, as those of Ansible.Basic do."""
    core = Path(ansible.__file__).parent / "module_utils"
    legacy = (core / "powershell" / "Ansible.ModuleUtils.Legacy.psm1").read_text("utf-8")
    ending = re.compile(r"Write-Output \$obj \| ConvertTo-Json -Compress -Depth 99\n\s+Exit(?: 1)?\n")
    said = "if ($global:answer -eq 'null') { $global:answer = ConvertTo-Json -InputObject $obj -Compress -Depth 99 }"
    legacy, count = ending.subn(lambda _: f"{said}\nthrow 'ended with 0'\n", legacy)
    assert count == 2
    (folder / "Ansible.ModuleUtils.Legacy.psm1").write_text(legacy, "utf-8")
    utils = [folder / "Ansible.ModuleUtils.Legacy.psm1", add_type() / "Ansible.ModuleUtils.AddType.psm1"]
    utils += [core / "powershell" / f"Ansible.ModuleUtils.{name}.psm1" for name in (
        "PrivilegeUtil", "Backup", "FileUtil", "LinkUtil")]  # fmt: skip
    loaded = [f"Import-Module 'Z:{path}' -Global -DisableNameChecking" for path in utils]
    privilege = core / "csharp" / "Ansible.Privilege.cs"
    manager = COLLECTIONS / "ansible" / "windows" / "plugins" / "module_utils" / "SCManager.cs"
    places = [
        f"[Microsoft.Win32.Registry]::SetValue('{POWER}\\PowerSettings\\{GROUP}\\{setting}"
        f"\\DefaultPowerSchemeValues\\{PLAN}', 'ACSettingIndex', {seconds}, 'DWord')"
        for setting, seconds in TIMES.items()
    ]
    active = f"[Microsoft.Win32.Registry]::SetValue('{POWER}\\User\\PowerSchemes', 'ActivePowerScheme', '{PLAN}')"
    sources = ", ".join(f"[System.IO.File]::ReadAllText('Z:{path}')" for path in (privilege, manager))
    compiled = f"Add-CSharpType -References @({sources})"
    # The engine's own has no -SyncWindow, which win_regedit needs for lists.
    compare = """function global:Compare-Object($ReferenceObject, $DifferenceObject, $SyncWindow) {
        if ($null -eq $SyncWindow) {
            return Microsoft.PowerShell.Utility\\Compare-Object $ReferenceObject $DifferenceObject }
        if ("$ReferenceObject" -ne "$DifferenceObject") { 1, 2 } }"""
    return "\n".join([*loaded, compiled, compare, active, *places])


def for_engine(step: Step, address: str) -> str | tuple[str, Mapping[str, Any]]:
    if isinstance(step, Put):
        folder = step.path.rpartition("\\")[0]
        text = step.text.replace("'", "''")
        write = f"[System.IO.File]::WriteAllText('{step.path}', '{text}')"
        return f"$null = [System.IO.Directory]::CreateDirectory('{folder}')\n{write}"
    name, arguments = step
    return name, json.loads(json.dumps(arguments).replace("WEB/", f"{address}/"))


def on_lab(machine: Machine, step: Call, address: str) -> dict[str, Any]:
    name, arguments = step
    given = json.loads(json.dumps(arguments).replace("WEB/", f"{address}/"))
    check = bool(given.pop("_ansible_check_mode", False))

    def fetch(url: str) -> bytes:
        zip_ = url.rpartition("/")[2]
        if zip_ not in ZIPS:
            raise OSError("404")
        return zipped(ZIPS[zip_])

    answer = modules.run(machine, name, given, check=check, diff=True, fetch=fetch, now=NOW)
    return dict(json.loads(json.dumps(answer)))


# Of a message what the .NET of the engine, or the web, says in words of its own.
MESSAGES = (
    (r"(fetched[^:]*): .*", r"\1"),
    (r"[Tt]he input string '.*' was|Input string was", "Input string was"),
    (r"\((?:undefined win module|[\w.]+)\) module", "module"),
    (r"(Supported parameters include): .*", r"\1"),
)
# What is never the same twice, or is Wine's: times, numbers of processes, owners.
UNLIKE = ("creationtime", "lastaccesstime", "lastwritetime", "owner", "backup_file", "nlink", "since")


def shape(answer: Any) -> Any:
    """An answer without what is never the same twice."""
    if isinstance(answer, list):
        return [shape(one) for one in answer]
    if isinstance(answer, str):
        return re.sub(r"since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "since -", answer)
    if not isinstance(answer, dict):
        return answer
    kept = {name: shape(one) for name, one in answer.items() if name not in ("invocation", "exception", "warnings")}
    if "msg" in kept:
        for pattern, words in MESSAGES:
            kept["msg"] = re.sub(pattern, words, kept["msg"])
    if kept.get("failed"):
        # What a failed module knew before it failed is not told apart.
        kept = {name: kept.get(name) for name in ("changed", "failed", "msg", "cause", "held")}
    return {name: ("-" if name in UNLIKE else one) for name, one in kept.items()}


def shown(answer: Any) -> str:
    return json.dumps(shape(answer), sort_keys=True, ensure_ascii=False)


Played = dict[str, list[tuple[Step, Any, Any]]]


def played(stories: Mapping[str, list[Step]], engine: Engine, web: tuple[str, Path], tmp_path: Path) -> Played:
    """Each story's calls with what the lab and what the engine answered: all of them in one start of the engine."""
    address, folder = web
    for name, files in ZIPS.items():
        (folder / name).write_bytes(zipped(files))
    steps = [(story, step) for story, all_ in stories.items() for step in all_]
    answers = iter(engine.run([prelude(tmp_path), *(for_engine(step, address) for _, step in steps)]))
    found: Played = {}
    machine = one()
    machine.power.sleep_seconds, machine.power.hibernate_seconds = 1800, 10800
    for story, step in steps:
        if isinstance(step, Put):
            machine.put_file(step.path, step.text.encode(), NOW)
        else:
            found.setdefault(story, []).append((step, on_lab(machine, step, address), next(answers)))
    return found


def differing(both: Played) -> list[str]:
    """The calls that the two answer differently."""
    return [
        f"{story}: {step}\n   lab    {shown(lab)}\n   engine {shown(real)}"
        for story, calls in both.items()
        for step, lab, real in calls
        if shape(lab) != shape(real)
    ]
