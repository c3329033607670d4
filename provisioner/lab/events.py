"""events.jsonl: each change of a machine's state, and each refused log-in, one JSON line each, as it happens."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO


class Events:
    """The file that events go to."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def note(self, gateway: str, event: Mapping[str, Any]) -> None:
        """Write an event of a gateway down."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._file.write(json.dumps({"at": at, "gateway": gateway, **event}, default=str) + "\n")
        self._file.flush()


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The events of a file, oldest first; none where there is no file yet."""
    if not path.exists():
        return
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):
                yield json.loads(line)
