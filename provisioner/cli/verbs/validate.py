"""`provisioner validate`: is this fleet folder right? Offline."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from provisioner import fleet, resources
from provisioner.audit import facts, policy
from provisioner.cli.console import as_json, fleet_folder, folded, out
from provisioner.cli.options import common
from provisioner.errors import Fault, InputError, ProvisionerError
from provisioner.fleet import ods
from provisioner.model import Fleet
from provisioner.report.words import counted


@click.command("validate")
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path, file_okay=False))
def command(folder: Path | None) -> int:
    """Check the fleet folder, DIR or that of --fleet: every fault at once, with file and line. Touches no gateway.

    Exit 0: it can be used, warnings or not; 2: it cannot.
    """
    if folder is not None and "fleet" in common().typed and common().fleet != folder:
        raise InputError(f"Which of the two: {folder} or {common().fleet}?", "Give one.")
    folder = folder.resolve() if folder is not None else fleet_folder()
    found, faults = fleet.check(folder, practices=ods.read, controls=_controls(), credentials=False)
    if as_json():
        out(json.dumps(document(folder, found, faults), indent=2))
    elif found is None and not (wrong := fleet.not_right(folder, faults)).faults:
        raise wrong
    else:
        for fault in faults:
            folded(f"{'warning: ' if fault.warning else ''}{fault}")
        for line in summary(folder, found, faults):
            folded(line)
    return 0 if found else 2


def summary(folder: Path, found: Fleet | None, faults: list[Fault]) -> list[str]:
    """What was found, in a few lines."""
    errors = sum(not fault.warning for fault in faults)
    warnings = counted(len(faults) - errors, "warning")
    if found is None:
        return [f"{folder} is not right: {counted(errors, 'error')}, {warnings}."]
    practices = len({gateway.practice for gateway in found.gateways})
    known = len(found.known)
    lines = [
        f"{folder} is right: {counted(practices, 'practice')}, {counted(known, 'gateway')} known, "
        f"{len(found.gateways) - known} not known yet, {warnings}."
    ]
    settings = found.settings
    if settings.practice_list:
        dated = f" of {settings.practice_list_date}" if settings.practice_list_date else ""
        lines.append(f"Practice codes were looked up in {settings.practice_list}{dated}.")
    else:
        lines.append("Practice codes were judged by their shape only: fleet.yml names no practice_list.")
    if settings.read_only:
        lines.append("read_only is set: every changing verb refuses.")
    return lines


def document(folder: Path, found: Fleet | None, faults: list[Fault]) -> dict[str, object]:
    """The result as docs/json.md has it; the counts are null where the folder is not right."""
    known = len(found.known) if found else None
    return {
        "version": 1,
        "fleet": str(folder),
        "right": found is not None,
        "practices": len({gateway.practice for gateway in found.gateways}) if found else None,
        "gateways": {"known": known, "not_known": len(found.gateways) - len(found.known) if found else None},
        "faults": [asdict(fault) for fault in faults],
    }


def _controls() -> frozenset[str] | None:
    """The ids that statements may speak of; None where the policy itself cannot be read, which `audit` says."""
    try:
        return policy.load(resources.root() / "policy", facts.NAMES).ids
    except ProvisionerError:
        return None
