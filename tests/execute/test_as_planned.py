"""A plan does what was planned, and approved, or nothing, whatever fleet.yml says since. By the command, on the lab."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provisioner.lab.process.client import Handle
from tests.conftest import Command

# What of fleet.yml is changed after the plan: the text, what stands there then, and the step that it is about.
CHANGES = {
    "another package": ("sha256: '201a", "sha256: '301a", "connector"),
    "another folder in it": ("root: jdk-17.0.13+11-jre", "root: jdk-17.0.13+11", "java"),
    "another endpoint": ("- 198.51.100.9", "- 198.51.100.10", "firewall"),
    "another place of Java": ("java:\n", "java:\n  home: C:\\iPlato\\java\n", "java"),
    "another way to exclude": ("java:\n", "antivirus: {exclude: process}\n\njava:\n", "antivirus"),
    "other arguments": ("arguments: -jar", "arguments: -Xmx512m -jar", "service"),
    "one file more": ("  version: '1.0.0'\n\n", "  files: [{path: conf/x.ini, template: x.j2}]\n\n", "connector"),
}
# What tells only whence a package comes, or is nothing of the step's.
HARMLESS = {
    "the address of a package": ("127.0.0.1", "127.0.0.2"),
    "its size": ("    size: 180873\n", ""),
    "a comment": ("version: 1\n", "version: 1  # as ever\n"),
    "another rollout": ("java:\n", "rollout: {settle: 1}\n\njava:\n"),
}


def run(provisioner: Command, handle: Handle, *arguments: str) -> Any:
    ran = provisioner(*arguments, "--format", "json", fleet=handle.folder)
    assert ran.out, ran.err
    return json.loads(ran.out)


def planned(provisioner: Command, handle: Handle, remedy: str) -> str:
    (handle.folder / "x.j2").write_text("practice={{ practice }}\n", "utf-8")
    run(provisioner, handle, "audit")
    plan = run(provisioner, handle, "plan", "--remedy", remedy)
    assert [step["remedy"] for wave in plan["waves"] for step in wave["steps"]] == [remedy]
    return str(plan["plan"])


def change(folder: Path, before: str, after: str) -> None:
    path = folder / "fleet.yml"
    text = path.read_text("utf-8")
    assert before in text
    path.write_text(text.replace(before, after), "utf-8")


@pytest.mark.parametrize("name", CHANGES)
def test_what_would_be_planned_otherwise_by_now_is_not_done(
    name: str, lab: Callable[..., Handle], provisioner: Command
) -> None:
    fresh = lab("A84002")
    before, after, remedy = CHANGES[name]
    plan = planned(provisioner, fresh, remedy)
    state, text = fresh.state(), (fresh.folder / "fleet.yml").read_text("utf-8")
    change(fresh.folder, before, after)
    (outcome,) = run(provisioner, fresh, "apply", plan, "--yes")["outcomes"]
    assert outcome["result"] == "stale", outcome
    assert "plan again" in outcome["message"]
    assert machines(fresh.state()) == machines(state)
    # Put back, the plan is the one of before.
    (fresh.folder / "fleet.yml").write_text(text, "utf-8")
    (outcome,) = run(provisioner, fresh, "apply", plan, "--yes")["outcomes"]
    assert outcome["result"] == "done", outcome


@pytest.mark.parametrize("name", HARMLESS)
def test_what_says_nothing_of_the_step_keeps_no_plan(
    name: str, lab: Callable[..., Handle], provisioner: Command
) -> None:
    fresh = lab("A84002")
    plan = planned(provisioner, fresh, "connector")
    change(fresh.folder, *HARMLESS[name])
    (outcome,) = run(provisioner, fresh, "apply", plan, "--yes")["outcomes"]
    assert outcome["result"] == "done", outcome


def machines(state: Any) -> Any:
    return {
        name: (one["services"], one["firewall"], one["defender"], one["disk"]["files"]) for name, one in state.items()
    }
