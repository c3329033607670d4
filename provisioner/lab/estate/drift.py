"""What makes an estate believable: PCs that drifted, and PCs that nothing of ours can mend.

Each takes a machine that is ready and spoils it in one way.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from provisioner.lab.estate.made import NOTE
from provisioner.lab.windows.disk import ADMINISTRATORS, AUTHENTICATED_USERS, USERS, Access, described
from provisioner.lab.windows.machine import Machine
from provisioner.lab.windows.state import Product, Windows

Spoil = Callable[[Machine, Sequence[str]], None]

_FOLDER = "C:\\iPlato"
_READY = 0.25


def make_peculiar(machines: Sequence[Machine], random_: random.Random, endpoints: Sequence[str]) -> None:
    """Spoil ready machines so that about a quarter stays ready, each peculiarity is there, and most have drifted.

    In a small fleet each peculiarity is there once or twice, in a large one by its share.
    """
    order = list(machines)
    random_.shuffle(order)
    rest = order[round(len(order) * _READY) :]
    for share, spoil in PECULIAR:
        for _ in range(max(1, round(share * len(order)))):
            if not rest:
                return
            machine = rest.pop()
            spoil(machine, endpoints)
            if random_.random() < 0.5:
                _drift(machine, random_, endpoints)
    for machine in rest:
        _drift(machine, random_, endpoints)


def _drift(machine: Machine, random_: random.Random, endpoints: Sequence[str]) -> None:
    if random_.random() < 0.2:
        nothing_installed(machine, endpoints)
        return
    for spoil in random_.sample(DRIFTS, random_.randint(1, 3)):
        spoil(machine, endpoints)


# What a rollout mends


def nothing_installed(machine: Machine, endpoints: Sequence[str]) -> None:
    """The Connector was never there."""
    machine.disk.remove(_FOLDER)
    machine.disk.remove(NOTE)
    machine.services.clear()
    machine.firewall.rules.clear()
    machine.defender.paths.clear()
    machine.registry.keys = {name: key for name, key in machine.registry.keys.items() if "apache" not in name}
    machine.systmone.device = ""


def no_rule(machine: Machine, endpoints: Sequence[str]) -> None:
    """No firewall rule."""
    machine.firewall.rules.clear()


def rule_disabled(machine: Machine, endpoints: Sequence[str]) -> None:
    """Somebody switched the rule off."""
    for rule in machine.firewall.rules:
        rule.enabled = False


def rule_of_three(machine: Machine, endpoints: Sequence[str]) -> None:
    """The rule lacks the newest address."""
    for rule in machine.firewall.rules:
        rule.remote_addresses = list(endpoints[:-1])


def no_exclusion(machine: Machine, endpoints: Sequence[str]) -> None:
    """Defender does not leave java.exe alone."""
    machine.defender.paths.clear()


def old_java(machine: Machine, endpoints: Sequence[str]) -> None:
    """A Java runtime of years ago, put there by hand."""
    release = b'IMPLEMENTOR="Oracle Corporation"\nJAVA_VERSION="1.8.0_202"\nOS_ARCH="amd64"\n'
    files = [described("bin\\java.exe", b"MZ old java of the lab"), described("release", release)]
    machine.disk.remove(f"{_FOLDER}\\jre")
    for file in files:
        machine.disk.place(replace(file, path=f"{_FOLDER}\\jre\\{file.path}"))


def service_stopped(machine: Machine, endpoints: Sequence[str]) -> None:
    """The service stopped and nobody saw it."""
    for service in machine.services:
        service.state, service.started = "stopped", None


def not_delayed(machine: Machine, endpoints: Sequence[str]) -> None:
    """The service starts with Windows, before the network is there."""
    for service in machine.services:
        service.start_mode = "auto"


def no_recovery(machine: Machine, endpoints: Sequence[str]) -> None:
    """Windows does nothing when the service fails."""
    for service in machine.services:
        service.actions, service.reset_seconds, service.on_non_crash = [], 0, False


def writable(machine: Machine, endpoints: Sequence[str]) -> None:
    """Every user can change the Connector's files: the rights that a folder made under C:\\ gets."""
    folder = machine.disk.folder(_FOLDER)
    if folder:
        folder.protected, folder.owner = False, ADMINISTRATORS
        folder.writers = [
            Access(AUTHENTICATED_USERS, "Modify, Synchronize"),
            Access(USERS, "CreateFiles, AppendData"),
        ]


