"""The evidence script over WinRM on a Windows of a kind (Wine): its doors open onto a real registry and services."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from provisioner.evidence import question
from provisioner.resources import script
from tests.fixtures.evidence import MACHINES, VALIDATOR, asked, base, document, merged
from tests.fixtures.windows import Gateways, ended, windows, windows_home

__all__ = ["windows", "windows_home"]

pytestmark = pytest.mark.wine

PLATFORM = "C:\\ProgramData\\Microsoft\\Windows Defender\\Platform"

_LAY_OUT = r"""param($Settings)
$machine = ConvertFrom-Json -InputObject $Settings
foreach ($key in $machine.registry.PSObject.Properties) {
    $hive, $path = $key.Name.Split('\', 2)
    $made = [Microsoft.Win32.RegistryKey]::OpenBaseKey($hive, 'Registry64').CreateSubKey($path)
    foreach ($value in $key.Value.PSObject.Properties) {
        $set = $value.Value
        if ($set -is [array]) { $made.SetValue($value.Name, [string[]]$set, 'MultiString') }
        elseif ($set -is [string] -and $set.StartsWith('hex:')) {
            $bytes = [byte[]]@($set.Substring(4).Split(',') | ForEach-Object { [Convert]::ToByte($_, 16) })
            $made.SetValue($value.Name, $bytes, 'Binary')
        }
        elseif ("$set" -match '%') { $made.SetValue($value.Name, $set, 'ExpandString') }
        elseif ($set -is [string]) { $made.SetValue($value.Name, $set, 'String') }
        else { $made.SetValue($value.Name, [int]$set, 'DWord') }
    }
}
foreach ($file in $machine.files.PSObject.Properties) {
    [void][IO.Directory]::CreateDirectory([IO.Path]::GetDirectoryName($file.Name))
    [IO.File]::WriteAllText($file.Name, $file.Value)
}
New-Service -Name real -BinaryPathName '"C:\iPlato\real.exe" run' -DisplayName 'Really a service' | Out-Null
'done'
"""


@dataclass(frozen=True)
class Gateway:
    """The gateway `one`, and the folder with what stands in for what Wine lacks."""

    windows: Gateways
    folder: Path

    def send(self, script: str, settings: dict[str, Any]) -> str:
        """What PowerShell there prints."""
        return self.windows.send("one", script, settings)


def _machine(name: str) -> dict[str, Any]:
    whole = merged(base(), json.loads((MACHINES / name / "machine.json").read_text("utf-8")))
    return dict(whole)


@pytest.fixture(scope="module")
def gateway(windows: Gateways) -> Gateway:
    """A gateway on which the machine `ready` was laid out, with the firewall of `firewall-policy`."""
    one = Gateway(windows, windows.home / "one")
    one.folder.mkdir()
    machine, policy = _machine("ready"), _machine("firewall-policy")
    (one.folder / "cim.json").write_text(json.dumps(machine["cim"]), "ascii")
    rules = {name: keys for name, keys in policy["machine"]["registry"].items() if "irewall" in name}
    machine["machine"]["registry"].update(rules)
    for version in ("4.18.24090.2-0", "4.18.24090.11-0"):
        machine["machine"]["files"][f"{PLATFORM}\\{version}\\note.txt"] = "x"
    assert one.send(_LAY_OUT, machine["machine"]).splitlines()[-1] == "done"
    return one


@pytest.fixture(scope="module")
def answer(gateway: Gateway) -> dict[str, Any]:
    """One reading of all sections, as an audit makes it."""
    settings = asked(service="real", endpoints=["127.0.0.1"], section_seconds=30)
    return document(gateway.send(question.script(), settings))


def test_every_section_is_read_and_valid(answer: dict[str, Any]) -> None:
    VALIDATOR.validate(answer)
    assert {name: one["error"] for name, one in answer["sections"].items() if one["error"]} == {}


@pytest.mark.parametrize("section", ["power", "java", "reboot", "memory", "screen"])
def test_the_real_registry_says_what_the_written_one_says(answer: dict[str, Any], section: str) -> None:
    wanted = json.loads((MACHINES / "ready" / "expect.json").read_text("utf-8"))[section]
    found = answer["sections"][section]["data"]
    assert {name: found[name] for name in wanted} == wanted


def test_rules_and_profiles_come_from_all_three_stores(gateway: Gateway) -> None:
    wanted = json.loads((MACHINES / "firewall-policy" / "expect.json").read_text("utf-8"))["firewall"]
    found = document(gateway.send(question.script(), asked("firewall")))["sections"]["firewall"]["data"]
    ids = [one["id"] for one in wanted["rules"]]
    assert [one["id"] for one in found["rules"] if one["id"] in ids] == ids
    assert found["profiles"] == wanted["profiles"]


def test_identity_windows_and_account(answer: dict[str, Any]) -> None:
    sections = {name: one["data"] for name, one in answer["sections"].items()}
    assert sections["identity"]["serial"] == "CZC1234ABC"
    assert sections["identity"]["machine_guid"] == "6b8a1f6e-3f3a-4b51-9b0e-2f6f0e0c1a77"
    assert (sections["windows"]["build"], sections["windows"]["product_type"]) == (26200, 1)
    assert sections["account"]["administrator"] and sections["account"]["elevated"]
    assert sections["account"]["local"] is True
    assert sections["disk"]["total_bytes"] > sections["disk"]["free_bytes"] > 0


def test_a_real_service_and_one_that_only_the_registry_has(answer: dict[str, Any]) -> None:
    service = answer["sections"]["service"]["data"]
    assert service["service"] | {"account": "", "actions": []} == {
        "name": "real",
        "display_name": "Really a service",
        "state": "stopped",
        "start_mode": "auto",
        "account": "",
        "command": "C:\\iPlato\\real.exe",
        "image": "C:\\iPlato\\real.exe",
        "pid": None,
        "actions": [],
        "reset_seconds": None,
        "on_non_crash": False,
        "host": None,
        "marked_for_deletion": False,
    }
    other = next(one for one in service["others"] if one["name"] == "iPlatoConnector")
    assert other["image"] == "C:\\iPlato\\jre\\bin\\java.exe"
    assert [one["delay_ms"] for one in other["actions"]] == [60000, 120000, 300000]


def test_the_newest_platform_of_defender_is_found_by_its_version(answer: dict[str, Any]) -> None:
    defender = answer["sections"]["antivirus"]["data"]["defender"]
    assert defender["platform"] == "4.18.24090.11"
    assert defender["path_exclusions"] == ["C:\\iPlato\\jre\\bin\\java.exe"]


def test_files_and_rights(answer: dict[str, Any]) -> None:
    connector = answer["sections"]["connector"]["data"]
    assert connector["present"] and connector["image_present"]
    assert connector["package_intact"] is True
    assert len(connector["files"][0]["sha256"]) == 64
    # Wine keeps no real rights: that there is an owner and a list is all that can be seen here.
    assert connector["owner"].startswith("S-1-5-") and connector["writers"]


def test_a_running_program_is_seen_with_its_path(gateway: Gateway) -> None:
    # Not the gateway's own PowerShell: a reading leaves itself out. Wine's services run as long as anything does.
    where = "C:\\windows\\system32\\services.exe"
    folder, leaf = where.rsplit("\\", 1)
    settings = asked("connector", folder=folder, image=where, java_home=folder, files=[])
    connector = document(gateway.send(question.script(), settings))["sections"]["connector"]
    assert connector["error"] is None
    mine = [one for one in connector["data"]["processes"] if one["image"].endswith(leaf)]
    assert mine and all(one["started"] and one["session"] is not None for one in mine)


def _written(gateway: Gateway, folder: Path) -> dict[str, str]:
    """All that Windows keeps: files with their digests, keys of the registry with their values, services' states."""
    environment = {**os.environ, "WINEPREFIX": str(gateway.folder / "prefix")}
    export = folder / "registry.reg"
    ended(["wine", "regedit", "/E", f"Z:{export}"], folder, environment)
    drive = gateway.folder / "prefix" / "drive_c"
    found = {
        str(path.relative_to(drive)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in drive.rglob("*")
        # PowerShell's own memory of where cmdlets are is written by whatever runs for ten seconds.
        if not path.is_symlink() and "AppData/Local/Microsoft/PowerShell" not in str(path)
    }
    for key in export.read_text("utf-16").split("\n\n"):
        name, _, values = key.strip().partition("\n")
        # Wine's own, whenever its display driver wakes.
        if "\\Control\\Video\\" not in name:
            found[name] = values
    services = "Get-Service | ForEach-Object { $_.Name + '=' + $_.Status + '=' + $_.StartType }"
    return found | dict(one.split("=", 1) for one in gateway.windows.say("one", services))


def _changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def test_a_reading_writes_nothing(gateway: Gateway, tmp_path: Path) -> None:
    """What a command that does nothing changes there (PowerShell's start, Wine's own clocks) is left out."""
    states = [_written(gateway, tmp_path)]
    for text, settings in (("param($Settings)\n1\n", {}), (question.script(), asked(section_seconds=30))):
        gateway.send(text, settings)
        states.append(_written(gateway, tmp_path))
    nothing, reading = _changed(states[0], states[1]), _changed(states[1], states[2])
    assert len(states[0]) > 5000
    assert reading - nothing == set()
    assert len(nothing) < 20, nothing
    gateway.windows.say(
        "one", "Set-ItemProperty HKLM:\\SOFTWARE\\Microsoft x 1", "[IO.File]::WriteAllText('C:\\x', 'x')"
    )
    seen = _changed(states[2], _written(gateway, tmp_path)) - nothing
    assert seen == {"[HKEY_LOCAL_MACHINE\\Software\\Microsoft]", "x"}


# What Get-Access makes of a list that is made up, since Wine keeps none with conditions.
_LISTED = r"""
function New-Object {
    if ($args[0] -notlike '*RawSec*') { return Get-Made @args }
    Get-Made Security.AccessControl.RawSecurityDescriptor $Bytes, 0
}
function Get-Made { Microsoft.PowerShell.Utility\New-Object @args }
$list = Get-Made Security.AccessControl.RawAcl 2, 4
foreach ($one in @(3, 'AccessDenied', 2032127, 'S-1-1-0', $true), @(11, 'AccessAllowed', 1245631, 'S-1-5-11', $true),
    @(0, 'AccessDenied', 2, 'S-1-5-32-545', $false), @(0, 'AccessAllowed', -536805376, 'S-1-5-32-545', $false)) {
    $sid = Get-Made Security.Principal.SecurityIdentifier $one[3]
    $condition = if ($one[4]) { , [byte[]](97, 114, 116, 120) }
    $entry = Get-Made Security.AccessControl.CommonAce $one[0], $one[1], $one[2], $sid, $one[4], $condition
    $list.InsertAce($list.Count, $entry)
}
foreach ($acl in $list, $null) {
    $owner = Get-Made Security.Principal.SecurityIdentifier 'S-1-5-32-544'
    $whole = Get-Made Security.AccessControl.RawSecurityDescriptor 4, $owner, $null, $null, $acl
    $Bytes = [byte[]]::new($whole.BinaryLength)
    $whole.GetBinaryForm($Bytes, 0)
    foreach ($rule in (Get-Access 'C:\windows').Rules) {
        "$($rule.Sid) $($rule.Rights) $($rule.Allow) $($rule.Here) $($rule.Below)"
    }
}
"""


def test_what_is_denied_on_a_condition_is_not_denied(gateway: Gateway) -> None:
    doors = (script() / "doors.ps1").read_text("ascii")
    access = doors[doors.index("function Get-Access") : doors.index("function Get-WinRm")]
    assert gateway.send(f"param($Settings)\n{access}{_LISTED}", {}).splitlines()[-4:] == [
        "S-1-5-11 1245631 True False True",
        "S-1-5-32-545 2 False True False",
        "S-1-5-32-545 -536805376 True True False",
        "S-1-1-0 -1 True True True",
    ]
