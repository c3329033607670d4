"""What each remedy sets on a gateway: a role and its values, from the fleet alone. Pure.

The plan and the inventory plugin both ask here, so that plain Ansible does what a plan would do.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from provisioner.fleet import endpoints
from provisioner.model import Fleet, Gateway, Role
from provisioner.model.product import PRODUCT
from provisioner.model.settings import ConnectorFile, Package

ORDER = ("java", "connector", "firewall", "antivirus", "service", "power", "start")
# On a retired gateway: what runs goes first, the files on which it was built last.
REMOVAL = ("service", "antivirus", "firewall", "connector", "java")
# What is told of the program that really runs.
TOLD_OF_PROGRAM = ("firewall", "antivirus")
GROUP = "provisioner"
KEEP = "C:\\ProgramData\\provisioner"

_PLAIN_NAME = re.compile(r"[\w.+-]+")


def values(fleet: Fleet, gateway: Gateway, remedy: str, program: str = "") -> tuple[str, dict[str, Any]]:
    """The role that does a remedy on a gateway, and its variables as roles/ROLE/meta/argument_specs.yml has them.

    `program` is the file that really runs as the Connector there, where a reading has shown it; without one it is that
    of fleet.yml. Firewall and antivirus are told of it. On a retired gateway all of them remove.
    Errors: KeyError for a remedy that does not exist, ValueError for a start where the gateway's role wants none.
    """
    if remedy == "start":
        if gateway.role is not Role.ACTIVE:
            raise ValueError(f"{gateway.name} is {gateway.role}: its Connector is not started")
        return "service", {**_service(fleet, gateway), "service_run": "started"}
    if program and remedy in TOLD_OF_PROGRAM:
        connector = replace(fleet.settings.connector, image=program)
        fleet = replace(fleet, settings=replace(fleet.settings, connector=connector))
    return remedy, _MAKERS[remedy](fleet, gateway)


def variables(fleet: Fleet, gateway: Gateway) -> dict[str, Any]:
    """Host variables for plain Ansible: how to get in, which roles, and the values of all of them.

    Nothing in it starts a Connector that does not run.
    """
    roles = [role for role in ORDER if _configured(fleet, role)]
    merged = connection(fleet, gateway) | {"provisioner_roles": roles}
    for role in roles:
        merged |= values(fleet, gateway, role)[1]
    return merged


def changeable(fleet: Fleet) -> tuple[Gateway, ...]:
    """The gateways that a rollout may change: known, active or standby, and none of a read-only fleet."""
    if fleet.settings.read_only:
        return ()
    return tuple(gateway for gateway in fleet.known if gateway.role in (Role.ACTIVE, Role.STANDBY))


def connection(fleet: Fleet, gateway: Gateway) -> dict[str, Any]:
    """How Ansible's winrm plugin gets in. With Kerberos there is a ticket already, and no password."""
    wanted = fleet.settings.connection
    found: dict[str, Any] = {
        "ansible_connection": "winrm",
        "ansible_host": gateway.address,
        "ansible_port": gateway.port,
        "ansible_winrm_path": gateway.path,
        "ansible_winrm_scheme": "https" if wanted.tls else "http",
        "ansible_winrm_transport": wanted.transport,
        "ansible_winrm_message_encryption": "auto" if wanted.tls or wanted.transport == "basic" else "always",
        "ansible_winrm_server_cert_validation": "validate" if wanted.check_certificate else "ignore",
    }
    if wanted.ca_file:
        found["ansible_winrm_ca_trust_path"] = str(Path(fleet.folder, wanted.ca_file).absolute())
    if wanted.user:
        found["ansible_user"] = wanted.user
    if wanted.transport == "kerberos":
        found["ansible_winrm_kinit_mode"] = "manual"
    else:
        found["ansible_password"] = "{{ lookup('gateway_secret', inventory_hostname) }}"  # noqa: S105 asked for when it is used
    return found


def inventory(fleet: Fleet) -> dict[str, Any]:
    """The fleet as one of Ansible's dynamic inventories. No secret is in it: a password is asked for when it is used.

    Groups: `role_active`, `role_standby`, and `wave_1`, `wave_2` ... of the sizes that fleet.yml gives.
    """
    gateways = changeable(fleet)
    groups: dict[str, list[str]] = {}
    for number, gateway in enumerate(gateways):
        for group in (f"role_{gateway.role}", f"wave_{_wave(fleet.settings.rollout.waves, number)}"):
            groups.setdefault(group, []).append(gateway.name)
    hosts = {gateway.name: variables(fleet, gateway) for gateway in gateways}
    return {
        "_meta": {"hostvars": hosts},
        "all": {"hosts": list(hosts), "children": sorted(groups)},
        **{group: {"hosts": names} for group, names in sorted(groups.items())},
    }


def _wave(sizes: tuple[int, ...], number: int) -> int:
    """The wave, from 1, of the gateway with that number; those past the last size make one more."""
    for wave, size in enumerate(sizes, 1):
        if number < size:
            return wave
        number -= size
    return len(sizes) + 1


def _configured(fleet: Fleet, role: str) -> bool:
    needs = {
        "java": "jre" in fleet.settings.packages,
        "service": bool(fleet.settings.service.name),
        "firewall": not endpoints.why_not_all(fleet.settings.endpoints),
        "start": False,
    }
    return needs.get(role, True)


