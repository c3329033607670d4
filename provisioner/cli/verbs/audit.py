"""`provisioner audit`: read and judge the gateways."""

import click

from provisioner.audit.evaluate import readiness
from provisioner.cli.console import as_json, open_journal, out, say, table, whole_fleet
from provisioner.cli.options import common
from provisioner.model import Audit, Fleet, Impact, Role, Status
from provisioner.plan.causes import causes


@click.command("audit")
def command() -> int:
    """Read every gateway and judge it by the policy. Never changes a gateway.

    Exit 0: all required controls pass; 1: some fail; 3: some gateways could not be read.
    """
    # Here, because `show`, `plan` and `report` print audits too, and what reads gateways takes a while to load.
    from provisioner.audit.auditor import open_policy
    from provisioner.cli import progress

    policy = open_policy()
    fleet = whole_fleet(policy.ids)
    with open_journal(fleet) as journal:
        audit = progress.auditor(fleet, policy, journal).audit(common().only)
    show(audit, fleet)
    unknown = sum(not gateway.known for gateway in audit.gateways)
    if unknown:
        say(f"{unknown} gateways are not known yet: their rows in practices.csv have no PC.")
    return exit_code(audit)


def show(audit: Audit, fleet: Fleet) -> None:
    """An audit on stdout, in the format asked for."""
    from provisioner.report import json
    from provisioner.report import table as tables
    from provisioner.report.view import view

    ready = readiness(audit)
    if as_json():
        out(json.audit(audit, ready))
        return
    table(tables.audit(audit, ready, causes(audit, fleet)))
    out(f"{audit.id}: {view(audit, ready, ()).sentence}.")


def exit_code(audit: Audit) -> int:
    """3 when a gateway could not be read, else 1 when a required control failed, else 0."""
    if any(finding.status is Status.ERROR for finding in audit.findings):
        return 3
    required = {control.id for control in audit.controls if control.impact is Impact.REQUIRED}
    candidates = {gateway.name for gateway in audit.gateways if gateway.role is Role.CANDIDATE}
    return int(
        any(
            finding.status is Status.FAILED and finding.control in required and finding.gateway not in candidates
            for finding in audit.findings
        )
    )
