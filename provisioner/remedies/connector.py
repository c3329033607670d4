"""The Connector's own files. Pure."""

from pathlib import Path
from typing import Any

from provisioner.fleet import packages, templates
from provisioner.model import Fleet, Gateway, Role
from provisioner.model.controls import FILES
from provisioner.model.settings import ConnectorFile
from provisioner.remedies import alarms
from provisioner.remedies.package import package
from provisioner.remedies.remedy import (
    IT,
    Back,
    Need,
    Remedy,
    Removal,
    Risk,
    Sections,
    Values,
    all_comes_back,
    folders,
    never,
    state,
)


def _values(fleet: Fleet, gateway: Gateway) -> dict[str, Any]:
    java, folder = fleet.settings.java, fleet.settings.connector.folder
    inside = f"{java.home}\\".lower().startswith(f"{folder}\\".lower())
    return {
        **folders(fleet, gateway),
        "connector_state": state(gateway),
        "connector_package": package(fleet, "connector"),
        "connector_files": [_file(fleet, gateway, file) for file in _files(fleet, gateway)],
        # The control `access` looks at it too. A Java that is not ours keeps its own rights.
        "connector_closed": [java.home] if packages.usable(fleet.settings, "jre") and not inside else [],
    }


def _files(fleet: Fleet, gateway: Gateway) -> tuple[ConnectorFile, ...]:
    """Those that the role looks after. Without a package only who may write to the folder is set; what was made for the
    practice is kept where all of it goes."""
    whole = gateway.role is Role.RETIRED or packages.usable(fleet.settings, "connector")
    return fleet.settings.connector.files if whole else ()


def _file(fleet: Fleet, gateway: Gateway, file: ConnectorFile) -> dict[str, Any]:
    return {
        "path": fleet.settings.connector.at(file.path),
        "template": str(Path(fleet.folder, file.template).absolute()),
        "variables": templates.variables(gateway),
        "secrets": dict(file.secrets),
        "made_from": templates.made_from(fleet.templates, file, gateway),
    }


def _shown(sections: Sections, values: Values) -> Any:
    found = sections["connector"]
    paths = {file["path"].lower() for file in values.get("connector_files") or ()}
    ours = {file["path"].lower(): file for file in found["files"] if file["path"].lower() in paths}
    files = {path: file["sha256"] for path, file in ours.items()}
    # A reading from before this was noted has none, and is to be the same as one of a gateway that has none.
    made = {path: file["made"] for path, file in ours.items() if file.get("made")}
    noted = {"made": made} if made else {}
    return {"package": found["package_sha256"], "version": found["version"], "files": files, **noted}


REMEDY = Remedy(
    name="connector",
    role="connector",
    values=_values,
    # Who may write to the folder is set without a package too. Without one no reading shows that its files are right.
    needs=Need(
        words="packages.connector",
        given=lambda settings: "connector" in settings.packages,
        removal=True,
        control=FILES,
        package="connector",
    ),
    seconds=30.0,
    planned=True,
    stops_service=True,
    told_of_program=False,
    risk=Risk(
        does=f"Puts the {IT}'s files into its folder and lets only administrators and SYSTEM write there.",
        wrong=f"A running {IT} is stopped while its files are replaced, and started again. SystmOne is not touched.",
        back="Edited files are kept on the gateway and can be put back; the package before is installed again.",
    ),
    alarms=alarms.PACKAGE,
    removal=Removal(
        place=40,
        risk=Risk(
            does=f"Uninstalls the {IT} and removes its whole folder.",
            wrong=f"What the {IT} itself wrote there is lost. Files made for the practice are kept on the PC.",
            back="With the role active again a plan installs it; the kept files can be put back.",
        ),
    ),
    back=Back(
        place=60,
        sections=("connector",),
        shown=_shown,
        nothing_before=never,
        recorded=True,
        lost=all_comes_back,
        values={},
    ),
)
