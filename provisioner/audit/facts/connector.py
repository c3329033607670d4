"""Facts about the Connector: its files, its Java runtime, and whether it runs and works."""

import re
from collections.abc import Sequence
from typing import Any

from provisioner.audit.facts import running
from provisioner.audit.facts.context import (
    OK,
    CannotTell,
    FactContext,
    FactOf,
    listed,
    once,
    problems,
    same_path,
    within,
)
from provisioner.fleet import endpoints, templates
from provisioner.model.settings import Package, Settings

# Administrators, SYSTEM, TrustedInstaller.
_OWNERS = frozenset({"S-1-5-32-544", "S-1-5-18", "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"})
# CREATOR OWNER and CREATOR GROUP stand in templates for what is made inside, OWNER RIGHTS for whoever owns it: none of
# them writes anything itself.
_TEMPLATES = frozenset({"S-1-3-0", "S-1-3-1", "S-1-3-4"})
_USERS = {
    "S-1-1-0": "everyone",
    "S-1-5-4": "whoever sits at it",
    "S-1-5-11": "every user",
    "S-1-5-19": "LocalService",
    "S-1-5-20": "NetworkService",
    "S-1-5-32-545": "every user",
}


def _present(reading: FactContext) -> str:
    return "yes" if reading.section("connector")["present"] else "no"


def _version(reading: FactContext) -> str:
    return str(reading.value("connector", "version", "the Connector's version"))


def _files(reading: FactContext) -> str | list[str]:
    connector, settings = reading.section("connector"), reading.settings
    if not connector["present"]:
        return [f"there is no folder {settings.connector.folder}"]
    faults = _package_problems(reading, settings.packages.get("connector"))
    # An image inside the Java runtime is that runtime's concern: java.runtime.
    if not within(settings.connector.image, settings.java.home) and not connector["image_present"]:
        faults.append(f"{settings.connector.image} is missing")
    wanted, version = settings.connector.version, connector["version"]
    if wanted and version and version != wanted:
        faults.append(f"the Connector is version {version}, and {wanted} is wanted")
    # Files that a migration carries are there once the vendor's program has made them.
    carried = {settings.connector.at(path).lower() for path in settings.connector.carry}
    missing = [
        file["path"] for file in connector["files"] if file["sha256"] is None and file["path"].lower() not in carried
    ]
    faults += [f"{path} is missing" for path in missing] + _not_as_made(reading)
    if not faults and (lacking := _not_compared(reading.settings)):
        raise CannotTell(f"fleet.yml has no {lacking} that its files could be compared with")
    return problems(faults)


def _not_compared(settings: Settings) -> str:
    """The setting without which nothing says which package is there; "" for none."""
    package = settings.packages.get("connector")
    if package is None:
        return "packages.connector"
    key = "sha256" if package.kind == "zip" else "product_id"
    return "" if getattr(package, key) else f"packages.connector.{key}"


def _not_as_made(reading: FactContext) -> list[str]:
    """The files that are there, and are not what their templates and the row make."""
    seen = {file["path"].lower(): file for file in reading.section("connector")["files"]}
    faults = []
    for file in reading.settings.connector.files:
        path = reading.settings.connector.at(file.path)
        found = seen.get(path.lower())
        # An older reading does not say what a file was made from.
        if found is None or found["sha256"] is None or "made" not in found:
            continue
        wanted, made = templates.made_from(reading.templates, file, reading.gateway), found["made"]
        if made is None:
            faults.append(f"{path} was made by hand, or before it was noted what it was made from")
        elif made["sha256"] != found["sha256"]:
            faults.append(f"{path} was changed since it was made")
        elif wanted and made["made_from"] != wanted:
            faults.append(f"{path} was made from another template or row")
    return faults


