"""Facts about the antivirus: which one is at work, whether it leaves the Connector alone, who can tell it to."""

import fnmatch
import re
from typing import Any

from provisioner.audit.facts.context import (
    OK,
    CannotTell,
    FactContext,
    FactOf,
    listed,
    once,
    path_key,
    problems,
    same_path,
    within,
)
from provisioner.audit.facts.running import by_program
from provisioner.audit.facts.service import real

_DEFENDER = "Microsoft Defender"
_OWN = re.compile(r"\b(windows|microsoft)[ \u00a0-]defender\b")
# In this mode Defender does not tell whether it is the one that scans.
_EDR = "edr block mode"
# Security Center's undocumented state, the figure in its 0xF000: 1 is at work, 2 is off for a while and comes back; 0
# is off, and 3 has expired [docs/windows.md, "antivirus"].
_AT_WORK = (1, 2)


@once
def _others(reading: FactContext) -> list[str]:
    """Other makers' products that are at work."""
    products = reading.section("antivirus")["products"] or []
    return sorted(
        {
            product["name"]
            for product in products
            if not _is_defender(product["name"]) and (product["state"] is None or _at_work(product["state"]))
        }
    )


def _is_defender(name: str) -> bool:
    """Whether an entry of Security Center is Microsoft's own, in whatever language: "Antivirus Microsoft Defender" is.
    Others have a part of its name within theirs (Bitdefender)."""
    return bool(_OWN.search(name.lower()))


def _at_work(state: int) -> bool:
    return state >> 12 & 0xF in _AT_WORK


def _defender_scans(reading: FactContext) -> bool:
    """Whether Defender says itself that it is the one that scans. It goes passive where another product really is in
    charge: then what Security Center lists beside it may be what an uninstall left there [docs/windows.md,
    "antivirus"]."""
    defender = reading.section("antivirus")["defender"]
    return bool(
        defender and defender["running"] and (defender["mode"] or "").lower() == "normal" and defender["realtime"]
    )


@once
def _product(reading: FactContext) -> str:
    if others := _others(reading):
        return f"{_DEFENDER} and {_beside(others)}" if _defender_scans(reading) else listed(others)
    defender = reading.section("antivirus")["defender"]
    if defender is None or defender["running"] is None:
        raise CannotTell("the gateway does not tell which antivirus is at work")
    if _defender_works(reading):
        return _DEFENDER
    state = f" ({_DEFENDER}: {defender['mode']})" if defender["mode"] else ""
    raise CannotTell(f"no antivirus seems to be at work on this PC{state}")


def _beside(others: list[str]) -> str:
    """Others that Security Center lists as at work although Defender scans."""
    return f"{listed(others)} (which Security Center lists as at work: perhaps what an uninstall left there)"


@once
def _defender_works(reading: FactContext) -> bool:
    """Whether Defender is the antivirus, no other being at work. EDR in block mode hides whether it is passive: there
    Security Center's word for it is the only one."""
    antivirus = reading.section("antivirus")
    defender = antivirus["defender"]
    if not (defender and defender["running"]):
        return False
    mode = (defender["mode"] or "Normal").lower()
    listed_as_such = any(
        _is_defender(product["name"]) and product["state"] is not None and _at_work(product["state"])
        for product in antivirus["products"] or ()
    )
    return mode == "normal" or (mode == _EDR and listed_as_such)


def _defender(reading: FactContext) -> Any:
    """Defender, where it is the antivirus at work. Raises CannotTell where another is: its own console alone shows
    what it leaves alone."""
    product = _product(reading)
    if product != _DEFENDER and not _defender_scans(reading):
        image = listed(list(real(reading).each))
        raise CannotTell(f"the antivirus here is {product}: only its own console shows whether it leaves {image} alone")
    return reading.section("antivirus")["defender"]


def _ask_others(reading: FactContext) -> None:
    """Raises CannotTell where another product may be at work beside Defender."""
    if others := _others(reading):
        raise CannotTell(
            f"the antivirus here is {_beside(others)} beside {_DEFENDER}, which scans: only its own console shows what "
            f"it leaves alone, if it is still installed"
        )


def _effective(reading: FactContext) -> bool:
    """Whether Defender leaves the Connector alone. Its own answer comes before the lists, which may hold what it
    ignores."""
    defender, found = _defender(reading), real(reading)
    if not found.sure and (defender["path_exclusions"] or defender["process_exclusions"]):
        # One of them may be the right one.
        raise CannotTell(found.why)
    return by_program(found, lambda image: OK if _left_alone(reading, image) else ["no"]) == OK


