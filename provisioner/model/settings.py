"""What fleet.yml can say, with its defaults. fleet.py reads and checks it; here is only its shape.

There is no default that pretends to know what the vendor has not published: the endpoints, the service's name
and the Java version have none (../docs/operations.md, "What you must ask the vendor").
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import ClassVar, Literal

from provisioner.model.product import PRODUCT, PackageName

# Of the shape that is below; a file of a newer one is not read.
FILE, VERSION = "fleet.yml", 1

_STRICT: dict[str, str] = {"extra": "forbid"}


@dataclass(frozen=True, kw_only=True)
class Connection:
    """How gateways are reached. `path` may hold `{gateway}`; `deadline` is in seconds, for a whole reading.

    `credential` says where the password comes from: an existing Kerberos `ticket`, the `keyring`,
    the `environment` (PROVISIONER_PASSWORD), a `file` that only its owner can read, or a `prompt`; `keytab`: the file
    is one, of Kerberos; `laps`: each gateway's own local administrator's, from the directory. At most `at_once`
    gateways are read at the same time, and of those that have the same in a column of practices.csv no more than
    `at_once_per` says for it are read or changed.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT
    transport: Literal["kerberos", "ntlm", "basic"] = "kerberos"
    tls: bool = True
    port: int | None = None
    path: str = "/wsman"
    user: str = ""
    credential: Literal["ticket", "keytab", "keyring", "environment", "file", "prompt", "laps"] = "ticket"
    credential_file: str = ""
    ca_file: str = ""
    check_certificate: bool = True
    unchecked_because: str = ""
    deadline: float = 90.0
    at_once: int = 200
    at_once_per: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Contact:
    """Whom practices and other teams ask, and tell that a thing is done. Papers that leave the team name them."""

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT
    name: str = ""
    telephone: str = ""
    email: str = ""


@dataclass(frozen=True, kw_only=True)
class Domain:
    """The domain's directory. `server` is a domain controller by its full name, `ldaps://NAME` for TLS; blank, it is
    found by the ticket's realm in DNS. `base` is where searches begin, blank for the whole domain; `ca_file` whose
    certificates are trusted over TLS."""

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT
    server: str = ""
    base: str = ""
    ca_file: str = ""


@dataclass(frozen=True, kw_only=True)
class Find:
    """Where gateways may be looked for: `ranges` of addresses (10.1.2.0/24) that may be knocked on, none by default."""

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT
    ranges: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Package:
    """Something to install. Exactly one of `url` (pulled by the gateway), `path` (on the gateway already) and
    `push` (a file of the controller's, beside fleet.yml). `root` is the folder inside a zip that is unpacked;
    `size` is in bytes; `product_id` is what Windows lists once an msi or exe is installed. One of which something is
    missing yet (fleet/packages.py) is not used.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT
    sha256: str = ""
    url: str = ""
    path: str = ""
    push: str = ""
    signer: str = ""
    kind: Literal["zip", "msi", "exe"] = "zip"
    root: str = ""
    arguments: str = ""
    product_id: str = ""
    version: str = ""
    size: int = 0


@dataclass(frozen=True, kw_only=True)
class ConnectorFile:
    """A file made from a jinja2 template of the fleet folder with the row's columns.

    `path` is relative to the Connector's folder. `secrets` maps a template variable to the name under which
    credentials.py finds its value; a file with secrets is never logged or shown as a difference.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT
    path: str
    template: str
    secrets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Connector:
    """The Connector: its folder, the image that really runs, and the files made for each practice. `carry` are files,
    by their paths below the folder, that a migration brings from the old gateway to the new one."""

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT
    folder: str = PRODUCT.folder
    image: str = PRODUCT.image
    version: str = ""
    files: tuple[ConnectorFile, ...] = ()
    carry: tuple[str, ...] = ()

    def at(self, path: str) -> str:
        """The full path, on a gateway, of a file below the folder."""
        return f"{self.folder}\\{path}".replace("/", "\\")


@dataclass(frozen=True, kw_only=True)
class Java:
    """The Java runtime: where it lies, and the version that its `release` file must begin with."""

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT
    home: str = PRODUCT.runtime
    version: str = ""


@dataclass(frozen=True, kw_only=True)
class Service:
    """The Windows service. `arguments` are java's, used only where procrun hosts it; `restart_after` is in
    seconds (docs/operations.md, "The service")."""

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT
    name: str = PRODUCT.service
    display_name: str = ""
    account: str = "NT AUTHORITY\\LocalService"
    arguments: str = ""
    restart_after: tuple[int, ...] = (60, 120, 300)


@dataclass(frozen=True, kw_only=True)
class Antivirus:
    """What Defender is asked to leave alone: the one file that the vendor prints, the Connector's whole folder,
    or what that file's process opens. The risk of each is in policy/controls/R12-antivirus.md."""

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT
    exclude: Literal["image", "folder", "process"] = "image"


@dataclass(frozen=True, kw_only=True)
class SystmOne:
    """How a logged-on SystmOne client and its Gateway mode are told (docs/windows.md, "systmone")."""

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT
    port: int = 40700
    folder: str = "C:\\apps\\Tpp"
    gateway_mark: str = "rungenps"


@dataclass(frozen=True, kw_only=True)
class Approver:
    """Who may approve plans: by which `account` of this machine, or under which name where they have none here. With a
    `key` (the file of a public one, Ed25519 in PEM, beside fleet.yml) only their signature counts."""

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT
    account: str
    name: str = ""
    key: str = ""

    @property
    def called(self) -> str:
        """The person as people are told of them."""
        return self.name or self.account


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """Waves and the failure budget. `failed`, `unreachable`, `refused` and `unknown` are how many gateways may end so
    before the rollout stops; `none` means any number. `approve_wait` and `settle` are in seconds: how long a person is
    waited for, and how long a command may still be at work whose end nobody heard. `hours` are as hours.py reads them,
    blank for any time."""

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT
    waves: tuple[int, ...] = (1, 5, 20)
    failed: int | None = 1
    unreachable: int | None = None
    refused: int | None = 1
    unknown: int | None = 1
    shard: int = 25
    approval: bool = False
    approvers: tuple[Approver, ...] = ()
    approve_wait: float = 30.0
    settle: float = 90.0
    line_speed: int = 10_000_000
    hours: str = ""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The whole of fleet.yml. `version` is of this shape; a newer one is refused. A fleet is audited without all four
    `endpoints` too; what needs them is not judged and not done (endpoints.py)."""

    __pydantic_config__: ClassVar[dict[str, str]] = _STRICT
    version: int
    endpoints: tuple[str, ...] = ()
    lab: bool = False
    read_only: bool = False
    user_names: bool = False
    practice_list: str = ""
    practice_list_date: date | None = None
    journal: str = ".provisioner/journal.db"
    record_key: str = ""
    contact: Contact = field(default_factory=Contact)
    connection: Connection = field(default_factory=Connection)
    directory: Domain = field(default_factory=Domain)
    find: Find = field(default_factory=Find)
    packages: Mapping[PackageName, Package] = field(default_factory=dict)
    connector: Connector = field(default_factory=Connector)
    java: Java = field(default_factory=Java)
    service: Service = field(default_factory=Service)
    antivirus: Antivirus = field(default_factory=Antivirus)
    systmone: SystmOne = field(default_factory=SystmOne)
    rollout: Rollout = field(default_factory=Rollout)