def sleeps(machine: Machine, endpoints: Sequence[str]) -> None:
    """The PC sleeps after half an hour."""
    machine.power.sleep_seconds = 1800


DRIFTS: tuple[Spoil, ...] = (
    no_rule,
    rule_disabled,
    rule_of_three,
    no_exclusion,
    old_java,
    service_stopped,
    not_delayed,
    no_recovery,
    writable,
    sleeps,
)


# What others must mend


def windows_10(machine: Machine, endpoints: Sequence[str]) -> None:
    """Windows 10 22H2 without extended updates."""
    machine.windows = Windows(
        display_version="22H2", build=19045, ubr=6456, esu=False, last_boot=machine.windows.last_boot
    )


def windows_10_esu(machine: Machine, endpoints: Sequence[str]) -> None:
    """Windows 10 22H2 with extended updates."""
    machine.windows = Windows(
        display_version="22H2", build=19045, ubr=6937, esu=True, last_boot=machine.windows.last_boot
    )


def windows_11_23h2(machine: Machine, endpoints: Sequence[str]) -> None:
    """Windows 11 23H2 Pro, out of support since November 2025."""
    machine.windows = Windows(display_version="23H2", build=22631, ubr=6199, last_boot=machine.windows.last_boot)


def virtual(machine: Machine, endpoints: Sequence[str]) -> None:
    """A virtual machine on VMware."""
    hardware = machine.hardware
    hardware.manufacturer, hardware.model = "VMware, Inc.", "VMware20,1"
    hardware.processor, hardware.logical_cores = "Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz", 4
    machine.identity.serial = f"VMware-56 4d {machine.identity.machine_guid[:8]}"


def other_antivirus(machine: Machine, endpoints: Sequence[str]) -> None:
    """Another maker's antivirus; Defender is off."""
    machine.antivirus = [Product("Windows Defender", 0x060100), Product("Sophos Intercept X", 0x041000)]
    machine.defender.running = machine.defender.realtime = False
    machine.defender.mode = "Not running"


def defender_managed(machine: Machine, endpoints: Sequence[str]) -> None:
    """Defender is managed from elsewhere, and what is set here does not count."""
    machine.defender.managed_by = 6
    machine.defender.local_merge_disabled = True


def firewall_policy(machine: Machine, endpoints: Sequence[str]) -> None:
    """A group policy switches local firewall rules off."""
    firewall = machine.firewall
    for profile in (firewall.domain, firewall.private, firewall.public):
        profile.local_rules_apply = False


def offline(machine: Machine, endpoints: Sequence[str]) -> None:
    """Switched off, or away."""
    machine.faults["offline"] = ""


def another_practice(machine: Machine, endpoints: Sequence[str]) -> None:
    """The address is another practice's PC."""
    machine.faults["wrong_machine"] = ""


def nobody_logged_in(machine: Machine, endpoints: Sequence[str]) -> None:
    """Nobody is logged into SystmOne."""
    machine.systmone.logged_in = False
    machine.sessions = []


def low_disk(machine: Machine, endpoints: Sequence[str]) -> None:
    """0.6 GB left."""
    machine.disk.free_bytes = 6 * 1024**3 // 10


def headless(machine: Machine, endpoints: Sequence[str]) -> None:
    """No monitor."""
    for adapter in machine.screen:
        adapter.width = adapter.height = None


def endpoint_blocked(machine: Machine, endpoints: Sequence[str]) -> None:
    """The practice's network does not let one endpoint through."""
    machine.faults["network_blocks_endpoint"] = endpoints[-1]


PECULIAR: tuple[tuple[float, Spoil], ...] = (
    (0.02, offline),
    (0.01, another_practice),
    (0.06, windows_10),
    (0.02, virtual),
    (0.04, other_antivirus),
    (0.03, nobody_logged_in),
    (0.02, firewall_policy),
    (0.03, defender_managed),
    (0.02, endpoint_blocked),
    (0.04, windows_11_23h2),
    (0.02, low_disk),
    (0.04, headless),
    (0.03, windows_10_esu),
)
