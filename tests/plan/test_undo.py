"""What a rollout did is put back as it was, and proved by what a reading shows of it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provisioner import remedies
from provisioner.cli.lookup import narrowed
from provisioner.execute import undoing
from provisioner.model import Audit, Evidence, Plan, Result, Step
from provisioner.plan import proof, undo
from provisioner.plan import rollout as planning
from provisioner.plan.undo import Attempts
from tests.migration.operators import NEW, OLD, Operator, results
from tests.worlds.disk import LabWorld


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    """A practice whose active gateway has nothing of ours, and no other."""
    world = LabWorld.make(tmp_path)
    rows = (tmp_path / "practices.csv").read_text("utf-8").splitlines(keepends=True)
    (tmp_path / "practices.csv").write_text("".join(line for line in rows if OLD not in line), "utf-8")
    text = (tmp_path / "practices.csv").read_text("utf-8").replace("candidate", "active")
    (tmp_path / "practices.csv").write_text(text, "utf-8")
    del world.machines[OLD]
    world.save()
    return Operator(tmp_path)


def rolled_out(operator: Operator) -> Plan:
    world = operator.world()
    fleet = world.fleet
    # What a start needs of a gateway that nobody has used yet.
    world.machines[NEW].systmone.logged_in = world.machines[NEW].systmone.gateway_mode = True
    world.save()
    audit = world.audit(fleet.known)
    plan = planning.make(audit, fleet, at=world.now(), plan_id="plan-1")
    with operator.journal() as journal:
        journal.save(audit)
        journal.save(plan)
    return plan


def way_back(operator: Operator, plan: Plan) -> Plan:
    with operator.journal() as journal:
        audit = journal.load(plan.audit)
        assert isinstance(audit, Audit)
        events = journal.events(plan.id, kinds=("step_started", "step_ended"))
        acted = undo.acted_on((event.kind, event.step, event.body) for event in events)
        back = undo.make(plan, audit, acted, at=plan.at, plan_id=f"undo-{len(journal.history())}")
        journal.save(back)
    return back


def test_a_whole_rollout_is_undone(operator: Operator) -> None:
    plan = rolled_out(operator)
    before = operator.world().machines[NEW].to_json()
    assert operator.run(plan).exit_code == 0
    assert operator.world().runs() == {NEW}
    back = way_back(operator, plan)
    # Setting and starting the service are undone by one step.
    assert [step.remedy for step in back.steps] == ["service", "antivirus", "firewall", "connector", "java"]
    ended = operator.run(back)
    assert set(results(ended).values()) == {"undone"}, [(one.step, one.message) for one in ended.outcomes]
    assert ended.exit_code == 0
    after = operator.world().machines[NEW].to_json()
    for part in ("services", "firewall", "defender"):
        assert after[part] == before[part], part
    assert operator.world().machines[NEW].disk.folder("C:\\iPlato") is None
    # Once more: it is as it was.
    assert set(results(operator.run(back)).values()) == {"unchanged"}


def test_what_was_never_begun_is_not_undone(operator: Operator) -> None:
    plan = rolled_out(operator)
    assert way_back(operator, plan).steps == ()
    world = operator.world()
    world.broken = {"firewall": "no"}
    world.save()
    operator.run(plan)
    world = operator.world()
    world.broken = {}
    world.save()
    back = way_back(operator, plan)
    # It failed before it found anything out: that is a person's to look at.
    assert [gap.control for gap in back.gaps] == [f"{NEW}-firewall"]
    assert "firewall" not in [step.remedy for step in back.steps]


def test_an_undo_that_does_not_take_is_failed_and_a_person_is_needed(operator: Operator) -> None:
    plan = rolled_out(operator)
    operator.run(plan)
    back = way_back(operator, plan)
    world = operator.world()
    world.broken = {"firewall": "access denied"}
    world.save()
    ended = operator.run(back)
    assert ended.exit_code == 5
    said = next(one for one in ended.outcomes if one.step == f"{NEW}-undo-firewall")
    assert said.result is Result.FAILED
    assert "access denied" in said.message


def test_an_undo_that_was_begun_goes_on_and_one_of_fewer_steps_does_not(operator: Operator) -> None:
    plan = rolled_out(operator)
    operator.run(narrowed(plan, lambda step: step.remedy in ("java", "firewall")))
    small = way_back(operator, plan)
    with operator.journal() as journal:
        # Only planned: somebody said no to it.
        assert undoing.begun(journal, plan, small) is None
    operator.run(small, interrupted=lambda: True)
    with operator.journal() as journal:
        assert undoing.begun(journal, plan, replace(small, id="undo-x")) == small
    operator.run(plan)
    whole = way_back(operator, plan)
    assert len(whole.steps) > len(small.steps) > 0
    with operator.journal() as journal:
        assert undoing.begun(journal, plan, whole) is None
    assert set(results(operator.run(whole)).values()) == {"undone"}
    with operator.journal() as journal:
        assert undoing.begun(journal, plan, whole) is None


def step(role: str, values: Mapping[str, Any]) -> Step:
    return Step(id=f"G-{role}", gateway="G", practice="B84001", kind="playbook", remedy=role, role=role, values=values)


def reading(world: LabWorld, gateway: str) -> Evidence:
    row = next(row for row in world.fleet.gateways if row.name == gateway)
    return world.read([row], False)[0][0]


def test_traces_show_a_roles_own_work_and_nothing_else(tmp_path: Path) -> None:
    world = LabWorld.make(tmp_path)
    machine = world.machines[OLD]
    values = {"antivirus_paths": ["C:\\iPlato\\jre\\bin\\java.exe"], "antivirus_processes": []}
    roles = ("service", "firewall", "antivirus", "power", "java", "connector")
    steps = {role: step(role, values) for role in roles}

    def prints() -> dict[str, str]:
        return {role: proof.work_fingerprint(one, reading(world, OLD)) for role, one in steps.items()}

    before = prints()
    assert len(set(before.values())) == len(roles)
    machine.defender.paths.append("C:\\Theirs")
    machine.disk.free_bytes -= 1000
    assert prints() == before
    machine.defender.paths.remove("C:\\iPlato\\jre\\bin\\java.exe")
    machine.firewall.rules[0].enabled = False
    machine.services[0].actions.pop()
    machine.power.sleep_seconds = 60
    now = prints()
    assert {role for role in before if now[role] != before[role]} == {"antivirus", "firewall", "service", "power"}


def test_a_trace_that_a_reading_does_not_show_proves_nothing(tmp_path: Path) -> None:
    world = LabWorld.make(tmp_path)
    shown = reading(world, OLD)
    blind = replace(shown, sections={name: one for name, one in shown.sections.items() if name != "firewall"})
    assert proof.work_fingerprint(step("firewall", {}), blind) == ""


def test_hidden_exclusions_prove_nothing_but_what_defender_itself_says(tmp_path: Path) -> None:
    world = LabWorld.make(tmp_path)
    machine, java = world.machines[OLD], "C:\\iPlato\\jre\\bin\\java.exe"
    one = step("antivirus", {"antivirus_paths": [java], "antivirus_processes": []})
    listed = proof.work_fingerprint(one, reading(world, OLD))
    machine.defender.exclusions_hidden = True
    assert proof.work_fingerprint(one, reading(world, OLD)) == listed
    machine.defender.paths.remove(java)
    assert proof.work_fingerprint(one, reading(world, OLD)) not in ("", listed)
    # Of no other path, and of no process, does a reading say anything.
    for values in (
        {"antivirus_paths": [java, "C:\\Other"], "antivirus_processes": []},
        {"antivirus_paths": [], "antivirus_processes": [java]},
    ):
        assert proof.work_fingerprint(step("antivirus", values), reading(world, OLD)) == ""
    machine.disk.remove(java)
    assert proof.work_fingerprint(one, reading(world, OLD)) == ""


def test_an_undo_that_nothing_can_show_is_not_done(operator: Operator) -> None:
    plan = rolled_out(operator)
    operator.run(plan)
    world = operator.world()
    world.machines[NEW].defender.exclusions_hidden = True
    world.save()
    ended = operator.run(way_back(operator, plan))
    found = {outcome.step: outcome for outcome in ended.outcomes}
    undone = found[f"{NEW}-undo-antivirus"]
    assert undone.result is Result.FAILED
    assert "no reading can show whether it is as before" in undone.message
    assert ended.exit_code == 5


def test_what_was_there_before_counts_from_the_first_time() -> None:
    found = undo.acted_on(
        [
            ("step_started", "a", {}),
            ("step_ended", "a", {"before": {"exists": False}}),
            ("step_started", "a", {}),
            ("step_ended", "a", {"before": {"exists": True}}),
            ("step_started", "b", {}),
            ("step_ended", "b", {"before": {}}),
            ("step_started", "b", {}),
            ("step_ended", "b", {"before": {"exists": True}}),
            ("step_started", "c", {}),
            # Another team's marker kept it away, the first time or always.
            ("step_started", "d", {}),
            ("step_ended", "d", {"untouched": True}),
            ("step_started", "d", {}),
            ("step_ended", "d", {"before": {"exists": True}}),
            ("step_started", "e", {}),
            ("step_ended", "e", {"untouched": True}),
        ]
    )
    assert found == {
        "a": Attempts(begun=1, before={"exists": False}),
        "b": Attempts(begun=2, before={"exists": True}),
        "c": Attempts(begun=1, before=None),
        "d": Attempts(begun=1, before={"exists": True}),
    }


def test_what_has_no_way_back_is_named_with_exit_5(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A remedy that nobody has given a way back."""
    plan = rolled_out(operator)
    operator.run(plan)
    stuck = [replace(one, back=None) if one.role == "firewall" else one for one in remedies.REMEDIES]
    monkeypatch.setattr(remedies, "REMEDIES", tuple(stuck))
    back = way_back(operator, plan)
    assert [(gap.control, gap.gateway) for gap in back.gaps] == [(f"{NEW}-firewall", NEW)]
    assert "firewall cannot be undone from here: provisioner knows no way back from it" in back.gaps[0].message
    assert not [step for step in back.steps if step.role == "firewall"]


