"""Why the directory could not be asked, in words, and what to do next."""

from typing import Any

from provisioner import foreign
from provisioner.errors import DirectoryError, InputError, ProvisionerError

_NO_TICKET_THERE = "Server not found in Kerberos database"
# LDAP's own numbers (RFC 4511, 4.1.9), and the library's where they are below 0.
_INVALID_DN, _NO_SUCH_OBJECT, _RIGHTS, _FILTER = 34, 32, 50, -7
_STRONG_AUTH_REQUIRED, _UNWILLING = 8, 53


def opening(error: Any, who: str, host: str, port: int, *, tls: bool, unreached: bool) -> DirectoryError:
    """Why a server was not got into. `error` is the library's, with a `code`."""
    tried = f"the directory ({host}, port {port}) could not be asked"
    if unreached and tls:
        hint = "Is it a domain controller, with a certificate that directory.ca_file has the authority of (port 636)?"
        return DirectoryError(f"{tried}: no connection, or its certificate is not trusted ({_said(error)}).", hint)
    if unreached:
        hint = "Is the name right (directory.server in fleet.yml)? Is there a way to it (VPN, firewall)?"
        return DirectoryError(f"{tried}: no connection ({_said(error)}).", hint)
    if _NO_TICKET_THERE in str(error):
        hint = "directory.server in fleet.yml is to be its full name, as in the domain: not an alias or a short one."
        return DirectoryError(f"{tried}: Kerberos knows no directory by that name.", hint)
    if error.code in (_STRONG_AUTH_REQUIRED, _UNWILLING):
        hint = "Try the other way: directory.server: NAME (sealed by Kerberos, 389), or ldaps://NAME (TLS, 636)."
        return DirectoryError(f"{tried}: it wants the line secured otherwise ({_said(error)}).", hint)
    hint = f'Is there a ticket (klist), and does {who} still exist? docs/operations.md, "What Kerberos says".'
    return DirectoryError(f"{tried}: the log-in of {who} did not come about ({_said(error)}).", hint)


def asking(error: Any, server: str, base: str) -> ProvisionerError:
    """Why a question was not answered."""
    tried = f"the directory ({server}) did not answer"
    if error.code == _INVALID_DN:
        hint = "Such as OU=Gateways,DC=example,DC=nhs,DC=uk; a comma in a name is written \\,"
        return InputError(f"{base!r} is no place in a directory.", hint)
    if error.code == _NO_SUCH_OBJECT:
        return InputError(f"The directory has no {base}.", "See directory.base in fleet.yml.")
    if error.code == _FILTER:
        return InputError("The directory cannot make sense of that pattern.", "Letters, digits, -, * and ?.")
    if error.code == _RIGHTS:
        hint = "Any account of the domain may usually read its computers: has somebody forbidden it to this one?"
        return DirectoryError(f"{tried}: this account may not read {base} ({_said(error)}).", hint)
    return DirectoryError(f"{tried}: {_said(error)}.", "Try again; is the server at its limits, or going down?")


def no_base(server: str) -> DirectoryError:
    """A server that does not say which domain it is of."""
    hint = "Is it a domain controller? directory.base in fleet.yml names the place, such as DC=example,DC=nhs,DC=uk."
    return DirectoryError(f"the directory ({server}) does not say where its domain begins.", hint)


def no_server(realm: str) -> DirectoryError:
    """DNS answers, and names none."""
    return DirectoryError(f"DNS names no domain controller of {realm}.", "Name one: directory.server in fleet.yml.")


def _said(error: Any) -> str:
    """What came back, on one line: what a server says may be anything."""
    return foreign.readable(" ".join(str(error.args[0] if error.args else error).split()))[:300].rstrip(". ")
