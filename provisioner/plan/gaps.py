"""What a plan does not do, as gaps: why, and whose job it is. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from provisioner.fleet import endpoints
from provisioner.model import Control, Finding, Gap, Gateway, Impact, Status
from provisioner.model.controls import IDENTITY, ONE_ACTIVE, RUNNING, WORKING
from provisioner.plan.guards import SERVICE, START, gap, why_not_remove, why_not_start
from provisioner.plan.index import AuditIndex, others_of, place_of
from provisioner.remedies import firewall

# What cannot be told as long as the vendor's endpoints are not all known.
_OF_ENDPOINTS = frozenset({"endpoints.tls", "endpoints.reachable", "firewall.rule", "firewall.override"})
# What is so only once a Connector runs.
_FOLLOWS = frozenset({WORKING, ONE_ACTIVE})


def why_not_at_all(index: AuditIndex, gateway: Gateway, findings: Sequence[Finding]) -> Gap | None:
    """Why nothing can be planned for a gateway; None where it can."""
    evidence, row = index.evidence.get(gateway.name), index.rows.get(gateway.name)
    if not gateway.known:
        ask = "Find out which PC it is, and write it into its row of practices.csv."
        return gap(gateway, "read", "its PC is not known yet", "icb-it", ask)
    if evidence is None:
        return gap(gateway, "read", "it was not read", "icb-it", "Audit it.")
    if evidence.error:
        return gap(gateway, "read", evidence.error.message, "icb-it", evidence.error.hint)
    if row is None or place_of(row) != place_of(gateway) or row.role != gateway.role:
        return gap(gateway, "read", "its row has changed since the audit", "icb-it", "Audit it again.")
    for finding in findings:
        if finding.control == IDENTITY and gateway.name in index.strangers:
            return left_to_owner(index, gateway, finding)
    return None


def start_barred(
    index: AuditIndex,
    gateway: Gateway,
    mended: Mapping[str, Sequence[Finding]],
    asked: frozenset[str],
    open_: Sequence[Finding],
) -> Gap | None:
    """Why its Connector is not started by this plan; None where it is. `mended` has what each remedy mends there, of
    which those `asked` for are done; `open_` is all that is not settled."""
    service = index.evidence[gateway.name].sections.get("service")
    comes = SERVICE in mended and SERVICE in asked
    if not comes and (service is None or service["service"] is None):
        return gap(gateway, RUNNING, "there is no service to start", "icb-it", "Plan its `service` first.")
    needs = before_start(index.audit.controls)
    # [R16] All that is required is in place before a Connector starts; a person may waive some of it.
    first = [
        finding.control
        for finding in open_
        if finding.control in needs and index.controls[finding.control].remedy not in mended.keys() & asked
    ]
    if first:
        ask = "Have what is required first mended, or accept it by name in waivers.yml; then plan again."
        return gap(gateway, RUNNING, f"waits for {', '.join(first)}", "icb-it", ask)
    return why_not_start(
        index.rows[gateway.name], others_of(index, gateway), index.said, index.evidence, index.strangers
    )


def removal_barred(index: AuditIndex, gateway: Gateway) -> Gap | None:
    """Why nothing is taken off this retired gateway; None where it is."""
    return why_not_remove(
        index.rows[gateway.name], others_of(index, gateway), index.said, index.evidence, index.strangers
    )


def before_start(controls: Iterable[Control]) -> tuple[str, ...]:
    """The controls that must be settled before a Connector is started: what is required, but for what follows from
    its running."""
    return tuple(
        control.id
        for control in controls
        if control.impact is Impact.REQUIRED and control.remedy != START and control.id not in _FOLLOWS
    )


def left_to_owner(index: AuditIndex, gateway: Gateway, finding: Finding) -> Gap:
    """A finding that no step mends: its owner's, or the vendor's where its endpoints would be needed to tell."""
    control = index.controls[finding.control]
    untold = finding.status is Status.UNKNOWN and control.fact in _OF_ENDPOINTS
    if untold and endpoints.why_not_all(index.fleet.settings.endpoints):
        return asked_of_vendor(gateway, finding, firewall.NEEDS.words)
    return gap(gateway, finding.control, finding.message or finding.actual, control.owner or "icb-it", control.ask)


def asked_of_vendor(gateway: Gateway, finding: Finding, lacks: str) -> Gap:
    """A finding that waits for what only the vendor can say."""
    words = finding.message or finding.actual
    return gap(gateway, finding.control, words, "vendor", f"Ask for it, and give {lacks} in fleet.yml.")
