"""What is judged over a whole practice: one Connector that runs, and not two."""

from typing import Any

import pytest

from provisioner.model import (
    Finding,
    Role,
    Statement,
    Status,
)
from tests.audit.judging import ANSWERS, AWAY, OFF, Answer, fleet, gateway, judged, said, waived


def both(first: Answer, second: Answer, role: Role = Role.STANDBY, **kw: Any) -> dict[str, dict[str, Finding]]:
    asked = fleet(gateway("GW1"), gateway("GW2", role), gateway("OTHER", practice="A81002"), **kw)
    return judged(asked, {"GW1": first, "GW2": second})


def test_two_running_connectors_are_named_once() -> None:
    found = both({}, {})
    finding = found["GW1"]["R17-one-active"]
    assert finding.status is Status.FAILED
    assert "a Connector runs on GW1 and on GW2" in finding.message
    assert found["GW2"]["R17-one-active"].status is Status.NOT_APPLICABLE
    assert found["GW2"]["R17-stopped"].status is Status.FAILED
    assert found["OTHER"]["R17-one-active"].status is Status.PASSED


@pytest.mark.parametrize("role", [Role.STANDBY, Role.RETIRED, Role.CANDIDATE])
def test_one_on_the_wrong_pc_is_named(role: Role) -> None:
    finding = both(OFF, {}, role)["GW1"]["R17-one-active"]
    assert finding.status is Status.FAILED
    assert f"a Connector runs on GW2, whose role is {role}" in finding.message


def test_none_that_runs_is_said_by_what_asks_for_one() -> None:
    found = both(OFF, OFF)["GW1"]
    assert found["R17-one-active"].status is Status.NOT_APPLICABLE
    assert found["R17-running"].status is Status.FAILED


def test_one_that_could_not_be_read_might_run() -> None:
    finding = both({}, AWAY)["GW1"]["R17-one-active"]
    assert finding.status is Status.UNKNOWN and "(not read: GW2)" in finding.message
    assert finding.cause and "GW2" not in finding.cause


@pytest.mark.parametrize("statement", [said("only-connector"), said("R17-one-active", name="GW2")])
def test_a_statement_speaks_for_one_that_could_not_be_read(statement: Statement) -> None:
    assert both({}, AWAY, statements=[statement])["GW1"]["R17-one-active"].cause == ""


@pytest.mark.parametrize(("answer", "answered"), [(AWAY, True), (ANSWERS, False)])
def test_that_a_pc_is_off_speaks_for_it_only_while_nothing_there_accepts(answer: Answer, answered: bool) -> None:
    finding = both({}, answer, statements=[said("switched-off", name="GW2")])["GW1"]["R17-one-active"]
    assert finding.status is Status.UNKNOWN
    assert (finding.cause == "") is answered


def test_a_statement_about_the_wrong_gateway_does_not() -> None:
    assert both({}, AWAY, statements=[said("only-connector", name="GW1")])["GW1"]["R17-one-active"].cause


def test_a_running_connector_beats_one_that_could_not_be_read() -> None:
    asked = fleet(gateway("GW1"), gateway("GW2", Role.STANDBY), gateway("GW3", Role.STANDBY))
    finding = judged(asked, {"GW2": {}, "GW3": AWAY})["GW1"]["R17-one-active"]
    assert finding.status is Status.FAILED


def test_a_practice_without_an_active_gateway_is_judged_at_its_first() -> None:
    asked = fleet(gateway("GW1", Role.CANDIDATE), gateway("GW2", Role.CANDIDATE))
    found = judged(asked, {"GW1": OFF})
    assert found["GW1"]["R17-one-active"].status is Status.FAILED


def test_a_running_connector_with_a_gap_is_out_of_order() -> None:
    found = judged(fleet(gateway("GW1")), {"GW1": {"hardware.model": "KVM"}})["GW1"]
    assert found["R16-order"].status is Status.FAILED and "R1-physical" in found["R16-order"].actual
    stopped = judged(fleet(gateway("GW1")), {"GW1": {"hardware.model": "KVM", **OFF}})["GW1"]
    assert stopped["R16-order"].status is Status.PASSED
    asked = fleet(gateway("GW1"), waivers=[waived("R1-physical")])
    assert judged(asked, {"GW1": {"hardware.model": "KVM"}})["GW1"]["R16-order"].status is Status.PASSED
