"""What was last known of gateways and remedies, kept beside the chain: of each only the newest counts."""

import json
import statistics
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from provisioner.journal import file

Bodies = Mapping[str, tuple[datetime, Mapping[str, Any]]]


def every(connection: sa.Connection, what: str, since: datetime | None = None) -> dict[str, tuple[datetime, Any]]:
    """What is known of that kind, of ever or since then, by gateway, and since when."""
    wanted = sa.select(file.known).where(file.known.c.what == what)
    rows = connection.execute(wanted.where(file.known.c.at >= file.text(since)) if since else wanted)
    return {row.gateway: (file.time(row.at), file.mapping(row.body)) for row in rows}


def keep(connection: sa.Connection, what: str, bodies: Bodies) -> None:
    """Keep these, in place of what was known of the same gateways."""
    gone = file.known.delete().where(file.known.c.what == what, file.known.c.gateway == sa.bindparam("name"))
    rows = [
        {"gateway": gateway, "what": what, "at": file.text(at), "body": json.dumps(dict(body))}
        for gateway, (at, body) in bodies.items()
    ]
    connection.execute(gone, [{"name": gateway} for gateway in bodies])
    connection.execute(file.known.insert(), rows)


def medians(connection: sa.Connection) -> dict[str, float]:
    """What each remedy took on a gateway, in seconds: the median of all that was measured."""
    rows = connection.execute(sa.select(file.durations.c.remedy, file.durations.c.seconds)).all()
    by_remedy: dict[str, list[float]] = {}
    for row in rows:
        by_remedy.setdefault(row.remedy, []).append(row.seconds)
    return {remedy: statistics.median(seconds) for remedy, seconds in by_remedy.items()}
