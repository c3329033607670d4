"""Reading and judging a fleet for the verbs: evidence, facts, findings, and the Audit that holds them."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from provisioner import fleet, foreign, journal, resources
from provisioner.audit import evaluate, facts, policy
from provisioner.cli.console import say
from provisioner.cli.kept import is_of
from provisioner.cli.reading import Reader, watched
from provisioner.evidence.question import SECTIONS
from provisioner.model import Audit, Cause, Evidence, Fact, Finding, Fleet, Gap, Gateway, Problem, Status
from provisioner.plan import rollout as planning

# A measured endpoint is carried from one audit to the next for this long: the measuring opens connections.
ENDPOINTS_LAST = timedelta(hours=1)

IDENTITY = "R5-identity"
# A named person's waiver accepts another PC in the old one's place, and a statement one that cannot be told from it:
# from then on it is the one that was seen.
_ACCEPTED = (Status.PASSED, Status.WAIVED, Status.UNKNOWN)
IDENTITY_KEYS = ("computer_name", "serial", "machine_guid")


def open_policy() -> policy.Policy:
    """The policy that ships with provisioner."""
    return policy.load(resources.root() / "policy", facts.NAMES)


def open_journal(folder: Fleet) -> journal.Journal:
    """The fleet's journal, made if there is none. One that is not where it was is said; it changes nothing so.

    Errors: JournalError.
    """
    opened = journal.Journal.open(Path(folder.folder) / folder.settings.journal)
    if home := opened.moved():
        say(f"This journal was at {home}: it was moved, or is a copy. See provisioner journal adopt.")
    return opened


def new_id(kind: str, at: datetime) -> str:
    """An id that sorts by time and can be said aloud, such as audit-20261123-201500-ab12."""
    return f"{kind}-{at:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What some gateways answered, and what it means."""

    evidence: tuple[Evidence, ...]
    facts: Mapping[str, Mapping[str, Fact]]
    findings: tuple[Finding, ...]


