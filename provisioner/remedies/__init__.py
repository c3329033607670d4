"""What each remedy (remediation) sets on a gateway, and how that is planned, proved and undone. Pure.

The plan and the inventory plugin both ask here, so that plain Ansible does what a plan would do. Whoever adds a remedy
writes its file and names it in REMEDIES: every table of remedies is made of that tuple, when it is asked for.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from provisioner.model import Fleet, Gateway
from provisioner.remedies import antivirus, carry, connector, firewall, java, power, service
from provisioner.remedies.remedy import Back, Remedy

# In the order of doing.
REMEDIES: tuple[Remedy, ...] = (
    java.REMEDY,
    connector.REMEDY,
    firewall.REMEDY,
    antivirus.REMEDY,
    service.REMEDY,
    power.REMEDY,
    carry.REMEDY,
    service.START,
)


def known() -> Mapping[str, Remedy]:
    """All remedies, by name."""
    return {remedy.name: remedy for remedy in REMEDIES}


def order() -> tuple[str, ...]:
    """The names of those that a rollout does, in the order of doing."""
    return tuple(remedy.name for remedy in REMEDIES if remedy.planned)


def removal() -> tuple[str, ...]:
    """The names of those that are taken off a retired gateway, in that order."""
    removed = [(remedy.removal.place, remedy.name) for remedy in REMEDIES if remedy.removal]
    return tuple(name for _, name in sorted(removed))


def ways_back() -> Mapping[str, Back]:
    """The ways back that are known, by role, in the order of undoing. A role may do several remedies: it has one."""
    backs = {remedy.role: remedy.back for remedy in REMEDIES if remedy.back}
    return dict(sorted(backs.items(), key=lambda item: item[1].place))


def values(fleet: Fleet, gateway: Gateway, remedy: str, program: str = "") -> tuple[str, dict[str, Any]]:
    """The role that does a remedy on a gateway, and its variables as roles/ROLE/meta/argument_specs.yml has them.

    `program` is the file that really runs as the Connector there, where a reading has shown it; without one it is that
    of fleet.yml. On a retired gateway all that is ever removed is removed.
    Errors: KeyError for a remedy that does not exist, ValueError for a start where the gateway's role wants none.
    """
    wanted = known()[remedy]
    if program and wanted.told_of_program:
        settings = fleet.settings
        fleet = replace(fleet, settings=replace(settings, connector=replace(settings.connector, image=program)))
    return wanted.role, wanted.values(fleet, gateway)


def stops_service(remedy: str) -> bool:
    """Whether it starts, sets or stops the Connector's service: one that Windows is to remove is gone once stopped."""
    found = known().get(remedy)
    return found is not None and found.stops_service
