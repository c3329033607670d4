"""A fleet audited and planned by the commands."""

import json
from pathlib import Path

from tests.conftest import Command


def planned(provisioner: Command, fleet: Path) -> dict[str, object]:
    """Audit and plan; the plan's document."""
    assert provisioner("audit", fleet=fleet).code in (0, 1)
    ran = provisioner("plan", "--format", "json", fleet=fleet)
    assert ran.code == 0, ran.err
    document: dict[str, object] = json.loads(ran.out)
    return document


def steps(document: dict[str, object]) -> list[str]:
    """The ids of a plan's steps, in order."""
    waves = document["waves"]
    assert isinstance(waves, list)
    return [step["id"] for wave in waves for step in wave["steps"]]
