"""Roles in practices.csv: the steps that change the team's own file, and no gateway."""

from collections.abc import Sequence
from dataclasses import replace

from provisioner import journal as journals
from provisioner.errors import InputError
from provisioner.execute import act, failpoints, judge
from provisioner.execute.failpoints import Failpoint
from provisioner.execute.run import Run
from provisioner.model import Result, Role, Step


def change(run: Run, steps: Sequence[Step]) -> None:
    """Write roles into practices.csv, all of a step's at once."""
    for step in steps:
        if run.why_stop():
            return
        at = run.ports.now()
        roles = {gateway: Role(role) for gateway, role in step.values["roles"].items()}
        if all(run.rows[gateway].role is role for gateway, role in roles.items()):
            act.record(run, [(step, (Result.UNCHANGED, "already in practices.csv"), judge.NOT_ACTED, at)])
            continue
        run.journal.append([journals.started(step.id, step.gateway, run.plan.id, at, "")])
        failpoints.reached(Failpoint.STARTS_NOTED)
        try:
            run.ports.change_rows(roles)
        except InputError as error:
            why = f"{error.message} {error.hint}".strip()
            act.record(run, [(step, (Result.FAILED, why), judge.NOT_ACTED, at)])
            continue
        failpoints.reached(Failpoint.ROW_WRITTEN)
        run.rows |= {gateway: replace(run.rows[gateway], role=role) for gateway, role in roles.items()}
        act.record(run, [(step, (Result.DONE, ""), replace(judge.NOT_ACTED, changed=True), at)])
