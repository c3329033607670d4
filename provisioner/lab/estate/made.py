"""The lab's one file that is made from a template, so that a rehearsal can show what a changed column comes to."""

import hashlib
import json
from collections.abc import Mapping, Sequence

from provisioner.lab.windows.disk import Disk, described

NOTE = "C:\\ProgramData\\provisioner\\made.json"
# Its place in the fleet folder, and in the Connector's on a gateway.
TEMPLATE_FILE, PLACE = "practice.j2", "conf/practice.ini"
TEMPLATE = "practice={{ practice }}\nname={{ practice_name }}\ntelephone={{ telephone }}\n"


def numbered(rows: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """The rows with a telephone number in the column of that name where they have none: of those that are kept for
    plays and films (Ofcom: 01632 960000 to 960999), one for each practice."""
    practices = list(dict.fromkeys(row["practice"] for row in rows))
    numbers = {practice: f"01632 {960000 + place % 1000}" for place, practice in enumerate(practices)}
    return [{**row, "telephone": row.get("telephone") or numbers[row["practice"]]} for row in rows]


def put(disk: Disk, folder: str, row: Mapping[str, str]) -> None:
    """Write that row's file into the Connector's folder, and the note of what it was made from, as a rollout does."""
    name = " ".join(row["name"].split())
    used = {"practice": row["practice"].upper(), "practice_name": name, "telephone": row["telephone"]}
    text = TEMPLATE
    for variable, value in used.items():
        text = text.replace(f"{{{{ {variable} }}}}", value)
    path = f"{folder}\\{PLACE}".replace("/", "\\")
    made_from = json.dumps([_sha256(TEMPLATE), used, {}], sort_keys=True)
    note = {"path": path, "sha256": _sha256(text), "made_from": _sha256(made_from)}
    disk.place(described(path, text.encode()))
    disk.place(described(NOTE, json.dumps({"files": [note]}, indent=1).encode()))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
