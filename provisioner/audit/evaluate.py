"""Policy x facts -> Findings, and what needs the whole practice. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cache, lru_cache
from typing import Any, TypeVar

from provisioner.audit import practice
from provisioner.audit.causes import ERRORS, OPEN, causes, is_open
from provisioner.audit.facts import OK
from provisioner.model import (
    Audit,
    Control,
    Evidence,
    Fact,
    Finding,
    Fleet,
    Gateway,
    Impact,
    Problem,
    Role,
    Statement,
    Status,
    Waiver,
)
from provisioner.model.audit import Verdict
from provisioner.model.controls import ONLY_CONNECTOR, SWITCHED_OFF

__all__ = ["causes", "evaluate", "is_open", "judge", "readiness", "ready"]

Facts = Mapping[str, Fact]
Said = TypeVar("Said", bound=Statement)

# A statement that no other PC of the practice runs a Connector answers what could not be read of the others.
# A statement that a PC is switched off and stays so: that nothing accepts a connection there is then as it should be.
# Of one that answers in any way it says nothing: that PC is on.
ONE_CONNECTOR = "practice.one_connector"
IN_ORDER = "gateway.in_order"

# More than the controls have different verdicts in an estate, but for what each gateway measures by itself.
_ALIKE = 1024

# The units of a fact by the end of its name.
_UNITS = {"_gb": " GB", "_days": " days", "_seconds": " seconds", "_size": " seconds"}

# Why a control is not for a gateway where a fact has that value.
_NOT_HERE = {
    ("antivirus.exclusion_by", "management"): "what is set on this PC has no effect (see R12-managed)",
    ("antivirus.exclusion_by", "product"): "Defender is not the antivirus here (see R12-managed)",
    ("antivirus.exclusion_by", "nobody"): "no antivirus seems to be at work (see R12-managed)",
    ("antivirus.removal_by", "local"): "an administrator of this PC can take it away (see retired-exclusion)",
    ("antivirus.removal_by", "management"): "only Defender's management can take it away (see retired-managed)",
    ("antivirus.removal_by", "product"): "Defender is not the antivirus here (see retired-managed)",
    ("antivirus.removal_by", "nobody"): "no antivirus seems to be at work (see retired-managed)",
    ("connector.present", "no"): "there is no folder yet (see R17-files)",
    ("connector.running", "no"): "the Connector does not run (see R17-running)",
    ("firewall.rule_by", "policy"): "a policy makes the firewall ignore this PC's own rules (see R14-policy)",
    ("practice.connectors", "elsewhere"): "it is judged over the whole practice, at its active gateway",
    ("practice.connectors", "none"): "no Connector runs in this practice",
    ("systmone.present", "no"): "nobody is logged in to SystmOne (see R2-logged-in)",
    ("winrm.https", "no"): "WinRM has no certificate on this PC",
}


@dataclass(frozen=True)
class _View:
    """Gateways by practice, what people say by gateway or practice, and all facts, as they are on one day."""

    day: date
    practices: Mapping[str, Sequence[Gateway]]
    statements: Mapping[str, Sequence[Statement]]
    waivers: Mapping[str, Sequence[Waiver]]
    facts: Mapping[str, Facts]
    # At these nothing accepted a connection.
    away: frozenset[str]

    def off(self, gateway: Gateway) -> Statement | None:
        """A standing statement that the gateway is switched off, where it may be."""
        return self.statement(gateway, SWITCHED_OFF) if gateway.name in self.away else None

    def statement(self, gateway: Gateway, *controls: str) -> Statement | None:
        """A standing statement about that gateway."""
        return self._first(self.statements, gateway, controls, stands=True)

    def waiver(self, gateway: Gateway, control: str, *, stands: bool) -> Waiver | None:
        """A waiver for that gateway that stands, or one that has ended or not begun."""
        return self._first(self.waivers, gateway, (control,), stands=stands)

    def _first(
        self, said: Mapping[str, Sequence[Said]], gateway: Gateway, controls: Sequence[str], *, stands: bool
    ) -> Said | None:
        of_it = (*said.get(gateway.name, ()), *said.get(gateway.practice, ()))
        fitting = (one for one in of_it if one.control in controls and one.covers(gateway))
        return next((one for one in fitting if one.stands(self.day) is stands), None)


def _by_subject(said: Iterable[Said]) -> dict[str, list[Said]]:
    """Statements by the gateway or practice of which they speak: a fleet has thousands of each."""
    found: dict[str, list[Said]] = {}
    for one in said:
        found.setdefault(one.gateway or one.practice, []).append(one)
    return found


class Judge:
    """Holds what gateways of one fleet answered against the policy's controls, any number of practices at a time."""

    def __init__(self, fleet: Fleet, controls: Sequence[Control], at: datetime) -> None:
        self._controls = controls
        self._gateways = {gateway.name: gateway for gateway in fleet.gateways}
        practices: dict[str, list[Gateway]] = {}
        for gateway in fleet.known:
            practices.setdefault(gateway.practice, []).append(gateway)
        said, waived = _by_subject(fleet.statements), _by_subject(fleet.waivers)
        self._view = _View(at.date(), practices, said, waived, {}, frozenset())
        self._alike = Alike(controls)

    def findings(self, evidence: Sequence[Evidence], facts: Mapping[str, Facts]) -> list[Finding]:
        """One finding for every control on every gateway that has evidence, in the order of both. `facts` are by
        gateway, as facts.derive gives them; a practice's gateways are judged together, or its others count as unread.
        """
        found = self.verdicts(evidence, facts).items()
        return [verdict.of(name, self._gateways[name].practice) for name, verdicts in found for verdict in verdicts]

    def verdicts(self, evidence: Sequence[Evidence], facts: Mapping[str, Facts]) -> dict[str, tuple[Verdict, ...]]:
        """The same but for whose they are, by gateway."""
        away = frozenset(one.gateway for one in evidence if one.error and one.error.absent)
        view = replace(self._view, facts=facts, away=away)
        return {one.gateway: self._of_one(self._gateways[one.gateway], one, view) for one in evidence}

    def _of_one(self, gateway: Gateway, one: Evidence, view: _View) -> tuple[Verdict, ...]:
        if one.error is None:
            return self._of_read(gateway, view)
        if off := view.off(gateway):
            words = f"It cannot be reached, as stated by {_who(off)}: {off.says}"
            return tuple(self._alike.not_applicable(control.id, words) for control in self._controls)
        message, cause = _unread(gateway, one.error, view)
        return tuple(
            _plain(control, Status.ERROR, message, actual="could not be read", cause=cause)
            for control in self._controls
        )

    def _of_read(self, gateway: Gateway, view: _View) -> tuple[Verdict, ...]:
        """What a gateway that was read comes to; what is judged by all the rest comes last and keeps its place."""
        known = {**view.facts[gateway.name], **practice.facts_of(gateway, view.practices[gateway.practice], view.facts)}
        found = {one.id: self._verdict(gateway, one, known, view) for one in self._controls if one.fact != IN_ORDER}
        known[IN_ORDER] = practice.in_order(found.values(), self._alike.required, known["connector.runs"])
        found |= {one.id: self._verdict(gateway, one, known, view) for one in self._controls if one.fact == IN_ORDER}
        return tuple(found[control.id] for control in self._controls)

    def _verdict(self, gateway: Gateway, control: Control, facts: Facts, view: _View) -> Verdict:
        if why_not := _why_not_judged(gateway, control, facts):
            return self._alike.not_applicable(control.id, why_not)
        verdict = self._alike.judged(control, facts[control.fact], facts.get(control.shows))
        if verdict.status is Status.UNKNOWN:
            return _answered(verdict, _statement(gateway, control, view))
        if verdict.status is Status.FAILED:
            return _waived(verdict, gateway, view)
        return verdict


