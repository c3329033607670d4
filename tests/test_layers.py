"""Imports go down only, and the verbs that must work without Ansible do not import it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "provisioner"

LAYERS = (
    {
        "model", "errors", "settings", "codes", "endpoints", "hours", "processes", "chain", "results", "files",
        "serials", "foreign",
    },
    {
        "fleet", "tables", "ods", "suppliers", "remote", "wire", "line", "troubles", "credentials", "policy",
        "playbook", "secrets_socket", "journal", "content", "report", "signing",
    },
    {"facts", "evaluate", "plan", "migrate", "undo", "traces", "remedies", "connections", "anonymous"},
    {"collect", "execute", "budget"},
    {"cli"},
)  # fmt: skip
# Neighbours of one layer that may know each other: a room that was split, and where content lies.
TOGETHER = {
    ("remote", "wire"), ("remote", "line"), ("wire", "line"), ("fleet", "tables"), ("ods", "tables"),
    ("playbook", "secrets_socket"), ("execute", "budget"), ("evaluate", "facts"), ("plan", "remedies"),
    ("plan", "facts"), ("migrate", "plan"), ("migrate", "remedies"),
    ("migrate", "undo"), ("undo", "plan"), ("undo", "traces"), ("traces", "facts"),
    ("ods", "suppliers"), ("suppliers", "tables"),
    *((room, "troubles") for room in ("remote", "wire", "line", "playbook", "secrets_socket")),
}  # fmt: skip
ONLY_IMPORTERS = {
    "winrm": {"remote", "wire"},
    "keyring": {"credentials"},
    "ansible_runner": {"playbook"},
    "sqlalchemy": {"journal"},
    "aiohttp": {"lab"},
    "cryptography": {"signing", "wire", "lab"},
    "holidays": {"hours"},
}


def modules() -> list[tuple[str, Path]]:
    return [
        (path.relative_to(PACKAGE).parts[0].removesuffix(".py"), path)
        for path in sorted(PACKAGE.rglob("*.py"))
        if "_content" not in path.parts and path != PACKAGE / "__init__.py"
    ]


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def layer(room: str) -> int:
    return next(index for index, rooms in enumerate(LAYERS) if room in rooms)


@pytest.mark.parametrize(("room", "path"), modules(), ids=lambda value: str(value).removeprefix(str(PACKAGE)))
def test_imports_go_down_only(room: str, path: Path) -> None:
    ours = {name.split(".")[1] for name in imports(path) if name.startswith("provisioner.")} - {"__version__", room}
    if room == "lab":
        assert ours <= {"errors"}
        return
    for other in ours:
        if other == "lab":
            assert room == "cli" and path.stem in {"lab", "demo"}
        elif layer(other) == layer(room) > 0:
            assert (room, other) in TOGETHER or other == "content", f"{path} imports its neighbour {other}"
        else:
            assert layer(other) <= layer(room), f"{path} imports {other}, which lies above it"


@pytest.mark.parametrize(("library", "rooms"), ONLY_IMPORTERS.items(), ids=list(ONLY_IMPORTERS))
def test_each_outside_thing_has_one_room(library: str, rooms: set[str]) -> None:
    importers = {room for room, path in modules() if any(name.split(".")[0] == library for name in imports(path))}
    assert importers <= rooms


@pytest.mark.parametrize(
    "verb", ["init", "validate", "practices", "ping", "read", "audit", "report", "show", "record", "lease", "history"]
)
def test_verbs_that_only_look_do_not_import_ansible(verb: str) -> None:
    without = "import sys\nsys.modules['ansible'] = sys.modules['ansible_runner'] = None\n"
    code = f"{without}import provisioner.cli.verbs.{verb}\n"
    subprocess.run([sys.executable, "-c", code], check=True)