def _package_problems(reading: FactContext, package: Package | None) -> list[str]:
    connector = reading.section("connector")
    if package is None:
        return []
    if package.kind != "zip":
        return _product_problems(package, _products(reading, package)) if package.product_id else []
    if not package.sha256:
        return []
    if connector["package_sha256"] is None:
        return ["its files are not from the wanted package"]
    if connector["package_sha256"].lower() != package.sha256.lower():
        return ["its files are from another package than the wanted one"]
    if connector["package_intact"] is False:
        return ["files of its package are missing or changed"]
    return []


def _products(reading: FactContext, package: Package) -> list[Any]:
    """What Windows lists as installed of a package that an installer brings."""
    installed = reading.section("connector")["installed"]
    if installed is None:
        raise CannotTell("the list of installed programs cannot be read")
    return [product for product in installed if product["product_id"].lower() == package.product_id.lower()]


def _product_problems(package: Package, ours: Sequence[Any]) -> list[str]:
    if not ours:
        return ["Windows does not list it as installed"]
    version = ours[0]["version"]
    if package.version and version and version != package.version:
        return [f"version {version} is installed, and {package.version} is wanted"]
    return []


def _access(reading: FactContext) -> str | list[str]:
    connector = reading.section("connector")
    if not connector["present"]:
        raise CannotTell(f"there is no folder {reading.settings.connector.folder} yet")
    others = sorted({_who(writer) for writer in connector["writers"] or () if writer["sid"] not in _TEMPLATES})
    faults = [f"{listed(others)} can change the Connector's files"] if others else []
    if connector["owner"] and connector["owner"] not in _OWNERS:
        faults.append("the folder belongs to an account that is neither Administrators nor SYSTEM")
    if not faults:
        reading.value("connector", "writers", "who can write to the Connector's folder")
        reading.value("connector", "owner", "to whom the Connector's folder belongs")
    return problems(faults)


def _who(writer: Any) -> str:
    return _USERS.get(writer["sid"]) or writer["name"] or writer["sid"]


def _java(reading: FactContext) -> str | list[str]:
    java, wanted = reading.section("java"), reading.settings.java.version
    if not java["present"]:
        return [f"there is no Java runtime in {reading.settings.java.home}"]
    if not wanted:
        raise CannotTell("fleet.yml has no java.version that it could be compared with")
    if java["version"] is None:
        raise CannotTell(f"the Java runtime in {reading.settings.java.home} has no release file that says its version")
    if version_begins(java["version"], wanted):
        return OK
    return [f"the Java runtime is version {java['version']}, and {wanted} is wanted"]


def version_begins(version: str, wanted: str) -> bool:
    """Whether a version is the wanted one or a later patch of it: 17 holds 17.0.9, and not 170. Java 8 and those
    before it call themselves 1.8 and so on, and their updates are written as 8u431."""
    wanted = re.sub(r"^([5-8])u(\d)", r"1.\1.0_\2", wanted)
    if re.match(r"1\.[5-8]\b", version) and not wanted.startswith("1"):
        version = version.removeprefix("1.")
    rest = version.removeprefix(wanted)
    return version.startswith(wanted) and (not rest or wanted[-1:] in "._+-" or rest[0] in "._+-")


def _java_version(reading: FactContext) -> str:
    java = reading.section("java")
    if not java["present"]:
        return "none"
    return " ".join(text for text in (java["version"] or "of unknown version", java["vendor"]) if text)


@once
def runs(reading: FactContext) -> bool:
    """Whether a Connector runs on this PC, as a service or by itself."""
    is_running = running.runs(reading.evidence.sections)
    if is_running is None:
        reading.section("service")
        reading.section("connector")
        raise CannotTell(running.why_untold(reading.evidence.sections))
    return is_running


def _runs_words(reading: FactContext) -> str:
    return "yes" if runs(reading) else "no"


