"""Gateways that really run what they are sent: PowerShell behind WinRM on loopback, and Ansible run against them.

A module's functions that ask for what the engine lacks (rights, powercfg) are replaced by doubles, in a copy.
What is waited for has no limit in all, which a slow machine would reach without a fault: `ended` counts silence.
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
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import ansible
import pytest
from winrm.protocol import Protocol

from provisioner.transport import winrm

ROOT = Path(__file__).resolve().parent.parent
SERVER = shutil.which("winrm-gateways")
QUIET = 600.0
"""Seconds in which a program that works says something, on the slowest machine."""


def ended(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    *,
    given: Path = Path(os.devnull),
    quiet: float = QUIET,
) -> tuple[str, str]:
    """What a program that is given a file printed on both its streams, once it has ended.

    Fails when it says nothing for `quiet` seconds. It prints into files: what Wine starts with it holds a pipe open.
    """
    paths = [folder / "out", folder / "err"]
    with given.open("rb") as read, paths[0].open("wb") as one, paths[1].open("wb") as two:
        program = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=read, stdout=one, stderr=two)
    size, since, stuck = -1, 0.0, False
    with program:
        try:
            while program.poll() is None and not stuck:
                with suppress(subprocess.TimeoutExpired):
                    program.wait(quiet / 20)
                said = sum(path.stat().st_size for path in paths)
                if said != size:
                    size, since = said, time.monotonic()
                stuck = program.returncode is None and time.monotonic() - since > quiet
        finally:
            program.kill()
    out, err = (path.read_text("utf-8", "replace") for path in paths)
    assert not stuck, f"{command[0]} said nothing for {quiet:.0f} s; before that: {out[-2000:]}{err}"
    return out, err


@cache
def add_type() -> Path:
    """A folder for module_utils: Ansible's Add-CSharpType in it has a memory, and compiles nothing twice.

    The compiler, which is itself compiled at each of its starts, takes most of a module's time here. In pytest's cache.
    """
    folder = ROOT / ".pytest_cache" / "csharp"
    folder.mkdir(parents=True, exist_ok=True)
    name = "Ansible.ModuleUtils.AddType.psm1"
    text = (Path(ansible.__file__).parent / "module_utils" / "powershell" / name).read_text("utf-8")
    for place, before in (
        ("$compiled_assembly = [System.Runtime.Loader.", _KEEP_IT),
        ("if ($is_coreclr) {\n        # compile", _LOOK_WHETHER_IT_IS_KEPT.replace("FOLDER", str(folder))),
        ("$type_accelerator = [PSObject]", _KEEP_IT_IN_MIND),
    ):
        assert text.count(place) == 1, place
        text = text.replace(place, before + place)
    new = folder / f"{os.getpid()}.psm1"
    new.write_text(text, "utf-8")
    new.replace(folder / name)
    return folder


_LOOK_WHETHER_IT_IS_KEPT = """
    # In any order: that of Ansible's manifest is another one in each run.
    $all = [System.Environment]::Version, $PSVersionTable.PSVersion + $defined_symbols + ($References | Sort-Object)
    $sha256 = [System.Security.Cryptography.SHA256]::Create()
    $digest = $sha256.ComputeHash([System.Text.Encoding]::UTF8.GetBytes($all -join "`n"))
    $kept = "$(if ($IsWindows) { 'Z:' })FOLDER/$([System.BitConverter]::ToString($digest))"
    if ([System.IO.File]::Exists($kept)) {
        foreach ($match in $References | ForEach-Object { $type_pattern.Matches($_) }) {
            $type_accelerators.Add(@{ Name = $match.Groups["Name"].Value; TypeName = $match.Groups["TypeName"].Value })
        }
        $compiled_assembly = [System.AppDomain]::CurrentDomain.GetData($kept)
        if ($null -eq $compiled_assembly) {
            $stream = [System.IO.MemoryStream]::new([System.IO.File]::ReadAllBytes($kept))
            $compiled_assembly = [System.Runtime.Loader.AssemblyLoadContext]::Default.LoadFromStream($stream)
        }
    }
    else"""
_KEEP_IT_IN_MIND = """[System.AppDomain]::CurrentDomain.SetData($kept, $compiled_assembly)
    """
_KEEP_IT = """$new = "$kept.$([System.Guid]::NewGuid())"
            [System.IO.File]::WriteAllBytes($new, $code_ms.ToArray())
            # Another may have compiled the same meanwhile.
            try { [System.IO.File]::Move($new, $kept) } catch [System.IO.IOException] { [System.IO.File]::Delete($new) }
            """


# Nothing here writes them, and they are nearly all of a Windows' 700 MB.
PROGRAMS = {".dll", ".drv", ".exe", ".msstyles", ".nls", ".ocx", ".sys"}


def new_windows(home: Path, prefix: Path) -> None:
    """A Windows of its own, as a copy of the fresh one, whose programs are links to the same files."""

    def copied(source: str, to: str) -> None:
        if Path(source).suffix in PROGRAMS:
            os.link(source, to)
        else:
            shutil.copy2(source, to)

    shutil.copytree(home / ".new-windows", prefix, symlinks=True, copy_function=copied)


@dataclass(frozen=True)
class Gateways:
    """A running server; each name is a gateway of its own."""

    home: Path
    port: int

    def drive(self, name: str) -> Path:
        """What is C:\\ on a gateway under Wine."""
        return self.home / name / "prefix" / "drive_c"

    def protocol(self, name: str) -> Protocol:
        """pywinrm's way in; our own asks, once logged in, what the pretend gateways do not answer (Identify)."""
        self._made(name)
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
        """What PowerShell on a gateway prints when it is sent a script as transport/winrm.py sends it."""
        sent = f"{json.dumps(settings)}\n{script}".encode("ascii")
        until = time.monotonic() + QUIET
        return winrm.converse(self.protocol(name), sent, lambda: until).decode("ascii")

    def say(self, name: str, *lines: str) -> list[str]:
        """What some lines of PowerShell print there."""
        # A script that says nothing at all is no answer.
        return self.send(name, "\n".join(("param($Settings)", *lines, "'end'", "")), {}).splitlines()[1:-1]

    def variables(self, name: str) -> dict[str, Any]:
        """How Ansible gets in."""
        self._made(name)
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

    def _made(self, name: str) -> None:
        """Under Wine: the server would copy a whole Windows."""
        if (self.home / ".new-windows").exists() and not (self.home / name / "prefix").exists():
            new_windows(self.home, self.home / name / "prefix")


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
            server.wait(QUIET)
            for prefix in home.glob("*/prefix"):
                subprocess.run(["wineserver", "-k"], env={**os.environ, "WINEPREFIX": str(prefix)}, check=False)


