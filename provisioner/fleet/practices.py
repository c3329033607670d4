"""practices.csv -> gateways: one row a gateway, and what must be true over all rows."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

from provisioner.errors import Fault, suggest, suggest_code
from provisioner.fleet import addresses, codes, contact
from provisioner.fleet.checks import why_not_hours, why_not_url_path
from provisioner.fleet.csvfile import Row, Table, read
from provisioner.model import Gateway, Role
from provisioner.model.settings import Settings

COLUMNS = ("practice", "name", "gateway", "address", "role")
FILE = "practices.csv"

_OURS = frozenset({*COLUMNS, "port", "path", "hours"})
# Columns become variables of templates, beside these.
_TAKEN = frozenset({"practice_name"})
_SECRET = re.compile(r"password|passwd|secret|token|api_?key", re.I)
# Words that most practices have in their names, which therefore say nothing.
_COMMON = frozenset(
    ["THE", "AND", "MEDICAL", "GROUP", "PRACTICE", "PRACT", "PRAC", "SURGERY", "SURGERIES", "HEALTH", "CENTRE", "CTR"]
)


class Listed(Protocol):
    """What is asked of an entry of the national practice list."""

    @property
    def code(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def open(self) -> bool: ...
    @property
    def gp(self) -> bool: ...
    @property
    def closed_on(self) -> date | None: ...


@dataclass(frozen=True)
class Rows:
    """What practices.csv says: the gateways of the rows that are right, and all that is wrong.

    `mentioned` has every row's gateway by practice, right or not; None where the file could not be read.
    """

    gateways: tuple[Gateway, ...]
    faults: tuple[Fault, ...]
    mentioned: Mapping[str, Sequence[str]] | None


def rows(folder: Path, settings: Settings, lab_known: bool, listed: Mapping[str, Listed] | None) -> Rows:
    """The rows of a fleet folder's practices.csv.

    `listed` is the national list by code, None where there is none. `lab_known` says whether fleet.yml could be
    read so far that `lab` counts.
    """
    return judged(read(folder / FILE, COLUMNS, None), settings, lab_known, listed)


def judged(table: Table, settings: Settings, lab_known: bool, listed: Mapping[str, Listed] | None) -> Rows:
    """The same of a table that is read already."""
    reader = _Rows(table, settings, listed, lab_known)
    found = [gateway for row in table.rows if (gateway := reader.gateway(row))]
    reader.over_all(found)
    mentioned: dict[str, list[str]] = {}
    for row in table.rows:
        code, name = codes.normal(row.cells["practice"]), row.cells["gateway"]
        mentioned.setdefault(code, []).append(name or (code if row.cells["address"] else ""))
    faults = tuple(sorted(table.faults, key=lambda fault: fault.line or 0))
    return Rows(tuple(found), faults, mentioned if table.columns else None)


class _Rows:
    """Makes gateways of rows, and puts what is wrong with them to the table's faults."""

    def __init__(self, table: Table, settings: Settings, listed: Mapping[str, Listed] | None, lab_known: bool) -> None:
        self._table, self._settings, self._listed, self._lab_known = table, settings, listed, lab_known
        self._columns()

    def gateway(self, row: Row) -> Gateway | None:
        """The gateway of one row; None where the row is wrong."""
        before = len(self._table.faults)
        cells = row.cells
        code = codes.normal(cells["practice"])
        name, address = self._place(row, code)
        role = self._role(row)
        port, path = self._port(row), self._path(row, name)
        practice_name = " ".join(cells["name"].split())
        practice_name = self._practice(row, code, practice_name, role)
        hours = self._hours(row)
        self._emails(row)
        if any(not fault.warning for fault in self._table.faults[before:]) or role is None:
            return None
        return Gateway(
            name=name,
            practice=code,
            practice_name=practice_name,
            address=address,
            port=port,
            path=path,
            role=role,
            variables={key: cell for key, cell in cells.items() if key not in _OURS},
            line=row.line,
            hours=hours,
        )

    def over_all(self, found: list[Gateway]) -> None:
        """What only the rows together show."""
        if not self._table.rows and not self._table.faults:
            hint = "`provisioner practices EPRACCUR.csv` prints rows of the national list."
            self._warn(None, "has no practices yet.", hint)
        self._same_name(found)
        # Where the port and the path of a row stand in a fleet.yml that cannot be read, nothing is known of two rows.
        if self._lab_known:
            self._same_address(found)
        self._same_computer(found)
        self._actives(found)

    def _columns(self) -> None:
        for name in self._table.columns:
            if name in COLUMNS or not name:
                continue
            if name in _TAKEN or name.startswith("ansible_") or not name.isidentifier() or not name.isascii():
                message = f"{name!r} cannot name a column: columns become variables."
                self._fault(self._table.header, message, "Letters, digits and _, and not ansible_... or practice_name.")
            elif _SECRET.search(name):
                hint = "Keep secrets out of this file: connector.files.secrets in fleet.yml names them."
                self._warn(self._table.header, f"the column {name} looks like a secret.", hint)

    def _place(self, row: Row, code: str) -> tuple[str, str]:
        """Name and address. One of them stands for both; without either the gateway is not known yet."""
        name, address = row.cells["gateway"], row.cells["address"]
        if address.startswith("[") and address.endswith("]"):
            address = address[1:-1]
        if not name and not address:
            return "", ""
        name, address = name or code, address or name
        why = addresses.why_not_name(name)
        if why:
            self._fault(row.line, why, "The column gateway is the PC's short name.")
            return name, address
        why, hint = addresses.why_not_address(address)
        if why:
            self._fault(row.line, why, hint)
        elif self._lab_known and not self._is_where_it_may_be(address):
            self._loopback(row.line, name, address)
        return name, address

    def _is_where_it_may_be(self, address: str) -> bool:
        if self._settings.lab:
            return addresses.is_loopback(address) or addresses.is_for_tests(address)
        return not addresses.is_loopback(address)

    def _loopback(self, line: int, name: str, address: str) -> None:
        if self._settings.lab:
            message = f"{name} is at {address}: in a lab (`lab: true`) gateways are at loopback addresses only."
            self._fault(line, message, "A lab is never mixed with real gateways: take `lab` out, or the address.")
        else:
            message = f"{name} is at {address}, which is this computer itself."
            self._fault(line, message, "Give the gateway's own address; only a lab (`lab: true`) is at loopback.")

    def _role(self, row: Row) -> Role | None:
        given = row.cells["role"].lower() or Role.ACTIVE
        if given in list(Role):
            return Role(given)
        self._fault(row.line, f"there is no role {row.cells['role']!r}.", suggest(given, Role) or f"{', '.join(Role)}")
        return None

    def _port(self, row: Row) -> int:
        given = row.cells.get("port", "")
        if not given:
            connection = self._settings.connection
            return connection.port or (5986 if connection.tls else 5985)
        if given.isascii() and given.isdigit() and 1 <= int(given[:6]) <= 65535:
            return int(given)
        self._fault(row.line, f"{given!r} is no port.", "5986 over TLS, 5985 without; blank for fleet.yml's.")
        return 0

    def _path(self, row: Row, name: str) -> str:
        given = row.cells.get("path", "")
        why = why_not_url_path(given) if given else ""
        if why:
            self._fault(row.line, why, "Leave it blank for fleet.yml's.")
        return (given or self._settings.connection.path).replace("{gateway}", name)

    def _hours(self, row: Row) -> str:
        given = " ".join(row.cells.get("hours", "").split())
        why = why_not_hours(given)
        if why:
            self._fault(row.line, f"hours: {why}", "Leave it blank for fleet.yml's, or write always.")
        return given or self._settings.rollout.hours

    def _emails(self, row: Row) -> None:
        """Only a warning: nothing but a draft of a letter needs them, and a column may be meant for a template."""
        for name in sorted(contact.COLUMNS & row.cells.keys()):
            if row.cells[name] and (why := contact.why_not_email(row.cells[name])):
                self._warn(row.line, f"{name}: {why}", "No draft is written to it; mend it, or leave it blank.")

    def _practice(self, row: Row, code: str, name: str, role: Role | None) -> str:
        """Check the code, against the national list where there is one. The practice's name."""
        why = codes.why_not_practice(code)
        if why:
            self._fault(row.line, why, "The column practice is the ODS code.")
            return name
        if self._listed is None:
            return name
        entry = self._listed.get(code)
        if entry is None:
            hint = suggest_code(code, self._listed) or "Is the list an old one? Look the code up."
            self._fault(row.line, f"{code} is not in the national list ({self._settings.practice_list}).", hint)
            return name
        if not entry.open:
            self._closed(row.line, entry, role)
        elif not entry.gp:
            message = f"{code} is {entry.name}, in the national list no GP practice."
            self._warn(row.line, message, "Is the code right?")
        elif name and differ(name, entry.name):
            self._warn(row.line, f"{code} is {entry.name} in the national list, not {name}.", "Is the code right?")
        return name or entry.name

    def _closed(self, line: int, entry: Listed, role: Role | None) -> None:
        """A practice that closes is decommissioned with us: until that is done its row stays, as retired."""
        when = f" on {entry.closed_on}" if entry.closed_on else ""
        message = f"{entry.code} ({entry.name}) closed{when}, says the national list."
        if role is Role.RETIRED:
            self._warn(line, message, "Take the row out once nothing of ours is left on its gateway.")
        else:
            self._fault(line, message, "Take the row out; or write retired, and plan and apply, to clear its gateway.")

    def _same_name(self, found: Iterable[Gateway]) -> None:
        first: dict[str, Gateway] = {}
        for gateway in found:
            if not gateway.known:
                continue
            other = first.setdefault(gateway.name.lower(), gateway)
            if other is not gateway:
                message = f"the gateway {gateway.name} is here twice; first in line {other.line} ({other.practice})."
                self._fault(gateway.line, message, "Each row is another PC with another name; remove or rename one.")

    def _same_address(self, found: Iterable[Gateway]) -> None:
        first: dict[tuple[str, int, str], Gateway] = {}
        for gateway in found:
            if not gateway.known:
                continue
            other = first.setdefault((gateway.address.lower(), gateway.port, gateway.path), gateway)
            if other is not gateway:
                message = f"{gateway.name} has the address {gateway.address}, as {other.name} in line {other.line} has."
                self._warn(gateway.line, message, "Two rows of one PC? Then remove one.")

    def _same_computer(self, found: Iterable[Gateway]) -> None:
        """Within a practice only: outside a domain two practices may call their PCs the same."""
        first: dict[tuple[str, str], Gateway] = {}
        for gateway in found:
            computer = addresses.netbios(gateway.computer)
            other = first.setdefault((gateway.practice, computer), gateway) if computer else gateway
            if other is not gateway:
                message = (
                    f"{gateway.name} is on the computer {computer.upper()}, as {other.name} in line {other.line} is."
                )
                self._warn(gateway.line, message, "Two rows of one PC? Then remove one, else mend it.")

    def _actives(self, found: Iterable[Gateway]) -> None:
        by_practice: defaultdict[str, list[Gateway]] = defaultdict(list)
        for gateway in found:
            by_practice[gateway.practice].append(gateway)
        for code, own in by_practice.items():
            active = [gateway for gateway in own if gateway.role is Role.ACTIVE]
            for gateway in active[1:]:
                message = f"{code} has two active gateways; the first is in line {active[0].line}."
                self._fault(gateway.line, message, "Only one may be: make the other standby, candidate or retired.")
            standby = next((gateway for gateway in own if gateway.role is Role.STANDBY), None)
            if standby and not active:
                self._warn(standby.line, f"{code} has a standby gateway and no active one.", "Which one is in use?")

    def _fault(self, line: int | None, message: str, hint: str) -> None:
        self._table.faults.append(Fault(FILE, line, message, hint))

    def _warn(self, line: int | None, message: str, hint: str) -> None:
        self._table.faults.append(Fault(FILE, line, message, hint, warning=True))


def differ(name: str, listed: str) -> bool:
    """Whether two names have no word in common that tells practices apart."""
    here, there = (set(re.findall(r"[A-Z]{3,}", text.upper())) - _COMMON for text in (name, listed))
    return bool(here) and bool(there) and not here & there
