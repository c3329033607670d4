"""Computers of a directory or of addresses -> candidates, matched, read and judged."""

import socket
from collections import Counter, defaultdict
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


class KnownRows:
    """The rows of practices.csv whose PC is known, by all that names one. `fleet` is the whole one."""

    def __init__(self, fleet: Fleet) -> None:
        self.practices = practices(fleet)
        self._by_name: defaultdict[str, dict[int, Gateway]] = defaultdict(dict)
        for number, row in enumerate(fleet.known):
            for name in _names(row):
                self._by_name[name][number] = row

    def near(self, one: Candidate) -> list[Gateway]:
        """Those that name a candidate or its address, in the order of practices.csv."""
        found = self._by_name.get(one.name.lower(), {}) | self._by_name.get(_place(one), {})
        return [row for _, row in sorted(found.items())]


def of_computers(computers: Iterable[Computer], rows: KnownRows, matcher: Matcher) -> list[Candidate]:
    """Candidates of what the directory has, not yet read."""
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
    return [matched(one, rows, matcher) for one in found]


def of_addresses(answering: Iterable[str], reverse: Callable[[str], str]) -> list[Candidate]:
    """Candidates of addresses at which WinRM answers. `reverse` gives an address' name, "" without one."""
    found = []
    for address in answering:
        full = reverse(address)
        found.append(Candidate(name=full.partition(".")[0] or address, address=full or address))
    return found


def matched(one: Candidate, rows: KnownRows, matcher: Matcher) -> Candidate:
    """The candidate with its practice, and its role in practices.csv. A row of it there says whose it is."""
    near = rows.near(one)
    row = next((row for row in near if _is_row(one, row)), None)
    if row is not None:
        return replace(
            one, practice=row.practice, practice_name=row.practice_name, role=str(row.role), matched="practices.csv"
        )
    found = matcher.match(one.name, one.description, one.ou)
    name = rows.practices.get(found.practice, "")
    other = next((row for row in near if _is_at(one, row) and _is_another(one, row)), None)
    why = f"{found.why}; the row of {other.name} has its address, and is of {other.computer}" if other else ""
    return replace(one, practice=found.practice, practice_name=name, matched=why or found.why)


def read(
    candidates: Sequence[Candidate], fleet: Fleet, reader: Reader, lifecycle: Lifecycle, observe: Observe
) -> list[Candidate]:
    """The candidates, each with what its reading says. Nothing is changed there.

    Those that cannot be called say why, as do those that cannot be read.
    """
    called = _called([one for one in candidates if not why_not_call(one, fleet)], fleet.settings.connection)
    at, gateways = datetime.now(UTC), {row.name: row for row in called.values()}
    came = {one.gateway: one for one in observe(reader.read([*gateways.values()], lambda _: SECTIONS), len(gateways))}
    return [
        _judged(one, called[one], came[called[one].name], fleet, lifecycle, at)
        if one in called
        else replace(one, reasons=(why_not_call(one, fleet),))
        for one in candidates
    ]


def _called(candidates: Sequence[Candidate], connection: Connection) -> dict[Candidate, Gateway]:
    """Each as a gateway. PCs of two domains may have one name: they go by their addresses, for a reading has a name."""
    times = Counter(one.name for one in candidates)
    rows = {one: gateway(one, connection) for one in candidates}
    return {one: replace(row, name=one.address) if times[one.name] > 1 else row for one, row in rows.items()}


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
    """The full name that DNS has of an address; "" without one, where it is this computer's own, and where it leads
    elsewhere (what DNS has of addresses is often old): another PC than the one that answers would be called."""
    try:
        name = socket.gethostbyaddr(address)[0].rstrip(".")
        leads_to = {str(found[4][0]) for found in socket.getaddrinfo(name, None)}
    except (OSError, UnicodeError):
        return ""
    if address not in leads_to:
        return ""
    usable = "." in name and not addresses.why_not_address(name)[0] and not addresses.is_loopback(name)
    return name if usable else ""


def _is_row(one: Candidate, row: Gateway) -> bool:
    return one.name.lower() in _names(row) or (_is_at(one, row) and not _is_another(one, row))


def _is_at(one: Candidate, row: Gateway) -> bool:
    return _place(one) in _names(row)


def _is_another(one: Candidate, row: Gateway) -> bool:
    """Whether a PC has said a name, and the row the name of another."""
    computer = addresses.netbios(row.computer)
    return bool(computer) and one.name != one.address and addresses.netbios(one.name) != computer


def _place(one: Candidate) -> str:
    return one.address.lower().rstrip(".")


def _names(row: Gateway) -> set[str]:
    """All that names the row's PC. One that is too long for Windows the domain has as it was cut; a full name is one
    domain's, and its first part may be another PC in another."""
    computer = row.computer.lower()
    cut = "" if "." in computer else addresses.netbios(computer)
    return {row.name.lower(), row.address.lower().rstrip("."), computer, cut} - {""}


def for_practices(candidates: Iterable[Candidate], wanted: Mapping[str, str]) -> list[Candidate]:
    """Those of these practices."""
    return [one for one in candidates if one.practice in wanted]