def _state(gateway: Gateway) -> str:
    return "absent" if gateway.role is Role.RETIRED else "present"


def _folders(fleet: Fleet, gateway: Gateway) -> dict[str, Any]:
    return {
        "connector_folder": fleet.settings.connector.folder,
        "connector_keep": KEEP,
        "connector_service": fleet.settings.service.name,
        "connector_restart": gateway.role is Role.ACTIVE,
    }


def _connector(fleet: Fleet, gateway: Gateway) -> dict[str, Any]:
    java, folder = fleet.settings.java, fleet.settings.connector.folder
    inside = f"{java.home}\\".lower().startswith(f"{folder}\\".lower())
    return {
        **_folders(fleet, gateway),
        "connector_state": _state(gateway),
        "connector_package": _package(fleet, "connector"),
        "connector_files": [_file(fleet, gateway, file) for file in fleet.settings.connector.files],
        # The control `access` looks at it too. A Java that is not ours keeps its own rights.
        "connector_closed": [java.home] if "jre" in fleet.settings.packages and not inside else [],
    }


def _java(fleet: Fleet, gateway: Gateway) -> dict[str, Any]:
    return {
        **_folders(fleet, gateway),
        "java_state": _state(gateway),
        "java_home": fleet.settings.java.home,
        "java_package": _package(fleet, "jre"),
    }


def _service(fleet: Fleet, gateway: Gateway) -> dict[str, Any]:
    service, connector = fleet.settings.service, fleet.settings.connector
    standby = gateway.role is not Role.ACTIVE
    return {
        **_folders(fleet, gateway),
        "service_state": _state(gateway),
        "service_name": service.name,
        "service_display_name": service.display_name,
        # A Connector that runs on a standby is a finding of the practice, never a step of a rollout.
        "service_run": "unchanged",
        "service_start_mode": "disabled" if standby else "delayed",
        "service_account": service.account,
        "service_image": connector.image,
        "service_arguments": service.arguments,
        "service_directory": connector.folder,
        "service_procrun": _package(fleet, "procrun"),
        "service_procrun_path": f"{connector.folder}\\{service.name}.exe",
        "service_restart_after": list(service.restart_after),
    }


def _firewall(fleet: Fleet, gateway: Gateway) -> dict[str, Any]:
    return {
        "firewall_state": _state(gateway),
        "firewall_name": PRODUCT.firewall_rule,
        "firewall_group": GROUP,
        "firewall_program": fleet.settings.connector.image,
        "firewall_addresses": list(endpoints.whole(fleet.settings.endpoints)),
    }


def _antivirus(fleet: Fleet, gateway: Gateway) -> dict[str, Any]:
    connector, exclude = fleet.settings.connector, fleet.settings.antivirus.exclude
    # A program outside of the folder is not in what the folder's exclusion holds.
    inside = connector.image.lower().startswith(f"{connector.folder.lower()}\\")
    path = connector.folder if exclude == "folder" and inside else connector.image
    if gateway.role is Role.RETIRED:
        # All that we may ever have excluded there: fleet.yml may have said otherwise before.
        paths, processes = [connector.image, connector.folder], [connector.image]
        return {"antivirus_state": "absent", "antivirus_paths": paths, "antivirus_processes": processes}
    return {
        "antivirus_state": _state(gateway),
        "antivirus_paths": [] if exclude == "process" else [path],
        "antivirus_processes": [path] if exclude == "process" else [],
    }


def _power(fleet: Fleet, gateway: Gateway) -> dict[str, Any]:
    return {"power_state": _state(gateway), "power_sleep_seconds": 0, "power_hibernate_seconds": 0}


_MAKERS: dict[str, Callable[[Fleet, Gateway], dict[str, Any]]] = {
    "java": _java,
    "connector": _connector,
    "firewall": _firewall,
    "antivirus": _antivirus,
    "service": _service,
    "power": _power,
}


def _package(fleet: Fleet, name: str) -> dict[str, Any] | None:
    package = next((found for key, found in fleet.settings.packages.items() if key == name), None)
    if package is None:
        return None
    source, location = next((kind, place) for kind, place in _places(package) if place)
    leaf = unquote(re.split(r"[/\\]", urlsplit(location).path if source == "url" else location)[-1])
    return {
        "name": leaf if _PLAIN_NAME.fullmatch(leaf) else f"{name}.{package.kind}",
        "source": source,
        "location": str(Path(fleet.folder, location).absolute()) if source == "push" else location,
        "sha256": package.sha256.lower(),
        "signer": package.signer,
        "kind": package.kind,
        "root": package.root,
        "arguments": package.arguments,
        "product_id": package.product_id,
        "version": package.version,
        "size": package.size,
    }


def _places(package: Package) -> tuple[tuple[str, str], ...]:
    return ("url", package.url), ("path", package.path), ("push", package.push)


def _file(fleet: Fleet, gateway: Gateway, file: ConnectorFile) -> dict[str, Any]:
    """One file of the Connector's. The row's own columns cannot take the place of what names the practice."""
    named = {"practice": gateway.practice, "practice_name": gateway.practice_name, "gateway": gateway.name}
    return {
        "path": f"{fleet.settings.connector.folder}\\{file.path}".replace("/", "\\"),
        "template": str(Path(fleet.folder, file.template).absolute()),
        "variables": {**gateway.variables, **named},
        "secrets": dict(file.secrets),
    }
