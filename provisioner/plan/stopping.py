"""The step that stops a Connector: where a migration leaves, and where a start turned out to be beside another."""

from dataclasses import replace

from provisioner.model import Fleet, Gateway, Role, Step
from provisioner.model.controls import SERVICE_SET, STOPPED
from provisioner.model.plan import STOP
from provisioner.remedies import service


def stop(fleet: Fleet, row: Gateway) -> Step:
    """Stop and disable whatever service of the Connector's is there; nothing else of it is touched."""
    values = service.REMEDY.values(fleet, replace(row, role=Role.STANDBY))
    return replace(
        service.REMEDY.step(row, {**values, "service_state": "disabled"}),
        id=f"{row.name}-{STOP}",
        remedy=STOP,
        because=(STOPPED,),
        proves=(STOPPED, SERVICE_SET),
    )
