"""The addresses of a Windows firewall rule, as the registry, COM and the cmdlets write them."""

import functools
import ipaddress
from collections.abc import Sequence

# Words that Windows takes in place of addresses and that reach beyond the local network.
_ANYWHERE = frozenset({"*", "any", "internet", "0.0.0.0/0", "0.0.0.0/0.0.0.0", "0.0.0.0-255.255.255.255"})


def covers(written: Sequence[str], address: str) -> bool:
    """Whether a rule's remote addresses hold an IPv4 address. An empty list holds every address."""
    return not written or any(_holds(given, address) for given in written)


def is_any(written: Sequence[str]) -> bool:
    """Whether a rule's remote addresses are no restriction at all."""
    return not written or any(given.strip().lower() in _ANYWHERE for given in written)


# Gateways of one estate have the same few rules, and ipaddress is slow.
@functools.lru_cache(maxsize=4096)
def _holds(written: str, address: str) -> bool:
    """One entry: an address, address/mask, address/bits, first-last, or a word such as LocalSubnet, which never holds
    an address of the vendor's."""
    text = written.strip().lower()
    if text in _ANYWHERE:
        return True
    wanted = ipaddress.IPv4Address(address)
    try:
        if "-" in text:
            first, last = (ipaddress.IPv4Address(part.strip()) for part in text.split("-", 1))
            return first <= wanted <= last
        return wanted in ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        return False


def ports_cover(written: Sequence[str], port: int) -> bool:
    """Whether a rule's ports hold a port: numbers, first-last, or a word. An empty list holds every port."""
    return ports_cross(written, port, port)


def ports_cross(written: Sequence[str], first: int, last: int) -> bool:
    """Whether a rule's ports hold any of a range."""
    return not written or any(_port_holds(given.strip(), first, last) for given in written)


def _port_holds(written: str, first: int, last: int) -> bool:
    if written.lower() in ("*", "any"):
        return True
    low, _, high = (part.strip() for part in written.partition("-"))
    if not (low.isdecimal() and (high or low).isdecimal()):
        return False
    return int(low) <= last and int(high or low) >= first