class Auditor:
    """Reads and judges gateways of one fleet by one policy, with one journal to remember by."""

    def __init__(self, whole: Fleet, rules: policy.Policy, kept: journal.Journal) -> None:
        self.fleet = whole
        self.policy = rules
        self.journal = kept
        self._reader = Reader(whole)

    def look(self, gateways: Sequence[Gateway], *, measure: bool, what: str = "") -> Judged:
        """Read the gateways and judge them in the roles that they have here. `measure`: the endpoints too, even where
        they were measured lately; `what`: shown as progress.
        """
        at = datetime.now(UTC)
        carried = {} if measure else self._carried(gateways, at)

        def sections(gateway: Gateway) -> Iterable[str]:
            return (name for name in SECTIONS if not (name == "endpoints" and gateway.name in carried))

        evidence = watched(self._reader.read(gateways, sections), gateways, what)
        rows = {row.name: row for row in gateways}
        fleet = replace(self.fleet, gateways=tuple(rows.get(row.name, row) for row in self.fleet.gateways))
        judged = self._judge([_with_endpoints(one, carried) for one in evidence], fleet, at)
        self._remember(evidence, judged.findings)
        return judged

    def knock(self, gateway: Gateway) -> bool:
        """Whether that gateway is back."""
        return self._reader.knock(gateway)

    def secret(self, name: str) -> str:
        """A gateway's password, or with `secret:NAME` a secret of the Connector's files."""
        return self._reader.secret(name)

    def turn(self, gateway: str) -> AbstractContextManager[None]:
        """Around one log-in at a gateway: the login guard's. Errors: NotTried."""
        return self._reader.turn(gateway)

    def _judge(self, evidence: Sequence[Evidence], fleet: Fleet, at: datetime) -> Judged:
        """Judge what was read. Pure but for what the journal has seen before."""
        by_name = {gateway.name: gateway for gateway in fleet.gateways}
        seen = self.journal.seen()
        known, whole = dict[str, Mapping[str, Fact]](), list[Evidence]()

        def derived(one: Evidence) -> Mapping[str, Fact]:
            row, before = by_name[one.gateway], seen.get(one.gateway)
            return facts.derive(one, row, fleet.settings, self.policy.lifecycle, at, before)

        for one in evidence:
            try:
                known[one.gateway] = derived(one)
            except Exception as error:
                # A fault of ours in what one gateway says must cost that gateway only, and must be seen.
                problem = Problem(kind="Fault", message=_words(error), hint="Please report this.")
                one = Evidence(gateway=one.gateway, taken_at=one.taken_at, seconds=one.seconds, error=problem)
                known[one.gateway] = derived(one)
            whole.append(one)
        findings = evaluate.evaluate(fleet, whole, self.policy.controls, known, at)
        return Judged(evidence=tuple(whole), facts=known, findings=findings)

    def audit(self, patterns: Sequence[str] = ()) -> Audit:
        """Read and judge the fleet, or what the patterns name of it, and keep it in the journal. The practice's other
        gateways count, unread: what needs them all is then unknown.
        """
        chosen = fleet.only(self.fleet, patterns) if patterns else self.fleet
        return self.audit_of(chosen.gateways)

    def audit_of(self, gateways: Sequence[Gateway], title: str = "") -> Audit:
        """Read these gateways, judge them in the roles that they have here, and keep it in the journal. With a `title`
        it is a migration's preflight, and no audit of the fleet."""
        at = datetime.now(UTC)
        self.journal.writable()
        judged = self.look([one for one in gateways if one.known], measure=False, what="audit")
        asked = {one.name for one in gateways}
        audit = Audit(
            id=new_id("audit", at),
            at=at,
            fleet_digest=self.fleet.digest,
            policy_digest=self.policy.digest,
            gateways=tuple(gateways),
            controls=self.policy.controls,
            evidence=judged.evidence,
            findings=judged.findings,
            facts=judged.facts,
            folder=self.fleet.folder,
            left_out={one.name: one.practice for one in self.fleet.known if one.name not in asked},
            purpose=title,
        )
        from provisioner.report.view import view  # what is loaded only by an audit

        words = title or view(audit, readiness(audit), ()).sentence
        self.journal.save(audit, words, "preflight" if title else "")
        return audit

    def _carried(self, gateways: Sequence[Gateway], at: datetime) -> dict[str, Mapping[str, Any]]:
        names = {gateway.name for gateway in gateways}
        return {
            name: section
            for name, (measured, section) in self.journal.endpoints().items()
            if name in names and timedelta() <= at - measured < ENDPOINTS_LAST
        }

    def _remember(self, evidence: Sequence[Evidence], findings: Sequence[Finding]) -> None:
        """Keep what the next reading is held against: only of PCs that are the ones they should be."""
        right = {
            one.gateway
            for one in findings
            if one.control == IDENTITY and one.status in _ACCEPTED and not evaluate.is_open(one)
        }
        read = {one.gateway: one for one in evidence if one.gateway in right}
        seen = self.journal.seen()
        identities = {
            name: {key: str(one.sections["identity"][key] or "") for key in IDENTITY_KEYS}
            for name, one in read.items()
            if "identity" in one.sections
        }
        new = {name: identity for name, identity in identities.items() if seen.get(name) != identity}
        if new:
            self.journal.see(new, datetime.now(UTC))
        self.journal.keep_endpoints(
            {
                name: (one.taken_at, one.sections["endpoints"])
                for name, one in read.items()
                if "endpoints" in one.sections
            }
        )


def _words(error: Exception) -> str:
    return foreign.readable(f"{type(error).__name__}: {error}")


def _with_endpoints(evidence: Evidence, carried: Mapping[str, Mapping[str, Any]]) -> Evidence:
    if evidence.error or evidence.gateway not in carried or "endpoints" in evidence.sections:
        return evidence
    return replace(evidence, sections={**evidence.sections, "endpoints": carried[evidence.gateway]})


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


def readiness(audit: Audit) -> dict[str, bool]:
    """Which of the audited gateways are ready. One that was not read is not, whatever was stated of it."""
    return {
        one.gateway: one.error is None and evaluate.ready(audit.of(one.gateway), audit.controls)
        for one in audit.evidence
    }
