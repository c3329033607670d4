"""Facts and what people say in, findings out."""

import itertools
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from provisioner.audit import evaluate
from provisioner.model import (
    Fact,
    Finding,
    Role,
    Statement,
    Status,
)
from tests.audit.judging import (
    ANSWERS,
    AWAY,
    CONTROLS,
    NOBODY,
    NOON,
    OFF,
    POLICY,
    READY,
    Answer,
    control,
    fleet,
    gateway,
    judged,
    said,
    waived,
)

TODAY = NOON.date()


def ready(found: Mapping[str, Finding]) -> bool:
    return evaluate.ready(found.values(), POLICY.controls)


NOTHING: dict[str, Any] = {
    "service.service": None,
    "connector.present": False,
    "connector.processes": [],
    "java.present": False,
    "firewall.rules": [],
    "antivirus.effective.excluded": None,
    "antivirus.defender.path_exclusions": [],
}


def test_a_good_gateway_is_ready() -> None:
    found = judged(fleet(gateway("GW1")), {})["GW1"]
    assert {one.status for one in found.values()} == {Status.PASSED, Status.NOT_APPLICABLE, Status.UNKNOWN}
    assert [one.control for one in found.values() if one.status is Status.UNKNOWN] == ["R3-dedicated"]
    assert not [one.control for one in found.values() if one.cause]
    assert ready(found)


def test_a_gateway_that_could_not_be_read_has_error_for_everything() -> None:
    found = judged(fleet(gateway("GW1"), waivers=[waived("R1-physical")]), {"GW1": AWAY})["GW1"]
    assert {one.status for one in found.values()} == {Status.ERROR}
    assert {one.message for one in found.values()} == {"GW1 (gw1.example): no route. Is it switched on?"}
    assert not ready(found)


def test_a_gateway_that_is_stated_to_be_off_and_answers_is_not_off() -> None:
    stated = [said("switched-off", name="GW1")]
    off = judged(fleet(gateway("GW1"), statements=stated), {"GW1": AWAY})["GW1"]
    assert {one.status for one in off.values()} == {Status.NOT_APPLICABLE}
    found = judged(fleet(gateway("GW1"), statements=stated), {"GW1": ANSWERS})["GW1"]
    assert {one.status for one in found.values()} == {Status.ERROR}
    assert found["R1-physical"].message == (
        "WinRM has no room. Wait some minutes. P. Shah stated that it is switched off; what came back does not bear "
        "that out."
    )


def test_a_gateway_without_findings_is_not_ready() -> None:
    assert not evaluate.ready([], POLICY.controls)


@pytest.mark.parametrize(
    ("answer", "control", "message"),
    [
        (
            {"firewall.rules.0.remote_addresses": ["192.0.2.5"]},
            "R14-rule",
            "The firewall rule for the Connector is missing or wrong: the rule 'iPlato Connector' lacks 192.0.2.9, "
            "192.0.2.15 and 192.0.2.16.",
        ),
        ({"disk.free_bytes": 600_000_000}, "R7-disk", "is full. Found: 0.55 GB; wanted: at least 1 GB"),
        (
            {"hardware.model": "Virtual Machine"},
            "R1-physical",
            "The gateway is a virtual machine, and the vendor asks for a physical PC. Found: HP Virtual Machine; "
            "wanted: a physical PC.",
        ),
        (NOBODY, "R2-logged-in", "on the gateway. Found: no; wanted: somebody logged in"),
        (OFF, "R17-running", "The Connector does not run. Found: stopped; wanted: running."),
        ({"clock.utc": "2026-11-23T21:00:00Z"}, "clock", "Found: 3600 seconds; wanted: at most 300 seconds off."),
    ],
)  # fmt: skip
def test_a_failure_is_a_sentence_and_then_the_particulars(answer: Answer, control: str, message: str) -> None:
    finding = judged(fleet(gateway("GW1")), {"GW1": answer})["GW1"][control]
    assert finding.status is Status.FAILED
    assert message in finding.message
    assert finding.message.startswith(finding.cause)
    assert finding.expected == CONTROLS[control].wants


