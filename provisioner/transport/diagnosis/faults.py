"""What a fault of WinRM's own means, by its number, and which of them Ansible's words tell of."""

import re
from collections.abc import Iterable, Mapping

from provisioner.errors import BadAnswer, GatewayError, Refused, TimedOut
from provisioner.transport.diagnosis.shape import ACCOUNTS, CLOCKS_APART, Diagnosis, windows

_LONGEST_REASON = 300

_NO_ROOM = Diagnosis(
    "WinRM has no room", "Too many shells are open there. They end by themselves in some minutes; not a wrong password."
)
_NO_RIGHTS = Diagnosis(
    "logged in, but the account has no rights there",
    "The account must be an administrator of that PC, and a local one must not be filtered over the network [R15].",
    Refused,
)
_ENDING = Diagnosis("WinRM or the PC is being stopped", "Try again in some minutes.")
_ENDED = Diagnosis(
    "what ran for us there was ended",
    "Nothing is known of what it did: try again. If it stays so: who or what ends it there, an antivirus?",
)
_SHELL_ENDED = Diagnosis("our shell there was ended", "Was WinRM restarted there? Try again.")
_NO_HOST = Diagnosis(
    "WinRM cannot start its host process there",
    "Try again in a minute: it passes where the account's profile was just being unloaded. If it stays so, have WinRM "
    "restarted there, and the antivirus looked at.",
)
_NO_MEMORY = Diagnosis("the PC has no memory left", "A restart helps, by somebody there.")
_NO_DISK = Diagnosis("its disk is full", "Have room made on drive C, by somebody there.")
_DAMAGED = Diagnosis(
    "its disk, or its registry, is damaged",
    "Have the disk looked at before anything else is done there (chkdsk, its maker's test).",
)
_BLOCKED = Diagnosis(
    "a policy there blocks the program in which WinRM works (AppLocker, WDAC, software restriction)",
    "Ask the desktop team to allow winrshost.exe, cmd.exe and powershell.exe for this administrator account.",
    BadAnswer,
)
_TAKEN_FOR_A_VIRUS = Diagnosis(
    "an antivirus there takes what WinRM starts for malicious",
    "Give the security team the time and the gateway; they can allow it.",
    BadAnswer,
)
_WAITED = Diagnosis("WinRM gave up waiting for itself", "A very busy PC? Try again.", TimedOut)
_TOO_LARGE = Diagnosis(
    "its WinRM takes no message of that size", "Is MaxEnvelopeSizekb there smaller than 150?", BadAnswer
)
_NO_SHELL = Diagnosis(
    "its WinRM has no command shell to offer",
    "Was the plugin for remote shells taken out (winrm enumerate winrm/config/plugin)? Is it a Windows PC at all?",
    BadAnswer,
)
_MISCONFIGURED = Diagnosis(
    "WinRM's own configuration there is damaged",
    "See it with winrm get winrm/config there; winrm invoke Restore winrm/config puts Windows' own back.",
    BadAnswer,
)
_ITS_DOMAIN = Diagnosis("its domain controller does not answer it", "A matter of its network, or of its domain.")
_NO_TRUST = Diagnosis("the PC has lost its trust with the domain", "The desktop team must join it again.", Refused)
_NOT_ALLOWED = Diagnosis(
    "remote shells are not allowed there",
    'Policy: "Allow Remote Shell Access" of Windows Remote Shell must not be disabled.',
    Refused,
)

