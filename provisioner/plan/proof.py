"""What a step leaves on a gateway, as a reading shows it: by this an undo is proved, and carried files. Pure."""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from provisioner.model import Evidence, Step
from provisioner.model.accounts import account_key
from provisioner.model.product import PRODUCT

_UNTOLD = object()
_STOPPED = ("stopped", "stop_pending")


def trace(step: Step, evidence: Evidence) -> str:
    """The fingerprint of what a reading shows of a step's own work, and of nothing else on the gateway.

    "" where the reading lacks a section that would show it, or says in it that it cannot tell.
    """
    sections, values = evidence.sections, step.values
    needed = _SECTIONS[step.role]
    if any(name not in sections for name in needed):
        return ""
    shown = _SHOWN[step.role](sections, values)
    if shown is _UNTOLD:
        return ""
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()[:16]


def carried(step: Step, reading: Mapping[str, Evidence]) -> bool:
    """Whether the files that a step carries are on both gateways, byte for byte, by their SHA-256."""
    paths = list(step.values["carry_paths"])
    here = _digests(reading.get(step.gateway), paths)
    there = _digests(reading.get(str(step.values["carry_from"])), paths)
    return None not in here and here == there


def _digests(evidence: Evidence | None, paths: list[str]) -> list[str | None]:
    connector = evidence.sections.get("connector") if evidence and not evidence.error else None
    known = {one["path"].lower(): one["sha256"] for one in connector["files"]} if connector else {}
    return [known.get(path.lower()) for path in paths]


def _service(sections: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    found = sections["service"]["service"]
    if found is None:
        return None
    shown = {name: found[name] for name in _SERVICE} | {"account": account_key(found["account"] or "")}
    # One that is put back is not made to start by itself: Windows would start it past every fence.
    mode = "disabled" if found["start_mode"] == "disabled" else "enabled"
    return {**shown, "running": found["state"] not in _STOPPED, "mode": mode}


_SERVICE = ("name", "display_name", "command", "image", "account", "actions", "reset_seconds", "on_non_crash")


def _firewall(sections: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    ours = [rule for rule in sections["firewall"]["rules"] if rule["name"].lower() == PRODUCT.firewall_rule.lower()]
    rules = [{name: rule[name] for name in sorted(rule) if name != "id"} for rule in ours if rule["store"] == "local"]
    for rule in rules:
        rule["remote_addresses"] = sorted(rule["remote_addresses"])
    return sorted(rules, key=lambda rule: json.dumps(rule, sort_keys=True))


def _antivirus(sections: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    defender, asked = sections["antivirus"]["defender"], sections["antivirus"]["effective"]
    if defender is None:
        return None
    paths, processes = defender["path_exclusions"], defender["process_exclusions"]
    shown = {
        "paths": {one: _excluded(one, paths, asked) for one in values["antivirus_paths"]},
        "processes": {one: _excluded(one, processes, {}) for one in values["antivirus_processes"]},
    }
    return _UNTOLD if any(None in one.values() for one in shown.values()) else shown


def _excluded(one: str, listed: list[str] | None, asked: Mapping[str, Any]) -> bool | None:
    """Whether it is excluded: by the list; where that is hidden by what Defender was asked; None for not known."""
    if listed is not None:
        return one.lower() in {each.lower() for each in listed}
    return asked["excluded"] if str(asked.get("path")).lower() == one.lower() else None


def _power(sections: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    return {name: sections["power"][name] for name in ("sleep_seconds", "hibernate_seconds")}


def _java(sections: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    return {name: sections["java"][name] for name in ("present", "version", "vendor", "architecture")}


def _connector(sections: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    found = sections["connector"]
    made = {file["path"].lower() for file in values.get("connector_files") or ()}
    files = {one["path"].lower(): one["sha256"] for one in found["files"] if one["path"].lower() in made}
    return {"package": found["package_sha256"], "version": found["version"], "files": files}


def _carry(sections: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    known = {one["path"].lower(): one["sha256"] for one in sections["connector"]["files"]}
    return {path: known.get(path.lower()) for path in values["carry_paths"]}


_SECTIONS: Mapping[str, tuple[str, ...]] = {
    "service": ("service",),
    "firewall": ("firewall",),
    "antivirus": ("antivirus",),
    "power": ("power",),
    "java": ("java",),
    "connector": ("connector",),
    "carry": ("connector",),
}
_SHOWN: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], Any]] = {
    "service": _service,
    "firewall": _firewall,
    "antivirus": _antivirus,
    "power": _power,
    "java": _java,
    "connector": _connector,
    "carry": _carry,
}
