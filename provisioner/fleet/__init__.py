"""A fleet folder -> Fleet: every fault at once, with file and line.

A folder has fleet.yml, practices.csv, and if need be statements.csv and waivers.yml (docs/operations.md).
"""

import fnmatch
import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import fields, replace
from datetime import UTC, date, datetime
from pathlib import Path

from provisioner.errors import Fault, InputError, suggest
from provisioner.fleet import addresses, checks, schema, templates
from provisioner.fleet.practices import FILE as PRACTICES
from provisioner.fleet.practices import Listed, Rows, rows
from provisioner.fleet.statements import Known, statements, waivers
from provisioner.model import FileTemplate, Fleet, Gateway, adapters
from provisioner.model.settings import FILE, VERSION, Connection, Settings
from provisioner.yamlfile import Document, Place, is_file

__all__ = ["Listed", "check", "load", "not_right", "only", "starter"]

_STARTER = Path(__file__).parent / "starter"

Reader = Callable[[Path], Iterable[Listed]]


def load(folder: Path, practices: Reader | None = None) -> Fleet:
    """The fleet of a folder. Errors: InputError with every fault."""
    fleet, faults = check(folder, practices=practices)
    if fleet is None:
        raise not_right(folder, faults)
    return fleet


def not_right(folder: Path, faults: Sequence[Fault]) -> InputError:
    """What to say of a folder from which no fleet can be made: with all that is wrong in it, or that it is none."""
    if (folder / FILE).exists() or (folder / PRACTICES).exists():
        return InputError(f"{folder} is not a right fleet folder.", "Mend these; see provisioner validate.", faults)
    why = f"it has neither {FILE} nor {PRACTICES}" if folder.is_dir() else "there is no such folder"
    hint = "Stand in the fleet folder, or name it: --fleet DIR or PROVISIONER_FLEET. `provisioner init DIR` writes one."
    return InputError(f"{folder} is no fleet folder: {why}.", hint)


def check(
    folder: Path,
    *,
    practices: Reader | None = None,
    controls: Collection[str] | None = None,
    today: date | None = None,
    credentials: bool = True,
) -> tuple[Fleet | None, list[Fault]]:
    """The fleet of a folder, None where something is wrong; and all faults, warnings too, by file and line.

    `practices` reads the national list that fleet.yml may name; without it only a code's shape is judged.
    `controls` are the ids that statements may speak of; without them any is taken. Without `credentials` nobody is to
    log in to a gateway: the file of a password may be another user's or not here, which is a warning then.
    """
    settings, document, wrong = schema.settings(folder / FILE)
    usable = settings or Settings(version=VERSION, endpoints=())
    complain = _Complaints(document, wrong)
    if settings is not None:
        for complaint in checks.complaints(settings, folder):
            complain(complaint if credentials or not complaint.login else replace(complaint, warning=True))
    listed = _listed(usable, folder, practices, complain)
    table = rows(folder, usable, settings is not None and ("lab",) not in wrong, listed)
    _basic(usable, table, complain)
    known = Known(table.mentioned, controls, today or datetime.now(UTC).date())
    said, said_faults = statements(folder, known)
    waived, waived_faults = waivers(folder, known)
    faults = [*sorted(document.faults, key=lambda fault: fault.line or 0), *table.faults, *said_faults, *waived_faults]
    made_of = dict[str, FileTemplate]()
    if settings is not None and table.mentioned is not None:
        extra = {key for gateway in table.gateways[:1] for key in gateway.variables}
        made_of, wrong_ones = templates.read(settings.connector.files, extra, folder)
        faults += wrong_ones
        faults += _shared(settings, extra, document) if table.gateways else ()
    if settings is None or any(not fault.warning for fault in faults):
        return None, faults
    fleet = Fleet(
        folder=str(folder.absolute()),
        settings=settings,
        gateways=table.gateways,
        statements=said,
        waivers=waived,
        digest="",
        templates=made_of,
    )
    return replace(fleet, digest=_digest(fleet)), faults


def only(fleet: Fleet, patterns: Sequence[str]) -> Fleet:
    """A copy with the gateways that fit one of the patterns: a practice's code, a gateway's name, either with
    * and ?, or column=value. Case does not count.

    Errors: InputError for a pattern that fits none, with the nearest that would.
    """
    chosen: set[int] = set()
    for pattern in patterns:
        fitting = {index for index, gateway in enumerate(fleet.gateways) if _fits(fleet, gateway, pattern)}
        if not fitting:
            raise InputError(f"--only {pattern} fits no gateway of this fleet.", _near(fleet, pattern))
        chosen |= fitting
    return replace(fleet, gateways=tuple(fleet.gateways[index] for index in sorted(chosen)))


def starter() -> dict[str, str]:
    """The files of a new fleet folder by name, each with its text."""
    names = {"gitignore": ".gitignore"}
    return {names.get(path.name, path.name): path.read_text("utf-8") for path in sorted(_STARTER.iterdir())}


