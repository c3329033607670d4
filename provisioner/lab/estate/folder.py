"""The files of a lab: the fleet folder that is written for it, and its own files in FLEET/.provisioner/lab."""

import csv
import io
import json
import os
import re
import secrets
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from provisioner.errors import LabError
from provisioner.lab.estate import machines, made, packages

USER = "LAB\\provisioner"
ENDPOINTS = ("192.0.2.5", "198.51.100.9", "203.0.113.15", "203.0.113.16")

_COLUMNS = ("practice", "name", "gateway", "address", "role")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# A Unix socket's path ends at 108 bytes on Linux, at 104 elsewhere.
_LONGEST_SOCKET = 100


@dataclass(frozen=True)
class Folder:
    """A fleet folder with a lab."""

    fleet: Path

    @property
    def own(self) -> Path:
        """The lab's own files."""
        return self.fleet / ".provisioner" / "lab"

    @property
    def setup(self) -> Path:
        """What the lab was made from."""
        return self.own / "setup.json"

    @property
    def running(self) -> Path:
        """What is known of the process while the lab is up."""
        return self.own / "lab.json"

    @property
    def state(self) -> Path:
        """The machines as they were when the lab went down."""
        return self.own / "state.json"

    @property
    def events(self) -> Path:
        """What has happened."""
        return self.own / "events.jsonl"

    @property
    def log(self) -> Path:
        """What the process said."""
        return self.own / "lab.log"

    @property
    def password(self) -> Path:
        """The credential file."""
        return self.own / "password"

    @property
    def accounts(self) -> Path:
        """The account's hash, for the process."""
        return self.own / "accounts"

    @property
    def authority(self) -> Path:
        """The certificate that the lab's TLS is trusted by."""
        return self.own / "ca.pem"

    @property
    def packages(self) -> Path:
        """The packages that are served."""
        return self.own / "packages"


def socket_path(folder: Folder) -> Path:
    """Where the lab listens for its verbs; in a private temporary folder where the fleet's path is too long."""
    path = folder.own / "socket"
    if len(os.fsencode(path)) <= _LONGEST_SOCKET:
        return path
    return Path(tempfile.mkdtemp(prefix="provisioner-lab-")) / "socket"


def read_own(path: Path) -> dict[str, Any]:
    """A document of the lab's own. Errors: LabError where it is not as the lab wrote it."""
    try:
        found = json.loads(path.read_text("utf-8"))
        if not isinstance(found, dict):
            raise ValueError("it is another document")
    except (OSError, ValueError) as error:
        hint = "Begin anew in another folder: provisioner lab up --practices FILE --dir FOLDER."
        raise LabError(f"{path} is not as the lab wrote it: {error}.", hint) from error
    return found


def write_own(path: Path, document: Mapping[str, Any]) -> None:
    """Write a document of the lab's own, whole or not at all."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(document, indent=1), "utf-8")
    new.replace(path)


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a practices.csv. Errors: LabError."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise LabError(f"{path} cannot be read: {error}", "Give a practices.csv in UTF-8.") from error
    first = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text), delimiter=";" if ";" in first and "," not in first else ",")
    if "practice" not in (reader.fieldnames or ()):
        raise LabError(f"{path} has no column practice.", f"Its first line is to be: {','.join(_COLUMNS)}")
    try:
        rows = [{key: (value or "").strip() for key, value in row.items() if key} for row in reader]
    except csv.Error as error:
        raise LabError(f"{path}:{reader.line_num}: {error}.", "Look for a lone quotation mark.") from error
    return [row for row in rows if any(row.values())]


def complete(rows: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """The rows as the lab serves them: each with a gateway's name, at loopback. Errors: LabError."""
    done = []
    for row in machines.named(rows):
        said = {**dict.fromkeys(_COLUMNS, ""), **row}
        name = said["gateway"] or said["practice"]
        done.append({**said, "gateway": name, "address": "127.0.0.1", "role": said["role"] or "active"})
    if not done:
        raise LabError("There are no practices.", "See provisioner practices for how to get their rows.")
    if wrong := [row["gateway"] for row in done if not _NAME.fullmatch(row["gateway"])]:
        hint = "Letters, digits, dots and dashes: it is part of an address."
        raise LabError(f"A gateway of the lab cannot be named {wrong[0]!r}.", hint)
    counted = Counter(row["gateway"].lower() for row in done)
    if twice := [row["gateway"] for row in done if counted[row["gateway"].lower()] > 1]:
        hint = "Give each row of a practice with several a gateway of its own name."
        raise LabError(f"The gateway {twice[0]} is there twice.", hint)
    return done


