"""LAPS: the password of a gateway's own local administrator, as its directory keeps it. Asked for when it is used, and
kept nowhere.

Attributes, and what is in them: [MS-ADA2] 2.64 (msLAPS-Password), "Windows LAPS schema extensions reference" of
Microsoft, and the schema of the older one (ms-Mcs-AdmPwd). The passwords are confidential: who has no right to one is
shown an object without it, while the time at which it ends can be read by all.
"""

import json
from collections.abc import Sequence

from provisioner.directory.computers import escaped
from provisioner.directory.ldap import Directory, DirectoryEntry
from provisioner.errors import DirectoryError, GatewayError, InputError, NoPassword
from provisioner.fleet import addresses
from provisioner.model import Gateway
from provisioner.transport.credentials import Credential

# Whose password the older one keeps, where fleet.yml does not say: the account that every Windows has.
ADMINISTRATOR = "Administrator"

_NEW, _SEALED, _NEW_ENDS = "msLAPS-Password", "msLAPS-EncryptedPassword", "msLAPS-PasswordExpirationTime"
_OLD, _OLD_ENDS = "ms-Mcs-AdmPwd", "ms-Mcs-AdmPwdExpirationTime"
ATTRIBUTES = ("dNSHostName", _NEW, _SEALED, _NEW_ENDS, _OLD, _OLD_ENDS)


def credential(directory: Directory, gateway: Gateway, user: str) -> Credential:
    """The local administrator of a gateway. `user` is fleet.yml's, for a password that does not say whose it is.

    Errors: NoPassword.
    """
    try:
        return of_entries(list(directory.search(filter_of(gateway), ATTRIBUTES)), gateway, user)
    except (DirectoryError, InputError, GatewayError) as error:
        if isinstance(error, NoPassword):
            raise
        raise NoPassword(f"no log-in was tried: {error.message}", error.hint) from error


def filter_of(gateway: Gateway) -> str:
    """The filter of a gateway's computer: by its full name where that is its address, by the short one else.

    The short one is that of the column `computer` where there is one: a row may be called as its team likes, which may
    be what another computer is called.
    """
    account = f"(sAMAccountName={escaped(addresses.netbios(_name(gateway)))}$)"
    full = gateway.address if _is_full_name(gateway.address) else ""
    either = f"(|(dNSHostName={escaped(full.rstrip('.'))}){account})" if full else account
    return f"(&(objectCategory=computer){either})"


def of_entries(entries: Sequence[DirectoryEntry], gateway: Gateway, user: str) -> Credential:
    """The same of what the directory gave for a gateway. Pure. Errors: NoPassword."""
    # The full name is the one that is called; a short one may be another domain's.
    named = [one for one in entries if one.first("dNSHostName").lower() == gateway.address.lower().rstrip(".")]
    entries = named or entries
    if not entries:
        raise _nothing(f"the directory has no computer {_name(gateway)}", "Is it in the domain? Is its name right?")
    if len(entries) > 1:
        places = "; ".join(one.dn for one in entries)
        raise _nothing(f"the directory has several computers {_name(gateway)}: {places}", "Have the old one taken out.")
    found = entries[0]
    if found.has(_NEW):
        return _of_new(found.first(_NEW), gateway, user)
    if found.first(_OLD):
        return Credential(user or ADMINISTRATOR, found.first(_OLD))
    if found.has(_SEALED):
        hint = "Its policy seals it (ADPasswordEncryptionEnabled), and only Windows opens that: have it turned off for "
        hint += "the gateways' OU, or log in by another way (connection.credential)."
        raise _nothing(f"the LAPS password of {gateway.name} is encrypted", hint)
    if found.has(_NEW_ENDS) or found.has(_OLD_ENDS):
        hint = "Have the right granted on the gateways' OU (Set-LapsADReadPasswordPermission, or "
        hint += "Set-AdmPwdReadPasswordPermission for the older LAPS). A password that is encrypted looks the same."
        raise _nothing(f"LAPS is on {gateway.name}, and this account has no right to read its password", hint)
    hint = "Does the LAPS policy reach it? Or log in by another way (connection.credential)."
    raise _nothing(f"there is no LAPS on {gateway.name}: the directory has no password of it, nor when one ends", hint)


def _of_new(text: str, gateway: Gateway, user: str) -> Credential:
    """Of the JSON with the account's name (n), when it was set (t), and the password (p)."""
    try:
        told = json.loads(text)
        name, password = told.get("n"), told["p"]
    except (ValueError, KeyError, AttributeError, TypeError):
        # Never with its cause: that would hold the text.
        name, password = None, None
    if not isinstance(password, str) or not password:
        raise _nothing(f"what {_NEW} of {gateway.name} holds is not what LAPS writes", "Look at it there, by hand.")
    return Credential(name if isinstance(name, str) and name else user or ADMINISTRATOR, password)


def _name(gateway: Gateway) -> str:
    return gateway.computer or gateway.name


def _nothing(what: str, hint: str) -> NoPassword:
    return NoPassword(f"no log-in was tried: {what}", hint)


def _is_full_name(address: str) -> bool:
    return "." in address.rstrip(".") and ":" not in address and not address.replace(".", "").isdigit()