def _left_alone(reading: FactContext, image: str) -> bool:
    """Whether Defender leaves that program alone."""
    defender, antivirus, settings = _defender(reading), reading.section("antivirus"), reading.settings
    if settings.antivirus.exclude == "process":
        return _in_list(reading, "process", image)
    answer = antivirus["effective"]
    asked = same_path(answer["path"], image)
    if asked and answer["excluded"] is False:
        return False
    folder = settings.connector.folder
    # A Java outside of the folder is not in what the folder's exclusion holds.
    wanted = folder if settings.antivirus.exclude == "folder" and within(image, folder) else image
    paths = defender["path_exclusions"]
    if asked and answer["excluded"] and (paths is None or wanted == image):
        return True
    return _in_list(reading, "path", wanted)


def _in_list(reading: FactContext, kind: str, wanted: str) -> bool:
    """Whether an exclusion that holds it is listed. One that Defender may ignore says nothing."""
    exclusions = _defender(reading)[f"{kind}_exclusions"]
    if exclusions is None:
        raise CannotTell(f"Defender hides its {kind} exclusions, and does not say itself")
    found = any(_excludes(exclusion, wanted) for exclusion in exclusions)
    if found and _hindrances(reading):
        raise CannotTell(f"Defender lists a {kind} exclusion that it may ignore, and does not say itself")
    return found


def _excludes(exclusion: str, wanted: str) -> bool:
    """Whether an exclusion holds a path: what it names, and all below it. A wildcard stands for names in one folder
    alone, not for several folders [docs/windows.md, "antivirus"]."""
    names, parts = path_key(exclusion).replace("[", "[[]").split("\\"), path_key(wanted).split("\\")
    return len(names) <= len(parts) and all(map(fnmatch.fnmatchcase, parts, names))


def _hindrances(reading: FactContext) -> list[str]:
    """Why an exclusion that is set on this PC would not take effect. Tamper protection alone does not hinder one: only
    protected exclusions or merging switched off do [docs/windows.md, "antivirus"]."""
    defender, found = _defender(reading), []
    if defender["exclusions_protected"]:
        found.append("tamper protection guards its exclusions")
    if defender["local_merge_disabled"]:
        found.append("its management ignores what is set on the PC")
    return found


def _exclusion_by(reading: FactContext) -> str:
    """Who can make an exclusion that takes effect: an administrator of this PC (local), Defender's management, or the
    team of another product. Of two that may be at work it is Defender's: antivirus.management asks for the other."""
    if _others(reading) and not _defender_scans(reading):
        return "product"
    if not _defender_works(reading):
        return "nobody"
    return "management" if _hindrances(reading) else "local"


def _management(reading: FactContext) -> str | list[str]:
    """Whether the exclusion is there, or can be made from here; else why it is a request to somebody."""
    hindrances = _hindrances(reading)
    if not hindrances or _effective(reading):
        _ask_others(reading)
        return OK
    managed = {6: " by Intune", 7: " by Configuration Manager"}.get(_defender(reading)["managed_by"], "")
    return problems([f"{_DEFENDER} is managed{managed}: {' and '.join(hindrances)}"])


def _removal_by(reading: FactContext) -> str:
    """Who can take an exclusion away and see that it is gone, as in antivirus.exclusion_by: where Defender hides its
    exclusions, that is its management; where it has none left, the team of a product that may be at work beside it."""
    by = _exclusion_by(reading)
    if by == "local" and _defender(reading)["exclusions_hidden"]:
        return "management"
    return "product" if by == "local" and _others(reading) and not _known_left_alone(reading) else by


def _exclusion_left(reading: FactContext) -> str | list[str]:
    """What of the Connector a retired gateway's antivirus still leaves alone: that is open to whoever makes the folder
    anew."""
    if found := _known_left_alone(reading):
        return problems([f"{_DEFENDER} still leaves {listed(found)} alone"])
    _defender(reading)
    if None in _lists(reading):
        raise CannotTell("Defender hides its exclusions")
    _ask_others(reading)
    return OK


def _lists(reading: FactContext) -> list[list[str] | None]:
    defender = reading.section("antivirus")["defender"] or {}
    return [defender.get("path_exclusions"), defender.get("process_exclusions")]


def _known_left_alone(reading: FactContext) -> list[str]:
    """What of the Connector Defender is known to leave alone."""
    settings, lists = reading.settings, _lists(reading)
    image, folder = settings.connector.image, settings.connector.folder
    found = sorted(
        {
            entry
            for entries in lists
            for entry in entries or ()
            if same_path(entry, image) or same_path(entry, folder) or within(entry, folder)
        }
    )
    asked = reading.section("antivirus")["effective"]
    if None in lists and asked["excluded"] and same_path(asked["path"], image):
        found.append(image)
    return found


FACTS: dict[str, FactOf] = {
    "antivirus.product": _product,
    "antivirus.exclusion_effective": _effective,
    "antivirus.exclusion_by": _exclusion_by,
    "antivirus.management": _management,
    "antivirus.removal_by": _removal_by,
    "antivirus.exclusion_left": _exclusion_left,
}
