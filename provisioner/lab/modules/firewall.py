"""community.windows.win_firewall_rule, over a pretend HNetCfg.FwPolicy2."""

import ipaddress
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from provisioner.lab.modules.arguments import Call, Failed, Option, Spec
from provisioner.lab.windows import variables
from provisioner.lab.windows.machine import Machine
from provisioner.lab.windows.state import Rule

SPEC: Spec = {
    "name": Option(),
    "description": Option(),
    "direction": Option(choices=("in", "out")),
    "action": Option(choices=("allow", "block")),
    "program": Option(),
    "group": Option(),
    "service": Option(),
    "enabled": Option(kind="bool", aliases=("enable",)),
    "profiles": Option(kind="list", elements="str", aliases=("profile",)),
    "localip": Option(),
    "remoteip": Option(),
    "localport": Option(),
    "remoteport": Option(),
    "protocol": Option(),
    "interfacetypes": Option(kind="list", elements="str"),
    "edge": Option(choices=("no", "yes", "deferapp", "deferuser")),
    "security": Option(choices=("notrequired", "authnoencap", "authenticate", "authdynenc", "authenc")),
    "icmp_type_code": Option(kind="list"),
    "state": Option(default="present", choices=("present", "absent")),
}

_PROTOCOLS = {"tcp": 6, "udp": 17}
_ICMP = (1, 58)
_INTERFACES = {"wireless": "Wireless", "lan": "Lan", "ras": "RemoteAccess"}
_EDGES = ("no", "yes", "deferapp", "deferuser")
_SECURITY = ("notrequired", "authnoencap", "authenticate", "authdynenc", "authenc")
_OUT_OF_RANGE = "Value does not fall within the expected range."
_ALL_PROFILES = 0x7FFFFFFF
# Such as LocalSubnet, DNS or PlayToDevice.
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_BITS = {"domain": 1, "private": 2, "public": 4}


def win_firewall_rule(call: Call) -> dict[str, Any]:
    """Make, change or remove the rules of that name, or of that group."""
    machine, args, check = call.machine, call.args, call.check
    if not args["name"] and not args["group"]:
        raise Failed("Either name or group must be specified")
    wanted = _wanted(machine, args)
    found = [one for one in machine.firewall.rules if one.store == "local" and _chosen(one, args)]
    if args["state"] == "absent":
        answer, lines = _absent(machine, args, found, check)
    elif found:
        answer, lines = _change(machine, args, wanted, found, check)
    elif args["name"]:
        answer, lines = _create(machine, wanted, check)
    else:
        answer, lines = {"changed": False}, []
    if call.diff:
        answer["diff"] = {"prepared": "".join(f"{line}\n" for line in lines)}
    return answer


def _chosen(one: Rule, args: Mapping[str, str | None]) -> bool:
    # PowerShell's -eq takes no account of case.
    name, group = args["name"] or "", args["group"] or ""
    return one.name.lower() == name.lower() if name else one.group.lower() == group.lower()


def _wanted(machine: Machine, args: Mapping[str, Any]) -> Rule:
    name, protocol = args["name"] or "", _protocol(args["protocol"])
    icmp = ",".join(str(one) for one in args["icmp_type_code"] or ())
    if icmp.lower() not in ("", "any") and protocol not in _ICMP:
        raise _refused("IcmpTypesAndCodes")
    return Rule(
        id="{" + str(uuid.uuid5(uuid.NAMESPACE_OID, f"{machine.name}/{name}")).upper() + "}",
        name=name,
        group=args["group"] or "",
        description=args["description"] or "",
        enabled=args["enabled"] is not False,
        action=args["action"] or "allow",
        direction=args["direction"] or "in",
        protocol=protocol,
        local_ports=_ports("LocalPorts", args["localport"], protocol),
        remote_ports=_ports("RemotePorts", args["remoteport"], protocol),
        local_addresses=_address_list("LocalAddresses", args["localip"]),
        remote_addresses=_address_list("RemoteAddresses", args["remoteip"]),
        program=variables.expand(machine, _any(args["program"])),
        service=_any(args["service"]),
        profiles=_profiles(args["profiles"]),
        interface_types=_interfaces(args["interfacetypes"]),
        edge=_EDGES.index(args["edge"] or "no"),
        secure=_SECURITY.index(args["security"] or "notrequired"),
        icmp="" if icmp.lower() == "any" else icmp,
    )


