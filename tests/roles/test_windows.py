"""The roles on a real Windows of a kind: done, done again, changed, put back, and taken away.

Power is in test_our_modules.py, with a double for powercfg; Java and check mode in test_windows_more.py.
"""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provisioner import remedies
from provisioner.fleet import templates
from provisioner.model import Fleet, Role
from tests.fixtures.roles import (
    DEFENDER,
    PLAN,
    ROLES,
    ROW,
    WORD,
    before,
    changed,
    evidence,
    fleet,
    library,
    newer,
    restored,
    rollout,
    rule,
    with_package,
)
from tests.fixtures.windows import Gateways, Told, windows, windows_home

__all__ = ["fleet", "library", "windows", "windows_home"]

pytestmark = pytest.mark.wine

STOP, START = "Stop the Connector while its files are replaced", "Start the Connector again"
NOTE = "C:\\ProgramData\\provisioner\\made.json"
COMMAND = '"C:\\iPlato\\iPlatoConnector.exe" //RS//iPlatoConnector'


# Wine's own WMI never answers when it is asked since when its processes run.
WMI: dict[str, Any] = {"root/cimv2": {"Win32_Process": [], "Win32_Service": [], "Win32_Share": []}}


@pytest.fixture(scope="module")
def done(windows: Gateways, fleet: Fleet, library: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Told]:
    """What the roles said when they were first run on gw1, which is bare before. Each test leaves gw1 as it is then."""
    folder = windows.home / "gw1"
    folder.mkdir()
    (folder / "cim.json").write_text(json.dumps(WMI), "ascii")
    (folder / "defender.json").write_text(json.dumps(DEFENDER), "utf-8")
    return rollout(tmp_path_factory.mktemp("do"), windows, fleet, library, ROLES)


def test_done_and_nothing_left_to_do(
    windows: Gateways, fleet: Fleet, library: Path, done: list[Told], tmp_path: Path
) -> None:
    drive, folder = windows.drive("gw1"), windows.home / "gw1"
    assert changed(done) == set(ROLES)
    assert before(done)["firewall"] == {"exists": False, "rules": 0, "changed": {}}
    assert before(done)["java"]["package"] == {"exists": False, "sha256": None, "edited": 0}
    assert before(done)["antivirus"] == {"path": [], "process": []}
    assert before(done)["service"] == {
        "exists": False,
        "program": {"exists": False, "sha256": None, "edited": 0},
        "procrun": {"exists": False, "start": None},
    }
    written = (drive / "iPlato" / "c.properties").read_text("utf-8")
    assert written == f"practice=A81001 Old Mill\nkey={WORD}\n"
    assert WORD not in json.dumps([one.result for one in done])
    excluded = json.loads((folder / "defender.json").read_text("utf-8"))["preference"]["ExclusionPath"]
    assert excluded == ["C:\\Theirs", fleet.settings.connector.image]

    # Java a second time: test_windows_more.py.
    again = rollout(tmp_path / "again", windows, fleet, library, ROLES[1:])
    assert changed(again) == set()
    assert not {STOP, START} & {one.task for one in again if not one.result.get("skipped")}
    found = before(again)["service"]
    # One that has not been started is not made to start by itself.
    assert (found["start_mode"], found["state"], found["path"]) == ("manual", "stopped", COMMAND)


@pytest.mark.usefixtures("done")
def test_the_gateway_reads_back_what_the_roles_did(windows: Gateways, fleet: Fleet) -> None:
    found = evidence(windows, fleet, "connector", "java", "service")
    connector, service = found["connector"], found["service"]["service"]
    packages = {str(name): package for name, package in fleet.settings.packages.items()}
    assert (connector["package_sha256"], connector["package_intact"]) == (packages["connector"].sha256, True)
    assert connector["image_present"] is True
    text = f"practice=A81001 Old Mill\nkey={WORD}\n".encode()
    digest = hashlib.sha256(text).hexdigest()
    (row,), (file,) = fleet.gateways, fleet.settings.connector.files
    made = {"sha256": digest, "made_from": templates.made_from(fleet.templates, file, row)}
    assert connector["files"] == [{"path": "C:\\iPlato\\c.properties", "sha256": digest, "made": made}]
    assert (found["java"]["version"], found["java"]["present"]) == ("17.0.9", True)
    assert (service["start_mode"], service["state"]) == ("manual", "stopped")
    assert service["account"].upper().replace(" ", "") == "NTAUTHORITY\\LOCALSERVICE"
    assert (service["command"], service["image"]) == (COMMAND.split('"')[1], fleet.settings.connector.image)
    assert [(one["type"], one["delay_ms"]) for one in service["actions"]] == [
        ("restart", seconds * 1000) for seconds in fleet.settings.service.restart_after
    ]
    assert (service["reset_seconds"], service["on_non_crash"]) == (86400, True)
    ours = rule(windows, fleet)
    assert sorted(ours["remote_addresses"]) == sorted(fleet.settings.endpoints)
    assert (ours["program"], ours["remote_ports"]) == (fleet.settings.connector.image, ["443"])
    assert (ours["direction"].lower(), ours["action"].lower(), ours["enabled"]) == ("out", "allow", True)
    assert (windows.drive("gw1") / "iPlato" / "iPlatoConnector.exe").read_text() == "64"