def _at_work(reading: FactContext) -> str:
    """What runs, in words; what no service runs is named, because it has to be ended by hand."""
    reading.section("service")
    reading.section("connector")
    if not runs(reading):
        return "nothing"
    sections = reading.evidence.sections
    by_hand = running.without_service(sections)
    works = list(filter(running.works, running.services(sections)))
    at_work = [f"the service {service['name']} is {_state(service)}" for service in works]
    at_work += [f"{running.words(process)} runs without a service, and has to be ended by hand" for process in by_hand]
    return "; ".join(at_work) or listed([f"{running.words(process)} runs" for process in running.processes(sections)])


def _state(service: Any) -> str:
    return "being stopped" if service["state"] == "stop_pending" else str(service["state"]).replace("_", " ")


def _several(reading: FactContext) -> str | list[str]:
    """Whether more than one Connector works on this PC: beside the service's one that somebody started by hand."""
    sections = reading.evidence.sections
    reading.section("connector")
    connectors = running.several(sections)
    if len(connectors) > 1:
        each = [
            running.words(next((process for process in group if process["endpoint_connections"]), group[-1]))
            for group in connectors
        ]
        return [f"{len(connectors)} run there: {listed(each)}"]
    doubtful = [running.words(process) for process in running.doubtful(sections) if process["endpoint_connections"]]
    if doubtful and connectors:
        raise CannotTell(f"{listed(doubtful)} may be a second one")
    untold = [
        process
        for group in connectors
        for process in group
        if process["endpoint_connections"] and process.get("ancestors", 0) is None
    ]
    if len(untold) > 1:
        raise CannotTell(f"{listed([running.words(process) for process in untold])} both talk to the vendor")
    return OK


def _working(reading: FactContext) -> bool:
    reading.section("connector")
    processes = running.processes(reading.evidence.sections)
    if not processes:
        return False
    endpoint = [process["endpoint_connections"] for process in processes]
    systmone = [process["systmone_connections"] for process in processes]
    if None in endpoint or None in systmone:
        raise CannotTell("the Connector's connections cannot be read")
    if any(process["endpoint_connections"] and process["systmone_connections"] for process in processes):
        return True
    if not any(endpoint) and (why := endpoints.why_not_all(reading.settings.endpoints)):
        raise CannotTell(f"the Connector runs, but whether it is connected to the vendor is not known: {why}")
    missing = ["to the vendor"] if not any(endpoint) else []
    missing += ["to SystmOne"] if not any(systmone) else []
    raise CannotTell(
        f"the Connector runs, and holds no connection {' or '.join(missing)} just now: it may only look from time to "
        f"time, or wait for Approve in SystmOne"
    )


def _files_left(reading: FactContext) -> str | list[str]:
    """What a retired gateway still has of the Connector's files, and of its installer."""
    settings, there = reading.settings, reading.section("connector")["present"]
    left = [f"the folder {settings.connector.folder} is still there"] if there else []
    return problems(left + _still_listed(reading, settings.packages.get("connector")))


def _java_left(reading: FactContext) -> str | list[str]:
    """What a retired gateway still has of our Java runtime. In the Connector's folder it goes with that; without
    packages.jre it is not ours."""
    settings, left = reading.settings, []
    package, home, folder = settings.packages.get("jre"), settings.java.home, settings.connector.folder
    if package is None:
        return OK
    if not (same_path(home, folder) or within(home, folder)) and reading.section("java")["present"]:
        left.append(f"the Java runtime in {home} is still there")
    return problems(left + _still_listed(reading, package))


def _still_listed(reading: FactContext, package: Package | None) -> list[str]:
    if package is None or not package.product_id:
        return []
    return [
        f"Windows still lists {product['name'] or product['product_id']}" for product in _products(reading, package)
    ]


FACTS: dict[str, FactOf] = {
    "connector.present": _present,
    "connector.version": _version,
    "connector.files": _files,
    "connector.access": _access,
    "connector.runs": runs,
    "connector.running": _runs_words,
    "connector.at_work": _at_work,
    "connector.several": _several,
    "connector.working": _working,
    "connector.files_left": _files_left,
    "java.runtime": _java,
    "java.version": _java_version,
    "java.left": _java_left,
}
