"""The journal, and what a verb takes from it: an audit or a plan by its id, and the audit that it takes by itself."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from provisioner.audit.scope import is_of, is_whole, not_asked, scoped
from provisioner.cli.console import fleet_folder, say
from provisioner.errors import InputError
from provisioner.journal import Journal
from provisioner.journal.named import named
from provisioner.journal.source import can_be_written
from provisioner.model import Audit, Fleet, Plan, Step
from provisioner.report.words import part, when

LATEST = "latest"
# With less than this of an id it would be chance that nothing else begins or ends so.
_SHORTEST = 3
_MOST_SHOWN = 5
# So far clocks may differ without anybody being wrong.
_AHEAD = timedelta(minutes=5)
KINDS = ("audit", "preflight", "plan")


def journal_path() -> Path:
    """Where the fleet's journal lies, by fleet.yml alone. Errors: InputError, as `provisioner.journal.named`."""
    return named(fleet_folder())


def open_journal(of: Fleet | None = None) -> Journal:
    """The fleet's journal, made if there is none; without a fleet by what fleet.yml says of it alone. One that is not
    where it was is said; it changes nothing so.

    Errors: JournalError; without a fleet also InputError.
    """
    opened = Journal.of(of) if of else Journal.open(journal_path())
    _moved(opened)
    return opened


def look_into(of: Fleet | None = None, *, create: bool = True) -> Journal:
    """The same for a verb that only looks: a journal that this account cannot write to is read as it is, and that is
    said. Errors: as `open_journal`."""
    path = Path(of.folder) / of.settings.journal if of else journal_path()
    closed = not can_be_written(path)
    opened = Journal.open(path, create=create, read_only=closed)
    if closed:
        say(f"{path} cannot be written to from here: it is read as it is, and what keeps something in it refuses.")
    _moved(opened, "" if closed else " See provisioner journal adopt.")
    return opened


def _moved(opened: Journal, hint: str = " See provisioner journal adopt.") -> None:
    if home := opened.moved():
        say(f"This journal was at {home}: it was moved, or is a copy.{hint}")


def resolved(journal: Journal, word: str, kinds: Sequence[str] = KINDS) -> str:
    """The id that is meant: one that is whole, `latest`, or so much of one's beginning or end that no other has it.

    Errors: InputError where there is none, or more than one.
    """
    if word == LATEST:
        wanted = [kind for kind in kinds if kind != "preflight"]
        for newest in journal.newest(*wanted):
            return newest
        raise InputError(f"the journal has no {' and no '.join(wanted)} yet.", f"provisioner {wanted[0]} makes one.")
    found = journal.kept(*kinds, named=word) if len(word) >= _SHORTEST else []
    if word in found:
        return word
    if len(found) == 1:
        return found[0]
    if not found:
        # An id of another kind is told from none at all by who loads it.
        return word
    some = ", ".join(found[:_MOST_SHOWN]) + (" ..." if len(found) > _MOST_SHOWN else "")
    raise InputError(f"{word} could be any of {len(found)}: {some}.", "Give more of its beginning or its end.")


def lookup(journal: Journal, id_: str | None, fleet: Fleet, newest: Sequence[str] = KINDS) -> Audit | Plan:
    """What the journal has under that id; for None the latest audit of this whole fleet, and for `latest` what is
    newest of the kinds in `newest`. What is of a part, or of another fleet folder, is said to be so.

    Errors: InputError where there is nothing.
    """
    if not id_:
        return latest(journal, fleet)
    id_ = resolved(journal, id_, newest if id_ == LATEST else KINDS)
    found = journal.load(id_)
    _warn_of_the_clock(found)
    if not isinstance(found, Audit):
        return found
    if not is_of(found, fleet):
        say(f"warning: {id_} is an audit of another fleet folder{f' ({found.folder})' if found.folder else ''}.")
        return found
    return scoped(found, fleet)


