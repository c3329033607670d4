"""Readings that judged a step, kept once each, by the hash of their canonical JSON."""

import re
import zlib
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from provisioner.errors import InputError, JournalError
from provisioner.journal import file
from provisioner.model import Evidence
from provisioner.record import chain

# In a body's JSON no text of a gateway can look so: its quotation marks are escaped there.
_NAMED = re.compile(r'"reading_(?:before|after)": "([0-9a-f]{64})"')


def keep(connection: sa.Connection, evidence: Iterable[Evidence]) -> dict[str, str]:
    """As Journal.keep_readings."""
    kept: dict[str, str] = {}
    for one in evidence:
        try:
            text = chain.canonical(one)
        except (ValueError, TypeError, RecursionError):
            # One that cannot be kept costs itself only: its step has no reading, and says so.
            continue
        kept[one.gateway] = sha256 = chain.sha256(text)
        there = sa.select(file.readings.c.sha256).where(file.readings.c.sha256 == sha256)
        if connection.execute(there).one_or_none() is None:
            body = zlib.compress(text.encode(), 6)
            row = {"sha256": sha256, "gateway": one.gateway, "at": file.text(one.taken_at), "body": body}
            connection.execute(file.readings.insert(), row)
    return kept


def load(connection: sa.Connection, sha256: str) -> Evidence:
    """As Journal.reading."""
    row = connection.execute(sa.select(file.readings).where(file.readings.c.sha256 == sha256)).one_or_none()
    if row is None:
        raise InputError(f"the journal has no reading {sha256}.", "It was removed because of its age, or never kept.")
    if not whole(row):
        raise JournalError(f"reading {sha256} was changed after it was written.", file.DAMAGED)
    return chain.read(zlib.decompress(row.body).decode())


def whole(row: sa.Row[Any]) -> bool:
    """Whether a kept reading is the one that its key names."""
    try:
        text = zlib.decompress(row.body).decode()
    except (zlib.error, UnicodeDecodeError):
        return False
    return chain.sha256(text) == str(row.sha256)


def named(body: str) -> set[str]:
    """The readings that an event's body names."""
    return set(_NAMED.findall(body))
