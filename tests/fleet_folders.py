"""Fleet folders for tests: a right one, and what differs from it."""

from datetime import date
from pathlib import Path

from provisioner import fleet
from provisioner.errors import Fault
from provisioner.fleet import ods
from provisioner.model import Fleet

TODAY = date(2026, 3, 1)
SHA = "a" * 64
HEADER = "practice,name,gateway,address,role"

FLEET = """\
version: 1
endpoints: [10.237.215.5, 10.237.215.9, 10.237.215.15, 10.237.215.16]
"""
LAB = """\
version: 1
lab: true
endpoints: [192.0.2.5, 192.0.2.9, 192.0.2.15, 192.0.2.16]
connection:
  path: /{gateway}/wsman
"""
PRACTICES = f"""\
{HEADER}
A81001,THE DENSHAM SURGERY,GW-A81001,gw-a81001.example.nhs.uk,active
A81002,QUEENS PARK,GW-A81002,10.1.2.3,active
A81004,BLUEBELL,,,active
"""


def write(folder: Path, files: dict[str, str]) -> Path:
    """A folder with these files, and a right fleet.yml and practices.csv where they are not among them."""
    for name, text in {"fleet.yml": FLEET, "practices.csv": PRACTICES, **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8", newline="")
    return folder


def check(folder: Path, controls: frozenset[str] | None = None) -> tuple[Fleet | None, list[Fault]]:
    """What fleet.check says of it, on the same day every time."""
    return fleet.check(folder, practices=ods.read, controls=controls, today=TODAY)


def right(folder: Path) -> Fleet:
    """Its fleet; a failed test where it is not right."""
    found, faults = check(folder)
    assert found is not None, "\n".join(map(str, faults))
    return found


def told(faults: list[Fault]) -> list[str]:
    """Each fault as a person reads it."""
    return [f"{'warning: ' if fault.warning else ''}{fault}" for fault in faults]
