"""Which texts can be a gateway's name, address, port and path."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9_-])?")
_NETBIOS = 15
# Names that mean something else to Ansible.
_TAKEN = frozenset({"all", "ungrouped", "localhost", "_meta"})
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
# As the system's own look-up takes a number too: 0x7f000001 is 127.0.0.1 to it.
_NUMBERS = re.compile(r"[0-9.]+|(.*\.)?0x[0-9a-f]*\.?", re.I)


def short(name: str) -> str:
    """A PC's name without its domain, in small letters."""
    return name.strip().partition(".")[0].lower()


def netbios(name: str) -> str:
    """A PC's name as it gives it itself: a longer one is cut [docs/windows.md, "identity"]."""
    return short(name)[:_NETBIOS]


def why_not_name(name: str) -> str:
    """Why this cannot name a gateway; "" where it can. It becomes part of files, addresses and Ansible's inventory."""
    if not _NAME.fullmatch(name):
        return f"{name!r} cannot name a gateway: up to 63 letters, digits and . _ - and a letter or digit first."
    if name.lower() in _TAKEN:
        return f"{name} cannot name a gateway: to Ansible it means something else."
    return ""


def why_not_address(text: str) -> tuple[str, str]:
    """Why this cannot be a gateway's address, and what to do; both "" where it can."""
    address = _parsed(text)
    if address is None:
        return _why_not_host(text)
    if address.is_unspecified or address.is_multicast or text == "255.255.255.255":
        return f"{text} is no computer's address.", "Give the gateway's own."
    if address.is_link_local:
        return f"{text} is a link-local address, which no router passes on.", "Has the PC no address of its network?"
    return "", ""


def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own."""
    parsed = _parsed(address)
    return parsed.is_loopback if parsed else address.lower().rstrip(".") in {"localhost", "localhost.localdomain"}


def is_for_tests(address: str) -> bool:
    """Whether it is a name that can be nobody's outside a test (RFC 6761, 6.2 and 6.3): where a domain stands on this
    machine, its pretend gateways have such names."""
    return address.lower().rstrip(".").endswith((".test", ".localhost"))


def is_number(address: str) -> bool:
    """Whether it is an IP address and no name."""
    return _parsed(address) is not None


def is_127(address: str) -> bool:
    """Whether an address is in 127.0.0.0/8."""
    return isinstance(parsed := _parsed(address), IPv4Address) and parsed.is_loopback


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # One of IPv4, written as one of IPv6, is that one.
    return getattr(address, "ipv4_mapped", None) or address


def _why_not_host(text: str) -> tuple[str, str]:
    if "://" in text or "/" in text:
        return f"{text!r} is not an address.", "Give the name or address alone; WinRM's path has a column `path`."
    if _NUMBERS.fullmatch(text):
        return f"{text} is not a whole IPv4 address.", "It has four numbers of 0 to 255, without leading zeros."
    if text.count(":") == 1:
        return f"{text!r} is not an address.", "The port has a column of its own, `port`."
    labels = text.removesuffix(".").split(".")
    if len(text) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        return f"{text!r} is neither an IP address nor a computer's name.", "Look for blanks and stray characters."
    if labels[-1].isdigit():
        return f"{text!r} is neither an IP address nor a computer's name.", "A name does not end in a number alone."
    return "", ""
