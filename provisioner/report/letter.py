"""What a practice is asked to do, in words for people who never saw provisioner. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from provisioner.model import Role
from provisioner.report import words
from provisioner.report.view import FindingRow, Kind, Machine, State

_PRACTICE = "practice"
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
    without it."""

    gateway: str
    computer: str
    what: str
    why: str
    control: str = ""
    needed: bool = True


def asked(machines: Sequence[Machine]) -> tuple[Wish, ...]:
    """What one practice is asked, what is needed first. Nothing is wanted of a gateway that is a candidate."""
    found = [ask for machine in machines if machine.gateway.role is not Role.CANDIDATE for ask in _asked(machine)]
    return tuple(sorted(found, key=lambda ask: not ask.needed))


def others(machines: Sequence[Machine]) -> Mapping[str, tuple[str, ...]]:
    """What others do for the practice: titles of controls by whose job it is, "" where that is the team itself."""
    found: dict[str, dict[str, None]] = {}
    for machine in machines:
        for row in machine.open:
            if machine.gateway.role is not Role.CANDIDATE and row.blocks and not _hers(row):
                its = "" if _ours(row) else row.whose
                found.setdefault(its, {})[row.control.title] = None
    return {whose: tuple(titles) for whose, titles in sorted(found.items())}


def _asked(machine: Machine) -> list[Wish]:
    name, computer = machine.gateway.name, machine.gateway.variables.get("computer", "")
    if machine.state is State.NOT_KNOWN:
        return [Wish(gateway=name, computer="", what=_WHICH, why="We do not know yet which PC it is.")]
    if machine.state is State.UNREAD:
        error = machine.evidence.error if machine.evidence else None
        if error is None or error.kind not in _LOOK:
            return []
        return [Wish(gateway=name, computer=computer, what=_LOOK_AT_IT, why="We could not get through to it.")]
    return [
        Wish(
            gateway=name,
            computer=computer,
            what=row.control.ask,
            why=_why(row),
            control=row.control.id,
            needed=row.blocks,
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
