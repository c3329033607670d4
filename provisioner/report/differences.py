"""What Ansible would change, as a person reads it: only what differs, and rights in words. Pure."""

import difflib
import json
import re
from collections.abc import Iterator

from provisioner.report import pretty

_LONGEST = 200
# Security descriptors ([MS-DTYP] 2.5.1): whose, and who may do what. What is not here stays as it is written.
_SDDL = re.compile(r"\bO:[A-Z]{2}(?:G:[A-Z]{2})?D:P?(?:AI|AR)*(?:\([^()]*\))+")
_ACE = re.compile(r"\(([AD]);[^;]*;([^;]*);[^;]*;[^;]*;([^;)]*)\)")
_WHO = {
    "BA": "Administrators",
    "SY": "SYSTEM",
    "BU": "Users",
    "AU": "everybody who is logged in",
    "WD": "Everyone",
    "LS": "LocalService",
    "NS": "NetworkService",
    "CO": "whoever makes a file",
}
_MAY = {"FA": "full control", "GA": "full control", "FR": "read", "GR": "read", "0x1200a9": "read and run"}


def lines(before: str, after: str) -> Iterator[tuple[str, str]]:
    """The lines that go (`-`) and that come (`+`), in their order. Of two JSON objects only the fields that differ."""
    old, new = _fields(before), _fields(after)
    if old is not None and new is not None:
        for name in dict.fromkeys([*old, *new]):
            if old.get(name) != new.get(name):
                for mark, fields in (("-", old), ("+", new)):
                    if name in fields:
                        yield mark, f"{name}: {pretty.line(fields[name], _LONGEST)}"
        return
    for line in difflib.ndiff(in_words(before).splitlines(), in_words(after).splitlines()):
        if line[:2] in ("- ", "+ "):
            yield line[0], line[2:]


def in_words(text: str) -> str:
    """Text with each security descriptor said in words."""
    return _SDDL.sub(lambda found: _descriptor(found[0]), text)


def _descriptor(sddl: str) -> str:
    entries = _ACE.findall(sddl)
    if len(entries) != sddl.count("(") or any(may not in _MAY or who not in _WHO for _, may, who in entries):
        return sddl
    said = [f"{_WHO[who]}: {'denied ' if kind == 'D' else ''}{_MAY[may]}" for kind, may, who in entries]
    return f"rights: {', '.join(said)}" + ("; nobody else" if "D:P" in sddl else "")


def _fields(text: str) -> dict[str, object] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
