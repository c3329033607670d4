"""What the remedies cost, counted: tasks of Ansible, each a process; log-ins, each a shell of the gateway's."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import yaml

from provisioner import remedies, resources
from provisioner.ansible import inventory, playbook
from provisioner.ansible.inventory import WorkMarker
from provisioner.fleet import load
from provisioner.lab import Handle
from provisioner.model import Step
from tests.ansible.playbooks import step
from tests.conftest import own_run_tag

REMEDIES = ("java", "connector", "firewall", "antivirus", "service", "power")
_PLAY = yaml.safe_load((resources.root() / "playbooks" / "rollout.yml").read_text("utf-8"))[0]["tasks"]
# Around the remedies: what brings the roles in, which does not reach the gateway. They claim and release it themselves.
AROUND = sum(len(task[part]) for task in _PLAY for part in task.keys() & {"block", "always"})


@contextmanager
def counted(logins: Counter[str], gateway: str) -> Iterator[None]:
    logins[gateway] += 1
    yield


def cost(
    pretend: Handle, wanted: Mapping[str, Sequence[str]], **options: Any
) -> tuple[Counter[tuple[str, str]], Counter[str]]:
    """The remedies of each gateway of a lab: how many tasks each had there, and how many log-ins each gateway."""
    fleet = load(pretend.folder)
    rows = {row.name: row for row in fleet.known}
    tasks, logins = Counter[tuple[str, str]](), Counter[str]()
    steps = list[Step]()
    for gateway, names in wanted.items():
        for name in names:
            role, values = remedies.values(fleet, rows[gateway], name)
            steps.append(step(gateway, role, **values))
    acted = playbook.run(
        steps,
        {gateway: inventory.connection(fleet, rows[gateway]) for gateway in wanted},
        lambda _: pretend.password,
        run_tag=own_run_tag("cost"),
        turn=lambda gateway: counted(logins, gateway),
        marker=WorkMarker(journal="j-1", known=(), by="Siân", minutes=60),
        on_task=lambda gateway, role, task: tasks.update([(gateway, role)]),
        **options,
    )
    wrong = {name: one.message for name, one in acted.items() if one.result != "ok"}
    assert not wrong
    return tasks, logins


@pytest.mark.parametrize("check", [False, True])
def test_a_fresh_gateway_is_a_task_and_a_log_in_for_each_remedy(lab: Callable[..., Handle], check: bool) -> None:
    tasks, logins = cost(lab("A81001", state="fresh"), {"A81001": REMEDIES}, check=check)
    assert tasks == dict.fromkeys([("A81001", name) for name in REMEDIES], 1)
    assert AROUND + tasks.total() == 1 + len(REMEDIES)
    assert logins == {"A81001": len(REMEDIES)}


def test_one_remedy_is_two_tasks_and_a_log_in_also_where_nothing_is_to_be_done(lab: Callable[..., Handle]) -> None:
    gateways = [f"A8100{number}" for number, _ in enumerate(REMEDIES)]
    wanted = {gateway: [name] for gateway, name in zip(gateways, REMEDIES, strict=True)}
    tasks, logins = cost(lab(*gateways, state="ready"), wanted)
    assert tasks == dict.fromkeys(zip(gateways, REMEDIES, strict=True), 1)
    assert AROUND + 1 == 2
    assert logins == dict.fromkeys(gateways, 1)