def prepare(folder: Folder, setup: Mapping[str, Any]) -> None:
    """Make the lab's own files, but those that the process makes itself. The password stays if there is one."""
    if not folder.setup.exists() and (folder.fleet / "fleet.yml").exists():
        hint = "Give the lab a folder of its own: it never writes over a fleet that is real."
        raise LabError(f"{folder.fleet} has a fleet.yml that is not a lab's.", hint)
    folder.packages.mkdir(parents=True, exist_ok=True)
    folder.own.chmod(0o700)
    if not folder.password.exists():
        with os.fdopen(os.open(folder.password, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(24) + "\n")
    for name, package in packages.build().items():
        (folder.packages / f"{name}.zip").write_bytes(package.content)
    write_own(folder.setup, setup)


def write_fleet(folder: Folder, rows: Sequence[Mapping[str, str]], setup: Mapping[str, Any]) -> None:
    """Write the fleet's files where there are none; a fleet.yml that is there only learns the port."""
    path = folder.fleet / "fleet.yml"
    ports = (setup["port"], setup["tls_port"])
    if path.exists():
        # As bytes: whoever has edited it may have saved it in another encoding, or with other ends of lines.
        there = path.read_bytes()
        for old, new in zip(setup["were"], ports, strict=True):
            there = re.sub(rb"(port:? |127\.0\.0\.1:)%d\b" % old, rb"\g<1>%d" % new, there)
        path.write_bytes(there)
        return
    text = _fleet(setup["endpoints"], *ports)
    if setup["with_file"]:
        (folder.fleet / made.TEMPLATE_FILE).write_text(made.TEMPLATE, "utf-8")
        text = text.replace("\nconnector:\n", f"\nconnector:\n{_FILES}")
    path.write_text(text, "utf-8")
    columns = list(dict.fromkeys([*_COLUMNS, *(key for row in rows for key in row)]))
    _write_csv(folder.fleet / "practices.csv", columns, rows)
    _write_csv(folder.fleet / "statements.csv", _STATEMENT, _statements(rows))


_STATEMENT = ("practice", "gateway", "control", "says", "by", "on", "until", "ticket")


def _statements(rows: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    today = datetime.now(UTC).date()
    dates = {"by": "The lab", "on": str(today), "until": str(today + timedelta(days=365)), "ticket": "LAB-1"}
    words = {
        "R3-dedicated": "A dedicated PC in the back office",
        "only-connector": "No other PC of the practice runs a Connector",
    }
    practices = dict.fromkeys(row["practice"] for row in rows)
    return [
        {"practice": practice, "gateway": "", "control": control, "says": says, **dates}
        for practice in practices
        for control, says in words.items()
    ]


def _write_csv(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


def _fleet(endpoints: Sequence[str], port: int, tls_port: int) -> str:
    listed = "\n".join(f"  - {endpoint}" for endpoint in endpoints)
    return _FLEET.format(
        endpoints=listed,
        port=port,
        tls_port=tls_port,
        user=USER,
        packages="\n".join(_package(name, package, port) for name, package in packages.build().items()),
        connector=packages.CONNECTOR_VERSION,
        java=packages.JAVA_VERSION,
        service=machines.SERVICE,
    )


def _package(name: str, package: packages.Package, port: int) -> str:
    root = f"\n    root: {package.root}" if package.root else ""
    return (
        f"  {name}:\n    url: http://127.0.0.1:{port}/packages/{name}.zip\n    sha256: '{package.sha256}'{root}\n"
        f"    version: '{package.version}'\n    size: {len(package.content)}"
    )


_FILES = f"""\
  # Made for each practice from its row in practices.csv.
  files:
    - {{path: {made.PLACE}, template: {made.TEMPLATE_FILE}}}
"""

_FLEET = """\
# A pretend fleet, written by `provisioner lab up`. Its gateways are on this machine, at loopback.
version: 1
lab: true

# Documentation addresses (RFC 5737): no packet ever goes there.
endpoints:
{endpoints}

connection:
  transport: ntlm
  tls: false
  port: {port}
  path: /{{gateway}}/wsman
  user: {user}
  credential: file
  credential_file: .provisioner/lab/password
  # Over TLS instead: tls: true, ca_file: .provisioner/lab/ca.pem, and as the port {tls_port}.

packages:
{packages}

connector:
  version: '{connector}'

java:
  version: '{java}'

service:
  name: {service}
  display_name: iPlato Connector
  arguments: -jar C:\\iPlato\\connector.jar
"""
