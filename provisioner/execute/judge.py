"""What a reading says of a step: before it is done, and after. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from provisioner.ansible.results import StepResult
from provisioner.model import Evidence, Finding, Gateway, Reason, Result, Status, Step
from provisioner.model.controls import IDENTITY, WORKING
from provisioner.plan import proof
from provisioner.plan.guards import START, going, strangers
from provisioner.plan.rollout import fingerprint
from provisioner.plan.statements import StatementsInForce
from provisioner.remedies import carry, stops_service

APPROVE = "somebody at the practice has to press Approve in SystmOne on this gateway"
HELD = "wait, or ask that team, and give the same command again; the marker ends by itself"
_NAME_IT = (
    "write its computer name into the column computer of practices.csv, or state in statements.csv (R5-identity) that "
    "it is the right PC, and give the same command again"
)
_RESTART = "restart the gateway at a quiet hour, log in to SystmOne again at once, and give the same command again"

_SETTLED = (Status.PASSED, Status.WAIVED, Status.NOT_APPLICABLE)

# With a reason where something later depends on it.
Verdict = tuple[Result, str] | tuple[Result, str, Reason]
# How a step ends on the PC that is left, once that is stated to be off.
APPROVING = (Result.WAITING, APPROVE, Reason.ASKED)
UNNEEDED = (Result.UNCHANGED, "a person has stated that this PC is switched off and stays so", Reason.STATED_OFF)
# What is said of a step that Ansible was never asked to do.
NOT_ASKED = ("late", "lost")
# What is said of a step that was not acted on.
NOT_ACTED = StepResult(result="skipped")


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What some gateways answered: evidence by gateway, findings by gateway and control."""

    evidence: Mapping[str, Evidence]
    findings: Mapping[str, Mapping[str, Finding]]

    @classmethod
    def of(cls, evidence: Sequence[Evidence], findings: Mapping[str, Sequence[Finding]]) -> "Observation":
        """From what a reader gives."""
        return cls(
            evidence={answer.gateway: answer for answer in evidence},
            findings={gateway: {finding.control: finding for finding in of} for gateway, of in findings.items()},
        )

    def trouble(self, gateway: str) -> str:
        """Why the gateway could not be read; "" where it could."""
        evidence = self.evidence.get(gateway)
        if evidence is None:
            return "it gave no answer"
        return str(evidence.error or "")

    def another(self, gateway: str) -> str:
        """Why the PC that answers is another one than it should be; "" where it is not known to be."""
        identity = self.findings.get(gateway, {}).get(IDENTITY)
        return (identity.actual or identity.message) if identity and identity.status is Status.FAILED else ""

    def untold_pc(self, gateway: str) -> str:
        """Why it cannot be told whether the PC that answers is the one that it should be; "" where it can."""
        identity = self.findings.get(gateway, {}).get(IDENTITY)
        return identity.message if identity and identity.status is Status.UNKNOWN else ""

    def strangers(self, rows: Sequence[Gateway], statements: StatementsInForce) -> frozenset[str]:
        """Those at whose address another PC may answer."""
        findings = (finding for of_one in self.findings.values() for finding in of_one.values())
        return strangers(rows, findings, statements)

    def refused(self, gateway: str) -> bool:
        """Whether the gateway did not let us in, or had refused before."""
        evidence = self.evidence.get(gateway)
        return bool(evidence and evidence.error and evidence.error.kind in ("Refused", "NotTried", "NoPassword"))

    def proved(self, step: Step) -> bool:
        """Whether every control that the step is to prove is settled; of carried files, that they are there."""
        if "carry_paths" in step.values:
            return carry.carried(step, self.evidence)
        findings = self.findings.get(step.gateway, {})
        return bool(step.proves) and all(
            control in findings and findings[control].status in _SETTLED for control in step.proves
        )

    def as_before(self, step: Step) -> bool:
        """Whether all that the step is to put back is what it was."""
        evidence = self.evidence[step.gateway]
        return bool(step.fingerprint) and proof.work_fingerprint(step, evidence) == step.fingerprint

    def untold(self, step: Step) -> bool:
        """Whether no reading can show that what the step is to put back is what it was."""
        return not (step.fingerprint and proof.work_fingerprint(step, self.evidence[step.gateway]))

    def print_of(self, step: Step) -> str:
        """The fingerprint of what the step is to prove, as it is now."""
        findings = self.findings.get(step.gateway, {})
        return fingerprint(findings[control] for control in step.proves if control in findings)

    def shown(self, step: Step) -> str:
        """What the reading shows of the step's controls."""
        findings = self.findings.get(step.gateway, {})
        return "; ".join(f"{control}: {findings[control].actual}" for control in step.proves if control in findings)

    def unfinished(self, gateway: str) -> str:
        """What of ours still runs on the gateway itself, in words; "" for nothing."""
        ours: Mapping[str, Any] = self.evidence[gateway].sections.get("ours") or {}
        running = [f"{work['what']} (since {work['started'] or 'some time'})" for work in ours.get("unfinished") or ()]
        return ", ".join(running)

    def unsaid(self, gateway: str) -> bool:
        """Whether the gateway did not say what of ours runs there."""
        return "ours" not in self.evidence[gateway].sections

    def lost(self, step: Step) -> str:
        """What was right when the step was planned, must stay so, and is not so now; "" for nothing."""
        findings = self.findings.get(step.gateway, {})
        gone = [control for control in step.keeps if control in findings and findings[control].status is Status.FAILED]
        return "; ".join(f"{control}: {findings[control].actual or findings[control].message}" for control in gone)

    def still(self, step: Step) -> str:
        """What is still not as the step was to make it."""
        if step.restores:
            unseen = "no reading can show whether it is as before: look there"
            return f"{unseen if self.untold(step) else 'it is not as before'} ({self.shown(step)})"
        if "carry_paths" in step.values:
            return f"the files are not the same on {step.values['carry_from']} and here"
        findings = self.findings.get(step.gateway, {})
        return "; ".join(
            f"{control}: {findings[control].actual or findings[control].message}"
            if control in findings
            else f"{control}: no answer"
            for control in step.proves
            if control not in findings or findings[control].status not in _SETTLED
        )


