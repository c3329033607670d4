"""The gateways of an audit as rows, so that neither keeping an audit nor looking into one takes all of it at once.

A row has its gateway's reading and facts, packed, and apart from them what is always wanted: its findings. Both are
packed with the gateway's text as what they have in common with it (texts.py): from night to night little is another.
Audits of before there were texts, or rows, are read as they were written.
"""

import hashlib
import sys
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import astuple, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from provisioner.journal import file, texts
from provisioner.model import Audit, Evidence, Fact, Finding, Problem, Status
from provisioner.model import packed as packing
from provisioner.model.packed import Common

_BATCH = 200
# A gateway that says so much else is held to a text of its own day from then on: when its row takes half of one.
_OTHERWISE = 2
# Many times as fast as asking the enum.
_STATUSES: Mapping[str, Status] = {status.value: status for status in Status}


def head(audit: Audit) -> Audit:
    """What of an audit is not in its rows."""
    return replace(audit, evidence=(), findings=(), facts={})


def keep(connection: sa.Connection, audit: Audit) -> str:
    """Keep an audit's rows; the SHA-256 of all of them, "" where there are none."""
    digest = hashlib.sha256()
    held = _Holding(connection)
    for at in range(0, len(audit.evidence), _BATCH):
        some = audit.evidence[at : at + _BATCH]
        held.fetch(one.gateway for one in some)
        batch: list[dict[str, Any]] = []
        for number, one in enumerate(some, at + 1):
            told = packing.text(_told(audit, one))
            reading = packing.written(one, audit.facts.get(one.gateway, {}))
            text, body, squeezed = held.row(one.gateway, told, reading)
            digest.update(_bytes(*held.texts.name(text), body, squeezed))
            batch.append({"audit": audit.id, "number": number, "text": text, "body": body, "reading": squeezed})
        held.texts.keep()
        connection.execute(file.answered.insert(), batch)
    texts.note(connection, held.new, audit.at)
    return digest.hexdigest() if audit.evidence else ""


class _Holding:
    """Rows by the texts that they are held to; `new` are those that were kept for them."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self.texts = texts.Texts(connection)
        self._newest = texts.newest(connection)
        self.new: dict[str, int] = {}
        self._first = 0

    def fetch(self, gateways: Iterable[str]) -> None:
        """Look up what these are held to, and forget the ones before: they are many."""
        self.texts = texts.Texts(self._connection)
        with suppress(ValueError):
            self.texts.fetch(self._newest.get(gateway, 0) for gateway in gateways)

    def row(self, gateway: str, told: bytes, reading: bytes) -> tuple[int, bytes, bytes]:
        """The number of its text, and what it is by that: what was told of it, and its reading."""
        text = self._newest.get(gateway, 0)
        try:
            known = self.texts[text]
        except ValueError:
            # There is none yet; or what is damaged is found when the journal is verified.
            known = None
        if known:
            common = packing.plain(known)
            body, squeezed = packing.squeeze(told, common), packing.squeeze(reading, common)
            if _OTHERWISE * (len(body) + len(squeezed)) < len(known.body):
                return text, body, squeezed
        common = told + reading
        text = self.new[gateway] = self.texts.add(gateway, common, self._first)
        self._first = self._first or text
        body, squeezed = (packing.squeeze(one, common, packing.QUICKLY) for one in (told, reading))
        return text, body, squeezed


def wrong(connection: sa.Connection, id: str, rows: str, known: texts.Texts) -> bool:
    """Whether an audit's rows are not those with that SHA-256."""
    try:
        return _digest(connection, id, known) != rows
    except ValueError:
        return True


def _digest(connection: sa.Connection, id: str, known: texts.Texts) -> str:
    found, empty = hashlib.sha256(), True
    for row in _kept(connection, id, known):
        found.update(_bytes(*known.proved(row.text), row.body, row.reading))
        empty = False
    if empty:
        for row in _kept_before(connection, id):
            found.update(_bytes(row.gateway, row.body, row.reading))
            empty = False
    return "" if empty else found.hexdigest()