@pytest.mark.usefixtures("done")
def test_what_differs_is_mended_and_put_back_and_a_connector_that_runs_is_stopped_meanwhile(
    windows: Gateways, fleet: Fleet, library: Path, tmp_path: Path
) -> None:
    """The Connector's service is Wine's own Spooler here: one that really runs, and ends when it is told to."""
    was = rule(windows, fleet)
    drive = windows.drive("gw1")
    (drive / "iPlato" / "c.properties").write_text("by hand", "utf-8")
    windows.say("gw1", "Start-Service Spooler")
    state = 'Write-Output "$((Get-Service Spooler).Status)"'
    moved = with_package(fleet, "connector", newer(fleet))
    moved = replace(
        moved, settings=replace(moved.settings, endpoints=("192.0.2.16", "192.0.2.9", "192.0.2.5", "192.0.2.25"))
    )
    spooler: dict[str, Any] = {"connector_service": "Spooler", "connector_restart": True}
    jar = drive / "iPlato" / "connector.jar"
    checked = rollout(tmp_path / "check", windows, moved, library, ["connector"], "--check", **spooler)
    assert {one.task for one in checked if one.result.get("changed")} >= {STOP}
    assert (windows.say("gw1", state)[-1], jar.read_text()) == ("Running", "jar")

    again = rollout(tmp_path / "again", windows, moved, library, ["connector", "firewall"], **spooler, **PLAN)
    assert changed(again) == {"connector", "firewall"}
    assert {one.task for one in again if one.result.get("changed")} >= {STOP, START}
    assert (windows.say("gw1", state)[-1], jar.read_text()) == ("Running", "jar 2")
    assert "192.0.2.15" in before(again)["firewall"]["changed"]["RemoteAddresses"]
    assert before(again)["connector"]["files"].keys() == {"C:\\iPlato\\c.properties", NOTE}
    (kept,) = (drive / "ProgramData" / "provisioner" / "kept").glob("c.properties.*")
    assert kept.read_text("utf-8") == "by hand"
    other_order = replace(
        moved, settings=replace(moved.settings, endpoints=("192.0.2.5", "192.0.2.25", "192.0.2.9", "192.0.2.16"))
    )
    still = rollout(tmp_path / "still", windows, other_order, library, ["firewall"])
    assert changed(still) == set()

    undo = restored(again, "connector", "firewall")
    undone = rollout(tmp_path / "undo", windows, moved, library, ["firewall", "connector"], **spooler, **undo)
    assert {one.task for one in undone if one.result.get("changed")} >= {STOP, START}
    assert (windows.say("gw1", state)[-1], jar.read_text()) == ("Running", "jar")
    assert (drive / "iPlato" / "c.properties").read_text("utf-8") == "by hand"
    assert rule(windows, fleet) == was
    assert evidence(windows, fleet, "connector")["connector"]["package_intact"] is True


@pytest.mark.usefixtures("done")
def test_all_of_it_is_removed_again(windows: Gateways, fleet: Fleet, library: Path, tmp_path: Path) -> None:
    """What a retired gateway's plan does, in its order; Java lies in the Connector's folder and goes with that.

    The last one here: nothing is left for another.
    """
    drive, roles, values = windows.drive("gw1"), list(remedies.removal()), dict[str, Any]()
    for role in roles:
        values |= remedies.values(fleet, replace(ROW, role=Role.RETIRED), role)[1]
    own = drive / "ProgramData" / "provisioner"
    (own / "stopped-for-files").write_text("iPlatoConnector", "utf-8")
    (own / "packages" / "pushed-connector.zip").write_text("ours", "utf-8")
    gone = rollout(tmp_path / "gone", windows, fleet, library, roles, **values)
    assert changed(gone) == set(roles) - {"java"}
    assert before(gone)["antivirus"] == {"path": [fleet.settings.connector.image], "process": []}
    assert before(gone)["firewall"]["exists"] is True
    assert before(gone)["connector"]["files"].keys() == {"C:\\iPlato\\c.properties", NOTE}
    assert not (drive / "iPlato").exists()
    assert not (own / "stopped-for-files").exists()
    assert list((own / "packages").iterdir()) == []
    assert {path.stem for path in (own / "kept").iterdir() if path.is_file()} == {"c.properties", "made.json"}
    assert not (own / "made.json").exists()
    left = json.loads((windows.home / "gw1" / "defender.json").read_text("utf-8"))["preference"]
    assert (left["ExclusionPath"], left["ExclusionProcess"]) == (["C:\\Theirs"], [])
    found = evidence(windows, fleet, "connector", "service", "firewall")
    assert (found["connector"]["present"], found["service"]["service"]) == (False, None)
    assert [rule for rule in found["firewall"]["rules"] if rule["name"] == "iPlato Connector"] == []
    key = "HKLM:\\SOFTWARE\\WOW6432Node\\Apache Software Foundation\\Procrun 2.0\\iPlatoConnector"
    assert windows.say("gw1", f"Test-Path '{key}'")[-1] == "False"