class Alike:
    """What controls came to by facts that others had before: nearly all that thousands of gateways come to."""

    def __init__(self, controls: Sequence[Control]) -> None:
        self.required = _required(controls)
        by_id = {control.id: control for control in controls}

        # 1, 1.0 and True are one key otherwise, and not one value.
        @lru_cache(maxsize=_ALIKE, typed=True)
        def judged(id_: str, value: Any, listed: bool, reason: str, shown: Any) -> Verdict:
            return judge(by_id[id_], Fact(value=list(value) if listed else value, reason=reason), Fact(value=shown))

        @lru_cache(maxsize=_ALIKE)
        def not_applicable(id_: str, why: str) -> Verdict:
            return _plain(by_id[id_], Status.NOT_APPLICABLE, why)

        self._judged, self.not_applicable = judged, not_applicable

    def judged(self, control: Control, fact: Fact, shown: Fact | None) -> Verdict:
        """As `judge`."""
        # Problems are a list, which cannot be looked up.
        value, listed = (tuple(fact.value), True) if isinstance(fact.value, list) else (fact.value, False)
        try:
            return self._judged(control.id, value, listed, fact.reason, shown.value if shown else None)
        except TypeError:
            return judge(control, fact, shown)


def evaluate(
    fleet: Fleet,
    evidence: Sequence[Evidence],
    controls: Sequence[Control],
    facts: Mapping[str, Facts],
    at: datetime,
) -> tuple[Finding, ...]:
    """The findings of a whole fleet, as Judge gives them."""
    return tuple(Judge(fleet, controls, at).findings(evidence, facts))


def _statement(gateway: Gateway, control: Control, view: _View) -> Statement | None:
    """The statement that answers what the gateway could not tell. What could not be told of several gateways of a
    practice takes one that speaks of the practice, or one for each."""
    if control.fact != ONE_CONNECTOR:
        return view.statement(gateway, control.id)
    together = view.practices[gateway.practice]
    silent = practice.untold(together, view.facts)
    said = [view.statement(one, control.id, ONLY_CONNECTOR) or view.off(one) for one in together if one.name in silent]
    return said[0] if said and all(said) else None


