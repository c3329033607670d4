"""What gateways said, kept so that what each says again takes no room: the next audits keep what differs from a text.

A text is a gateway's row in full, and is kept by its SHA-256, packed like the first one that came with it. It stays for
as long as an audit is held to it, or the next one may be.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from provisioner.journal import file, known
from provisioner.model import packed
from provisioner.model.packed import Text

# What was last said by a gateway, in `known`: the number of its text.
_WHAT = "text"
_BATCH = 200


class Texts:
    """Those of one journal, each looked up once.

    Errors: ValueError, at the lookup of one, where it is not what was kept, or is not there.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._found: dict[int, tuple[str, str, Text]] = {}
        self._new: list[dict[str, Any]] = []
        self._whole: set[int] = set()

    def fetch(self, numbers: Iterable[int]) -> None:
        """Look these up at once."""
        wanted = [number for number in dict.fromkeys(numbers) if number and number not in self._found]
        c = file.texts.c
        for at in range(0, len(wanted), _BATCH):
            rows = self._connection.execute(sa.select(file.texts).where(c.number.in_(wanted[at : at + _BATCH]))).all()
            self.fetch(row.like for row in rows)
            for row in rows:
                text = Text(row.body, self[row.like] if row.like else None)
                self._found[row.number] = (row.gateway, row.sha256, text)

    def __getitem__(self, number: int) -> Text:
        return self._get(number)[2]

    def add(self, gateway: str, text: bytes, like: int) -> int:
        """One more, packed like that one; 0: like none. Its number, by which `keep` writes it down."""
        common = self[like] if like else None
        body = packed.squeeze(text, packed.plain(common) if common else b"", packed.QUICKLY)
        number, sha256 = self._number(), hashlib.sha256(text).hexdigest()
        self._new.append({"number": number, "gateway": gateway, "sha256": sha256, "like": like, "body": body})
        self._found[number] = (gateway, sha256, Text(body, common))
        self._whole.add(number)
        return number

    def keep(self) -> None:
        """Write down those that were added. Nobody else may write in between."""
        if self._new:
            self._connection.execute(file.texts.insert(), self._new)
            self._new = []

    def _number(self) -> int:
        if self._new:
            return int(self._new[-1]["number"]) + 1
        newest = sa.select(sa.func.coalesce(sa.func.max(file.texts.c.number), 0))
        return int(self._connection.execute(newest).scalar_one()) + 1

    def name(self, number: int) -> tuple[str, str]:
        """Whose it is and its SHA-256, as was kept. Whether it is that one is looked at where the text itself is asked
        for, or by `proved`."""
        return self._said(number)[:2]

    def proved(self, number: int) -> tuple[str, str]:
        """The same of a text that is what was kept."""
        return self._get(number)[:2]

    def _said(self, number: int) -> tuple[str, str, Text]:
        self.fetch([number])
        if number not in self._found:
            raise ValueError(f"text {number} is missing")
        return self._found[number]

    def _get(self, number: int) -> tuple[str, str, Text]:
        found = self._said(number)
        # Here and not where many are looked up: who asks for it next takes it apart, and so that is done once.
        if number not in self._whole:
            gateway, sha256, text = found
            if hashlib.sha256(packed.plain(text)).hexdigest() != sha256:
                raise ValueError(f"text {number} of {gateway} is not what was kept")
            self._whole.add(number)
        return found


def newest(connection: sa.Connection) -> dict[str, int]:
    """By gateway the number of the text that its next row is held to."""
    return {gateway: int(body["number"]) for gateway, (_, body) in known.every(connection, _WHAT).items()}


def note(connection: sa.Connection, numbers: Mapping[str, int], at: datetime) -> None:
    """Hold the next rows of these gateways to these texts."""
    if numbers:
        known.keep(connection, _WHAT, {gateway: (at, {"number": number}) for gateway, number in numbers.items()})


def drop_unused(connection: sa.Connection) -> None:
    """Let go of the texts to which no audit is held any more, nor the next one will be."""
    used = set(connection.execute(sa.select(file.answered.c.text).distinct()).scalars())
    used |= set(newest(connection).values())
    rows = connection.execute(sa.select(file.texts.c.number, file.texts.c.like)).all()
    # A text is like one that came with it, and that one is like none.
    used |= {row.like for row in rows if row.number in used}
    if gone := [{"value": row.number} for row in rows if row.number not in used]:
        connection.execute(file.texts.delete().where(file.texts.c.number == sa.bindparam("value")), gone)
