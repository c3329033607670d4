"""The gateways of an audit as rows, so that neither keeping an audit nor looking into one takes all of it at once.

A row has its gateway's reading and facts, packed, and apart from them what is always wanted: its findings. Row 0 has no
gateway but what the packed ones have in common (model/packed.py). An audit of before there were rows has none.
"""

import hashlib
import sys
from collections.abc import Iterable, Mapping
from dataclasses import astuple, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from provisioner.journal import file
from provisioner.model import Audit, Evidence, Finding, Problem, Status
from provisioner.model import packed as packing
from provisioner.model.packed import Packed

_BATCH = 200
_NAMED = ("control", "status", "expected", "actual", "message", "cause")


def head(audit: Audit) -> Audit:
    """What of an audit is not in its rows."""
    return replace(audit, evidence=(), findings=(), facts={})


def keep(connection: sa.Connection, audit: Audit) -> str:
    """Keep an audit's rows; the SHA-256 of all of them, "" where there are none."""
    digest = hashlib.sha256()
    batch: list[dict[str, Any]] = []
    for row in _rows(audit):
        digest.update(_bytes(row["gateway"], row["body"], row["reading"]))
        batch.append(row)
        if len(batch) == _BATCH:
            connection.execute(file.audited.insert(), batch)
            batch = []
    if batch:
        connection.execute(file.audited.insert(), batch)
    return digest.hexdigest() if audit.evidence else ""


def digest(connection: sa.Connection, id: str) -> str:
    """The SHA-256 of an audit's rows as they are now; "" where there are none."""
    found, empty = hashlib.sha256(), True
    for row in _kept(connection, id):
        found.update(_bytes(row.gateway, row.body, row.reading))
        empty = False
    return "" if empty else found.hexdigest()


def load(connection: sa.Connection, audit: Audit) -> tuple[Audit, str]:
    """An audit with what is in its rows, and the SHA-256 of all of them; "" where it has none.

    Errors: ValueError, TypeError or KeyError for rows that are not what was kept.
    """
    digest, shared = hashlib.sha256(), (b"", b"")
    evidence, facts, findings = [], {}, list[Finding]()
    for row in _kept(connection, audit.id):
        digest.update(_bytes(row.gateway, row.body, row.reading))
        if row.number == 0:
            shared = (_common(row.body), _common(row.reading))
            continue
        told = packing.unpack(row.body, shared[0])
        one = _evidence(row.gateway, told["evidence"])
        one, known = packing.apart(one, row.reading, shared[1])
        if told["facts"]:
            facts[row.gateway] = known
        evidence.append(one)
        findings += [_finding(row.gateway, told["practice"], values) for values in told["findings"]]
    if not evidence:
        return audit, ""
    return replace(audit, evidence=tuple(evidence), findings=tuple(findings), facts=facts), digest.hexdigest()


def _kept(connection: sa.Connection, id: str) -> Iterable[sa.Row[Any]]:
    wanted = sa.select(file.audited).where(file.audited.c.audit == id).order_by(file.audited.c.number)
    return connection.execute(wanted).yield_per(_BATCH)


def _rows(audit: Audit) -> Iterable[dict[str, Any]]:
    if not audit.evidence:
        return
    like = next((one for one in audit.evidence if not one.error), audit.evidence[0])
    shared = (packing.common(_told(audit, like)), _shared(audit, like))
    yield _row(audit, 0, "", *(packing.pack({"text": one.decode()}) for one in shared))
    for number, one in enumerate(audit.evidence, 1):
        body = packing.pack(_told(audit, one), shared[0])
        yield _row(audit, number, one.gateway, body, _reading(audit, one, shared[1]))


def _row(audit: Audit, number: int, gateway: str, body: bytes, reading: bytes) -> dict[str, Any]:
    return {"audit": audit.id, "number": number, "gateway": gateway, "body": body, "reading": reading}


def _shared(audit: Audit, like: Evidence) -> bytes:
    if isinstance(like.sections, Packed) and like.sections.common:
        return like.sections.common
    return packing.common(packing.document(like, audit.facts.get(like.gateway, {})))


def _reading(audit: Audit, one: Evidence, common: bytes) -> bytes:
    """As it is packed already, if it is."""
    if isinstance(one.sections, Packed) and one.sections.common == common:
        return one.sections.body
    return packing.pack(packing.document(one, audit.facts.get(one.gateway, {})), common)


def _told(audit: Audit, one: Evidence) -> dict[str, Any]:
    found = audit.of(one.gateway)
    error = None if one.error is None else astuple(one.error)
    return {
        "practice": found[0].practice if found else "",
        "evidence": (one.taken_at.isoformat(), one.seconds, error),
        "facts": one.gateway in audit.facts,
        "findings": [(*(getattr(each, name) for name in _NAMED), each.value) for each in found],
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
        status=Status(status),
        expected=expected,
        actual=actual,
        message=message,
        cause=cause,
        value=value,
    )


def _common(packed: bytes) -> bytes:
    found: Mapping[str, str] = packing.unpack(packed)
    return found["text"].encode()


def _bytes(gateway: str, body: bytes, reading: bytes) -> bytes:
    """A row so that no two different ones are the same."""
    return b"".join(hashlib.sha256(one).digest() for one in (gateway.encode(), body, reading))
