"""One gateway more costs as much in an estate of hundreds as in a small one: counted in calls, which no other load on
the machine changes."""

import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from provisioner.audit.auditor import Auditor
from provisioner.audit.evaluate import readiness
from provisioner.audit.forecasting import Latest, endings
from provisioner.cli.verbs import requests as asking
from provisioner.cli.verbs.report import practice_pages
from provisioner.journal import Journal
from provisioner.model import Audit, Evidence, Fleet, Gateway, Problem
from provisioner.model.ending import Ending
from provisioner.model.settings import Contact
from provisioner.plan.causes import causes
from provisioner.report import csv, html, json, junit, screen, tsv, view
from provisioner.report.letter import Dates
from provisioner.report.requests import Letterhead
from tests.audit.judging import NOON, POLICY, READY, fleet, gateway

SIZES = (50, 100, 200)


class Estate:
    """In the place of a Reader: of ten gateways one is away, and one has a full disk."""

    def read(self, gateways: Sequence[Gateway], _: object) -> Iterator[Evidence]:
        for number, one in enumerate(gateways):
            at = NOON + timedelta(seconds=number)
            if number % 10 == 3:
                gone = Problem(kind="Unreachable", message=f"{one.name} is away", hint="Is it on?")
                yield Evidence(gateway=one.name, taken_at=at, seconds=1.0, error=gone)
                continue
            # Each is a PC of its own.
            identity = {**READY["identity"], "serial": f"CZC{number:04}X7Q", "computer_name": one.name}
            disk = {**READY["disk"], "free": 10**8} if number % 10 == 4 else READY["disk"]
            yield Evidence(
                gateway=one.name, taken_at=at, seconds=1.0, sections={**READY, "disk": disk, "identity": identity}
            )


def estate(size: int) -> Fleet:
    return fleet(*(gateway(f"PC-{at}", practice=f"A{81000 + at}") for at in range(size)))


def auditor_of(whole: Fleet, journal: Journal) -> Auditor:
    made: Any = Auditor.__new__(Auditor)
    made.fleet, made.policy, made.journal = whole, POLICY, journal
    made._observe, made._reader = lambda evidence, _: evidence, Estate()
    found: Auditor = made
    return found


def calls(work: Callable[[], object]) -> int:
    """How many calls some work takes."""
    counted = 0

    def count(frame: object, event: str, _: object) -> None:
        nonlocal counted
        counted += event == "call"

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return counted


def of_an_audit(size: int, folder: Path) -> int:
    """From what was read to what is shown and written."""
    whole = estate(size)

    def work() -> None:
        made = auditor_of(whole, journal).audit_of(whole.gateways)
        audit: Any = journal.load(made.id)
        ready, found = readiness(audit), causes(audit, whole)
        for text in (csv.audit(audit, ready, found), json.audit(audit, ready), junit.audit(audit, ready)):
            assert text
        assert html.audit(audit, ready, found, "facts")
        shown = view.view(audit, ready, found)
        assert screen.audit(shown, 80, "provisioner plan") and list(tsv.audit(shown))
        assert audit.came_out == (sum(ready.values()), size)
        assert sum(ready.values()) < size

    with Journal.open(folder / f"{size}.db") as journal:
        return calls(work)


def audited(size: int, folder: Path) -> tuple[Fleet, Audit, list[Ending]]:
    """An audit that left a gateway out, and what ends."""
    whole = estate(size)
    with Journal.open(folder / f"{size}.db") as journal:
        audit = auditor_of(whole, journal).audit_of(whole.gateways[1:])
    return whole, audit, ends(whole, audit)


def ends(whole: Fleet, audit: Audit) -> list[Ending]:
    read = {one.gateway: one for one in audit.evidence if one.error is None}
    return endings(whole, POLICY, Latest(evidence=read), {}, NOON, 3650)


def of_forecast(size: int, folder: Path) -> int:
    whole, audit, found = audited(size, folder)
    assert len(found) >= size
    return calls(lambda: ends(whole, audit))


def of_letters(size: int, folder: Path) -> int:
    whole, audit, found = audited(size, folder)
    return calls(lambda: deque(practice_pages(audit, whole, dates=Dates(ends=found)), maxlen=0))


def of_requests(size: int, folder: Path) -> int:
    """What each owner is asked, with the letters and the drafts to practices."""
    whole, audit, found = audited(size, folder)
    rows = (replace(row, variables={"practice_email": f"{row.name}@example.nhs.uk"}) for row in whole.gateways)
    whole, dates, head = (
        replace(whole, gateways=tuple(rows)),
        Dates(ends=found),
        Letterhead(of="", at=NOON, contact=Contact()),
    )

    def work() -> None:
        of = causes(audit, whole)
        asked = asking._asked(None, audit, of, whole, "", dates)
        letters, emails = asking._letters(audit, of, whole, dates), asking._emails(whole)
        written = [name for one in asked for name, _ in asking._of_request(one, head, letters, emails)]
        assert sum(name.startswith("practice-") for name in written) > size / 2
        asking._undrafted(asked, None, emails)

    return calls(work)


@pytest.mark.parametrize("of", [of_an_audit, of_forecast, of_letters, of_requests])
def test_one_gateway_more_costs_the_same_in_any_estate(of: Callable[[int, Path], int], tmp_path: Path) -> None:
    of(10, tmp_path)  # what is done once a process
    counted = [(size, of(size, tmp_path)) for size in SIZES]
    each = [(more - fewer) / (large - small) for (small, fewer), (large, more) in pairwise(counted)]
    assert max(each) < 1.1 * min(each), each