@pytest.fixture(scope="session")
def windows_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for gateways under Wine, with one fresh Windows that each of them begins as a copy of."""
    if not SERVER or not shutil.which("wineserver"):
        pytest.skip("winrm-gateways and Wine are not on PATH")
    home = tmp_path_factory.mktemp("windows")
    environment = {**os.environ, "WINEPREFIX": str(home / ".new-windows")}
    said = ended(["pwsh-wine", "-NoProfile", "-Command", "'begun'"], home, environment)
    assert "begun" in said[0], said
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
        arguments = ["-Ansible", f"{drive}{core}", "-AddType", f"{drive}{add_type()}", "-Folder", f"{drive}{folder}"]
        command = [program, "-NoProfile", "-ExecutionPolicy", "Bypass", "-File", f"{drive}{script}", *arguments]
        said = ended(command, folder, environment)
        answers = folder / "answers.json"
        assert answers.exists(), "".join(said)
        told: list[dict[str, Any]] = json.loads(answers.read_text("utf-8"))
        return [answer for answer, job in zip(told, jobs, strict=True) if not isinstance(job, str)]


@pytest.fixture
def wine_engine(windows_home: Path, tmp_path: Path) -> Iterator[Engine]:
    """The engine under Wine, with a fresh Windows."""
    prefix = tmp_path / "prefix"
    new_windows(windows_home, prefix)
    environment = {**os.environ, "WINEPREFIX": str(prefix)}
    # Stays, so that its services are started once and not for each run.
    subprocess.run(["wineserver", "-p"], env=environment, check=True, stdin=subprocess.DEVNULL)
    yield Engine(tmp_path, prefix)
    subprocess.run(["wineserver", "-k"], env=environment, check=False)


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
    plugins = ROOT / "plugins"
    settings = {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        # A line for each event, when it happens.
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.jsonl",
        "ANSIBLE_LIBRARY": ":".join(map(str, (*library, plugins / "modules"))),
        "ANSIBLE_MODULE_UTILS": f"{add_type()}:{plugins / 'module_utils'}",
        "ANSIBLE_HOME": str(folder / "ansible"),
    }
    command = [sys.executable, "-m", "ansible.cli.playbook", "-i", str(inventory), str(playbook), *options]
    out, err = ended(command, folder, {**os.environ, **settings, **(environment or {})})
    events = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    assert events and events[-1]["_event"] == "v2_playbook_on_stats", out + err
    told = []
    for event in events:
        if "hosts" in event:
            role, _, name = event["task"]["name"].rpartition(" : ")
            told += [Told(name, role, result) for result in event["hosts"].values()]
    return told
