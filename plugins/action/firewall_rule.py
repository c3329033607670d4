"""The work of the role `firewall`."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from provisioner.ansible.work import Values, Work

_MODULE = "community.windows.win_firewall_rule"
# What the module sets only where it is told, and cannot take away.
_FIXED = (
    *("Direction", "Protocol", "LocalPorts", "LocalAddresses", "ServiceName", "InterfaceTypes"),
    *("EdgeTraversalOptions", "SecureFlags", "IcmpTypesAndCodes"),
)
# As Windows says that something does not matter.
_ANY = re.compile(r"\*|All|0")
_ONE_ADDRESS = re.compile(r"/255\.255\.255\.255(?=,|$)")
_KINDS = {"Wireless": "wireless", "Lan": "lan", "RemoteAccess": "ras"}
_EDGES = ("", "yes", "deferapp", "deferuser")
_SECURITY = ("", "authnoencap", "authenticate", "authdynenc", "authenc")


class ActionModule(Work):
    """The action `firewall_rule`: the Connector's one outbound rule. All of it is in one rule, because the module looks
    at every rule of the PC each time."""

    SPEC: ClassVar[Values] = {
        "state": {"type": "str", "choices": ["present", "absent", "restored"], "default": "present"},
        "name": {"type": "str", "required": True},
        "group": {"type": "str", "required": True},
        "program": {"type": "str", "required": True},
        "addresses": {"type": "list", "elements": "str", "required": True},
        "before": {"type": "dict", "default": {}},
    }

    def act(self, given: Values) -> Values:
        """Errors: Failed; nothing was changed where what was there cannot be put back."""
        before = given["before"]
        if given["state"] != "restored":
            found = self._found(given, stays=given["state"] == "present", was={})
            self.do("The Connector's one outbound rule", _MODULE, **_wanted(given))
            return found
        why = (
            "nothing is known of what was there before"
            if before.get("exists") is None
            else f"there were {before['rules']} rules of that name, of which one was made"
            if before.get("rules", 1) > 1
            else ""
        )
        if why:
            words = f"The rule {given['name']} cannot be put back as it was: {why}. Nothing was changed."
            raise self.refused("Refuse what cannot be undone", words)
        was = before.get("changed") or {}
        found = self._found(given, stays=before["exists"], was=was)
        self.do("The rule as it was", _MODULE, **_as_it_was(given, before["exists"], was))
        return found

    def _found(self, given: Values, *, stays: bool, was: Values) -> Values:
        """What is there, told before anything is changed; and room where the rule cannot be made of it. `stays`: there
        is to be a rule; `was`: what it had that ours has not."""
        # The difference is the only way in which the module tells of a rule.
        asked = self.do(
            "Look at all that the rules of that name say",
            _MODULE,
            check=True,
            diff=True,
            name=given["name"],
            state="absent",
        )
        said = asked["diff"]["prepared"]
        found = {
            "exists": said != "",
            "rules": len(re.findall(r"(?m)^-\[", said)),
            "changed": dict(re.findall(r"(?m)^-(\w+)='(.*)'\r?$", said)),
        }
        self.found(found)
        # The module sets what it is told, and cannot take away what it is not: other ports here, a service, kinds of
        # network. Nor does it make one rule of two. And Windows takes ports only once the protocol has them, which the
        # module sets after them: a rule of another protocol would be left half changed.
        # https://learn.microsoft.com/windows/win32/api/netfw/nf-netfw-inetfwrule-put_remoteports
        there, told = found["changed"], {"Direction": "2", "Protocol": "6", **was}
        if stays and found["exists"] and (found["rules"] > 1 or _fixed(there) != _fixed(told)):
            part = "Make room where the rule cannot be made of what is there"
            self.do(part, _MODULE, diff=True, name=given["name"], state="absent")
        return found


def _fixed(rule: Values) -> list[str]:
    values = (str(rule.get(name, "")) for name in _FIXED)
    return ["" if _ANY.fullmatch(value) else value for value in values]


def _wanted(given: Values) -> dict[str, Any]:
    return {
        "name": given["name"],
        "group": given["group"],
        "direction": "out",
        "action": "allow",
        "protocol": "tcp",
        "remoteport": "443",
        "remoteip": ",".join(given["addresses"]),
        "program": given["program"],
        "profiles": ["domain", "private", "public"],
        "enabled": True,
        "state": given["state"],
    }


def _as_it_was(given: Values, exists: bool, was: Values) -> dict[str, Any]:
    """All was told, as Windows has it; by earlier releases only what differed from the role's own."""
    profiles = int(was.get("Profiles", 7))
    kinds = [_KINDS[kind] for kind in was.get("InterfaceTypes", "").split(",") if kind in _KINDS]
    return {
        "name": given["name"],
        "group": was.get("Grouping", given["group"]),
        "description": was.get("Description") or None,
        "direction": {"1": "in", "2": "out"}[was.get("Direction", "2")],
        "action": {"0": "block", "1": "allow"}[was.get("Action", "1")],
        "protocol": was.get("Protocol", "6").replace("256", "any"),
        "localport": was.get("LocalPorts", "").replace("*", "") or None,
        "remoteport": was.get("RemotePorts", "443").replace("*", "") or "any",
        "localip": _addresses(was.get("LocalAddresses", "")) or None,
        "remoteip": _addresses(was.get("RemoteAddresses", ",".join(given["addresses"]))) or "any",
        "program": was.get("ApplicationName", given["program"]) or "any",
        "service": was.get("ServiceName") or None,
        "profiles": [name for bit, name in ((1, "domain"), (2, "private"), (4, "public")) if profiles & bit],
        "interfacetypes": kinds or None,
        "edge": _EDGES[int(was.get("EdgeTraversalOptions", 0))] or None,
        "security": _SECURITY[int(was.get("SecureFlags", 0))] or None,
        "icmp_type_code": [code for code in was.get("IcmpTypesAndCodes", "").split(",") if code] or None,
        "enabled": was.get("Enabled", "True") == "True",
        "state": "present" if exists else "absent",
    }


def _addresses(listed: str) -> str:
    """One address comes as a network of one."""
    return _ONE_ADDRESS.sub("", listed).replace("*", "")
