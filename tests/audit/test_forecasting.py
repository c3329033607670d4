"""What ends in the days to come, from readings, the lifecycle data and what persons said."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from provisioner.audit.forecasting import Latest, endings
from provisioner.audit.shipped import open_policy
from provisioner.cli.verbs.forecast import _readings as readings
from provisioner.journal import Journal
from provisioner.model import Evidence, Fleet, Problem, Waiver, packed
from provisioner.model.ending import Ending
from tests.fixtures.lab import NOW as LAB_NOW
from tests.fixtures.lab import one, section
from tests.journal.journals import journal
from tests.worlds.memory import AT, World, fleet, gateway, only_connector

__all__ = ["journal"]  # fixtures

NOW = datetime(2026, 8, 1, 9, tzinfo=UTC)
POLICY = open_policy()


def reading(name: str, **windows: Any) -> Evidence:
    machine = one("ready")
    sections = {each: section(machine, each, now=LAB_NOW) for each in ("windows", "winrm")}
    sections["windows"] = {**sections["windows"], **windows}
    sections["winrm"] = {**sections["winrm"], "listeners": []}
    return Evidence(gateway=name, taken_at=NOW, seconds=1.0, sections=sections)


def with_certificate(evidence: Evidence, end: str | None) -> Evidence:
    listener = {"transport": "HTTPS", "port": 5986, "certificate_not_after": end, "certificate_subject": "CN=x"}
    sections = {**evidence.sections, "winrm": {**evidence.sections["winrm"], "listeners": [listener]}}
    return replace(evidence, sections=sections)


def found(
    rows: Fleet, *evidence: Evidence, days: int = 90, started: dict[str, datetime] | None = None
) -> list[tuple[str, str, str]]:
    latest = Latest(evidence={each.gateway: each for each in evidence})
    return [told(each) for each in endings(rows, POLICY, latest, started or {}, NOW, days)]


def told(ending: Ending) -> tuple[str, str, str]:
    return ending.on.isoformat(), ending.what, ending.gateway


ROWS = fleet(gateway("B84001"), gateway("B84002"), statements=[])
TEN = {"product_type": 1, "edition_id": "Professional", "build": 19045}
ELEVEN = {"product_type": 1, "edition_id": "Professional", "build": 26100}


def test_windows_by_build_and_edition_and_its_extended_updates() -> None:
    with_esu = reading("B84001", **TEN, esu=True, esu_reason=None)
    ends = reading("B84002", **ELEVEN, esu=None, esu_reason=None)
    assert found(ROWS, with_esu, ends) == [
        ("2026-10-13", "extended updates of Windows 10 22H2 Professional (build 19045)", "B84001"),
        ("2026-10-13", "updates of Windows 11 24H2 Professional (build 26100)", "B84002"),
    ]
    # Over already, too far away, or not to be told.
    assert found(ROWS, reading("B84001", **TEN, esu=False, esu_reason=None)) == []
    assert found(ROWS, ends, days=30) == []
    assert found(ROWS, reading("B84001", **{**TEN, "build": None})) == []


@pytest.mark.parametrize(
    ("end", "on"),
    [("2026-08-01T23:00:00Z", "2026-08-01"), ("2026-10-30T00:00:00Z", "2026-10-30"), ("2026-10-31T00:00:00Z", ""),
     ("2026-07-31T00:00:00Z", ""), ("nonsense", ""), (None, "")],
)  # fmt: skip
def test_certificates_of_winrm(end: str | None, on: str) -> None:
    ends = with_certificate(reading("B84001", **{**TEN, "build": None}), end)
    assert [each[0] for each in found(ROWS, ends)] == ([on] if on else [])


def test_statements_and_waivers_at_their_gateways_and_whose_they_are() -> None:
    ends = replace(only_connector("B84001", until=date(2026, 9, 1)), by="A. Person")
    waiver = Waiver(
        control="R7-disk", practice="B84002", gateway="B84002", says="small disk", by="B. Person", on=date(2026, 1, 1),
        until=date(2026, 8, 15),
    )  # fmt: skip
    rows = replace(ROWS, statements=(ends, replace(ends, until=date(2026, 7, 1))), waivers=(waiver,))
    assert found(rows) == [
        ("2026-08-15", "waiver on R7-disk by B. Person", "B84002"),
        ("2026-09-01", "statement on only-connector by A. Person", "B84001"),
    ]


def test_thirty_days_of_a_password_after_a_migration() -> None:
    started = {"B84002": NOW - timedelta(days=20), "GONE": NOW}
    assert found(ROWS, started=started) == [
        ("2026-08-11", "30 days of SystmOne by password, if no smartcard was used", "B84002")
    ]


def test_what_is_not_known_is_not_forecast() -> None:
    old = replace(reading("B84001", **TEN), taken_at=NOW - timedelta(days=8))
    latest = Latest(evidence={"B84001": old})
    assert (latest.old(ROWS.known, NOW), latest.never(ROWS.known)) == (["B84001"], ["B84002"])


def test_of_one_that_was_not_read_last_the_reading_before_counts_and_alone_is_taken_apart(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"B840{at}" for at in range(10, 40)]
    world = World(fleet(*map(gateway, names)))
    first, gone = world.audit(), Problem(kind="Unreachable", message="away", hint="Is it on?")
    at, last = AT + timedelta(days=1), []
    for its in first.evidence:
        failed = replace(its, sections={}, section_errors={}, section_seconds={}, error=gone)
        last.append(replace(failed if its.gateway == names[7] else its, taken_at=at))
    journal.save(first)
    journal.save(replace(first, id="audit-2", at=at, evidence=tuple(last)))
    opened, apart = list[str](), packed.apart

    def noted(evidence: Evidence, *rest: Any) -> Any:
        opened.append(evidence.gateway)
        return apart(evidence, *rest)

    monkeypatch.setattr(packed, "apart", noted)
    when = {name: one.taken_at for name, one in readings(journal, world.fleet)}
    assert when == {**dict.fromkeys(names, at), names[7]: AT}
    assert opened == [*names, names[7]]
