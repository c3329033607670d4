"""What dead runs left behind: ended, and recorded as unknown."""

from collections.abc import Sequence

from provisioner import journal as journals
from provisioner.errors import PlanRefused
from provisioner.execute.run import LEASE, Run
from provisioner.journal import Event


def recover(run: Run) -> None:
    """End what dead runs left behind, of whichever plan, and record their open steps as unknown: an Ansible without
    its parent goes on by itself, on gateways that this run will change too.

    Errors: PlanRefused where something cannot be ended.
    """
    journal, now, ours = run.journal, run.ports.now(), (run.plan.id, run.plan.of)
    others = journal.unended().keys() - set(ours)
    # A plan that somebody runs is held by them; what one that was held until now has ended meanwhile is not open.
    alive = journal.take(others, run.me, "recovery", now, now + LEASE)
    try:
        for plan, unended in journal.unended().items():
            if plan in ours or plan in others - alive.keys():
                _end_dead(run, unended)
    finally:
        journal.release(others - alive.keys(), run.me)


def _end_dead(run: Run, unended: Sequence[Event]) -> None:
    for run_tag in sorted({str(event.body.get("mark", "")) for event in unended} - {""}):
        try:
            run.ports.kill_leftovers(run_tag)
        except OSError as error:
            raise PlanRefused(str(error), "End them by hand; then give the same command again.") from error
    why = "the run that began it ended before it did"
    run.journal.append(journals.broken_off(event, run.ports.now(), why) for event in unended)
