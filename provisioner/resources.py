"""Where playbooks, roles, plugins, policy and the example fleet are: in a checkout and in an installed wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def root() -> Path:
    """The folder that holds `playbooks`, `roles`, `plugins`, `policy`, `inventory` and `ansible.cfg`."""
    shipped = _PACKAGE / "_content"
    return shipped if shipped.is_dir() else _PACKAGE.parent


def script() -> Path:
    """The one script that is sent to gateways."""
    return _PACKAGE / "evidence" / "evidence.ps1"


def schema() -> Path:
    """The JSON Schema of the document that the script answers with."""
    return _PACKAGE / "evidence" / "evidence.schema.json"
