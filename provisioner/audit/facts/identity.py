"""Facts about which PC it is: the one that the row names, the one that was seen before, and no other row's."""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from provisioner.audit.facts.context import OK, CannotTell, FactContext, FactOf
from provisioner.evidence import serials
from provisioner.fleet.addresses import netbios, short
from provisioner.model import Gateway

# Serial number, Windows installation, name, each "" where it is not given.
Marks = tuple[str, str, str]


class _Held(Enum):
    """What comes of holding one mark of a PC against the one seen before. SILENT: it was, or is, not given."""

    SAME = "same"
    OTHER = "other"
    SILENT = "silent"


def _computer_name(reading: FactContext) -> str:
    return str(reading.section("identity")["computer_name"])


def _same(reading: FactContext) -> str | list[str]:
    """The name must be the row's, where the row has one, the PC the one seen before, and no other row's. A serial
    number tells, where both have one: another number is another PC. That a single mark is the same is not enough where
    the others differ: serial numbers are filled in for a whole series, and a clone has the Windows installation of its
    model."""
    now = reading.section("identity")
    try:
        found, why = _own(reading.gateway, now, reading.seen), ""
    except CannotTell as error:
        found, why = OK, str(error)
    if found == OK and reading.elsewhere:
        words = f"the PC at this address, {now['computer_name']}, is the one at {reading.elsewhere} too"
        if not serials.number(now["serial"]):
            raise CannotTell(f"{words}, or a clone of it: it has no serial number, and the same name and Windows")
        return [words]
    if why:
        raise CannotTell(why)
    return found


def _own(row: Gateway, now: Mapping[str, Any], seen: Mapping[str, str] | None) -> str | list[str]:
    """The same by the row and its own past alone."""
    named = row.computer
    if named and netbios(named) != netbios(now["computer_name"]):
        return [f"the PC at this address is {now['computer_name']}, and the row names {named}"]
    if not seen:
        return OK
    serial = _held(serials.number(seen.get("serial")), serials.number(now["serial"]))
    windows = _held(serials.guid(seen.get("machine_guid")), serials.guid(now["machine_guid"]))
    name = _Held.SAME if named else _held(short(seen.get("computer_name") or ""), short(now["computer_name"]))
    return _judged(seen, str(now["computer_name"]), serial, windows, name)


def fits(row: Gateway, now: Mapping[str, Any], seen: Mapping[str, str] | None) -> bool:
    """Whether the row and its own past take that PC for its gateway, or do not speak against it."""
    try:
        return _own(row, now, seen) == OK
    except CannotTell:
        return True


def marks(identity: Mapping[str, Any]) -> Marks:
    """What a PC tells of which one it is."""
    name = short(identity.get("computer_name") or "")
    return serials.number(identity.get("serial")), serials.guid(identity.get("machine_guid")), name


def one_pc(one: Marks, other: Marks) -> bool:
    """Whether two rows that were read are one PC: two marks are the same, and none is another."""
    held = [_held(was, now) for was, now in zip(one, other, strict=True)]
    return held.count(_Held.SAME) >= 2 and _Held.OTHER not in held


def _judged(before: Mapping[str, str], now: str, serial: _Held, windows: _Held, name: _Held) -> str | list[str]:
    was = before.get("computer_name") or "another PC"
    if serial is _Held.OTHER or (serial is _Held.SILENT and windows is _Held.OTHER):
        words = "serial number" if serial is _Held.OTHER else "Windows installation"
        return [f"the PC at this address is {now}, another than the {was} seen before (its {words} differs)"]
    same = [serial, windows, name].count(_Held.SAME)
    # Nothing but a name, and nothing that speaks against it.
    if same >= 2 or (name is _Held.SAME and serial is windows is _Held.SILENT):
        return OK
    if serial is _Held.SAME:
        only = "only its serial number is that of"
    elif windows is _Held.SAME:
        only = "only its Windows installation, which a clone has too, is that of"
    else:
        raise CannotTell("the PC gives neither a serial number nor a machine GUID that was seen before")
    raise CannotTell(f"the PC at this address is {now}, and {only} the {was} seen before")


def _held(old: str, new: str) -> _Held:
    if not (old and new):
        return _Held.SILENT
    return _Held.SAME if old == new else _Held.OTHER


FACTS: dict[str, FactOf] = {
    "identity.computer_name": _computer_name,
    "identity.same": _same,
}
