"""What each module is asked, on a machine how, and what it says and leaves."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from provisioner.lab.windows.machine import Machine
from tests.fixtures.lab import (
    ENDPOINTS,
    FOLDER,
    HOST,
    IMAGE,
    JAVA_HOME,
    JRE,
    JRE_ARGUMENTS,
    KEPT,
    KEY,
    RULE,
    RULE_ARGUMENTS,
    SERVICE,
    SERVICE_ARGUMENTS,
    section,
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A module that changes something: run once it answers `answer` and leaves what `left` tells, run twice it
    changes nothing, and in check mode it only says that it would."""

    module: str
    arguments: dict[str, Any]
    left: Callable[[Machine], Any]
    after: Any
    state: str = "fresh"
    before: Callable[[Machine], object] = lambda machine: None
    answer: dict[str, Any] = field(default_factory=dict)
    difference: Any = None


def _rule(machine: Machine, name: str) -> Any:
    return [rule[name] for rule in section(machine, "firewall")["rules"]]


def _service(machine: Machine, *names: str) -> Any:
    service = section(machine, "service")["service"]
    return service and tuple(service[name] for name in names)


def _disabled(machine: Machine) -> None:
    machine.firewall.rules[0].enabled = False


def _three(machine: Machine) -> None:
    machine.firewall.rules[0].remote_addresses = list(ENDPOINTS[:3])


def _value(machine: Machine) -> Any:
    return machine.registry.value(KEY, "Image")


def _put_value(machine: Machine) -> None:
    machine.registry.put(KEY, "Image", "String", "old")


def _writable(machine: Machine) -> None:
    machine.disk.make("C:\\iPlato\\jre")


