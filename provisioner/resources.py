"""Where playbooks, roles, plugins, policy and the example fleet are: in a checkout and in an installed wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def root() -> Path:
    """The folder that holds `playbooks`, `roles`, `plugins`, `policy`, `inventory` and `ansible.cfg`."""
    shipped = _PACKAGE / "_content"
    return shipped if shipped.is_dir() else _PACKAGE.parent


def script() -> Path:
    """The folder with the parts of the one script that is sent to gateways."""
    return _PACKAGE / "evidence" / "script"


def schema() -> Path:
    """The folder with the shape of the document that the script answers with, a file a section."""
    return _PACKAGE / "evidence" / "schema"
