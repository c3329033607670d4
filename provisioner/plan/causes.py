"""Why gateways are not ready, with what a plan that is made now would do of it, and whose job the rest is. Pure."""

from dataclasses import replace
from datetime import UTC, datetime

from provisioner.audit import evaluate
from provisioner.audit.scope import is_of
from provisioner.model import Audit, Cause, Fleet, Gap
from provisioner.plan import rollout as planning


def causes(audit: Audit, fleet: Fleet) -> tuple[Cause, ...]:
    """The audit's causes, where a plan would do it only where a plan that is made now does: of the rest it is said why
    not, and whose job that is."""
    instead = planning.not_planned(audit, fleet, datetime.now(UTC)) if is_of(audit, fleet) else {}
    found: list[Cause] = []
    for cause in evaluate.causes(audit):
        # The same reason at many gateways is one cause.
        of: dict[tuple[str, str], list[str]] = {}
        for gateway in cause.gateways:
            gap = instead.get((gateway, cause.control)) if cause.remedy else None
            of.setdefault((_why(gap, cause), gap.owner) if gap else ("", ""), []).append(gateway)
        for (why, owner), gateways in of.items():
            here = replace(cause, gateways=tuple(gateways))
            found.append(replace(here, remedy="", owner=owner, text=f"{cause.text} ({why})") if why else here)
    return tuple(found)


def _why(gap: Gap, cause: Cause) -> str:
    return gap.message if gap.control == cause.control else f"no plan does it before {gap.control} is settled"
