"""evidence.ps1 over WinRM on a Windows of a kind (Wine): its doors open onto a real registry, files and services."""

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from winrm.protocol import Protocol

from provisioner import collect
from tests.evidence_fixtures import BOOTSTRAP, MACHINES, SHAPE, asked, base, document, merged

pytestmark = [pytest.mark.wine, pytest.mark.timeout(240)]

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
    """A gateway of winrm-gateways: its address, and the folder with what stands in for what Wine lacks."""

    address: str
    folder: Path

    def send(self, script: str, settings: dict[str, Any]) -> str:
        """What PowerShell there prints when it is sent a script as remote.py sends it."""
        # Over plain HTTP there is no certificate; "ignore" keeps pywinrm from warning of a trust store it found.
        protocol = Protocol(
            self.address,
            transport="basic",
            username="lab",
            password="lab",
            server_cert_validation="ignore",
            proxy=None,
        )
        shell = protocol.open_shell(codepage=65001)
        line = ["-NoProfile", "-NonInteractive", "-Command", f'"{BOOTSTRAP}"']
        command = protocol.run_command(shell, "powershell.exe", line, console_mode_stdin=False)
        sent = f"{json.dumps(settings)}\n{script}".encode("ascii")
        protocol.send_command_input(shell, command, sent, end=True)
        printed, errors, code = protocol.get_command_output(shell, command)
        protocol.cleanup_command(shell, command)
        protocol.close_shell(shell)
        assert code == 0, errors.decode()
        return str(printed.decode("ascii"))


def _machine(name: str) -> dict[str, Any]:
    whole = merged(base(), json.loads((MACHINES / name / "machine.json").read_text("utf-8")))
    return dict(whole)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway on which the machine `ready` was laid out, with the firewall of `firewall-policy`."""
    program = shutil.which("winrm-gateways")
    if program is None:
        pytest.skip("winrm-gateways is not on PATH")
    home = tmp_path_factory.mktemp("gateways")
    options = ["--port", "0", "--home", str(home), "--user", "lab", "--password", "lab"]
    with subprocess.Popen([program, *options], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = server.stdout.readline().split("127.0.0.1:")[1].split("/")[0]
        one = Gateway(f"http://127.0.0.1:{port}/one/wsman", home / "one")
        one.folder.mkdir()
        machine, policy = _machine("ready"), _machine("firewall-policy")
        (one.folder / "cim.json").write_text(json.dumps(machine["cim"]), "ascii")
        rules = {name: keys for name, keys in policy["machine"]["registry"].items() if "irewall" in name}
        machine["machine"]["registry"].update(rules)
        for version in ("4.18.24090.2-0", "4.18.24090.11-0"):
            machine["machine"]["files"][f"{PLATFORM}\\{version}\\note.txt"] = "x"
        try:
            assert one.send(_LAY_OUT, machine["machine"]).splitlines()[-1] == "done"
            yield one
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(20)
            subprocess.run(["wineserver", "-k"], env={"WINEPREFIX": str(one.folder / "prefix")}, check=False)


@pytest.fixture(scope="module")
def answer(gateway: Gateway) -> dict[str, Any]:
    """One reading of all sections, as an audit makes it."""
    settings = asked(service="real", endpoints=["127.0.0.1"], section_seconds=30)
    return document(gateway.send(collect.script(), settings))


def test_every_section_is_read_and_valid(answer: dict[str, Any]) -> None:
    jsonschema.validate(answer, SHAPE)
    assert {name: one["error"] for name, one in answer["sections"].items() if one["error"]} == {}


@pytest.mark.parametrize("section", ["power", "java", "reboot", "memory", "screen"])
def test_the_real_registry_says_what_the_written_one_says(answer: dict[str, Any], section: str) -> None:
    wanted = json.loads((MACHINES / "ready" / "expect.json").read_text("utf-8"))[section]
    found = answer["sections"][section]["data"]
    assert {name: found[name] for name in wanted} == wanted


def test_rules_and_profiles_come_from_all_three_stores(gateway: Gateway) -> None:
    wanted = json.loads((MACHINES / "firewall-policy" / "expect.json").read_text("utf-8"))["firewall"]
    found = document(gateway.send(collect.script(), asked("firewall")))["sections"]["firewall"]["data"]
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
    where = gateway.send(
        "param($Settings)\n[Diagnostics.Process]::GetCurrentProcess().MainModule.FileName\n", {}
    ).splitlines()[-1]
    folder, leaf = where.rsplit("\\", 1)
    settings = asked("connector", folder=folder, image=where, java_home=folder, files=[])
    connector = document(gateway.send(collect.script(), settings))["sections"]["connector"]
    assert connector["error"] is None
    mine = [one for one in connector["data"]["processes"] if one["image"].endswith(leaf)]
    assert mine and all(one["started"] and one["session"] is not None for one in mine)
