"""Why there is no Kerberos log-in, by the numbers of its library."""

import ipaddress
import re
from collections.abc import Mapping
from datetime import datetime

from provisioner.errors import GatewayError, Refused
from provisioner.transport.diagnosis.shape import (
    ACCOUNT,
    ACCOUNTS,
    CLOCKS_APART,
    LARGEST_SKEW,
    PASSWORD_EXPIRED,
    Diagnosis,
    plain,
    skewed,
    windows,
)

# Kerberos: below 128 the protocol's own numbers (RFC 4120, 7.5.9), from there on those of the library (krb5_err.et);
# and its second table (k5e1_err.et).
_KRB5, _K5E1 = -1765328384, -1750600192
_NO_TICKET = Diagnosis(
    "there is no ticket of that account",
    "Get one (kinit USER@REALM), and look at it (klist). connection.user, if it is set, must be that USER@REALM.",
    Refused,
)
_NOT_OURS = Diagnosis(
    "the ticket cache cannot be read",
    "Is it another user's (KRB5CCNAME)? Get a ticket as the user who runs provisioner (kinit).",
    Refused,
)
_ANOTHER_CACHE = Diagnosis(
    "this computer's Kerberos has no ticket cache of that kind",
    "KRB5CCNAME, or default_ccache_name of krb5.conf, says which: such as FILE:/tmp/krb5cc_1000. Then kinit.",
    Refused,
)
_NO_KEEPER = Diagnosis(
    "the service of this computer that keeps the tickets does not answer (KCM)",
    "Does it run (systemctl status sssd-kcm)? Or keep them in a file: KRB5CCNAME=FILE:PATH, then kinit.",
    Refused,
)
_NO_NAME = Diagnosis("that is no name of Kerberos", "connection.user in fleet.yml is to be USER@REALM.", Refused)
_NO_KEY = Diagnosis(
    "the keytab has no key of that account",
    "klist -k FILE shows whose keys it has; connection.user must be one of them, as USER@REALM.",
    Refused,
)
_NO_KEYTAB = Diagnosis(
    "the keytab cannot be read", "klist -k FILE shows whether it is one; have it made anew (ktpass, ktutil).", Refused
)
_NO_LOGON = Diagnosis(
    "Windows has no account here that the domain knows",
    "Log on to this computer with an account of the domain (klist shows its tickets), or set connection.user.",
    Refused,
)
_TICKET_EXPIRED = Diagnosis("the ticket has expired", "Get a new one (kinit), for longer than the run takes.", Refused)
_NO_DOMAIN = Diagnosis(
    "no domain controller answers", "Is there a way to the domain (VPN, port 88)? Does /etc/krb5.conf name the realm?"
)
_NO_REALM = Diagnosis(
    "this computer does not know where that realm's domain controllers are",
    "Is the realm right (user@EXAMPLE.NHS.UK)? Does /etc/krb5.conf name it, or DNS (dns_lookup_kdc)?",
)
_UNSAID = Diagnosis(
    "the domain controller says no more than that something went wrong there",
    "Its System log says what. Does another one of the domain answer (krb5.conf)? Not a wrong password.",
)
_REVOKED = Diagnosis(
    "the account is locked, disabled or expired, or may not log on at this hour (Kerberos does not say which)",
    f"{ACCOUNT} The domain controller's events 4771 and 4740 say more.",
    Refused,
)
_NAME_IN_DOMAIN = Diagnosis(
    "the domain does not know this gateway's name",
    "Give it by its full name, never by its address (practices.csv); setspn -L COMPUTER shows its names. "
    "Not a wrong password.",
)
_AN_ADDRESS = Diagnosis(
    "it is given by its address, and Kerberos knows computers by their names",
    "Give its full name in the column address of practices.csv. Not a wrong password.",
)
_TWICE = Diagnosis(
    "the domain has this gateway's name more than once",
    "setspn -X lists such names: have the old one taken out. Not a wrong password.",
)
_ITS_ACCOUNT = Diagnosis(
    "the domain has disabled this gateway's own account, or it has expired",
    "Look at the computer in Active Directory: was it taken out of use? Not a wrong password.",
)
_NO_CIPHER = Diagnosis(
    "there is no encryption that both take", "Does the domain still want RC4? See krb5.conf.", Refused
)
_WRONG = Diagnosis(
    "the password is wrong, or the keytab's key is an older one",
    "Each further try counts towards locking the account.",
    Refused,
)
_ANOTHER_COMPUTER = Diagnosis(
    "another computer answers than the one that the domain knows by this name",
    "Does the name lead to the right address (DNS)? Is the name registered twice (setspn -X)?",
)
_REALM = Diagnosis("the realm is another one", "See connection.user in fleet.yml: user@REALM.", Refused)
_KRB5_CONF = Diagnosis(
    "this computer's Kerberos is not set up", "Is /etc/krb5.conf there, whole, and readable? No password was tried."
)
_KERBEROS: Mapping[int, Diagnosis] = {
    # No matching ticket, no ticket at all; a cache that is not readable, or not whole.
    **dict.fromkeys((67, 138, 139, 141, 142, 143, 195, 203), _NO_TICKET),
    **dict.fromkeys((193, 194, 196, 197, 199, 212), _NOT_OURS),
    # A kind that it does not know, that can only be read, or of which it cannot do that.
    **dict.fromkeys((140, 246, 247), _ANOTHER_CACHE),
    **dict.fromkeys((133, 134), _NO_NAME),
    # No key of that name, or none of that number; no keytab, or one that is damaged.
    **dict.fromkeys((181, 182, 230), _NO_KEY),
    **dict.fromkeys((179, 184, 213, 235), _NO_KEYTAB),
    # Service not available, answer too big for UDP; none reached, no address, none named.
    **dict.fromkeys((29, 52, 156, 220, 224), _NO_DOMAIN),
    **dict.fromkeys((154, 217), _NO_REALM),
    243: _AN_ADDRESS,
    60: _UNSAID,
    **dict.fromkeys((135, 136), _KRB5_CONF),
    **dict.fromkeys((7, 155), _NAME_IN_DOMAIN),
    8: _TWICE,
    **dict.fromkeys((2, 19), _ITS_ACCOUNT),
    **dict.fromkeys((14, 150, 152, 200, 236, 237), _NO_CIPHER),
    **dict.fromkeys((21, 22, 33, 37, 148), CLOCKS_APART),
    **dict.fromkeys((68, 149), _REALM),
    1: Diagnosis("the account has expired", ACCOUNT, Refused),
    6: Diagnosis("the domain does not know the account", "See connection.user in fleet.yml: user@REALM.", Refused),
    12: Diagnosis("the domain's policy forbids it", ACCOUNT, Refused),
    18: _REVOKED,
    23: PASSWORD_EXPIRED,
    **dict.fromkeys((24, 31, 210), _WRONG),
    32: _TICKET_EXPIRED,
    # Windows says 41; others that they have no key for such a ticket, or another one.
    **dict.fromkeys((35, 41, 44, 45), _ANOTHER_COMPUTER),
}
# A keyring that cannot be used; KCM: no whole answer, none at all, one that is too long, no service.
_KEEPING: Mapping[int, Diagnosis] = {
    **dict.fromkeys((4, 5, 6, 7), _ANOTHER_CACHE),
    **dict.fromkeys((8, 9, 10, 11), _NO_KEEPER),
}
# By GSSAPI's own number (RFC 2744, 3.9.1: the routine error of a major status), where the library's says nothing.
_GSSAPI: Mapping[int, Diagnosis] = {7: _NO_TICKET, 11: _TICKET_EXPIRED}
# Windows' own Kerberos (SSPI), by its status (winerror.h, SEC_E_...): it has no numbers of the library's.
_SSPI: Mapping[int, Diagnosis] = {
    **dict.fromkeys((0x8009030D, 0x8009030E), _NO_LOGON),
    # No authority could be contacted, no address of a domain controller, no domain controller (its newer words).
    **dict.fromkeys((0x80090311, 0x80090335, 0x80090350), _NO_DOMAIN),
    0x8009030C: ACCOUNTS[1326],
    # The target is unknown; its realm cannot be told.
    **dict.fromkeys((0x80090303, 0x80090341), _NAME_IN_DOMAIN),
    0x80090317: _TICKET_EXPIRED,
    0x80090322: _ANOTHER_COMPUTER,
    0x80090324: CLOCKS_APART,
    **dict.fromkeys((0x80090331, 0x80090342), _NO_CIPHER),
    **ACCOUNTS,
}
_NO_KERBEROS = Diagnosis("", "Is there a ticket (klist)? Is the gateway given by its full name?", Refused)
_DEEPEST = 8
_KRB5_WORDS = re.compile(r"-(?:1765328|1750600)\d{3}\b")


