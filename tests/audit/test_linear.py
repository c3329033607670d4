"""One gateway more costs as much in an estate of hundreds as in a small one: counted in calls, which no other load on
the machine changes."""

import sys
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from provisioner.audit.auditor import Auditor
from provisioner.audit.evaluate import readiness
from provisioner.journal import Journal
from provisioner.model import Evidence, Gateway, Problem
from provisioner.plan.causes import causes
from provisioner.report import csv, html, json, junit, screen, tsv, view
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


def calls(size: int, folder: Path) -> int:
    """How many calls an audit of so many gateways takes, from what was read to what is shown and written."""
    whole = fleet(*(gateway(f"PC-{at}", practice=f"A{81000 + at}") for at in range(size)))
    counted = 0

    def count(frame: object, event: str, _: object) -> None:
        nonlocal counted
        counted += event == "call"

    with Journal.open(folder / f"{size}.db") as journal:
        auditor: Any = Auditor.__new__(Auditor)
        auditor.fleet, auditor.policy, auditor.journal = whole, POLICY, journal
        auditor._observe, auditor._reader = lambda evidence, _: evidence, Estate()
        sys.setprofile(count)
        try:
            made = auditor.audit_of(whole.gateways)
            audit: Any = journal.load(made.id)
            ready, found = readiness(audit), causes(audit, whole)
            for text in (csv.audit(audit, ready, found), json.audit(audit, ready), junit.audit(audit, ready)):
                assert text
            assert html.audit(audit, ready, found, "facts")
            shown = view.view(audit, ready, found)
            assert screen.audit(shown, 80, "provisioner plan") and list(tsv.audit(shown))
        finally:
            sys.setprofile(None)
    assert audit.came_out == (sum(ready.values()), size)
    assert sum(ready.values()) < size
    return counted


def test_one_gateway_more_costs_the_same_in_any_estate(tmp_path: Path) -> None:
    calls(10, tmp_path)  # what is done once a process
    counted = [(size, calls(size, tmp_path)) for size in SIZES]
    each = [(more - fewer) / (large - small) for (small, fewer), (large, more) in pairwise(counted)]
    assert max(each) < 1.1 * min(each), each