def marked_by_others(evidence: Evidence, names: Collection[str]) -> str:
    """Which other journal's work marker stands on the gateway and is not over, in words; "" for none. `names` are ours.

    How long it stands yet the gateway itself has said, by its own clock. Where that cannot be told it is none here: the
    claim on the gateway knows how old the marker is, and decides.
    """
    ours: Mapping[str, Any] = evidence.sections.get("ours") or {}
    marker: Mapping[str, Any] = ours.get("marker") or {}
    journal, left = marker.get("journal", ""), marker.get("seconds_left")
    if journal in ("", *names) or left is None or left <= 0:
        return ""
    step = f", step {marker['step']}" if marker.get("step") else ""
    return (
        f"another team works on this gateway: journal {journal}{step}, for {-(-int(left) // 60)} minutes more at most"
    )


def decide_before(
    step: Step,
    reading: Observation,
    *,
    begun: bool,
    working: bool,
    stated: bool = False,
    names: Collection[str] | None = None,
) -> Verdict | None:
    """How a step ends without being done; None where it is to be done.

    `begun`: this plan has acted on the gateway and is not through with it: that facts have moved is our own doing.
    `working`: whether a Connector that was started is known to work; `stated`: whether a standing statement says that
    the PC is the right one. `names`: those of our journal in work markers, by which another team's is told;
    without them nobody looks.
    """
    if trouble := reading.trouble(step.gateway):
        return Result.REFUSED if reading.refused(step.gateway) else Result.UNREACHABLE, trouble
    if why := reading.another(step.gateway):
        return Result.STALE, f"another PC answers at this address: {why}"
    if not stated and (why := reading.untold_pc(step.gateway)):
        return Result.WAITING, f"{why} Nothing is changed until that is known; {_NAME_IT}"
    if names is not None and (held := marked_by_others(reading.evidence[step.gateway], names)):
        return Result.WAITING, f"{held}; {HELD}"
    if running := reading.unfinished(step.gateway):
        return (
            Result.WAITING,
            f"work of ours still runs there: {running}; give the same command again when it is through",
        )
    if begun and reading.unsaid(step.gateway):
        return Result.WAITING, "whether work of ours still runs there cannot be told; give the same command again"
    if step.restores and reading.as_before(step):
        return Result.UNCHANGED, "as it was before"
    if not step.restores and reading.proved(step) and not (begun and reading.lost(step)):
        if step.remedy == START and not working:
            return APPROVING
        return Result.UNCHANGED, "already as planned"
    if stops_service(step.remedy) and (name := going(reading.evidence[step.gateway])):
        return Result.WAITING, f"Windows removes the service {name} at its next restart; {_RESTART}"
    # A migration's steps have no fingerprint: what they find was brought about by the steps before them.
    if not begun and not step.restores and step.fingerprint and reading.print_of(step) != step.fingerprint:
        return Result.STALE, f"it is not as it was when this was planned ({reading.still(step)}); plan again"
    return None


