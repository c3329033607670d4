"""Gateways that really run what they are sent: PowerShell behind WinRM on loopback, and Ansible run against them.

A module's functions that ask for what the engine lacks (rights, powercfg) are replaced by doubles, in a copy.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ansible
import pytest
from winrm.protocol import Protocol

from provisioner import remote

ROOT = Path(__file__).resolve().parent.parent
SERVER = shutil.which("winrm-gateways")


@dataclass(frozen=True)
class Gateways:
    """A running server; each name is a gateway of its own."""

    home: Path
    port: int

    def drive(self, name: str) -> Path:
        """What is C:\\ on a gateway under Wine."""
        return self.home / name / "prefix" / "drive_c"

    def protocol(self, name: str) -> Protocol:
        """pywinrm's way in."""
        # Over plain HTTP there is no certificate; "ignore" keeps pywinrm from warning of a trust store it found.
        return Protocol(
            f"http://127.0.0.1:{self.port}/{name}/wsman",
            transport="basic",
            username="admin",
            password="secret",
            server_cert_validation="ignore",
            proxy=None,
        )

    def send(self, name: str, script: str, settings: Mapping[str, Any]) -> str:
        """What PowerShell on a gateway prints when it is sent a script as remote.py sends it."""
        sent = f"{json.dumps(settings)}\n{script}".encode("ascii")
        return remote.converse(self.protocol(name), sent, time.monotonic() + 120).decode("ascii")

    def say(self, name: str, *lines: str) -> list[str]:
        """What some lines of PowerShell print there."""
        # A script that says nothing at all is no answer.
        return self.send(name, "\n".join(("param($Settings)", *lines, "'end'", "")), {}).splitlines()[1:-1]

    def variables(self, name: str) -> dict[str, Any]:
        """How Ansible gets in."""
        return {
            "ansible_connection": "winrm",
            "ansible_host": "127.0.0.1",
            "ansible_port": self.port,
            "ansible_winrm_scheme": "http",
            "ansible_winrm_transport": "plaintext",
            "ansible_winrm_path": f"/{name}/wsman",
            "ansible_user": "admin",
            "ansible_password": "secret",
        }


@contextmanager
def serving(home: Path, engine: str, environment: Mapping[str, str] | None = None) -> Iterator[Gateways]:
    """The server, until it is left; then nothing of it runs."""
    assert SERVER
    command = [SERVER, "--port", "0", "--engine", engine, "--home", str(home)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL
    ) as server:
        try:
            assert server.stdout
            port = re.search(r":(\d+)/", server.stdout.readline())
            assert port
            yield Gateways(home, int(port[1]))
        finally:
            server.terminate()
            server.wait(20)
            for prefix in home.glob("*/prefix"):
                subprocess.run(["wineserver", "-k"], env={**os.environ, "WINEPREFIX": str(prefix)}, check=False)


@pytest.fixture(scope="session")
def windows_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for gateways under Wine, with one fresh Windows that each of them begins as a copy of."""
    if not SERVER or not shutil.which("wineserver"):
        pytest.skip("winrm-gateways and Wine are not on PATH")
    home = tmp_path_factory.mktemp("windows")
    environment = {**os.environ, "WINEPREFIX": str(home / ".new-windows")}
    subprocess.run(["pwsh-wine", "-NoProfile", "-Command", "1"], env=environment, check=True, capture_output=True)
    subprocess.run(["wineserver", "-k", "-w"], env=environment, check=False)
    return home


@pytest.fixture(scope="session")
def windows(windows_home: Path) -> Iterator[Gateways]:
    """Gateways with Windows' own registry, services and paths."""
    with serving(windows_home, "pwsh-wine") as found:
        yield found


