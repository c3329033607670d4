"""The computers of a domain, as its directory has them."""

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from provisioner import foreign
from provisioner.directory.ldap import Directory, DirectoryEntry
from provisioner.errors import InputError, suggest

ATTRIBUTES = (
    "cn", "sAMAccountName", "dNSHostName", "operatingSystem", "operatingSystemVersion", "lastLogonTimestamp",
    "description",
)  # fmt: skip
# Computers that may log on: 2 of userAccountControl is ACCOUNTDISABLE. Neither domain controllers (primary group 516)
# nor read-only ones (521), nor service accounts, which are computers to the schema.
_ENABLED = "(!(userAccountControl:1.2.840.113556.1.4.803:=2))"
_NOT_CONTROLLERS = "(!(primaryGroupID=516))(!(primaryGroupID=521))"
_COMPUTERS = f"(objectCategory=computer){_ENABLED}{_NOT_CONTROLLERS}"
_ESCAPED = {character: f"\\{ord(character):02x}" for character in "\\()\0*"}
_FIRST_PART = re.compile(r"(?:[^\\,]|\\.)*,", re.S)
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_NEVER = (0, 2**63 - 1)


@dataclass(frozen=True, kw_only=True)
class Computer:
    """One computer: its short name and its full one ("" where it has none), Windows as it says itself, when it last
    logged on to the domain (right to a fortnight; None never), the place it lies in (a DN), and what somebody wrote."""

    name: str
    dns_name: str
    windows: str
    last_logon: datetime | None
    ou: str
    description: str


def computers(directory: Directory, under: str = "", pattern: str = "") -> list[Computer]:
    """The enabled computers of the domain, or those under a DN, or whose name fits a pattern (* and ?), by name.

    Errors: InputError where there is no such place, with the nearest; what Directory raises.
    """
    if under and not directory.exists(under):
        places = [one.dn for one in directory.search("(objectClass=organizationalUnit)", ("ou",))]
        near = suggest(under, places) or (f"There are: {'; '.join(places[:5])}" if places else "")
        hint = f"{near} (One that this account may not see looks the same.)".strip()
        raise InputError(f"The directory has no {under}.", hint)
    found = (computer(one) for one in directory.search(filter_of(pattern), ATTRIBUTES, under))
    fitting = (one for one in found if one.name and (not pattern or _fits(one, pattern)))
    return sorted(fitting, key=lambda one: (one.name.lower(), one.dns_name))


def filter_of(pattern: str = "") -> str:
    """The filter of computers whose name may fit a pattern; what only looks like a filter is text."""
    if not pattern.strip("*"):
        return f"(&{_COMPUTERS})"
    # LDAP has no sign for one character: what it finds too much is left out afterwards.
    asked = re.sub(r"\*+", "*", "*".join(escaped(part) for part in re.split(r"[*?]", pattern)))
    return f"(&{_COMPUTERS}(|(cn={asked})(sAMAccountName={asked}$)(dNSHostName={asked})))"


def escaped(text: str) -> str:
    """A text as a filter has it, whatever is in it (RFC 4515, 3)."""
    return "".join(_ESCAPED.get(character, character) for character in text)


def computer(entry: DirectoryEntry) -> Computer:
    """One computer of its entry. Pure."""
    account = entry.first("sAMAccountName").removesuffix("$") or entry.first("cn")
    version = entry.first("operatingSystemVersion")
    windows = " ".join(part for part in (entry.first("operatingSystem"), version) if part)
    return Computer(
        name=foreign.readable(account),
        dns_name=foreign.readable(entry.first("dNSHostName")),
        windows=foreign.readable(windows),
        last_logon=moment(entry.first("lastLogonTimestamp")),
        ou=foreign.readable(parent(entry.dn)),
        description=foreign.readable(" ".join(" ".join(entry.values.get("description", ())).split())),
    )


def parent(dn: str) -> str:
    """Where an object lies, by its own DN: without the first part, in which a comma may be escaped."""
    first = _FIRST_PART.match(dn)
    return dn[first.end() :] if first else ""


def moment(text: str) -> datetime | None:
    """A time as Windows counts it, in 100 ns since 1601; None for never, and for what is none."""
    if not re.fullmatch(r"[0-9]{1,19}", text) or int(text) in _NEVER:
        return None
    try:
        return _EPOCH + timedelta(microseconds=int(text) // 10)
    except OverflowError:
        return None


def parts(dn: str) -> tuple[str, ...]:
    """A DN's parts, for comparing: without blanks around, in lower case, escapes by their characters."""
    found = (re.sub(r"\\([0-9a-f]{2}|.)", _unescaped, part, flags=re.I | re.S) for part in _split(dn))
    return tuple(re.sub(r"\s*=\s*", "=", part.strip(), count=1).lower() for part in found)


def is_under(place: str, ou: str) -> bool:
    """Whether a place is that OU, or lies in it."""
    inner, outer = parts(place), parts(ou)
    return bool(outer) and inner[-len(outer) :] == outer


def _split(dn: str) -> Iterable[str]:
    return re.findall(r"(?:[^\\,]|\\.)+", dn, re.S)


def _unescaped(found: re.Match[str]) -> str:
    given = found[1]
    return chr(int(given, 16)) if len(given) == 2 else given


def _fits(one: Computer, pattern: str) -> bool:
    names = (one.name.lower(), one.dns_name.lower())
    return any(fnmatch.fnmatchcase(name, re.sub(r"\[", "[[]", pattern.lower())) for name in names if name)
