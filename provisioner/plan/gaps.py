"""What a plan does not do, as gaps: why, and whose job it is. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from provisioner import remedies
from provisioner.fleet import endpoints, packages
from provisioner.model import Control, Evidence, Finding, Gap, Gateway, Impact, Role, Status
from provisioner.model.controls import FILES, IDENTITY, ONE_ACTIVE, RUNNING, SERVICE_SET, WORKING
from provisioner.model.settings import Package, Settings
from provisioner.plan.guards import SERVICE, START, gap, why_not_beside, why_not_disabled, why_not_remove, why_not_start
from provisioner.plan.index import AuditIndex, others_of, place_of
from provisioner.remedies import connector, firewall

# What cannot be told as long as the vendor's endpoints are not all known.
_OF_ENDPOINTS = frozenset({"endpoints.tls", "endpoints.reachable", "firewall.rule", "firewall.override"})
# What cannot be told where fleet.yml lacks what its remedy needs.
_OF_NEEDS = frozenset({"connector.files", "service.settings", "service.recovery"})
_CONNECTOR = connector.REMEDY.name
_SERVICE_FIRST = "Plan its `service` first."
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
    coming: Collection[str],
    left: Collection[str],
    open_: Sequence[Finding],
) -> Gap | None:
    """Why its Connector is not started by this plan; None where it is. `coming` are the remedies that are done there
    before it, and `left` the controls that none of them mends; `open_` is all that is not settled."""
    service = index.evidence[gateway.name].sections.get("service")
    if SERVICE not in coming and (service is None or service["service"] is None):
        ask = "Its service comes first: see what is asked for that." if SERVICE_SET in left else _SERVICE_FIRST
        return gap(gateway, RUNNING, "there is no service to start", "icb-it", ask)
    needs = before_start(index.audit.controls)
    # [R16] All that is required is in place before a Connector starts; a person may waive some of it.
    first = [
        finding.control
        for finding in open_
        if finding.control in needs
        and (finding.control in left or index.controls[finding.control].remedy not in coming)
    ]
    # What runs there by hand ends first: rule and exclusion wait for that too.
    if first and not why_not_beside(index.rows[gateway.name], index.said, index.evidence[gateway.name]):
        ask = "Have what is required first mended, or accept it by name in waivers.yml; then plan again."
        return gap(gateway, RUNNING, f"waits for {', '.join(first)}", "icb-it", ask)
    return why_not_start(
        index.rows[gateway.name], others_of(index, gateway), index.said, index.evidence, index.strangers
    )


def service_barred(index: AuditIndex, gateway: Gateway, due: Mapping[str, Sequence[Finding]]) -> list[Gap]:
    """Why its service is not set by this plan, for each of its findings: there is none, and nothing makes one; or it is
    at work where none should be. `due` are the findings that each remedy mends there."""
    if at_work := why_not_disabled(gateway, index.evidence[gateway.name]):
        ask = "Which PC is the practice's gateway? Correct the row, or move it (provisioner migrate); then plan again."
        return [gap(gateway, finding.control, at_work, "icb-it", ask) for finding in due[SERVICE]]
    installs = FILES in (finding.control for finding in due.get(_CONNECTOR, ()))
    why = why_no_service(index.fleet.settings, gateway, index.evidence[gateway.name], installs=installs)
    return [] if why is None else [gap(gateway, finding.control, *why) for finding in due[SERVICE]]


def why_no_service(
    settings: Settings, gateway: Gateway, evidence: Evidence, *, installs: bool
) -> tuple[str, str, str] | None:
    """Why no service can be set on this gateway: what is so, whose job it is, and what to do; None where there is one,
    or procrun is one, or the Connector's installer may make one. `installs`: whether the Connector is put there first.
    """
    section = evidence.sections.get("service")
    there = section is None or section["service"] is not None
    if there or gateway.role is Role.RETIRED or packages.usable(settings, "procrun"):
        return None
    words, package = f"there is no service {settings.service.name}", packages.usable(settings, "connector")
    if package is None or package.kind == "zip":
        ask = "Ask for the service's name, or how the Connector is started, and give packages.procrun in fleet.yml."
        return f"{words}, and nothing that fleet.yml names makes one", "vendor", ask
    if _listed(evidence, package):
        ask = "Ask for the service's name, and give service.name in fleet.yml."
        return f"{words}, and the Connector's installer, which has run there, made none", "vendor", ask
    return None if installs else (f"{words} before the Connector is installed", "icb-it", "Plan its `connector` first.")


def _listed(evidence: Evidence, package: Package) -> bool:
    """Whether Windows lists what that installer installs: it is not run again then."""
    installed = (evidence.sections.get("connector") or {}).get("installed") or ()
    return any(product["product_id"].lower() == package.product_id.lower() for product in installed)


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
    if finding.status is Status.UNKNOWN and control.fact in _OF_NEEDS and control.remedy in remedies.known():
        remedy = remedies.known()[control.remedy]
        if lack := remedy.lacks(index.fleet.settings, gateway, finding.control):
            return asked_of_vendor(gateway, finding, lack)
    return gap(gateway, finding.control, finding.message or finding.actual, control.owner or "icb-it", control.ask)


def asked_of_vendor(gateway: Gateway, finding: Finding, lacks: str) -> Gap:
    """A finding that waits for what only the vendor can say."""
    words = finding.message or finding.actual
    return gap(gateway, finding.control, words, "vendor", f"Ask for it, and give {lacks} in fleet.yml.")
