"""What changed from one audit to another: what became ready, what broke, what came and what is over."""

from dataclasses import replace
from datetime import timedelta

import pytest

from provisioner.audit.comparing import Comparison, compare
from provisioner.model import Audit, Fleet, Role
from tests.worlds.memory import AT, Machine, World, fleet, gateway

FULL = Machine(rule=True, service=True, running=True)


def world(*names: str) -> World:
    return World(fleet(*(gateway(name) for name in names)), **{name: replace(FULL) for name in names})


def audit(world: World, number: int, **changes: object) -> Audit:
    known = replace(world.audit(), id=f"audit-{number}", at=AT + timedelta(days=number), left_out={})
    open_ = {"failed", "unknown", "error"}
    findings = tuple(replace(one, cause=one.message if one.status in open_ else "") for one in known.findings)
    return replace(known, findings=findings, **changes)  # type: ignore[arg-type]


def names(found: Comparison) -> dict[str, list[str]]:
    kinds = ("better", "worse", "lost", "back", "roles", "added", "removed")
    return {kind: [row.name for row in getattr(found, kind)] for kind in kinds if getattr(found, kind)}


def came(found: Comparison) -> dict[str, tuple[str, ...]]:
    return {one.control: one.came for one in found.turned if one.came}


def over(found: Comparison) -> dict[str, tuple[str, ...]]:
    return {one.control: one.gone for one in found.turned if one.gone}


def test_what_became_ready_and_what_broke() -> None:
    pcs = world("B84001", "B84002", "B84003")
    pcs.machines["B84001"].rule = False
    before = audit(pcs, 1)
    pcs.machines["B84001"].rule, pcs.machines["B84002"].logged_in = True, False
    found = compare(before, audit(pcs, 2))
    assert names(found) == {"better": ["B84001"], "worse": ["B84002"]}
    assert over(found) == {"R14-rule": ("B84001",)}
    assert came(found) == {"R2-logged-in": ("B84002",), "R17-working": ("B84002",)}
    assert found.remarks == ()
    # In whichever order they are given.
    assert names(compare(audit(pcs, 2), before)) == names(found)


def test_of_one_that_could_not_be_read_nothing_is_over() -> None:
    pcs = world("B84001", "B84002")
    pcs.machines["B84001"].rule = pcs.machines["B84002"].rule = False
    before = audit(pcs, 1)
    pcs.machines["B84001"].online = False
    found = compare(before, audit(pcs, 2))
    assert names(found) == {"lost": ["B84001"]}
    assert found.turned == ()
    assert names(compare(before, replace(before, id="audit-0", at=AT))) == {}
    back = compare(audit(pcs, 2), replace(before, at=AT + timedelta(days=3)))
    assert names(back) == {"back": ["B84001"]}


def test_what_is_new_gone_left_out_or_of_another_role() -> None:
    pcs = world("B84001", "B84002", "B84003")
    before = audit(pcs, 1)
    rows = pcs.fleet.gateways
    pcs.fleet = replace(pcs.fleet, gateways=(rows[0], replace(rows[1], role=Role.STANDBY), gateway("B84009")))
    pcs.machines["B84009"] = replace(FULL)
    found = compare(before, audit(pcs, 2))
    assert names(found)["added"] == ["B84009"]
    assert names(found)["removed"] == ["B84003"]
    assert names(found)["roles"] == ["B84002"]
    part = compare(before, audit(pcs, 2, left_out={"B84003": "B84003"}))
    assert (names(part).get("removed"), part.unasked) == (None, ("B84003",))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"policy_digest": "p2"}, "another policy"),
        ({"folder": "/elsewhere"}, "another fleet folder"),
        ({"purpose": "before B84001 moves"}, "made for a migration"),
    ],
)
def test_what_makes_them_hard_to_compare_is_said(changes: dict[str, str], words: str) -> None:
    pcs = world("B84001")
    found = compare(audit(pcs, 1, folder="/fleet"), audit(pcs, 2, **{"folder": "/fleet", **changes}))
    assert [words in remark for remark in found.remarks] == [True]


def test_candidates_have_no_reasons() -> None:
    rows: Fleet = fleet(gateway("B84001", Role.CANDIDATE))
    pcs = World(rows, B84001=Machine())
    before = audit(pcs, 1)
    pcs.machines["B84001"] = replace(FULL)
    assert compare(before, audit(pcs, 2)).turned == ()
