"""NTLM as the lab's PCs speak it, raw or wrapped in SPNEGO: pyspnego's own acceptor, with the PC's names in it."""

import struct
from dataclasses import dataclass

import spnego
import spnego.channel_bindings
from spnego._context import GSSMech
from spnego._negotiate import NegotiateProxy
from spnego._ntlm import NTLMProxy
from spnego._ntlm_raw.messages import AvId, Challenge, FileTime, NegotiateFlags, TargetInfo, Version

_SIGNATURE = b"NTLMSSP\0"
_AUTHENTICATE = _SIGNATURE + b"\3\0\0\0"
_UNICODE = 0x1
_LONGEST_NETBIOS_NAME = 15


@dataclass(frozen=True, kw_only=True)
class Names:
    """How a PC calls itself in the challenge ([MS-NLMP] 2.2.2.1), and its Windows build.

    `domain` is the NetBIOS name, `dns_domain` the other one; both None on a PC of no domain.
    """

    computer: str
    domain: str | None
    dns_domain: str | None
    build: int

    def target(self) -> str:
        """The name of who keeps the accounts: the domain, or the PC itself."""
        return self.domain or self._netbios()

    def pairs(self) -> TargetInfo:
        """What the challenge says of both."""
        pairs = TargetInfo()
        pairs[AvId.nb_domain_name] = self.target()
        pairs[AvId.nb_computer_name] = self._netbios()
        pairs[AvId.dns_domain_name] = self.dns_domain or self.computer
        pairs[AvId.dns_computer_name] = f"{self.computer}.{self.dns_domain}" if self.dns_domain else self.computer
        if self.dns_domain:
            pairs[AvId.dns_tree_name] = self.dns_domain
        pairs[AvId.timestamp] = FileTime.now()
        return pairs

    def _netbios(self) -> str:
        return self.computer.upper()[:_LONGEST_NETBIOS_NAME]


class _Acceptor(NTLMProxy):
    """pyspnego's, which by itself calls every PC by the name of the computer that it runs on."""

    def __init__(self, names: Names, binding: spnego.channel_bindings.GssChannelBindings | None) -> None:
        # pyspnego's own implementation, not the system's GSSAPI: the same on every machine.
        super().__init__(
            hostname="localhost",
            service="http",
            channel_bindings=binding,
            usage="accept",
            protocol="ntlm",
            options=spnego.NegotiateOptions.use_ntlm,
        )
        self._names = names

    def _step_accept_negotiate(self, token: bytes) -> bytes:
        super()._step_accept_negotiate(token)
        own = self._temp_challenge
        assert own is not None
        flags = own.flags
        if self._names.domain:
            flags = flags & ~NegotiateFlags.target_type_server | NegotiateFlags.target_type_domain
        version = Version(major=10, minor=0, build=self._names.build)
        self._temp_challenge = Challenge(
            flags,
            own.server_challenge,
            target_name=self._names.target(),
            target_info=self._names.pairs(),
            version=version if flags & NegotiateFlags.version else None,
        )
        return self._temp_challenge.pack()


def acceptor(token: bytes, names: Names, binding: bytes | None) -> spnego.ContextProxy:
    """Who answers a log-in whose first message this is. `binding` is the TLS certificate's part of it."""
    bindings = None
    if binding is not None:
        bindings = spnego.channel_bindings.GssChannelBindings(application_data=binding)
    ntlm = _Acceptor(names, bindings)
    if token.startswith(_SIGNATURE):
        return ntlm
    ntlm._is_wrapped = True
    return NegotiateProxy(
        hostname="localhost",
        service="http",
        channel_bindings=bindings,
        usage="accept",
        options=spnego.NegotiateOptions.use_negotiate,
        _negotiate_contexts={GSSMech.ntlm: ntlm},
    )


def who(token: bytes) -> str | None:
    """The user of NTLM's last message ([MS-NLMP] 2.2.1.3), as DOMAIN\\user; None for any other message."""
    start = token.find(_AUTHENTICATE)
    if start < 0:
        return None
    message = token[start:]
    try:
        flags = struct.unpack_from("<I", message, 60)[0]
        parts = []
        for at in (28, 36):
            length, _, offset = struct.unpack_from("<HHI", message, at)
            encoding = "utf-16-le" if flags & _UNICODE else "cp437"
            parts.append(message[offset : offset + length].decode(encoding, "replace"))
    except struct.error:
        return ""
    return "\\".join(part for part in parts if part)
