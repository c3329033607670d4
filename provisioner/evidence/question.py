"""What a gateway is sent: the script, and the line of settings that it is sent with."""

import functools
from collections.abc import Iterable, Sequence
from typing import Any

from provisioner import resources
from provisioner.fleet import endpoints
from provisioner.model.product import PRODUCT
from provisioner.model.settings import Settings

SECTIONS = (
    "identity", "account", "windows", "hardware", "disk", "memory", "screen", "power", "users", "systmone",
    "connector", "java", "service", "firewall", "antivirus", "endpoints", "reboot", "clock", "winrm", "ours",
)  # fmt: skip
# The files of script/ in the order in which they are joined: param has to be the first, and what runs the last.
PARTS = ("begin", "doors", "helpers", "paths", "processes", "rights", "hosts", *SECTIONS, "run")
# What one section may take on a gateway before it is left behind, in seconds.
SECTION_SECONDS = 25

# Script and settings go in one envelope of 96 KiB (winrm.LARGEST_INPUT): the settings may take 12 of them.
LARGEST_SCRIPT = 84 * 1024


@functools.cache
def script() -> str:
    """The script as it is sent: its comments, blank lines and indents left out, because one envelope has to hold it,
    and each byte of it is sealed and signed for each gateway."""
    folder = resources.script()
    return "".join(_bare((folder / f"{part}.ps1").read_text("ascii")) for part in PARTS)


def _bare(text: str) -> str:
    kept, in_block = [], False
    for line in text.splitlines():
        words = line.strip()
        if words.startswith("<#"):
            in_block = True
        if not in_block and words and not words.startswith("#"):
            kept.append(f"{words}\n")
        if words.endswith("#>"):
            in_block = False
    return "".join(kept)


def question(settings: Settings, sections: Iterable[str] = SECTIONS, files: Sequence[str] = ()) -> dict[str, Any]:
    """The settings line that the script is sent with. `files`: full paths on the gateway whose digests are wanted."""
    return {
        "sections": list(sections),
        "endpoints": list(endpoints.whole(settings.endpoints)),
        "folder": settings.connector.folder,
        "image": settings.connector.image,
        "java_home": settings.java.home,
        "service": settings.service.name,
        "files": list(files),
        "product_ids": [package.product_id for package in settings.packages.values() if package.product_id],
        "systmone": {
            "port": settings.systmone.port,
            "folder": settings.systmone.folder,
            "gateway_mark": settings.systmone.gateway_mark,
        },
        "firewall_name": PRODUCT.firewall_rule,
        "user_names": settings.user_names,
        "section_seconds": SECTION_SECONDS,
    }
