"""Computers of a directory or of addresses -> candidates, matched, read and judged."""

import socket
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from provisioner import foreign
from provisioner.audit import facts
from provisioner.audit.policy import Lifecycle
from provisioner.directory.computers import Computer
from provisioner.evidence.reader import Reader
from provisioner.find.candidate import Candidate
from provisioner.find.judging import SECTIONS, judged
from provisioner.find.matching import Matcher
from provisioner.fleet import addresses
from provisioner.model import Evidence, Fleet, Gateway, Role
from provisioner.model.settings import Connection

Observe = Callable[[Iterator[Evidence], int], Iterator[Evidence]]


def practices(fleet: Fleet) -> dict[str, str]:
    """The fleet's practices: their names by code."""
    found: dict[str, str] = {}
    for gateway in fleet.gateways:
        found[gateway.practice] = found.get(gateway.practice) or gateway.practice_name
    return found


def of_computers(computers: Iterable[Computer], fleet: Fleet, matcher: Matcher) -> list[Candidate]:
    """Candidates of what the directory has, not yet read. `fleet` is the whole one."""
    found = (
        Candidate(
            name=one.name,
            address=one.dns_name or one.name,
            windows=one.windows,
            last_logon=one.last_logon,
            ou=one.ou,
            description=one.description,
        )
        for one in computers
    )
    return [matched(one, fleet, matcher) for one in found]


def of_addresses(answering: Iterable[str], reverse: Callable[[str], str]) -> list[Candidate]:
    """Candidates of addresses at which WinRM answers. `reverse` gives an address' name, "" without one."""
    found = []
    for address in answering:
        full = reverse(address)
        found.append(Candidate(name=full.partition(".")[0] or address, address=full or address))
    return found


def matched(one: Candidate, fleet: Fleet, matcher: Matcher) -> Candidate:
    """The candidate with its practice, and its role in practices.csv. A row of it there says whose it is."""
    row = next((row for row in fleet.known if _is_row(one, row)), None)
    if row is not None:
        return replace(
            one, practice=row.practice, practice_name=row.practice_name, role=str(row.role), matched="practices.csv"
        )
    found = matcher.match(one.name, one.description, one.ou)
    name = practices(fleet).get(found.practice, "")
    other = next((row for row in fleet.known if _is_at(one, row) and _is_another(one, row)), None)
    why = (
        f"{found.why}; the row of {other.name} has its address, and is of {other.variables['computer']}"
        if other
        else ""
    )
    return replace(one, practice=found.practice, practice_name=name, matched=why or found.why)


def read(
    candidates: Sequence[Candidate], fleet: Fleet, reader: Reader, lifecycle: Lifecycle, observe: Observe
) -> list[Candidate]:
    """The candidates, each with what its reading says. Nothing is changed there.

    Those that cannot be called say why, as do those that cannot be read.
    """
    rows = {one.name: gateway(one, fleet.settings.connection) for one in candidates if not why_not_call(one, fleet)}
    at = datetime.now(UTC)
    came = {one.gateway: one for one in observe(reader.read(list(rows.values()), lambda _: SECTIONS), len(rows))}
    return [
        _judged(one, rows[one.name], came[one.name], fleet, lifecycle, at)
        if one.name in rows
        else replace(one, reasons=(why_not_call(one, fleet),))
        for one in candidates
    ]


def _judged(
    one: Candidate, row: Gateway, evidence: Evidence, fleet: Fleet, lifecycle: Lifecycle, at: datetime
) -> Candidate:
    named = evidence.sections.get("identity", {}).get("computer_name")
    if one.name == one.address and named:
        # Found by its address: its name is what it says itself.
        one = replace(one, name=foreign.readable(str(named)))
    return judged(one, evidence, facts.derive(evidence, row, fleet.settings, lifecycle, at, None), fleet.settings)


def gateway(one: Candidate, connection: Connection) -> Gateway:
    """A candidate as a gateway that is called as fleet.yml says."""
    named = one.name != one.address
    return Gateway(
        name=one.name,
        practice=one.practice,
        practice_name=one.practice_name,
        address=one.address,
        port=port(connection),
        path=connection.path.replace("{gateway}", one.name),
        role=Role.CANDIDATE,
        variables={"computer": one.name} if named else {},
    )


def port(connection: Connection) -> int:
    """Where WinRM is looked for."""
    return connection.port or (5986 if connection.tls else 5985)


def why_not_call(one: Candidate, fleet: Fleet) -> str:
    """Why a candidate is not called at all; "" where it is."""
    if one.why_not_row:
        return one.why_not_row
    if fleet.settings.connection.transport == "kerberos" and addresses.is_number(one.address):
        return f"{one.address} has no name in DNS, and Kerberos knows computers by their names: it was not read"
    if fleet.settings.lab and not (addresses.is_loopback(one.address) or addresses.is_for_tests(one.address)):
        return f"{one.address} is not loopback, and a lab is nowhere else"
    return ""


def reverse_name(address: str) -> str:
    """The full name that DNS has of an address; "" without one, and where it is this computer's own."""
    try:
        name = socket.gethostbyaddr(address)[0].rstrip(".")
    except (OSError, UnicodeError):
        return ""
    usable = "." in name and not addresses.why_not_address(name)[0] and not addresses.is_loopback(name)
    return name if usable else ""


def _is_row(one: Candidate, row: Gateway) -> bool:
    return one.name.lower() in _names(row) or (_is_at(one, row) and not _is_another(one, row))


def _is_at(one: Candidate, row: Gateway) -> bool:
    return one.address.lower().rstrip(".") in _names(row)


def _is_another(one: Candidate, row: Gateway) -> bool:
    """Whether a PC has said a name, and the row the name of another."""
    computer = row.variables.get("computer", "").lower()
    return bool(computer) and one.name != one.address and one.name.lower() != computer.partition(".")[0]


def _names(row: Gateway) -> set[str]:
    return {row.name.lower(), row.address.lower().rstrip("."), row.variables.get("computer", "").lower()} - {""}


def for_practices(candidates: Iterable[Candidate], wanted: Mapping[str, str]) -> list[Candidate]:
    """Those of these practices."""
    return [one for one in candidates if one.practice in wanted]