def _warn_of_the_clock(found: Audit | Plan) -> None:
    """Say where a time is still to come: of the clocks by which it was made and is read one is wrong, and what is made
    now does not count as newer."""
    if found.at > datetime.now(UTC) + _AHEAD:
        say(
            f"warning: {found.id} was made at {when(found.at)}, which is still to come: this computer's clock "
            "was ahead then, or is behind now. Until then it counts as the newest: name the one that you mean."
        )


def latest(journal: Journal, fleet: Fleet) -> Audit:
    """The latest audit of the whole fleet; where there is none the latest of a part of it, and that is said.

    Errors: InputError where there is no audit of this fleet.
    """
    newest: Audit | None = None
    for id_ in journal.newest("audit"):
        found = journal.load(id_)
        if not isinstance(found, Audit) or not is_of(found, fleet):
            continue
        found = scoped(found, fleet)
        _warn_of_the_clock(found)
        if is_whole(found, fleet):
            if newest:
                say(f"{newest.id} is newer, but of a part only ({part(newest)}); this is {found.id}, of all.")
            if new := not_asked(found, fleet):
                say(f"warning: {', '.join(new)} came into the fleet after {found.id}, which says nothing of it.")
            return found
        newest = newest or found
    if newest is None:
        raise InputError("There is no audit of this fleet in this journal yet.", "provisioner audit makes one.")
    say(f"warning: {newest.id} is of a part only ({part(newest)}). provisioner audit makes one of the whole fleet.")
    return newest


def wanted_audit(journal: Journal, audit_id: str | None, fleet: Fleet) -> Audit:
    """The audit of that id, or the latest of the whole fleet.

    Errors: InputError where there is none, or what is there is a plan, another fleet's, or a migration's.
    """
    found = lookup(journal, None if audit_id == LATEST else audit_id, fleet)
    if not isinstance(found, Audit):
        raise InputError(f"{found.id} is a plan, not an audit.", "provisioner history lists the audits.")
    if not is_of(found, fleet):
        raise InputError(f"{found.id} is an audit of another fleet folder: {found.folder}.", "Audit this one first.")
    if found.id in journal.kept("preflight", named=found.id):
        hint = "provisioner audit makes one of the fleet as practices.csv has it."
        raise InputError(f"{found.id} was made for a migration, in roles that the fleet does not have.", hint)
    return found


def narrowed(plan: Plan, wanted: Callable[[Step], bool]) -> Plan:
    """The plan with the steps that are wanted."""
    waves = (replace(wave, steps=tuple(step for step in wave.steps if wanted(step))) for wave in plan.waves)
    left = tuple(wave for wave in waves if wave.steps)
    gateways = {step.gateway for wave in left for step in wave.steps}
    places = {name: place for name, place in plan.places.items() if name in gateways}
    return replace(plan, waves=left, places=places)


def reason(at_once: bool, because: str) -> str:
    """Why hours do not count; "" where they do. Errors: InputError where --now has no reason."""
    if at_once and not because.strip():
        raise InputError("--now needs a reason, which is kept in the journal.", "Say it: --now --because TEXT.")
    if because and not at_once:
        raise InputError("--because belongs to --now.", "Say both, or none.")
    return because.strip()


def any_plan(journal: Journal, plan_id: str) -> Plan:
    """The plan of that id. Errors: InputError where there is none."""
    found = journal.load(resolved(journal, plan_id, ("plan",)))
    if not isinstance(found, Plan):
        raise InputError(f"{plan_id} is an audit, not a plan.", f"provisioner plan {plan_id} makes one of it.")
    _warn_of_the_clock(found)
    return found


def wanted_plan(journal: Journal, plan_id: str) -> Plan:
    """The plan of that id, to be done or undone. Errors: InputError where there is none, or it is a migration's."""
    found = any_plan(journal, plan_id)
    if found.move:
        hint = f"provisioner migrate status {found.move.practice} says how to go on."
        raise InputError(f"{plan_id} belongs to a migration of {found.move.practice}.", hint)
    return found


def practice_names(fleet: Fleet) -> dict[str, str]:
    """Practice codes and names."""
    return {gateway.practice: gateway.practice_name for gateway in fleet.gateways}
