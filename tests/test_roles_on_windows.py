"""The roles by Ansible, through WinRM, with the real modules, on a PowerShell under Wine.

Access rights have a double, because Wine keeps none; antivirus and power are in test_our_modules.py.
"""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from provisioner import remedies
from provisioner.model import Fleet, Gateway, Role
from provisioner.settings import Connection, Connector, ConnectorFile, Package, Service, Settings
from tests.test_our_modules import zipped
from tests.windows_fixtures import ROOT, Gateways, Told, doubled, play, windows, windows_home

__all__ = ["windows", "windows_home"]

# A module takes 3 s of CPU here; the limit is for a loaded machine.
pytestmark = [pytest.mark.wine, pytest.mark.timeout(400)]

WORD = "marked-word"
ROW = Gateway(
    name="gw1", practice="A81001", practice_name="Old Mill", address="127.0.0.1", port=1, path="/", role=Role.ACTIVE
)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A fleet whose packages a web server on loopback has."""
    folder = tmp_path_factory.mktemp("fleet")
    (folder / "c.j2").write_text("practice={{ practice }} {{ practice_name }}\nkey={{ key }}\n", "utf-8")
    (folder / "fleet.yml").write_text("connection: {credential_file: password}\n", "utf-8")
    (folder / "secrets").mkdir()
    (folder / "secrets" / "api").write_text(WORD, "utf-8")
    (folder / "secrets" / "api").chmod(0o600)
    contents = {
        "connector": {"c/connector.jar": "jar", "c/c.properties": "the vendor's own"},
        "jre": {"c/bin/java.exe": "java", "c/release": 'JAVA_VERSION="17.0.9"\n'},
        "procrun": {"prunsrv.exe": "32", "c/prunsrv.exe": "64"},
    }
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    packages = {
        name: Package(url=f"{address}/{name}.zip", sha256=zipped(folder / f"{name}.zip", files), root="c")
        for name, files in contents.items()
    }
    settings = Settings(
        version=1,
        endpoints=("192.0.2.15", "192.0.2.5", "192.0.2.9", "192.0.2.16"),
        connection=Connection(transport="basic", tls=False),
        packages=packages,  # type: ignore[arg-type]
        connector=Connector(files=(ConnectorFile(path="c.properties", template="c.j2", secrets={"key": "api"}),)),
        service=Service(name="iPlatoConnector", display_name="iPlato Connector"),
    )
    yield Fleet(folder=str(folder), settings=settings, gateways=(ROW,), statements=(), waivers=(), digest="d")
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = "'HKEY_CURRENT_USER\\Software\\Rights'"
    return doubled(
        tmp_path_factory.mktemp("library"),
        "folder_access",
        {
            "Get-Rights": f"    [Microsoft.Win32.Registry]::GetValue({store}, $Path, 'O:BAD:AI(A;ID;FA;;;BA)')",
            "Set-Rights": f"    [Microsoft.Win32.Registry]::SetValue({store}, $Path, $Sddl)",
            "New-Folder": "    $null = [System.IO.Directory]::CreateDirectory($Path)\n    Set-Rights $Path $Sddl",
        },
    )


def rollout(
    folder: Path, windows: Gateways, fleet: Fleet, library: Path, roles: list[str], *options: str, **other: Any
) -> list[Told]:
    """Roles on gw1, as the inventory plugin would have them; what each task said."""
    values = {**remedies.variables(fleet, ROW), **windows.variables("gw1"), "provisioner_roles": roles, **other}
    told = play(
        folder,
        ROOT / "playbooks" / "rollout.yml",
        {"gw1": values},
        *options,
        library=[library],
        environment={"PROVISIONER_FLEET": fleet.folder},
    )
    failed = [one for one in told if one.result.get("failed") or one.result.get("unreachable")]
    assert not failed, failed
    return told


def changed(told: list[Told]) -> set[str]:
    """The roles that changed something, or would."""
    return {one.role for one in told if one.result.get("changed")}


def before(told: list[Told]) -> dict[str, Any]:
    """What each role said was there."""
    found = {}
    for one in told:
        facts = one.result.get("ansible_facts", {})
        if "provisioner_before" in facts:
            found[one.role] = facts["provisioner_before"]
    return found


def test_check_then_do_then_nothing_left_to_do(windows: Gateways, fleet: Fleet, library: Path, tmp_path: Path) -> None:
    roles = ["java", "connector", "firewall"]
    drive = windows.drive("gw1")
    checked = rollout(tmp_path / "check", windows, fleet, library, roles, "--check", "--diff")
    assert changed(checked) == set(roles)
    assert not (drive / "iPlato").exists()
    assert not (drive / "ProgramData" / "provisioner").exists()

    done = rollout(tmp_path / "do", windows, fleet, library, roles)
    assert changed(done) == set(roles)
    assert before(done)["firewall"] == {"exists": False, "changed": {}}
    assert before(done)["java"]["package"] == {"exists": False, "sha256": None}
    assert (drive / "iPlato" / "jre" / "bin" / "java.exe").read_text() == "java"
    written = (drive / "iPlato" / "c.properties").read_text("utf-8")
    assert written == f"practice=A81001 Old Mill\nkey={WORD}\n"
    assert WORD not in json.dumps([one.result for one in done])
    rule = json.loads((windows.home / "gw1" / "firewall.json").read_text("utf-8"))
    assert "192.0.2.15/255.255.255.255" in json.dumps(rule)

    (drive / "iPlato" / "c.properties").write_text("by hand", "utf-8")
    moved = replace(fleet, settings=replace(fleet.settings, endpoints=("192.0.2.16", "192.0.2.9", "192.0.2.5")))
    again = rollout(tmp_path / "again", windows, moved, library, roles)
    assert changed(again) == {"connector", "firewall"}
    assert list(before(again)["firewall"]["changed"]) == ["RemoteAddresses"]
    assert before(again)["connector"]["files"].keys() == {"C:\\iPlato\\c.properties"}
    (kept,) = (drive / "ProgramData" / "provisioner" / "kept").iterdir()
    assert kept.read_text("utf-8") == "by hand"
    other_order = replace(fleet, settings=replace(fleet.settings, endpoints=("192.0.2.5", "192.0.2.9", "192.0.2.16")))
    still = rollout(tmp_path / "still", windows, other_order, library, ["firewall"])
    assert changed(still) == set()


def test_the_service_is_made_configured_and_removed(
    windows: Gateways, fleet: Fleet, library: Path, tmp_path: Path
) -> None:
    made = rollout(tmp_path / "do", windows, fleet, library, ["service"])
    assert before(made)["service"] == {"exists": False}
    again = rollout(tmp_path / "again", windows, fleet, library, ["service"])
    assert changed(again) == set()
    found = before(again)["service"]
    assert (found["start_mode"], found["state"]) == ("delayed", "stopped")
    assert found["path"] == '"C:\\iPlato\\iPlatoConnector.exe" //RS//iPlatoConnector'
    assert [action["delay_ms"] for action in found["failure_actions"]] == [60_000, 120_000, 300_000]
    assert found["failure_actions_on_non_crash_failure"]
    assert (windows.drive("gw1") / "iPlato" / "iPlatoConnector.exe").read_text() == "64"
    gone = rollout(tmp_path / "gone", windows, fleet, library, ["service"], service_state="absent")
    assert changed(gone) == {"service"}
    assert not (windows.drive("gw1") / "iPlato" / "iPlatoConnector.exe").exists()
