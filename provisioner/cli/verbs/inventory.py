"""`provisioner inventory`: the fleet as Ansible sees it."""

import json

import click

from provisioner.ansible import inventory
from provisioner.cli.console import out
from provisioner.cli.fleets import asked_for, fleet_on_paper


@click.command("inventory")
@click.option("--list", "list_", is_flag=True, help="Accepted because Ansible gives it; it is what is done anyway.")
def command(list_: bool) -> int:
    """Print the fleet in the form of Ansible's dynamic inventories. No password is in it.

    `ansible-playbook -i inventory/provisioner.yml` does not need this: it has a plugin of its own.
    """
    out(json.dumps(inventory.of_fleet(asked_for(fleet_on_paper())), indent=2))
    return 0
