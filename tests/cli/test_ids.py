"""Ids as a person gives them: latest, or the beginning or the end of one; and a verb that is nearly right."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from provisioner.cli.lookup import resolved
from provisioner.errors import InputError
from provisioner.journal import Journal
from provisioner.lab.process.client import Handle
from provisioner.model import Plan
from provisioner.report.table import history
from tests.conftest import Command, environment


@pytest.fixture
def ids(lab: Callable[..., Handle], provisioner: Command) -> tuple[Path, str, str]:
    """A fleet with an audit and a plan: its folder and their ids."""
    folder = lab("A81001").folder
    assert provisioner("audit", fleet=folder).code == 1
    assert provisioner("plan", fleet=folder).code == 0
    entries = json.loads(provisioner("history", "--format", "json", fleet=folder).out)["entries"]
    by_kind = {entry["kind"]: entry["id"] for entry in entries}
    return folder, by_kind["audit"], by_kind["plan"]


def test_an_id_is_given_by_its_beginning_its_end_or_as_the_latest(
    ids: tuple[Path, str, str], provisioner: Command
) -> None:
    folder, audit, plan = ids
    with Journal.open(folder / ".provisioner" / "journal.db") as journal:
        for word in (audit, audit[-4:], audit[: len("audit-20261129-1")]):
            assert resolved(journal, word) == audit
        assert resolved(journal, "latest") == plan
        assert resolved(journal, "latest", ("audit",)) == audit
        assert resolved(journal, plan[-2:]) == plan[-2:]
        again = replace(journal.load(plan), id=f"{plan[:-4]}0000")
        assert isinstance(again, Plan)
        journal.save(again)
        with pytest.raises(InputError, match=f"could be any of 2: .*{plan}"):
            resolved(journal, plan[:-4])
        assert resolved(journal, "0000") == again.id
    for verb in (("show",), ("report", "--as", "json"), ("apply", "--dry-run")):
        ran = provisioner(*verb, plan[-4:], fleet=folder)
        assert ran.code == 0, (verb, ran.err)
        assert provisioner(*verb, "zzzz", fleet=folder).code == 2


def test_what_makes_the_latest_is_said(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "journal.db") as journal:
        for kinds, verb in ((("audit", "preflight", "plan"), "audit"), (("plan",), "plan")):
            with pytest.raises(InputError, match="yet") as none:
                resolved(journal, "latest", kinds)
            assert none.value.hint == f"provisioner {verb} makes one."


def test_the_latest_is_the_latest_that_can_be_written_so(ids: tuple[Path, str, str], provisioner: Command) -> None:
    folder, audit, plan = ids
    table = provisioner("report", "latest", "--as", "csv", fleet=folder)
    assert table.code == 0 and audit in table.out
    assert json.loads(provisioner("report", "latest", "--as", "json", fleet=folder).out)["plan"] == plan
    # One that is named is what was meant.
    assert "cannot be written as csv" in provisioner("report", plan, "--as", "csv", fleet=folder).err


def test_history_cuts_no_id() -> None:
    id_, title = "plan-20261129-173610-5149", "undo of plan-20261129-173610-5148: 2 steps on 1 gateway"
    entries = [(datetime(2026, 7, 1, 12, tzinfo=UTC), "run started", id_, title)]
    for width in (160, 80, 60):
        lines = list(history(entries, width))
        # England's time, in summer.
        assert lines[0].startswith(f"01 Jul 2026 13:00:00  run started  {id_}")
        assert " ".join(" ".join(lines).split()).endswith(title)
        assert len(lines) == (1 if width == 160 else 2)
    assert id_ in [line.strip() for line in history(entries, 30)]


def test_a_verb_that_is_nearly_right(provisioner: Command) -> None:
    ran = provisioner("audti")
    assert (ran.code, "Did you mean audit?" in ran.err) == (2, True)
    assert provisioner("help", "audit").out == provisioner("audit", "--help").out
    assert provisioner("help", "migrate", "start").out == provisioner("migrate", "start", "--help").out
    assert provisioner("help", "audti").code == 2


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not on PATH")
def test_bash_completes_verbs_ids_gateways_and_practices(ids: tuple[Path, str, str]) -> None:
    folder, audit, plan = ids

    def after_tab(*words: str) -> list[str]:
        own = Path(sys.executable).parent
        line = " ".join(f"'{word}'" for word in ("provisioner", *words))
        script = f'eval "$(provisioner completion bash)"; COMP_WORDS=({line}); COMP_CWORD={len(words)}; '
        script += '_provisioner_completion provisioner "${COMP_WORDS[-1]}" x; printf "%s\\n" "${COMPREPLY[@]}"'
        env = environment({"PATH": f"{own}:{os.environ['PATH']}", "PROVISIONER_FLEET": str(folder)})
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, env=env)
        assert not done.stderr
        return done.stdout.split()

    assert after_tab("aud") == ["audit"]
    assert after_tab("show", "") == ["latest", plan, audit]
    assert after_tab("apply", "") == ["latest", plan]
    assert after_tab("approve", "") == ["latest", plan]
    assert after_tab("compare", audit, "") == ["latest", audit]
    assert after_tab("read", "A8") == ["A81001"]
    assert after_tab("why", "A8") == ["A81001"]
    assert after_tab("why", "A81001", "R14-ru") == ["R14-rule"]
    assert after_tab("migrate", "start", "A8") == ["A81001"]
    assert after_tab("--fleet", "/nonexistent", "show", "") == []


def test_a_folder_is_validated_by_its_name(ids: tuple[Path, str, str], provisioner: Command) -> None:
    folder, *_ = ids
    assert provisioner("validate", folder).out == provisioner("validate", fleet=folder).out
    assert provisioner("validate", folder / "nothing").code == 2
    both = provisioner("validate", folder, fleet=folder.parent)
    assert (both.code, "Which of the two" in both.err) == (2, True)
