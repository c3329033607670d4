"""The documents say everything that there is to say, and point only to what is there."""

import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from provisioner.cli import VERBS
from provisioner.lab import faults
from provisioner.model.settings import Settings
from tests.conftest import ROOT

DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")


def settings(shape: Any, before: str = "") -> list[str]:
    found = []
    for name, kind in get_type_hints(shape).items():
        if name.startswith("_"):
            continue
        found += settings(kind, f"{name}.") if is_dataclass(kind) else [f"{before}{name}"]
    return found


@pytest.mark.parametrize("name", settings(Settings))
def test_every_setting_is_explained(name: str) -> None:
    assert f"`{name}`" in OPERATIONS or f"`{name}." in OPERATIONS


def test_every_setting_is_found_by_this_test() -> None:
    assert "connection.deadline" in settings(Settings)
    assert len(settings(Settings)) > len(fields(Settings))


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_in_the_readme_or_the_manual(verb: str) -> None:
    said = (ROOT / "README.md").read_text("utf-8") + OPERATIONS
    assert f"provisioner {verb}" in said or f"`{verb}" in said


@pytest.mark.parametrize("fault", faults.KNOWN)
def test_every_fault_of_the_lab_is_explained(fault: str) -> None:
    assert f"`{fault}" in OPERATIONS


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text("utf-8")):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), target


def test_no_whole_address_of_the_vendor_is_written_anywhere() -> None:
    """With a first number the published part would be a guess, and somebody's server; private ones are nobody's."""
    whole = re.compile(r"\b(?!(?:0|10|127|25\d)\.)\d{1,3}\.237\.215\.(?:5|9|15|16)\b")
    for path in ROOT.rglob("*"):
        if path.suffix in {".py", ".md", ".yml", ".csv", ".ps1", ".j2"} and ".venv" not in path.parts:
            assert not whole.search(path.read_text("utf-8", "replace")), path


ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
SOURCES = "\n".join(
    path.read_text("utf-8", "replace")
    for place in ("provisioner", "plugins", "playbooks", "roles", "tests", "tools")
    for path in (ROOT / place).rglob("*")
    if path.suffix in {".py", ".yml", ".ps1"} and "_content" not in path.parts
)


def is_there(name: str) -> bool:
    """A path in the checkout or in the package; else a word of the sources."""
    if name.startswith("/"):
        return name.rpartition("/")[2] in SOURCES  # a path on a gateway
    if "/" in name or name.endswith(".py"):
        return any((place / name).exists() for place in (ROOT, ROOT / "provisioner"))
    return bool(re.search(rf"\b{re.escape(name)}", SOURCES))


def test_what_the_architecture_names_is_there() -> None:
    assert not [name for name in sorted(set(re.findall(r"`([^`\s]+)`", ARCHITECTURE))) if not is_there(name)]
