"""That Ansible finds in each module what it would have found without us."""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

import pytest
from ansible.executor.powershell.module_manifest import PSModuleDepFinder
from ansible.plugins.loader import init_plugin_loader, ps_module_utils_loader

from provisioner import resources
from provisioner.ansible import scanning

_COLLECTION = "ansible_collections.ansible.windows.plugins.modules"


@pytest.fixture
def texts() -> Mapping[str, bytes]:
    """Our modules, and all of the collection that we use, by their whole names."""
    init_plugin_loader([])
    ps_module_utils_loader.add_directory(str(resources.root() / "plugins" / "module_utils"))
    ours = {path.stem: path.read_bytes() for path in (resources.root() / "plugins" / "modules").glob("*.ps1")}
    theirs = [path for path in files(_COLLECTION).iterdir() if path.name.endswith(".ps1")]
    return ours | {f"{_COLLECTION}.{path.name.removesuffix('.ps1')}": path.read_bytes() for path in theirs}


@pytest.fixture
def unchanged(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Ansible's own search, whatever was loaded before."""
    scan = PSModuleDepFinder.scan_module
    original = getattr(scan, "__wrapped__", scan)
    monkeypatch.setattr(PSModuleDepFinder, "scan_module", original)
    yield original


def found(name: str, text: bytes) -> dict[str, Any]:
    finder = PSModuleDepFinder()
    finder.scan_exec_script("module_wrapper.ps1")
    needs = finder.scan_module(text, fqn=name if name.startswith("ansible_collections.") else None)
    scripts = {script: one.script for script, one in finder.scripts.items()}
    return {"needs": needs, "scripts": scripts, "least": (finder.ps_version, finder.os_version, finder.become)}


@pytest.mark.usefixtures("unchanged")
def test_ansible_finds_in_each_module_what_it_would_find_in_all_its_lines(texts: Mapping[str, bytes]) -> None:
    before = {name: found(name, text) for name, text in texts.items()}
    assert len(before) > 40 and sum(bool(one["needs"]) for one in before.values()) > 40
    scanning.install()
    assert {name: found(name, text) for name, text in texts.items()} == before
    assert any(one["least"][0] or one["least"][1] for one in before.values())


def test_what_a_script_needs_is_told_at_the_beginning_of_a_line() -> None:
    text = b"#Requires -Module Ansible.ModuleUtils.A\r\n # not this\nusing Ansible.B;\r\nusingless\n$x = '#'\n#a"
    assert scanning.told(text) == b"#Requires -Module Ansible.ModuleUtils.A\r\nusing Ansible.B;\r\n#a"
