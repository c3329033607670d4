"""The fleet that a verb is about, and one gateway of it."""

from collections.abc import Collection, Iterable
from pathlib import Path

from provisioner import fleet
from provisioner.cli.console import fleet_folder, warn
from provisioner.cli.options import common
from provisioner.errors import InputError, suggest
from provisioner.fleet import Listed
from provisioner.model import Fleet, Gateway


def asked_for(found: Fleet) -> Fleet:
    """The part of the fleet that `--only` names, or all of it. Errors: InputError where nothing is left."""
    return fleet.only(found, common().only) if common().only else found


def fleet_on_paper(controls: Collection[str] | None = None) -> Fleet:
    """The fleet for a verb that only looks into its files and the journal: it needs no password, and what the folder
    lacks is said by those that judge and change by it. Errors: as `whole_fleet`."""
    return whole_fleet(controls, credentials=False, warnings=False)


def whole_fleet(controls: Collection[str] | None = None, *, credentials: bool = True, warnings: bool = True) -> Fleet:
    """The fleet, not narrowed; without `credentials` by somebody who logs in to no gateway. `controls` are the ids that
    statements may speak of; `warnings` go to stderr. Errors: InputError with all that is wrong in the folder."""
    folder = fleet_folder()
    found, faults = fleet.check(folder, practices=_national_list, controls=controls, credentials=credentials)
    if found is None:
        raise fleet.not_right(folder, faults)
    if warnings:
        warn(faults)
    return found


def _national_list(path: Path) -> Iterable[Listed]:
    # Here, because few fleets name one.
    from provisioner.fleet import ods

    return ods.read(path)


def one_gateway(fleet: Fleet, name: str) -> Gateway:
    """The gateway of that name, or the only one of that practice.

    Errors: InputError where there is none, with the nearest name, or several.
    """

    wanted = name.strip().upper()
    named = [gateway for gateway in fleet.known if wanted == gateway.name.upper()]
    found = named or [gateway for gateway in fleet.known if wanted == gateway.practice]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(gateway.name for gateway in found)
        raise InputError(f"{name} has several gateways: {names}.", "Name one of them.")
    if any(wanted == gateway.practice for gateway in fleet.gateways):
        hint = "provisioner find --directory looks for it; then write it into its row of practices.csv."
        raise InputError(f"{name}: which PC is its gateway is not known yet, so there is nothing to ask.", hint)
    meant = suggest(name, (gateway.name for gateway in fleet.known))
    raise InputError(f"No gateway or practice {name} in this fleet.", meant or "See practices.csv.")
