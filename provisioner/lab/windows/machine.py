"""A pretend gateway: its state, what happens in it by itself, and the faults that it can have.

Faults of a machine's own, by name, with what their value means:
    disk_full, reboot_pending, tamper_protection, policy_overrides_firewall, service_will_not_start, no_approve,
    service_hangs
    wrong_machine[=computer name], third_party_antivirus[=product], network_blocks_endpoint[=address],
    clock_skew[=seconds], slow_installer[=seconds], systmone[=gateway, client or off]
The others (offline, slow ...) belong to the server.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from provisioner.lab.windows import hosts
from provisioner.lab.windows.disk import Disk, key, leaf
from provisioner.lab.windows.hosts import program
from provisioner.lab.windows.registry import Registry
from provisioner.lab.windows.state import (
    Adapter,
    Defender,
    Firewall,
    Hardware,
    Identity,
    Installed,
    Installer,
    Listener,
    Loose,
    Power,
    Product,
    Profile,
    Rule,
    Service,
    Session,
    Systmone,
    Windows,
)

_APPROVE_AFTER = 1.5
# Where a service that is under way to a state arrives.
_SETTLED = {
    "continue_pending": "running", "pause_pending": "paused", "start_pending": "running", "stop_pending": "stopped",
}  # fmt: skip
_SLOW_INSTALLER = 20.0
_SKEW = 900.0
_OTHER_ANTIVIRUS = "Sophos Intercept X"


class WillNotStart(Exception):
    """A service that Windows cannot start, in Windows PowerShell's words."""


def _nobody(event: dict[str, Any]) -> None:
    """Where events go until somebody listens."""


