"""Audits and plans as they are kept: a document each, whose hash stands in the chain; an audit's gateways are rows."""

import hashlib
import json
import zlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from provisioner import processes
from provisioner.errors import InputError, JournalError
from provisioner.journal import audits, events, file
from provisioner.journal.entries import Entry, Event
from provisioner.model import Audit, Plan, adapters

# A preflight is an audit that a migration was made from: of two gateways, in roles that they do not have yet.
_KINDS: Mapping[str, type[Audit | Plan]] = {"audit": Audit, "preflight": Audit, "plan": Plan}
# How many are looked up at once where the first ones are wanted.
SOME = 20


def keep(connection: sa.Connection, document: Audit | Plan, title: str, kind: str) -> None:
    """As Journal.save."""
    kind = kind or type(document).__name__.lower()
    head = audits.head(document) if isinstance(document, Audit) else document
    body = zlib.compress(adapters.written(_KINDS[kind], head), 6)
    row = {"id": document.id, "kind": kind, "at": file.text(document.at), "title": title, "body": body}
    connection.execute(file.documents.insert(), row)
    if isinstance(document, Plan) and document.of:
        connection.execute(file.families.insert(), {"plan": document.id, "of": document.of})
    said: dict[str, Any] = {"sha256": hashlib.sha256(body).hexdigest()}
    if isinstance(document, Audit) and (rows := audits.keep(connection, document)):
        said["rows"] = rows
    if isinstance(document, Plan):
        # Who made a plan cannot approve it.
        said |= {"by": str(processes.this()), "accounts": list(processes.accounts())}
    # The document's hash stands in the chain: what was approved cannot be another one afterwards.
    events.append(connection, [Event(at=document.at, kind="kept", plan=document.id, body=said)])


def load(connection: sa.Connection, path: Path, id: str, only: Collection[str] | None = None) -> Audit | Plan:
    """As Journal.load, of the journal at that path."""
    row = connection.execute(sa.select(file.documents).where(file.documents.c.id == id)).one_or_none()
    if row is None:
        raise InputError(f"the journal has no audit or plan {id}.", "`provisioner history` lists them.")
    said, body, rows = events.kept(connection, id), row.body or b"", ""
    try:
        if whole := said.get("sha256", "") in ("", hashlib.sha256(body).hexdigest()):
            document: Audit | Plan = adapters.parse(_KINDS[row.kind], zlib.decompress(body))
            if isinstance(document, Audit):
                document, rows = audits.load(connection, document, only)
    except (ValueError, TypeError, KeyError, zlib.error) as error:
        raise JournalError(f"{path}: {id} is damaged in the journal.", file.DAMAGED) from error
    if not whole or (said and said.get("rows", "") != rows):
        raise JournalError(f"{path}: {id} is damaged in the journal: it is not what was kept.", file.DAMAGED)
    return document


def same(plan: Plan, kept: Plan, *, whole: bool) -> bool:
    """Whether a plan, or with `whole` all of it, does what the kept one does. What steps are thought to take may
    differ."""
    here, there = (_told(one) for one in (plan, kept))
    part = here["steps"].items() <= there["steps"].items() and here["places"].items() <= there["places"].items()
    return part and here["head"] == there["head"] and not (whole and here != there)


def _told(plan: Plan) -> dict[str, Any]:
    said = adapters.plain(Plan, plan)
    steps = {
        step["id"]: json.dumps({**step, "seconds": 0, "wave": [wave["number"], wave["roles"]]}, sort_keys=True)
        for wave in said["waves"]
        for step in wave["steps"]
    }
    places = {name: tuple(place) for name, place in said["places"].items()}
    return {"steps": steps, "places": places, "head": [said[key] for key in ("kind", "of", "move", "budget")]}


def family(connection: sa.Connection, plan: str) -> list[str]:
    """The plans that belong to a plan, and those that belong to them, oldest first."""
    d, f = file.documents.c, file.families.c
    belonging = sa.select(d.at, d.id).join(file.families, f.plan == d.id)
    found: dict[str, str] = {}
    newest = {plan}
    while newest:
        rows = connection.execute(belonging.where(f.of.in_(newest))).all()
        newest = {row.id for row in rows} - {plan, *found}
        found |= {row.id: row.at for row in rows if row.id in newest}
    return sorted(found, key=lambda id_: (found[id_], id_))


def kept(connection: sa.Connection, kinds: Sequence[str], named: str) -> list[str]:
    """As Journal.kept."""
    c = file.documents.c
    wanted = sa.select(c.id).where(c.kind.in_(kinds)).order_by(c.at.desc(), c.id.desc())
    if named:
        wanted = wanted.where(c.id.startswith(named, autoescape=True) | c.id.endswith(named, autoescape=True))
    return list(connection.execute(wanted).scalars())


def some(connection: sa.Connection, kind: str, passed: int) -> list[tuple[str, str]]:
    """The newest of a kind after so many: when each was, and its id. Fewer than `SOME` are the last."""
    c = file.documents.c
    wanted = sa.select(c.at, c.id).where(c.kind == kind).order_by(c.at.desc(), c.id.desc())
    return [(row.at, row.id) for row in connection.execute(wanted.limit(SOME).offset(passed))]


def entries(connection: sa.Connection, limit: int) -> list[Entry]:
    """So many of the newest as lines of the history."""
    c = file.documents.c
    wanted = sa.select(c.id, c.kind, c.at, c.title).order_by(c.at.desc()).limit(limit)
    rows = connection.execute(wanted)
    return [Entry(id=row.id, kind=row.kind, at=file.time(row.at), title=row.title) for row in rows]