@dataclass(frozen=True)
class Engine:
    """One PowerShell that modules are run in directly, many in one start. `prefix`: under Wine, with that Windows."""

    folder: Path
    prefix: Path | None = None
    environment: Mapping[str, str] | None = None
    library: Path = ROOT / "plugins" / "modules"

    def run(self, jobs: Sequence[str | tuple[str, Mapping[str, Any]]]) -> list[dict[str, Any]]:
        """The answers of modules (name and arguments), in order. A plain text among them is PowerShell, run between."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        for number, job in enumerate(jobs):
            name, values = ("", {}) if isinstance(job, str) else job
            text = job if isinstance(job, str) else (self.library / f"{name}.ps1").read_text("utf-8")
            (folder / f"{number}.ps1").write_text(text, "utf-8")
            (folder / f"{number}.json").write_text(json.dumps({"_ansible_diff": True, **values}), "utf-8")
        drive, program = ("Z:", "pwsh-wine") if self.prefix else ("", "pwsh")
        environment = {
            **os.environ,
            **(self.environment or {}),
            **({"WINEPREFIX": str(self.prefix)} if self.prefix else {}),
        }
        script, core = ROOT / "tests" / "modules.ps1", Path(ansible.__file__).parent
        arguments = ["-Ansible", f"{drive}{core}", "-Folder", f"{drive}{folder}"]
        ran = subprocess.run(
            [program, "-NoProfile", "-ExecutionPolicy", "Bypass", "-File", f"{drive}{script}", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        answers = folder / "answers.json"
        assert answers.exists(), ran.stdout + ran.stderr
        told: list[dict[str, Any]] = json.loads(answers.read_text("utf-8"))
        return [answer for answer, job in zip(told, jobs, strict=True) if not isinstance(job, str)]


@pytest.fixture
def wine_engine(windows_home: Path, tmp_path: Path) -> Iterator[Engine]:
    """The engine under Wine, with a fresh Windows."""
    prefix = tmp_path / "prefix"
    shutil.copytree(windows_home / ".new-windows", prefix, symlinks=True)
    yield Engine(tmp_path, prefix)
    subprocess.run(["wineserver", "-k"], env={**os.environ, "WINEPREFIX": str(prefix)}, check=False)


def doubled(folder: Path, module: str, functions: Mapping[str, str]) -> Path:
    """A copy of one of our modules, in a folder for Ansible's library, with these functions' bodies replaced."""
    text = (ROOT / "plugins" / "modules" / f"{module}.ps1").read_text("utf-8")
    for name, body in functions.items():
        found = re.search(rf"(?m)^function {name}\b[^\n]*\{{\n(?P<body>(?:.*\n)*?)^\}}\n", text)
        assert found, f"{module}.ps1 has no function {name}"
        text = f"{text[: found.start('body')]}{body}\n{text[found.end('body') :]}"
    folder.mkdir(exist_ok=True)
    (folder / f"{module}.ps1").write_text(text, "utf-8")
    return folder


@dataclass(frozen=True)
class Told:
    """What Ansible said of one task on one gateway."""

    task: str
    role: str
    result: Mapping[str, Any]


def play(
    folder: Path,
    playbook: Path,
    hosts: Mapping[str, Mapping[str, Any]],
    *options: str,
    library: Sequence[Path] = (),
    environment: Mapping[str, str] | None = None,
) -> list[Told]:
    """Run a playbook with the project's own ansible.cfg, and gather what it said, in order."""
    folder.mkdir(parents=True, exist_ok=True)
    inventory = folder / "hosts.yml"
    inventory.write_text(json.dumps({"all": {"hosts": hosts}}), "utf-8")
    modules = ":".join(str(path) for path in (*library, ROOT / "plugins" / "modules"))
    ran = subprocess.run(
        [sys.executable, "-m", "ansible.cli.playbook", "-i", str(inventory), str(playbook), *options],
        cwd=ROOT,
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "ANSIBLE_LIBRARY": modules,
            "ANSIBLE_HOME": str(folder / "ansible"),
            **(environment or {}),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    start = ran.stdout.find("{")
    assert start >= 0, ran.stdout + ran.stderr
    document, _ = json.JSONDecoder().raw_decode(ran.stdout[start:])
    told = []
    for part in document["plays"]:
        for task in part["tasks"]:
            role, _, name = task["task"]["name"].rpartition(" : ")
            told += [Told(name, role, result) for result in task["hosts"].values()]
    return told
