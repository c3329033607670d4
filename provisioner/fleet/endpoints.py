"""Which addresses can be the vendor's four endpoints (R14). Pure; nothing is ever guessed or completed.

The vendor prints each with three numbers, because the first was lost. No public page has the whole ones: until a fleet
has all four it can be audited, and what would need them is not judged and not done.
"""

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network

from provisioner.model.product import PRODUCT

_PUBLISHED = PRODUCT.published

_TOO_FEW = re.compile(r"\.?[0-9]{1,3}(?:\.[0-9]{1,3}){0,2}(?::[0-9]*)?")
_WITH_PORT = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}:[0-9]*")
_DOCUMENTATION = tuple(IPv4Network(net) for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"))
_THIS_NETWORK = IPv4Network("0.0.0.0/8")
_ASK = (
    f"Ask the vendor for its {PRODUCT.how_many} whole addresses. "
    "Do not guess: a wrong one sends patients' data to a stranger."
)
_UNTIL = " Until then R11 and R14 are not judged, and no firewall rule is made."


@dataclass(frozen=True)
class AddressComplaint:
    """What is wrong with one endpoint, counted from 0, or (index None) with all of them together. A warning where it
    only is not known yet: the fleet can be audited without."""

    index: int | None
    message: str
    hint: str
    warning: bool = False


def whole(addresses: Sequence[str]) -> tuple[str, ...]:
    """Those that are whole addresses, each once, in their order: all that is known of the endpoints."""
    return _whole(tuple(addresses))


# Asked again and again for each of thousands of gateways, of the same four.
@functools.lru_cache(maxsize=16)
def _whole(addresses: tuple[str, ...]) -> tuple[str, ...]:
    texts = dict.fromkeys(text.strip() for text in addresses)
    return tuple(text for text in texts if _why_not_address(text) is None)


def why_not_all(addresses: Sequence[str]) -> str:
    """Why these are not all of the vendor's endpoints, in words; "" where they are."""
    known = len(whole(addresses))
    if known == len(addresses) == len(_PUBLISHED):
        return ""
    if not addresses:
        return "fleet.yml has no endpoints"
    return f"fleet.yml has {known or 'none'} of the vendor's {PRODUCT.how_many} endpoints"


def complaints(addresses: Sequence[str], *, lab: bool) -> list[AddressComplaint]:
    """All that is wrong with these endpoints; `lab` allows the addresses that are kept for documentation."""
    found = []
    if not addresses:
        words = f"there are no endpoints yet: the vendor has {PRODUCT.how_many}."
        found.append(AddressComplaint(None, words, _ASK + _UNTIL, warning=True))
    elif len(addresses) != len(_PUBLISHED):
        fewer = len(addresses) < len(_PUBLISHED)
        words = f"the vendor has {PRODUCT.how_many} endpoints, and here are {len(addresses)}."
        found.append(AddressComplaint(None, words, _ASK + _UNTIL if fewer else _ASK, warning=fewer))
    good: dict[int, IPv4Address] = {}
    for index, text in enumerate(addresses):
        why = _why_not_address(text) or _why_not_server(IPv4Address(text), lab)
        if why:
            found.append(AddressComplaint(index, *why, warning=bool(_TOO_FEW.fullmatch(text))))
        else:
            good[index] = IPv4Address(text)
    return found + list(_doubles(good)) + list(_unlike_published(good))


def _why_not_address(text: str) -> tuple[str, str] | None:
    if _TOO_FEW.fullmatch(text):
        return (
            f"{text} is not a whole address: it has fewer than four numbers. The vendor's page prints three because "
            "the first was lost (an address that began with 237 would be multicast and could not be a server).",
            _ASK + _UNTIL,
        )
    if _WITH_PORT.fullmatch(text):
        return f"{text} has a port.", f"Give the address alone: the port is always {PRODUCT.port}."
    try:
        IPv4Address(text)
    except AddressValueError as error:
        reason = str(error).removesuffix(f" in {text!r}")
        return (
            f"{text!r} is not an IPv4 address ({reason}).",
            "The firewall takes addresses: no names, ranges or IPv6.",
        )
    return None


def _why_not_server(address: IPv4Address, lab: bool) -> tuple[str, str] | None:
    kinds = (
        (address.is_unspecified or address in _THIS_NETWORK, "an unspecified address"),
        (address.is_loopback, "a loopback address: the gateway itself"),
        (address.is_link_local, "a link-local address, which no router passes on"),
        (address.is_multicast, "a multicast address, which no server can have"),
        (address.is_reserved, "a reserved address, which no server can have"),
    )
    for applies, kind in kinds:
        if applies:
            return f"{address} is {kind}.", _ASK
    if _documentation(address) and not lab:
        return f"{address} is kept for documentation: no server has it.", _ASK + " Only a lab (`lab: true`) may use it."
    return None


def _documentation(address: IPv4Address) -> bool:
    return any(address in network for network in _DOCUMENTATION)


def _doubles(good: dict[int, IPv4Address]) -> Iterator[AddressComplaint]:
    first: dict[IPv4Address, int] = {}
    for index, address in good.items():
        if first.setdefault(address, index) != index:
            hint = f"The vendor has {PRODUCT.how_many} different endpoints. " + _ASK + _UNTIL
            yield AddressComplaint(index, f"{address} is here twice.", hint, warning=True)


def _unlike_published(good: dict[int, IPv4Address]) -> Iterator[AddressComplaint]:
    """Warnings: the vendor may have moved, so these are questions."""
    tails = {index: str(address).partition(".")[2] for index, address in good.items() if not _documentation(address)}
    for index, tail in tails.items():
        if tail not in _PUBLISHED:
            message = f"{good[index]} does not end as the vendor prints its endpoints ({', '.join(_PUBLISHED)})."
            yield AddressComplaint(index, message, "Ask the vendor whether it has moved.", warning=True)
    missing = [tail for tail in _PUBLISHED if tail not in tails.values()]
    if missing and len(tails) == len(set(good.values())) == len(_PUBLISHED) and set(tails.values()) <= set(_PUBLISHED):
        message = f"no endpoint ends in {', '.join(missing)}, as the vendor prints."
        yield AddressComplaint(None, message, "Ask the vendor whether it has moved.", warning=True)
