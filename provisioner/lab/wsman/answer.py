"""What the evidence script would answer on a pretend gateway: one document, from the machine's state alone."""

import json
import math
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from provisioner.lab.windows import hosts
from provisioner.lab.windows.disk import key, leaf
from provisioner.lab.windows.hosts import program
from provisioner.lab.windows.machine import Machine, stamp
from provisioner.lab.windows.package import MANIFEST, read, whole
from provisioner.lab.windows.state import Profile, Rule, Service

Settings = Mapping[str, Any]

OURS = "C:\\ProgramData\\provisioner"

_KNOWN = {"S-1-5-11": "NT AUTHORITY\\Authenticated Users", "S-1-5-32-545": "BUILTIN\\Users"}
_PROCESSORS = {"x86_64": "x64", "amd64": "x64", "i586": "x86", "aarch64": "arm64"}
_POWERSHELL = "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe"


def document(machine: Machine, settings: dict[str, Any], now: float) -> dict[str, Any]:
    """The document for the sections that `settings` asks for, as evidence/schema has it."""
    asked = [name for name in SECTIONS if name in settings["sections"]]
    return {"version": 1, "sections": {name: _section(machine, name, settings, now) for name in asked}}


def _section(machine: Machine, name: str, settings: Settings, now: float) -> dict[str, Any]:
    milliseconds = 3 + zlib.crc32(f"{machine.name}/{name}".encode()) % 140
    return {"ms": milliseconds, "error": None, "data": SECTIONS[name](machine, settings, now)}


def _identity(machine: Machine, settings: Settings, now: float) -> dict[str, Any]:
    return asdict(machine.who())


def _account(machine: Machine, settings: Settings, now: float) -> dict[str, Any]:
    return {"user": "LAB\\provisioner", "administrator": True, "elevated": True, "local": False}


def _windows(machine: Machine, settings: Settings, now: float) -> dict[str, Any]:
    reason = f"there are no extended security updates for build {machine.windows.build}"
    if machine.windows.esu is not None:
        reason = f"{'a' if machine.windows.esu else 'no'} licence for extended security updates is active"
    return {**asdict(machine.windows), "esu_reason": reason}


def _hardware(machine: Machine, settings: Settings, now: float) -> dict[str, Any]:
    names = ("manufacturer", "model", "logical_cores", "clock_mhz", "processor", "hypervisor_present")
    return {name: getattr(machine.hardware, name) for name in names}


def _disk(machine: Machine, settings: Settings, now: float) -> dict[str, Any]:
    free = 0 if "disk_full" in machine.faults else machine.disk.free_bytes
    return {"drive": "C:", "free_bytes": free, "total_bytes": machine.disk.total_bytes}


def _memory(machine: Machine, settings: Settings, now: float) -> dict[str, Any]:
    return {"total_bytes": machine.hardware.memory_bytes, "available_bytes": machine.hardware.memory_available}


def _screen(machine: Machine, settings: Settings, now: float) -> dict[str, Any]:
    remote = any(session.kind == "remote" for session in machine.sessions)
    return {"adapters": [asdict(adapter) for adapter in machine.screen], "remote_session": remote}


def _power(machine: Machine, settings: Settings, now: float) -> dict[str, Any]:
    return asdict(machine.power)


def _users(machine: Machine, settings: Settings, now: float) -> dict[str, Any]:
    sessions = [asdict(session) for session in machine.sessions]
    if not settings.get("user_names"):
        sessions = [{**session, "name": None} for session in sessions]
    return {"sessions": sessions, "office_running": machine.office_running}


def _systmone(machine: Machine, settings: Settings, now: float) -> dict[str, Any]:
    client, wanted = machine.client(), settings["systmone"]
    listeners = []
    if client.logged_in and client.port == wanted["port"]:
        session = machine.sessions[0].session if machine.sessions else None
        listeners.append(
            {
                "process": "javaw.exe",
                "session": session,
                "folder_matches": key(client.folder) == key(wanted["folder"]),
                "gateway_mode": client.gateway_mode,
            }
        )
    present = client.installed and key(client.folder) == key(wanted["folder"])
    return {"port": wanted["port"], "listeners": listeners, "folder_present": present}


