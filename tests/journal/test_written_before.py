"""A journal and a record that an earlier release wrote are read by this one, and what was open in them goes on.

`written-by-0492cb0` holds what that commit left: three practices of a fresh lab (seed 0). Two were brought into
shape, one of them was put back, and one is on its way to another PC and waits for the practice.
"""

import gzip
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.lab.process import client
from tests.conftest import Command

BEFORE = Path(__file__).parent / "written-by-0492cb0"
AUDIT, PLAN, UNDO, MOVE = (
    "audit-20261129-121442-c920", "plan-20261129-121444-fb3f", "undo-20261129-121532-f45a", "move-20261129-121545-ca1a",
)  # fmt: skip
ROWS = [
    {"practice": practice, "name": f"{practice} Surgery", "gateway": gateway, "address": "", "role": role}
    for practice, gateway, role in (
        ("A84002", "GW1", "active"), ("A84005", "GW2", "active"), ("A84006", "GW3", "active"),
        ("A84006", "GW4", "candidate"),
    )
]  # fmt: skip


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Path]:
    """The lab that the journal was written in, as it was at first, with that journal."""
    folder = tmp_path / "fleet"
    with client.running(folder, ROWS, state="fresh", seed=0):
        (folder / ".provisioner" / "journal.db").write_bytes(gzip.decompress((BEFORE / "journal.db.gz").read_bytes()))
        yield folder


def test_all_that_an_earlier_release_kept_is_shown(provisioner: Command, fleet: Path, tmp_path: Path) -> None:
    history = json.loads(provisioner("history", "--format", "json", fleet=fleet).out)
    assert {AUDIT, PLAN, UNDO, MOVE} <= {entry["id"] for entry in history["entries"]}
    audit = json.loads(provisioner("show", AUDIT, "--format", "json", fleet=fleet).out)
    assert [gateway["ready"] for gateway in audit["gateways"]] == [False] * 3 + [audit["gateways"][3]["ready"]]
    plan = json.loads(provisioner("show", PLAN, "--format", "json", fleet=fleet).out)
    steps = [step for wave in plan["waves"] for step in wave["steps"]]
    assert len(steps) == 18 and {step["gateway"] for step in steps} == {"GW1", "GW2", "GW3"}
    shown = provisioner("show", PLAN, "--format", "table", fleet=fleet)
    assert shown.code == 0 and "12 done, 6 not begun" in shown.out and f"{UNDO} (undo): 5 steps: 5 undone" in shown.out
    for id_ in (AUDIT, PLAN):
        page = tmp_path / f"{id_}.html"
        assert provisioner("report", id_, "--as", "html", "--output", page, fleet=fleet).code == 0
        assert "GW2" in page.read_text("utf-8")
    made = tmp_path / "record"
    assert provisioner("record", PLAN, "--output", made, fleet=fleet).code == 0
    assert provisioner("record", "--verify", made).code == 0
    again = provisioner("plan", AUDIT, fleet=fleet)
    assert again.code == 0 and "18 steps on 3 gateways" in again.out


def test_a_record_that_an_earlier_release_wrote_is_still_right(provisioner: Command, tmp_path: Path) -> None:
    with tarfile.open(BEFORE / "record.tar.gz") as packed:
        packed.extractall(tmp_path, filter="data")
    verified = provisioner("record", "--verify", tmp_path / "record")
    assert verified.code == 0 and f"the record of {PLAN}, 6 files" in verified.out


def test_a_migration_that_an_earlier_release_began_goes_on(provisioner: Command, fleet: Path) -> None:
    status = provisioner("migrate", "status", "--format", "json", fleet=fleet)
    assert status.code == 4
    (migration,) = json.loads(status.out)["migrations"]
    assert (migration["migration"], migration["old"], migration["new"]) == (MOVE, "GW3", "GW4")
    assert next(step["step"] for step in migration["steps"] if step["result"] == "waiting") == "gateway-ended"
    # In the lab as it was at first nothing of it stands: the way back finds all as it was, and no Connector runs.
    undone = provisioner("migrate", "undo", "A84006", "--yes", fleet=fleet)
    assert undone.code == 0, undone.out + undone.err
    assert provisioner("migrate", "status", fleet=fleet).code == 0
    # Its undo of before is through: what is put back now is the rest.
    back = provisioner("undo", PLAN, "--only", "A84006", "--yes", fleet=fleet)
    assert back.code == 0 and "5 steps: 5 unchanged" in back.out, back.out + back.err