def test_a_cause_names_no_gateway() -> None:
    asked = fleet(gateway("GW1"), gateway("GW2", Role.STANDBY))
    found = judged(asked, {"GW1": {**NOBODY, "disk.free_bytes": 1}, "GW2": {"hardware.model": "Virtual Machine"}})
    causes = [one.cause for each in found.values() for one in each.values() if one.cause]
    assert len(causes) >= 3
    assert not [cause for cause in causes if "GW1" in cause or "GW2" in cause or "A81001" in cause]


def test_a_candidate_is_looked_at_and_nothing_is_wanted_of_it() -> None:
    found = judged(fleet(gateway("GW1", Role.CANDIDATE)), {"GW1": {**OFF, "firewall.rules": []}})["GW1"]
    assert found["R14-rule"].status is Status.NOT_APPLICABLE
    assert found["R17-running"].status is Status.NOT_APPLICABLE
    assert found["R2-logged-in"].status is Status.PASSED
    remedied = [one for one in found.values() if CONTROLS[one.control].remedy]
    assert {one.status for one in remedied} == {Status.NOT_APPLICABLE}
    assert found["R14-rule"].message == "Not asked of a candidate gateway."


def test_a_standby_gateway_is_not_started() -> None:
    disabled = {**OFF, **NOBODY, "service.service.start_mode": "disabled"}
    found = judged(fleet(gateway("GW1"), gateway("GW2", Role.STANDBY)), {"GW2": disabled})["GW2"]
    assert ready(found)
    assert found["R17-running"].status is Status.NOT_APPLICABLE
    assert found["R17-stopped"].status is Status.PASSED


def test_a_retired_gateway_keeps_nothing() -> None:
    found = judged(fleet(gateway("GW1", Role.RETIRED)), {"GW1": OFF})["GW1"]
    wrong = [one.control for one in found.values() if one.status is Status.FAILED]
    assert wrong == ["retired-service", "retired-exclusion", "retired-rule", "retired-files"]
    assert {CONTROLS[one].remedy for one in wrong} == {"service", "antivirus", "firewall", "connector"}
    assert not ready(found)


def test_a_retired_gateway_with_nothing_left_is_in_order() -> None:
    found = judged(fleet(gateway("GW1", Role.RETIRED)), {"GW1": NOTHING})["GW1"]
    assert ready(found)
    assert {one.status for id, one in found.items() if id.startswith("retired-") and id != "retired-managed"} == {
        Status.PASSED
    }


def test_what_a_retired_gateway_keeps_by_others_is_theirs_to_take_away() -> None:
    protected = {**NOTHING, "antivirus.defender.exclusions_protected": True}
    listed = {**protected, "antivirus.defender.path_exclusions": ["C:\\iPlato\\jre\\bin\\java.exe"]}
    found = judged(fleet(gateway("GW1", Role.RETIRED)), {"GW1": listed})["GW1"]
    assert found["retired-exclusion"].status is Status.NOT_APPLICABLE
    assert "see retired-managed" in found["retired-exclusion"].message
    assert found["retired-managed"].status is Status.FAILED
    assert CONTROLS["retired-managed"].owner == "antivirus"
    policy_rule = {**NOTHING, "firewall.rules": [{**READY["firewall"]["rules"][0], "store": "policy"}]}
    found = judged(fleet(gateway("GW1", Role.RETIRED)), {"GW1": policy_rule})["GW1"]
    assert [one.control for one in found.values() if one.status is Status.FAILED] == ["retired-policy"]
    assert CONTROLS["retired-policy"].owner == "desktop"


def test_an_exclusion_that_would_be_void_is_not_planned() -> None:
    """R12-antivirus has a remedy; where it could not take effect the gap is its management's alone."""
    managed = {"antivirus.effective.excluded": False, "antivirus.defender.local_merge_disabled": True}
    found = judged(fleet(gateway("GW1")), {"GW1": managed})["GW1"]
    assert found["R12-antivirus"].status is Status.NOT_APPLICABLE
    assert found["R12-managed"].status is Status.FAILED
    other = {"antivirus.products": [{"name": "Sophos", "state": 0x041000}], "antivirus.defender.mode": "Passive"}
    found = judged(fleet(gateway("GW1")), {"GW1": other})["GW1"]
    assert found["R12-antivirus"].status is Status.NOT_APPLICABLE
    assert (found["R12-managed"].status, "Sophos" in found["R12-managed"].cause) == (Status.UNKNOWN, True)


def test_a_rule_that_would_be_void_is_not_planned() -> None:
    deaf = {"firewall.profiles.domain.local_rules_apply": False, "firewall.rules": []}
    found = judged(fleet(gateway("GW1")), {"GW1": deaf})["GW1"]
    assert found["R14-rule"].status is Status.NOT_APPLICABLE
    assert found["R14-policy"].status is Status.FAILED
    assert "see R14-policy" in found["R14-rule"].message


def test_what_cannot_be_told_of_a_condition_is_judged_by_the_fact_itself() -> None:
    found = judged(fleet(gateway("GW1")), {"GW1": {"antivirus.defender": None}})["GW1"]
    assert found["R12-managed"].status is Status.UNKNOWN


def test_a_statement_answers_what_cannot_be_told() -> None:
    headless: dict[str, Any] = {"screen.adapters": []}
    found = judged(fleet(gateway("GW1")), {"GW1": headless})["GW1"]
    assert (found["R9-screen"].status, bool(found["R9-screen"].cause)) == (Status.UNKNOWN, True)
    assert not ready(found)
    found = judged(fleet(gateway("GW1"), statements=[said("R9-screen")]), {"GW1": headless})["GW1"]
    assert (found["R9-screen"].status, found["R9-screen"].cause) == (Status.UNKNOWN, "")
    assert "Stated by P. Shah on 2026-01-01, until 2027-06-30, CHG-7: seen" in found["R9-screen"].message
    assert ready(found)


@pytest.mark.parametrize(
    "statement",
    [
        said("R9-screen", until=date(2026, 11, 22)),
        said("R9-screen", name="GW2"),
        said("R9-screen", practice="A81002"),
        said("R1-physical"),
    ],
    ids=["expired", "of another gateway", "of another practice", "of another control"],
)
def test_a_statement_that_does_not_hold_answers_nothing(statement: Statement) -> None:
    asked = fleet(gateway("GW1"), statements=[statement])
    assert not ready(judged(asked, {"GW1": {"screen.adapters": []}})["GW1"])


def test_a_statement_never_turns_a_failure_into_a_pass() -> None:
    asked = fleet(gateway("GW1"), statements=[said("R8-windows")])
    no_licence = {"windows.build": 19045, "windows.esu": False}
    finding = judged(asked, {"GW1": no_licence})["GW1"]["R8-windows"]
    assert finding.status is Status.FAILED
    assert "the gateway itself shows otherwise" in finding.message
    untold = {"windows.build": 19045, "windows.esu": None}
    assert ready(judged(asked, {"GW1": untold})["GW1"])


def test_a_waiver_accepts_a_failure_until_its_last_day() -> None:
    asked = fleet(gateway("GW1"), waivers=[waived("R1-physical", until=TODAY)])
    virtual = {"hardware.model": "Virtual Machine"}
    found = judged(asked, {"GW1": virtual})["GW1"]
    assert found["R1-physical"].status is Status.WAIVED
    assert "Accepted by J. Fox on 2026-01-01, until 2026-11-23: agreed" in found["R1-physical"].message
    assert found["R1-physical"].cause == "" and ready(found)
    later = judged(asked, {"GW1": virtual}, at=datetime(2026, 11, 24, 0, 0, tzinfo=UTC))["GW1"]
    assert later["R1-physical"].status is Status.FAILED
    assert "The waiver of J. Fox ended on 2026-11-23 and is not applied." in later["R1-physical"].message
    assert not ready(later)


def test_a_waiver_that_has_not_begun_is_said() -> None:
    asked = fleet(gateway("GW1"), waivers=[waived("R1-physical", on=date(2026, 12, 1))])
    finding = judged(asked, {"GW1": {"hardware.model": "KVM"}})["GW1"]["R1-physical"]
    assert finding.status is Status.FAILED and "begins on 2026-12-01" in finding.message


def test_a_waiver_covers_no_pass_and_no_unknown() -> None:
    asked = fleet(gateway("GW1"), waivers=[waived("R1-physical"), waived("R9-screen")])
    found = judged(asked, {"GW1": {"screen.adapters": []}})["GW1"]
    assert (found["R1-physical"].status, found["R9-screen"].status) == (Status.PASSED, Status.UNKNOWN)


@pytest.mark.parametrize(
    ("operator", "operand", "value", "passes"),
    [
        ("is", True, True, True),
        ("is", "ok", ["missing"], False),
        ("at_least", 1, 1.0, True),
        ("at_least", 1, 0.99, False),
        ("at_most", 300, 300, True),
        ("at_most", 300, 301, False),
        ("one_of", ("a", "b"), "b", True),
        ("one_of", ["a", "b"], "c", False),
    ],
)
def test_operators(operator: str, operand: Any, value: Any, passes: bool) -> None:
    finding = evaluate.judge(control(operator, operand), Fact(value=value))
    assert (finding.status is Status.PASSED) is passes and finding.value == value


@pytest.mark.parametrize("values", list(itertools.permutations([1, True, 1.0, "1"])))
def test_values_that_are_equal_are_not_taken_for_one(values: tuple[Any, ...]) -> None:
    one = control("one_of", values)
    alike = evaluate.Alike([one])
    found = [alike.judged(one, Fact(value=value), None) for value in values]
    assert [(type(verdict.value), verdict.actual) for verdict in found] == [
        (type(value), "yes" if value is True else "1") for value in values
    ]


@pytest.mark.parametrize("value", ["1", ["problem"], ["problem", {"no": "text"}], None])
def test_what_was_judged_before_is_judged_alike(value: Any) -> None:
    one = control("is", "ok")
    alike, shown = evaluate.Alike([one]), Fact(value="a PC")
    assert [alike.judged(one, Fact(value=value, reason="why"), shown) for _ in range(2)] == [
        evaluate.judge(one, Fact(value=value, reason="why"), shown)
    ] * 2
    assert alike.judged(one, Fact(value=value, reason="another"), None) == evaluate.judge(
        one, Fact(value=value, reason="another")
    )


def test_what_is_alike_is_held_once() -> None:
    one = control("is", "ok")
    alike = evaluate.Alike([one])
    assert alike.judged(one, Fact(value="".join(["a", "b"])), None) is alike.judged(one, Fact(value="ab"), None)
    assert alike.judged(one, Fact(value=["a", "b"]), None) is alike.judged(one, Fact(value=["a", "b"]), None)


def test_text_from_a_gateway_is_never_a_template() -> None:
    hostile = "{actual} {0} %s <script>"
    finding = evaluate.judge(control("is", "ok"), Fact(value=[hostile]))
    assert finding.message == f"F: {hostile}."


def test_findings_do_not_change_with_the_order_of_statements() -> None:
    answers: dict[str, Answer] = {"GW1": {"screen.adapters": []}}
    one = fleet(gateway("GW1"), statements=[said("R9-screen"), said("R9-screen", until=date(2026, 2, 1))])
    other = replace(one, statements=tuple(reversed(one.statements)))
    assert judged(one, answers)["GW1"]["R9-screen"] == judged(other, answers)["GW1"]["R9-screen"]