MARKER = {"journal": "j-1", "step": "s-1", "minutes": 60}
CASES = {
    "rule made": Case(
        module="community.windows.win_firewall_rule",
        arguments=RULE_ARGUMENTS,
        left=lambda machine: _rule(machine, "remote_addresses"),
        after=[list(ENDPOINTS)],
        answer={"msg": f"Firewall rule '{RULE}' created."},
    ),
    "rule switched on": Case(
        module="community.windows.win_firewall_rule",
        arguments=RULE_ARGUMENTS,
        state="ready",
        before=_disabled,
        left=lambda machine: _rule(machine, "enabled"),
        after=[True],
        answer={"msg": f"Firewall rule(s) changed '{RULE}' - unchanged ''"},
        difference={"prepared": f"[{RULE}]\n-Enabled='False'\n+Enabled='True'\n"},
    ),
    "rule gets the fourth address": Case(
        module="win_firewall_rule",
        arguments=RULE_ARGUMENTS,
        state="ready",
        before=_three,
        left=lambda machine: _rule(machine, "remote_addresses"),
        after=[list(ENDPOINTS)],
        difference={
            "prepared": f"[{RULE}]\n"
            + f"-RemoteAddresses='{','.join(f'{one}/255.255.255.255' for one in ENDPOINTS[:3])}'\n"
            + f"+RemoteAddresses='{','.join(f'{one}/255.255.255.255' for one in ENDPOINTS)}'\n"
        },
    ),
    "rule removed": Case(
        module="win_firewall_rule",
        arguments={"name": RULE, "state": "absent"},
        state="ready",
        left=lambda machine: section(machine, "firewall")["rules"],
        after=[],
        answer={"msg": f"Firewall rule(s) '{RULE}' removed."},
    ),
    "service made": Case(
        module="ansible.windows.win_service",
        arguments=SERVICE_ARGUMENTS,
        left=lambda machine: _service(machine, "start_mode", "account", "command", "state", "on_non_crash"),
        after=("delayed", "NT AUTHORITY\\LOCAL SERVICE", HOST, "stopped", True),
        answer={"exists": True, "name": SERVICE, "start_mode": "delayed"},
    ),
    "service told by its path alone": Case(
        module="win_service",
        arguments={"name": "Other", "path": "C:\\other.exe"},
        left=lambda machine: [(one.start_mode, one.account) for one in machine.services],
        after=[("auto", "LocalSystem")],
    ),
    "service's recovery set": Case(
        module="win_service",
        arguments=SERVICE_ARGUMENTS,
        state="ready",
        before=lambda machine: vars(machine.services[0]).update(actions=[], reset_seconds=0, on_non_crash=False),
        left=lambda machine: len(section(machine, "service")["service"]["actions"]),
        after=3,
        answer={"state": "running", "username": "NT AUTHORITY\\LOCAL SERVICE"},
    ),
    "service stopped and disabled": Case(
        module="win_service",
        arguments={"name": SERVICE, "state": "stopped", "start_mode": "disabled"},
        state="ready",
        left=lambda machine: _service(machine, "state", "start_mode", "pid"),
        after=("stopped", "disabled", None),
        answer={"state": "stopped"},
    ),
    "service started": Case(
        module="win_service",
        arguments={"name": SERVICE, "state": "started"},
        state="ready",
        before=lambda machine: machine.stop(machine.services[0]),
        left=lambda machine: _service(machine, "state"),
        after=("running",),
        answer={"state": "running"},
    ),
    "service removed": Case(
        module="win_service",
        arguments={"name": SERVICE, "state": "absent"},
        state="ready",
        left=lambda machine: section(machine, "service")["service"],
        after=None,
        answer={"exists": False},
    ),
    "folder made": Case(
        module="ansible.windows.win_file",
        arguments={"path": "C:/New/Below", "state": "directory"},
        left=lambda machine: machine.disk.folder("c:\\new\\below") is not None,
        after=True,
    ),
    "folder removed with all below": Case(
        module="win_file",
        arguments={"path": FOLDER, "state": "absent"},
        state="ready",
        before=lambda machine: machine.stop(machine.services[0]),
        left=lambda machine: [name for name in machine.disk.files if name.startswith("c:\\iplato")],
        after=[],
    ),
    "file copied on the gateway": Case(
        module="ansible.windows.win_copy",
        arguments={
            "_copy_mode": "remote",
            "src": f"{FOLDER}\\version.txt",
            "dest": f"{FOLDER}\\version.bak",
            "force": True,
            "backup": False,
            "remote_src": True,
        },
        state="ready",
        left=lambda machine: machine.disk.exists(f"{FOLDER}\\VERSION.BAK"),
        after=True,
        answer={"operation": "file_copy", "dest": f"{FOLDER}\\version.bak"},
        difference={"prepared": f"+{FOLDER}\\version.bak\n"},
    ),
    "value set": Case(
        module="ansible.windows.win_regedit",
        arguments={"path": KEY, "name": "Image", "data": IMAGE},
        before=_put_value,
        left=_value,
        after=IMAGE,
        answer={"data_changed": True, "data_type_changed": False},
        difference={
            "before": {KEY: {"Image": {"type": "String", "value": "old"}}},
            "after": {KEY: {"Image": {"type": "String", "value": IMAGE}}},
        },
    ),
    "value of another type": Case(
        module="win_regedit",
        arguments={"path": KEY, "name": "Image", "data": ["a", "b"], "type": "multistring"},
        before=_put_value,
        left=_value,
        after=["a", "b"],
        answer={"data_changed": True, "data_type_changed": True},
    ),
    "number set, with its key": Case(
        module="win_regedit",
        arguments={"path": KEY, "name": "Image", "data": "0xffffffff", "type": "dword"},
        left=_value,
        after=0xFFFFFFFF,
        answer={"data_changed": False},
    ),
    "value removed": Case(
        module="win_regedit",
        arguments={"path": KEY, "name": "image", "state": "absent"},
        before=_put_value,
        left=_value,
        after=None,
        difference={
            "before": {KEY: {"image": {"type": "String", "value": "old"}}},
            "after": {KEY: {}},
        },
    ),
    "key removed": Case(
        module="win_regedit",
        arguments={"path": KEY, "state": "absent"},
        before=_put_value,
        left=lambda machine: machine.registry.key(KEY),
        after=None,
        difference={"before": {KEY: {}}, "after": {}},
    ),
    "variable set": Case(
        module="ansible.windows.win_environment",
        arguments={"name": "LAB", "value": "1", "level": "machine", "state": "present"},
        left=lambda machine: machine.environment["machine"],
        after={"LAB": "1"},
        answer={"before_value": None, "value": "1"},
        difference={"before": {"machine": {}}, "after": {"machine": {"LAB": "1"}}},
    ),
    "variable removed": Case(
        module="win_environment",
        arguments={"name": "lab", "level": "machine", "state": "absent"},
        before=lambda machine: machine.environment["machine"].update(LAB="1"),
        left=lambda machine: machine.environment["machine"],
        after={},
        answer={"before_value": "1"},
    ),
    "runtime unpacked": Case(
        module="package_tree",
        arguments=JRE_ARGUMENTS,
        left=lambda machine: [section(machine, "java")[name] for name in ("present", "version", "vendor")],
        after=[True, "17.0.17", "Lab"],
        answer={"before": {"exists": False, "sha256": None, "edited": 0}, "size": len(JRE)},
        difference={"before": "", "after": f"package {hashlib.sha256(JRE).hexdigest()}\n"},
    ),
    "package mended": Case(
        module="package_tree",
        arguments=JRE_ARGUMENTS,
        state="ready",
        before=lambda machine: machine.disk.remove(IMAGE),
        left=lambda machine: section(machine, "java")["present"],
        after=True,
        difference={
            "before": f"package {hashlib.sha256(JRE).hexdigest()}\nfiles are missing or changed\n",
            "after": f"package {hashlib.sha256(JRE).hexdigest()}\n",
        },
    ),
    "package kept as it is": Case(
        module="package_tree",
        arguments=JRE_ARGUMENTS | {"unpack": False, "root": "", "destination": f"{KEPT}\\packages\\jre"},
        left=lambda machine: getattr(machine.disk.file(f"{KEPT}\\packages\\jre"), "sha256", None),
        after=hashlib.sha256(JRE).hexdigest(),
    ),
    "one file of a package": Case(
        module="package_tree",
        arguments=JRE_ARGUMENTS | {"member": "bin/java.exe", "destination": HOST},
        left=lambda machine: sorted(name for name in machine.disk.files if "iplato" in name),
        after=[HOST.lower(), f"{HOST}.provisioner-package.json".lower()],
    ),
    "package taken away": Case(
        module="package_tree",
        arguments={"destination": JAVA_HOME, "state": "absent"},
        state="ready",
        left=lambda machine: [machine.disk.exists(JAVA_HOME), section(machine, "connector")["package_intact"]],
        after=[False, True],
    ),
    "folders closed": Case(
        module="folder_access",
        arguments={"path": FOLDER, "private": [KEPT, f"{KEPT}\\kept"]},
        before=_writable,
        left=lambda machine: [section(machine, "connector")["writers"], machine.disk.exists(f"{KEPT}\\kept")],
        after=[[], True],
    ),
    "file excluded": Case(
        module="defender_exclusion",
        arguments={"path": [IMAGE]},
        left=lambda machine: section(machine, "antivirus")["defender"]["path_exclusions"],
        after=[IMAGE],
        answer={"before": {"path": [], "process": []}},
        difference={"before": "", "after": f"{IMAGE}\n"},
    ),
    "exclusion removed": Case(
        module="defender_exclusion",
        arguments={"path": IMAGE.upper(), "state": "absent"},
        state="ready",
        left=lambda machine: section(machine, "antivirus")["defender"]["path_exclusions"],
        after=[],
    ),
    "process excluded": Case(
        module="defender_exclusion",
        arguments={"process": [IMAGE]},
        left=lambda machine: section(machine, "antivirus")["defender"]["process_exclusions"],
        after=[IMAGE],
    ),
    "marker set": Case(
        module="work_marker",
        arguments=MARKER,
        left=lambda machine: {**(section(machine, "ours")["marker"] or {}), "minutes": 60},
        after={"journal": "j-1", "step": "s-1", "seconds_left": 3600, "minutes": 60},
    ),
    "sleep switched off": Case(
        module="power_setting",
        arguments={"sleep_seconds": 0, "hibernate_seconds": 0},
        before=lambda machine: vars(machine.power).update(sleep_seconds=1800),
        left=lambda machine: section(machine, "power")["sleep_seconds"],
        after=0,
        difference={
            "before": "sleep_seconds 1800\nhibernate_seconds 0\n",
            "after": "sleep_seconds 0\nhibernate_seconds 0\n",
        },
    ),
}