def no_ticket(who: str) -> GatewayError:
    """A credential cache in which nothing is by which a gateway's ticket could be got."""
    return _NO_TICKET.after(_tried(who))


def no_key() -> GatewayError:
    """A keytab with nothing in it."""
    return _NO_KEY.after(_tried("the keytab's owner"))


def ticket_over(who: str, at: datetime) -> GatewayError:
    """A ticket that holds no longer, since then."""
    return _TICKET_EXPIRED.after(_tried(who), f" or is about to ({at.astimezone():%H:%M on %d %B %Y})")


def kerberos(error: Exception, who: str, host: str = "", apart: float | None = None) -> GatewayError:
    """Why there was no Kerberos log-in, by the error of pyspnego or of the library under it.

    `host`: the gateway's, by which it was called; `apart`: by how many seconds its clock is ahead of ours, where it
    has said so.
    """
    tried = _tried(who)
    if isinstance(error, ImportError):
        return Refused(f"{tried}this computer has not what it needs", 'Install it: docs/operations.md, "Kerberos".')
    found = [_KERBEROS.get(number - _KRB5) or _KEEPING.get(number - _K5E1) for number in _minor(error)]
    found += [_GSSAPI.get(number >> 16 & 0xFF) for number in _numbers(error, "maj_code")]
    found += [_SSPI.get(windows(number)) for number in _numbers(error, "winerror")]
    trouble = next(filter(None, found), _NO_KERBEROS)
    if trouble is _NAME_IN_DOMAIN and _is_address(host):
        trouble = _AN_ADDRESS
    if trouble is CLOCKS_APART and apart is not None:
        return trouble.after(tried, f": {_whose(apart)}")
    return trouble.after(tried, "" if trouble.message else plain(error))


