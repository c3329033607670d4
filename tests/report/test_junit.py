"""The JUnit report is valid XML, and only what is required and wrong breaks a build."""

from collections import Counter
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from provisioner.model import Impact, Status
from provisioner.report import junit, words
from tests.fixtures.goldens import matches
from tests.fixtures.hostile import hostile
from tests.fixtures.reports import TWO, estate


def test_is_as_the_golden_file() -> None:
    assert matches("estate.xml", junit.audit(*estate(TWO)[:2]))
    assert matches("hostile.xml", junit.audit(*hostile()[:2]))


def test_a_gateway_is_a_suite_and_a_control_a_case() -> None:
    audit, ready, _ = estate()
    root = ET.fromstring(junit.audit(audit, ready))
    assert [suite.get("name") for suite in root] == [
        f"{gateway.practice} {gateway.name}" for gateway in audit.gateways if gateway.known
    ]
    for suite in root:
        cases = suite.findall("testcase")
        assert len(cases) == len(audit.controls) == int(suite.get("tests", ""))
        for kind, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            assert sum(case.find(kind) is not None for case in cases) == int(suite.get(name, ""))
    for name in ("tests", "failures", "errors", "skipped"):
        assert int(root.get(name, "")) == sum(int(suite.get(name, "")) for suite in root)


def test_only_a_required_failure_is_a_failure() -> None:
    audit, ready, _ = estate()
    required = {control.id for control in audit.controls if control.impact is Impact.REQUIRED}
    expected = Counter(
        "error"
        if finding.status is Status.ERROR
        else "failure"
        if finding.status is Status.FAILED and finding.control in required
        else "passed"
        if finding.status is Status.PASSED
        else "skipped"
        for finding in audit.findings
    )
    assert set(expected) == {"error", "failure", "passed", "skipped"}
    cases = ET.fromstring(junit.audit(audit, ready)).iter("testcase")
    assert Counter(case[0].tag if len(case) else "passed" for case in cases) == expected


def test_what_is_skipped_says_why() -> None:
    skipped = list(ET.fromstring(junit.audit(*estate()[:2])).iter("skipped"))
    assert skipped and all(one.get("message") for one in skipped)
    assert any("Waived until" in (one.get("message") or "") for one in skipped)


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_is_valid_xml(text: str) -> None:
    element = ET.Element("a", name=words.clean(text))
    element.text = words.clean(text)
    ET.fromstring(ET.tostring(element, encoding="unicode"))
