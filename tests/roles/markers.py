"""Our marker, and where it stands on a gateway."""

from pathlib import Path
from typing import Any

OURS = {"journal": "j-1", "step": "A81001-firewall", "by": "Siân", "minutes": "60"}


PLACE = "C:\\ProgramData\\provisioner\\marker.json"


def marker(path: str | Path = PLACE, **values: Any) -> tuple[str, dict[str, Any]]:
    return "work_marker", {**OURS, "path": str(path), **values}