def _connector(machine: Machine, settings: Settings, now: float) -> dict[str, Any]:
    disk, folder = machine.disk, machine.disk.folder(settings["folder"])
    said = read(disk, f"{settings['folder']}\\{MANIFEST}")
    wanted = {one.lower() for one in settings.get("product_ids", ())}
    installed = [asdict(one) for one in machine.installed if one.product_id.lower() in wanted]
    files = [(path, disk.file(path)) for path in settings.get("files", ())]
    notes = read(disk, f"{OURS}\\made.json").get("files", ())
    made = {key(one["path"]): {name: one.get(name) for name in ("sha256", "made_from")} for one in notes}
    return {
        "folder": settings["folder"],
        "present": folder is not None,
        "image": settings["image"],
        "image_present": disk.file(settings["image"]) is not None,
        "version": next((one["version"] for one in installed), None),
        "package_sha256": said.get("sha256"),
        "package_intact": whole(disk, settings["folder"], said, digests=False) if said else None,
        "owner": folder.owner if folder else None,
        "writers": _writers(machine, settings) if folder else None,
        "files": [
            {"path": path, "sha256": file.sha256 if file else None, "made": made.get(key(path))} for path, file in files
        ],
        "processes": _processes(machine, settings),
        "command_lines": True,
        "unowned_connections": 0,
        "installed": installed,
        "other_products": machine.other_products,
    }


def _writers(machine: Machine, settings: Settings) -> list[dict[str, Any]]:
    """Who may write to the Connector's folder or the runtime's."""
    folders = (machine.disk.folder(settings[name]) for name in ("folder", "java_home"))
    rights = {one.sid: one.rights for folder in folders if folder for one in folder.writers}
    return [{"sid": sid, "name": _KNOWN.get(sid), "rights": rights[sid]} for sid in rights]


def _processes(machine: Machine, settings: Settings) -> list[dict[str, Any]]:
    """What may be the Connector: the running services' programs, host and child, and what runs without a service."""
    found = []
    for service in [one for one in machine.services if one.state != "stopped"]:
        host, runs = program(service.path), machine.runs(service)
        ours = service.name.lower() == settings["service"].lower()
        works = machine.is_connector(service)
        if key(host) != key(runs):
            one = _process(machine, settings, host, service.started, works=False)
            found += [one] if one["in_folder"] else []
        parents = [machine.pid(host)] if key(host) != key(runs) else []
        one = {**_process(machine, settings, runs, service.started, works=works), "ancestors": parents}
        found += [one] if one["in_folder"] or one["endpoint_connections"] or (ours and parents) else []
    for loose in machine.loose:
        one = _process(machine, settings, loose.path, loose.started, works=True)
        found.append(
            {**one, "pid": machine.pid(f"log-on {loose.path}"), "session": loose.session, "names_folder": True}
        )
    return found


def _process(machine: Machine, settings: Settings, path: str, started: str | None, *, works: bool) -> dict[str, Any]:
    client, inside = machine.client(), key(path).startswith(key(settings["folder"]) + "\\")
    reached = [one for one in settings.get("endpoints", ()) if works and machine.reaches(path, one)]
    return {
        "pid": machine.pid(path),
        "name": leaf(path),
        "image": path,
        "session": 0,
        "started": started,
        "in_folder": inside,
        "names_folder": inside,
        "ancestors": [],
        "endpoint_connections": len(reached),
        "endpoint_attempts": 0,
        "systmone_connections": int(works and client.logged_in and client.device == "approved"),
    }