def judge(control: Control, fact: Fact, shown: Fact | None = None) -> Verdict:
    """One control judged by one fact, without what people have said: passed, failed or unknown.

    `shown` is the fact that puts what was found into words.
    """
    if fact.value is None:
        reason = fact.reason or "the gateway does not tell"
        message = f"{control.title}: cannot be told, because {reason}."
        # What a reason has in brackets is this gateway's own, such as names.
        cause = f"{control.title}: {reason.partition(' (')[0]}."
        return _plain(control, Status.UNKNOWN, message, actual="cannot be told", cause=cause)
    actual = _actual(control, fact, shown)
    if _passes(control, fact.value):
        return _plain(control, Status.PASSED, f"{control.title}: {actual}.", actual=actual, value=fact.value)
    sentence = control.failed.replace("{actual}", actual)
    detail = "" if "{actual}" in control.failed else f" Found: {actual}; wanted: {control.wants}."
    return _plain(control, Status.FAILED, sentence + detail, actual=actual, cause=sentence, value=fact.value)


def _passes(control: Control, value: Any) -> bool:
    if control.operator == "is":
        return bool(value == control.operand)
    if control.operator == "at_least":
        return bool(value >= control.operand)
    if control.operator == "at_most":
        return bool(value <= control.operand)
    return value in control.operand


def _actual(control: Control, fact: Fact, shown: Fact | None) -> str:
    """What was found, in words: the problems, where the fact has some, else what the shown fact says."""
    if shown is None or shown.value is None or isinstance(fact.value, list | tuple):
        return _words(fact.value) + _unit(control.fact)
    return _words(shown.value) + _unit(control.shows)


def _words(value: Any) -> str:
    if value == OK:
        return "as wanted"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return "; ".join(str(one) for one in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


@cache
def _unit(fact: str) -> str:
    return next((unit for end, unit in _UNITS.items() if fact.endswith(end)), "")


def _plain(
    control: Control, status: Status, message: str, *, actual: str = "", cause: str = "", value: Any = None
) -> Verdict:
    return Verdict(control.id, status, control.wants, actual, message, cause, value)


def _unread(gateway: Gateway, error: Problem, view: _View) -> tuple[str, str]:
    """Message and cause of all findings of a gateway that could not be read."""
    cause = ERRORS.get(error.kind, f"The gateway could not be read: {error.kind}.")
    stated = view.statement(gateway, SWITCHED_OFF)
    against = f" {stated.by} stated that it is switched off; what came back does not bear that out." if stated else ""
    return str(error) + against, cause


def _why_not_judged(gateway: Gateway, control: Control, facts: Facts) -> str:
    """Why a control is not for this gateway; "" where it is, or where that cannot be told."""
    for key, values in control.applies_when.items():
        if key == "role":
            if gateway.role not in values:
                return f"Not asked of a{'n' if gateway.role is Role.ACTIVE else ''} {gateway.role} gateway."
        elif (fact := facts[key]).value is not None and str(fact.value) not in values:
            return f"Does not apply here: {_NOT_HERE.get((key, fact.value), f'{key} is {fact.value}')}."
    return ""


def _answered(verdict: Verdict, statement: Statement | None) -> Verdict:
    if statement is None:
        return verdict
    message = f"{verdict.message} Stated by {_who(statement)}: {statement.says}"
    return verdict._replace(actual=f"stated: {statement.says}", message=message, cause="")


def _waived(verdict: Verdict, gateway: Gateway, view: _View) -> Verdict:
    if waiver := view.waiver(gateway, verdict.control, stands=True):
        message = f"{verdict.message} Accepted by {_who(waiver)}: {waiver.says}"
        return verdict._replace(status=Status.WAIVED, message=message, cause="")
    if ended := view.waiver(gateway, verdict.control, stands=False):
        when = f"ended on {ended.until}" if ended.until < view.day else f"begins on {ended.on}"
        return verdict._replace(message=f"{verdict.message} The waiver of {ended.by} {when} and is not applied.")
    if statement := view.statement(gateway, verdict.control):
        words = "does not change this, because the gateway itself shows otherwise"
        return verdict._replace(message=f"{verdict.message} What {statement.by} stated {words}.")
    return verdict


def _who(said: Statement) -> str:
    ticket = f", {said.ticket}" if said.ticket else ""
    return f"{said.by} on {said.on}, until {said.until}{ticket}"


def ready(findings: Iterable[Finding], controls: Sequence[Control]) -> bool:
    """Whether one gateway is ready, by its findings: every required control passed, was waived, does not apply, or is
    an unknown that a standing statement answers. Without findings it is not."""
    found, required = list(findings), _required(controls)
    return bool(found) and _nothing_open(found, required)


def _required(controls: Sequence[Control]) -> frozenset[str]:
    return frozenset(control.id for control in controls if control.impact is Impact.REQUIRED)


def _nothing_open(found: Iterable[Finding], required: frozenset[str]) -> bool:
    return not any(is_open(one) for one in found if one.control in required)


def readiness(audit: Audit) -> dict[str, bool]:
    """Which of the audited gateways are ready. One that was not read is not, whatever was stated of it."""
    required = _required(audit.controls)
    return {
        one.gateway: one.error is None
        and audit.judged(one.gateway)
        and _nothing_open(audit.some(one.gateway, *OPEN), required)
        for one in audit.evidence
    }
