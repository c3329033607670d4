"""A run leaves a work marker on each gateway on which it works: who finds one waits, and none is left."""

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from provisioner import remedies, resources
from provisioner.ansible import inventory, playbook
from provisioner.ansible.claim import CLAIM
from provisioner.ansible.inventory import WorkMarker
from provisioner.ansible.results import AFTERWARDS, StepResult
from provisioner.ansible.work import Work
from provisioner.execute import judge
from provisioner.fleet import load
from provisioner.lab import Handle
from provisioner.model import Result, Step
from provisioner.transport.credentials import LoginGuard
from tests.ansible import playbooks
from tests.conftest import own_run_tag
from tests.roles.markers import PLACE
from tests.worlds.memory import World, fleet, gateway


def work(pretend: Handle, *names: str) -> list[Step]:
    """Steps of these remedies on all gateways of a lab."""
    rows = load(pretend.folder)
    found = [(row.name, *remedies.values(rows, row, name)) for row in rows.known for name in names]
    return [replace(playbooks.step(name, role), values=values) for name, role, values in found]


def act(pretend: Handle, steps: Sequence[Step], journal: str = "j-1", **options: Any) -> dict[str, StepResult]:
    """The steps, under that journal's marker."""
    rows = load(pretend.folder)
    hosts = {row.name: inventory.connection(rows, row) for row in rows.known}
    marker = WorkMarker(journal=journal, known=(), by="{{ 6 * 7 }} Siân", minutes=60)
    acted = playbook.run(
        steps, hosts, lambda name: pretend.password, run_tag=own_run_tag("m5"), marker=marker, **options
    )
    assert pretend.password not in json.dumps([pretend.state(), pretend.events()]) + repr(acted)
    return acted


def there(pretend: Handle, name: str) -> dict[str, str] | None:
    """The marker on a gateway."""
    file = pretend.state()[name]["disk"]["files"].get(PLACE.lower())
    return file and dict(json.loads(file["text"]))


def results(acted: Mapping[str, StepResult]) -> dict[str, tuple[str, bool]]:
    return {step: (one.result, one.changed) for step, one in acted.items()}


def test_a_gateway_is_marked_while_it_is_worked_on(lab: Callable[..., Handle]) -> None:
    pretend = lab("A81001")
    steps = work(pretend, "firewall")
    assert results(act(pretend, steps, check=True)) == {"A81001-firewall": ("ok", True)}
    assert pretend.events() == []
    assert results(act(pretend, steps)) == {"A81001-firewall": ("ok", True)}
    events = [(one["event"], one.get("path")) for one in pretend.events()]
    assert events[:2] == [("folder_made", PLACE.rpartition("\\")[0]), ("file_written", PLACE)]
    assert events[-1] == ("file_removed", PLACE)
    assert len(events) == 4
    assert results(act(pretend, steps)) == {"A81001-firewall": ("ok", False)}
    assert len(pretend.events()) == 6


def test_a_marker_that_is_left_keeps_another_team_away_until_it_is_over(lab: Callable[..., Handle]) -> None:
    pretend = lab("A81001", "A81002")
    leaves = playbooks.step("A81001", "marker", marker_stays=True)
    assert results(act(pretend, [leaves])) == {"A81001-marker": ("ok", False)}
    left = there(pretend, "A81001")
    assert left is not None
    assert left == {
        "journal": "j-1",
        "step": "A81001-marker",
        "by": "{{ 6 * 7 }} Siân",
        "since": left["since"],
        "minutes": "60",
    }

    before = pretend.state()["A81001"]
    held = act(pretend, work(pretend, "firewall", "antivirus"), journal="j-2")
    assert results(held) == {
        "A81001-firewall": ("held", False),
        "A81001-antivirus": ("held", False),
        "A81002-firewall": ("ok", True),
        "A81002-antivirus": ("ok", True),
    }
    words = ", ".join(f"{name} {text}" for name, text in left.items())
    assert {one.message for one in held.values()} == {
        "",
        f"another team works on this gateway: {words}; nothing was changed",
    }
    assert pretend.state()["A81001"] == before

    # By the gateway's own clock, which is what both teams go by: it was set forward meanwhile.
    pretend.set("A81001", "clock_skew=7200")
    assert results(act(pretend, work(pretend, "firewall")[:1], journal="j-2")) == {"A81001-firewall": ("ok", True)}
    assert there(pretend, "A81001") is None


