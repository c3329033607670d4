"""Fleet, or the steps of one run -> one of Ansible's inventories. Pure.

No secret is in it: a password is asked for when it is used.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from provisioner import remedies
from provisioner.ansible.claim import MARKER
from provisioner.model import Fleet, Gateway, Role, Step
from provisioner.transport.credentials import SECRET, USER

# The only texts of an inventory that Ansible may take for templates: the questions for a password, and whose it is.
_ASKED = {
    "ansible_password": "{{ lookup('gateway_secret', inventory_hostname) }}",
    "ansible_user": f"{{{{ lookup('gateway_secret', '{USER}' ~ inventory_hostname) }}}}",
}
# Ansible's own way to a gateway, and ours, which is the same with the login guard around each log-in.
_WINRM, _GUARDED = "winrm", "guarded_winrm"
# For so many seconds one command on a gateway is waited for, and at least so many times as long as all that is done
# there is thought to take: far more than any takes, for what is waited for no longer may go on without us.
_LONGEST, _TIMES = 1800.0, 6
# One character, as JSON escapes it in two halves.
_PAIR = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")


@dataclass(frozen=True, kw_only=True)
class WorkMarker:
    """What is left on a gateway while a run works there: the journal's name in this run, its `known` other names, who,
    and for how many minutes by the gateway's own clock it stands at most."""

    journal: str
    known: tuple[str, ...]
    by: str
    minutes: int


def variables(fleet: Fleet, gateway: Gateway) -> dict[str, Any]:
    """Host variables for plain Ansible: how to get in, which roles, and the values of all of them.

    Nothing in it starts a Connector that does not run.
    """
    # What plain Ansible does is what fleet.yml is complete for. A start is a plan's, which looks at the whole practice.
    wanted = [remedy for remedy in remedies.REMEDIES if remedy.planned and remedy.name == remedy.role]
    roles = [remedy.role for remedy in wanted if not remedy.lacks(fleet.settings, gateway, "")]
    merged = connection(fleet, gateway) | {"provisioner_roles": roles}
    for role in roles:
        merged |= remedies.values(fleet, gateway, role)[1]
    return merged


def changeable(fleet: Fleet) -> tuple[Gateway, ...]:
    """The gateways that a rollout may change: known, active or standby, and none of a read-only fleet."""
    if fleet.settings.read_only:
        return ()
    return tuple(gateway for gateway in fleet.known if gateway.role in (Role.ACTIVE, Role.STANDBY))


def connection(fleet: Fleet, gateway: Gateway) -> dict[str, Any]:
    """How Ansible's winrm plugin gets in, and to which PC. With Kerberos there is a ticket already, and no password."""
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
        # The PC's own name, where the row has it: the claim looks whether it is the one that answers.
        "provisioner_computer": gateway.computer,
    }
    if wanted.ca_file:
        found["ansible_winrm_ca_trust_path"] = str(Path(fleet.folder, wanted.ca_file).absolute())
    if wanted.credential == "laps":
        # The directory says whose password it is, and may say something else for each gateway.
        found["ansible_user"] = _ASKED["ansible_user"]
    elif wanted.user:
        found["ansible_user"] = wanted.user
    if wanted.transport == "kerberos":
        found["ansible_winrm_kinit_mode"] = "manual"
    else:
        found["ansible_password"] = _ASKED["ansible_password"]
    return found


def of_fleet(fleet: Fleet) -> dict[str, Any]:
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


class Evaluated(str):
    """A text of ours that Ansible may evaluate. All other text is data, whatever it looks like: a row of
    practices.csv could hold exactly these words."""


def of_run(
    steps: Sequence[Step],
    hosts: Mapping[str, Mapping[str, Any]],
    marker: WorkMarker | None,
    *,
    guarded: bool,
) -> dict[str, Any]:
    """The inventory of one run: each host's connection variables, its steps' roles and values, and the marker's.

    `guarded`: each log-in has its turn of the login guard. Errors: ValueError for two steps of one role on a gateway.
    """
    found: dict[str, dict[str, Any]] = {}
    for gateway, given in hosts.items():
        own = {name: Evaluated(one) if one == _ASKED.get(name) else one for name, one in given.items()}
        if guarded and own.get("ansible_connection") == _WINRM:
            own["ansible_connection"] = _GUARDED
            thought = sum(step.seconds for step in steps if gateway in (step.gateway, step.values.get("carry_from")))
            own.setdefault("provisioner_longest", max(_LONGEST, _TIMES * thought))
        found[gateway] = {**own, "provisioner_roles": []}
    for step in steps:
        variables = found[step.gateway]
        if step.role in variables["provisioner_roles"]:
            raise ValueError(f"{step.gateway}: the role {step.role} twice in one run")
        variables["provisioner_roles"].append(step.role)
        variables.update(step.values)
    if marker is not None:
        for gateway, variables in found.items():
            ids = ", ".join(step.id for step in steps if gateway in (step.gateway, step.values.get("carry_from")))
            variables["provisioner_marker"] = {**asdict(marker), "step": ids}
            # One that only lends its files is marked too.
            variables["provisioner_roles"] = variables["provisioner_roles"] or [MARKER]
    return {"all": {"hosts": found}}


def tagged(value: Any) -> str:
    """YAML in which every text that could be a template is tagged as none: what a row of practices.csv says is data.

    No other text is tagged: Ansible would read it as if it stood there without quotes, "0042" as 34 and "" as null.
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_quoted(str(key))}: {tagged(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(tagged, value)) + "]"
    if isinstance(value, str):
        return _quoted(value) if isinstance(value, Evaluated) or "{" not in value else f"!unsafe {_quoted(value)}"
    return json.dumps(value)


def _quoted(text: str) -> str:
    """A text in quotes for JSON and for YAML, which knows no surrogates: what has no place below U+FFFF stands as it
    is."""
    return _PAIR.sub(lambda pair: json.loads(f'"{pair[0]}"'), json.dumps(text))


def secrets_of(steps: Iterable[Step]) -> set[str]:
    """The secrets that the steps' files name."""
    names = set[str]()
    for step in steps:
        for file in step.values.get("connector_files") or ():
            names |= {f"{SECRET}{reference}" for reference in (file.get("secrets") or {}).values()}
    return names
