"""Which servers a domain's directory has, by DNS. The only importer of dnspython."""

from collections.abc import Sequence
from typing import Any

from provisioner.errors import DirectoryError

_SECONDS = 10.0
_NAME_ONE = "Or name one: directory.server in fleet.yml, such as dc1.example.nhs.uk."


def servers(realm: str, resolver: Any = None) -> tuple[str, ...]:
    """The domain controllers of a realm by their full names, those first that are to be asked first.

    `resolver` is dnspython's, None for this computer's own. Errors: DirectoryError where none is found.
    """
    try:
        import dns.exception
        import dns.resolver
    except ImportError as error:
        raise DirectoryError(
            "DNS cannot be asked for domain controllers: dnspython is not installed.", _NAME_ONE
        ) from (error)
    # What Windows itself asks for ([MS-ADTS] 6.3.2.3, "SRV Records"): domain controllers only.
    name = f"_ldap._tcp.dc._msdcs.{realm.lower()}."
    try:
        asked = resolver or dns.resolver.Resolver()
        found = asked.resolve(name, "SRV", lifetime=_SECONDS)
    except (dns.exception.DNSException, OSError) as error:
        why = " ".join(str(error).split()) or type(error).__name__
        hint = f"Does this computer ask the domain's name servers (VPN, /etc/resolv.conf)? {_NAME_ONE}"
        raise DirectoryError(f"DNS names no domain controller of {realm}: {why}", hint) from error
    return ordered([(one.priority, one.weight, str(one.target).rstrip(".")) for one in found])


def ordered(records: Sequence[tuple[int, int, str]]) -> tuple[str, ...]:
    """Names of records (priority, weight, name): a lower priority first, of these a greater weight."""
    return tuple(name for _, _, name in sorted(records, key=lambda one: (one[0], -one[1], one[2])) if name)
