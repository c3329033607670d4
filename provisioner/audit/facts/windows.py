"""Facts about Windows: which one it is, and whether Microsoft supports it on the day of the audit."""

from datetime import date

from provisioner.audit.facts.context import CannotTell, FactContext, FactOf, once, problems
from provisioner.audit.policy import Release

_RT = 97  # PRODUCT_CORE_ARM
_SERVERS = (2, 3)
_SERVER_GROUPS = frozenset({"SERVER_AC"})


def _is_server(reading: FactContext) -> bool:
    """By the edition, where the lifecycle table knows it: the multi-session editions have a server's product type."""
    product: int = reading.value("windows", "product_type", "whether it is a workstation or a server")
    edition = reading.section("windows")["edition_id"] or ""
    if group := _group(reading, edition):
        return group in _SERVER_GROUPS
    return product in _SERVERS or edition.lower().startswith("server")


def _group(reading: FactContext, edition: str) -> str:
    """The group of editions that is serviced alike; "" for one that the table does not know."""
    return reading.lifecycle.editions.get(edition.strip().lower(), "")


@once
def _release(reading: FactContext) -> Release:
    """The row of the lifecycle table. Never found by the product's name: Windows 11 still says Windows 10 there."""
    server = _is_server(reading)
    build: int = reading.value("windows", "build", "its Windows build")
    table = reading.lifecycle.servers if server else reading.lifecycle.clients
    rows = [row for row in table if row.build == build]
    if not rows:
        newest = max(row.build for row in table)
        if build > newest:
            raise CannotTell(
                f"build {build} is newer than the lifecycle data of {reading.lifecycle.as_of} knows: update the data"
            )
        if build < min(row.build for row in table):
            return Release(name=f"Windows build {build}", build=build, editions=("any",), servicing_end=date.min)
        raise CannotTell(f"build {build} is no release that Microsoft lists: is it a preview?")
    edition: str = reading.value("windows", "edition_id", "its edition")
    group = _group(reading, edition)
    fitting = [row for row in rows if group in row.editions] or [row for row in rows if "any" in row.editions]
    if not fitting:
        raise CannotTell(
            f"edition {edition} of build {build} is not in the lifecycle data of {reading.lifecycle.as_of}"
        )
    return fitting[0]


def _name(reading: FactContext) -> str:
    windows = reading.section("windows")
    edition, build = windows["edition_id"] or "unknown edition", windows["build"]
    try:
        name = _release(reading).name
    except CannotTell:
        name = windows["product_name"] or "Windows"
    return f"{name} {edition} (build {build})"


@once
def _supported_until(reading: FactContext) -> str:
    """The last day of security updates that this PC gets, ISO 8601."""
    release, today = _release(reading), reading.at.date()
    if today <= release.servicing_end or not _may_be_extended(release, today):
        return release.servicing_end.isoformat()
    licensed = _licensed(reading, today)
    if licensed is None:
        why = reading.section("windows")["esu_reason"]
        raise CannotTell(
            f"{release.name} is serviced only with extended updates (ESU), and whether this PC has a licence cannot be "
            f"read" + (f": {why}" if why else "")
        )
    if not licensed:
        return release.servicing_end.isoformat()
    return min(end for end in release.esu_years if today <= end).isoformat()


def _licensed(reading: FactContext, today: date) -> bool | None:
    """Whether this PC has extended updates on that day, which is later where an older reading is looked at again. A
    reading of before does not say until when."""
    windows = reading.section("windows")
    try:
        return today <= date.fromisoformat(windows.get("esu_until") or "")
    except ValueError:
        found: bool | None = windows["esu"]
        return found


def _may_be_extended(release: Release, today: date) -> bool:
    return release.esu_end is not None and today <= release.esu_end


def _supported(reading: FactContext) -> bool:
    return reading.at.date() <= date.fromisoformat(_supported_until(reading))


def _support(reading: FactContext) -> str:
    """Windows and its support in words, the same for all PCs of that kind."""
    release = _release(reading)
    end = _supported_until(reading)
    if _supported(reading):
        extended = " with extended updates" if end > release.servicing_end.isoformat() else ""
        return f"{release.name}, supported until {end}{extended}"
    without = " and which has no extended updates (ESU)" if _may_be_extended(release, reading.at.date()) else ""
    ended = "long ago" if release.servicing_end == date.min else f"on {end}"
    return f"{release.name}, whose support ended {ended}{without}"


def _extended(reading: FactContext) -> str:
    """What the PC says of extended updates (ESU)."""
    licensed = reading.value("windows", "esu", "whether it has extended updates (ESU)")
    return reading.section("windows")["esu_reason"] or ("yes" if licensed else "no")


def _client(reading: FactContext) -> str | list[str]:
    windows, found = reading.section("windows"), []
    if _is_server(reading):
        found.append("Windows Server, for which TPP does not license its client")
    if windows["sku"] == _RT or (windows["architecture"] or "").lower() == "arm":
        found.append("Windows RT")
    # Null is no reason to doubt: in S mode PowerShell would not have run at all.
    if windows["s_mode"]:
        found.append("Windows in S mode, in which the Connector cannot run")
    return problems(found)


FACTS: dict[str, FactOf] = {
    "windows.name": _name,
    "windows.supported": _supported,
    "windows.supported_until": _supported_until,
    "windows.support": _support,
    "windows.extended_updates": _extended,
    "windows.client": _client,
}
