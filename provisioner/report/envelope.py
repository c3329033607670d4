"""What every document for other programs is: JSON in ASCII, with its version."""

import json
from collections.abc import Mapping
from typing import Any

VERSION = 1


def document(body: Mapping[str, Any]) -> str:
    """One document, with the version of all of them."""
    return json.dumps({"version": VERSION, **body}, indent=2, default=plain)


def plain(value: object) -> Any:
    """Frozen mappings and sets, which values may hold, as JSON has them."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return str(value)
