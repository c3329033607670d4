"""Facts about which PC it is: the one that the row names, and the one that was seen before."""

from collections.abc import Mapping
from enum import Enum

from provisioner.audit.facts.context import OK, CannotTell, FactContext, FactOf
from provisioner.evidence import serials

_NETBIOS = 15


class _Held(Enum):
    """What comes of holding one mark of a PC against the one seen before. SILENT: it was, or is, not given."""

    SAME = "same"
    OTHER = "other"
    SILENT = "silent"


def _computer_name(reading: FactContext) -> str:
    return str(reading.section("identity")["computer_name"])


def _same(reading: FactContext) -> str | list[str]:
    """The name must be the row's, where the row has one, and the PC the one seen before. A serial number tells, where
    both have one: another number is another PC. That a single mark is the same is not enough where the others differ:
    serial numbers are filled in for a whole series, and a clone has the Windows installation of its model."""
    now = reading.section("identity")
    named = reading.gateway.variables.get("computer", "").strip()
    if named and _netbios(named) != _netbios(now["computer_name"]):
        return [f"the PC at this address is {now['computer_name']}, and the row names {named}"]
    if not reading.seen:
        return OK
    before = reading.seen
    serial = _held(serials.number(before.get("serial")), serials.number(now["serial"]))
    windows = _held(serials.guid(before.get("machine_guid")), serials.guid(now["machine_guid"]))
    name = _Held.SAME if named else _held(_short(before.get("computer_name") or ""), _short(now["computer_name"]))
    return _judged(before, str(now["computer_name"]), serial, windows, name)


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


def _short(name: str) -> str:
    return name.strip().partition(".")[0].lower()


def _netbios(name: str) -> str:
    """A PC's name as it gives it itself: a longer one is cut [docs/windows.md, "identity"]."""
    return _short(name)[:_NETBIOS]


FACTS: dict[str, FactOf] = {
    "identity.computer_name": _computer_name,
    "identity.same": _same,
}
