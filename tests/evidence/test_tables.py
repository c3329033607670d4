"""What the evidence script has by itself of tables that others have too, on a real PowerShell engine."""

import os
import subprocess
from datetime import date, timedelta
from pathlib import Path

import pytest

from provisioner import resources
from provisioner.audit import facts, policy
from tests.fixtures.evidence import asked, document, run

LIFECYCLE = policy.load(resources.root() / "policy", facts.NAMES).lifecycle
HERE = Path(__file__).parent


def years() -> list[tuple[int, bool, int, date]]:
    """Each year of extended updates in the lifecycle table: build, whether a server's, its number and its last day."""
    rows = [*((row, False) for row in LIFECYCLE.clients), *((row, True) for row in LIFECYCLE.servers)]
    return [(row.build, server, n, end) for row, server in rows for n, end in enumerate(row.esu_years, 1)]


@pytest.mark.engine
def test_a_licence_is_asked_for_on_every_build_that_may_have_one_and_counts_until_its_year_ends(pwsh: str) -> None:
    days = [(*year, day) for year in years() for day in (year[3], year[3] + timedelta(days=1))]
    questions = [
        {
            "build": build,
            "server": server,
            "name": f"Windows(R), Client-ESU-Year{n} add-on for X",
            "day": f"{day}T12:00",
        }
        for build, server, n, _, day in days
    ]
    stubs = """
        function Get-Instance { [pscustomobject]@{ ID = 'x'; Name = $global:One.name; LicenseStatus = 1 } }
        function Get-Now { [datetime]$global:One.day }
        function Read-Years($s) {
            [ordered]@{ active = @(foreach ($one in $s.questions) {
                $global:One = $one
                "$((Get-ExtendedUpdates $one.build $one.server).Active)"
            }) }
        }"""
    section = document(run(pwsh, asked("years", questions=questions), stubs))
    assert section["sections"]["years"]["error"] is None
    assert section["sections"]["years"]["data"]["active"] == [str(day == end) for _, _, _, end, day in days]


@pytest.mark.engine
def test_where_microsoft_sells_no_extended_updates_nothing_is_asked(pwsh: str) -> None:
    sold = {(build, server) for build, server, _, _ in years()}
    rows = {(row.build, False) for row in LIFECYCLE.clients} | {(row.build, True) for row in LIFECYCLE.servers}
    questions = [{"build": build, "server": server} for build, server in sorted(rows - sold)]
    stubs = """
        function Get-Instance { throw 'asked' }
        function Read-Years($s) {
            $told = foreach ($one in $s.questions) { (Get-ExtendedUpdates $one.build $one.server).Reason }
            [ordered]@{ said = @($told) }
        }"""
    said = document(run(pwsh, asked("years", questions=questions), stubs))["sections"]["years"]["data"]["said"]
    assert said == [f"there are no extended security updates for build {one['build']}" for one in questions]


@pytest.mark.engine
def test_no_number_is_cast_to_an_enum(pwsh: str) -> None:
    scripts = sorted([*resources.script().glob("*.ps1"), *(resources.root() / "plugins").rglob("*.ps1")])
    environment = {**os.environ, "SCRIPTS": "\n".join(map(str, scripts))}
    found = subprocess.run(
        [pwsh, "-File", str(HERE / "casts.ps1")], capture_output=True, text=True, check=False, env=environment
    )
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


@pytest.mark.engine
def test_every_bit_of_a_files_rights_is_told(pwsh: str) -> None:
    """Generic bits become what .NET takes them for, whatever else stands beside them, and none is refused."""
    masks = [-536805376, -1610612736, 268435456, 1073741824, -2147483648, 2032127, 1245631, 17825792, -1, 0]
    stubs = """
        function Read-Rights($s) {
            $kind = [Security.AccessControl.FileSystemRights]
            $told = foreach ($mask in $s.masks) { "$([Enum]::ToObject($kind, [int](ConvertTo-Rights $mask)))" }
            [ordered]@{ said = @($told) }
        }"""
    said = document(run(pwsh, asked("rights", masks=masks), stubs))["sections"]["rights"]["data"]["said"]
    assert said == [
        "Modify, Synchronize",
        "ReadAndExecute, Synchronize",
        "FullControl",
        "Write, ReadPermissions, Synchronize",
        "Read, Synchronize",
        "FullControl",
        "Modify, Synchronize",
        "Synchronize",
        "FullControl",
        "0",
    ]
