"""A plan as verbs show it, and the command that follows: who only tells of one loads nothing of what makes one."""

from collections.abc import Mapping
from types import MappingProxyType

from provisioner.cli.console import as_json, lines, out, width
from provisioner.model import Fleet, Plan
from provisioner.model.results import Stands


def show(made: Plan, names: Mapping[str, str], stands: Mapping[str, Stands] = MappingProxyType({})) -> None:
    """A plan on stdout, in the format asked for; as JSON with what stands of its steps."""
    from provisioner.report import json, planned

    if as_json():
        out(json.plan(made, stands))
    else:
        lines(planned.plan(made, names, width()))


def following(made: Plan, fleet: Fleet, *, approved: bool, part: str = "") -> str:
    """The line with the command that does a plan, or that has to be given before it can be done. `part`: the options
    that name a part of it. Where nothing is to be done the audit says what else there is."""
    if not made.steps:
        return f"Next: provisioner show {made.audit}"
    if fleet.settings.read_only:
        return f"Next: provisioner apply {made.id}{part} --dry-run"
    if fleet.settings.rollout.approval and not approved:
        return f"Next, by a second person: provisioner approve {made.id}"
    return f"Next: provisioner apply {made.id}{part}"
