"""A plan as it would be done: Ansible's modules say what each would change, and change nothing."""

import json
from dataclasses import asdict

from provisioner.ansible.results import StepResult
from provisioner.audit.auditor import Auditor
from provisioner.cli.console import as_json, folded, follows, out, say
from provisioner.cli.lookup import narrowed
from provisioner.cli.runs import Interrupts
from provisioner.cli.watch import Screen, Watch
from provisioner.execute import admission, by_ansible
from provisioner.execute.by_ansible import Stopping
from provisioner.model import Plan
from provisioner.plan.guards import START
from provisioner.report import differences
from provisioner.report.words import counted


def rehearse(plan: Plan, auditor: Auditor, then: str) -> int:
    """Read, rehearse and say it, and `then` the command that follows. The exit code."""
    rows = {gateway.name: gateway for gateway in auditor.fleet.gateways}
    moved = {name: why for name in plan.places if (why := admission.why_stale(plan, rows.get(name), name))}
    for name, why in moved.items():
        say(f"{name}: left out: {why}")
    gateways = [rows[name] for name in plan.places if name not in moved]
    # Read first: the login guard keeps a wrong password from being tried by Ansible on every gateway.
    lost = {
        evidence.gateway: evidence.error
        for evidence in auditor.look(gateways, measure=False).evidence
        if evidence.error
    }
    for name, problem in lost.items():
        say(f"{name}: {problem}")
    interrupts = Interrupts()
    with interrupts.caught(), Screen() as screen, Watch(plan, auditor.fleet, screen) as watch:
        found = by_ansible.rehearse(
            narrowed(plan, lambda step: step.gateway not in lost and step.gateway not in moved),
            auditor,
            on_task=watch.task,
            stopping=Stopping(begin_nothing=interrupts.once),
        )
    if as_json():
        steps = [_rehearsed(step, acted) for step, acted in found.items()]
        out(json.dumps({"version": 1, "plan": plan.id, "steps": steps}, indent=2))
    else:
        for step, acted in found.items():
            _show_rehearsed(step, acted)
        for start in (step for step in plan.steps if step.remedy == START):
            folded(f"{start.id}: not rehearsed: there is nothing to start until the rest is there")
        folded(f"{counted(len(found), 'step')} rehearsed; nothing was changed.")
        follows(then)
    return 3 if lost or moved or any(acted.result != "ok" for acted in found.values()) else 0


def _rehearsed(step: str, acted: StepResult) -> dict[str, object]:
    return {
        "id": step,
        "result": acted.result,
        "changed": acted.changed,
        "message": acted.message,
        "differences": [asdict(difference) for difference in acted.differences],
    }


def _show_rehearsed(step: str, acted: StepResult) -> None:
    if acted.result != "ok":
        folded(f"{step}: {acted.result}: {acted.message}")
        return
    folded(f"{step}: {'would change' if acted.changed else 'nothing to change'}")
    for difference in acted.differences:
        folded(f"  {difference.task}")
        for mark, line in differences.lines(difference.before, difference.after):
            folded(f"    {mark} {line}")
