"""What must be true of fleet.yml beyond its shape. Each rule tells every complaint it has, with the place."""

import os
import re
import shlex
import stat
import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from provisioner.fleet import approvers, contact, domain, endpoints, hours, packages, ranges
from provisioner.fleet.places import inside, relative, why_not_folder
from provisioner.model.product import PRODUCT
from provisioner.model.settings import Connection, Settings
from provisioner.yamlfile import Place, is_file

CREDENTIAL_FILE: Place = ("connection", "credential_file")
# What is held against the way of logging in.
OF_LOGIN: frozenset[Place] = frozenset({("connection", "user"), ("connection", "credential"), CREDENTIAL_FILE})
_VERSION = re.compile(r"[0-9]+(?:[._+-][0-9A-Za-z]+)*")
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._()-]{0,79}")
# The Connector's folder gets closed rights and may be excluded from the antivirus: never one that others live in.
_NOT_OURS = ("c:\\windows", "c:\\program files", "c:\\program files (x86)", "c:\\programdata", "c:\\users")


@dataclass(frozen=True)
class Complaint:
    """What is wrong at one place of fleet.yml; `login`: it bars only who logs in to a gateway."""

    place: Place
    message: str
    hint: str = ""
    warning: bool = False
    login: bool = False


Rule = Callable[[Settings, Path], Iterator[Complaint]]


def complaints(settings: Settings, folder: Path) -> Iterator[Complaint]:
    """All that is wrong in these settings of that fleet folder."""
    for rule in _RULES:
        yield from rule(settings, folder)


def _version(settings: Settings, folder: Path) -> Iterator[Complaint]:
    if settings.version != 1:
        yield Complaint(("version",), f"there is no version {settings.version} of fleet.yml.", "Write `version: 1`.")


def _endpoints(settings: Settings, folder: Path) -> Iterator[Complaint]:
    for complaint in endpoints.complaints(settings.endpoints, lab=settings.lab):
        place: Place = ("endpoints",) if complaint.index is None else ("endpoints", complaint.index)
        yield Complaint(place, complaint.message, complaint.hint, complaint.warning)


def _practice_list(settings: Settings, folder: Path) -> Iterator[Complaint]:
    if settings.practice_list and not is_file(folder / settings.practice_list):
        message = f"there is no file {settings.practice_list} beside fleet.yml."
        yield Complaint(("practice_list",), message, "Download epraccur.csv, or leave the setting out.")
    if settings.practice_list_date and not settings.practice_list:
        yield Complaint(("practice_list_date",), "there is no practice_list that it could be the date of.")
    if not settings.journal.strip():
        yield Complaint(("journal",), "journal names no file.", "Leave it out for .provisioner/journal.db")


def _contact(settings: Settings, folder: Path) -> Iterator[Complaint]:
    for name, message, hint in contact.complaints(settings.contact):
        yield Complaint(("contact", name), message, hint)


def _connection(settings: Settings, folder: Path) -> Iterator[Complaint]:
    connection = settings.connection

    def complain(name: str, message: str, hint: str = "", warning: bool = False) -> Complaint:
        return Complaint(("connection", name), message, hint, warning)

    if connection.transport == "ntlm" and not connection.tls and not settings.lab:
        yield complain("transport", "NTLM is used over HTTPS only.", "Set connection.tls to true (port 5986).")
    if connection.port is not None and not 1 <= connection.port <= 65535:
        yield complain("port", f"there is no port {connection.port}.", "5986 over TLS, 5985 without.")
    why = why_not_url_path(connection.path)
    if why:
        yield complain("path", why, "The default is /wsman; {gateway} stands for the gateway's name.")
    if not connection.check_certificate and not connection.unchecked_because.strip():
        hint = "Say why in connection.unchecked_because; every report repeats it."
        yield complain("check_certificate", "certificates are not checked, and no reason is given.", hint)
    if connection.check_certificate and connection.unchecked_because:
        yield complain("unchecked_because", "it gives a reason, but certificates are checked.", "Leave it out.")
    if connection.ca_file and not is_file(folder / connection.ca_file):
        yield complain("ca_file", f"there is no file {connection.ca_file}.", "Its place is seen from the fleet folder.")
    if not 1 <= connection.deadline <= 3600:
        yield complain("deadline", f"{connection.deadline:g} s is no deadline.", "Between 1 and 3600 seconds.")
    if not 1 <= connection.at_once <= 5000:
        yield complain("at_once", f"{connection.at_once} gateways at once cannot be.", "Between 1 and 5000.")
    for column, most in connection.at_once_per.items():
        if not 1 <= most <= 5000:
            place: Place = ("connection", "at_once_per", column)
            message = f"{most} gateways at once with the same {column} cannot be."
            yield Complaint(place, message, "Between 1 and 5000; leave the line out for any number.")


