"""Reading and judging a fleet: evidence, facts, findings, and the Audit that holds them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from provisioner import fleet, foreign
from provisioner.audit import evaluate, facts, policy
from provisioner.audit.keeping import Came, Kept, Memory
from provisioner.evidence.question import SECTIONS
from provisioner.evidence.reader import AskPassword, Reader, nobody
from provisioner.journal import Journal, new_id
from provisioner.journal.known import Held
from provisioner.model import Audit, Evidence, Fact, Finding, Fleet, Gateway, Problem
from provisioner.model.audit import Findings
from provisioner.report.view import view

# A measured endpoint is carried from one audit to the next for this long: the measuring opens connections.
ENDPOINTS_LAST = timedelta(hours=1)

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
        came = {
            one.gateway: (one, known, found)
            for practice in self._practices(gateways, measure=measure, observe=observe)
            for one, known, found in practice
        }
        judged = [came[gateway.name] for gateway in gateways]
        return Judged(
            evidence=tuple(one for one, _, _ in judged),
            facts={one.gateway: known for one, known, _ in judged},
            findings=tuple(
                verdict.of(row.name, row.practice)
                for row, (_, _, verdicts) in zip(gateways, judged, strict=True)
                for verdict in verdicts
            ),
        )

    def _practices(self, gateways: Sequence[Gateway], *, measure: bool, observe: Observe) -> Iterator[list[Came]]:
        """Read the gateways, and give each practice as soon as all that is asked of it has come and is judged. What
        the next reading is held against is kept at the end."""
        at = datetime.now(UTC)
        carried = {} if measure else self._carried(gateways, at)

        def sections(gateway: Gateway) -> Iterable[str]:
            return (name for name in SECTIONS if not (name == "endpoints" and gateway.name in carried))

        rows = {row.name: row for row in gateways}
        fleet = replace(self.fleet, gateways=tuple(rows.get(row.name, row) for row in self.fleet.gateways))
        judge = evaluate.Judge(fleet, self.policy.controls, at)
        memory = Memory(self.journal, fleet.gateways)

        def judged(asked: Sequence[Gateway], observe: Observe) -> Iterator[list[Came]]:
            read = observe(self._reader.read(asked, sections), len(asked))
            for whole in self._together(asked, (_with_endpoints(one, carried) for one in read), memory, at):
                verdicts = judge.verdicts([one for one, _ in whole], {one.gateway: known for one, known in whole})
                memory.note([one for one, _ in whole], verdicts)
                yield [(one, known, verdicts[one.gateway]) for one, known in whole]

        yield from judged(gateways, observe)
        # Two rows may lead to one PC, and the first was judged before the other was read.
        if late := {rows[name].practice for name in memory.identities.late()}:
            yield from judged([row for row in gateways if row.practice in late], unobserved)
        memory.keep()

    def _together(
        self, asked: Sequence[Gateway], read: Iterable[Evidence], memory: Memory, at: datetime
    ) -> Iterator[list[tuple[Evidence, Mapping[str, Fact]]]]:
        """What was read, with its facts, each practice as soon as all of it has come."""
        rows = {row.name: row for row in asked}
        members: dict[str, list[str]] = {}
        for row in asked:
            members.setdefault(row.practice, []).append(row.name)
        came: dict[str, dict[str, tuple[Evidence, Mapping[str, Fact]]]] = {}
        for one in read:
            row = rows[one.gateway]
            together = came.setdefault(row.practice, {})
            together[row.name] = self._derived(one, row, at, memory)
            if len(together) == len(members[row.practice]):
                yield [together[name] for name in members[row.practice]]
                del came[row.practice]

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

    def _derived(
        self, one: Evidence, row: Gateway, at: datetime, memory: Memory
    ) -> tuple[Evidence, Mapping[str, Fact]]:
        """A reading with the facts that are known by it."""
        seen = memory.seen.get(one.gateway)

        def derived(one: Evidence) -> Mapping[str, Fact]:
            settings, lifecycle, of = self.fleet.settings, self.policy.lifecycle, self.fleet.templates
            elsewhere = memory.identities.elsewhere(row, one, seen)
            return facts.derive(one, row, settings, lifecycle, at, seen, of, elsewhere)

        try:
            return one, derived(one)
        except Exception as error:
            # A fault of ours in what one gateway says must cost that gateway only, and must be seen.
            problem = Problem(kind="Fault", message=_words(error), hint="Please report this.")
            one = Evidence(gateway=one.gateway, taken_at=one.taken_at, seconds=one.seconds, error=problem)
            return one, derived(one)

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
        known = [one for one in gateways if one.known]
        kept = Kept(self._practices(known, measure=False, observe=self._observe))
        asked = {one.name for one in gateways}
        audit = Audit(
            id=new_id("audit", at),
            at=at,
            fleet_digest=self.fleet.digest,
            policy_digest=self.policy.digest,
            gateways=tuple(gateways),
            controls=self.policy.controls,
            evidence=tuple(kept.evidence[one.name] for one in known),
            findings=Findings({one.name: (one.practice, kept.verdicts[one.name]) for one in known}),
            facts={one.name: kept.facts[one.name] for one in known},
            folder=self.fleet.folder,
            left_out={one.name: one.practice for one in self.fleet.known if one.name not in asked},
            purpose=title,
        )
        shown = view(audit, evaluate.readiness(audit), ())
        audit = replace(audit, came_out=shown.came_out)
        self.journal.save(audit, title or shown.sentence, "preflight" if title else "")
        return audit

    def _carried(self, gateways: Sequence[Gateway], at: datetime) -> dict[str, Held]:
        names = {gateway.name for gateway in gateways}
        return {
            name: section
            for name, (measured, section) in self.journal.endpoints(at - ENDPOINTS_LAST).items()
            if name in names and timedelta() <= at - measured < ENDPOINTS_LAST
        }


def _words(error: Exception) -> str:
    return foreign.readable(f"{type(error).__name__}: {error}")


def _with_endpoints(evidence: Evidence, carried: Mapping[str, Held]) -> Evidence:
    if evidence.error or evidence.gateway not in carried or "endpoints" in evidence.sections:
        return evidence
    return replace(evidence, sections={**evidence.sections, "endpoints": carried[evidence.gateway].plain})