def test_a_role_that_fails_leaves_no_marker(lab: Callable[..., Handle]) -> None:
    pretend = lab("A81001")
    pretend.set("A81001", "tamper_protection")
    acted = act(pretend, work(pretend, "antivirus", "firewall"))
    assert [one.result for one in acted.values()] == ["failed", "skipped"]
    assert "tamper protection is on" in acted["A81001-antivirus"].message
    assert [(one["event"], one["path"]) for one in pretend.events()[-2:]] == [
        ("file_written", PLACE),
        ("file_removed", PLACE),
    ]


def test_a_line_that_breaks_breaks_at_the_work_and_not_at_its_marker(lab: Callable[..., Handle]) -> None:
    pretend = lab("A81001")
    pretend.set("A81001", "drops_midway=after")
    acted = act(pretend, work(pretend, "firewall"), turn=LoginGuard().turn)
    assert acted["A81001-firewall"].result == "unreachable"
    assert "the connection broke in the middle of a task: the connection broke" in acted["A81001-firewall"].message
    assert len(pretend.state()["A81001"]["firewall"]["rules"]) == 1
    assert there(pretend, "A81001") is None


def test_a_pc_on_which_the_work_hangs_is_not_waited_for_for_ever(
    lab: Callable[..., Handle], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answers each time that there is nothing to say yet; and its marker is what says that it may still be at it."""
    pretend = lab("A81001", "A81002")
    monkeypatch.setattr(inventory, "_LONGEST", 3.0)
    pretend.set("A81001", "slow=600")
    begun = time.monotonic()
    acted = act(pretend, work(pretend, "firewall"), turn=LoginGuard().turn)
    assert time.monotonic() - begun < 30
    assert results(acted) == {"A81001-firewall": ("unreachable", False), "A81002-firewall": ("ok", True)}
    assert "did not come to an end within" in acted["A81001-firewall"].message


def test_who_is_given_much_to_do_is_waited_for_longer() -> None:
    hosts = {"GW": {"ansible_connection": "winrm"}}
    steps = [replace(playbooks.step("GW", role), seconds=3600.0) for role in ("java", "connector")]

    def waits(steps: Sequence[Step], *, guarded: bool) -> object:
        (host,) = inventory.of_run(steps, hosts, None, guarded=guarded)["all"]["hosts"].values()
        return host.get("provisioner_longest")

    assert waits(steps, guarded=True) == 6 * 7200
    assert waits([replace(step, seconds=5.0) for step in steps], guarded=True) == 1800
    # What Ansible's own connection does not know is not said to it.
    assert waits(steps, guarded=False) is None


def test_nobody_changes_another_pc_than_the_row_names_or_one_on_which_another_team_works(
    lab: Callable[..., Handle],
) -> None:
    """Whoever runs the playbook: a run of ours, or plain Ansible, which has no marker of its own."""
    pretend = lab("A81001")
    rows = load(pretend.folder)
    hosts = {row.name: inventory.connection(rows, row) for row in rows.known}
    named = hosts["A81001"]["provisioner_computer"]
    steps, before = work(pretend, "firewall"), pretend.state()
    ours = WorkMarker(journal="j-1", known=(), by="Siân", minutes=60)

    def run(computer: str, marker: WorkMarker | None) -> StepResult:
        (said,) = playbook.run(
            steps,
            {"A81001": {**hosts["A81001"], "provisioner_computer": computer}},
            lambda name: pretend.password,
            run_tag=own_run_tag("m5"),
            marker=marker,
        ).values()
        return said

    for marker in (ours, None):
        wrong = run("OTHER-PC.surgery.nhs.uk", marker)
        words = f"the PC at this address is {named}, and the row names OTHER-PC.surgery.nhs.uk; nothing was changed"
        assert (wrong.result, wrong.message) == ("failed", f"Claim the gateway: {words}")
    assert pretend.state() == before
    assert run(f"{named.lower()}.surgery.nhs.uk", None).result == "ok"
    assert there(pretend, "A81001") is None
    left = playbooks.step("A81001", "marker", marker_stays=True)
    assert results(act(pretend, [left], journal="j-2")) == {"A81001-marker": ("ok", False)}
    assert run(named, None).result == "held"


def plain(pretend: Handle, folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """ansible-playbook as anybody may start it, on all gateways of the lab."""
    hosts = inventory.of_fleet(load(pretend.folder))["_meta"]["hostvars"]
    (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}), "utf-8")
    program = Path(sys.executable).with_name("ansible-playbook")
    return subprocess.run(
        [str(each) for each in (program, "-i", folder / "hosts.json", *arguments)],
        env={
            **os.environ,
            "ANSIBLE_CONFIG": str(resources.root() / "ansible.cfg"),
            "ANSIBLE_INVENTORY_ENABLED": "ansible.builtin.yaml",
            "PROVISIONER_FLEET": str(pretend.folder),
            "LC_ALL": "C.UTF-8",
        },
        capture_output=True,
        text=True,
        check=False,
    )


OWN = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: "{{ item }}"
        apply: {ignore_errors: true}
      loop: [firewall, power]
"""


@pytest.mark.parametrize("playbook", ["step.yml", "own.yml"])
def test_plain_ansible_heeds_another_teams_marker_whichever_role_comes_first(
    playbook: str, lab: Callable[..., Handle], tmp_path: Path
) -> None:
    """By one role, and by a playbook of another's own that goes on after what has failed."""
    pretend = lab("A81001")
    left = playbooks.step("A81001", "marker", marker_stays=True)
    assert results(act(pretend, [left])) == {"A81001-marker": ("ok", False)}
    before = pretend.state()
    (tmp_path / "own.yml").write_text(OWN, "utf-8")
    ours = resources.root() / "playbooks"
    arguments: Mapping[str, list[str | Path]] = {
        "step.yml": ["-e", "step_role=firewall", ours / "step.yml"],
        "own.yml": [tmp_path / "own.yml"],
    }
    done = plain(pretend, tmp_path, *arguments[playbook])
    assert "another team works on this gateway: journal j-1" in done.stdout + done.stderr
    assert pretend.state() == before


def test_plain_ansible_looks_once_in_each_play_also_where_facts_are_kept(
    lab: Callable[..., Handle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend = lab("A81001")
    monkeypatch.setenv("ANSIBLE_CACHE_PLUGIN", "ansible.builtin.jsonfile")
    monkeypatch.setenv("ANSIBLE_CACHE_PLUGIN_CONNECTION", str(tmp_path / "facts"))
    arguments = ("-v", "--check", resources.root() / "playbooks" / "rollout.yml")
    done = plain(pretend, tmp_path, *arguments)
    assert (done.returncode, done.stdout.count(CLAIM)) == (0, 1), done.stdout + done.stderr
    assert list((tmp_path / "facts").iterdir())
    left = playbooks.step("A81001", "marker", marker_stays=True)
    assert results(act(pretend, [left])) == {"A81001-marker": ("ok", False)}
    assert "another team works on this gateway" in plain(pretend, tmp_path, *arguments).stdout


STUB = """#!/usr/bin/python
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule({name: {} for name in ("journal", "known", "step", "by", "minutes", "computer", "state")})
if module.params["state"] == "absent":
    module.fail_json(msg="the disk is gone", held=True)
module.exit_json(changed=True)
"""


def test_a_marker_that_stays_is_no_failure_of_the_work(tmp_path: Path) -> None:
    """On this computer, with a double of the module that cannot take its marker away."""
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "work_marker.py").write_text(STUB, "utf-8")
    roles = {name: playbooks.ROLES[name] for name in ("claims", "quiet", "breaks")}
    root = playbooks.filled(tmp_path, roles, str(tmp_path / "library"))
    step = playbooks.step
    acted = playbooks.run(
        root,
        *(step("B84001", "claims"), step("B84003", "quiet"), step("B84003", "claims")),
        *(step("B84002", "claims"), step("B84002", "breaks"), step("B84002", "quiet")),
        marker=WorkMarker(journal="j-1", known=(), by="", minutes=60),
    )
    assert {id: (one.result, one.message) for id, one in acted.items()} == {
        "B84001-claims": ("ok", ""),
        # A role that claims nothing was the first: what comes after it does nothing either.
        "B84003-quiet": ("ok", ""),
        "B84003-claims": (
            "failed",
            "Claim the gateway: the first role here has not claimed the gateway; nothing was changed",
        ),
        "B84002-claims": ("ok", ""),
        "B84002-breaks": ("failed", "Look at it: [31maccess denied"),
        "B84002-quiet": ("skipped", "not tried, because breaks did not finish here"),
    }

    assert acted["B84001-claims"].output[-1] == "failed: Release the gateway: the disk is gone"


def test_the_tasks_whose_trouble_does_not_count_are_in_the_playbook() -> None:
    text = (resources.root() / "playbooks" / "rollout.yml").read_text("utf-8")
    assert all(f"- name: {name}\n" in text for name in AFTERWARDS)
    # By which they are known, so nothing in a role is called so.
    of_roles = [path.read_text("utf-8") for path in (resources.root() / "roles").rglob("*.yml")]
    assert not [name for name in AFTERWARDS for text in of_roles if f"name: {name}\n" in text]


@pytest.mark.parametrize("role", sorted(path.name for path in (resources.root() / "roles").iterdir()))
def test_no_role_changes_a_gateway_that_it_has_not_claimed(role: str) -> None:
    """The first role's work claims it, and the last one's releases it: so all that a role does there is such work."""
    root = resources.root()
    tasks = yaml.safe_load((root / "roles" / role / "tasks" / "main.yml").read_text("utf-8"))
    *before, last = [(task, key) for task in tasks for key in task if (root / f"plugins/action/{key}.py").exists()]
    assert not before
    spec = importlib.util.spec_from_file_location(f"of_{role}", root / f"plugins/action/{last[1]}.py")
    assert spec and spec.loader
    spec.loader.exec_module(plugin := importlib.util.module_from_spec(spec))
    assert issubclass(plugin.ActionModule, Work)
    assert tasks[-1] is last[0]
    assert last[0].keys() == {"name", last[1]}
    # What comes before it reads another gateway.
    assert all("ansible.builtin.fetch" in task and "delegate_to" in task for task in tasks[:-1])


WORDS = "another team works on this gateway: journal j-2, step s-1, for 60 minutes more at most"


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (None, ""),
        ({"journal": "j-1"}, ""),
        ({"journal": "j-2"}, WORDS),
        ({"journal": "J-1", "step": ""}, WORDS.replace("j-2, step s-1", "J-1")),
        ({"journal": "j-2", "seconds_left": 0}, ""),
        ({"journal": "j-2", "seconds_left": -3600}, ""),
        # The claim on the gateway knows how old it is.
        ({"journal": "j-2", "seconds_left": None}, ""),
        ({"journal": "", "step": "", "seconds_left": None}, ""),
    ],
)
def test_a_marker_of_another_journal_is_told(there: Mapping[str, Any] | None, words: str) -> None:
    marker = there and {"journal": "j-1", "step": "s-1", "seconds_left": 3541, **there}
    evidence = World(fleet(gateway("B84001"))).evidence(gateway("B84001"))
    evidence = replace(evidence, sections={"ours": {"marker": marker, "unfinished": [], "kept": 0}})
    assert judge.marked_by_others(evidence, ["j-0", "j-1"]) == words
    assert judge.marked_by_others(replace(evidence, sections={}), ["j-1"]) == ""