def _shared(settings: Settings, extra: Collection[str], document: Document) -> Iterator[Fault]:
    """Columns of connection.at_once_per that practices.csv has not."""
    columns = ["practice", *sorted(extra)]
    for column in settings.connection.at_once_per:
        if column.lower() not in columns:
            message = f"practices.csv has no column {column} that gateways could share."
            hint = suggest(column, columns) or f"It can be {', '.join(columns)}."
            yield document.fault(("connection", "at_once_per", column), message, hint)


class _Complaints:
    """Puts complaints to a document's faults, but none about a place that has one already, nor one that only
    follows from it."""

    def __init__(self, document: Document, wrong: set[Place]) -> None:
        self._document, self._wrong = document, wrong

    def __call__(self, complaint: checks.Complaint) -> None:
        if any(complaint.place[: len(place)] == place for place in self._wrong):
            return
        if complaint.place in checks.OF_LOGIN and any(map(_hides_the_login, self._wrong)):
            return
        fault = self._document.fault(complaint.place, complaint.message, complaint.hint, warning=complaint.warning)
        self._document.faults.append(fault)


def _hides_the_login(place: Place) -> bool:
    """Whether a wrong place leaves unknown how one logs in: its key was misspelt, or its value is none."""
    known = {field.name for field in fields(Connection)} - {"transport", "credential"}
    return place[:1] == ("connection",) and not known.intersection(map(str, place[1:2]))


def _listed(
    settings: Settings, folder: Path, practices: Reader | None, complain: Callable[[checks.Complaint], None]
) -> dict[str, Listed] | None:
    """The national list by code, None where fleet.yml names none or it cannot be read."""
    path = folder / settings.practice_list
    if practices is None or not settings.practice_list or not is_file(path):
        return None
    try:
        return {entry.code: entry for entry in practices(path)}
    except InputError as error:
        complain(checks.Complaint(("practice_list",), error.message, error.hint))
        return None


def _basic(settings: Settings, table: Rows, complain: Callable[[checks.Complaint], None]) -> None:
    """Basic sends the password as it is: over TLS, or to this computer alone."""
    if settings.connection.transport != "basic" or settings.connection.tls:
        return
    known = (gateway for gateway in table.gateways if gateway.known)
    outside = next((gateway for gateway in known if not addresses.is_127(gateway.address)), None)
    if outside is not None or not settings.lab:
        message = "Basic without TLS would send the password readable over the network."
        where = f" {outside.name} is at {outside.address}." if outside else ""
        hint = f"Set connection.tls to true; only 127.0.0.0/8 may do without.{where}"
        complain(checks.Complaint(("connection", "transport"), message, hint))


def _digest(fleet: Fleet) -> str:
    """SHA-256 over all that the folder says, however it is written; line numbers and blanks do not count."""
    gateways = [vars(gateway) | {"line": 0} for gateway in fleet.gateways]
    content = {
        "settings": adapters.plain(Settings, fleet.settings),
        "gateways": gateways,
        "statements": [vars(statement) for statement in fleet.statements],
        "waivers": [vars(waiver) for waiver in fleet.waivers],
        "templates": [fleet.templates[file.template].sha256 for file in fleet.settings.connector.files],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def _cells(gateway: Gateway) -> dict[str, str]:
    """A gateway as the columns that --only can name."""
    own = {
        "practice": gateway.practice, "name": gateway.practice_name, "gateway": gateway.name,
        "address": gateway.address, "role": str(gateway.role), "port": str(gateway.port), "path": gateway.path,
        "hours": gateway.hours,
    }  # fmt: skip
    return {**gateway.variables, **own}


def _fits(fleet: Fleet, gateway: Gateway, pattern: str) -> bool:
    column, equals, value = pattern.partition("=")
    if not equals:
        return any(_like(text, pattern) for text in (gateway.practice, gateway.name) if text)
    cells = _cells(gateway)
    column = column.strip().lower()
    if column not in cells:
        columns = list(cells)
        raise InputError(
            f"--only {pattern}: practices.csv has no column {column}.",
            suggest(column, columns) or f"It has {', '.join(columns)}.",
        )
    return _like(cells[column], value)


def _like(text: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(text.lower(), pattern.strip().lower())


def _near(fleet: Fleet, pattern: str) -> str:
    """What to do about a pattern that fits none: the nearest name, code or value."""
    column, equals, value = pattern.partition("=")
    if not equals:
        words = {text for gateway in fleet.gateways for text in (gateway.practice, gateway.name) if text}
        return suggest(pattern, sorted(words)) or "Give a practice's code, a gateway's name, or column=value."
    words = {_cells(gateway).get(column.strip().lower(), "") for gateway in fleet.gateways} - {""}
    return suggest(value, sorted(words)) or f"No gateway has {value!r} there."