# By number: of WS-Management (0x8033....), of COM or security (0x8008...., 0x8009....), of Windows, or of Windows in an
# HRESULT (0x8007....).
_FAULTS: Mapping[int, Diagnosis] = {
    **ACCOUNTS,
    **dict.fromkeys((0x8033803F, *range(0x803381A5, 0x803381A9), 0x803381AB, *range(0x803381E4, 0x803381EB)), _NO_ROOM),
    **dict.fromkeys((0x80338026, 0x80338047, 0x80338048, 0x80338049, 0x8033806E, 0x8033806F, 0x80338111), _TOO_LARGE),
    **dict.fromkeys((0x80338000, 0x80338001, 0x80338002, 0x80338013, 0x8033803B, 0x8033815B), _NO_SHELL),
    **dict.fromkeys((0x80338003, 0x80338083, 0x8033809A), _NO_HOST),
    **dict.fromkeys((0x80338088, 0x80338190, 0x803381C3), _MISCONFIGURED),
    **dict.fromkeys((0x8033805B, 0x803381C4, 0x803381DE, 1312), _SHELL_ENDED),
    **dict.fromkeys((0x80338029, 0x80338126, 0x803381DC, 121, 258, 1460), _WAITED),
    **dict.fromkeys((0x803381AC, 0x803381E3), _NOT_ALLOWED),
    0x803381CC: _ENDED,
    **dict.fromkeys((109, 232, 233, 995, 1067, 1223), _ENDED),
    # A file or module that is not there, a registry key that was marked for deletion, a service that does not start or
    # answer, and COM: server execution failed, class not registered.
    **dict.fromkeys((2, 3, 126, 127, 193, 1018, 1053, 1058, 1068, 1069, 1722, 1723, 1726, 1727, 1753, 14001), _NO_HOST),
    **dict.fromkeys((0x80080005, 0x80040154), _NO_HOST),
    **dict.fromkeys((8, 14, 1130, 1450, 1455, 1816), _NO_MEMORY),
    **dict.fromkeys((39, 112), _NO_DISK),
    **dict.fromkeys((23, 1009, 1015, 1016, 1117, 1392, 1393), _DAMAGED),
    **dict.fromkeys((225, 226), _TAKEN_FOR_A_VIRUS),
    # Of a policy for software, of code integrity, of an application control policy.
    **dict.fromkeys((577, 1260, 4551), _BLOCKED),
    **dict.fromkeys((1062, 1115, 1717), _ENDING),
    **dict.fromkeys((5, 1314, 0x80041003), _NO_RIGHTS),
    **dict.fromkeys((1311, 1355, 1908, 0x80090311), _ITS_DOMAIN),
    **dict.fromkeys((0x8009030C, 0x80338036), ACCOUNTS[1326]),
    **dict.fromkeys((1398, 0x80090324), CLOCKS_APART),
    **dict.fromkeys((1786, 1787, 1788, 1789), _NO_TRUST),
}
# By a fault's subcode, where no number is known.
_SUBCODES: Mapping[str, Diagnosis] = {
    "QuotaLimit": _NO_ROOM,
    "AccessDenied": _NO_RIGHTS,
    "EncodingLimit": _TOO_LARGE,
    "TimedOut": _WAITED,
    "DestinationUnreachable": _NO_SHELL,
    "ActionNotSupported": _NO_SHELL,
    "EndpointUnavailable": _ENDING,
}
# A number in the fault's words, in whatever language they are.
_HRESULT = re.compile(r"\b0x8[0-9A-Fa-f]{7}\b")


def fault(numbers: Iterable[int | None], subcode: str, reason: str) -> GatewayError:
    """What a fault of WS-Management means, by its numbers and subcode; its words are shown."""
    said = " ".join(reason.split())[:_LONGEST_REASON]
    all_ = [*(number for number in numbers if number), *(int(one, 16) for one in _HRESULT.findall(said))]
    found = (_FAULTS.get(windows(number)) for number in all_)
    trouble = next(filter(None, found), _SUBCODES.get(subcode.rpartition(":")[2]))
    if trouble is not None:
        return trouble.after("", f": {said}")
    return BadAnswer(f"WinRM says: {said}", "See the gateway's WinRM event log.")


def waited() -> GatewayError:
    """WinRM's own operation time-out."""
    return _WAITED.after("")


# How our own two sides of Ansible tell each other what a failure is: before its words, which are for people alone.
# plugins/connection/guarded_winrm.py: the line broke in a task, the account was refused; ansible/broker.py: the login
# guard let none be tried.
BROKE = "<provisioner:broke> "
REFUSED = "<provisioner:refused> "
NOT_TRIED = "<provisioner:not-tried> "


def broke(said: str) -> bool:
    """Whether Ansible's words are of a connection that broke (plugins/connection/guarded_winrm.py)."""
    return BROKE in said


def unmarked(said: str) -> str:
    """Ansible's words as a person reads them."""
    return said.replace(BROKE, "").replace(REFUSED, "").replace(NOT_TRIED, "")


def rejected(said: str) -> bool:
    """Whether Ansible's words are of an account that was refused."""
    return NOT_TRIED in said or REFUSED in said
