"""Who may in: by NTLM (ntlm.py), by Kerberos where the PC has a key in a domain (kerberos.py), or by Basic where the
line is sealed; and the sealing of messages that follows the first two.

An account is a user and the hash of its password: the password itself is not known to the lab's process.
"""

import base64
import binascii
import hmac
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import spnego
import spnego.exceptions

# The hash that smbpasswd holds is MD4, which OpenSSL 3 has no more; pyspnego brings its own.
from spnego._ntlm_raw.crypto import ntowfv1

from provisioner.lab.windows.state import Identity
from provisioner.lab.wsman import kerberos, ntlm

# Each way of logging in, and how it is offered.
OFFERS = {"negotiate": "Negotiate", "basic": 'Basic realm="WSMAN"'}
# What a PC of a domain offers besides.
KERBEROS = {"kerberos": "Kerberos"}
SEALED = 'multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";boundary="Encrypted Boundary"'

_DNS_DOMAIN = Identity.domain
_BOUNDARY = b"--Encrypted Boundary"
_OCTETS = b"\tContent-Type: application/octet-stream\r\n"


class BrokenSeal(Exception):
    """A sealed message that cannot be opened: the connection is of no more use."""


@dataclass(frozen=True)
class Account:
    """The one account that is let in, such as LAB\\provisioner."""

    user: str
    nt_hash: str = field(repr=False)

    @classmethod
    def of(cls, user: str, password: str) -> "Account":
        """The account with that password."""
        return cls(user, ntowfv1(password).hex().upper())

    @classmethod
    def read(cls, path: Path) -> "Account":
        """The account of a file that `write` made."""
        user, _, _, nt_hash, *_ = path.read_text("utf-8").split(":")
        return cls(user, nt_hash)

    def write(self, path: Path) -> None:
        """An smbpasswd file for pyspnego (NTLM_USER_FILE), that only its owner can read."""
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            for name in self.names():
                file.write(f"{name}:1000:{'0' * 32}:{self.nt_hash}:[U]:LCT-00000000\n")

    def names(self) -> tuple[str, ...]:
        """All by which Windows knows an account of the domain: with either name of the domain, and without one."""
        bare = self.user.rpartition("\\")[2]
        return self.user, bare, f"{_DNS_DOMAIN}\\{bare}", f"{bare}@{_DNS_DOMAIN}"

    def fits(self, user: str, password: str) -> bool:
        """Whether these are its user, by any of its names, and its password."""
        known = user.lower() in (name.lower() for name in self.names())
        return known and hmac.compare_digest(Account.of(user, password).nt_hash, self.nt_hash)


@dataclass(frozen=True, kw_only=True)
class Step:
    """What came of an Authorization header: let in or not, what to say in WWW-Authenticate, and the user of a
    log-in that was refused."""

    accepted: bool
    say: tuple[str, ...] = ()
    refused: str | None = None


class Conversation:
    """The log-in of one connection with a PC of these names. `binding` is the TLS certificate's part of it, None in
    the plain; `keytab` holds the PC's key in a domain, None where it is in none; `skew`: by how many seconds its clock
    is ahead.

    `principal` is who is in, where a ticket said so; `ntlm`: messages are sealed from now on, or are to be.
    """

    def __init__(
        self,
        account: Account,
        names: ntlm.Names,
        binding: bytes | None,
        keytab: Path | None = None,
        skew: float = 0.0,
    ) -> None:
        self._account = account
        self._names = names
        self._binding = binding
        self._keytab = keytab
        self._skew = skew
        self.principal: str | None = None
        self._context: spnego.ContextProxy | None = None
        self.ntlm = False

    def log_in(self, header: str | None, *, refuse: bool, offers: Mapping[str, str] = OFFERS) -> Step:
        """One round of the log-in. `refuse`: nobody is let in; `offers`: the ways that there are."""
        anew = Step(accepted=False, say=tuple(offers.values()))
        if not header:
            return Step(accepted=True) if self.ntlm else anew
        scheme, _, rest = header.partition(" ")
        try:
            token = base64.b64decode(rest, validate=True)
        except binascii.Error:
            return anew
        if scheme.lower() not in offers:
            return anew
        if scheme.lower() == "basic":
            user, _, password = token.decode("utf-8", "replace").partition(":")
            if refuse or not self._account.fits(user, password):
                return replace(anew, refused=user)
            return Step(accepted=True)
        if self._keytab is not None and kerberos.is_ticket(token):
            return self._ticket(scheme, token, self._keytab, refuse, anew)
        return self._negotiate(token, refuse, anew) if scheme.lower() == "negotiate" else anew

    def _ticket(self, scheme: str, token: bytes, keytab: Path, refuse: bool, anew: Step) -> Step:
        """The one round of Kerberos. A refusal has what Windows sends with it: the error in Kerberos' own form."""
        self._context, self.ntlm = None, False
        try:
            if refuse:
                raise kerberos.NoEntry("a fault of the lab")
            context, out = kerberos.accept(token, keytab, self._binding, self._skew)
        except kerberos.NoEntry as error:
            say = (f"{scheme} {base64.b64encode(error.token).decode()}",) if error.token else anew.say
            return Step(accepted=False, say=say, refused=f"(Kerberos) {error}")
        self._context, self.principal, self.ntlm = context, context.client_principal or "", True
        return Step(accepted=True, say=(f"{scheme} {base64.b64encode(out).decode()}",) if out else ())

    def _negotiate(self, token: bytes, refuse: bool, anew: Step) -> Step:
        if self._context is None or self.ntlm:
            self._context, self.ntlm = ntlm.acceptor(token, self._names, self._binding), False
        name = ntlm.who(token)
        try:
            if refuse and name is not None:
                raise spnego.exceptions.InvalidTokenError(context_msg="a fault of the lab")
            out = self._context.step(token)
        except (spnego.exceptions.SpnegoError, ValueError, struct.error, IndexError):
            self._context = None
            return replace(anew, refused=name)
        say = (f"Negotiate {base64.b64encode(out).decode()}",) if out else ()
        if not self._context.complete:
            return Step(accepted=False, say=say or anew.say)
        self.ntlm = True
        return Step(accepted=True, say=say)

    def opened(self, data: bytes) -> bytes:
        """The message in a sealed one. Errors: BrokenSeal."""
        if self._context is None or not self.ntlm:
            raise BrokenSeal
        try:
            payload = data.split(_OCTETS, 1)[1]
            payload = payload[: payload.rindex(_BOUNDARY + b"--")]
            length = struct.unpack("<i", payload[:4])[0]
            return self._context.unwrap_winrm(payload[4 : 4 + length], payload[4 + length :])
        except (IndexError, ValueError, struct.error, spnego.exceptions.SpnegoError) as error:
            self._context, self.ntlm = None, False
            raise BrokenSeal from error

    def sealed(self, message: bytes) -> bytes:
        """A message, sealed."""
        assert self._context is not None
        wrapped = self._context.wrap_winrm(message)
        length = len(message) + wrapped.padding_length
        kind = f"OriginalContent: type=application/soap+xml;charset=UTF-8;Length={length}".encode()
        return b"".join(
            (
                _BOUNDARY,
                b"\r\n\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n\t",
                kind + b"\r\n" + _BOUNDARY + b"\r\n" + _OCTETS,
                struct.pack("<i", len(wrapped.header)) + wrapped.header + wrapped.data + _BOUNDARY + b"--\r\n",
            )
        )
