"""Reading and judging a fleet: evidence, facts, findings, and the Audit that holds them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from provisioner import fleet, foreign, resources
from provisioner.audit import evaluate, facts, policy
from provisioner.evidence.question import SECTIONS
from provisioner.evidence.reader import AskPassword, Reader, nobody
from provisioner.journal import Journal, new_id
from provisioner.model import Audit, Evidence, Fact, Finding, Fleet, Gateway, Problem, Status
from provisioner.model.controls import IDENTITY
from provisioner.report.view import view

# A measured endpoint is carried from one audit to the next for this long: the measuring opens connections.
ENDPOINTS_LAST = timedelta(hours=1)

# A named person's waiver accepts another PC in the old one's place, and a statement one that cannot be told from it:
# from then on it is the one that was seen.
_ACCEPTED = (Status.PASSED, Status.WAIVED, Status.UNKNOWN)
IDENTITY_KEYS = ("computer_name", "serial", "machine_guid")


def open_policy() -> policy.Policy:
    """The policy that ships with provisioner."""
    return policy.load(resources.root() / "policy", facts.NAMES)


Observe = Callable[[Iterator[Evidence], int], Iterator[Evidence]]


def unobserved(evidence: Iterator[Evidence], _: int) -> Iterator[Evidence]:
    """Readings pass, and nobody looks on."""
    return evidence


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What some gateways answered, and what it means."""

    evidence: tuple[Evidence, ...]
    facts: Mapping[str, Mapping[str, Fact]]
    findings: tuple[Finding, ...]


class Auditor:
    """Reads and judges gateways of one fleet by one policy, with one journal to remember by.

    `ask_password` is asked where fleet.yml says `prompt`; `observe` (evidence as it comes, how many there will be) sees
    an audit's readings pass. Errors: InputError where there is no credential.
    """

    def __init__(
        self,
        whole: Fleet,
        rules: policy.Policy,
        kept: Journal,
        *,
        ask_password: AskPassword = nobody,
        observe: Observe = unobserved,
    ) -> None:
        self.fleet = whole
        self.policy = rules
        self.journal = kept
        self._observe = observe
        self._reader = Reader(whole, ask_password)

    def look(self, gateways: Sequence[Gateway], *, measure: bool, observe: Observe = unobserved) -> Judged:
        """Read the gateways and judge them in the roles that they have here. `measure`: the endpoints too, even where
        they were measured lately.
        """
        at = datetime.now(UTC)
        carried = {} if measure else self._carried(gateways, at)

        def sections(gateway: Gateway) -> Iterable[str]:
            return (name for name in SECTIONS if not (name == "endpoints" and gateway.name in carried))

        came = {one.gateway: one for one in observe(self._reader.read(gateways, sections), len(gateways))}
        evidence = [came[gateway.name] for gateway in gateways]
        rows = {row.name: row for row in gateways}
        fleet = replace(self.fleet, gateways=tuple(rows.get(row.name, row) for row in self.fleet.gateways))
        judged = self._judge([_with_endpoints(one, carried) for one in evidence], fleet, at)
        self._remember(evidence, judged.findings)
        return judged

    def probe(self, gateway: Gateway) -> bool:
        """Whether that gateway is back."""
        return self._reader.probe(gateway)

    def secret(self, name: str) -> str:
        """A gateway's password, or with `secret:NAME` a secret of the Connector's files."""
        return self._reader.secret(name)

    @property
    def ticket(self) -> Callable[[Path], None] | None:
        """Writes the credential cache by which another process logs in as we do; None where it is not by Kerberos.
        Errors: Refused, Unreachable."""
        return self._reader.ticket.write if self._reader.ticket is not None else None

    def why_not_until(self, until: datetime) -> str:
        """Why what we log in with does not last until then; "" where it does: a password has no end."""
        return self._reader.ticket.why_not_until(until) if self._reader.ticket is not None else ""

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
        judged = self.look([one for one in gateways if one.known], measure=False, observe=self._observe)
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
        words = title or view(audit, evaluate.readiness(audit), ()).sentence
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
