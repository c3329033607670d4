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
    rules = [rule for rule in machine.firewall.rules if rule.store == "local" and _chosen(rule, args)]
    if args["state"] == "absent":
        answer, lines = _absent(machine, args, rules, check)
    elif rules:
        answer, lines = _change(machine, args, wanted, rules, check)
    elif args["name"]:
        answer, lines = _create(machine, wanted, check)
    else:
        answer, lines = {"changed": False}, []
    if call.diff:
        answer["diff"] = {"prepared": "".join(f"{line}\n" for line in lines)}
    return answer


def _chosen(rule: Rule, args: Mapping[str, str | None]) -> bool:
    # PowerShell's -eq takes no account of case.
    name, group = args["name"] or "", args["group"] or ""
    return rule.name.lower() == name.lower() if name else rule.group.lower() == group.lower()


def _wanted(machine: Machine, args: Mapping[str, Any]) -> Rule:
    name, protocol = args["name"] or "", _protocol(args["protocol"])
    icmp = ",".join(str(kind) for kind in args["icmp_type_code"] or ())
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


def _protocol(text: str | None) -> int:
    if text is None or text.lower() == "any":
        return 256
    if text.isdigit():
        return int(text)
    number = next((known for name, known in _PROTOCOLS.items() if text.lower() == name), None)
    if number is None and text.lower().startswith("icmpv"):
        number = 58 if text.lower().startswith("icmpv6") else 1
    if number is None:
        raise Failed(f"Unknown protocol '{text}'.")
    return number


def _profiles(names: list[str] | None) -> list[str]:
    for name in names or ():
        if name.lower() not in _BITS:
            raise Failed(f"Unknown profile '{name}'.")
    chosen = sorted({name.lower() for name in names or ()}, key=list(_BITS).index)
    return [] if len(chosen) == len(_BITS) else chosen


def _interfaces(names: list[str] | None) -> list[str]:
    named = {name.lower() for name in names or ()}
    if not named or named == {"any"}:
        return []
    for name in names or ():
        if name.lower() not in _INTERFACES:
            raise Failed(f"Unknown interface type '{name}'.")
    return sorted(_INTERFACES[name] for name in named)


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
    "Description": (lambda rule: rule.description, "description", "description"),
    "Direction": (lambda rule: str(1 if rule.direction == "in" else 2), "direction", "direction"),
    "Action": (lambda rule: str(int(rule.action == "allow")), "action", "action"),
    "ApplicationName": (lambda rule: rule.program, "program", "program"),
    "Grouping": (lambda rule: rule.group, "group", "group"),
    "ServiceName": (lambda rule: rule.service, "service", "service"),
    "Enabled": (lambda rule: str(rule.enabled), "enabled", "enabled"),
    "Profiles": (lambda rule: str(sum(_BITS[name] for name in rule.profiles) or _ALL_PROFILES), "profiles", "profiles"),
    "LocalAddresses": (lambda rule: _addresses(rule.local_addresses), "local_addresses", "localip"),
    "RemoteAddresses": (lambda rule: _addresses(rule.remote_addresses), "remote_addresses", "remoteip"),
    "LocalPorts": (lambda rule: ",".join(rule.local_ports), "local_ports", "localport"),
    "RemotePorts": (lambda rule: ",".join(rule.remote_ports), "remote_ports", "remoteport"),
    "Protocol": (lambda rule: str(rule.protocol), "protocol", "protocol"),
    "InterfaceTypes": (lambda rule: ",".join(rule.interface_types) or "All", "interface_types", "interfacetypes"),
    "EdgeTraversalOptions": (lambda rule: str(rule.edge), "edge", "edge"),
    "SecureFlags": (lambda rule: str(rule.secure), "secure", "security"),
    "IcmpTypesAndCodes": (lambda rule: rule.icmp, "icmp", "icmp_type_code"),
}


def _addresses(addresses: list[str]) -> str:
    full = (
        address if set(address) & set("/-:") or not address[:1].isdigit() else f"{address}/255.255.255.255"
        for address in addresses
    )
    return ",".join(full) or "*"


def _lines(sign: str, rule: Rule) -> list[str]:
    properties = [f"{sign}{name}='{show(rule)}'" for name, (show, _, _) in _PROPERTIES.items()]
    return [f"{sign}[{rule.name}]", *properties]


def _absent(
    machine: Machine, args: Mapping[str, Any], rules: list[Rule], check: bool
) -> tuple[dict[str, Any], list[str]]:
    if not rules:
        name, group = args["name"], args["group"]
        message = f"Firewall rule '{name}' does not exist." if name else f"No firewall rules in group '{group}' exist."
        return {"changed": False, "msg": message}, []
    lines = [line for rule in rules for line in _lines("-", rule)]
    if not check:
        for rule in rules:
            machine.firewall.rules.remove(rule)
            machine.happened("rule_removed", rule=rule.name)
    names = "', '".join(rule.name for rule in rules)
    return {"changed": True, "msg": f"Firewall rule(s) '{names}' removed."}, lines


def _create(machine: Machine, wanted: Rule, check: bool) -> tuple[dict[str, Any], list[str]]:
    if not check:
        machine.firewall.rules.append(wanted)
        machine.happened("rule_added", rule=wanted.name)
    return {"changed": True, "msg": f"Firewall rule '{wanted.name}' created."}, _lines("+", wanted)


def _change(
    machine: Machine, args: Mapping[str, Any], wanted: Rule, rules: list[Rule], check: bool
) -> tuple[dict[str, Any], list[str]]:
    changed: list[str] = []
    unchanged: list[str] = []
    lines: list[str] = []
    for rule in rules:
        lines.append(f"[{rule.name}]")
        differs = [name for name, (_, _, argument) in _PROPERTIES.items() if args[argument] is not None]
        differs = [name for name in differs if not _same(name, rule, wanted)]
        for name in differs:
            show, attribute, _ = _PROPERTIES[name]
            lines += [f"-{name}='{show(rule)}'", f"+{name}='{show(wanted)}'"]
            if not check:
                _set(rule, name, attribute, getattr(wanted, attribute))
        (changed if differs else unchanged).append(rule.name)
        if differs and not check:
            machine.happened("rule_changed", rule=rule.name, properties=differs)
    message = f"Firewall rule(s) changed '{_quoted(changed)}' - unchanged '{_quoted(unchanged)}'"
    return {"changed": bool(changed), "msg": message}, lines


def _set(rule: Rule, name: str, attribute: str, value: Any) -> None:
    # Windows refuses ports without a protocol that has them; what was set before stays set.
    portless = rule.protocol not in _PROTOCOLS.values() if name.endswith("Ports") else False
    if name == "Protocol":
        portless = value not in _PROTOCOLS.values() and bool(rule.local_ports or rule.remote_ports)
    if portless and value:
        raise _refused(name)
    setattr(rule, attribute, value)


def _quoted(names: list[str]) -> str:
    return "', '".join(names)


def _same(name: str, rule: Rule, wanted: Rule) -> bool:
    show = _PROPERTIES[name][0]
    before, after = show(rule).lower(), show(wanted).lower()
    if name.endswith("Addresses"):
        return sorted(before.split(",")) == sorted(after.split(","))
    return before == after
