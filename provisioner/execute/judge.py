"""What a reading says of a step: before it is done, and after. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from provisioner.model import Evidence, Finding, Gateway, Plan, Result, Role, Status, Step
from provisioner.plan import IDENTITY, START, Standing, fingerprint
from provisioner.playbook import Acted

WORKING = "R17-working"
APPROVE = "somebody at the practice has to press Approve in SystmOne on this gateway"

_SETTLED = (Status.PASSED, Status.WAIVED, Status.NOT_APPLICABLE)
_CHANGED_BY_ROLLOUT = (Role.ACTIVE, Role.STANDBY)

Verdict = tuple[Result, str]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What some gateways answered: evidence by gateway, findings by gateway and control."""

    evidence: Mapping[str, Evidence]
    findings: Mapping[str, Mapping[str, Finding]]

    @classmethod
    def of(cls, evidence: Sequence[Evidence], findings: Mapping[str, Sequence[Finding]]) -> "Reading":
        """From what a reader gives."""
        return cls(
            evidence={one.gateway: one for one in evidence},
            findings={gateway: {one.control: one for one in found} for gateway, found in findings.items()},
        )

    def trouble(self, gateway: str) -> str:
        """Why the gateway could not be read; "" where it could."""
        evidence = self.evidence.get(gateway)
        if evidence is None:
            return "it gave no answer"
        return str(evidence.error or "")

    def refused(self, gateway: str) -> bool:
        """Whether the gateway did not let us in, or had refused before."""
        evidence = self.evidence.get(gateway)
        return bool(evidence and evidence.error and evidence.error.kind in ("Refused", "NotTried"))

    def proved(self, step: Step) -> bool:
        """Whether every control that the step is to prove is settled."""
        found = self.findings.get(step.gateway, {})
        return bool(step.proves) and all(
            control in found and found[control].status in _SETTLED for control in step.proves
        )

    def unfinished(self, gateway: str) -> str:
        """What of ours still runs on the gateway itself, in words; "" for nothing."""
        ours: Mapping[str, Any] = self.evidence[gateway].sections.get("ours") or {}
        running = [f"{one['what']} (since {one['started'] or 'some time'})" for one in ours.get("unfinished") or ()]
        return ", ".join(running)

    def unsaid(self, gateway: str) -> bool:
        """Whether the gateway did not say what of ours runs there."""
        return "ours" not in self.evidence[gateway].sections

    def lost(self, step: Step) -> str:
        """What was right when the step was planned, must stay so, and is not so now; "" for nothing."""
        found = self.findings.get(step.gateway, {})
        gone = [control for control in step.keeps if control in found and found[control].status is Status.FAILED]
        return "; ".join(f"{control}: {found[control].actual or found[control].message}" for control in gone)

    def still(self, step: Step) -> str:
        """What is still not as the step was to make it."""
        found = self.findings.get(step.gateway, {})
        return "; ".join(
            f"{control}: {found[control].actual or found[control].message}"
            if control in found
            else f"{control}: no answer"
            for control in step.proves
            if control not in found or found[control].status not in _SETTLED
        )


def moved(plan: Plan, row: Gateway | None, gateway: str) -> str:
    """Why a plan's steps are not for this row any more; "" where they are."""
    if row is None:
        return "it is not in the fleet any more"
    if tuple(plan.places[gateway]) != (row.practice, row.address):
        was = " at ".join(plan.places[gateway])
        return f"it was planned as {was}, and is {row.practice} at {row.address or 'no address'} now"
    if plan.kind == "rollout" and row.role not in _CHANGED_BY_ROLLOUT:
        return f"it is a {row.role} gateway now"
    return ""


def before(step: Step, reading: Reading, *, begun: bool, working: bool) -> Verdict | None:
    """How a step ends without being done; None where it is to be done.

    `begun`: this plan has acted on the gateway and is not through with it: that facts have moved is our own doing.
    `working`: whether a Connector that was started is known to work.
    """
    if trouble := reading.trouble(step.gateway):
        return Result.REFUSED if reading.refused(step.gateway) else Result.UNREACHABLE, trouble
    identity = reading.findings.get(step.gateway, {}).get(IDENTITY)
    if identity and identity.status is Status.FAILED:
        return Result.STALE, f"another PC answers at this address: {identity.actual or identity.message}"
    if running := reading.unfinished(step.gateway):
        return (
            Result.WAITING,
            f"work of ours still runs there: {running}; give the same command again when it is through",
        )
    if begun and reading.unsaid(step.gateway):
        return Result.WAITING, "whether work of ours still runs there cannot be told; give the same command again"
    if reading.proved(step) and not (begun and reading.lost(step)):
        if step.remedy == START and not working:
            return Result.WAITING, APPROVE
        return Result.UNCHANGED, "already as planned"
    if step.kind == "person":
        return Result.WAITING, step.words
    found = reading.findings.get(step.gateway, {})
    if not begun and fingerprint(found[control] for control in step.proves if control in found) != step.fingerprint:
        return Result.STALE, f"it is not as it was when this was planned ({reading.still(step)}); plan again"
    return None


def unmet(step: Step, row: Gateway, reading: Reading, said: Standing) -> list[str]:
    """The controls that must be settled before this step is done, and are not."""
    found = reading.findings.get(step.gateway, {})
    return [
        control
        for control in step.needs
        if control not in found
        or not (
            found[control].status in _SETTLED or (found[control].status is Status.UNKNOWN and said.covers(control, row))
        )
    ]


def after(step: Step, acted: Acted, reading: Reading) -> Verdict:
    """How a step ended: by the new reading first, then by what Ansible said."""
    if trouble := reading.trouble(step.gateway):
        if acted.result == "unreachable":
            return Result.UNREACHABLE, acted.message
        return Result.UNKNOWN, f"it could not be read afterwards: {trouble}"
    if lost := reading.lost(step):
        return Result.FAILED, f"what was right before is not any more: {lost}"
    # Evidence knows of a file made from a template only that it is there: there Ansible's complaint counts.
    if reading.proved(step) and not (acted.result == "failed" and step.values.get("connector_files")):
        # The reading counts, but a complaint is worth a look.
        return Result.DONE, "" if acted.result == "ok" else f"the reading shows it done; Ansible said: {acted.message}"
    if running := reading.unfinished(step.gateway):
        return Result.WAITING, f"work of ours still runs there: {running}"
    still = reading.still(step)
    if acted.result == "ok":
        return Result.FAILED, f"Ansible said ok, but the reading does not show it: {still}"
    if acted.result == "refused":
        return Result.REFUSED, f"the log-in was refused: {acted.message}"
    result = {"failed": Result.FAILED, "unreachable": Result.UNREACHABLE, "skipped": Result.SKIPPED}
    return result.get(acted.result, Result.UNKNOWN), acted.message or still


def works(gateway: Gateway, reading: Reading, said: Standing) -> bool:
    """Whether a started Connector is known to work: by the reading, or by a standing statement where that cannot
    tell."""
    finding = reading.findings.get(gateway.name, {}).get(WORKING)
    if finding is None or finding.status in _SETTLED:
        return True
    return finding.status is Status.UNKNOWN and said.covers(WORKING, gateway)
