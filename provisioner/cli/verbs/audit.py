"""`provisioner audit`: read and judge the gateways."""

import click

from provisioner.audit.evaluate import readiness
from provisioner.audit.scope import is_of
from provisioner.cli.commands import givable
from provisioner.cli.console import as_json, for_a_person, lines, out, refuse_all_as_json, say, width
from provisioner.cli.fleets import whole_fleet
from provisioner.cli.lookup import open_journal
from provisioner.cli.options import common
from provisioner.errors import Refused
from provisioner.model import Audit, Fleet, Impact, Role, Status
from provisioner.plan.causes import causes
from provisioner.report.view import Machine, State, View, view

# So many gateways are named in a command that asks for them alone.
_NAMED = 3


@click.command("audit")
@click.option("--all", "whole", is_flag=True, help="Every gateway and cause, with all its words.")
def command(whole: bool) -> int:
    """Read every gateway and judge it by the policy. Never changes a gateway.

    On a terminal what is not ready, why and whose job it is, and the command to give next; in a pipe a line a gateway,
    its cells apart by tabs.

    Exit 0: all required controls pass; 1: some fail; 3: some gateways could not be read.
    """
    refuse_all_as_json(whole)
    # Here, because `show`, `plan` and `report` print audits too, and what reads gateways takes a while to load.
    from provisioner.audit.shipped import open_policy
    from provisioner.cli import progress

    policy = open_policy()
    fleet = whole_fleet(policy.ids)
    with open_journal(fleet) as journal:
        audit = progress.auditor(fleet, policy, journal).audit(common().only)
    show(audit, fleet, whole)
    return exit_code(audit)


def show(audit: Audit, fleet: Fleet, whole: bool = False) -> None:
    """An audit on stdout: as JSON where that is asked for, on a terminal (or with `whole`) in words, else as TSV."""
    from provisioner.report import json, screen, tsv

    ready = readiness(audit)
    if as_json():
        out(json.audit(audit, ready))
        return
    shown = view(audit, ready, causes(audit, fleet))
    if whole or for_a_person():
        lines(screen.audit(shown, width(), givable(following(shown, fleet)), whole=whole))
        return
    lines(tsv.audit(shown))
    say(f"{audit.id}: {screen.headline(shown)}")
    say(f"Next: {following(shown, fleet)}")


def following(shown: View, fleet: Fleet) -> str:
    """The command to give after an audit: a plan where one would do something now, else what finds out more."""
    audit = shown.audit
    if not fleet.gateways:
        return "rows for practices.csv, as provisioner practices writes them"
    if not is_of(audit, fleet) or any(cause.control == "" and not shown.total for cause in shown.causes):
        return "provisioner audit"
    if audit.purpose:
        return "provisioner migrate status"
    if any(cause.remedy and cause.status is Status.FAILED for cause in shown.causes):
        return f"provisioner plan {audit.id}"
    unread = {one.gateway.name: _kind(one) for one in shown.machines if one.state is State.UNREAD}
    refused = [name for name, kind in unread.items() if kind == Refused.__name__]
    if refused:
        # Each command tries a refused password twice: at many gateways only to say so again would lock the account.
        return f"provisioner ping --only {refused[0]}"
    if unread:
        only = "".join(f" --only {name}" for name in unread) if len(unread) <= _NAMED else ""
        return f"provisioner ping{only}"
    if shown.count(State.UNREADY):
        return f"provisioner report {audit.id} --as html --output audit.html"
    if shown.count(State.NOT_KNOWN):
        return "provisioner find --directory"
    return "nothing is to be done; provisioner audit looks again"


def _kind(machine: Machine) -> str:
    """The kind of error for which a gateway could not be read."""
    return machine.evidence.error.kind if machine.evidence and machine.evidence.error else ""


def exit_code(audit: Audit) -> int:
    """3 when a gateway could not be read, else 1 when a required control failed, else 0."""
    if any(audit.that_are(Status.ERROR)):
        return 3
    required = {control.id for control in audit.controls if control.impact is Impact.REQUIRED}
    candidates = {gateway.name for gateway in audit.gateways if gateway.role is Role.CANDIDATE}
    return int(
        any(
            finding.control in required and finding.gateway not in candidates
            for finding in audit.that_are(Status.FAILED)
        )
    )
