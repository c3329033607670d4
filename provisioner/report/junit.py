"""An audit as JUnit XML, for a build server: a gateway is a test suite, a control a test case."""

from collections import Counter
from collections.abc import Iterator, Mapping
from xml.etree import ElementTree as ET

from provisioner.model import Audit, Control, Evidence, Finding, Gateway, Impact, Status
from provisioner.report import words

_SKIPPED = (Status.UNKNOWN, Status.WAIVED, Status.NOT_APPLICABLE)


def audit(audit: Audit, ready: Mapping[str, bool]) -> str:
    """A required control that fails is a failure, one that could not be read an error.

    Advice that fails, and what is unknown, waived or does not apply, is skipped, with its reason: none of these
    is a test that passed, and none should break a build.
    """
    return "".join(pieces(audit, ready))


def pieces(audit: Audit, ready: Mapping[str, bool]) -> Iterator[str]:
    """The same, a gateway at a time."""
    controls = {control.id: control for control in audit.controls}
    evidence = {one.gateway: one for one in audit.evidence}
    part = words.part(audit)
    known = [gateway for gateway in audit.gateways if gateway.known]
    ends = (_ended(one, controls[one.control]) for gateway in known for one in audit.of(gateway.name))
    name = words.clean(f"audit {audit.id}" + (f" (only {part})" if part else ""))
    root = ET.tostring(ET.Element("testsuites", {"name": name} | _counts(Counter(ends))), encoding="unicode")
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    if not known:
        yield f"{root}\n"
        return
    yield root.removesuffix(" />") + ">\n"
    for gateway in known:
        suite = ET.Element("testsuite")
        cases = [_case(suite, gateway, controls[one.control], one) for one in audit.of(gateway.name)]
        _head(suite, gateway, evidence.get(gateway.name), ready.get(gateway.name, False), Counter(cases))
        ET.indent(suite, level=1)
        yield f"  {ET.tostring(suite, encoding='unicode')}\n"
    yield "</testsuites>\n"


def _counts(count: Counter[str]) -> dict[str, str]:
    return {
        "tests": str(count.total()),
        "failures": str(count["failure"]),
        "errors": str(count["error"]),
        "skipped": str(count["skipped"]),
    }


def _head(suite: ET.Element, gateway: Gateway, evidence: Evidence | None, ready: bool, count: Counter[str]) -> None:
    suite.set("name", words.clean(f"{gateway.practice} {gateway.name}"))
    for name, value in _counts(count).items():
        suite.set(name, value)
    if evidence:
        # Without the Z: the schema that build servers check knows no time zone here.
        suite.set("timestamp", words.utc(evidence.taken_at)[:-1])
        suite.set("time", f"{evidence.seconds:.3f}")
    properties = ET.Element("properties")
    for name, value in (
        ("practice", gateway.practice_name),
        ("role", gateway.role),
        ("ready", "yes" if ready else "no"),
    ):
        ET.SubElement(properties, "property", name=name, value=words.clean(value))
    suite.insert(0, properties)


def _case(suite: ET.Element, gateway: Gateway, control: Control, finding: Finding) -> str:
    """Adds one test case and says how it ended: passed, failure, error or skipped."""
    case = ET.SubElement(
        suite,
        "testcase",
        classname=words.clean(f"{gateway.practice}.{gateway.name}"),
        name=words.clean(f"{control.id}: {control.title}"),
    )
    ended = _ended(finding, control)
    if ended != "passed":
        # Line feeds in an attribute reach the reader as blanks.
        message = " ".join(words.clean(finding.message).split())
        result = ET.SubElement(case, ended, message=message)
        if ended != "skipped":
            result.set("type", control.impact if ended == "failure" else "unreadable")
            result.text = words.clean(
                f"expected: {finding.expected}\nactual: {finding.actual}\nwhose job: {words.whose(control)}"
            )
    return ended


def _ended(finding: Finding, control: Control) -> str:
    if finding.status is Status.ERROR:
        return "error"
    if finding.status in _SKIPPED:
        return "skipped"
    if finding.status is Status.FAILED:
        return "failure" if control.impact is Impact.REQUIRED else "skipped"
    return "passed"
