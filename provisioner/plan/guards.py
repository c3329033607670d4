"""Why a practice's Connector may not be started, or taken away, as gaps. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date

from provisioner.audit.facts import running
from provisioner.audit.facts.context import listed
from provisioner.model import Evidence, Finding, Gap, Gateway, Role, Status
from provisioner.model.controls import IDENTITY, NO_CONNECTOR, ONLY_CONNECTOR, RUNNING, SWITCHED_OFF
from provisioner.plan.statements import StatementsInForce
from provisioner.remedies import service

START = service.START.name
SERVICE = service.REMEDY.name

_CHECKED, _WHY = "WHAT WAS CHECKED", "WHY IT WANTS NONE"


def _is_stranger(gateway: Gateway, identity: Finding | None, said: StatementsInForce) -> bool:
    """Whether the PC that answers may be another than it should be: by its finding of R5-identity, where no standing
    statement answers what the PC itself does not tell."""
    if identity is None:
        return False
    untold = identity.status is Status.UNKNOWN and not said.covers(IDENTITY, gateway)
    return untold or identity.status is Status.FAILED


def strangers(rows: Iterable[Gateway], findings: Iterable[Finding], said: StatementsInForce) -> frozenset[str]:
    """The gateways at whose address another PC may answer: `findings` are theirs."""
    identity = {finding.gateway: finding for finding in findings if finding.control == IDENTITY}
    return frozenset(row.name for row in rows if _is_stranger(row, identity.get(row.name), said))


def after_restart(gateway: Gateway, finding: Finding, service: str) -> Gap:
    """What waits for a restart, because Windows takes the service away only then."""
    words = f"{finding.message or finding.actual} Windows removes the service {service} at its next restart."
    ask = "Restart the gateway at a quiet hour, and log in to SystmOne again at once; then audit and plan again."
    return gap(gateway, finding.control, words, "practice", ask)


def going(evidence: Evidence | None) -> str:
    """The name of the Connector's service where Windows removes it at its next restart; "" for none. Until then it can
    be neither started nor set nor made anew."""
    section = evidence.sections.get("service") if evidence else None
    service = section["service"] if section else None
    return str(service["name"]) if service and service.get("marked_for_deletion") else ""


def connector_runs(evidence: Evidence | None) -> bool | None:
    """Whether a Connector runs on that gateway; None where the reading does not say."""
    if evidence is None or evidence.error:
        return None
    return running.runs(evidence.sections)


def by_hand(evidence: Evidence | None) -> str:
    """What runs there as a Connector without a service, and no step of ours ends, in words; "" for nothing."""
    if evidence is None or evidence.error:
        return ""
    found = running.without_service(evidence.sections)
    return listed([running.words(process) for process in found]) if found else ""


def why_not_disabled(gateway: Gateway, evidence: Evidence | None) -> str:
    """Why a standby's service is not set: its Connector runs, perhaps the only one there is; "" where it may."""
    if gateway.role is not Role.STANDBY or not connector_runs(evidence):
        return ""
    return f"a Connector runs on it, and its row says {gateway.role}: disabled, it would not come up after a restart"


def why_not_beside(gateway: Gateway, said: StatementsInForce, evidence: Evidence | None) -> str:
    """Why the service may not be started on this gateway itself: a Connector runs there already without it, or that
    cannot be ruled out and no statement names the gateway; "" where it may, or runs."""
    if evidence is None or evidence.error:
        return ""
    if found := by_hand(evidence):
        return f"a Connector runs on it already, without its service: {found}"
    untold = running.why_untold(evidence.sections) if connector_runs(evidence) is None else ""
    if untold and not said.names(ONLY_CONNECTOR, gateway):
        return f"whether a Connector runs on it already cannot be told: {untold}"
    return ""


def why_not_start(
    gateway: Gateway,
    others: Sequence[Gateway],
    said: StatementsInForce,
    evidence: Mapping[str, Evidence],
    strangers: Collection[str] = (),
) -> Gap | None:
    """Why no Connector may be started on this gateway, as a gap; None where it may. `others`: those of its practice;
    `strangers`: the gateways at whose address another PC may answer.

    It needs an active gateway, a standing statement that no other PC of the practice runs one, and no other gateway
    of the practice that runs one, or that cannot be read and no statement speaks of by name.
    """
    if gateway.role is not Role.ACTIVE:
        return gap(gateway, RUNNING, f"a {gateway.role} gateway is not started", "icb-it", "")
    if beside := why_not_beside(gateway, said, evidence.get(gateway.name)):
        ask = "End it there by hand, and what starts it (log-on, a task), then plan again."
        return gap(gateway, RUNNING, f"not started: {beside}", "icb-it", ask)
    for other in others:
        found = evidence.get(other.name)
        runs = connector_runs(found)
        if runs:
            words = f"not started: a Connector runs on {other.name}, of the same practice"
            ask = f"Stop and disable the one on {other.name} first."
            if alone := by_hand(found):
                ask = f"End {alone} on {other.name} by hand first, and what starts it: no service runs it."
            return gap(gateway, RUNNING, words, "icb-it", ask)
        if (runs is None or other.name in strangers) and not said.names(ONLY_CONNECTOR, other):
            words = f"not started: whether {other.name}, of the same practice, runs a Connector cannot be told"
            ask = f"Make it reachable, or {_row(ONLY_CONNECTOR, gateway.practice, other.name, _CHECKED, said.day)}"
            return gap(gateway, RUNNING, words, "icb-it", ask)
    if said.covers(ONLY_CONNECTOR, gateway):
        return None
    words = "not started: nobody has stated that no other PC of this practice runs a Connector"
    ask = f"Find out, and {_row(ONLY_CONNECTOR, gateway.practice, '', _CHECKED, said.day)}"
    return gap(gateway, RUNNING, words, "icb-it", ask)


