"""Where a fleet folder's journal lies, by fleet.yml alone.

Who asks what was done, or who is at work, need not have mended the rest of the folder; nor waits until what reads all
of it is loaded.
"""

from dataclasses import fields
from pathlib import Path

from provisioner.model.settings import FILE, VERSION, Settings
from provisioner.yamlfile import read

_SETTINGS = frozenset(one.name for one in fields(Settings))


def named(folder: Path) -> Path:
    """Where the journal of a folder lies, of which only fleet.yml is looked at, and of that only how it is laid out.

    Errors: InputError with every fault of the folder, where fleet.yml may have meant another place.
    """
    document = read(folder / FILE)
    said = document.data if isinstance(document.data, dict) else {}
    name = said.get("journal") or Settings.journal
    elsewhere = any(place[-1:] == ("journal",) and len(place) > 1 for place in document.lines)
    clear = not document.faults and said.get("version") == VERSION and not elsewhere
    if clear and said.keys() <= _SETTINGS and isinstance(name, str) and name.strip():
        return folder.absolute() / name
    # Loaded only here.
    from provisioner import fleet

    found = fleet.load(folder)
    return Path(found.folder) / found.settings.journal
