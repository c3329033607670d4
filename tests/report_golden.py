"""Golden files: PROVISIONER_UPDATE_GOLDEN=1 writes them anew, to be read in the diff before they are kept."""

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "golden"


def matches(name: str, text: str) -> bool:
    """Whether the text is byte for byte what the golden file holds."""
    path = FOLDER / name
    if os.environ.get("PROVISIONER_UPDATE_GOLDEN"):
        path.write_bytes(text.encode())
    return path.read_bytes() == text.encode()
