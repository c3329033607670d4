"""The shape of an answer, as schema/ has it: JSON Schema in YAML, a file a section.

Beside its type each field that may hold text has `x-redact`: what of the text may leave the house (redact.py).
"""

import functools
from collections.abc import Mapping
from typing import Any

import yaml

from provisioner import resources

# Ten times as fast, and not in every build of PyYAML.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@functools.cache
def data(name: str) -> Mapping[str, Any]:
    """JSON Schema of a section's data, by the section's name. Not to be changed: it is read once a process."""
    return _read(name)


def section(name: str) -> dict[str, Any]:
    """JSON Schema of a section as it stands in the answer: its milliseconds, and an error or data."""
    around = _frame()["properties"]["sections"]["additionalProperties"]
    held = {"anyOf": [data(name), {"type": "null"}]}
    return {**around, "properties": {**around["properties"], "data": held}}


@functools.cache
def _frame() -> Mapping[str, Any]:
    return _read("answer")


def _read(name: str) -> Mapping[str, Any]:
    text = (resources.schema() / f"{name}.yml").read_text("utf-8")
    shape: dict[str, Any] = yaml.load(text, _LOADER)  # noqa: S506 - a safe loader, of a file of ours
    return shape