def unmet(step: Step, row: Gateway, reading: Observation, statements: StatementsInForce) -> list[str]:
    """The controls that must be settled before this step is done, and are not."""
    findings = reading.findings.get(step.gateway, {})
    return [
        control
        for control in step.needs
        if control not in findings
        or not (
            findings[control].status in _SETTLED
            or (findings[control].status is Status.UNKNOWN and statements.covers(control, row))
        )
    ]


def decide_after(step: Step, acted: StepResult, reading: Observation) -> tuple[Result, str]:
    """How a step ended: by the new reading first, then by what Ansible said."""
    if acted.result in NOT_ASKED:
        return Result.WAITING, acted.message
    if acted.result == "held":
        # Nothing of ours was done there: whatever the reading shows is that team's doing.
        return Result.WAITING, f"{acted.message}; {HELD}"
    if unseen := _unseen(step, acted, reading):
        return unseen
    if step.restores and reading.as_before(step):
        return Result.UNDONE, "" if acted.result == "ok" else f"it is as before; Ansible said: {acted.message}"
    if lost := reading.lost(step):
        return Result.FAILED, f"what was right before is not any more: {lost}"
    # Of a secret in a file made from a template evidence knows only its reference: there Ansible's complaint counts.
    secret = any(file.get("secrets") for file in step.values.get("connector_files") or ())
    if not step.restores and reading.proved(step) and not (acted.result == "failed" and secret):
        # The reading counts, but a complaint is worth a look.
        return (
            Result.DONE,
            acted.message if acted.result == "ok" else f"the reading shows it done; Ansible said: {acted.message}",
        )
    if running := reading.unfinished(step.gateway):
        return Result.WAITING, f"work of ours still runs there: {running}"
    still = reading.still(step)
    if acted.result == "ok":
        return Result.FAILED, f"Ansible said ok, but the reading does not show it: {still}"
    if acted.result == "refused":
        return Result.REFUSED, f"the log-in was refused: {acted.message}"
    result = {"failed": Result.FAILED, "unreachable": Result.UNREACHABLE, "skipped": Result.SKIPPED}
    return result.get(acted.result, Result.UNKNOWN), acted.message or still


def _unseen(step: Step, acted: StepResult, reading: Observation) -> tuple[Result, str] | None:
    """How a step ended whose gateway the new reading does not show; None where it does."""
    if why := reading.another(step.gateway):
        return Result.UNKNOWN, f"another PC answers at this address since then: {why}"
    trouble = reading.trouble(step.gateway)
    if trouble and acted.result == "unreachable":
        return Result.UNREACHABLE, acted.message
    if trouble and acted.result == "refused":
        return Result.REFUSED, f"the log-in was refused: {acted.message}"
    return (Result.UNKNOWN, f"it could not be read afterwards: {trouble}") if trouble else None


def is_working(gateway: Gateway, reading: Observation, statements: StatementsInForce) -> bool:
    """Whether a started Connector is known to work: by the reading, or by a standing statement where that cannot
    tell."""
    finding = reading.findings.get(gateway.name, {}).get(WORKING)
    if finding is None or finding.status in _SETTLED:
        return True
    return finding.status is Status.UNKNOWN and statements.covers(WORKING, gateway)
