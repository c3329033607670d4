"""What the tests share: a lab on loopback, and the command as a person runs it."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from provisioner.errors import LabError
from provisioner.lab.process import client
from provisioner.lab.process.client import Handle
from tests.fixtures import warm

ROOT = Path(__file__).resolve().parent.parent
PRACTICES = ROOT / "inventory" / "example" / "practices.csv"


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str


Command = Callable[..., Ran]

_START = """
import os, sys
for name in os.environ.get("PROVISIONER_TEST_WITHOUT", "").split():
    sys.modules[name] = None
from provisioner.cli import main
main()
"""


# How a lab's process is begun but for tests.
COLD_LAB = client._begin


@pytest.fixture(autouse=True, scope="session")
def warm_labs() -> Iterator[None]:
    """Labs are forked from a process that has imported what they need."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "_begin", warm.begin_lab)
        yield


@pytest.fixture(autouse=True)
def state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a test, and what it starts, keeps what is otherwise kept in a person's own folder."""
    folder = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    return folder


def command_ended(*arguments: str | Path, fleet: Path | None = None, env: dict[str, str] | None = None) -> Ran:
    """The command, in a process of its own: arguments in, exit code and both streams out. One that is given an
    environment is started by an interpreter of its own, which may be without modules; another is forked (warm.py)."""
    if env is None:
        return Ran(*warm.run(command(*arguments, fleet=fleet)[3:], environment(), seconds=150))
    done = subprocess.run(
        command(*arguments, fleet=fleet), capture_output=True, text=True, timeout=150, env=environment(env)
    )
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def provisioner() -> Command:
    """The command."""
    return command_ended


@pytest.fixture
def cold() -> Command:
    """The command, always started by an interpreter of its own, as a person's shell does it."""
    return partial(command_ended, env={})


def command(*arguments: str | Path, fleet: Path | None = None) -> list[str]:
    """The command line of `provisioner`. PROVISIONER_TEST_WITHOUT names modules that cannot be imported in it."""
    where = ["--fleet", str(fleet)] if fleet else []
    return [sys.executable, "-c", _START, *where, *map(str, arguments)]


def told(words: str, fleet: Path) -> str:
    """A command as messages name it to whoever has typed that fleet folder."""
    return f"provisioner --fleet {shlex.quote(str(fleet))} {words}"


def unfolded(text: str) -> str:
    """What was printed, with each command on one line, as a shell takes it."""
    return re.sub(r" \\\n +", " ", text)


def environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """The environment of a command under test: without a fleet of the tester's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PROVISIONER_")}
    return {**kept, "PYTHONPATH": str(ROOT), **(extra or {})}


# The longest first, so that at the end no worker is left with one of them.
LONGEST = (
    "roles/test_windows.py", "roles/test_windows_more.py", "roads/test_migration.py", "roads/test_evening.py",
    "roads/test_rollout.py", "roles/test_restored.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The order in which tests are handed out, and how long those on Windows may take."""
    for item in items:
        # No measure of them, whose pace is the machine's: what they wait for has its own limit (fixtures/windows.py).
        if item.get_closest_marker("wine"):
            item.add_marker(pytest.mark.timeout(3600))
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    name = f"{item.path.parent.name}/{item.path.name}"
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)


# Of what the engine runs it runs next to nothing often enough for this to be worth its while.
os.environ.setdefault("DOTNET_TieredPGO", "0")

# Of this pytest; its workers, and what tests start, inherit it.
_THIS_PYTEST = os.environ.setdefault("THIS_PYTEST", f"{os.getpid():x}")


def own_run_tag(name: str) -> str:
    """A run tag of this worker of this pytest alone: what ends a run ends all on this machine that carries its tag,
    be it another worker's or of another pytest in another folder."""
    return f"{name}{os.environ.get('PYTEST_XDIST_WORKER', '')}{_THIS_PYTEST}"


def rows(*codes: str, role: str = "active") -> list[dict[str, str]]:
    """Rows for a lab: a practice each, its PC not named."""
    return [
        {"practice": code, "name": f"Practice {code}", "gateway": "", "address": "", "role": role} for code in codes
    ]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Callable[..., Handle]]:
    """Starts labs, and ends those that it started."""
    folders: list[Path] = []

    def up(*codes: str, state: str = "fresh", seed: int = 0, delay: float = 0.0) -> Handle:
        folder = tmp_path / f"fleet{len(folders)}"
        folders.append(folder)
        return client.up(folder, rows(*codes), state=state, seed=seed, delay=delay)

    yield up
    for folder in folders:
        try:
            client.down(folder)
        except LabError:
            continue  # the test ended it


@pytest.fixture(scope="session")
def realm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A real directory on loopback, one for all tests."""
    from tests.fixtures.realm import started

    yield from started(tmp_path_factory.mktemp("realm") / "r")


@pytest.fixture(scope="session")
def pwsh() -> str:
    """A PowerShell engine on PATH."""
    found = shutil.which("pwsh")
    if found is None:
        pytest.skip("pwsh, a PowerShell engine, is not on PATH")
    return found