def _java(machine: Machine, settings: Settings, now: float) -> dict[str, Any]:
    home = settings["java_home"]
    release = machine.disk.file(f"{home}\\release")
    lines = (release.text or "").splitlines() if release else []
    said = {name: value.strip('"') for name, _, value in (line.partition("=") for line in lines)}
    return {
        "home": home,
        "present": machine.disk.file(f"{home}\\bin\\java.exe") is not None,
        "version": said.get("JAVA_VERSION"),
        "vendor": said.get("IMPLEMENTOR"),
        "architecture": _PROCESSORS.get(said.get("OS_ARCH", ""), said.get("OS_ARCH")),
    }


def _service(machine: Machine, settings: Settings, now: float) -> dict[str, Any]:
    wanted = settings["service"]
    service = machine.service(wanted) if wanted else None
    others = [
        _seen_service(machine, one)
        for one in machine.services
        if one is not service and _names(machine, one, settings["folder"])
    ]
    seen = _seen_service(machine, service) if service else None
    return {"wanted": wanted, "service": seen, "others": others}


def _names(machine: Machine, service: Service, folder: str) -> bool:
    """Whether a service's command, or what its host was told, names the folder."""
    told = (service.path, hosts.told(machine, service)[0] or "")
    return any(re.search(rf"{re.escape(folder)}(?![\w.~$-])", one, re.IGNORECASE) for one in told)


def _seen_service(machine: Machine, service: Service) -> dict[str, Any]:
    (image, host), command = hosts.told(machine, service), program(service.path)
    return {
        "name": service.name,
        "display_name": service.display_name,
        "state": service.state,
        "start_mode": service.start_mode,
        "account": service.account,
        "command": command,
        "image": image,
        "host": host,
        "pid": machine.pid(command) if service.state != "stopped" else None,
        "actions": [asdict(action) for action in service.actions],
        "reset_seconds": service.reset_seconds,
        "on_non_crash": service.on_non_crash,
    }


def _firewall(machine: Machine, settings: Settings, now: float) -> dict[str, Any]:
    profiles: dict[str, Profile] = machine.profiles()
    rules = [_seen_rule(rule) for rule in machine.firewall.rules if _bears(rule, settings)]
    return {
        "service_running": machine.firewall.service_running,
        "profiles": {name: asdict(profile) for name, profile in profiles.items()},
        "rules_read": machine.firewall.others + len(machine.firewall.rules),
        "rules": rules,
    }


def _bears(rule: Rule, settings: Settings) -> bool:
    ours = rule.name.lower() == settings["firewall_name"].lower()
    named = bool(set(rule.remote_addresses) & set(settings.get("endpoints", ())))
    named |= bool(rule.program) and key(rule.program) == key(settings["image"])
    blocks = rule.enabled and rule.action == "block" and rule.direction == "out"
    return ours or named or blocks


def _seen_rule(rule: Rule) -> dict[str, Any]:
    conditions = {"LA4": rule.local_addresses, "IFType": rule.interface_types, "ICMP4": rule.icmp}
    return {
        "id": rule.id,
        "store": rule.store,
        "name": rule.name,
        "group": rule.group or None,
        "enabled": rule.enabled,
        "action": rule.action,
        "direction": rule.direction,
        "protocol": None if rule.protocol == 256 else rule.protocol,
        "remote_addresses": rule.remote_addresses,
        "remote_ports": rule.remote_ports,
        "local_ports": rule.local_ports,
        "program": rule.program or None,
        "service": rule.service or None,
        "profiles": rule.profiles,
        "conditions": sorted(name for name, value in conditions.items() if value),
    }


def _antivirus(machine: Machine, settings: Settings, now: float) -> dict[str, Any]:
    seen, products = machine.seen_defender(), machine.seen_antivirus()
    names = ("running", "mode", "realtime", "tamper_protected", "platform", "managed_by")
    more = ("exclusions_protected", "local_merge_disabled", "exclusions_hidden")
    hidden = seen.exclusions_hidden
    defender = {name: getattr(seen, name) for name in (*names, *more)}
    defender["path_exclusions"] = None if hidden else sorted(seen.paths + seen.managed_paths)
    defender["process_exclusions"] = None if hidden else sorted(seen.processes)
    excluded = machine.excluded(settings["image"]) if seen.running else None
    reason = "Defender says that there is no such file yet" if seen.running else "Defender does not run here"
    return {
        "products": None if products is None else [asdict(one) for one in products],
        "defender": defender,
        "effective": {"path": settings["image"], "excluded": excluded, "reason": reason if excluded is None else None},
    }


