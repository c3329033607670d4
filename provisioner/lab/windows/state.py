"""What a pretend gateway is made of. The fields are those of evidence/schema wherever it has them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field


@dataclass
class Identity:
    """Which PC this is."""

    computer_name: str
    domain: str | None = "gp.example.nhs.uk"
    domain_joined: bool = True
    serial: str = ""
    machine_guid: str = ""


@dataclass
class Windows:
    """Which Windows this is. `esu`: a licence for extended updates; None where Windows takes none."""

    product_name: str = "Windows 10 Pro"
    edition_id: str = "Professional"
    display_version: str = "25H2"
    build: int = 26200
    ubr: int = 6901
    product_type: int = 1
    sku: int = 48
    architecture: str = "x64"
    s_mode: bool = False
    esu: bool | None = None
    locale: str = "en-GB"
    last_boot: str = ""


@dataclass
class Hardware:
    """What the PC is built of. Clock in MHz, memory in bytes."""

    manufacturer: str = "Dell Inc."
    model: str = "OptiPlex 7010"
    logical_cores: int = 8
    clock_mhz: int = 2500
    processor: str = "Intel(R) Core(TM) i5-13500"
    hypervisor_present: bool = True
    memory_bytes: int = 16 * 1024**3
    memory_available: int = 9 * 1024**3


@dataclass
class Adapter:
    """A display adapter; no size where no monitor is on it."""

    name: str
    width: int | None
    height: int | None


@dataclass
class Power:
    """Seconds on mains power, 0 is never."""

    plan: str = "381b4222-f694-41f0-9685-ff5bb260df2e"
    sleep_seconds: int = 0
    hibernate_seconds: int = 0
    policy_sleep_seconds: int | None = None
    policy_hibernate_seconds: int | None = None
    hibernation_enabled: bool = True
    modern_standby: bool = False
    fast_startup: bool = True
    battery: bool = False


@dataclass
class Session:
    """Somebody logged on to Windows; `kind` is console or remote."""

    session: int
    kind: str
    locked: bool
    name: str


@dataclass
class Systmone:
    """The SystmOne client. `device`: what its user said of the Connector: "", asked, approved."""

    installed: bool = True
    logged_in: bool = True
    gateway_mode: bool = True
    port: int = 40700
    folder: str = "C:\\apps\\Tpp"
    device: str = ""
    press_at: Annotated[float, Field(exclude=True)] = 0.0


@dataclass
class Action:
    """What Windows does when a service fails."""

    type: str
    delay_ms: int


@dataclass
class Service:
    """A Windows service, as Service Control Manager keeps it. `path` is the whole command."""

    name: str
    display_name: str
    path: str
    description: str = ""
    start_mode: str = "auto"
    account: str = "LocalSystem"
    state: str = "stopped"
    actions: list[Action] = field(default_factory=list)
    reset_seconds: int = 0
    on_non_crash: bool = False
    dependencies: list[str] = field(default_factory=list)
    # The program that was started with it: what it is set to run may have changed since.
    runs: str = ""
    started: Annotated[str | None, Field(exclude=True)] = None


@dataclass
class Loose:
    """A Connector that no service runs: somebody started it, or it starts at log-on."""

    path: str
    session: int = 1
    started: Annotated[str | None, Field(exclude=True)] = None


@dataclass
class Rule:
    """A firewall rule. `store`: local, policy or mdm; `protocol` 256 is any; an empty list is any."""

    id: str
    name: str
    store: str = "local"
    group: str = ""
    description: str = ""
    enabled: bool = True
    action: str = "allow"
    direction: str = "in"
    protocol: int = 256
    local_addresses: list[str] = field(default_factory=list)
    remote_addresses: list[str] = field(default_factory=list)
    local_ports: list[str] = field(default_factory=list)
    remote_ports: list[str] = field(default_factory=list)
    program: str = ""
    service: str = ""
    profiles: list[str] = field(default_factory=list)
    interface_types: list[str] = field(default_factory=list)
    edge: int = 0
    secure: int = 0
    icmp: str = ""


@dataclass
class Profile:
    """A firewall profile: on, and what it does with outbound traffic and with local rules."""

    enabled: bool = True
    outbound_blocked: bool = False
    local_rules_apply: bool = True


@dataclass
class Firewall:
    """Profiles and rules. `others` counts the rules that have nothing to do with us."""

    service_running: bool = True
    domain: Profile = field(default_factory=Profile)
    private: Profile = field(default_factory=Profile)
    public: Profile = field(default_factory=Profile)
    rules: list[Rule] = field(default_factory=list)
    others: int = 471


@dataclass
class Product:
    """An antivirus as Security Center lists it; `state` is its undocumented number."""

    name: str
    state: int


@dataclass
class Defender:
    """Microsoft Defender. `managed_paths` come from its management, `paths` and `processes` were set here.

    Tamper protection is on everywhere now; exclusions are safe from change only with `exclusions_protected`.
    """

    running: bool = True
    mode: str = "Normal"
    realtime: bool = True
    tamper_protected: bool = True
    platform: str = "4.18.25090.3009"
    managed_by: int | None = None
    exclusions_protected: bool = False
    local_merge_disabled: bool = False
    exclusions_hidden: bool = False
    managed_paths: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    processes: list[str] = field(default_factory=list)


@dataclass
class Listener:
    """A WinRM listener."""

    transport: str
    port: int
    certificate_not_after: str | None = None
    certificate_subject: str | None = None


@dataclass
class Installed:
    """A product that Windows lists as installed."""

    product_id: str
    name: str
    version: str


@dataclass
class Installer:
    """An installer that runs. `done` is what it will have done when it ends; neither outlives the process."""

    pid: int
    what: str
    started: Annotated[str | None, Field(exclude=True)] = None
    ends_at: Annotated[float, Field(exclude=True)] = 0.0
    done: Annotated[Callable[[float], None] | None, Field(exclude=True)] = None