def why_not_fenced(
    others: Sequence[Gateway],
    said: StatementsInForce,
    evidence: Mapping[str, Evidence],
    strangers: Collection[str] = (),
) -> str:
    """Why a practice's other gateways are not fenced: whether one's Connector runs, or could be started by anything
    but us; "" where all are.

    One at which nothing accepts a connection is fenced by a named person's statement that it is switched off and
    stays so.
    """
    for other in others:
        found = evidence.get(other.name)
        if found is None or found.error:
            if not stated_off(other, found, said):
                why = found.error.message if found and found.error else "no answer"
                against = "; that it is off, as is stated, does not follow" if said.names(SWITCHED_OFF, other) else ""
                return f"{other.name} cannot be read ({why}){against}"
            continue
        runs = connector_runs(found)
        if runs is False and other.name in strangers:
            return f"another PC than {other.name} may answer at its address (R5-identity)"
        if runs and (alone := by_hand(found)):
            return f"a Connector runs on {other.name} without a service, to be ended by hand: {alone}"
        if runs is not False:
            return f"a Connector runs on {other.name}" if runs else f"whether {other.name} runs one cannot be told"
        if loose := _startable(found):
            return f"the service {loose} on {other.name} is not disabled"
    return ""


def stated_off(gateway: Gateway, evidence: Evidence | None, said: StatementsInForce) -> bool:
    """Whether a gateway at which nothing accepts a connection is one of which a person has stated that it is switched
    off and stays so. One that answers in any way is on, whatever is stated."""
    absent = evidence is not None and evidence.error is not None and evidence.error.absent
    return absent and said.names(SWITCHED_OFF, gateway)


def _startable(evidence: Evidence) -> str:
    """The name of a Connector's service that Windows or a person could start; "" for none."""
    found = running.services(evidence.sections)
    return next((str(service["name"]) for service in found if service["start_mode"] != "disabled"), "")


def why_not_remove(
    gateway: Gateway,
    others: Sequence[Gateway],
    said: StatementsInForce,
    evidence: Mapping[str, Evidence],
    strangers: Collection[str] = (),
) -> Gap | None:
    """Why nothing may be taken away from this retired gateway, as a gap; None where it may. `others`: those of its
    practice.

    It needs an active gateway of the practice that is read as running a Connector, or a standing statement that the
    practice wants none. What stands still there counts too: it is the way back.
    """
    if found := by_hand(evidence.get(gateway.name)):
        words = f"nothing is removed: a Connector runs here without a service: {found}"
        ask = "End it there by hand, and what starts it (log-on, a task), then audit and plan again."
        return gap(gateway, "retired-service", words, "icb-it", ask)
    active = [other for other in others if other.role is Role.ACTIVE]
    known = [other.name for other in active if other.name not in strangers]
    if said.covers(NO_CONNECTOR, gateway) or any(connector_runs(evidence.get(name)) for name in known):
        return None
    row = _row(NO_CONNECTOR, gateway.practice, "", _WHY, said.day)
    if active:
        words = f"nothing is removed: {active[0].name}, the practice's active gateway, is not known to run a Connector"
        ask = f"Have a Connector run on {active[0].name} first; or, if the practice wants none any more, {row}"
    else:
        words = "nothing is removed: the practice would be left without a Connector, and nobody has stated that it may"
        ask = f"If the practice has closed or leaves SystmOne, {row}"
    return gap(gateway, "retired-service", words, "icb-it", ask)


def gap(gateway: Gateway, control: str, message: str, owner: str, ask: str) -> Gap:
    """What a plan does not do on a gateway, and who is asked to do what."""
    return Gap(gateway=gateway.name, practice=gateway.practice, control=control, message=message, owner=owner, ask=ask)


def _row(control: str, practice: str, gateway: str, says: str, day: date) -> str:
    return f"write into statements.csv: {practice},{gateway},{control},{says},NAME,{day},UNTIL,TICKET"
