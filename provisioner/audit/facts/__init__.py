"""Evidence, settings, lifecycle table and date -> named facts. Pure.

Each fact is one small function, listed under its name in the FACTS of its file; it gives a value, or raises CannotTell.
A fact that holds problems has the value "ok" or the list of them. To see how something is known, open its file; to see
what is asked of it, policy/gateway.yml.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType

from provisioner.audit.facts import (
    antivirus,
    connector,
    firewall,
    identity,
    machine,
    network,
    service,
    systmone,
    virtual,
    windows,
)
from provisioner.audit.facts.context import OK, CannotTell, FactContext, FactOf
from provisioner.audit.policy import Lifecycle
from provisioner.model import Evidence, Fact, FileTemplate, Gateway
from provisioner.model.settings import Settings

__all__ = ["NAMES", "OK", "OVER_THE_PRACTICE", "derive"]

FACTS: dict[str, FactOf] = {
    **identity.FACTS,
    **virtual.FACTS,
    **machine.FACTS,
    **windows.FACTS,
    **systmone.FACTS,
    **connector.FACTS,
    **service.FACTS,
    **firewall.FACTS,
    **antivirus.FACTS,
    **network.FACTS,
}

# What one gateway's evidence cannot show: evaluate.py adds these.
OVER_THE_PRACTICE = frozenset({"practice.connectors", "practice.one_connector", "gateway.in_order"})

NAMES = frozenset(FACTS) | OVER_THE_PRACTICE


def derive(
    evidence: Evidence,
    gateway: Gateway,
    settings: Settings,
    lifecycle: Lifecycle,
    at: datetime,
    seen: Mapping[str, str] | None,
    templates: Mapping[str, FileTemplate] = MappingProxyType({}),
    elsewhere: str = "",
    names: Iterable[str] = FACTS,
) -> dict[str, Fact]:
    """These facts of one gateway (all, where nothing is said), by name; value None, with the reason, for what cannot be
    told.

    `seen` is the identity seen at this gateway before (computer_name, serial, machine_guid); None at first sight.
    `elsewhere` are the gateways of other rows that are this same PC, in words. `templates` are the fleet's; what a file
    is made from is not judged by one that is not among them.
    """
    if evidence.error:
        return {name: Fact(value=None, reason=evidence.error.message) for name in names}
    reading = FactContext(
        evidence=evidence,
        gateway=gateway,
        settings=settings,
        lifecycle=lifecycle,
        at=at,
        seen=seen,
        elsewhere=elsewhere,
        templates=templates,
    )
    return {name: _fact(FACTS[name], reading) for name in names}


def _fact(told: FactOf, reading: FactContext) -> Fact:
    try:
        return Fact(value=told(reading))
    except CannotTell as error:
        return Fact(value=None, reason=str(error))
