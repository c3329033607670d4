"""An audit as planning looks things up in it, beside the fleet as it is now. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from provisioner.model import Audit, Control, Evidence, Finding, Fleet, Gateway, Status
from provisioner.model.controls import RUNNING
from provisioner.plan.guards import strangers
from provisioner.plan.statements import StatementsInForce


@dataclass(frozen=True, kw_only=True)
class AuditIndex:
    """By gateway `evidence` and `rows` of the fleet, by practice its known gateways, by id the controls.
    `running` is what R17-running came to; `seconds` what remedies were measured to take; `strangers` are the gateways
    at whose address another PC may answer."""

    audit: Audit
    fleet: Fleet
    said: StatementsInForce
    controls: Mapping[str, Control]
    evidence: Mapping[str, Evidence]
    rows: Mapping[str, Gateway]
    practices: Mapping[str, Sequence[Gateway]]
    running: Mapping[str, Status]
    seconds: Mapping[str, float]
    strangers: frozenset[str]


def of_audit(audit: Audit, fleet: Fleet, at: datetime, durations: Mapping[str, float]) -> AuditIndex:
    """The index of an audit; statements are those that stand `at` that moment."""
    said = StatementsInForce.of(fleet, at.date())
    return AuditIndex(
        audit=audit,
        fleet=fleet,
        said=said,
        strangers=strangers(fleet.gateways, audit.that_are(Status.FAILED, Status.UNKNOWN), said),
        controls={control.id: control for control in audit.controls},
        evidence={evidence.gateway: evidence for evidence in audit.evidence},
        rows={gateway.name: gateway for gateway in fleet.gateways},
        practices=by_practice(fleet.known),
        running=audit.came_to(RUNNING),
        seconds=durations,
    )


def by_practice(gateways: Iterable[Gateway]) -> dict[str, list[Gateway]]:
    """Gateways by their practice."""
    found: dict[str, list[Gateway]] = {}
    for gateway in gateways:
        found.setdefault(gateway.practice, []).append(gateway)
    return found


def place_of(gateway: Gateway) -> tuple[str, str]:
    """By what a gateway is known to be where it was planned: its practice and its address."""
    return (gateway.practice, gateway.address)


def others_of(index: AuditIndex, gateway: Gateway) -> list[Gateway]:
    """The other gateways of its practice."""
    return [other for other in index.practices[gateway.practice] if other.name != gateway.name]


def is_stated(index: AuditIndex, gateway: Gateway, finding: Finding) -> bool:
    """Whether a standing statement answers what the gateway could not tell."""
    return finding.status is Status.UNKNOWN and index.said.covers(finding.control, gateway)
