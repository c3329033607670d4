"""Ansible's modules as they would answer on a pretend gateway, by name and arguments.

Each file holds a module, or a family, with its arguments as the real one declares them. What the lab does not
model is an error that names it: never an answer that looks right.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from provisioner.lab.modules import (
    access,
    copying,
    defender,
    environment,
    files,
    firewall,
    marker,
    package,
    ping,
    power,
    registry,
    service,
    tree,
)
from provisioner.lab.modules.arguments import Call, Failed, Spec, Unmodelled, parse
from provisioner.lab.windows import variables
from provisioner.lab.windows.disk import DiskFull
from provisioner.lab.windows.machine import Machine

__all__ = ["MODULES", "Unmodelled", "run"]

MODULES: dict[str, tuple[Spec, Callable[[Call], dict[str, Any]]]] = {
    "ansible.windows.win_copy": (copying.SPEC, copying.win_copy),
    "ansible.windows.win_environment": (environment.SPEC, environment.win_environment),
    "ansible.windows.win_file": (files.FILE_SPEC, files.win_file),
    "ansible.windows.win_package": (package.SPEC, package.win_package),
    "ansible.windows.win_ping": (ping.SPEC, ping.win_ping),
    "ansible.windows.win_reg_stat": (registry.STAT_SPEC, registry.win_reg_stat),
    "ansible.windows.win_regedit": (registry.SPEC, registry.win_regedit),
    "ansible.windows.win_service": (service.SPEC, service.win_service),
    "ansible.windows.win_service_info": (service.INFO_SPEC, service.win_service_info),
    "ansible.windows.win_stat": (files.STAT_SPEC, files.win_stat),
    "community.windows.win_firewall_rule": (firewall.SPEC, firewall.win_firewall_rule),
    "defender_exclusion": (defender.SPEC, defender.defender_exclusion),
    "folder_access": (access.SPEC, access.folder_access),
    "package_tree": (tree.SPEC, tree.package_tree),
    "power_setting": (power.SPEC, power.power_setting),
    "work_marker": (marker.SPEC, marker.work_marker),
}
_BY_LAST_NAME = {name.rpartition(".")[2]: name for name in MODULES}


def run(
    machine: Machine,
    name: str,
    arguments: dict[str, Any],
    *,
    check: bool,
    diff: bool,
    fetch: Callable[[str], bytes],
    now: float,
) -> dict[str, Any]:
    """What the module of that name (with or without its collection) answers there. Raises Unmodelled."""
    full = name if name in MODULES else _BY_LAST_NAME.get(name.rpartition(".")[2])
    if full is None:
        raise Unmodelled(f"the lab does not model the module {name}")
    spec, act = MODULES[full]
    machine.disk.full = "disk_full" in machine.faults
    try:
        args = parse(full, spec, arguments, partial(variables.expand, machine))
        return act(Call(machine=machine, args=args, check=check, diff=diff, fetch=fetch, now=now))
    except Failed as failure:
        return {"changed": False, **failure.values, "failed": True, "msg": failure.message}
    except DiskFull as failure:
        return {"changed": False, "failed": True, "msg": f"Unhandled exception while executing module: {failure}"}