def why_not_url_path(path: str) -> str:
    """Why this cannot be WinRM's path on a gateway, with or without `{gateway}`; "" where it can."""
    try:
        names = {name for _, name, _, _ in string.Formatter().parse(path) if name is not None}
    except ValueError:
        names = {"?"}
    if names - {"gateway"}:
        return f"in {path!r} only {{gateway}} may stand between braces."
    if not re.fullmatch(r"/[A-Za-z0-9._~/{}-]*", path):
        return f"{path!r} is no path: it is to begin with / and to have neither blanks nor ? nor #."
    return ""


def _credential(settings: Settings, folder: Path) -> Iterator[Complaint]:
    connection = settings.connection
    ways = "Set connection.credential to keyring, environment, file or prompt."
    if connection.transport != "kerberos" and connection.credential in ("ticket", "keytab"):
        message = f"{connection.transport} needs a password, and a {connection.credential} is none."
        yield Complaint(("connection", "credential"), message, ways)
    elif connection.credential not in ("ticket", "keytab", "laps") and not connection.user.strip():
        yield Complaint(("connection", "user"), "connection.user is missing: whose password is it?")
    if connection.transport == "kerberos" and "\\" in connection.user:
        domain, _, name = connection.user.partition("\\")
        message = f"Kerberos does not know accounts by {domain}\\NAME."
        hint = f"Give {name or 'NAME'}@REALM; the realm is the domain's long name, such as EXAMPLE.NHS.UK."
        yield Complaint(("connection", "user"), message, hint)
    if connection.credential not in ("file", "keytab"):
        if connection.credential_file:
            message = f"a file is named, but the credential comes from {connection.credential}."
            yield Complaint(("connection", "credential_file"), message, "Set connection.credential to file or keytab.")
        return
    yield from _credential_file(connection, folder)


def _record_key(settings: Settings, folder: Path) -> Iterator[Complaint]:
    # A warning: who audits needs no key, and often may not have it.
    if settings.record_key and not is_file(folder / settings.record_key):
        message = f"there is no file {settings.record_key}: `provisioner record` cannot sign."
        yield Complaint(("record_key",), message, "It is a private Ed25519 key in PEM, mode 0600.", warning=True)


def _credential_file(connection: Connection, folder: Path) -> Iterator[Complaint]:
    place = CREDENTIAL_FILE
    holds = "keys" if connection.credential == "keytab" else "password"
    if not connection.credential_file:
        yield Complaint(place, "connection.credential_file is missing.", f"Name the file that holds the {holds}.")
        return
    systemd = os.environ.get("CREDENTIALS_DIRECTORY")
    if systemd and is_file(Path(systemd) / Path(connection.credential_file).name):
        return
    path = folder / connection.credential_file
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        hint = f"Put the {holds} of {connection.user or 'the account'} there, and nothing else; then chmod 600."
        message = f"{connection.credential_file} cannot be read: {getattr(error, 'strerror', error)}."
        yield Complaint(place, message, hint, login=True)
        return
    if not stat.S_ISREG(status.st_mode):
        yield Complaint(place, f"{connection.credential_file} is no file.")
    elif os.name == "posix" and stat.S_IMODE(status.st_mode) & 0o077:
        message = f"{connection.credential_file} can be read by others (mode {stat.S_IMODE(status.st_mode):04o})."
        yield Complaint(place, message, f"chmod 600 {shlex.quote(str(path))}; change the password if need be.")
    elif os.name == "posix" and status.st_uid != os.getuid():
        message = f"{connection.credential_file} is another user's file."
        yield Complaint(place, message, "Own it yourself.", login=True)


