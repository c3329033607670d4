"""A fleet folder as Ansible's inventory, with the values that a plan would give."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.inventory import BaseInventoryPlugin
from ansible.template import trust_as_template

DOCUMENTATION = """
name: provisioner
author: provisioner
short_description: A fleet folder of provisioner
description:
  - Every active and standby gateway that is known, with its connection, its roles
    (C(provisioner_roles)) and their values.
  - Candidates, retired gateways, rows whose PC is not known yet, and all of a fleet with C(read_only) are left out.
  - Nothing in it starts a Connector that does not run.
  - Groups are C(role_active), C(role_standby), and C(wave_1), C(wave_2) and so on of the sizes that fleet.yml gives.
requirements: [provisioner, in the Python that runs Ansible]
options:
  plugin:
    description: Says that this file is for this plugin.
    required: true
    choices: [provisioner]
  fleet:
    description: The fleet folder. Relative ones count from the folder that Ansible was started in.
    type: path
    default: .
    env:
      - name: PROVISIONER_FLEET
"""


class InventoryModule(BaseInventoryPlugin):  # type: ignore[misc]
    """The inventory plugin `provisioner`."""

    NAME = "provisioner"

    def verify_file(self, path: str) -> bool:
        """Whether a file may be one for this plugin: any that is named after it."""
        return super().verify_file(path) and Path(path).name in {"provisioner.yml", "provisioner.yaml"}

    def parse(self, inventory: InventoryData, loader: DataLoader, path: str, cache: bool = True) -> None:
        """Fill the inventory. Errors: AnsibleParserError with every fault of the fleet folder."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        listing = _listing(self.get_option("fleet"))
        hosts = listing.pop("_meta")["hostvars"]
        listing.pop("all")
        for name, values in hosts.items():
            inventory.add_host(name)
            for key, value in values.items():
                # Only this one is a template of ours; all else is data, whatever it looks like.
                inventory.set_variable(name, key, trust_as_template(value) if key == "ansible_password" else value)
        for group, members in listing.items():
            inventory.add_group(group)
            for name in members["hosts"]:
                inventory.add_child(group, name)


def _listing(folder: str) -> dict[str, Any]:
    try:
        from provisioner import fleet
        from provisioner.ansible import inventory
        from provisioner.errors import InputError
    except ImportError:
        # In a checkout the package lies beside these plugins, installed or not.
        checkout = Path(__file__).resolve().parent.parent.parent
        if str(checkout) in sys.path or not (checkout / "provisioner" / "ansible").is_dir():
            raise AnsibleParserError(
                f"the Python that runs Ansible ({sys.executable}) cannot import provisioner: install it there, or use "
                f"the ansible-playbook that lies beside `provisioner`."
            ) from None
        sys.path.append(str(checkout))
        return _listing(folder)
    try:
        return inventory.of_fleet(fleet.load(Path(folder)))
    except InputError as error:
        faults = "".join(f"\n  {fault}" for fault in error.faults if not fault.warning)
        raise AnsibleParserError(
            f"the fleet folder {folder} is not right: {error.message} {error.hint}{faults}"
        ) from None
