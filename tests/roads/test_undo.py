"""A rollout and its way back, by the commands that a person gives: real WinRM, real Ansible."""

import json
from collections.abc import Callable

from provisioner.lab.process.client import Handle
from tests.conftest import Command


def test_what_a_rollout_did_is_put_back(lab: Callable[..., Handle], provisioner: Command, cold: Command) -> None:
    handle = lab("A84002", "A84005")
    before = handle.state()["A84002"]
    provisioner("audit", fleet=handle.folder)
    plan = json.loads(provisioner("plan", "--format", "json", fleet=handle.folder).out)["plan"]
    first = provisioner("apply", plan, "--only", "A84005", "--yes", fleet=handle.folder)
    assert first.code == 0, first.out + first.err
    # Asked for when only that much was done, and not agreed to: nothing of it stays.
    declined = provisioner("undo", plan, fleet=handle.folder)
    assert declined.code != 0
    assert "undo-" not in provisioner("history", fleet=handle.folder).out
    applied = provisioner("apply", plan, "--yes", fleet=handle.folder)
    assert applied.code == 0, applied.out + applied.err
    assert handle.state()["A84002"]["services"][0]["state"] == "running"

    back = cold("undo", plan, "--yes", fleet=handle.folder)
    assert back.code == 0, back.out + back.err
    assert "10 undone" in back.out
    after = handle.state()["A84002"]
    for part in ("services", "firewall", "defender", "power"):
        assert after[part] == before[part], part
    assert not [path for path in after["disk"]["files"] if path.startswith("c:\\iplato")]
    again = provisioner("undo", plan, "--yes", fleet=handle.folder)
    assert again.code == 0, again.out + again.err
    assert [handle.state()[name]["services"] for name in ("A84002", "A84005")] == [[], []]
