"""A remedy that somebody adds, by one file and its place in the tuple: everything else knows it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner import remedies
from provisioner.ansible import inventory
from provisioner.audit import policy
from provisioner.execute.estimate import takes
from provisioner.model import Audit, Evidence, Finding, Fleet, Gateway, Plan, Role, Status, Step
from provisioner.plan import proof, rollout, undo
from provisioner.plan.undo import Attempts
from provisioner.remedies.alarms import NONE_KNOWN
from provisioner.remedies.remedy import Back, Need, Remedy, Removal, Risk, Sections, Values, all_comes_back
from provisioner.report import html
from tests.fixtures.policies import GOOD, NAMES, written
from tests.worlds.memory import AT, Machine, World, control, fleet, gateway

OF_PROXY = control("ours-proxy", "the proxy", remedy="proxy")


def _values(rows: Fleet, row: Gateway) -> dict[str, object]:
    return {"proxy_state": "absent" if row.role is Role.RETIRED else "present", "proxy_name": "by the ninth"}


def _shown(sections: Sections, values: Values) -> object:
    return sections["network"]["proxy"]


NINTH = Remedy(
    name="proxy",
    role="proxy",
    values=_values,
    needs=Need(
        words="proxy.name",
        given=lambda settings: not settings.journal.endswith("lacks"),
        removal=True,
        control="",
        package=None,
    ),
    seconds=42.0,
    planned=True,
    stops_service=False,
    told_of_program=False,
    risk=Risk(does="Sets the proxy.", wrong="It may be the wrong one.", back="It is set as before."),
    alarms=NONE_KNOWN,
    removal=Removal(place=15, risk=Risk(does="Takes the proxy away.", wrong="Nothing.", back="A plan sets it again.")),
    back=Back(
        place=15,
        sections=("network",),
        shown=_shown,
        nothing_before=lambda before: not before["name"],
        recorded=False,
        lost=all_comes_back,
        values={"proxy_gently": True},
    ),
)


@pytest.fixture(autouse=True)
def ninth(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(remedies, "REMEDIES", (*remedies.REMEDIES, NINTH))
    yield


def judged(role: Role = Role.ACTIVE) -> tuple[Audit, Fleet]:
    """An audit of one ready gateway whose proxy alone is wrong."""
    rows = [gateway("B84001", role, "B84001")]
    if role is Role.RETIRED:
        rows.append(gateway("B84002", practice="B84001"))
    ready = {row.name: Machine(rule=True, service=True, running=True) for row in rows}
    if role is Role.RETIRED:
        ready["B84001"] = Machine()
    world = World(fleet(*rows), **ready)
    audit = world.audit()
    wrong = Finding(
        gateway="B84001", practice="B84001", control="ours-proxy", status=Status.FAILED, expected="as wanted",
        actual="none", message="There is no proxy.",
    )  # fmt: skip
    evidence = tuple(shows(one, "old") for one in audit.evidence)
    return replace(
        audit, controls=(*audit.controls, OF_PROXY), findings=(*audit.findings, wrong), evidence=evidence
    ), world.fleet


def shows(evidence: Evidence, proxy: str) -> Evidence:
    return replace(evidence, sections={**evidence.sections, "network": {"proxy": proxy}})


def planned(role: Role = Role.ACTIVE) -> tuple[Plan, Audit]:
    audit, rows = judged(role)
    return rollout.make(audit, rows, at=AT, plan_id="plan-1"), audit


def step(plan: Plan) -> Step:
    (found,) = (one for one in plan.steps if one.remedy == "proxy")
    return found


def test_the_policy_may_name_it(tmp_path: Path) -> None:
    text = GOOD.replace("remedy: java", "remedy: proxy")
    assert policy.load(written(tmp_path, text), NAMES).controls[0].remedy == "proxy"


def test_a_plan_does_it_and_an_estimate_knows_how_long() -> None:
    plan, _ = planned()
    made = step(plan)
    assert (made.id, made.role, made.proves) == ("B84001-proxy", "proxy", ("ours-proxy",))
    assert made.values == {"proxy_state": "present", "proxy_name": "by the ninth"}
    assert takes(made, {}) == 42.0


def test_plain_ansible_does_it_too() -> None:
    found = inventory.variables(fleet(gateway("B84001")), gateway("B84001"))
    assert found["provisioner_roles"][-1] == "proxy"
    assert found["proxy_name"] == "by the ninth"


def test_what_fleet_yml_lacks_for_it_is_a_gap() -> None:
    audit, rows = judged()
    lacking = replace(rows, settings=replace(rows.settings, journal="lacks"))
    plan = rollout.make(audit, lacking, at=AT, plan_id="plan-1")
    assert not plan.steps
    assert [(gap.control, gap.ask) for gap in plan.gaps] == [
        ("ours-proxy", "Ask for it, and give proxy.name in fleet.yml.")
    ]


def test_it_is_taken_off_a_retired_gateway_in_its_place() -> None:
    assert remedies.removal()[:3] == ("service", "proxy", "antivirus")
    made = step(planned(Role.RETIRED)[0])
    assert made.removes


def test_what_stays_on_a_retired_gateway_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remedies, "REMEDIES", (*remedies.REMEDIES[:-1], replace(NINTH, removal=None)))
    plan, _ = planned(Role.RETIRED)
    assert not plan.steps
    assert "ours-proxy" in [gap.control for gap in plan.gaps]


def test_it_is_undone_and_proved_by_what_it_shows() -> None:
    plan, audit = planned()
    acted = {step(plan).id: Attempts(begun=1, before={"name": "old"})}
    (back,) = undo.make(plan, audit, acted, at=AT, plan_id="undo-1").steps
    assert (back.id, back.restores) == ("B84001-undo-proxy", True)
    assert back.values == {
        **step(plan).values,
        "proxy_state": "restored",
        "proxy_before": {"name": "old"},
        "provisioner_plan": "plan-1",
        "proxy_gently": True,
    }
    (evidence,) = audit.evidence
    assert back.fingerprint == proof.work_fingerprint(back, evidence) != ""
    assert proof.work_fingerprint(back, shows(evidence, "new")) != back.fingerprint
    assert proof.work_fingerprint(back, replace(evidence, sections={})) == ""


def test_begun_twice_it_goes_back_only_where_nothing_had_been_there() -> None:
    plan, audit = planned()
    for before, undone in (({"name": ""}, 1), ({"name": "old"}, 0)):
        acted = {step(plan).id: Attempts(begun=2, before=before)}
        made = undo.make(plan, audit, acted, at=AT, plan_id="undo-1")
        assert (len(made.steps), len(made.gaps)) == (undone, 1 - undone)


def test_without_a_way_back_it_is_a_gap_and_nothing_proves_it(monkeypatch: pytest.MonkeyPatch) -> None:
    plan, audit = planned()
    monkeypatch.setattr(remedies, "REMEDIES", (*remedies.REMEDIES[:-1], replace(NINTH, back=None)))
    made = undo.make(plan, audit, {step(plan).id: Attempts(begun=1, before={"name": "old"})}, at=AT, plan_id="undo-1")
    assert not made.steps
    assert [gap.control for gap in made.gaps] == ["B84001-proxy"]
    assert "knows no way back" in made.gaps[0].message
    assert proof.work_fingerprint(step(plan), audit.evidence[0]) == ""


def test_the_change_request_has_its_risk() -> None:
    for role, words in ((Role.ACTIVE, NINTH.risk.does), (Role.RETIRED, "Takes the proxy away.")):
        assert words in html.plan(planned(role)[0], {})
