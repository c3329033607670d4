"""policy/*.yml -> Policy: what is asked of a gateway, as data. Every fault at once, with file and line.

gateway.yml has one entry a control, which compares one named fact by one operator. What takes thought is a fact.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from provisioner import remedies
from provisioner.errors import Fault, InputError, suggest
from provisioner.fleet import yamlfile
from provisioner.fleet.yamlfile import Document
from provisioner.model import Control, Impact, Role

# Whose job it can be. How people call them is the reports' concern.
OWNERS = frozenset({"practice", "icb-it", "desktop", "network", "antivirus", "vendor", "tpp"})
OPERATORS = ("is", "at_least", "at_most", "one_of")

_TEXTS = ("id", "requirement", "title", "fact", "wants", "failed")
_OPTIONAL = ("remedy", "owner", "shows", "ask")
_KEYS = frozenset({*_TEXTS, *_OPTIONAL, *OPERATORS, "impact", "applies_when"})
_REQUIREMENT = re.compile(r"R([1-9]|1[0-7])|ours")

# Makes a fault at an entry, of its message and a hint.
At = Callable[..., Fault]

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
    return yamlfile.read(path)


def _controls(document: Document, folder: Path, fact_names: Collection[str]) -> tuple[tuple[Control, ...], list[Fault]]:
    if document.faults and document.data is None:
        return (), []
    if not isinstance(document.data, list) or not document.data:
        return (), [Fault(document.name, 1, "this is no list of controls.")]
    controls, faults, lines = list[Control](), list[Fault](), dict[str, int | None]()
    for number, entry in enumerate(document.data):
        if (number,) in document.broken:
            continue
        at = partial(document.fault, (number,))
        if not isinstance(entry, dict):
            faults.append(at("a control is a mapping with id, title, fact ..."))
            continue
        found = _entry_faults(entry, at, folder, fact_names)
        name = entry.get("id")
        if isinstance(name, str):
            if name in lines:
                found.append(at(f"there is a control {name} already, in line {lines[name]}."))
            lines.setdefault(name, document.line((number,)))
        faults.extend(found)
        if not found:
            controls.append(_control(entry))
    return tuple(controls), faults


def _entry_faults(entry: dict[str, Any], at: At, folder: Path, fact_names: Collection[str]) -> list[Fault]:
    name = entry.get("id", "a control without id")
    found = [at(f"{name}: there is no key {key!r}.", suggest(str(key), _KEYS)) for key in entry if key not in _KEYS]
    for key in _TEXTS:
        if not _is_text(entry.get(key)):
            found.append(at(f"{name}: {key} is missing."))
    for key in _OPTIONAL:
        if key in entry and not _is_text(entry[key]):
            found.append(at(f"{name}: {key} is empty."))
    found += _value_faults(entry, name, at)
    found += _check_faults(entry, name, at)
    found += _fact_faults(entry, name, at, fact_names)
    if _is_text(entry.get("id")) and not (folder / "controls" / f"{entry['id']}.md").is_file():
        found.append(at(f"{name}: it has no page.", f"Write {folder / 'controls' / entry['id']}.md."))
    return found


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _value_faults(entry: dict[str, Any], name: str, at: At) -> list[Fault]:
    found = []
    if _is_text(entry.get("requirement")) and not _REQUIREMENT.fullmatch(entry["requirement"]):
        found.append(at(f"{name}: requirement {entry['requirement']} is neither R1 to R17 nor 'ours'."))
    if entry.get("impact") not in list(Impact):
        found.append(at(f"{name}: impact is {entry.get('impact')!r}, and must be required or advice."))
    remedy, owner = entry.get("remedy"), entry.get("owner")
    if (remedy is None) == (owner is None):
        found.append(at(f"{name}: exactly one of remedy and owner says who mends it."))
    for key, value, known in (("remedy", remedy, remedies.order()), ("owner", owner, OWNERS)):
        if value is not None and value not in known:
            found.append(at(f"{name}: there is no {key} {value!r}.", suggest(str(value), known)))
    return found


def _check_faults(entry: dict[str, Any], name: str, at: At) -> list[Fault]:
    """A check that compares nothing would pass or fail for no reason."""
    operators = [key for key in OPERATORS if key in entry]
    if len(operators) != 1:
        return [at(f"{name}: exactly one of {', '.join(OPERATORS)} says what the fact is compared with.")]
    operator, operand = operators[0], entry[operators[0]]
    fits = {
        "is": isinstance(operand, bool | int | float | str) and operand != "",
        "at_least": isinstance(operand, int | float) and not isinstance(operand, bool),
        "at_most": isinstance(operand, int | float) and not isinstance(operand, bool),
        "one_of": isinstance(operand, list) and bool(operand),
    }
    return [] if fits[operator] else [at(f"{name}: {operator} compares with nothing: {operand!r}.")]


def _fact_faults(entry: dict[str, Any], name: str, at: At, fact_names: Collection[str]) -> list[Fault]:
    applies = entry.get("applies_when", {})
    if not isinstance(applies, dict) or ("applies_when" in entry and not applies):
        return [at(f"{name}: applies_when is empty; without it the control holds everywhere.")]
    facts = [("fact", entry.get("fact")), ("shows", entry.get("shows"))]
    facts += [("applies_when", key) for key in applies if key != "role"]
    found = [
        at(f"{name}: {key} names {fact}, which is no fact.", suggest(str(fact), fact_names))
        for key, fact in facts
        if _is_text(fact) and fact not in fact_names
    ]
    for key, values in applies.items():
        if not (isinstance(values, list) and values and all(_is_text(value) for value in values)):
            found.append(at(f"{name}: applies_when: {key} must be a list of texts (quote yes and no)."))
        elif key == "role":
            found += [
                at(f"{name}: there is no role {value}.", suggest(value, list(Role)))
                for value in values
                if value not in list(Role)
            ]
    return found


def _control(entry: dict[str, Any]) -> Control:
    operator = next(key for key in OPERATORS if key in entry)
    applies = {key: tuple(values) for key, values in entry.get("applies_when", {}).items()}
    texts = {key: " ".join(entry[key].split()) for key in (*_TEXTS, *_OPTIONAL) if key in entry}
    return Control(
        **texts,
        impact=Impact(entry["impact"]),
        operator=operator,
        operand=tuple(entry[operator]) if operator == "one_of" else entry[operator],
        applies_when=applies,
    )


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