def _protocol(said: str | None) -> int:
    if said is None or said.lower() == "any":
        return 256
    if said.isdigit():
        return int(said)
    found = next((number for name, number in _PROTOCOLS.items() if said.lower() == name), None)
    if found is None and said.lower().startswith("icmpv"):
        found = 58 if said.lower().startswith("icmpv6") else 1
    if found is None:
        raise Failed(f"Unknown protocol '{said}'.")
    return found


def _profiles(said: list[str] | None) -> list[str]:
    for one in said or ():
        if one.lower() not in _BITS:
            raise Failed(f"Unknown profile '{one}'.")
    chosen = sorted({one.lower() for one in said or ()}, key=list(_BITS).index)
    return [] if len(chosen) == len(_BITS) else chosen


def _interfaces(said: list[str] | None) -> list[str]:
    named = {one.lower() for one in said or ()}
    if not named or named == {"any"}:
        return []
    for one in said or ():
        if one.lower() not in _INTERFACES:
            raise Failed(f"Unknown interface type '{one}'.")
    return sorted(_INTERFACES[one] for one in named)


def _ports(name: str, said: str | None, protocol: int) -> list[str]:
    """Ports as the COM object takes them: of a protocol that has them only."""
    if said is None or said.lower() in ("any", "*"):
        return []
    if protocol not in _PROTOCOLS.values():
        raise _refused(name)
    return [part.strip() for part in said.split(",")]


def _address_list(name: str, said: str | None) -> list[str]:
    """Addresses as the registry keeps them: a network with its mask, however it was written; words in any case."""
    if said is None or said.lower() in ("any", "*"):
        return []
    try:
        return [_address(part.strip()) for part in said.split(",")]
    except ValueError:
        raise _refused(name) from None


def _address(text: str) -> str:
    first, dash, last = text.partition("-")
    if _WORD.fullmatch(text):
        return text
    if dash:
        return f"{ipaddress.ip_address(first)}-{ipaddress.ip_address(last)}"
    network = ipaddress.ip_network(text, strict=False)
    if network.num_addresses == 1:
        return str(network.network_address)
    return network.with_netmask if network.version == 4 else str(network)


def _refused(name: str) -> Failed:
    return Failed(f'Exception setting "{name}": "{_OUT_OF_RANGE}"')


def _any(said: str | None) -> str:
    return "" if said is None or said.lower() == "any" else said


# How the COM object shows a rule: the property, how it reads, and the argument that sets it.
_PROPERTIES: dict[str, tuple[Callable[[Rule], str], str, str]] = {
    "Description": (lambda one: one.description, "description", "description"),
    "Direction": (lambda one: str(1 if one.direction == "in" else 2), "direction", "direction"),
    "Action": (lambda one: str(int(one.action == "allow")), "action", "action"),
    "ApplicationName": (lambda one: one.program, "program", "program"),
    "Grouping": (lambda one: one.group, "group", "group"),
    "ServiceName": (lambda one: one.service, "service", "service"),
    "Enabled": (lambda one: str(one.enabled), "enabled", "enabled"),
    "Profiles": (lambda one: str(sum(_BITS[name] for name in one.profiles) or _ALL_PROFILES), "profiles", "profiles"),
    "LocalAddresses": (lambda one: _addresses(one.local_addresses), "local_addresses", "localip"),
    "RemoteAddresses": (lambda one: _addresses(one.remote_addresses), "remote_addresses", "remoteip"),
    "LocalPorts": (lambda one: ",".join(one.local_ports), "local_ports", "localport"),
    "RemotePorts": (lambda one: ",".join(one.remote_ports), "remote_ports", "remoteport"),
    "Protocol": (lambda one: str(one.protocol), "protocol", "protocol"),
    "InterfaceTypes": (lambda one: ",".join(one.interface_types) or "All", "interface_types", "interfacetypes"),
    "EdgeTraversalOptions": (lambda one: str(one.edge), "edge", "edge"),
    "SecureFlags": (lambda one: str(one.secure), "secure", "security"),
    "IcmpTypesAndCodes": (lambda one: one.icmp, "icmp", "icmp_type_code"),
}


