"""The Connector's own files. Pure."""

from pathlib import Path
from typing import Any

from provisioner.model import Fleet, Gateway
from provisioner.model.controls import FILES
from provisioner.model.settings import ConnectorFile, Settings
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
        "connector_files": [_file(fleet, gateway, file) for file in fleet.settings.connector.files],
        # The control `access` looks at it too. A Java that is not ours keeps its own rights.
        "connector_closed": [java.home] if "jre" in fleet.settings.packages and not inside else [],
    }


def _file(fleet: Fleet, gateway: Gateway, file: ConnectorFile) -> dict[str, Any]:
    """One file of the Connector's. The row's own columns cannot take the place of what names the practice."""
    named = {"practice": gateway.practice, "practice_name": gateway.practice_name, "gateway": gateway.name}
    return {
        "path": f"{fleet.settings.connector.folder}\\{file.path}".replace("/", "\\"),
        "template": str(Path(fleet.folder, file.template).absolute()),
        "variables": {**gateway.variables, **named},
        "secrets": dict(file.secrets),
    }


def _given(settings: Settings) -> bool:
    return "connector" in settings.packages or bool(settings.connector.files)


def _shown(sections: Sections, values: Values) -> Any:
    found = sections["connector"]
    made = {file["path"].lower() for file in values.get("connector_files") or ()}
    files = {file["path"].lower(): file["sha256"] for file in found["files"] if file["path"].lower() in made}
    return {"package": found["package_sha256"], "version": found["version"], "files": files}


REMEDY = Remedy(
    name="connector",
    role="connector",
    values=_values,
    # Who may write to the folder is set without a package too.
    needs=Need(words="packages.connector", given=_given, removal=True, control=FILES),
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