def _packages(settings: Settings, folder: Path) -> Iterator[Complaint]:
    for name, package in settings.packages.items():
        for key, message, hint in packages.complaints(name, package, folder, lab=settings.lab):
            yield Complaint(("packages", name, key) if key else ("packages", name), message, hint)
        for key, message, hint in packages.missing(settings, name):
            untold = f"{message} Until that is given packages.{name} is not used."
            yield Complaint(("packages", name, key), untold, hint, warning=True)


def _connector(settings: Settings, folder: Path) -> Iterator[Complaint]:
    connector, java = settings.connector, settings.java
    places = (
        (("connector", "folder"), connector.folder),
        (("connector", "image"), connector.image),
        (("java", "home"), java.home),
        (("systmone", "folder"), settings.systmone.folder),
    )
    wrong = {place: why_not_folder(path) for place, path in places}
    for place, why in wrong.items():
        if why:
            yield Complaint(place, why, "Begin with the drive, separate with \\, and end without one.")
    if not wrong["connector", "folder"]:
        yield from _own_folder(connector.folder, settings.systmone.folder)
        if not wrong["connector", "image"] and not inside(connector.image, connector.folder):
            message = f"{connector.image} is not in connector.folder, {connector.folder}."
            yield Complaint(("connector", "image"), message, "It is the program that really runs, in that folder.")
    if not connector.image.lower().endswith(".exe"):
        yield Complaint(("connector", "image"), f"{connector.image} is no program.", "It ends with .exe")
    for place, version in ((("connector", "version"), connector.version), (("java", "version"), java.version)):
        if version and not _VERSION.fullmatch(version):
            yield Complaint(place, f"{version!r} is no version.", "Such as 17, 17.0.12 or 1.8.0_392.")


def _own_folder(path: str, systmone: str) -> Iterator[Complaint]:
    low = path.lower()
    shared = low in _NOT_OURS or inside(low, _NOT_OURS[0]) or low == systmone.lower()
    if shared or inside(low, systmone) or inside(systmone, path):
        message = f"{path} is not the Connector's alone: others would lose their rights to it."
        yield Complaint(("connector", "folder"), message, f"Give it a folder of its own, such as {PRODUCT.folder}.")


def _files(settings: Settings, folder: Path) -> Iterator[Complaint]:
    seen: dict[str, int] = {}
    for index, file in enumerate(settings.connector.files):
        place = ("connector", "files", index)
        if not relative(file.path.replace("/", "\\")):
            hint = "It is seen from connector.folder, such as conf\\connector.properties"
            yield Complaint((*place, "path"), f"{file.path!r} is no place in the Connector's folder.", hint)
        if seen.setdefault(file.path.lower().replace("/", "\\"), index) != index:
            yield Complaint((*place, "path"), f"{file.path} is here twice.", "Keep one of them.")
        if not is_file(folder / file.template):
            message = f"there is no template {file.template!r} beside fleet.yml."
            yield Complaint((*place, "template"), message, "Its place is seen from the fleet folder.")
        yield from _secrets(file.secrets, (*place, "secrets"))
    for index, path in enumerate(settings.connector.carry):
        if not relative(path.replace("/", "\\")):
            hint = "It is seen from connector.folder, such as data\\device.dat"
            yield Complaint(("connector", "carry", index), f"{path!r} is no place in the Connector's folder.", hint)
        elif path.lower().replace("/", "\\") in seen:
            hint = "A file made for the practice is made anew on each gateway: take it out of one of the two."
            yield Complaint(("connector", "carry", index), f"{path} is made from a template too.", hint)