def _addresses(addresses: list[str]) -> str:
    full = (one if set(one) & set("/-:") or not one[:1].isdigit() else f"{one}/255.255.255.255" for one in addresses)
    return ",".join(full) or "*"


def _lines(sign: str, one: Rule) -> list[str]:
    shown = [f"{sign}{name}='{show(one)}'" for name, (show, _, _) in _PROPERTIES.items()]
    return [f"{sign}[{one.name}]", *shown]


def _absent(
    machine: Machine, args: Mapping[str, Any], found: list[Rule], check: bool
) -> tuple[dict[str, Any], list[str]]:
    if not found:
        name, group = args["name"], args["group"]
        said = f"Firewall rule '{name}' does not exist." if name else f"No firewall rules in group '{group}' exist."
        return {"changed": False, "msg": said}, []
    lines = [line for one in found for line in _lines("-", one)]
    if not check:
        for one in found:
            machine.firewall.rules.remove(one)
            machine.happened("rule_removed", rule=one.name)
    names = "', '".join(one.name for one in found)
    return {"changed": True, "msg": f"Firewall rule(s) '{names}' removed."}, lines


def _create(machine: Machine, wanted: Rule, check: bool) -> tuple[dict[str, Any], list[str]]:
    if not check:
        machine.firewall.rules.append(wanted)
        machine.happened("rule_added", rule=wanted.name)
    return {"changed": True, "msg": f"Firewall rule '{wanted.name}' created."}, _lines("+", wanted)


def _change(
    machine: Machine, args: Mapping[str, Any], wanted: Rule, found: list[Rule], check: bool
) -> tuple[dict[str, Any], list[str]]:
    changed: list[str] = []
    unchanged: list[str] = []
    lines: list[str] = []
    for one in found:
        lines.append(f"[{one.name}]")
        differs = [name for name, (_, _, argument) in _PROPERTIES.items() if args[argument] is not None]
        differs = [name for name in differs if not _same(name, one, wanted)]
        for name in differs:
            show, attribute, _ = _PROPERTIES[name]
            lines += [f"-{name}='{show(one)}'", f"+{name}='{show(wanted)}'"]
            if not check:
                _set(one, name, attribute, getattr(wanted, attribute))
        (changed if differs else unchanged).append(one.name)
        if differs and not check:
            machine.happened("rule_changed", rule=one.name, properties=differs)
    said = f"Firewall rule(s) changed '{_quoted(changed)}' - unchanged '{_quoted(unchanged)}'"
    return {"changed": bool(changed), "msg": said}, lines


def _set(one: Rule, name: str, attribute: str, value: Any) -> None:
    # Windows refuses ports without a protocol that has them; what was set before stays set.
    portless = one.protocol not in _PROTOCOLS.values() if name.endswith("Ports") else False
    if name == "Protocol":
        portless = value not in _PROTOCOLS.values() and bool(one.local_ports or one.remote_ports)
    if portless and value:
        raise _refused(name)
    setattr(one, attribute, value)


def _quoted(names: list[str]) -> str:
    return "', '".join(names)


def _same(name: str, one: Rule, wanted: Rule) -> bool:
    show = _PROPERTIES[name][0]
    before, after = show(one).lower(), show(wanted).lower()
    if name.endswith("Addresses"):
        return sorted(before.split(",")) == sorted(after.split(","))
    return before == after