@dataclass
class Machine:
    """One pretend gateway. `on_event` hears each change of its state; `allow_unencrypted` is WinRM's setting, the
    same for a whole lab."""

    name: str
    identity: Identity
    faults: dict[str, str] = field(default_factory=dict)
    windows: Windows = field(default_factory=Windows)
    hardware: Hardware = field(default_factory=Hardware)
    screen: list[Adapter] = field(default_factory=list)
    power: Power = field(default_factory=Power)
    sessions: list[Session] = field(default_factory=list)
    office_running: bool = False
    systmone: Systmone = field(default_factory=Systmone)
    disk: Disk = field(default_factory=Disk)
    registry: Registry = field(default_factory=Registry)
    environment: dict[str, dict[str, str]] = field(default_factory=lambda: {"machine": {}, "user": {}})
    services: list[Service] = field(default_factory=list)
    loose: list[Loose] = field(default_factory=list)
    firewall: Firewall = field(default_factory=Firewall)
    antivirus: list[Product] | None = None
    defender: Defender = field(default_factory=Defender)
    listeners: list[Listener] = field(default_factory=list)
    installed: list[Installed] = field(default_factory=list)
    other_products: list[str] = field(default_factory=list)
    installers: list[Installer] = field(default_factory=list)
    reboot_reasons: list[str] = field(default_factory=list)
    allow_unencrypted: Annotated[bool, Field(exclude=True)] = False
    on_event: Annotated[Callable[[dict[str, Any]], None], Field(exclude=True)] = _nobody

    def to_json(self) -> dict[str, Any]:
        """The whole state, sorted, without clocks or counters: the same as long as nothing happens."""
        return dict(sorted(_ADAPTER.dump_python(self, mode="json").items()))

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Machine":
        """The machine that `to_json` wrote down."""
        return _ADAPTER.validate_python(document)

    def happened(self, event: str, **details: object) -> None:
        """Tell whoever listens."""
        self.on_event({"event": event, **details})

    def put_file(self, path: str, content: bytes, now: float) -> None:
        """A file that arrives by WinRM itself. Raises DiskFull."""
        self.disk.full = "disk_full" in self.faults
        file = self.disk.write(path, content)
        self.happened("file_written", path=file.path, size=file.size)

    def tick(self, now: float) -> None:
        """What happens by itself: the person presses Approve, a slow installer ends."""
        self.disk.full = "disk_full" in self.faults
        for installer in [installer for installer in self.installers if installer.ends_at <= now]:
            self.installers.remove(installer)
            if installer.done:
                installer.done(now)
            self.happened("installer_ended", what=installer.what)
        for service in [
            service for service in self.services if service.state in _SETTLED and "service_hangs" not in self.faults
        ]:
            service.state = _SETTLED[service.state]
            self.happened("service_settled", service=service.name, state=service.state)
        waits = self.systmone.device == "asked" and self.client().logged_in
        if waits and "no_approve" not in self.faults and self.systmone.press_at <= now:
            self.systmone.device = "approved"
            self.happened("approve_pressed")

    def skew(self) -> float:
        """By how many seconds its clock is ahead."""
        return float(self.faults.get("clock_skew", "0") or _SKEW)

    def install(self, what: str, done: Callable[[float], None], now: float) -> float:
        """Let an installer do its work: now, or later under the fault slow_installer. Gives its seconds."""
        if "slow_installer" not in self.faults:
            done(now)
            return 0.0
        seconds = float(self.faults["slow_installer"] or _SLOW_INSTALLER)
        self.installers.append(Installer(self.pid(what), what, stamp(now), now + seconds, done))
        self.happened("installer_started", what=what)
        return seconds

    def clock(self, now: float) -> float:
        """What the gateway's own clock says."""
        return now + self.skew()

    def pid(self, what: str) -> int:
        """A process number that is always the same for the same program."""
        return 2000 + zlib.crc32(f"{self.name}/{what}".encode()) % 4000 * 4

    # Services

    def service(self, name: str) -> Service | None:
        """The service of that name or display name."""
        wanted = name.lower()
        for service in self.services:
            if wanted in (service.name.lower(), service.display_name.lower()):
                return service
        return None

    def image(self, service: Service) -> str:
        """The program that the service is set to run, behind its host."""
        return hosts.image(self, service)

    def runs(self, service: Service) -> str:
        """The program that runs as the service: the one it was started with."""
        return service.runs or self.image(service)

    def start(self, service: Service, now: float) -> None:
        """Start a service. A Connector asks for approval at its first start. Raises WillNotStart."""
        named = f"{service.display_name} ({service.name})"
        missing = [path for path in {program(service.path), self.image(service)} if not self.disk.file(path)]
        if service.start_mode == "disabled" or missing:
            raise WillNotStart(
                f"Service '{named}' cannot be started due to the following error: "
                f"Cannot start service {service.name} on computer '.'."
            )
        if "service_will_not_start" in self.faults:
            raise WillNotStart(f"Failed to start service '{named}'.")
        service.state, service.runs = "running", self.image(service)
        service.started = stamp(now)
        self.happened("service_started", service=service.name)
        if self.is_connector(service) and self.client().logged_in and not self.systmone.device:
            self.systmone.device = "asked"
            self.systmone.press_at = now + _APPROVE_AFTER
            self.happened("approve_raised")

    def stop(self, service: Service) -> None:
        """Stop a service."""
        service.state, service.runs = "stopped", ""
        service.started = None
        self.happened("service_stopped", service=service.name)

    def resume(self, service: Service) -> None:
        """Let a service go on that was paused."""
        service.state = "running"
        self.happened("service_started", service=service.name)

    def running_in(self, path: str) -> str:
        """A program that runs and is that file or lies in that folder; "" for none."""
        started = (service for service in self.services if service.state != "stopped")
        programs = [where for service in started for where in (program(service.path), self.runs(service))]
        programs += [process.path for process in self.loose]
        return next(
            (image for image in programs if key(image) == key(path) or key(image).startswith(key(path) + "\\")), ""
        )

    def is_connector(self, service: Service) -> bool:
        """Whether a service runs the Connector: its program is a java.exe, or has Java in itself."""
        return leaf(self.runs(service)).lower() in ("java.exe", "javaw.exe") or hosts.is_jvm(self, service)

    # What the faults make of it

    def client(self) -> Systmone:
        """SystmOne's client as it is now: a person may have logged out, or in by another shortcut."""
        now = self.faults.get("systmone")
        if now is None:
            return self.systmone
        return replace(self.systmone, logged_in=now != "off", gateway_mode=now in ("", "gateway"))

    def who(self) -> Identity:
        """Which PC answers at this address: under wrong_machine another practice's."""
        if "wrong_machine" not in self.faults:
            return self.identity
        other = zlib.crc32(f"another than {self.name}".encode())
        return Identity(
            computer_name=self.faults["wrong_machine"] or f"GWPC-B{80_000 + other % 8_000}",
            domain=self.identity.domain,
            domain_joined=self.identity.domain_joined,
            serial=f"X{other:08X}"[:7],
            machine_guid=f"{other:08x}-0bad-4bad-8bad-{other * 257 % 2**48:012x}",
        )

    def seen_defender(self) -> Defender:
        """Defender as it is under the faults."""
        seen = Defender(**vars(self.defender))
        if "tamper_protection" in self.faults:
            seen.tamper_protected = seen.exclusions_protected = True
            seen.managed_by = seen.managed_by or 6
        if self.seen_antivirus() is not self.antivirus:
            seen.running = seen.realtime = False
            seen.mode = "Not running"
        return seen

    def seen_antivirus(self) -> list[Product] | None:
        """Security Center's list under the faults."""
        if "third_party_antivirus" not in self.faults:
            return self.antivirus
        name = self.faults["third_party_antivirus"] or _OTHER_ANTIVIRUS
        return [Product("Windows Defender", 0x060100), Product(name, 0x041000)]

    def profiles(self) -> dict[str, Profile]:
        """The firewall's profiles under the faults."""
        each = {"domain": self.firewall.domain, "private": self.firewall.private, "public": self.firewall.public}
        if "policy_overrides_firewall" not in self.faults:
            return each
        return {name: Profile(one.enabled, one.outbound_blocked, False) for name, one in each.items()}

    def excluded(self, path: str) -> bool | None:
        """Whether Defender leaves a file alone, by its path; None where there is no such file: it then cannot say."""
        seen = self.seen_defender()
        if not self.disk.exists(path):
            return None
        lists = seen.managed_paths + ([] if seen.local_merge_disabled else seen.paths)
        return any(key(path) == key(listed) or key(path).startswith(key(listed) + "\\") for listed in lists)

    def reaches(self, path: str, address: str, port: int = 443) -> bool:
        """Whether a program gets through to an address: the network outside and the firewall here let it."""
        blocked = self.faults.get("network_blocks_endpoint")
        if blocked is not None and blocked in ("", address):
            return False
        profile = self.profiles()["domain"]
        if not (self.firewall.service_running and profile.enabled):
            return True
        rules = [rule for rule in self.firewall.rules if self._bears_on(rule, path, address, port, profile)]
        if any(rule.action == "block" for rule in rules):
            return False
        return not profile.outbound_blocked or any(rule.action == "allow" for rule in rules)

    def _bears_on(self, rule: Rule, path: str, address: str, port: int, profile: Profile) -> bool:
        return (
            rule.enabled
            and rule.direction == "out"
            and (rule.store != "local" or profile.local_rules_apply)
            and rule.protocol in (6, 256)
            and (not rule.program or key(rule.program) == key(path))
            and (not rule.remote_addresses or address in rule.remote_addresses)
            and (not rule.remote_ports or str(port) in rule.remote_ports)
            and (not rule.profiles or "domain" in rule.profiles)
        )


def stamp(now: float) -> str:
    """A time as the evidence writes it: UTC, ISO 8601, to the second."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_ADAPTER: TypeAdapter[Machine] = TypeAdapter(Machine)
