"""What ends in the days to come: Windows, certificates, what persons said, and a log-in by password. Pure.

From the latest reading of each gateway and what the fleet folder says; a fact that cannot be told is no forecast.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from provisioner.audit import facts
from provisioner.audit.facts.context import CannotTell
from provisioner.audit.facts.machine import moment
from provisioner.audit.policy import Policy
from provisioner.model import Evidence, Fleet, Gateway, Statement, Waiver
from provisioner.model.controls import CERTIFICATE, LOGGED_IN, WINDOWS
from provisioner.model.ending import Ending, EndingKind

# A SystmOne user who logs in by password for more than that many days in a row is blocked
# (policy/controls/R2-logged-in.md).
BY_PASSWORD = timedelta(days=30)
# What is known of Windows: of all facts of a reading no other has a day.
_NAME, _UNTIL = "windows.name", "windows.supported_until"
# A reading that is older says less of now.
OLD = timedelta(days=7)


@dataclass(frozen=True, kw_only=True)
class Latest:
    """The latest readings, by gateway; of a gateway that was never read there is none."""

    evidence: Mapping[str, Evidence]

    def old(self, rows: Iterable[Gateway], now: datetime) -> list[str]:
        """Of which gateways the reading is old."""
        return [row.name for row in rows if row.name in self.evidence and now - self.evidence[row.name].taken_at > OLD]

    def never(self, rows: Iterable[Gateway]) -> list[str]:
        """Which were never read."""
        return [row.name for row in rows if row.name not in self.evidence]


def endings(
    fleet: Fleet, policy: Policy, latest: Latest, started: Mapping[str, datetime], now: datetime, days: int
) -> list[Ending]:
    """What ends from today until so many days later, by date. `started` is when a person last started SystmOne's
    Gateway on a PC because a migration asked for it, by gateway."""
    owners = {control.id: control.owner for control in policy.controls}
    today, last = now.date(), now.date() + timedelta(days=days)
    found = [*_of_persons(fleet), *_by_password(fleet, started)]
    for row in fleet.known:
        reading = latest.evidence.get(row.name)
        if reading is not None:
            found += _of_gateway(row, reading, fleet, policy, owners, now)
    return sorted(
        (one for one in found if today <= one.on <= last), key=lambda one: (one.on, one.what, one.practice, one.gateway)
    )


def _of_gateway(
    row: Gateway, reading: Evidence, fleet: Fleet, policy: Policy, owners: Mapping[str, str], now: datetime
) -> Iterator[Ending]:
    known = facts.derive(reading, row, fleet.settings, policy.lifecycle, now, None, names=(_NAME, _UNTIL))
    if until := known[_UNTIL].value:
        on, name = date.fromisoformat(until), str(known[_NAME].value)
        yield Ending(
            kind=EndingKind.WINDOWS,
            on=on, what=f"{_updates(name, on, policy)} of {name}", gateway=row.name, practice=row.practice,
            owner=owners.get(WINDOWS, ""), control=WINDOWS,
            do="upgrade Windows, or buy extended updates (ESU) and state it",
        )  # fmt: skip
    for on in _certificates(reading):
        yield Ending(
            kind=EndingKind.CERTIFICATE,
            on=on, what="the certificate of WinRM", gateway=row.name, practice=row.practice,
            owner=owners.get(CERTIFICATE, ""), control=CERTIFICATE, do="renew it, or nobody can get in any more",
        )  # fmt: skip


def _updates(name: str, on: date, policy: Policy) -> str:
    """Which updates end on that day: everybody's, or those that are paid for."""
    rows = (*policy.lifecycle.clients, *policy.lifecycle.servers)
    return "updates" if on in {row.servicing_end for row in rows if name.startswith(row.name)} else "extended updates"


def _certificates(reading: Evidence) -> set[date]:
    """The last days of the certificates by which WinRM is reached."""
    if "winrm" not in reading.sections:
        return set()
    texts = {one["certificate_not_after"] for one in reading.sections["winrm"]["listeners"]} - {None, ""}
    found = set()
    for text in texts:
        try:
            found.add(moment(text).astimezone(UTC).date())
        except CannotTell:
            continue
    return found


def _of_persons(fleet: Fleet) -> Iterator[Ending]:
    """Statements and waivers, at each gateway of which they speak."""
    said: tuple[Statement, ...] = (*fleet.statements, *fleet.waivers)
    # By the gateway or the practice of which they speak: a fleet has thousands of all three.
    near: dict[str, list[Gateway]] = {}
    for row in fleet.gateways:
        for subject in {row.name, row.practice}:
            near.setdefault(subject, []).append(row)
    for one in said:
        waiver = isinstance(one, Waiver)
        kind, file = (EndingKind.WAIVER, "waivers.yml") if waiver else (EndingKind.STATEMENT, "statements.csv")
        rows = (row for row in near.get(one.gateway or one.practice, ()) if one.covers(row))
        for practice, gateway in dict.fromkeys((row.practice, row.name) for row in rows):
            yield Ending(
                kind=kind,
                on=one.until, what=f"{kind} on {one.control} by {one.by}", gateway=gateway, practice=practice,
                owner=one.by, control=one.control,
                do=f"have it said anew in {file}, or mend what it is about",
            )  # fmt: skip


def _by_password(fleet: Fleet, started: Mapping[str, datetime]) -> Iterator[Ending]:
    rows = {row.name: row for row in fleet.gateways}
    for name, at in started.items():
        if name in rows:
            yield Ending(
                kind=EndingKind.PASSWORD,
                on=(at + BY_PASSWORD).date(), what="30 days of SystmOne by password, if no smartcard was used",
                gateway=name, practice=rows[name].practice, owner="practice", control=LOGGED_IN,
                do="log in to SystmOne there by smartcard once: after 30 days by password the user is blocked",
            )  # fmt: skip
