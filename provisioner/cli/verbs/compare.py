"""`provisioner compare`: what changed from one audit to another."""

import json
from collections.abc import Iterator, Sequence

import click

from provisioner.audit.comparing import Comparison, Turned, compare
from provisioner.audit.evaluate import readiness
from provisioner.audit.scope import is_of, is_whole, scoped
from provisioner.cli.columns import listed, some, width, wrapped
from provisioner.cli.completion import ids
from provisioner.cli.console import as_json, out, say
from provisioner.cli.fleets import fleet_on_paper
from provisioner.cli.lookup import look_into, resolved
from provisioner.errors import InputError
from provisioner.journal import Journal
from provisioner.model import Audit, Cause, Fleet, Gateway
from provisioner.report import screen as screens
from provisioner.report import words
from provisioner.report.folding import hanging, pad
from provisioner.report.view import view

_COLUMNS = ("what", "practice", "gateway", "control", "why", "whose_job")
# So many gateways that are not ready any more have a line, and so many causes.
_WORSE, _CAME, _GONE = 6, 8, 5
_KINDS = (
    ("better", "became ready"),
    ("worse", "not ready any more"),
    ("lost", "cannot be read any more"),
    ("back", "can be read again"),
    ("roles", "has another role"),
    ("added", "new in the fleet"),
    ("removed", "gone from the fleet"),
)


@click.command("compare")
@click.argument("old", required=False, shell_complete=ids("audit"))
@click.argument("new", required=False, shell_complete=ids("audit"))
def command(old: str | None, new: str | None) -> int:
    """What changed from one audit to another: the last two of the same gateways, or OLD and the latest, or both.

    What became ready, what broke, what is new or gone, and a line for each reason. Touches no gateway. In a pipe: rows
    with tabs.
    """
    fleet = fleet_on_paper()
    with look_into(fleet) as journal:
        newer = _audit(journal, fleet, new) if new else _latest(journal, fleet)
        older = _audit(journal, fleet, old) if old else _before(journal, fleet, newer)
    if older.id == newer.id:
        raise InputError(f"{newer.id} is compared with itself.", "provisioner history lists the audits.")
    found = compare(older, newer)
    for remark in found.remarks:
        say(f"warning: {remark}")
    if as_json():
        out(json.dumps(_document(found), indent=2))
        return 0
    listed(screen(found), _COLUMNS, _rows(found), after=following(found))
    return 0


def _audit(journal: Journal, fleet: Fleet, word: str) -> Audit:
    found = journal.load(resolved(journal, word, ("audit", "preflight")))
    if not isinstance(found, Audit):
        raise InputError(f"{found.id} is a plan, not an audit.", "provisioner history lists the audits.")
    return scoped(found, fleet)


def _of_fleet(journal: Journal, fleet: Fleet) -> Iterator[Audit]:
    """This fleet's audits, the newest first."""
    for id_ in journal.kept("audit"):
        found = journal.load(id_)
        if isinstance(found, Audit) and is_of(found, fleet):
            yield scoped(found, fleet)


def _latest(journal: Journal, fleet: Fleet) -> Audit:
    if found := next(_of_fleet(journal, fleet), None):
        return found
    raise InputError("There is no audit of this fleet in this journal yet.", "provisioner audit makes one.")


def _before(journal: Journal, fleet: Fleet, newer: Audit) -> Audit:
    """The last audit before that one which asked the same: all of the fleet, or the same gateways."""
    asked, whole = _asked(newer), is_whole(newer, fleet)
    for one in _of_fleet(journal, fleet):
        if one.at < newer.at and (_asked(one) == asked or (whole and is_whole(one, fleet))):
            return one
    hint = "Name one: provisioner compare OLD NEW; provisioner history lists them."
    raise InputError(f"There is no audit of the same gateways before {newer.id}.", hint)


def _asked(audit: Audit) -> frozenset[str]:
    return frozenset(row.name for row in audit.gateways if row.known)


def following(found: Comparison) -> list[str]:
    """The command to give next, where something changed for which one is of use."""
    return [f"Next: provisioner show {found.new.id}"] if found.worse or found.lost or found.turned else []


def screen(found: Comparison) -> Iterator[str]:
    """Two audits compared, in lines: both of them, what changed at which gateway, and a line for each reason."""
    columns = width()
    for audit in (found.old, found.new):
        said = f"{view(audit, readiness(audit), ()).sentence}. ({audit.id})"
        yield from wrapped(f"{words.short(audit.at)}  ", said, columns)
    for name, what in _KINDS:
        rows: Sequence[Gateway] = getattr(found, name)
        if rows:
            told = [f"{row.practice_name or row.practice} ({row.name})" for row in rows]
            yield from wrapped(f"{what[0].upper()}{what[1:]} ({len(rows)}): ", some(told, 6), columns)
            yield from _worse(found, columns) if name == "worse" else ()
    if found.unasked:
        yield from wrapped("Asked by one of them only: ", some(found.unasked), columns)
    for title, of, most in (("What has come", "came", _CAME), ("What is over", "gone", _GONE)):
        causes = [_cause(one, getattr(one, of)) for one in found.turned if getattr(one, of)]
        if causes:
            yield from wrapped("", f"{title}, at how many gateways, and whose job:", columns)
            causes.sort(key=lambda one: -len(one.gateways))
            yield from screens.causes(causes, columns, most, rest="--format json")
    if not any(getattr(found, name) for name, _ in _KINDS) and not found.turned:
        yield "Nothing has changed."


def _worse(found: Comparison, columns: int) -> Iterator[str]:
    """What came at each gateway that is not ready any more."""
    shown = found.worse[:_WORSE]
    names = max(len(row.name) for row in shown)
    for row in shown:
        came = ", ".join(one.control for one in found.turned if row.name in one.came)
        yield from hanging(f"  {pad(row.name, min(names, columns // 3))}  ", came, columns)


def _cause(one: Turned, gateways: Sequence[str]) -> Cause:
    return Cause(
        text=one.text, control=one.control, status=one.status, owner=one.owner, remedy=one.remedy,
        gateways=tuple(gateways), headline=False,
    )  # fmt: skip


def _whose(one: Turned) -> str:
    return f"a plan ({one.remedy})" if one.remedy else words.owner(one.owner)


def _rows(found: Comparison) -> Iterator[Sequence[object]]:
    practices = {row.name: row.practice for audit in (found.old, found.new) for row in audit.gateways}
    for name, what in _KINDS:
        for row in getattr(found, name):
            yield what, row.practice, row.name, "", "", ""
    for gateway in found.unasked:
        yield "asked by one of them only", practices.get(gateway, ""), gateway, "", "", ""
    for one in found.turned:
        for what, names in (("over", one.gone), ("came", one.came)):
            for gateway in names:
                yield what, practices[gateway], gateway, one.control, one.text, _whose(one)


def _document(found: Comparison) -> dict[str, object]:
    def audit(one: Audit) -> dict[str, object]:
        ready = readiness(one)
        return {"audit": one.id, "at": words.utc(one.at), "sentence": view(one, ready, ()).sentence}

    rows = {name: [row.name for row in getattr(found, name)] for name, _ in _KINDS}
    turned = [
        {
            "control": one.control,
            "text": one.text,
            "whose_job": _whose(one),
            "came": list(one.came),
            "over": list(one.gone),
            "stayed": len(one.stayed),
        }
        for one in found.turned
    ]
    head = {"version": 1, "old": audit(found.old), "new": audit(found.new), "remarks": list(found.remarks)}
    return {**head, **rows, "asked_by_one_only": list(found.unasked), "causes": turned}
