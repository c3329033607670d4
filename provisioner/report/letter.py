"""What a practice is asked to do, in words for people who never saw provisioner. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from types import MappingProxyType

from provisioner.model import Role
from provisioner.model.ending import Ending, EndingKind
from provisioner.report import words
from provisioner.report.view import FindingRow, Kind, Machine, State

_PRACTICE = "practice"
# What ends that a practice can do something about.
_HERS = (EndingKind.PASSWORD, EndingKind.STATEMENT)
_SMARTCARD = "Log in to SystmOne on the gateway PC by smartcard once."
_BLOCKED = "SystmOne blocks a user who has logged in by password for more than 30 days."
# Kinds of errors that somebody who stands before the PC can do something about.
_LOOK = ("Unreachable", "TimedOut")
_LOOK_AT_IT = (
    "Look at the gateway PC: is it switched on, does it show Windows, and is its network cable in? "
    "Switch it on if need be, log in to SystmOne on it, and tell us what you found."
)
_WHICH = (
    "Tell us which PC is your SystmOne gateway: the one on which SystmOne's window says Gateway at its top. "
    "We need its name, which Windows shows under Settings, System, About."
)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """One thing that a practice is asked to do, on which of its gateways (`computer` is the PC's own name where it is
    known), and why. `control` is "" where the PC is not known or not reached. `needed`: the gateway is not ready
    without it. `by`: a sentence that says by when, "" where no date is known."""

    gateway: str
    computer: str
    what: str
    why: str
    control: str = ""
    needed: bool = True
    by: str = ""


@dataclass(frozen=True, kw_only=True)
class Dates:
    """What is known of when. `ends`: what ends soon at the fleet's gateways; `works`: by gateway when a plan works on
    it next. Where nothing is known no letter names a date."""

    ends: Sequence[Ending] = ()
    works: Mapping[str, datetime] = field(default_factory=lambda: MappingProxyType({}))

    def ends_at(self, gateways: Collection[str]) -> list[Ending]:
        """What ends at these gateways, in the order of all."""
        return [self.ends[at] for at in sorted(at for name in gateways for at in self._at.get(name, ()))]

    @cached_property
    def _at(self) -> Mapping[str, Sequence[int]]:
        found: dict[str, list[int]] = {}
        for at, one in enumerate(self.ends):
            found.setdefault(one.gateway, []).append(at)
        return found


NO_DATES = Dates()


def asked(machines: Sequence[Machine], dates: Dates = NO_DATES) -> tuple[Wish, ...]:
    """What one practice is asked, what is needed first, and by when where that is known. Nothing is wanted of a gateway
    that is a candidate."""
    wanted = [machine for machine in machines if machine.gateway.role is not Role.CANDIDATE]
    found = [ask for machine in wanted for ask in _asked(machine, dates.works)]
    found += _ends(wanted, dates)
    return tuple(sorted(found, key=lambda ask: not ask.needed))


def coming(machines: Sequence[Machine], dates: Dates) -> tuple[str, ...]:
    """What ends soon and the team sees to, in sentences for who uses the PC."""
    here = {machine.gateway.name for machine in machines if machine.gateway.role is not Role.CANDIDATE}
    said = {
        EndingKind.WINDOWS: "The PC gets the last updates of its Windows on {}: before that we see to an upgrade.",
        EndingKind.CERTIFICATE: "What lets us look at the PC over the network ends on {}: before that we renew it.",
    }
    ends = (one for one in dates.ends_at(here) if one.kind in said)
    return tuple(dict.fromkeys(said[one.kind].format(_day(one.on)) for one in ends))


def _ends(machines: Sequence[Machine], dates: Dates) -> list[Wish]:
    """What the practice has to do before something ends that is hers. What she told of all her gateways is asked once;
    and nothing of what is open anyway."""
    by_name = {machine.gateway.name: machine for machine in machines}
    found: dict[tuple[str, str, date], Wish] = {}
    for one in (one for one in dates.ends_at(by_name) if one.kind in _HERS):
        machine = by_name[one.gateway]
        control = next((row.control for row in machine.rows if row.control.id == one.control), None)
        if control is None or control.owner != _PRACTICE or any(row.control is control for row in machine.open):
            continue
        if one.kind is EndingKind.PASSWORD:
            found[one.gateway, control.id, one.on] = _wish(one, machine, _SMARTCARD, _BLOCKED)
        else:
            what = f"Tell us whether it still holds what {one.owner} has told us."
            wish = _wish(one, machine, what, f"That counts until then. It is about this: {control.title}.")
            found.setdefault((one.owner, control.id, one.on), wish)
    return list(found.values())


def _wish(one: Ending, machine: Machine, what: str, why: str) -> Wish:
    computer = machine.gateway.computer
    by = f"Please do it by {_day(one.on)}."
    return Wish(gateway=one.gateway, computer=computer, what=what, why=why, control=one.control, by=by)


def _day(on: date) -> str:
    return f"{on:%A} {on.day} {on:%B %Y}"


def others(machines: Sequence[Machine]) -> Mapping[str, tuple[str, ...]]:
    """What others do for the practice: titles of controls by whose job it is, "" where that is the team itself."""
    found: dict[str, dict[str, None]] = {}
    for machine in machines:
        for row in machine.open:
            if machine.gateway.role is not Role.CANDIDATE and row.blocks and not _hers(row):
                its = "" if _ours(row) else row.whose
                found.setdefault(its, {})[row.control.title] = None
    return {whose: tuple(titles) for whose, titles in sorted(found.items())}


def _asked(machine: Machine, works: Mapping[str, datetime]) -> list[Wish]:
    name, computer = machine.gateway.name, machine.gateway.computer
    by = f"Please do it before {words.when(works[name])}: then we next work on this PC." if name in works else ""
    if machine.state is State.NOT_KNOWN:
        return [Wish(gateway=name, computer="", what=_WHICH, why="We do not know yet which PC it is.")]
    if machine.state is State.UNREAD:
        error = machine.evidence.error if machine.evidence else None
        if error is None or error.kind not in _LOOK:
            return []
        return [Wish(gateway=name, computer=computer, what=_LOOK_AT_IT, why="We could not get through to it.", by=by)]
    return [
        Wish(
            gateway=name,
            computer=computer,
            what=row.control.ask,
            why=_why(row),
            control=row.control.id,
            needed=row.blocks,
            by=by if row.blocks else "",
        )
        for row in machine.open
        if _hers(row)
    ]


def _why(row: FindingRow) -> str:
    """Without what only an engineer reads: the values that were found and wanted."""
    if row.kind is Kind.ASK:
        return f"We cannot see from here whether this is so: {row.control.title}."
    return row.finding.cause or row.finding.message


def _hers(row: FindingRow) -> bool:
    return (row.first or row.control.owner) == _PRACTICE


def _ours(row: FindingRow) -> bool:
    """What a plan does, or we look at ourselves."""
    return bool(row.control.remedy and not row.first) or row.whose == words.owner("icb-it")
