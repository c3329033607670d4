"""`provisioner forecast`: what ends in the days to come."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

import click

from provisioner.audit import forecasting
from provisioner.audit.forecasting import Latest, endings
from provisioner.audit.scope import is_of
from provisioner.audit.shipped import open_policy
from provisioner.cli.columns import listed, some, width, wrapped
from provisioner.cli.console import as_json, out, say
from provisioner.cli.fleets import asked_for, fleet_on_paper
from provisioner.cli.lookup import look_into
from provisioner.journal import Journal
from provisioner.migration.stand import gateways_started
from provisioner.model import Audit, Evidence, Fleet
from provisioner.model.ending import Ending
from provisioner.report import words
from provisioner.report.letter import Dates

_COLUMNS = ("on", "in_days", "what", "practice", "gateway", "whose_job", "control", "do")
_DAYS = 90
# So many audits are looked through for a reading of each gateway.
_AUDITS = 20


@click.command("forecast")
@click.option("--days", default=_DAYS, show_default=True, type=click.IntRange(0, 3650), help="How far to look.")
def command(days: int) -> int:
    """What ends in the next days, by date: support of Windows and its extended updates, certificates, waivers,
    statements, and 30 days of SystmOne by password after a migration.

    From the latest reading of each gateway in the journal and the fleet folder. Touches no gateway. In a pipe: rows
    with tabs.
    """
    policy, now = open_policy(), datetime.now(UTC)
    fleet = asked_for(fleet_on_paper(policy.ids))
    with look_into(fleet) as journal:
        latest = Latest(evidence=dict(_readings(journal, fleet)))
        started = gateways_started(journal, now - forecasting.BY_PASSWORD)
    found = endings(fleet, policy, latest, started, now, days)
    remarks = _remarks(fleet, latest, now)
    if as_json():
        body = {
            "version": 1,
            "days": days,
            "remarks": remarks,
            "endings": [_document(one, now.date()) for one in found],
        }
        out(json.dumps(body, indent=2))
        return 0
    for remark in remarks:
        say(f"warning: {remark}")
    rows = ([str(value) for value in _document(one, now.date()).values()] for one in found)
    listed(screen(found, now.date(), days), _COLUMNS, rows, after=following(found, remarks, now.date()))
    return 0


def letter_dates(journal: Journal, fleet: Fleet, audit: Audit, now: datetime) -> Dates:
    """What the letters to practices need to know of what ends in the next days, by the readings of that audit."""
    latest = Latest(evidence={one.gateway: one for one in audit.evidence if one.error is None})
    started = gateways_started(journal, now - forecasting.BY_PASSWORD)
    return Dates(ends=endings(fleet, open_policy(), latest, started, now, _DAYS))


def _readings(journal: Journal, fleet: Fleet) -> Iterator[tuple[str, Evidence]]:
    """The newest reading of each of the fleet's gateways."""
    wanted = {row.name: row.address for row in fleet.known}
    for id_ in journal.kept("audit")[:_AUDITS]:
        if not wanted:
            return
        audit = journal.load(id_, only=wanted)
        if not isinstance(audit, Audit) or not is_of(audit, fleet):
            continue
        places = {row.name: row.address for row in audit.gateways}
        for one in audit.evidence:
            # What was read at another address is another PC's.
            if one.error is None and one.gateway in wanted and wanted[one.gateway] == places.get(one.gateway):
                del wanted[one.gateway]
                yield one.gateway, one


def _remarks(fleet: Fleet, latest: Latest, now: datetime) -> list[str]:
    found = []
    if never := latest.never(fleet.known):
        found.append(
            f"{some(never)}: not read in the last audits, so nothing is known of Windows and certificates there."
        )
    if old := latest.old(fleet.known, now):
        found.append(f"{some(old)}: the latest reading is older than {forecasting.OLD.days} days.")
    return found


def screen(found: Sequence[Ending], today: date, days: int) -> Iterator[str]:
    """What ends, in lines, by date: what is the same at several gateways is one line."""
    until = today + timedelta(days=days)
    practices = words.counted(len({one.practice for one in found}), "practice")
    ends = f"{words.counted(len(found), 'thing')} {'ends' if len(found) == 1 else 'end'} at {practices}."
    said = ends if found else "nothing ends that is known of."
    yield from wrapped("", f"Until {until:%d %B %Y} ({words.counted(days, 'day')}): {said}", width())
    groups: dict[tuple[date, str, str], list[Ending]] = {}
    for one in found:
        groups.setdefault((one.on, one.what, one.owner), []).append(one)
    for (on, what, owner), its in groups.items():
        where = some([one.gateway or one.practice for one in its])
        line = f"{what}: {where} ({words.owner(owner)})"
        yield from wrapped(f"{on:%d %b %Y}  {f'{(on - today).days} d':>6}  ", line, width())


def following(found: Sequence[Ending], remarks: Sequence[str], today: date) -> list[str]:
    """What to do next: what ends first, and who does it."""
    if remarks:
        return ["Next: the same again, after provisioner audit"]
    if not found:
        return []
    first = found[0]
    where = first.gateway or first.practice
    when = "today" if first.on == today else f"by {first.on:%d %B %Y}"
    return [f"Next: {when}, {where}, {words.owner(first.owner)}: {first.do}"]


def _document(one: Ending, today: date) -> dict[str, object]:
    return {
        "on": one.on.isoformat(),
        "in_days": (one.on - today).days,
        "what": one.what,
        "practice": one.practice,
        "gateway": one.gateway,
        "whose_job": words.owner(one.owner),
        "control": one.control,
        "do": one.do,
    }
