"""The options of Ansible's own WinRM, as documentation that `guarded_winrm` takes over whole."""

from __future__ import annotations

import yaml
from ansible.plugins.connection import winrm


class ModuleDocFragment:
    """What `extends_documentation_fragment: winrm_options` stands for."""

    DOCUMENTATION = yaml.safe_dump({"options": yaml.safe_load(winrm.DOCUMENTATION)["options"]})
