"""One table of calls, run on the lab and on the real modules under Wine: the answers must be the same.

A story is played in order, each on a machine where only what it did itself is left. What only one side can run is in
ONE_SIDE, with the reason.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ansible
import pytest

from provisioner.lab import modules
from provisioner.lab.windows.machine import Machine
from tests.fixtures.lab import NOW, one, zipped
from tests.fixtures.windows import ROOT, Engine, add_type, doubled, windows_home, wine_engine
from tests.roles.test_our_modules import web

__all__ = ["web", "windows_home", "wine_engine"]

pytestmark = pytest.mark.wine

ONE_SIDE = {
    "win_package": "the lab's installers are no Windows programs",
    "win_copy, modes query and single": "they belong to Ansible's action plugin: roles/test_windows.py runs them",
    "win_service, start of a program that is there": "the engine has Wine's own services, the lab the Connector's",
    "folder_access, rights that are there before": "Wine keeps none: only folders that are made are compared",
    "power_setting, a plan by policy and times that Windows came with": "only under Wine (roles/test_our_modules.py)",
    "defender_exclusion, MpCmdRun.exe and policies": "only on the engine for Linux (roles/test_our_modules.py)",
    "win_service_info by the display name": "Wine's Service Control Manager looks for names only, Windows' for both",
    "win_firewall_rule, interfacetypes, and program any": "the simulated firewall's rules cannot take them",
    "win_firewall_rule, ports on a rule of any protocol": "the simulated firewall takes them, Windows refuses them",
    "win_environment, several variables": "`value` is that of one of them, by chance: a table has no order",
    "win_environment, absent a second time": "the engine's .NET keeps an empty one, that of 5.1 removes it",
    "win_service, absent a second time": "in one process Windows keeps the service, marked for deletion",
    "win_regedit, lists that differ in letters' case alone": "the engine's Compare-Object is stood in for",
    "package_tree, signer": "Wine has no signed programs, and the lab's bear none",
    "work_marker, one that cannot be read and is old": "the lab keeps no times of files (roles/test_marker.py)",
    "work_marker, two at the same time": "the lab does one thing after the other (roles/test_marker.py)",
}
COLLECTIONS = Path(ansible.__file__).parent.parent / "ansible_collections"
CHECK = {"_ansible_check_mode": True}


@dataclass(frozen=True)
class Put:
    """A file that is laid there before, on both sides."""

    path: str
    text: str


Call = tuple[str, dict[str, Any]]
Step = Call | Put


def four(module: str, **arguments: Any) -> list[Step]:
    """Check mode, do, again, and again in check mode."""
    return [(module, {**arguments, **check}) for check in (CHECK, {}, {}, CHECK)]


def told(module: str, **arguments: Any) -> list[Step]:
    """One call."""
    return [(module, arguments)]


KEY = "HKLM:\\SOFTWARE\\Lab\\Against"


def value(name: str, data: Any, kind: str = "string") -> list[Step]:
    return [
        *four("win_regedit", path=KEY, name=name, data=data, type=kind),
        *told("win_reg_stat", path=KEY, name=name),
    ]


SERVICE = {"name": "LabAgainst", "path": '"C:\\Lab\\a.exe" run'}
RULE = {
    **{"name": "Against", "group": "lab", "direction": "out", "action": "allow", "protocol": "tcp"},
    **{"remoteport": "443", "remoteip": "192.0.2.5,192.0.2.9", "program": "C:\\Lab\\a.exe", "enabled": True},
}
PLAN, GROUP = "381b4222-f694-41f0-9685-ff5bb260df2e", "238c9fa8-0aad-41ed-83f4-97be242c8f20"
POWER = "HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Control\\Power"
TIMES = {"29f6c1db-86da-48c5-9fdb-f2b67b1f44da": 1800, "9d7815a6-7ee4-497e-8888-515a05f02364": 10800}
ZIPS = {
    "one.zip": {"jdk/bin/java.exe": "one", "jdk/release": "17", "jdk/old.txt": "o", "other/x": "x"},
    "two.zip": {"jdk/bin/java.exe": "two", "jdk/release": "17"},
    "evil.zip": {"jdk/../../evil.txt": "x"},
}


def tree(zip_: str, **other: Any) -> dict[str, Any]:
    """Arguments of package_tree; the web's address is put in later."""
    sha256 = hashlib.sha256(zipped(ZIPS[zip_])).hexdigest() if zip_ in ZIPS else "0" * 64
    place = {"source": "url", "location": f"WEB/{zip_}", "root": "jdk", "destination": "C:\\Lab\\jre"}
    return {**place, "sha256": sha256, **other}


