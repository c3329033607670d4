"""The page shows everything, asks nothing of any other place, and runs nothing that a gateway said."""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest

from provisioner.errors import InputError
from provisioner.model import Audit, Budget, Cause, Move, Plan, Role, Status, Timing
from provisioner.model.settings import Contact
from provisioner.report import html
from provisioner.report.letter import NO_DATES, Dates
from tests.fixtures.documents import Page
from tests.fixtures.hostile import NASTY, hostile
from tests.fixtures.reports import CONTACT, PRACTICES, TIMING, estate, plan

Report = tuple[Audit, Mapping[str, bool], Sequence[Cause]]

NASTIEST = Contact(name=NASTY[0], telephone=NASTY[6], email=NASTY[8])

PAGES = {
    "audit": lambda: html.audit(*estate()),
    "hostile": lambda: html.audit(*hostile()),
    "at size": lambda: html.audit(*estate(), "x-facts"),
    "hostile at size": lambda: html.audit(*hostile(), "x-facts"),
    "practice": lambda: html.letters(*estate())("A84005"),
    "practice with evidence": lambda: html.letters(*estate(), evidence=True)("A84005"),
    "hostile practice": lambda: html.letters(*hostile(), NASTIEST)("A81001"),
    "hostile evidence": lambda: html.letters(*hostile(), NASTIEST, evidence=True)("A81001"),
    "plan": lambda: html.plan(plan(), PRACTICES),
    "timed plan": lambda: html.plan(plan(), PRACTICES, {}, TIMING, CONTACT),
    "hostile plan": lambda: html.plan(hostile_plan(), {"A84002": NASTY[0]}),
}


def hostile_plan() -> Plan:
    """A plan in which every word of a step is hostile."""
    whole = plan()
    wave = whole.waves[0]
    change = replace(wave.steps[0].changes[0], what=NASTY[0], before=NASTY[8], after=NASTY[6])
    steps = tuple(
        replace(step, words=NASTY[0], remedy=NASTY[0], changes=(change,), who=NASTY[0]) for step in wave.steps
    )
    gaps = tuple(replace(gap, message=NASTY[0], ask=NASTY[8], owner=NASTY[0]) for gap in whole.gaps)
    return replace(whole, waves=(replace(wave, steps=steps),), gaps=gaps, id=NASTY[0], kind=NASTY[0])


@pytest.mark.parametrize("name", PAGES)
def test_runs_and_fetches_nothing_of_others(name: str) -> None:
    text = PAGES[name]()
    page = Page(text)
    assert page.tags["script"] == page.tags["style"] == page.tags["title"] == 1
    assert not {"img", "iframe", "object", "embed", "base", "textarea", "image", "use"} & set(page.tags)
    assert not [name for _, name, _ in page.attributes if name.startswith("on") or name in ("style", "src", "action")]
    assert all(value.startswith("#") or value == "data:," for value in page.values("href"))
    assert "url(" not in page.raw["style"] and "@import" not in page.raw["style"]
    text.encode("utf-8")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", text)


