"""What was last known of gateways and remedies, kept beside the chain: of each only the newest counts."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from provisioner.journal import file

# So many of a remedy say what it takes now.
_NEWEST = 200
Identity = Literal["identity", "taken"]
Bodies = Mapping[str, tuple[datetime, Mapping[str, Any]]]


class Held(Mapping[str, Any]):
    """A JSON object that is held as its text, which takes a fifth of the room."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    @property
    def plain(self) -> dict[str, Any]:
        """All of it, taken apart anew."""
        return file.mapping(self.text)

    def __getitem__(self, name: str) -> Any:
        return self.plain[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.plain)

    def __len__(self) -> int:
        return len(self.plain)


def every(connection: sa.Connection, what: str, since: datetime | None = None) -> dict[str, tuple[datetime, Held]]:
    """What is known of that kind, of ever or since then, by gateway, and since when. Errors: JournalError where one of
    them is no JSON object."""
    wanted = sa.select(file.known).where(file.known.c.what == what)
    rows = connection.execute(wanted.where(file.known.c.at >= file.text(since)) if since else wanted)
    return {row.gateway: (file.time(row.at), _whole(row.body)) for row in rows}


def _whole(text: str) -> Held:
    file.mapping(text)
    return Held(text)


def held(body: Mapping[str, Any]) -> Held:
    """A JSON object as its text."""
    return body if isinstance(body, Held) else Held(json.dumps(dict(body)))


def keep(connection: sa.Connection, what: str, bodies: Bodies) -> None:
    """Keep these, in place of what was known of the same gateways."""
    gone = file.known.delete().where(file.known.c.what == what, file.known.c.gateway == sa.bindparam("name"))
    rows = [
        {"gateway": gateway, "what": what, "at": file.text(at), "body": held(body).text}
        for gateway, (at, body) in bodies.items()
    ]
    connection.execute(gone, [{"name": gateway} for gateway in bodies])
    connection.execute(file.known.insert(), rows)


def medians(connection: sa.Connection) -> dict[str, float]:
    """What each remedy took on a gateway, in seconds: the median of the newest that were measured. Where the clock was
    set back meanwhile, nothing was."""
    # Here, because it loads all that reckons with fractions, and most verbs ask for no median.
    import statistics

    c = file.durations.c
    found: dict[str, float] = {}
    # From each remedy to the next one by the index: years have thousands of each.
    remedy = connection.execute(sa.select(sa.func.min(c.remedy))).scalar_one()
    while remedy is not None:
        newest = sa.select(c.seconds).where(c.remedy == remedy, c.seconds > 0).order_by(c.number.desc()).limit(_NEWEST)
        if measured := connection.execute(newest).scalars().all():
            found[remedy] = statistics.median(measured)
        remedy = connection.execute(sa.select(sa.func.min(c.remedy)).where(c.remedy > remedy)).scalar_one()
    return found
