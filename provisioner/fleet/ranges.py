"""Ranges of addresses that may be knocked on: which texts are one, and whether it is a network of one's own. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, collapse_addresses, ip_address, ip_network
from ipaddress import summarize_address_range as summarized

from provisioner.errors import InputError

# How many addresses are knocked on at most by one command.
MOST = 4096

Network = IPv4Network | IPv6Network
# RFC 1918, RFC 6598 (shared address space), RFC 4193.
_OWN = tuple(ip_network(one) for one in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"))
_LOOPBACK = tuple(ip_network(one) for one in ("127.0.0.0/8", "::1/128"))
_SHAPE = "Such as 10.1.2.0/24, or 10.1.2.10-10.1.2.99."


@dataclass(frozen=True)
class Range:
    """Addresses in a row, from the first to the last, as a person wrote them."""

    text: str
    networks: tuple[Network, ...]

    @property
    def size(self) -> int:
        """How many addresses."""
        return sum(one.num_addresses for one in self.networks)

    def within(self, others: Sequence["Range"]) -> bool:
        """Whether all of it lies in the others, taken together."""
        joined = [whole for other in others for whole in other.networks]
        return all(_inside(own, joined) for own in self.networks)

    def addresses(self) -> Iterator[str]:
        """Each that can be a computer's: of an IPv4 network neither its own address nor the one for all."""
        hosts = len(self.networks) == 1 and "/" in self.text
        for network in self.networks:
            yield from map(str, network.hosts() if hosts else network)


def parse(text: str) -> Range:
    """A range as NETWORK/LENGTH, FIRST-LAST or one address. Errors: ValueError, in words."""
    given = text.strip()
    first, dash, last = (part.strip() for part in given.partition("-"))
    try:
        if not dash:
            return Range(given, (ip_network(given),))
        begin, end = ip_address(first), ip_address(last)
    except ValueError as error:
        raise ValueError(_why(given, error)) from None
    if isinstance(begin, IPv4Address) and isinstance(end, IPv4Address) and begin <= end:
        return Range(given, tuple(summarized(begin, end)))
    if isinstance(begin, IPv6Address) and isinstance(end, IPv6Address) and begin <= end:
        return Range(given, tuple(summarized(begin, end)))
    raise ValueError(f"{given!r} does not go from a lower address to a higher one of its kind.")


def _why(given: str, error: ValueError) -> str:
    if "host bits" in str(error):
        return f"{given} is no network: did you mean {ip_network(given, strict=False)}?"
    return f"{given!r} is no range of addresses."


def why_not_own(one: Range, *, lab: bool) -> str:
    """Why a range may not be knocked on, whoever asks; "" where it may. A lab is at loopback, and nowhere else."""
    if lab:
        return "" if _all_in(one, _LOOPBACK) else f"{one.text} is not loopback, and a lab is nowhere else."
    if _all_in(one, _LOOPBACK):
        return f"{one.text} is this computer itself."
    if not _all_in(one, _OWN):
        return f"{one.text} has public addresses: those of others are not knocked on."
    return ""


def complaints(texts: Sequence[str], *, lab: bool) -> Iterator[tuple[int, str, str]]:
    """All that is wrong with the ranges of fleet.yml: which, counted from 0, what, and what to do."""
    for index, text in enumerate(texts):
        try:
            why = why_not_own(parse(text), lab=lab)
        except ValueError as error:
            yield index, str(error), _SHAPE
            continue
        if why:
            yield index, why, "RFC 1918, 100.64.0.0/10 and fc00::/7 are a network's own; in a lab 127.0.0.0/8."


def allowed(text: str, settings: Sequence[str], *, lab: bool) -> Range:
    """The range that a person asks for. Errors: InputError where it may not be knocked on: it has to lie in one that
    fleet.yml names (`find.ranges`), to be a network's own, and of at most MOST addresses."""
    try:
        found = parse(text)
    except ValueError as error:
        raise InputError(f"--addresses: {error}", _SHAPE) from None
    if why := why_not_own(found, lab=lab):
        raise InputError(f"--addresses: {why}", "Only a network's own addresses are looked at.")
    if not settings:
        hint = f"Write find: {{ranges: [{text}]}} there, once whoever runs that network agrees."
        raise InputError("--addresses is off: find.ranges in fleet.yml names no range.", hint)
    if not found.within([parse(one) for one in settings]):
        hint = (
            f"It has {', '.join(settings)}. Ask for a part of these, or have whoever runs that network agree to more."
        )
        raise InputError(f"--addresses: {found.text} does not lie within find.ranges of fleet.yml.", hint)
    if found.size > MOST:
        raise InputError(
            f"--addresses: {found.text} has {found.size} addresses, the most is {MOST}.", "Ask for a part."
        )
    return found


def _all_in(one: Range, networks: Sequence[Network]) -> bool:
    return all(_inside(own, networks) for own in one.networks)


def _inside(own: Network, networks: Sequence[Network]) -> bool:
    if isinstance(own, IPv4Network):
        fours = collapse_addresses(one for one in networks if isinstance(one, IPv4Network))
        return any(own.subnet_of(one) for one in fours)
    sixes = collapse_addresses(one for one in networks if isinstance(one, IPv6Network))
    return any(own.subnet_of(one) for one in sixes)
