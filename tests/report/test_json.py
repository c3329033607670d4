"""The JSON documents are as docs/json.md promises, whatever a gateway says."""

import json
from collections.abc import Callable

import jsonschema
import pytest

from provisioner.report import json as report
from tests.fixtures.documents import paths, promised
from tests.fixtures.goldens import matches
from tests.fixtures.hostile import NASTY, hostile
from tests.fixtures.reports import TWO, estate, outcomes, plan

DOCUMENTS: dict[str, Callable[[], str]] = {
    "audit": lambda: report.audit(*estate(TWO)[:2]),
    "plan": lambda: report.plan(plan(2)),
    "outcomes": lambda: report.outcomes("p-1", outcomes()),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_is_as_promised_and_as_the_golden_file(name: str) -> None:
    text = DOCUMENTS[name]()
    jsonschema.validate(json.loads(text), promised(name))
    assert text.isascii()
    assert matches(f"{name}.json", text)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_promise_would_notice_each_missing_key(name: str) -> None:
    schema = promised(name)
    for path in paths(json.loads(DOCUMENTS[name]())):
        document = json.loads(DOCUMENTS[name]())
        inner = document
        for key in path[:-1]:
            inner = inner[key]
        del inner[path[-1]]
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(document, schema)


def test_audit_has_exactly_the_known_gateways() -> None:
    audit, ready, _ = estate()
    document = json.loads(report.audit(audit, ready))
    known = [gateway.name for gateway in audit.gateways if gateway.known]
    assert [gateway["gateway"] for gateway in document["gateways"]] == known
    unread = [gateway for gateway in document["gateways"] if gateway["error"]]
    assert len(unread) == 2
    assert {finding["status"] for gateway in unread for finding in gateway["findings"]} == {"error"}
    assert unread[0]["error"]["kind"] == "Unreachable"


def test_hostile_text_comes_back_as_it_was() -> None:
    text = report.audit(*hostile()[:2])
    document = json.loads(text)
    jsonschema.validate(document, promised("audit"))
    assert text.isascii()
    said = {finding["message"] for gateway in document["gateways"] for finding in gateway["findings"]}
    assert NASTY[8] in said and NASTY[2] in said
