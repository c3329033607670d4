"""Leases as rows: who works on a gateway, why, until when; and who takes one over."""

import json
from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa

from provisioner.errors import InputError
from provisioner.journal import events, file
from provisioner.journal.entries import Event, Lease
from provisioner.processes import Process


def held(connection: sa.Connection, gateways: Collection[str] | None = None) -> list[Lease]:
    """The leases of these gateways, or all, by gateway."""
    wanted = sa.select(file.leases).order_by(file.leases.c.gateway)
    if gateways is not None:
        wanted = wanted.where(file.leases.c.gateway.in_(gateways))
    rows = connection.execute(wanted).all()
    return [
        Lease(
            gateway=row.gateway,
            holder=Process(**json.loads(row.holder)),
            why=row.why,
            since=file.time(row.since),
            until=file.time(row.until),
        )
        for row in rows
    ]


def take(
    connection: sa.Connection, gateways: Collection[str], holder: Process, why: str, now: datetime, until: datetime
) -> dict[str, Lease]:
    """As Journal.take."""
    kept: dict[str, Lease] = {}
    found = {lease.gateway: lease for lease in held(connection, gateways)}
    for gateway in gateways:
        lease = found.get(gateway)
        if lease and lease.holder != holder:
            if stands(lease, holder, now):
                kept[gateway] = lease
                continue
            cause = "its time is over" if lease.until <= now else "its process is dead"
            events.append(connection, [_broken(lease, now, f"{holder} ({why})", cause)])
        _remove(connection, gateway)
        since = lease.since if lease and lease.holder == holder else now
        row = Lease(gateway=gateway, holder=holder, why=why, since=since, until=until)
        connection.execute(file.leases.insert(), _row(row))
    return kept


def stands(lease: Lease, holder: Process, now: datetime) -> bool:
    """Whether a lease of another process keeps `holder` out."""
    # One whose process is seen to live from there is never taken over: its children are at work.
    seen = holder.near and lease.holder.near
    return lease.holder != holder and not lease.holder.dead and (seen or lease.until > now)


def release(connection: sa.Connection, gateways: Collection[str], holder: Process) -> None:
    """As Journal.release."""
    for lease in held(connection, gateways):
        if lease.holder == holder:
            _remove(connection, lease.gateway)


def lost(connection: sa.Connection, gateways: Collection[str], holder: Process) -> dict[str, Lease | None]:
    """Those of these leases that the holder has not, with who has them by now; None: nobody."""
    found = {lease.gateway: lease for lease in held(connection, gateways)}
    return {name: found.get(name) for name in gateways if name not in found or found[name].holder != holder}


def break_(
    connection: sa.Connection, gateway: str, by: str, why: str, now: datetime, holder: Process | None = None
) -> None:
    """As Journal.break_lease."""
    found = next(iter(held(connection, [gateway])), None)
    if found is None:
        raise InputError(f"{gateway}: nobody holds a lease on it.", "`provisioner lease list` shows who holds which.")
    if holder is not None and found.holder != holder:
        raise InputError(
            f"{gateway}: {found.holder} holds the lease by now, not {holder}.", "Look again: provisioner lease list."
        )
    _remove(connection, gateway)
    events.append(connection, [_broken(found, now, by, why)])


def _remove(connection: sa.Connection, gateway: str) -> None:
    connection.execute(file.leases.delete().where(file.leases.c.gateway == gateway))


def _row(lease: Lease) -> dict[str, str]:
    return {
        "gateway": lease.gateway,
        "holder": json.dumps(asdict(lease.holder), sort_keys=True),
        "why": lease.why,
        "since": file.text(lease.since),
        "until": file.text(lease.until),
    }


def _broken(lease: Lease, at: datetime, by: str, why: str) -> Event:
    body = {"holder": str(lease.holder), "for": lease.why, "by": by, "why": why}
    return Event(at=at, kind="lease_broken", gateway=lease.gateway, body=body)
