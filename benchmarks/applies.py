"""An apply of fresh gateways in one wave, against what does the same without provisioner: plain `ansible-playbook` with
the same roles, and with the roles as they were on a commit of the repository's own history.

Plain Ansible only changes; `apply` also reads each gateway before and after, marks it, and proves each step.
rollout.yml starts no Connector, which apply does: a second playbook does it for plain Ansible, by the same role.
"""

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import PROVISIONER, Cost, cost
from provisioner import resources
from provisioner.ansible import inventory
from provisioner.fleet import load
from provisioner.lab.process import client
from provisioner.lab.process.client import Handle

# A role was a task for each of its modules then: what the budgets are measured against.
BEFORE = "0492cb0"
_CONTENT = ("roles", "plugins", "playbooks", "ansible.cfg")


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What one wave of so many gateways cost; None of what was not, or could not be measured here. `plain` starts
    nothing, and `start` starts what it brought."""

    gateways: int
    apply: Cost
    plain: Cost | None = None
    start: Cost | None = None
    before: Cost | None = None


def applied(folder: Path, size: int, codes: list[str], *, peers: bool = True) -> Applied:
    """Make fresh gateways ready; with `peers` three times over, each time from the beginning.

    Errors: RuntimeError where one of them did not do its work.
    """
    with _fresh(folder / "apply", codes) as lab:
        mine = _done(lab.folder, size)[1]
    if not peers:
        return Applied(gateways=size, apply=mine)
    with _fresh(folder / "plain", codes) as lab:
        plain = _playbook(lab.folder, resources.root(), size, "rollout.yml")
        start = _playbook(lab.folder, resources.root(), size, "step.yml", "step_role=service", "service_state=started")
        if not all(one["services"][0]["state"] == "running" for one in lab.state().values()):
            raise RuntimeError("plain Ansible has not started all Connectors")
    old = _content(folder / "content")
    if old is None:
        return Applied(gateways=size, apply=mine, plain=plain, start=start)
    with _fresh(folder / "before", codes) as lab:
        before = _playbook(lab.folder, old, size, "rollout.yml")
    return Applied(gateways=size, apply=mine, plain=plain, start=start, before=before)


def drifted(fleet: Path, codes: list[str], wrong: int, *, remedy: str = "") -> tuple[Cost, Cost]:
    """Another host runs the Connector on so many of these gateways by now, and neither rule nor exclusion fits it: what
    the audit that finds it, and the apply that mends it (or only one remedy of it) cost.

    Errors: RuntimeError where one of them did not do its work.
    """
    with client.running(fleet, [{"practice": code} for code in codes], state="ready") as lab:
        for code in codes[:wrong]:
            lab.set(code, "runs_by=winsw")
        return _done(fleet, len(codes), remedy)


def _done(fleet: Path, size: int, remedy: str = "") -> tuple[Cost, Cost]:
    """An audit, and what its plan takes in one wave."""
    with (fleet / "fleet.yml").open("a", encoding="utf-8") as file:
        file.write(f"\nrollout:\n  waves: [{size}]\n")
    audit = cost([*PROVISIONER, "--fleet", fleet, "audit"])
    cost([*PROVISIONER, "--fleet", fleet, "plan", *(["--remedy", remedy] if remedy else [])])
    words = ["apply", "latest", "--yes", "--now", "--because", "a benchmark"]
    return audit, cost([*PROVISIONER, "--fleet", fleet, *words], folder=fleet)


@contextmanager
def _fresh(fleet: Path, codes: list[str]) -> Iterator[Handle]:
    with client.running(fleet, [{"practice": code} for code in codes], state="fresh") as lab:
        yield lab


def _playbook(fleet: Path, content: Path, forks: int, name: str, *values: str) -> Cost:
    """Plain ansible-playbook, with its own winrm and no marker; `values` are NAME=VALUE of its variables."""
    listing = inventory.of_fleet(load(fleet))["_meta"]["hostvars"]
    hosts = fleet / "hosts.json"
    hosts.write_text(json.dumps({"all": {"hosts": listing}}), "utf-8")
    environment = {
        "ANSIBLE_CONFIG": str(content / "ansible.cfg"),
        "ANSIBLE_INVENTORY_ENABLED": "ansible.builtin.yaml",
        "PROVISIONER_FLEET": str(fleet),
        "LC_ALL": "C.UTF-8",
    }
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    extra = [word for value in values for word in ("-e", value)]
    playbook = content / "playbooks" / name
    return cost([program, "-i", hosts, "-f", str(forks), *extra, playbook], environment={**os.environ, **environment})


def _content(folder: Path) -> Path | None:
    """What Ansible needs, as it was; None where this is no clone with that commit."""
    done = subprocess.run(
        ["git", "-C", str(resources.root()), "archive", BEFORE, *_CONTENT], capture_output=True, check=False
    )
    if done.returncode:
        return None
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder
