"""docs/library.md: its examples, run as they stand there, one after the other, in the lab."""

import re
from pathlib import Path
from typing import Any

import pytest

from provisioner.lab.process import client
from provisioner.model import Audit, Plan, Result
from tests.conftest import ROOT

EXAMPLES = re.findall(
    r"^```python\n(.*?)^```", (ROOT / "docs" / "library.md").read_text("utf-8"), re.DOTALL | re.MULTILINE
)
ROWS = [
    {"practice": practice, "name": f"{practice} Surgery", "gateway": gateway, "address": "", "role": role}
    for practice, gateway, role in (
        ("A84002", "GW1", "active"),
        ("A84006", "GW3", "active"),
        ("A84006", "GW4", "candidate"),
    )
]


def test_the_examples_of_the_library_do_what_is_said_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    reading, planning, applying, moving, closing = (compile(text, "docs/library.md", "exec") for text in EXAMPLES)
    with client.running(tmp_path / "my-fleet", ROWS, state="fresh"):
        exec(reading, names)
        audit = names["audit"]
        assert isinstance(audit, Audit) and {one.gateway for one in audit.evidence} == {"GW1", "GW3", "GW4"}
        assert capsys.readouterr().out == "None of 2 gateways is ready\n"
        exec(planning, names)
        plan = names["plan"]
        assert isinstance(plan, Plan) and {step.remedy for step in plan.steps} == {"firewall", "antivirus"}
        capsys.readouterr()
        exec(applying, names)
        assert {outcome.result for outcome in names["ended"].outcomes} == {Result.DONE}
        assert names["ended"].exit_code == 0
        capsys.readouterr()
        exec(moving, names)
        assert capsys.readouterr().out.startswith("waits for practice : end SystmOne's Gateway on GW3")
        exec(closing, names)