def test_exclusions_that_nobody_could_see_are_not_undone(operator: Operator) -> None:
    audit = operator.world().audit(operator.world().fleet.known)
    values = {"antivirus_paths": ["C:\\a.exe"], "antivirus_processes": [], "antivirus_state": "present"}
    one = replace(step("antivirus", values), gateway=NEW)
    before = {"path": [], "process": [], "untold": ["C:\\a.exe"]}
    back = undo.gateway_back([one], audit, {one.id: Attempts(begun=1, before=before)}, "plan-1")
    assert back.steps == ()
    assert "C:\\a.exe could not be read" in back.gaps[0].message


@pytest.mark.parametrize(
    ("role", "before", "known"),
    [
        ("connector", {"package": "anything: the gateway has a record of its own"}, True),
        ("firewall", {"exists": False, "rules": 0, "changed": {}}, True),
        ("firewall", {"exists": True, "rules": 1, "changed": {}}, False),
        ("antivirus", {"path": [], "process": []}, True),
        ("antivirus", {"path": ["C:\\iPlato\\jre\\bin\\java.exe"], "process": []}, False),
        ("power", {"plan": "balanced", "sleep_seconds": 0, "hibernate_seconds": 0}, False),
        ("carry", {"files": {}}, True),
        ("carry", {"files": {"C:\\iPlato\\device.dat": "aa"}}, False),
        ("service", {"exists": False}, True),
        ("service", {"exists": True, "start_mode": "delayed"}, False),
    ],
)
def test_what_a_dead_run_may_have_made_is_not_put_back_as_what_was_there(
    operator: Operator, role: str, before: Mapping[str, Any], known: bool
) -> None:
    """A run died in the middle of the step, and only the next one said what it found: that may be our own work."""
    audit = operator.world().audit(operator.world().fleet.known)
    values = {"antivirus_paths": [], "antivirus_processes": [], "carry_paths": [], f"{role}_state": "present"}
    one = replace(step(role, values), gateway=NEW)
    for begun in (1, 2):
        back = undo.gateway_back([one], audit, {one.id: Attempts(begun=begun, before=before)}, "plan-1")
        assert [len(back.steps), len(back.gaps)] == ([1, 0] if known or begun == 1 else [0, 1]), begun
    gone = replace(one, values={**values, f"{role}_state": "absent"})
    back = undo.gateway_back([gone], audit, {gone.id: Attempts(begun=2, before=before)}, "plan-1")
    assert bool(back.steps) is (role == "connector")
