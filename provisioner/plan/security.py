"""Plan -> what a security team is told before it is done: who, from where, where, when, what, and what they will see.
Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from provisioner import remedies
from provisioner.fleet import endpoints
from provisioner.model import Fleet, Plan, Step, Timing
from provisioner.model.product import PRODUCT
from provisioner.model.request import Fetched, Notice, Site
from provisioner.model.settings import Connection
from provisioner.plan.guards import START
from provisioner.remedies import alarms
from provisioner.remedies.remedy import KEEP, Alarm
from provisioner.report import words

# What is told of what is set, by the role's variable.
SETS = {
    "firewall_name": "Firewall rule (outbound, allow, TCP 443)",
    "firewall_addresses": "The rule's remote addresses",
    "firewall_program": "The rule's program",
    "antivirus_paths": "Defender exclusion (path)",
    "antivirus_processes": "Defender exclusion (process)",
    "service_name": "Windows service",
    "service_image": "The service's program",
    "service_account": "The service's account",
    "connector_folder": "The Connector's folder, written to",
    "java_home": "The Java runtime's folder, written to",
    "power_sleep_seconds": "Seconds on mains power until it sleeps (0: never)",
    "power_hibernate_seconds": "Seconds on mains power until it hibernates (0: never)",
}


def notice(plan: Plan, fleet: Fleet, timing: Timing, source: str) -> Notice:
    """What is told before that plan is done; `source` says from which computer."""
    acts = [step for step in plan.steps if step.kind == "playbook"]
    rows = {row.name: row for row in fleet.gateways}
    does: dict[str, dict[str, None]] = {}
    for step in acts:
        does.setdefault(step.gateway, {})[words.change(step)] = None
    places = tuple(
        Site(
            gateway=name,
            practice=row.practice,
            practice_name=row.practice_name,
            computer=row.computer,
            source=row.address,
            port=row.port,
        )
        for name in does
        if (row := rows.get(name))
    )
    connection = fleet.settings.connection
    return Notice(
        plan=plan.id,
        account=_account(connection),
        source=source,
        port=f"WinRM over {'HTTPS' if connection.tls else 'HTTP, encrypted by the log-in'}, {_login(connection)}",
        places=places,
        does={name: tuple(each) for name, each in does.items()},
        timing=timing,
        changes=dict(Counter(change for each in does.values() for change in each).most_common()),
        sets=tuple(dict.fromkeys((*_sets(acts), ("Replaced files are kept in", KEEP), *_afterwards(acts, fleet)))),
        packages=tuple(dict.fromkeys(_packages([step.values for step in acts]))),
        alarms=tuple(_alarms(acts)),
    )


def _account(connection: Connection) -> str:
    if connection.credential == "laps":
        name = connection.user or "Administrator"
        return f"{name}, each gateway's own local administrator (its password is read from the directory, LAPS)"
    return connection.user or "the owner of the Kerberos ticket with which provisioner is started (kinit)"


def _login(connection: Connection) -> str:
    return {"kerberos": "log-in by Kerberos", "ntlm": "log-in by NTLM", "basic": "log-in by Basic"}[
        connection.transport
    ]


def _sets(acts: list[Step]) -> Iterator[tuple[str, str]]:
    """Names and values; of a service's own, its name comes before them."""
    for key, said in SETS.items():
        for step in acts:
            value = step.values.get(key)
            # A start is told of all that its service is, and sets none of it.
            if value not in (None, "", [], ()) and (step.role != "service" or key.startswith("service_")):
                yield _done(step) + said, ", ".join(value) if isinstance(value, list | tuple) else str(value)


def _done(step: Step) -> str:
    if step.restores:
        return "Put back as it was: "
    return "Taken away: " if step.removes else ""


def _afterwards(acts: list[Step], fleet: Fleet) -> Iterator[tuple[str, str]]:
    """What is new on the network once a Connector runs: it would be taken for a program that calls home."""
    addresses = endpoints.whole(fleet.settings.endpoints)
    if addresses and any(step.remedy == START for step in acts):
        said = f"{', '.join(addresses)} on TCP {PRODUCT.port}, day and night"
        yield "From then on the Connector's Java connects to", said


def _packages(value: Any) -> Iterator[Fetched]:
    if isinstance(value, Mapping):
        if "sha256" in value and "location" in value:
            name, location = str(value.get("name", "")), str(value["location"])
            yield Fetched(name=name, location=location, sha256=value["sha256"], signer=str(value.get("signer", "")))
            return
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from _packages(each)


def _alarms(acts: list[Step]) -> Iterator[dict[str, Any]]:
    """Each event once, with what causes it."""
    causes: dict[Alarm, dict[str, None]] = {alarm: {"everything, reading too": None} for alarm in alarms.OF_ANY}
    causes |= {alarm: {"every change": None} for alarm in alarms.OF_CHANGE}
    for step in acts:
        remedy = remedies.known().get(step.remedy)
        for alarm in remedy.alarms if remedy else ():
            causes.setdefault(alarm, {})[words.change(step)] = None
    for alarm, changes in causes.items():
        yield {**asdict(alarm), "by": ", ".join(changes)}
