"""What Ansible said, as it is kept and shown: in one line, within an end, without what is hidden or obeyed."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader

from provisioner import journal as journals
from provisioner.ansible import inventory, results
from provisioner.journal import Journal
from provisioner.model import Outcome, Result
from tests.ansible.playbooks import LOCAL, root, run, step

__all__ = ["root"]  # fixtures


def test_what_ansible_brings_of_a_gateway_can_be_kept_and_shown(tmp_path: Path) -> None:
    """A name with half a character in it, as a module hands it on; what is put back stays as it was otherwise."""
    found = {"image": "C:\\Caf\u00e9 \u00a0x\ud800\0.exe", "delay": 5}
    facts = {"provisioner_found": found, "provisioner_before": found}
    ok = {"host": "B84001", "role": "quiet", "task": "t", "res": {"changed": True, "ansible_facts": facts}}
    bad = {"host": "B84002", "role": "quiet", "task": "t", "res": {"msg": "no\a \u202e\x1b[2J\ud800\r\nmore"}}
    events = [{"event": "runner_on_ok", "event_data": ok}, {"event": "runner_on_failed", "event_data": bad}]
    said = results.by_step([step("B84001", "quiet"), step("B84002", "quiet")], events, "", False)
    assert said["B84001-quiet"].before == {"image": "C:\\Caf\u00e9 \u00a0x\ufffd\ufffd.exe", "delay": 5}
    failed = said["B84002-quiet"]
    assert (failed.message + "".join(failed.output)).isprintable()
    with Journal.open(tmp_path / "journal.db") as kept:
        for acted in said.values():
            at = datetime(2026, 11, 23, tzinfo=UTC)
            outcome = Outcome(
                step="s", gateway="g", result=Result.DONE, changed=True, started=at, ended=at,
                message=acted.message, before=acted.before, output=acted.output,
            )  # fmt: skip
            kept.append([journals.ended(outcome, "p")])
            assert kept.progress("p").outcomes["s"] == outcome


@pytest.mark.parametrize("found", [{"size": float("nan")}, {"size": 10**400}])
def test_what_cannot_be_kept_at_all_is_not_known(found: dict[str, float]) -> None:
    facts = {"provisioner_before": found}
    data = {"host": "B84001", "role": "quiet", "task": "t", "res": {"ansible_facts": facts}}
    said = results.by_step([step("B84001", "quiet")], [{"event": "runner_on_ok", "event_data": data}], "", False)
    assert (said["B84001-quiet"].result, said["B84001-quiet"].before) == ("ok", {"untold": ["all of it"]})


def test_what_was_found_is_known_of_a_run_that_was_ended_in_the_middle() -> None:
    event = {"event": results.FOUND, "event_data": {"host": "B84001", "role": "quiet", "there": {"rule": "as it was"}}}
    said = results.by_step([step("B84001", "quiet")], [event], "it was stopped before it was done", False)
    assert (said["B84001-quiet"].result, said["B84001-quiet"].before) == ("unknown", {"rule": "as it was"})


@pytest.mark.parametrize("task", results.AFTERWARDS)
@pytest.mark.parametrize("of", [{}, {"role": "quiet"}, {"role": "breaks"}])
def test_what_is_done_after_a_role_has_failed_is_no_matter_of_another(task: str, of: dict[str, str]) -> None:
    """Of a task of no role ansible-runner says the role that another gateway has just begun, or none."""
    failed = {"host": "B84001", "role": "breaks", "task": "t", "res": {"msg": "the disk is full"}}
    after = {"host": "B84001", "task": task, "res": {"msg": "what it said stands above"}, **of}
    events = [{"event": "runner_on_failed", "event_data": data} for data in (failed, after)]
    said = results.by_step([step("B84001", "breaks"), step("B84001", "quiet")], events, "", False)
    assert [(one.result, one.message) for one in said.values()] == [
        ("failed", "t: the disk is full"),
        ("skipped", "not tried, because breaks did not finish here"),
    ]


def test_each_part_of_a_task_has_its_line_and_the_one_that_failed_says_why() -> None:
    parts = [
        {"task": "Stop it", "changed": True},
        {"task": "Replace it", "changed": False, "failed": True, "msg": "the disk is full"},
        {"task": "Start it again", "changed": True},
    ]
    result = {"failed": True, "part": "Replace it", "msg": "the disk is full", "changed": True, "parts": parts}
    event = {"host": "B84001", "role": "quiet", "task": "Bring it to its wanted state", "res": result}
    events = [{"event": "runner_on_failed", "event_data": event}]
    said = results.by_step([step("B84001", "quiet")], events, "", False)["B84001-quiet"]
    assert (said.result, said.changed, said.message) == ("failed", True, "Replace it: the disk is full")
    assert said.output == (
        "changed: Stop it", "failed: Replace it: the disk is full", "changed: Start it again",
    )  # fmt: skip


def test_what_a_row_says_is_never_a_template(root: Path, tmp_path: Path) -> None:
    text = "{{ lookup('pipe', 'touch " + str(tmp_path / "run") + "') }}"
    acted = run(root, step("B84001", "quiet", quiet_text=text))
    assert acted["B84001-quiet"].before == {"rule": text}
    assert not (tmp_path / "run").exists()


def test_a_text_stays_a_text(root: Path) -> None:
    texts = ["0042", "", "null", "True", "no", "1:30", "2025-01-05", "*", "=", "<<", "- a: b", "#", "!x", "{ a", "{% a"]
    acted = run(root, step("B84001", "quiet", quiet_text=texts))
    assert acted["B84001-quiet"].before == {"rule": texts}


def test_a_difference_that_a_module_has_put_together_is_taken_apart() -> None:
    result = {"changed": True, "diff": {"prepared": "-[rule]\n-Enabled='False'\n+[rule]\n+Enabled='True'\n"}}
    (difference,) = results.differences("The rule", result)
    assert (difference.before, difference.after) == ("[rule]\nEnabled='False'", "[rule]\nEnabled='True'")


def test_an_empty_text_stays_one() -> None:
    """Ansible makes null of an empty text that is tagged, and `None` of that in a text."""
    loaded = DataLoader().load(f'{{"a": {inventory.tagged("")}, "b": {inventory.tagged("x")}}}')
    assert loaded == {"a": "", "b": "x"}


def test_inventory_text_is_json_but_for_its_tags() -> None:
    """What Ansible may evaluate is known by its place, not by its words: a row could hold the same words."""
    own = inventory.Evaluated(LOCAL["ansible_password"])
    tagged = inventory.tagged({"a": ['x "y"\n', None, True, 1.5], "b": LOCAL["ansible_password"], "password": own})
    assert json.loads(tagged.replace("!unsafe ", "")) == {
        "a": ['x "y"\n', None, True, 1.5],
        "b": LOCAL["ansible_password"],
        "password": LOCAL["ansible_password"],
    }
    assert tagged.count("!unsafe") == 1
    assert f'"b": !unsafe {json.dumps(LOCAL["ansible_password"])}' in tagged


def test_what_a_person_writes_comes_out_as_it_was() -> None:
    """Beside a text that is tagged it is read as YAML, to which a character in two halves is none."""
    given = {
        "\U0001f600": "\U0001d4e2urgery \\ud83d\\ude00 \\\U0001f600",
        "b": "\u2028\x85\ufeff \x7f\u00e9\n\t\x01",
        "c": "{x}",
    }
    assert DataLoader().load(inventory.tagged(given)) == given


def test_what_would_change_is_said_once() -> None:
    """Of each value below a key that is not there yet the module tells the key alone."""
    key = {"part": "Tell procrun what to run", "before": "", "after": {"HKLM:\\x\\Start": {}}}
    told = {"changed": True, "diff": [key, key, {**key, "part": "Another"}, key]}
    data = {"host": "B84001", "role": "quiet", "task": "x", "res": told}
    said = results.by_step([step("B84001", "quiet")], [{"event": "runner_on_ok", "event_data": data}], "", True)
    tasks = [one.task for one in said["B84001-quiet"].differences]
    assert tasks == ["Tell procrun what to run", "Another"]
