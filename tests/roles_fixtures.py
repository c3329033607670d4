"""A fleet and its roles, by Ansible, through WinRM, with the real modules, on a PowerShell under Wine.

Access rights have a double, because Wine keeps none.
"""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from provisioner import remedies
from provisioner.evidence import collect
from provisioner.model import Fleet, Gateway, Role
from provisioner.model.settings import Connection, Connector, ConnectorFile, Package, Service, Settings
from tests.test_our_modules import zipped
from tests.windows_fixtures import ROOT, Gateways, Told, doubled, play

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


DEFENDER = {
    "status": {"IsTamperProtected": False},
    "preference": {"ExclusionPath": ["C:\\Theirs"], "ExclusionProcess": []},
}
ROLES = ["java", "connector", "firewall", "antivirus", "service"]
PLAN = {"provisioner_plan": "plan-20260105-210000-1a2b"}


def restored(told: list[Told], *roles: str) -> dict[str, Any]:
    """The variables by which these roles put back what they had found."""
    found = before(told)
    each = {role: {f"{role}_state": "restored", f"{role}_before": found[role]} for role in roles}
    return {name: value for values in each.values() for name, value in values.items()} | PLAN


def evidence(windows: Gateways, fleet: Fleet, *sections: str, on: str = "gw1") -> dict[str, Any]:
    """What evidence.ps1 says of a gateway, asked as an audit asks it."""
    asked = collect.question(fleet.settings, sections, ["C:\\iPlato\\c.properties"])
    found, errors, _ = collect.parse(windows.send(on, collect.script(), asked).encode("ascii"))
    assert errors == {}
    return dict(found)


def rule(windows: Gateways, fleet: Fleet) -> dict[str, Any]:
    """Our firewall rule on gw1."""
    rules = evidence(windows, fleet, "firewall")["firewall"]["rules"]
    (found,) = (one for one in rules if one["name"] == "iPlato Connector")
    return dict(found)
