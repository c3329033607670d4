"""Gaps -> what each owner of one is asked, so that nothing needs asking back. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from provisioner.audit.evaluate import readiness
from provisioner.audit.facts.running import programs
from provisioner.fleet import endpoints, hours
from provisioner.model import Audit, Cause, Control, Evidence, Fleet, Gap, Gateway, Plan
from provisioner.model.product import PRODUCT
from provisioner.model.request import Ask, Request, Site
from provisioner.report import letter
from provisioner.report.view import view

# Facts of which the vendor's addresses are a part, and those of which the Connector's program is.
_NETWORK = frozenset({"endpoints.tls", "endpoints.reachable", "firewall.override", "firewall.policy_left"})
_PROGRAM = frozenset({"antivirus.management", "antivirus.exclusion_left", "firewall.override", "firewall.policy_left"})
_PRACTICE = "practice"
_READ = "read"
_VENDORS = (
    "The vendor's requirements for a gateway ask for it "
    "(https://www.iplato.com/support-centre/requirements-tpp-systmone/)."
)
_OURS = "It is asked of every gateway, so that the Connector is safe and stays at work."
_NOT_READY = "Until then the gateway does not count as ready, and patients' messages and bookings cannot rely on it."
_READ_AGAIN = "We read the gateways again over the network, which changes nothing. It is done when each shows: {0}."
_TOLD = "Tell us: then we look at that PC over the network."
_REACHED = "We try again to read each gateway. It is done when each answers."


def requests(
    gaps: Iterable[Gap],
    audit: Audit,
    causes: Sequence[Cause],
    fleet: Fleet,
    source: str,
    dates: letter.Dates = letter.NO_DATES,
) -> tuple[Request, ...]:
    """What each owner of one of these gaps of a plan is asked, the practices last, each by itself; the audit is the one
    that the plan was made of, with its causes. `source` says from which computer gateways are read, `dates` what ends
    when.

    What many practices have at once goes to those who look at it first, too (audit/causes.py).
    """
    maker = _Maker(audit, fleet, source)
    found: dict[str, dict[tuple[str, str], list[Gap]]] = {}
    for gap in gaps:
        if gap.owner != _PRACTICE:
            found.setdefault(gap.owner, {}).setdefault((gap.control, gap.ask), []).append(gap)
    asks = {owner: [maker.of_gaps(alike) for alike in its.values()] for owner, its in found.items()}
    names = {gateway.name for gateway in audit.gateways}
    for cause in causes:
        if cause.headline and cause.owner != _PRACTICE and not names.isdisjoint(cause.gateways):
            asks.setdefault(cause.owner, []).insert(0, maker.of_many(cause))
    teams = (Request(owner=owner, asks=tuple(its)) for owner, its in sorted(asks.items()))
    return (*teams, *_practices(audit, causes, maker, dates))


def works(plan: Plan, fleet: Fleet, at: datetime) -> dict[str, datetime]:
    """When a plan works next on each gateway of a fleet that has hours: their next beginning. Not where they last just
    now: there work may begin at any moment."""
    planned, found = {step.gateway for step in plan.steps}, dict[str, datetime]()
    for row in fleet.gateways:
        window = hours.parse(row.hours).next(at) if row.hours and row.name in planned else None
        if window and window.opens > at:
            found[row.name] = window.opens
    return found


def _practices(audit: Audit, causes: Sequence[Cause], maker: "_Maker", dates: letter.Dates) -> Iterable[Request]:
    """What practices are asked without which their gateways are not ready, as their letters have it."""
    machines = view(audit, readiness(audit), causes).machines
    of: dict[str, list[int]] = {}
    for place, gateway in enumerate(machines.gateways):
        of.setdefault(gateway.practice, []).append(place)
    for code, places in of.items():
        asked = letter.asked([machines[place] for place in places], dates)
        if any(ask.needed for ask in asked):
            yield Request(owner=_PRACTICE, practice=code, asks=tuple(maker.of_letter(code, ask) for ask in asked))


def _computer(gateway: Gateway) -> str:
    return gateway.computer if gateway.known else "not known yet"


class _Maker:
    """Makes asks of one audit's gateways."""

    def __init__(self, audit: Audit, fleet: Fleet, source: str) -> None:
        self._settings, self._source = fleet.settings, source
        self._controls: Mapping[str, Control] = {control.id: control for control in audit.controls}
        # One whose PC is not known yet has no name: its practice tells it from the others.
        self._gateways: Mapping[str, Gateway] = {
            gateway.name or gateway.practice: gateway for gateway in audit.gateways
        }
        self._evidence: Mapping[str, Evidence] = {evidence.gateway: evidence for evidence in audit.evidence}

    def of_gaps(self, gaps: Sequence[Gap]) -> Ask:
        """Gaps of one control, of which the same is asked."""
        first = gaps[0]
        control = self._controls.get(first.control)
        places = tuple(self._place(gap.gateway or gap.practice, control, gap.message) for gap in gaps)
        return self._ask(first.control, first.ask or first.message, control, places)

    def of_many(self, cause: Cause) -> Ask:
        """What many practices have at once."""
        control = self._controls.get(cause.control)
        here = [name for name in cause.gateways if name in self._gateways]
        if control:
            places = tuple(self._place(name, control, control.failed.partition(": {")[0]) for name in here)
        else:
            places = tuple(self._reached(name) for name in here)
        return self._ask(cause.control or _READ, cause.text, control, places)

    def of_letter(self, code: str, asked: letter.Wish) -> Ask:
        """One thing that the practice of that code is asked."""
        control = self._controls.get(asked.control)
        return Ask(
            control=asked.control,
            what=" ".join(part for part in (asked.what, asked.by) if part),
            why=asked.why,
            undo=control.undo if control else "Nothing to undo.",
            see=_READ_AGAIN.format(control.wants) if control else _REACHED if asked.gateway else _TOLD,
            # The PC's address is nothing to her.
            places=(replace(self._place(asked.gateway or code, control, ""), source=""),),
        )

    def _ask(self, id_: str, what: str, control: Control | None, places: tuple[Site, ...]) -> Ask:
        if control is None:
            why = f"Nothing is known of these gateways, and nothing can be done on them. {_NOT_READY}"
            return Ask(control=id_, what=what, why=why, undo="Nothing to undo.", see=_REACHED, places=places)
        whose = _OURS if control.requirement == "ours" else _VENDORS
        return Ask(
            control=id_,
            what=what,
            why=f"{whose} {_NOT_READY}",
            undo=control.undo or "As it was before.",
            see=_READ_AGAIN.format(control.wants),
            places=places,
            package=self._package() if control.fact in _PROGRAM else "",
        )

    def _place(self, name: str, control: Control | None, found: str) -> Site:
        gateway, fact = self._gateways[name], control.fact if control else ""
        return Site(
            gateway=name,
            practice=gateway.practice,
            practice_name=gateway.practice_name,
            computer=_computer(gateway),
            source=gateway.address,
            destinations=endpoints.whole(self._settings.endpoints) if fact in _NETWORK else (),
            port=PRODUCT.port if fact in _NETWORK else 0,
            path=self._path(name, fact) if fact in _PROGRAM else "",
            found=found,
        )

    def _reached(self, name: str) -> Site:
        """The way to a gateway that could not be read."""
        gateway = self._gateways[name]
        error = self._evidence[name].error if name in self._evidence else None
        return Site(
            gateway=name,
            practice=gateway.practice,
            practice_name=gateway.practice_name,
            computer=_computer(gateway),
            source=self._source,
            destinations=(gateway.address,),
            port=gateway.port,
            found=error.message if error else "",
        )

    def _path(self, name: str, fact: str) -> str:
        """What an exclusion or a rule has to name: the program that really runs, where a reading shows it."""
        evidence, connector = self._evidence.get(name), self._settings.connector
        runs = programs(evidence.sections, self._settings).one if evidence and not evidence.error else ""
        whole = fact.startswith("antivirus.") and self._settings.antivirus.exclude == "folder"
        return connector.folder if whole else runs or connector.image

    def _package(self) -> str:
        package = self._settings.packages.get("jre")
        if package is None or not package.sha256:
            lacks = "names its package without one yet" if package else "names no package of it"
            return f"It is the vendor's Java; fleet.yml {lacks}, so no SHA-256 is known here."
        version = f" {package.version}" if package.version else ""
        signer = f", signed by {package.signer}" if package.signer else ""
        return f"The program comes from the Java package{version}{signer}, SHA-256 {package.sha256}."
