"""What Microsoft Defender leaves alone. Pure."""

from collections.abc import Mapping
from typing import Any

from provisioner.model import Fleet, Gateway, Role
from provisioner.remedies import alarms
from provisioner.remedies.remedy import (
    IT,
    UNTOLD,
    Back,
    Remedy,
    Removal,
    Risk,
    Sections,
    Values,
    all_comes_back,
    state,
)


def _values(fleet: Fleet, gateway: Gateway) -> dict[str, Any]:
    connector, exclude = fleet.settings.connector, fleet.settings.antivirus.exclude
    # A program outside of the folder is not in what the folder's exclusion holds.
    inside = connector.image.lower().startswith(f"{connector.folder.lower()}\\")
    path = connector.folder if exclude == "folder" and inside else connector.image
    if gateway.role is Role.RETIRED:
        # All that we may ever have excluded there: fleet.yml may have said otherwise before.
        paths, processes = [connector.image, connector.folder], [connector.image]
        return {"antivirus_state": state(gateway), "antivirus_paths": paths, "antivirus_processes": processes}
    return {
        "antivirus_state": state(gateway),
        "antivirus_paths": [] if exclude == "process" else [path],
        "antivirus_processes": [path] if exclude == "process" else [],
    }


def _shown(sections: Sections, values: Values) -> Any:
    defender, asked = sections["antivirus"]["defender"], sections["antivirus"]["effective"]
    if defender is None:
        return None
    paths, processes = defender["path_exclusions"], defender["process_exclusions"]
    shown = {
        "paths": {path: _excluded(path, paths, asked) for path in values["antivirus_paths"]},
        "processes": {process: _excluded(process, processes, {}) for process in values["antivirus_processes"]},
    }
    return UNTOLD if any(None in known.values() for known in shown.values()) else shown


def _excluded(item: str, listed: list[str] | None, asked: Mapping[str, Any]) -> bool | None:
    """Whether it is excluded: by the list; where that is hidden by what Defender was asked; None for not known."""
    if listed is not None:
        return item.lower() in {each.lower() for each in listed}
    return asked["excluded"] if str(asked.get("path")).lower() == item.lower() else None


REMEDY = Remedy(
    name="antivirus",
    role="antivirus",
    values=_values,
    needs=None,
    seconds=8.0,
    planned=True,
    stops_service=False,
    told_of_program=True,
    risk=Risk(
        does=f"Asks Microsoft Defender to leave the {IT}'s Java alone.",
        wrong="What is excluded is not scanned. Only administrators can write there.",
        back="The exclusion is removed.",
    ),
    alarms=alarms.ANTIVIRUS,
    removal=Removal(
        place=20,
        risk=Risk(
            does=f"Takes the {IT}'s exclusions out of Microsoft Defender.",
            wrong="None known: Defender scans more.",
            back="With the role active again a plan makes them anew.",
        ),
    ),
    back=Back(
        place=30,
        sections=("antivirus",),
        shown=_shown,
        nothing_before=lambda before: not before["path"] and not before["process"],
        recorded=False,
        lost=all_comes_back,
        values={},
    ),
)
