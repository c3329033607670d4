"""Paths on a gateway, as fleet.yml gives them."""

import re
from collections.abc import Iterable

from provisioner.model.product import PRODUCT

_ABSOLUTE = re.compile(r"[A-Za-z]:(?:\\[^\\/:*?\"<>|\x00-\x1f]+)+")
_RELATIVE = re.compile(r"[^\\/:*?\"<>|\x00-\x1f]+(?:\\[^\\/:*?\"<>|\x00-\x1f]+)*")
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
_DEVICE = re.compile(r"(CON|PRN|AUX|NUL|CLOCK\$|CONIN\$|CONOUT\$|(COM|LPT)[0-9\u00b9\u00b2\u00b3])\s*(\.|$)", re.I)


def why_not_folder(path: str) -> str:
    """Why this cannot be an absolute path on a gateway's own disk; "" where it can."""
    if path.startswith("\\\\"):
        return f"{path} is on another computer, which a session over WinRM cannot reach."
    parts = path.split("\\")
    if not _ABSOLUTE.fullmatch(path) or any(part in {".", ".."} or part != part.strip(" .") for part in parts[1:]):
        return f"{path!r} is not a whole Windows path, such as {PRODUCT.folder}."
    if device := _device(parts[1:]):
        return f"{path}: {device} is the name of a device, not of a file."
    return ""


def inside(path: str, folder: str) -> bool:
    """Whether a Windows path lies below a folder."""
    return path.lower().startswith(folder.lower().rstrip("\\") + "\\")


def relative(path: str) -> bool:
    """Whether this can be a file's or folder's path below another one, separated by \\, and stays what it is."""
    parts = path.split("\\")
    # Windows drops dots and blanks at a name's end, which makes it another name.
    return bool(_RELATIVE.fullmatch(path)) and all(part == part.rstrip(" .") for part in parts) and not _device(parts)


def _device(parts: Iterable[str]) -> str:
    """The first of these names that Windows takes for a device; "" where it takes none so."""
    return next((part for part in parts if _DEVICE.match(part)), "")