def local(zip_: str, **other: Any) -> dict[str, Any]:
    """The same, of a package that is on the gateway."""
    return tree(zip_, **{"source": "path", "destination": "C:\\Lab\\two", **other})


MARKER = {
    **{"journal": "j-1", "known": ["j-0"], "step": "s-1, s-2", "by": "Siân at icb-1", "minutes": 60},
    "path": "C:\\Lab\\ours\\marker.json",
}
MARKED = str(MARKER["path"])
# Long over, or not in anybody's time: the engine's clock is the real one.
LATE, EARLY = ({**MARKER, "minutes": "60", "since": f"{year}-02-28T00:00:00Z"} for year in (2020, 2099))


def marked(there: Any) -> list[Step]:
    """A marker that is there, and ours after it."""
    return [Put(MARKED, json.dumps(there)), ("work_marker", {**MARKER, **CHECK}), ("work_marker", MARKER)]


STORIES: dict[str, list[Step]] = {
    "win_file": [
        *four("win_file", path="C:\\Lab\\a\\b", state="directory"),
        *told("win_file", path="C:\\Lab\\a\\b", state="file"),
        *told("win_file", path="C:\\Lab\\no", state="file"),
        *told("win_file", path="C:\\Lab\\no"),
        *four("win_file", path="C:\\Lab\\touched", state="touch"),
        *told("win_file", path="C:\\Lab\\touched", state="directory"),
        *told("win_file", path="C:\\Lab\\touched", state="file"),
        *told("win_file", path="C:\\Lab\\touched", state="linked"),
        *told("win_file", state="directory"),
        *four("win_file", path="C:\\Lab", state="absent"),
    ],
    "win_stat": [
        Put("C:\\Lab\\a.txt", "text\n"),
        *told("win_stat", path="C:\\Lab\\a.txt"),
        *told("win_stat", path="C:\\LAB\\A.TXT", checksum_algorithm="sha256"),
        *told("win_stat", path="C:\\Lab\\a.txt", get_checksum=False, get_size=False),
        *told("win_stat", path="C:\\Lab"),
        *told("win_stat", path="C:\\Lab\\nothing"),
        *told("win_stat", path="C:\\Lab\\a.txt", checksum_algorithm="crc"),
        *told("win_stat"),
    ],
    "win_copy": [
        Put("C:\\Lab\\a.txt", "text\n"),
        *four("win_copy", src="C:\\Lab\\a.txt", dest="C:\\Lab\\b.txt", remote_src=True, _copy_mode="remote"),
        *told("win_stat", path="C:\\Lab\\b.txt"),
        Put("C:\\Lab\\a.txt", "other\n"),
        *four("win_copy", src="C:\\Lab\\a.txt", dest="C:\\Lab\\b.txt", remote_src=True, _copy_mode="remote"),
        *four("win_copy", src="C:\\Lab\\a.txt", dest="C:\\Lab\\new\\", remote_src=True, _copy_mode="remote"),
        *told("win_copy", src="C:\\Lab\\no.txt", dest="C:\\Lab\\b.txt", remote_src=True, _copy_mode="remote"),
        *told("win_copy", src="C:\\Lab\\a.txt", dest="C:\\Lab\\no\\b.txt", remote_src=True, _copy_mode="remote"),
        Put("C:\\Lab\\a.txt", "newest"),
        *told("win_copy", src="C:\\Lab\\a.txt", dest="C:\\Lab\\b.txt", force=False, _copy_mode="remote"),
    ],
    "win_regedit and win_reg_stat": [
        *told("win_reg_stat", path=KEY),
        *four("win_regedit", path=KEY),
        *value("Text", "a b"),
        *value("Text", "other"),
        *value("Text", 7, "dword"),
        *value("Empty", ""),
        *value("Hex", "0xffffffff", "dword"),
        *value("Big", 2**40, "qword"),
        *value("Bytes", "hex:01,ff,0a", "binary"),
        *value("List", [1, 2, 255], "binary"),
        *value("Several", ["a", "b c"], "multistring"),
        *value("One", "a", "multistring"),
        *value("Grows", "%ProgramFiles%\\x", "expandstring"),
        *value("Nothing", "01", "none"),
        *value("Welsh", "Siân ŵ 😀"),
        *four("win_regedit", path=KEY, data="the default"),
        *told("win_reg_stat", path=KEY),
        *told("win_reg_stat", path=KEY, name="No"),
        *told("win_reg_stat", path="HKLM:\\SOFTWARE\\Lab"),
        *told("win_reg_stat", path="HKEY_LOCAL_MACHINE\\SOFTWARE"),
        *told("win_regedit", path="HKEY_LOCAL_MACHINE\\SOFTWARE"),
        *told("win_regedit", path=KEY, name="n", data=2**32, type="dword"),
        *told("win_regedit", path=KEY, name="n", data="word", type="dword"),
        *told("win_regedit", path=KEY, name="n", data=300, type="binary"),
        *told("win_regedit", path=KEY, name="n", data="x", type="word"),
        *four("win_regedit", path=KEY, name="text", state="absent"),
        *four("win_regedit", path=KEY, state="absent", delete_key=False),
        *four("win_regedit", path="HKLM:\\SOFTWARE\\Lab", state="absent"),
    ],
    "win_environment": [
        *four("win_environment", name="LAB", value="1", level="machine", state="present"),
        *four("win_environment", name="LAB", value="%PATH%;é", level="machine", state="present"),
        *four("win_environment", name="Lab", value="2", level="machine", state="present"),
        *four("win_environment", name="LAB", value="1", level="user", state="present"),
        *four("win_environment", variables={"LAB": "3"}, level="machine"),
        *told("win_environment", name="LAB", value="", level="machine", state="present"),
        *told("win_environment", name="LAB", value="1", level="all", state="present"),
        *told("win_environment", name="LAB", value="1", level="machine", state="present", variables={"A": "1"}),
        *told("win_environment", level="machine"),
        *four("win_environment", name="LAB", level="machine", state="absent")[:2],
        *four("win_environment", name="LAB", level="user", state="absent")[:2],
        *told("win_environment", name="LAB_NONE", level="user", state="absent"),
    ],
    "win_service and win_service_info": [
        *told("win_service_info", name="LabAgainst"),
        *told("win_service", name="LabAgainst", state="started"),
        *told("win_service", name="LabAgainst", start_mode="auto"),
        *four("win_service", name="LabAgainst", state="absent"),
        *four("win_service", **SERVICE),
        *told("win_service_info", name="LabAgainst"),
        *told("win_service_info", name="labagain*"),
        *four("win_service", name="LabAgainst", display_name="Lab against", description="Siân's"),
        *four("win_service", name="LabAgainst", description=""),
        *[step for mode in ("delayed", "manual", "disabled", "auto") for step in four(
            "win_service", name="LabAgainst", start_mode=mode)],
        *four("win_service", name="LabAgainst", username="NT AUTHORITY\\LocalService"),
        *told("win_service", name="LabAgainst", username="NT AUTHORITY\\LOCAL SERVICE"),
        *four("win_service", name="LabAgainst", username="LocalSystem"),
        *told("win_service", name="LabAgainst", failure_reset_period_sec=60),
        *four(
            "win_service",
            name="LabAgainst",
            failure_actions=[{"type": "restart", "delay_ms": 60000}, {"type": "none"}],
            failure_actions_on_non_crash_failure=True,
            failure_reset_period_sec=86400,
        ),
        *told("win_service_info", name="LabAgainst"),
        *four("win_service", name="LabAgainst", failure_actions=[]),
        *four("win_service", name="LabAgainst", path='"C:\\Lab\\b.exe"'),
        *told("win_service", name="LabAgainst", state="stopped"),
        *told("win_service", name="LabAgainst", state="on"),
        *told("win_service", name="LabAgainst", colour="red"),
        *told("win_service", name="LabAgainst", failure_actions=[{"type": "again"}]),
        *told("win_service"),
        *four("win_service", name="LabAgainst", state="absent")[:2],
    ],
    "win_firewall_rule": [
        *four("win_firewall_rule", **RULE),
        *four("win_firewall_rule", **{**RULE, "remoteip": "192.0.2.9,192.0.2.5"}),
        *four("win_firewall_rule", **{**RULE, "remoteip": "192.0.2.9,192.0.2.16"}),
        *four("win_firewall_rule", name="against", enabled=False),
        *four("win_firewall_rule", name="Against", profiles=["domain", "private"], action="block"),
        *four("win_firewall_rule", name="Against", profiles=["domain", "private", "public"], remoteip="any"),
        *four("win_firewall_rule", name="Against", description="é"),
        *four("win_firewall_rule", name="Second", group="lab", direction="in", action="allow", protocol="udp"),
        *four("win_firewall_rule", name="Third", direction="in", action="allow", localport="80", protocol="6"),
        *four("win_firewall_rule", group="lab", enabled=True),
        *told("win_firewall_rule", name="x", protocol="tpc"),
        *told("win_firewall_rule", name="x", profiles=["home"]),
        *told("win_firewall_rule", name="x", direction="up"),
        *told("win_firewall_rule", action="allow"),
        *four("win_firewall_rule", name="Third", state="absent"),
        *four("win_firewall_rule", group="lab", state="absent"),
    ],
    "package_tree": [
        *told("package_tree", **tree("none.zip"), **CHECK),
        *told("package_tree", **tree("none.zip")),
        *told("package_tree", **tree("one.zip", sha256="0" * 64)),
        *told("package_tree", **tree("one.zip", root="no")),
        *four("package_tree", **tree("one.zip")),
        Put("C:\\Lab\\jre\\bin\\java.exe", "bad"),
        Put("C:\\Lab\\jre\\theirs.txt", "theirs"),
        *four("package_tree", **tree("one.zip")),
        *four("package_tree", **tree("two.zip", skip=["C:\\Lab\\jre\\release"])),
        *told("win_stat", path="C:\\Lab\\jre\\old.txt"),
        *told("win_stat", path="C:\\Lab\\jre\\theirs.txt"),
        *told("package_tree", **tree("evil.zip", destination="C:\\Lab\\evil")),
        *four("package_tree", **tree("one.zip", member="bin/java.exe", destination="C:\\Lab\\run.exe")),
        *told("win_stat", path="C:\\Lab\\run.exe"),
        *four("package_tree", destination="C:\\Lab\\run.exe", member="bin/java.exe", state="absent"),
        *four("package_tree", **tree("one.zip", unpack=False, destination="C:\\Lab\\one.zip")),
        *four("package_tree", **local("one.zip", location="C:\\Lab\\one.zip")),
        *told("package_tree", **local("two.zip", location="C:\\Lab\\one.zip")),
        *told("package_tree", **local("one.zip", location="C:\\Lab\\no.zip", destination="C:\\Lab\\t")),
        *told("package_tree", destination="C:\\Lab\\t"),
        *four("package_tree", destination="C:\\Lab\\one.zip", unpack=False, state="absent"),
        *four("package_tree", destination="C:\\Lab\\jre", state="absent"),
        *told("win_stat", path="C:\\Lab\\jre\\bin"),
    ],
    "defender_exclusion": [
        *four("defender_exclusion", path=["C:\\Lab\\a.exe"], process=["C:\\Lab\\b.exe"]),
        *four("defender_exclusion", path=["c:\\lab\\A.exe", "C:\\Lab\\c"]),
        *told("defender_exclusion", path=["C:\\Lab\\a.exe"], state="gone"),
        *four("defender_exclusion", path=["C:\\Lab\\a.exe", "C:\\Lab\\c"], state="absent"),
        *four("defender_exclusion", process=["C:\\Lab\\b.exe"], state="absent"),
    ],
    "power_setting": [
        *four("power_setting", sleep_seconds=600, hibernate_seconds=0),
        *four("power_setting", sleep_seconds=0, hibernate_seconds=0),
        *told("power_setting", sleep_seconds="soon", hibernate_seconds=0),
        *told("power_setting", sleep_seconds=0),
    ],
    "folder_access": [
        *four("folder_access", path=["C:\\New"], private=["C:\\Ours", "C:\\Ours\\kept"]),
        Put("C:\\Ours\\file", "x"),
        *four("folder_access", path=["C:\\New", "C:\\None"], private=["C:\\Ours"], state="absent"),
        *told("folder_access", path=["C:\\New"], state="gone"),
    ],
    "work_marker": [
        *four("work_marker", **MARKER),
        # It holds the moment of its writing.
        *told("win_stat", path=MARKER["path"], get_checksum=False),
        *four("work_marker", **{**MARKER, "step": "s-3", "by": ""}),
        *four("work_marker", **{**MARKER, "journal": "J-1"}),
        *four("work_marker", path=MARKER["path"], journal="j-2", state="absent"),
        *four("work_marker", path=MARKER["path"], journal="j-1", state="absent"),
        *marked({**LATE, "since": "2020-02-30T00:00:00Z"}),
        *marked({**LATE, "journal": "j-2"}),
        *marked({**EARLY, "journal": "j-0"}),
        *marked({**EARLY, "journal": "j-2", "more": [1]}),
        *marked({**EARLY, "journal": "j-2", "step": None, "by": 7}),
        *marked({**EARLY, "journal": 7}),
        *marked({**EARLY, "journal": ""}),
        *marked({**EARLY, "journal": "j-2", "minutes": "1441"}),
        *marked({**EARLY, "journal": "j-2", "minutes": "soon"}),
        *marked({**LATE, "journal": "j-2", "minutes": 1}),
        *marked({"journal": "j-1", "minutes": "60", "since": "2099-1-1T00:00:00Z"}),
        *marked({"journal": "j-1"}),
        *marked({"journal": "j-2", "until": "2020-01-01T00:00:00Z"}),
        *marked([EARLY]),
        *marked("j-1"),
        *marked({**EARLY, "by": "x" * 20_000}),
        Put(MARKED, "{broken"),
        *told("work_marker", **MARKER),
        Put(MARKED, ""),
        *told("work_marker", **MARKER),
        *told("work_marker", path=MARKER["path"], journal="j-1", state="absent"),
        *told("work_marker", **{**MARKER, "minutes": 0}),
        *told("work_marker", **{**MARKER, "minutes": "soon"}),
        *told("work_marker", **{**MARKER, "journal": ""}),
        *told("work_marker", **{**MARKER, "state": "there"}),
        *told("work_marker", journal="j-1"),
        *told("work_marker", minutes=60),
    ],
}  # fmt: skip


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
    store = "'HKEY_CURRENT_USER\\Software\\Rights'"
    library = doubled(
        tmp_path / "library",
        "folder_access",
        {
            "Get-Rights": f"    [Microsoft.Win32.Registry]::GetValue({store}, $Path, 'O:BAD:AI(A;ID;FA;;;BA)')",
            "Set-Rights": f"    [Microsoft.Win32.Registry]::SetValue({store}, $Path, $Sddl)",
            "New-Folder": "    $null = [System.IO.Directory]::CreateDirectory($Path)\n    Set-Rights $Path $Sddl",
        },
    )
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


def test_the_lab_answers_as_the_real_modules(engine: Engine, web: tuple[str, Path], tmp_path: Path) -> None:
    both = played(STORIES, engine, web, tmp_path)
    wrong = differing(both)
    assert wrong == [], f"{len(wrong)} differ:\n" + "\n".join(wrong)
    assert sum(map(len, both.values())) > 400
