"""Whether a plan may be run at all: by this fleet, this policy, this person, this journal."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from provisioner import processes
from provisioner.errors import JournalError, LeaseHeld, PlanRefused, ReadOnlyFleet
from provisioner.journal import Journal, Lease, standing
from provisioner.model import Fleet, Gateway, Plan
from provisioner.report import words


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a person asks of a run beside its plan: who approved it (a name that is typed, where fleet.yml asks for no
    approval by a second person) under which ticket, why hours do not count
    (`now_because`), until when gateways that are away are waited for, and whether persons are waited for at all."""

    approved_by: str = ""
    ticket: str = ""
    now_because: str = ""
    wait_until: datetime | None = None
    patient: bool = True


def trusted(journal: Journal, now: datetime | None = None) -> None:
    """Errors: JournalError where the journal was changed after it was written. All of it is looked at, or with `now`
    only what came since this person last found it whole."""
    if wrong := journal.verify(now, everything=now is None):
        hint = "Nothing is done by a journal that cannot be trusted: put a backup back."
        if journal.behind():
            hint = "If a backup was put back, or whoever wrote it anew is known: provisioner journal verify"
        raise JournalError(f"{journal.path}: {wrong}.", hint)


def at_home(journal: Journal) -> None:
    """Errors: JournalError where the journal is not where it was, and may be a copy of one that others work with."""
    if home := journal.moved():
        raise JournalError(
            f"{journal.path} is a journal that was at {home} when it was last written to: it was moved, or is a copy.",
            "Both would take each other's work on a gateway for their own. If this is the one to go on with: "
            "provisioner journal adopt",
        )


def refuse(
    plan: Plan,
    fleet: Fleet,
    policy_digest: str,
    *,
    rehearsal: bool = False,
    begun: bool = False,
) -> None:
    """Errors: ReadOnlyFleet, PlanRefused where this plan may not be applied to this fleet as it is. Whether it is
    approved is for approving.py.

    A `rehearsal` changes nothing; `begun`: whether the plan has been run before.
    """
    if fleet.settings.read_only and not rehearsal:
        raise ReadOnlyFleet("fleet.yml says read_only: nothing is changed.", "Audits, plans and --dry-run work.")
    # The way back is never barred by a policy that has changed since, nor the rest of a migration that has begun.
    barred = plan.kind != "undo" and not (plan.move and begun)
    if plan.policy_digest != policy_digest and barred:
        raise PlanRefused(f"{plan.id} was made by another policy than the one of now.", "Audit and plan again.")
    rows = {gateway.name: gateway for gateway in fleet.gateways}
    why = {gateway: why_stale(plan, rows.get(gateway), gateway) for gateway in plan.places}
    if why and all(why.values()):
        first = next(iter(why))
        raise PlanRefused(f"{plan.id} is not for this fleet: {first}: {why[first]}.", "Audit and plan again.")


def refuse_over(plan: Plan, practice: str, journal: Journal) -> None:
    """Errors: PlanRefused where another migration of the practice is open, or the plan's own is over: it has been
    finished or undone since the plan was looked for."""
    ours, open_ = plan.of or plan.id, standing.open_migrations(journal).get(practice, "")
    hint = f"provisioner migrate status {practice}"
    if open_ not in ("", ours):
        raise PlanRefused(f"{practice}: another migration is open: {open_}.", f"{hint}; finish or undo that one first.")
    if not open_ and (plan.of or standing.was_opened(journal, ours)):
        raise PlanRefused(f"{practice}: the migration {ours} is over, finished or undone.", f"{hint}; or begin anew.")


def why_stale(plan: Plan, row: Gateway | None, gateway: str) -> str:
    """Why a plan's steps are not for this row any more; "" where they are."""
    if row is None:
        return "it is not in the fleet any more"
    if tuple(plan.places[gateway]) != (row.practice, row.address):
        was = " at ".join(plan.places[gateway])
        return f"it was planned as {was}, and is {row.practice} at {row.address or 'no address'} now"
    planned = plan.roles.get(gateway, row.role)
    return "" if row.role is planned else f"it was planned as {planned}, and is {row.role} now"


def refuse_running(journal: Journal, plan: Plan, now: datetime) -> None:
    """What another process does just now is not told as if it were over, and nobody is asked about it. Errors:
    LeaseHeld."""
    refuse_held(journal.kept_by(leased(plan), processes.this(), now))


def leased(plan: Plan) -> list[str]:
    """What a run of the plan holds: the plan, the one that it belongs to, and all of a practice's migrations."""
    practice = f"migration-{plan.move.practice}" if plan.move else ""
    return [id_ for id_ in (plan.id, plan.of, practice) if id_]


def refuse_held(held: Mapping[str, Lease]) -> None:
    """Errors: LeaseHeld where another run holds any of these."""
    if held:
        id_, lease = next(iter(held.items()))
        raise LeaseHeld(f"{id_} is being applied: {held_by(lease)}.", "Wait until it is through.")


def held_by(lease: Lease) -> str:
    """Who holds a lease, in words."""
    span = f"since {words.short(lease.since)} ({lease.why}), until {words.short(lease.until)} at most"
    return f"{lease.holder} works on it {span}"