def _tried(who: str) -> str:
    return f"no Kerberos log-in of {who}: "


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _whose(apart: float) -> str:
    """Whose clock it is, as far as two of the three that there are can say."""
    if abs(apart) > LARGEST_SKEW:
        return f"the gateway's is {skewed(apart)} ours"
    return "the gateway's is as ours, so it is the domain controller's, or both of ours"


def _minor(error: Exception) -> list[int]:
    """The library's numbers in an error, or in what is under it: as attributes, signed or not, or in its words."""
    numbers = [*_numbers(error, "min_code"), *_numbers(error, "err_code")]
    words = [int(one) for each in _under(error) for one in _KRB5_WORDS.findall(str(each))]
    return [number - 2**32 if number >= 2**31 else number for number in numbers] + words


def _numbers(error: Exception, name: str) -> list[int]:
    found = [getattr(one, name, None) for one in _under(error)]
    return [one for one in found if isinstance(one, int)]


def _under(error: BaseException) -> list[BaseException]:
    """An error, and those that it was made of (pyspnego's base_error, and Python's own causes), the nearest first."""
    found, left = list[BaseException](), [error]
    while left and len(found) < _DEEPEST:
        one = left.pop(0)
        if one not in found:
            found.append(one)
            below = (getattr(one, "base_error", None), one.__cause__, one.__context__)
            left += [each for each in below if isinstance(each, BaseException)]
    return found