def _endpoints(machine: Machine, settings: Settings, now: float) -> dict[str, Any]:
    results = [_measured(machine, address) for address in settings.get("endpoints", ())]
    return {"measured_at": stamp(now), "results": results}


def _measured(machine: Machine, address: str) -> dict[str, Any]:
    if not machine.reaches(_POWERSHELL, address):
        nothing = dict.fromkeys(("tls", "milliseconds", "subject", "issuer", "not_after", "trusted"))
        return {"address": address, "tcp": False, **nothing, "error": "no answer after 12 s"}
    return {
        "address": address,
        "tcp": True,
        "tls": True,
        "milliseconds": 9 + zlib.crc32(f"{machine.name}/{address}".encode()) % 50,
        "subject": "CN=connect.example.net",
        "issuer": "CN=Example Public CA 4, O=Example Trust",
        "not_after": "2027-08-31T23:59:59Z",
        "trusted": True,
        "error": None,
    }


def _reboot(machine: Machine, settings: Settings, now: float) -> dict[str, Any]:
    reasons = machine.reboot_reasons + ["Windows Update: RebootRequired"] * ("reboot_pending" in machine.faults)
    return {"pending": bool(reasons), "reasons": sorted(set(reasons))}


def _clock(machine: Machine, settings: Settings, now: float) -> dict[str, Any]:
    return {
        "utc": _moment(machine.clock(now)),
        "time_zone": "GMT Standard Time",
        "source": "the domain" if machine.identity.domain_joined else "NTP: time.windows.com,0x9",
        "service_running": True,
    }


def _winrm(machine: Machine, settings: Settings, now: float) -> dict[str, Any]:
    return {
        "listeners": [asdict(listener) for listener in machine.listeners],
        "max_shells_per_user": 30,
        "max_memory_mb": 2048,
        "basic": True,
        "allow_unencrypted": machine.allow_unencrypted,
        "local_account_filter": True,
    }


def _ours(machine: Machine, settings: Settings, now: float) -> dict[str, Any]:
    marker = machine.disk.file(f"{OURS}\\marker.json")
    # The role notes an installer without its number, because Ansible does not tell it: here the lab knows better.
    unfinished = [{"pid": one.pid, "what": one.what, "started": one.started} for one in machine.installers]
    kept = sum(1 for _ in machine.disk.under(f"{OURS}\\kept"))
    return {
        "marker": _read_marker(marker.text, now) if marker and marker.text else None,
        "unfinished": unfinished,
        "kept": kept,
    }


def _read_marker(text: str, now: float) -> dict[str, Any] | None:
    """A marker, and for how long it stands yet by the machine's own clock; without a time of its own, for nobody knows
    how long."""
    try:
        said = json.loads(text)
        marker: dict[str, Any] = {name: str(said.get(name, "")) for name in ("journal", "step")}
    except (ValueError, AttributeError):
        return None
    try:
        since = datetime.strptime(str(said.get("since")), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
        left = math.ceil(since + 60 * int(said["minutes"]) - now)
    except (ValueError, KeyError, TypeError):
        left = None
    return {**marker, "seconds_left": left}


def _moment(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


SECTIONS: dict[str, Callable[[Machine, Settings, float], dict[str, Any]]] = {
    "identity": _identity,
    "account": _account,
    "windows": _windows,
    "hardware": _hardware,
    "disk": _disk,
    "memory": _memory,
    "screen": _screen,
    "power": _power,
    "users": _users,
    "systmone": _systmone,
    "connector": _connector,
    "java": _java,
    "service": _service,
    "firewall": _firewall,
    "antivirus": _antivirus,
    "endpoints": _endpoints,
    "reboot": _reboot,
    "clock": _clock,
    "winrm": _winrm,
    "ours": _ours,
}
