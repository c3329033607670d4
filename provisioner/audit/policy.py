"""policy/*.yml -> Policy: what is asked of a gateway, as data. Every fault at once, with file and line.

gateway.yml has one entry a control, which compares one named fact by one operator. What takes thought is a fact.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from provisioner import yamlfile
from provisioner.errors import Fault, InputError
from provisioner.model import Control
from provisioner.yamlfile import Document

_GATEWAY, _LIFECYCLE = "gateway.yml", "windows-lifecycle.yml"


@dataclass(frozen=True, kw_only=True)
class Release:
    """Windows of one build and some groups of editions ("any": all others). Ends are the last days of security updates;
    `esu_years` those of each year of the paid extended ones."""

    name: str
    build: int
    editions: tuple[str, ...]
    servicing_end: date
    esu_years: tuple[date, ...] = ()

    @property
    def esu_end(self) -> date | None:
        """The last day of extended updates; None where there are none."""
        return self.esu_years[-1] if self.esu_years else None


@dataclass(frozen=True, kw_only=True)
class Lifecycle:
    """Until when Microsoft services each Windows. `editions` maps a lower-case EditionID to its group."""

    as_of: date
    clients: tuple[Release, ...]
    servers: tuple[Release, ...]
    editions: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What is asked of every gateway. `digest` changes with any of it."""

    controls: tuple[Control, ...]
    digest: str
    lifecycle: Lifecycle

    @property
    def ids(self) -> frozenset[str]:
        """The ids of all controls."""
        return frozenset(control.id for control in self.controls)


def load(folder: Path, fact_names: Collection[str]) -> Policy:
    """Read the policy of a folder. `fact_names` are the facts that a control may name.

    Errors: InputError with every fault of gateway.yml; with the first of windows-lifecycle.yml.
    """
    document = _read(folder / _GATEWAY)
    controls, faults = _controls(document, folder, fact_names)
    if faults := [*document.faults, *faults]:
        faults.sort(key=lambda fault: fault.line or 0)
        raise InputError(f"{folder / _GATEWAY} has {len(faults)} fault{'s'[: len(faults) > 1]}.", "", faults)
    table = _read(folder / _LIFECYCLE)
    texts = [(folder / name).read_text("utf-8") for name in (_GATEWAY, _LIFECYCLE)]
    digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
    return Policy(controls=controls, digest=digest, lifecycle=_lifecycle(table, folder / _LIFECYCLE))


def _read(path: Path) -> Document:
    if not yamlfile.is_file(path):
        raise InputError(f"{path} cannot be read: there is no such file.", "Is provisioner installed whole?")
    return yamlfile.read(path, ours=True)


def _controls(document: Document, folder: Path, fact_names: Collection[str]) -> tuple[tuple[Control, ...], list[Fault]]:
    if document.faults and document.data is None:
        return (), []
    if not isinstance(document.data, list) or not document.data:
        return (), [Fault(document.name, 1, "this is no list of controls.")]
    # Its shape is pydantic's core's, which a verb that is only asked for its --help does not load.
    from provisioner.audit.controls import read_control

    controls, faults, lines = list[Control](), list[Fault](), dict[str, int | None]()
    for number, entry in enumerate(document.data):
        if (number,) in document.broken:
            continue
        control, complaints = read_control(entry, fact_names)
        name = entry.get("id") if isinstance(entry, dict) else None
        if isinstance(name, str) and name.strip():
            page = folder / "controls" / f"{name}.md"
            if not page.is_file():
                complaints.append((f"{name}: it has no page.", f"Write {page}."))
            if name in lines:
                complaints.append((f"there is a control {name} already, in line {lines[name]}.", ""))
            lines.setdefault(name, document.line((number,)))
        faults.extend(document.fault((number,), *complaint) for complaint in complaints)
        if control and not complaints:
            controls.append(control)
    return tuple(controls), faults


def _lifecycle(document: Document, path: Path) -> Lifecycle:
    data = document.data
    try:
        if document.faults:
            raise ValueError(str(document.faults[0]))
        return Lifecycle(
            as_of=data["as_of"],
            clients=tuple(map(_release, data["clients"])),
            servers=tuple(map(_release, data["servers"])),
            editions={edition.lower(): group for group, editions in data["editions"].items() for edition in editions},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        hint = "Restore it from the release of provisioner that is installed."
        raise InputError(f"{path} is not the lifecycle data that it should be: {error}", hint) from error


def _release(row: Mapping[str, Any]) -> Release:
    return Release(**{**row, "editions": tuple(row["editions"]), "esu_years": tuple(row.get("esu_years", ()))})
