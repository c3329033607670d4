"""A journal that was moved or copied becomes one of its own."""

from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from provisioner.journal import events, file, place
from provisioner.journal.entries import Event, broken_off


def adopt(connection: sa.Connection, path: Path, by: str, at: datetime) -> str:
    """As Journal.adopt."""
    old = connection.execute(sa.select(file.journals.c.id)).scalar_one()
    home, new = place.last(connection), file.new_id()
    body = {"from": old, "to": new, "was": str(home or ""), "by": by}
    begun = [events.event(row) for row in connection.execute(events.unended())]
    ends = [broken_off(event, at, "the journal in which it was begun was moved or copied") for event in begun]
    events.append(connection, [*ends, Event(at=at, kind="adopted", body=body)])
    connection.execute(file.leases.delete())
    connection.execute(file.journals.update().values(id=new))
    place.note(connection, place.here(path), at)
    return new
