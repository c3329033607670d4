"""What is on paper: by pdftotext, of the PDF that Chromium makes."""

from dataclasses import replace
from pathlib import Path

from provisioner.model import Plan
from provisioner.report import html
from tests.fixtures.paper import needs_a_printer, printed
from tests.fixtures.reports import CONTACT, PRACTICES, TIMING, estate, plan, spread

pytestmark = needs_a_printer


def of_many() -> tuple[Plan, dict[str, str]]:
    """A plan of 121 gateways, and the practices' names."""
    many = {f"A{81000 + number}": f"The Practice of Number {number}" for number in range(121)}
    return spread(plan(), many), many


def test_the_first_page_of_a_change_request_says_all(tmp_path: Path) -> None:
    made, names = of_many()
    first, *others = printed(html.plan(made, names, {}, TIMING, CONTACT), tmp_path)
    for said in (
        "726 changes on 121 gateways, in 3 waves",
        "connector on 121",
        *names,
        "About 1 h 45 min in all",
        "Tuesday 24 November 2026, 05:15 GMT",
        "more than 1 gateway failed",
        "What could go wrong",
        "None known: it allows, and blocks nothing.",
        "The rule is removed, or set as it was before.",
        f"provisioner undo {made.id}",
        "GP IT service desk, 01670 123456, gp-it@example.nhs.uk",
        "Change authority",
        "Signature",
        "Change ticket",
    ):
        assert said in first, said
    rest = " ".join(others)
    assert "Exactly what is set" in rest and "Exactly what is set" not in first
    assert all(name in rest for name in names.values())
    # A line a gateway: not a page for each two.
    assert len(others) < 12


def test_the_approval_is_on_the_first_page_of_every_change_there_can_be(tmp_path: Path) -> None:
    """Some gateways are made ready in the same rollout in which others are retired."""
    made, names = of_many()
    first = made.waves[0].steps[0]
    brought = [replace(first, id=f"b-{name}", remedy=name, role=name) for name in ("power", "carry")]
    taken = [
        replace(first, id=f"t-{name}", remedy=name, role=name, values={f"{name}_state": "absent"})
        for name in ("connector", "java", "firewall", "antivirus", "service")
    ]
    wave = replace(made.waves[0], steps=(*made.waves[0].steps, *brought, *taken))
    sheets = printed(html.plan(replace(made, waves=(wave, *made.waves[1:])), names, {}, TIMING, CONTACT), tmp_path)
    for said in ("remove antivirus", "121 practices, listed under", "Change authority", "--ticket ID"):
        assert said in sheets[0], said
    assert all(code in " ".join(sheets[1:]) for code in names)


def test_the_words_of_a_change_request_are_not_cut_at_the_margin(tmp_path: Path) -> None:
    """The sentences of the last column of the widest table come out whole."""
    sheets = printed(html.plan(plan(), PRACTICES, {}, TIMING, CONTACT), tmp_path)
    assert "The service is stopped and disabled." in sheets[0]
    assert "provisioner apply p-20261123-203000 --ticket ID" in sheets[0]


def test_a_printed_audit_is_headline_causes_and_a_line_for_each_practice(tmp_path: Path) -> None:
    audit, ready, causes = estate()
    for page in (html.audit(audit, ready, causes), html.audit(audit, ready, causes, "x-facts")):
        sheets = printed(page, tmp_path)
        whole = " ".join(sheets)
        assert whole.index("5 of 24 gateways are ready") < whole.index("What is missing, and whose job it is")
        for cause in causes:
            assert cause.text in whole
        for name in PRACTICES.values():
            assert whole.count(name) == 1, name
        for left_out in ("logical_cores", "x-facts", "provisionerFacts", "Find a practice", "Evidence:", "the facts"):
            assert left_out not in whole
        assert len(sheets) <= 3


def test_a_printed_letter_is_one_sheet(tmp_path: Path) -> None:
    audit, ready, causes = estate()
    for code in ("A84006", "A84007", "A84016", "A84619"):
        (sheet,) = printed(html.letters(audit, ready, causes, CONTACT)(code), tmp_path)
        assert PRACTICES[code] in sheet and "01670 123456" in sheet
        assert ("1. " in sheet and "What we ask of you" in sheet) or "Nothing to do" in sheet
