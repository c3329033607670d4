"""Findings that are held as what many gateways have alike: what comes out is what went in."""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import replace
from operator import attrgetter
from typing import Any

import pytest

from provisioner.model import Finding, Status
from provisioner.model.audit import Findings, Verdict
from tests.fixtures.reports import estate


def finding(
    gateway: str, control: str = "R2", actual: str = "yes", value: Any = True, status: Status = Status.PASSED
) -> Finding:
    return Finding(
        gateway=gateway, practice=f"P-{gateway}", control=control, status=status, expected="yes", actual=actual,
        message="", value=value,
    )  # fmt: skip


def held_by_verdicts(found: Iterable[Finding]) -> Findings:
    by_gateway = [(name, list(its)) for name, its in itertools.groupby(found, attrgetter("gateway"))]
    told = attrgetter(*Verdict._fields)
    return Findings({name: (its[0].practice, tuple(Verdict(*told(one)) for one in its)) for name, its in by_gateway})


def test_what_comes_out_is_what_went_in() -> None:
    found = [finding(gateway, control) for gateway in ("B84001", "B84002") for control in ("R1", "R2", "R3")]
    held = held_by_verdicts(found)
    assert held == tuple(found) and tuple(held) == tuple(found)
    assert (len(held), held[4], held[-2:]) == (6, found[4], tuple(found[-2:]))
    assert held.of("B84002") == tuple(found[3:]) and held.of("B84003") == ()
    assert held != found[:-1] and held != [*found[:-1], finding("B84009")]


def test_a_value_may_be_a_list() -> None:
    found = [finding("B84001", value=["a"]), finding("B84002", value={"a": [1]})]
    assert held_by_verdicts(found) == found


@pytest.mark.parametrize("held", [tuple, held_by_verdicts])
def test_an_audit_tells_the_same_however_it_holds_its_findings(held: Callable[[Iterable[Finding]], Any]) -> None:
    passed, failed = finding("B84001", "R1"), finding("B84001", "R2", value=[1], status=Status.FAILED)
    untold, later = finding("B84002", "R2", status=Status.UNKNOWN), finding("B84002", "R3", status=Status.FAILED)
    audit = replace(estate()[0], evidence=(), findings=held([passed, failed, untold, later]))
    assert tuple(audit.that_are(Status.FAILED)) == (failed, later)
    assert tuple(audit.that_are(Status.UNKNOWN, Status.PASSED)) == (passed, untold)
    assert audit.some("B84001", Status.FAILED, Status.ERROR) == (failed,)
    assert (audit.some("B84002", Status.PASSED), audit.some("B84009", Status.FAILED)) == ((), ())
    assert audit.came_to("R2") == {"B84001": Status.FAILED, "B84002": Status.UNKNOWN}
    practice, verdicts = audit.verdicts("B84001")
    assert (practice, tuple(verdicts)) == (
        "P-B84001",
        (("R1", Status.PASSED, "yes", "yes", "", "", True), ("R2", Status.FAILED, "yes", "yes", "", "", [1])),
    )
    assert (audit.verdicts("B84009")[0], tuple(audit.verdicts("B84009")[1])) == ("", ())