@pytest.mark.parametrize("name", PAGES)
def test_allows_only_its_own_style_and_script(name: str) -> None:
    page = Page(PAGES[name]())
    policy = next(
        value for tag, attribute, value in page.attributes if attribute == "content" and "default-src" in value
    )
    assert policy.startswith("default-src 'none';") and "unsafe" not in policy
    for kind in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(page.raw[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy


@pytest.mark.parametrize("name", PAGES)
def test_can_be_used_by_everybody(name: str) -> None:
    page = Page(PAGES[name]())
    assert page.tags["main"] == page.tags["header"] == page.tags["footer"] == page.tags["h1"] == 1
    assert ("html", "lang", "en-GB") in page.attributes
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    pointed = [value.removeprefix("#") for value in page.values("href") if value.startswith("#")]
    pointed += page.values("aria-labelledby") + page.values("for")
    assert set(pointed) <= set(ids)


def test_says_first_how_many_are_ready() -> None:
    text = html.audit(*estate())
    assert "<h1>5 of 24 gateways are ready</h1>" in text
    words = Page(text).words
    assert words.index("5 of 24") < words.index("Nobody is logged in to SystmOne.") < words.index("A plan can do this")
    assert "1 candidate, only looked at" in words and "1 whose PC is not known yet" in words


def test_shows_every_gateway_control_and_fact() -> None:
    audit, ready, causes = estate()
    text = html.audit(audit, ready, causes)
    words = Page(text).words
    assert text.count('<details class="gateway ') == len(audit.gateways)
    for gateway in audit.gateways:
        assert gateway.practice_name in words and gateway.name in words
    for control in audit.controls:
        assert text.count(f"<b>{control.title.replace(chr(39), '&#39;')}</b>") == len(audit.evidence)
        assert text.count(f"<summary>{control.id}</summary>") == len(audit.evidence)
    for cause in causes:
        assert cause.text in words
    assert words.count('"logical_cores": 12') == 23
    assert "WMI did not answer within 20 s." in words
    assert audit.policy_digest in words and "Monday 23 November 2026, 20:15 GMT" in words


def test_puts_each_cause_under_those_whose_job_it_is() -> None:
    text = html.audit(*estate())
    section = text[text.index('<h3 id="job-') :]
    jobs = re.split(r'<h3 id="job-\d+">', section)[1:]
    titles = [job.split("<")[0] for job in jobs]
    assert titles[:2] == ["Could not be read", "A plan can do this"]
    by_title = dict(zip(titles, jobs, strict=True))
    assert "The rule iPlato Connector is missing." in by_title["A plan can do this"]
    assert "This is Windows Server 2019." in by_title["ICB IT"]
    assert by_title["The practice"].index("Advice, which keeps") < by_title["The practice"].index("waits for a restart")


def test_gateway_text_is_shown_as_text() -> None:
    text = html.audit(*hostile())
    assert "<script>alert" not in text and "<img" not in text
    words = Page(text).words
    assert NASTY[0] in words and "{{ 7 * 7 }} {% raw %} ${x} %s {0} [bold]no markup[/bold]" in words
    assert "Meddygfa Tŷ Ŵyl 😀 \ufffdgnp.exe" in words
    assert "(5,000 characters in all)" in words and "L" * 2_000 not in words


def test_a_statement_that_stands_is_told_from_an_open_question() -> None:
    text = html.audit(*estate())
    words = Page(text).words
    assert words.count("stated Nobody works on this PC P. Shah states until 2027-06-30") == 23
    assert "cannot tell Two cores at 2 GHz or more The clock is 1.6 GHz" in words


def test_a_practice_page_shows_nobody_else() -> None:
    audit, ready, causes = estate()
    for code, name in PRACTICES.items():
        words = Page(html.letters(audit, ready, causes, evidence=True)(code)).words
        assert f"{name} · practice {code}" in words
        for other in audit.gateways:
            if other.practice != code:
                assert other.practice not in words and other.name not in words and other.practice_name not in words
                assert not other.address or not re.search(rf"{re.escape(other.address)}\b", words)


def letter(code: str, *, evidence: bool = False, dates: Dates = NO_DATES) -> str:
    audit, ready, causes = estate()
    return Page(html.letters(audit, ready, causes, CONTACT, evidence=evidence, dates=dates)(code)).words


def test_a_letter_asks_the_practice_in_numbered_words() -> None:
    words = letter("A84006")
    assert "To the practice manager · Monday 23 November 2026, 20:15 GMT" in words
    asked = words.index("Please see to it: somebody is logged in to SystmOne.")
    advised = words.index("This is advice. Why: SystmOne does not run in Gateway mode.")
    assert words.index("What we ask of you Please") < asked < advised < words.index("What others see to")
    assert "please tell GP IT service desk, telephone 01670 123456, gp-it@example.nhs.uk." in words
    assert "Nothing to do" not in words
    assert "<ol" in html.letters(*estate())("A84006")


def test_a_letter_to_who_has_nothing_to_do_says_so() -> None:
    words = letter("A84007")
    assert "Nothing to do" in words and "What we ask of you" not in words
    assert "please tell GP IT service desk" in words
    assert "please tell your IT team before" in Page(html.letters(*estate())("A84007")).words


def test_a_letter_has_no_raw_evidence_unless_it_is_asked_for() -> None:
    text = html.letters(*estate())("A84005")
    for raw in ("logical_cores", "policy_digest", "sha256:", "<pre>", "5CG", "198.51.100."):
        assert raw not in text
    assert "logical_cores" in html.letters(*estate(), evidence=True)("A84005")


def test_a_letter_asks_to_look_at_a_pc_that_cannot_be_reached() -> None:
    words = letter("A84016")
    assert "The gateway could not be read" in words and "is it switched on" in words
    assert "We looked at it" not in words
    assert "Tell us which PC is your SystmOne gateway" in letter("A84619")
    behind = letter("A84016", evidence=True)
    assert "No connection to 198.51.100.17:5986 within 10 s. Is the PC on?" in behind
    assert "so nothing is said to have failed" in behind


def test_a_letter_says_what_others_see_to() -> None:
    others = letter("A84008").split("What others see to")[1]
    assert "We, the IT team : It is a client Windows;" in others and "logged in" not in others


def retired(code: str) -> tuple[Audit, dict[str, bool], tuple[Cause, ...]]:
    """The estate, in which that practice's gateway is retired."""
    audit, ready, causes = estate()
    rows = (replace(one, role=Role.RETIRED) if one.practice == code else one for one in audit.gateways)
    return replace(audit, gateways=tuple(rows)), ready, causes


def test_a_retired_gateway_is_not_called_ready() -> None:
    """A84007 has nothing open, A84008 has."""
    words = Page(html.audit(*retired("A84007"))).words
    assert "4 of 23 gateways are ready" in words and "1 retired, nothing is left" in words
    words = Page(html.letters(*retired("A84007"), evidence=True)("A84007")).words
    assert "The gateway is retired, and nothing of the Connector is left" in words and "Nothing is open here." in words
    assert "may be used for something else" in words and "keep the PC on" not in words
    words = Page(html.letters(*retired("A84008"), evidence=True)("A84008")).words
    assert "The gateway is retired, and something of the Connector is left" in words
    assert "GW-A84008 retired, something is left" in words


def test_what_is_taken_away_is_told_from_what_is_brought() -> None:
    whole = plan()
    steps = [replace(step, values={f"{step.role}_state": "absent"}) for step in whole.waves[0].steps[:5]]
    mixed = replace(whole, waves=(replace(whole.waves[0], steps=tuple(steps)), *whole.waves[1:]))
    words = Page(html.plan(mixed, PRACTICES)).words
    assert "remove firewall 1 Removes the Connector's one outbound rule." in words
    assert "firewall 11 Adds one outbound rule" in words
    assert "remove connector · remove java" in words
    assert "As the steps below say." not in words


def test_a_practice_that_was_not_read_is_an_error() -> None:
    audit, ready, causes = estate()
    with pytest.raises(InputError, match="has no practice B86001"):
        html.letters(audit, ready, causes)("B86001")


def test_a_plan_is_the_change_request() -> None:
    words = Page(html.plan(plan(), PRACTICES, {}, TIMING, CONTACT)).words
    for said in (
        "72 changes on 12 gateways, in 3 waves",
        "What is done What could go wrong The way back",
        "Asked for by GP IT service desk, 01670 123456, gp-it@example.nhs.uk",
        "About 1 h 45 min in all, 3 waves",
        "The next window of all of them: Monday 23 November 2026, 19:00 GMT to Tuesday 24 November 2026, 07:00 GMT.",
        "Last safe start Tuesday 24 November 2026, 05:15 GMT.",
        "provisioner undo p-20261123-203000 , at any hour",
        "People have to do 1 thing : the practice 1.",
        "Wave 1 1 gateway, 7 steps",
        "Wave 3 6 gateways",
        "rule iPlato Connector none out, allow, TCP 443 to 4 addresses",
        "what was there before is kept, put back",
        "554.4 MB are fetched in all.",
        "more than 1 gateway failed",
        "any gateway failed in the first wave",
        "The Rothbury Practice , the practice: Press Approve in SystmOne",
        "Please let 203.0.113.9:443 through. R14-reachable",
        "Role Name Signature Date",
        "provisioner apply p-20261123-203000",
    ):
        assert said in words
    for step in plan().steps:
        assert step.gateway in words


def test_what_is_decided_by_comes_before_all_details() -> None:
    words = Page(html.plan(plan(), PRACTICES, {}, TIMING, CONTACT)).words
    assert words.index("Role Name Signature Date") < words.index("Exactly what is set")


def test_a_plan_says_why_it_has_no_last_safe_start() -> None:
    def said(timing: Timing) -> str:
        return Page(html.plan(plan(), PRACTICES, {}, timing, CONTACT)).words

    assert "None is needed: no hours are set." in said(Timing(seconds=60, hours={"": 12}))
    assert "None in which all of it fits" in said(replace(TIMING, last=None))
    assert "at no time may all of these gateways be touched" in said(
        replace(TIMING, last=None, opens=None, closes=None)
    )


def test_each_kind_of_plan_says_its_own_way_back() -> None:
    move = Move(practice="A84002", old="GW-A84002", new="GW-NEW", was=Role.STANDBY)
    for kind, more, said in (
        ("undo", {"of": "p-1"}, "This is itself the way back of p-1"),
        ("finish", {"of": "p-1", "move": move}, "None by a command"),
        ("migration", {"move": move}, "provisioner migrate undo A84002 , at any hour"),
    ):
        made = replace(plan(), kind=kind, **more)
        assert said in Page(html.plan(made, PRACTICES, {}, TIMING, CONTACT)).words


def test_a_move_is_named_as_one_with_its_risk_and_its_own_command() -> None:
    """`apply` refuses a migration's plan; and that the practice has no Connector meanwhile is what is decided by."""
    move = Move(practice="A84002", old="GW-A84002", new="GW-NEW", was=Role.STANDBY)
    whole = plan()
    first = whole.waves[0].steps[0]
    own = [
        replace(first, id="stop", remedy="stop", role="service", values={}),
        replace(first, id="A84002-switched", kind="row", remedy="switched", role="", values={"roles": {}}),
    ]
    moving = replace(
        whole, kind="migration", move=move, waves=(replace(whole.waves[0], steps=(first, *own)),),
        budget=Budget(failed=0, unreachable=0, refused=0, unknown=0),
    )  # fmt: skip
    said = Page(html.plan(moving, PRACTICES, {}, TIMING, CONTACT)).words
    assert "A84002 moves from GW-A84002 to GW-NEW: 3 changes on 1 gateway, in 1 wave" in said
    assert "Then: provisioner migrate start A84002 --ticket ID" in said
    assert "provisioner apply" not in said
    assert "until the other one's start the practice has no Connector" in said
    assert "Writes the gateway's new role into practices.csv" in said
    assert "As the steps below say" not in said and "in the first wave" not in said
    for kind, word in (("finish", "has moved to GW-NEW, and GW-A84002 is retired"), ("undo", "goes back from GW-NEW")):
        said = Page(html.plan(replace(moving, kind=kind), PRACTICES, {}, TIMING, CONTACT)).words
        assert f"Then: provisioner migrate {kind} A84002 --ticket ID" in said
        assert f"A84002 {word}" in said


def test_a_plan_with_no_steps_asks_for_no_approval() -> None:
    whole = plan()
    empty = Plan(
        id="p-0", kind="rollout", at=whole.at, audit="a", fleet_digest="", policy_digest="", places={}, waves=(),
        budget=Budget(failed=None, unknown=None), gaps=whole.gaps,
    )  # fmt: skip
    words = Page(html.plan(empty, PRACTICES)).words
    assert "Nothing to change" in words and "Please log in to SystmOne and stay so." in words
    assert "Approval" not in words


def test_a_headline_is_not_said_twice() -> None:
    audit, ready, causes = estate()
    assert [cause for cause in causes if cause.headline] == list(causes[:1])
    text = html.audit(audit, ready, causes)
    section = text[text.index('id="jobs"') : text.index('id="practices"')]
    assert causes[0].text not in section


def test_what_no_plan_can_tell_is_somebodys_to_look_at() -> None:
    audit, ready, _ = estate()
    cause = Cause(text="Nobody can tell.", control="R14-rule", status=Status.UNKNOWN, owner="", remedy="firewall",
                  gateways=("GW-A84002",))  # fmt: skip
    words = Page(html.audit(audit, ready, [cause])).words
    assert "Somebody must look, or say so in statements.csv cannot tell Nobody can tell. R14-rule" in words


def test_four_hundred_practices_fit_in_ten_megabytes() -> None:
    many = {f"A{80000 + number}": f"The Practice of Number {number}" for number in range(400)}
    assert len(html.audit(*estate(many)).encode()) < 10_000_000


@pytest.mark.parametrize("made", [estate, hostile])
def test_facts_beside_the_page_are_those_of_the_page_of_all(made: Callable[[], Report]) -> None:
    whole, apart = html.audit(*made()), html.audit(*made(), "x-facts")
    files = dict(html.facts_of(*made()))
    assert [f"x-facts/{name}" for name in files] == Page(apart).values("data-facts")
    for name, text in files.items():
        given = re.fullmatch(r"provisionerFacts\((.*)\);\n", text)
        assert given and text.isascii()
        anchor, inside = json.loads(f"[{given[1]}]")
        assert name == f"{anchor}.js"
        assert Page(inside).words in Page(whole).words
        assert inside.strip() in whole


def test_only_a_page_with_facts_beside_it_loads_scripts() -> None:
    assert "strict-dynamic" in html.audit(*estate(), "x-facts")
    assert "strict-dynamic" not in html.audit(*estate())


def test_each_cause_says_by_what_it_is_found() -> None:
    """The page's script finds gateways by the control and the owner of these."""
    page = Page(html.audit(*estate(), "x-facts"))
    groups = [value for tag, name, value in page.attributes if (tag, name) == ("section", "data-owner")]
    assert "A plan can do this" in groups
    assert "R2-sleep" in page.values("data-control")
