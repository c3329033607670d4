"""Findings in, causes out: the same thing said once, and what many share said first."""

from collections.abc import Mapping

import pytest

from provisioner.audit import evaluate
from provisioner.model import Audit, Evidence, Fleet, Gateway, Problem, Role, Status
from tests.audit.judging import AWAY, NOBODY, NOON, POLICY, Answer, fleet, gateway, judged


def audit(asked: Fleet, answers: Mapping[str, Answer]) -> Audit:
    findings = judged(asked, answers)
    errors = {name: answer for name, answer in answers.items() if isinstance(answer, Problem)}
    return Audit(
        id="a",
        at=NOON,
        fleet_digest="",
        policy_digest="",
        gateways=asked.gateways,
        controls=POLICY.controls,
        evidence=tuple(
            Evidence(gateway=one.name, taken_at=NOON, seconds=1.0, error=errors.get(one.name)) for one in asked.known
        ),
        findings=tuple(finding for each in findings.values() for finding in each.values()),
    )


def practices(count: int) -> list[Gateway]:
    return [gateway(f"GW{number}", practice=f"A8{number:04}") for number in range(count)]


def test_a_fleet_that_is_ready_has_no_causes() -> None:
    assert evaluate.causes(audit(fleet(*practices(3)), {})) == ()


def test_the_same_text_is_one_cause_and_most_come_first() -> None:
    answers: dict[str, Answer] = {
        "GW0": {"hardware.model": "KVM", "disk.free_bytes": 60 * 1024**3},
        "GW1": {"hardware.model": "KVM"},
        "GW2": {"firewall.rules": []},
        "GW3": AWAY,
    }
    found = evaluate.causes(audit(fleet(*practices(5)), answers))
    said = [(one.control, one.status, one.gateways, one.owner or one.remedy, one.headline) for one in found]
    assert said == [
        ("R1-physical", Status.FAILED, ("GW0", "GW1"), "icb-it", False),
        ("R14-rule", Status.FAILED, ("GW2",), "firewall", False),
        ("", Status.ERROR, ("GW3",), "icb-it", False),
        ("R16-order", Status.FAILED, ("GW0", "GW1", "GW2"), "icb-it", False),
        ("R7-disk-tpp", Status.FAILED, ("GW0",), "icb-it", False),
    ]
    assert found[2].text == "The gateway cannot be reached."


def test_the_same_control_with_another_text_is_another_cause() -> None:
    answers = {
        "GW0": {"windows.build": 22631},
        "GW1": {"windows.build": 19045, "windows.esu": False},
        "GW2": {"windows.build": 22631},
    }
    found = [one for one in evaluate.causes(audit(fleet(*practices(3)), answers)) if one.control == "R8-windows"]
    assert [one.gateways for one in found] == [("GW0", "GW2"), ("GW1",)]


def test_nobody_logged_in_at_many_practices_is_said_once_and_first() -> None:
    answers = {f"GW{number}": NOBODY for number in range(5)} | {"GW6": {"hardware.model": "KVM"}}
    first, *rest = evaluate.causes(audit(fleet(*practices(16)), answers))
    assert first.headline and first.owner == "tpp"
    assert first.text == "Nobody is logged in at 5 practices: look at SystmOne itself before each PC."
    assert first.gateways == ("GW0", "GW1", "GW2", "GW3", "GW4")
    assert "R2-logged-in" not in {one.control for one in rest}


@pytest.mark.parametrize(("nobody", "count"), [(4, 4), (5, 17)], ids=["too few", "too small a share"])
def test_a_few_are_each_their_own(nobody: int, count: int) -> None:
    answers = {f"GW{number}": NOBODY for number in range(nobody)}
    found = evaluate.causes(audit(fleet(*practices(count)), answers))
    assert not [one for one in found if one.headline]
    assert "R2-logged-in" in {one.control for one in found}


def test_the_share_is_of_those_that_were_read() -> None:
    answers: dict[str, Answer] = {f"GW{number}": NOBODY for number in range(5)}
    answers |= {f"GW{number}": AWAY for number in range(5, 9)}
    first, *_ = evaluate.causes(audit(fleet(*practices(20)), answers))
    assert first.headline and first.control == "R2-logged-in"


def test_many_that_cannot_be_reached_point_at_the_network() -> None:
    answers = {f"GW{number}": AWAY for number in range(6)}
    (cause,) = evaluate.causes(audit(fleet(*practices(9)), answers))
    assert cause.headline and (cause.control, cause.status, cause.owner) == ("", Status.ERROR, "network")
    assert cause.text.startswith("6 practices cannot be reached")


def test_many_endpoints_with_different_silent_ones_are_one_headline() -> None:
    answers = {
        f"GW{number}": {f"endpoints.results.{number % 4}.tcp": False, f"endpoints.results.{number % 4}.tls": None}
        for number in range(6)
    }
    found = evaluate.causes(audit(fleet(*practices(6)), answers))
    assert found[0].headline and found[0].control == "R14-reachable" and len(found[0].gateways) == 6
    assert len([one for one in found if one.control == "R14-reachable"]) == 1


def test_two_connectors_at_work_come_before_what_is_at_more() -> None:
    second = gateway("SECOND", Role.STANDBY, practice="A80000")
    answers: dict[str, Answer] = {f"GW{number}": {"hardware.model": "KVM"} for number in range(1, 4)}
    first, *_ = evaluate.causes(audit(fleet(*practices(4), second), answers))
    assert (first.control, first.gateways) == ("R17-one-active", ("GW0",))


def test_candidates_have_no_causes() -> None:
    asked = fleet(gateway("GW1", Role.CANDIDATE))
    assert evaluate.causes(audit(asked, {"GW1": {"hardware.model": "KVM"}})) == ()


def test_every_cause_has_one_who_mends_it() -> None:
    answers: dict[str, Answer] = {"GW0": {"hardware.model": "KVM", "firewall.rules": [], **NOBODY}, "GW1": AWAY}
    for cause in evaluate.causes(audit(fleet(*practices(3)), answers)):
        assert bool(cause.owner) != bool(cause.remedy)
        assert set(cause.gateways) <= {"GW0", "GW1"} and cause.text