def _secrets(secrets: Mapping[str, str], place: Place) -> Iterator[Complaint]:
    for name, reference in secrets.items():
        if not name.isidentifier():
            yield Complaint((*place, name), f"{name!r} is no name for a template.", "Letters, digits and _.")
        if not _REFERENCE.fullmatch(reference):
            hint = "Give the name under which the secret is kept, never the secret itself."
            yield Complaint((*place, name), "a secret's reference is a name of letters, digits, . _ and -.", hint)


def _service(settings: Settings, folder: Path) -> Iterator[Complaint]:
    service = settings.service
    if service.name and not _SERVICE.fullmatch(service.name):
        hint = "The short name, as `sc query` shows it: letters, digits, blanks and . _ ( ) -"
        yield Complaint(("service", "name"), f"{service.name!r} is no name of a Windows service.", hint)
    if not service.account.strip():
        yield Complaint(("service", "account"), "service.account is empty.", "Leave it out for LocalService.")
    if not service.restart_after or not all(1 <= seconds <= 86_400 for seconds in service.restart_after):
        yield Complaint(("service", "restart_after"), "it is to hold seconds, 1 to 86400.", "Such as [60, 120, 300]")
    if not 1 <= settings.systmone.port <= 65535:
        yield Complaint(("systmone", "port"), f"there is no port {settings.systmone.port}.", "SystmOne's is 40700.")
    if not settings.systmone.gateway_mark.strip():
        message = "an empty text would be found in every program."
        yield Complaint(("systmone", "gateway_mark"), message, "Leave it out for rungenps.")


def _rollout(settings: Settings, folder: Path) -> Iterator[Complaint]:
    rollout = settings.rollout
    if not all(size >= 1 for size in rollout.waves):
        message = f"waves of {', '.join(map(str, rollout.waves))} gateways cannot be."
        yield Complaint(("rollout", "waves"), message, "How many gateways each wave has, such as [1, 5, 20].")
    for name in ("failed", "unreachable", "refused", "unknown"):
        count = getattr(rollout, name)
        if count is not None and count < 0:
            yield Complaint(
                ("rollout", name), f"rollout.{name} cannot be {count}.", "0 or more, or none for any number."
            )
    for name, least in (("shard", 1), ("approve_wait", 0), ("settle", 0), ("line_speed", 1)):
        value = getattr(rollout, name)
        if not least <= value < float("inf"):
            yield Complaint(("rollout", name), f"rollout.{name} cannot be {value:g}.", f"{least} or more.")
    why = why_not_hours(rollout.hours)
    if why:
        yield Complaint(("rollout", "hours"), f"rollout.hours: {why}", "Leave it out for any time.")


def _approvers(settings: Settings, folder: Path) -> Iterator[Complaint]:
    for place, message, hint, warning in approvers.complaints(settings.rollout, folder):
        yield Complaint(("rollout", *place), message, hint, warning=warning)


def _domain(settings: Settings, folder: Path) -> Iterator[Complaint]:
    for place, message, hint in domain.complaints(settings, folder):
        yield Complaint(place, message, hint)
    for index, message, hint in ranges.complaints(settings.find.ranges, lab=settings.lab):
        yield Complaint(("find", "ranges", index), message, hint)


def why_not_hours(text: str) -> str:
    """Why this text says no hours; "" where it does."""
    try:
        hours.parse(text)
    except ValueError as error:
        return str(error)
    return ""


_RULES: tuple[Rule, ...] = (
    _version,
    _endpoints,
    _practice_list,
    _record_key,
    _contact,
    _connection,
    _credential,
    _domain,
    _packages,
    _connector,
    _files,
    _service,
    _rollout,
    _approvers,
)