def load(connection: sa.Connection, audit: Audit, only: Collection[str] | None = None) -> tuple[Audit, str]:
    """An audit with what is in its rows, or in those of the gateways in `only`, and the SHA-256 of all rows, "" where
    it has none.

    Errors: ValueError, TypeError or KeyError for rows that are not what was kept.
    """
    known, read = texts.Texts(connection), _Read(only)
    for row in _kept(connection, audit.id, known):
        gateway, sha256 = known.name(row.text)
        read.digest.update(_bytes(gateway, sha256, row.body, row.reading))
        if read.wants(gateway):
            text = known[row.text]
            read.row(gateway, packing.unpack(row.body, text), row.reading, text)
    if not read.some:
        _load_before(connection, audit.id, read)
    if not read.some:
        return audit, ""
    found = replace(audit, evidence=tuple(read.evidence), findings=tuple(read.findings), facts=read.facts)
    return found, read.digest.hexdigest()


class _Read:
    """An audit's rows as they are read, or those of the gateways in `only`."""

    def __init__(self, only: Collection[str] | None) -> None:
        self._only = only
        self.some = False
        self.digest = hashlib.sha256()
        self.evidence: list[Evidence] = []
        self.facts: dict[str, Mapping[str, Fact]] = {}
        self.findings: list[Finding] = []

    def wants(self, gateway: str) -> bool:
        """Whether that one's row is to be taken apart. There is one."""
        self.some = True
        return self._only is None or gateway in self._only

    def row(self, gateway: str, told: Mapping[str, Any], reading: bytes, common: Common) -> None:
        """One gateway more."""
        one, known = packing.apart(_evidence(gateway, told["evidence"]), reading, common)
        if told["facts"]:
            self.facts[gateway] = known
        self.evidence.append(one)
        self.findings += [_finding(gateway, told["practice"], values) for values in told["findings"]]


def _load_before(connection: sa.Connection, id: str, read: _Read) -> None:
    """The rows of before there were texts: row 0 has what the packed ones have in common."""
    shared = (b"", b"")
    for row in _kept_before(connection, id):
        read.digest.update(_bytes(row.gateway, row.body, row.reading))
        if row.number == 0:
            shared = (_common(row.body), _common(row.reading))
            continue
        if read.wants(row.gateway):
            read.row(row.gateway, packing.unpack(row.body, shared[0]), row.reading, shared[1])


def _kept(connection: sa.Connection, id: str, known: texts.Texts) -> Iterable[sa.Row[Any]]:
    wanted = sa.select(file.answered).where(file.answered.c.audit == id).order_by(file.answered.c.number)
    for rows in connection.execute(wanted).partitions(_BATCH):
        known.fetch(row.text for row in rows)
        yield from rows


def _kept_before(connection: sa.Connection, id: str) -> Iterable[sa.Row[Any]]:
    wanted = sa.select(file.audited).where(file.audited.c.audit == id).order_by(file.audited.c.number)
    return connection.execute(wanted).yield_per(_BATCH)


def _told(audit: Audit, one: Evidence) -> dict[str, Any]:
    practice, found = audit.verdicts(one.gateway)
    error = None if one.error is None else astuple(one.error)
    return {
        "practice": practice,
        "evidence": (one.taken_at.isoformat(), one.seconds, error),
        "facts": one.gateway in audit.facts,
        "findings": [(control, str(status), *words) for control, status, *words in found],
    }


def _evidence(gateway: str, told: Any) -> Evidence:
    at, seconds, error = told
    problem = None if error is None else Problem(**dict(zip(("kind", "message", "hint", "absent"), error, strict=True)))
    return Evidence(gateway=gateway, taken_at=datetime.fromisoformat(at), seconds=seconds, error=problem)


def _finding(gateway: str, practice: str, values: Any) -> Finding:
    control, status, *words, value = values
    expected, actual, message, cause = map(sys.intern, words)
    return Finding(
        gateway=gateway,
        practice=practice,
        control=sys.intern(control),
        status=_STATUSES[status],
        expected=expected,
        actual=actual,
        message=message,
        cause=cause,
        value=value,
    )


def _common(packed: bytes) -> bytes:
    found: Mapping[str, str] = packing.unpack(packed)
    return found["text"].encode()


def _bytes(gateway: str, *parts: str | bytes) -> bytes:
    """A row so that no two different ones are the same."""
    encoded = (one.encode() if isinstance(one, str) else one for one in (gateway, *parts))
    return b"".join(hashlib.sha256(one).digest() for one in encoded)
