"""Files that a migration brings from the gateway that a practice leaves to the one that it moves to. Pure."""

from collections.abc import Mapping
from typing import Any

from provisioner.model import Evidence, Fleet, Gateway, Step
from provisioner.model.plan import CARRY
from provisioner.remedies import alarms
from provisioner.remedies.remedy import KEEP, Back, Remedy, Risk, Sections, Values, all_comes_back


def carried(step: Step, reading: Mapping[str, Evidence]) -> bool:
    """Whether the files that a step carries are on both gateways, byte for byte, by their SHA-256."""
    paths = list(step.values["carry_paths"])
    here = _digests(reading.get(step.gateway), paths)
    there = _digests(reading.get(str(step.values["carry_from"])), paths)
    return None not in here and here == there


def _digests(evidence: Evidence | None, paths: list[str]) -> list[str | None]:
    connector = evidence.sections.get("connector") if evidence and not evidence.error else None
    known = {file["path"].lower(): file["sha256"] for file in connector["files"]} if connector else {}
    return [known.get(path.lower()) for path in paths]


def _values(fleet: Fleet, gateway: Gateway) -> dict[str, Any]:
    connector = fleet.settings.connector
    return {
        "carry_state": "present",
        # Which gateway the practice leaves is the migration's to say.
        "carry_from": "",
        "carry_paths": [connector.at(path) for path in connector.carry],
        "connector_folder": connector.folder,
        "connector_keep": KEEP,
    }


def _shown(sections: Sections, values: Values) -> Any:
    known = {file["path"].lower(): file["sha256"] for file in sections["connector"]["files"]}
    return {path: known.get(path.lower()) for path in values["carry_paths"]}


REMEDY = Remedy(
    name=CARRY,
    role="carry",
    values=_values,
    needs=None,
    seconds=20.0,
    planned=False,
    stops_service=False,
    told_of_program=False,
    risk=Risk(
        does="Copies the files that fleet.yml names from the gateway that the practice leaves, byte for byte.",
        wrong="A file of that name that is there already is replaced, and kept on the gateway.",
        back="The kept file is put back; where there was none, the copy is removed.",
    ),
    alarms=alarms.NONE_KNOWN,
    removal=None,
    back=Back(
        place=50,
        sections=("connector",),
        shown=_shown,
        nothing_before=lambda before: not before["files"],
        recorded=False,
        lost=all_comes_back,
        values={},
    ),
)
