"""By when a practice is asked to act: the dates that are known, in her words, and none where none is known."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from provisioner.model import Role
from provisioner.model.ending import Ending, EndingKind
from provisioner.plan.requests import works
from provisioner.report import html, letter
from provisioner.report.letter import Dates
from provisioner.report.view import Machine, views
from tests.fixtures.documents import Page
from tests.fixtures.reports import CONTACT, estate, plan
from tests.worlds.memory import fleet, gateway

DAY = date(2026, 12, 14)
CONTROLS = {
    EndingKind.WINDOWS: ("R8-windows", "icb-it"), EndingKind.CERTIFICATE: ("certificate", "desktop"),
    EndingKind.STATEMENT: ("R3-dedicated", "B. Person"), EndingKind.WAIVER: ("R9-screen", "J. Ahmed"),
    EndingKind.PASSWORD: ("R2-logged-in", "practice"),
}  # fmt: skip


def ends(kind: EndingKind, name: str = "GW-A84007", on: date = DAY) -> Ending:
    control, owner = CONTROLS[kind]
    return Ending(
        kind=kind, on=on, what="", gateway=name, practice=name.removeprefix("GW-"), owner=owner, control=control, do=""
    )


def words(code: str, *its: Ending, **dates: datetime) -> str:
    audit, ready, causes = estate()
    known = Dates(ends=its, works={name.replace("_", "-"): at for name, at in dates.items()})
    return Page(html.letters(audit, ready, causes, CONTACT, dates=known)(code)).words


def machines(code: str) -> Sequence[Machine]:
    audit, ready, causes = estate()
    return views(audit, ready, causes)(code).machines


def test_no_date_is_named_where_none_is_known() -> None:
    for code in ("A84006", "A84016", "A84007", "A84619"):
        assert "Please do it" not in words(code) and "2026-12" not in words(code)


@pytest.mark.parametrize("code", ["A84006", "A84016"])
def test_what_is_needed_is_asked_for_before_a_plan_works_there_next(code: str) -> None:
    at = datetime(2026, 11, 30, 19, tzinfo=UTC)
    said = "Please do it before Monday 30 November 2026, 19:00 GMT: then we next work on this PC."
    found = words(code, **{f"GW_{code}": at})
    assert said in found
    # Advice has no haste.
    asked = letter.asked(machines(code), Dates(works={f"GW-{code}": at}))
    assert all(bool(wish.by) is wish.needed for wish in asked)
    assert said not in words("A84002", **{f"GW_{code}": at})


def test_a_smartcard_is_asked_for_before_the_password_ends() -> None:
    found = words("A84007", ends(EndingKind.PASSWORD))
    assert "by smartcard once. Please do it by Monday 14 December 2026." in found
    assert "Nothing to do" not in found
    # Who is not even logged in is asked for that.
    assert "smartcard" not in words("A84006", ends(EndingKind.PASSWORD, "GW-A84006"))


def test_what_a_person_told_is_asked_once_for_all_her_gateways() -> None:
    (machine,) = machines("A84007")
    rows = tuple(row for row in machine.rows if row.control.id != "R3-dedicated")
    settled = [
        replace(row, kind=next(one.kind for one in machine.settled))
        for row in machine.rows
        if row.control.id == "R3-dedicated"
    ]
    first = replace(
        machine, rows_of=lambda statuses: tuple(row for row in (*rows, *settled) if row.finding.status in statuses)
    )
    second = replace(first, gateway=replace(first.gateway, name="GW-2"))
    both = [ends(EndingKind.STATEMENT), ends(EndingKind.STATEMENT, "GW-2")]
    (wish,) = letter.asked([first, second], Dates(ends=both))
    assert (wish.what, wish.by) == (
        "Tell us whether it still holds what B. Person has told us.", "Please do it by Monday 14 December 2026."
    )  # fmt: skip
    assert letter.asked([replace(first, gateway=replace(first.gateway, role=Role.CANDIDATE))], Dates(ends=both)) == ()


def test_what_the_team_sees_to_is_told_with_its_day_and_nothing_is_asked() -> None:
    found = words("A84007", ends(EndingKind.WINDOWS), ends(EndingKind.CERTIFICATE, on=date(2026, 12, 1)))
    assert "Nothing to do We ask nothing of you." in found
    told = found.split("What others see to")[1]
    assert "This ends soon, and you need do nothing for it." in told
    assert "the last updates of its Windows on Monday 14 December 2026" in told
    assert "over the network ends on Tuesday 1 December 2026" in told


def test_what_is_others_business_is_not_told() -> None:
    others = (ends(EndingKind.WAIVER), *(ends(kind, "GW-A84008") for kind in EndingKind))
    assert "December" not in words("A84007", *others)


def test_a_plan_works_next_when_the_hours_of_a_gateway_begin() -> None:
    made, evening = plan(2), "Mon-Fri 19:00-23:00"
    rows = [replace(gateway(name), hours=evening) for name in ("GW-A84002", "GW-A84016")]
    estate_ = fleet(*rows, gateway("GW-A84005"))
    at = datetime(2026, 11, 23, 15, tzinfo=UTC)
    # One has no hours, of the other the plan has no step.
    assert works(made, estate_, at) == {"GW-A84002": datetime(2026, 11, 23, 19, tzinfo=UTC)}
    # While they last work may begin at any moment.
    assert works(made, estate_, at.replace(hour=20)) == {}
    assert works(made, fleet(replace(rows[0], hours="always")), at) == {}