def test_a_step_waits_for_another_team() -> None:
    world = World(fleet(gateway("B84001")))
    step = world.plan().steps[0]
    reading = judge.Observation.of(*world.read(world.fleet.known, False))
    theirs = {"journal": "j-2", "step": "A81001-firewall", "seconds_left": 90}
    seen = {"ours": {"marker": theirs, "unfinished": [], "kept": 0}}
    evidence = {"B84001": replace(reading.evidence["B84001"], sections=seen)}
    marked = replace(reading, evidence=evidence)

    def before(reading: judge.Observation, **asked: Any) -> judge.Verdict | None:
        return judge.decide_before(step, reading, begun=False, working=True, **asked)

    verdict = before(marked, names=["j-1"])
    assert verdict is not None
    assert verdict[0] is Result.WAITING
    assert verdict[1].startswith("another team works on this gateway: journal j-2, step A81001-firewall, for 2 minutes")
    assert "the marker ends by itself" in verdict[1]
    assert before(marked, names=["j-2"]) is before(reading, names=["j-1"]) is before(marked) is None


def test_a_refused_claim_waits_whatever_the_reading_shows() -> None:
    world = World(fleet(gateway("B84001")))
    step = world.plan().steps[0]
    world.machines["B84001"].rule = world.machines["B84001"].service = True
    held = StepResult(result="held", message="another team works on this gateway: journal j-2; nothing was changed")
    for online in (True, False):
        world.machines["B84001"].online = online
        result, words = judge.decide_after(step, held, judge.Observation.of(*world.read(world.fleet.known, False)))
        assert result is Result.WAITING
        assert words.startswith(held.message)
        assert "the marker ends by itself" in words
