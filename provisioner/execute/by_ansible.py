"""A plan done on real gateways: read by WinRM, acted on by Ansible. The one file that gives a run its ports."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from provisioner import processes
from provisioner.ansible import inventory, playbook
from provisioner.ansible.results import StepResult
from provisioner.audit.auditor import Auditor
from provisioner.execute import engine, events
from provisioner.execute.admission import Asked, trusted
from provisioner.execute.ports import Apply, Ports
from provisioner.fleet import rewrite
from provisioner.model import Evidence, Finding, Gateway, Plan, Step

# A work marker ends by itself, should nobody be left to take it away: after so many minutes of its own clock.
_MARKED_FOR = 120

OnTask = Callable[[str, str, str], None]


def _never() -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class Stopping:
    """How a run is stopped from outside. `begin_nothing`: what runs ends, nothing further starts; `end_now`: what runs
    is ended too; `pause` waits so many seconds, and less once it is to stop."""

    begin_nothing: Callable[[], bool] = _never
    end_now: Callable[[], bool] = _never
    pause: Callable[[float], None] = time.sleep


def run(
    plan: Plan,
    auditor: Auditor,
    asked: Asked | None = None,
    *,
    notify: Callable[[events.Happening], None] = lambda _: None,
    on_task: OnTask = lambda gateway, role, task: None,
    ask: Callable[[str], bool] = lambda why: False,
    stopping: Stopping | None = None,
) -> engine.Ended:
    """Do a plan of that auditor's fleet, or go on with it where an earlier run stopped.

    `notify` hears what happens, `on_task` (gateway, role, task) what Ansible begins; both may be called from several
    threads. `ask` (what cannot be told) says whether to go on after a wave that shows nothing.
    Errors: as engine.run; JournalError also where the journal was changed after it was written.
    """
    stopping = stopping or Stopping()
    trusted(auditor.journal, datetime.now(UTC))

    def read(gateways: Sequence[Gateway], measure: bool) -> tuple[Sequence[Evidence], Mapping[str, Sequence[Finding]]]:
        judged = auditor.look(gateways, measure=measure)
        found: dict[str, list[Finding]] = {gateway.name: [] for gateway in gateways}
        for finding in judged.findings:
            found[finding.gateway].append(finding)
        return judged.evidence, found

    ports = Ports(
        read=read,
        apply=actor(auditor, on_task, stopping.end_now, plan=plan.id),
        notify=notify,
        now=lambda: datetime.now(UTC),
        pause=stopping.pause,
        interrupted=stopping.begin_nothing,
        change_rows=lambda roles: rewrite.change_roles(Path(auditor.fleet.folder), roles),
        probe=auditor.probe,
        ask=ask,
        kill_leftovers=playbook.end_run,
        why_not_until=auditor.why_not_until,
    )
    return engine.run(plan, auditor.fleet, auditor.journal, ports, policy_digest=auditor.policy.digest, asked=asked)


def rehearse(
    plan: Plan,
    auditor: Auditor,
    *,
    on_task: OnTask = lambda gateway, role, task: None,
    stopping: Stopping | None = None,
) -> dict[str, StepResult]:
    """What Ansible would change, by step, with differences; nothing is changed, no journal written, no lease taken."""
    stopping = stopping or Stopping()
    act = actor(auditor, on_task, stopping.begin_nothing, check=True)
    return engine.rehearse(plan, auditor.fleet, act, stopping.begin_nothing)


def actor(
    auditor: Auditor,
    on_task: OnTask,
    cancelled: Callable[[], bool],
    *,
    check: bool = False,
    plan: str = "",
) -> Apply:
    """What acts on gateways: Ansible, with this fleet's way in. What is replaced is kept there under the plan's id."""
    rows = {gateway.name: gateway for gateway in auditor.fleet.gateways}

    def act(steps: Sequence[Step], run_tag: str) -> Mapping[str, StepResult]:
        lending = [step for step in steps if step.values.get("carry_from") and not step.restores]
        lenders = [str(step.values["carry_from"]) for step in lending]
        names = dict.fromkeys([*(step.gateway for step in steps), *lenders])
        own = {"provisioner_plan": plan}
        hosts = {name: inventory.connection(auditor.fleet, rows[name]) | own for name in names}
        return playbook.run(
            steps, hosts, auditor.secret, run_tag=run_tag, check=check, turn=auditor.turn, ticket=auditor.ticket,
            on_task=on_task, cancelled=cancelled, marker=_work_marker(auditor, plan),
        )  # fmt: skip

    return act


def _work_marker(auditor: Auditor, plan: str) -> inventory.WorkMarker:
    """What is left on a gateway while it is worked on: which journal knows of it, who, and for how long at most."""
    name, *before = auditor.journal.names(plan)
    return inventory.WorkMarker(journal=name, known=tuple(before), by=str(processes.this()), minutes=_MARKED_FOR)
