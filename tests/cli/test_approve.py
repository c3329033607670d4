"""An approval by the commands: by another account of this machine, by a signature made elsewhere, and for undo."""

import base64
import json
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner import processes
from provisioner.lab.process import client
from provisioner.record import signing
from tests.conftest import Command, Ran, rows, told, unfolded
from tests.fixtures.accounts import open_to, run_as
from tests.record.records import private

NOBODY = processes.uid("nobody")
APPROVERS = """
rollout:
  approval: true
  approvers:
    - {account: nobody, name: B. Person}
    - {account: elsewhere, name: C. Person, key: c.pub.pem}
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that other accounts may come into, which pytest's are not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "fleet"
        yield folder
        client.down(folder)


@pytest.fixture
def planned(place: Path, provisioner: Command) -> tuple[Path, str, Path]:
    """A fleet that asks for approvals, a plan, and C. Person's private key."""
    folder = client.up(place, rows("A84002"), state="fresh").folder
    pem = folder.parent / "c.pem"
    pem.touch(mode=0o600)
    pem.write_text(private())
    (folder / "c.pub.pem").write_text(signing.public_half(pem.read_text(), "c.pem"))
    with (folder / "fleet.yml").open("a") as settings:
        settings.write(APPROVERS)
    provisioner("audit", fleet=folder)
    ran = provisioner("plan", "--remedy", "power", "--remedy", "firewall", "--format", "json", fleet=folder)
    return folder, json.loads(ran.out)["plan"], pem


def refused(ran: Ran, *words: str) -> None:
    assert ran.code == 2, ran
    for word in words:
        assert word in ran.err
    assert "Traceback" not in ran.err


def test_by_another_account_and_the_record_says_so(planned: tuple[Path, str, Path], provisioner: Command) -> None:
    folder, plan, _ = planned
    assert NOBODY is not None
    refused(provisioner("apply", plan, "--yes", fleet=folder), f"{plan} is not approved", told("approve", folder))
    open_to(NOBODY, folder)
    assert "Nobody can be asked here" in run_as(NOBODY, "approve", plan, fleet=folder).err
    refused(run_as(2, "approve", plan, "--yes", fleet=folder), "Permission denied")
    ran = run_as(NOBODY, "approve", plan[-4:], "--yes", "--until", "2h", "--ticket", "CHG-7", fleet=folder)
    assert ran.code == 0, ran.err
    for words in ("What: firewall (1)", "Where: A84002 of A84002 at 127.0.0.1", "How many: 1 step", "When: at any time",
                  "Way back: firewall: The rule is removed", "Approval: for this plan alone"):  # fmt: skip
        assert words in ran.err
    assert provisioner("apply", plan, "--yes", fleet=folder).code == 0
    record = folder.parent / "record"
    assert provisioner("record", plan, "--output", record, fleet=folder).code == 0
    document = json.loads((record / "A84002.json").read_text())
    (given,) = document["approvals"]
    assert (given["by"], given["account"], given["ticket"], given["signed_by"]) == ("B. Person", "nobody", "CHG-7", "")
    assert document["runs"][0]["approved_by"] == "B. Person"
    assert given["plan_sha256"] == document["plans"][0]["sha256"]
    assert json.loads((record / "approval-1.txt").read_text())["approval_of"] == plan
    assert "Approved by <b>B. Person</b>" in (record / "A84002.html").read_text()
    assert provisioner("record", "--verify", record).code == 0
    # Undo asks for its own; the same command goes on with the plan that was approved.
    ran = provisioner("undo", plan, "--yes", fleet=folder)
    refused(ran, "is not approved")
    back = ran.err.partition(told("approve ", folder))[2].split(";")[0]
    assert back.startswith("undo-")
    assert run_as(NOBODY, "approve", back, "--yes", fleet=folder).code == 0
    ran = provisioner("undo", plan, "--yes", fleet=folder)
    assert (ran.code, back in ran.out) == (0, True), ran


def test_by_a_signature_that_was_made_elsewhere(planned: tuple[Path, str, Path], provisioner: Command) -> None:
    folder, plan, pem = planned
    text, sig = folder.parent / "approval.json", folder.parent / "approval.json.sig"
    ran = provisioner("approve", plan, "--for", "elsewhere", "--output", text, fleet=folder)
    assert ran.code == 0, ran.err
    assert "openssl pkeyutl -sign -rawin" in ran.err
    assert "Where: A84002" in (folder.parent / "approval.json.places").read_text()
    refused(provisioner("approve", plan, "--signed", text, fleet=folder), "approval.json.sig cannot be read")
    sig.write_text(signing.sign(text.read_bytes(), private(), "x"))
    refused(provisioner("approve", plan, "--signed", text, fleet=folder), "damaged, or not by the key of C. Person")
    made = text.read_bytes()
    text.write_bytes(made.decode().encode("utf-16"))
    refused(provisioner("approve", plan, "--signed", text, fleet=folder), "not in UTF-8, as it was written")
    text.write_bytes(made.replace(b"\n", b"\r\n"))
    sig.write_text(signing.sign(made, pem.read_text(), "x"))
    refused(provisioner("approve", plan, "--signed", text, fleet=folder), "if only in the ends of its lines")
    text.write_bytes(made)
    sig.write_text("no signature")
    refused(provisioner("approve", plan, "--signed", text, fleet=folder), "is no signature of Ed25519")
    if openssl := shutil.which("openssl"):
        sign: list[str | Path] = [openssl, "pkeyutl", "-sign", "-rawin", "-inkey", pem, "-in", text, "-out", sig]
        subprocess.run(sign, check=True, capture_output=True)
    else:
        sig.write_bytes(base64.b64decode(signing.sign(text.read_bytes(), pem.read_text(), "c.pem")))
    ran = provisioner("approve", plan, "--signed", text, "--format", "json", fleet=folder)
    assert (json.loads(ran.out)["by"], json.loads(ran.out)["signed"]) == ("C. Person", True), ran.err
    assert provisioner("apply", plan, "--yes", fleet=folder).code == 0
    record = folder.parent / "record"
    assert provisioner("record", plan, "--output", record, fleet=folder).code == 0
    assert {"approval-1.txt", "approval-1.sig", "approval-1.pem"} <= {path.name for path in record.iterdir()}
    assert provisioner("record", "--verify", record).code == 0
    document = json.loads((record / "A84002.json").read_text())
    document["approvals"][0]["by"] = "D. Person"
    (record / "A84002.json").write_text(json.dumps(document))
    assert "its approvals are not those that its events tell" in provisioner("record", "--verify", record).out


def test_nobody_is_asked_to_sign_whose_signature_would_not_count(
    planned: tuple[Path, str, Path], provisioner: Command
) -> None:
    folder, plan, _ = planned
    text = folder.parent / "approval.json"
    ran = provisioner("approve", plan, "--for", "nobody", "--output", text, fleet=folder)
    refused(ran, "has no key of B. Person", f"They approve as nobody: {told(f'approve {plan}', folder)}")
    assert not text.exists()


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not on PATH")
def test_a_command_that_is_printed_takes_a_path_with_blanks(
    planned: tuple[Path, str, Path], provisioner: Command
) -> None:
    folder, plan, pem = planned
    text = folder.parent / "an approval.json"
    ran = provisioner("approve", plan, "--for", "elsewhere", "--output", text, fleet=folder)
    sign, then = (shlex.split(line) for line in ran.err.splitlines()[-2:])
    pem.rename(folder.parent / "KEY.pem")
    assert subprocess.run(sign, cwd=folder.parent).returncode == 0
    assert then[:2] == ["Next:", "provisioner"]
    assert provisioner(*then[2:]).code == 0
    assert provisioner("apply", plan, "--yes", fleet=folder).code == 0
    ran = provisioner("record", plan, "--output", folder.parent / "a record", fleet=folder)
    command = next(line for line in ran.out.splitlines() if "--verify" in line).partition("provisioner ")[2]
    assert provisioner(*shlex.split(command)).code == 0


def test_the_command_to_give_next_is_one_that_can_be_done(
    planned: tuple[Path, str, Path], provisioner: Command
) -> None:
    folder, plan, pem = planned
    approve = f"Next, by a second person: {told(f'approve {plan}', folder)}"
    assert approve in provisioner("show", plan, fleet=folder).out + provisioner("show", plan, fleet=folder).err
    made = provisioner("plan", "--remedy", "firewall", fleet=folder).out
    assert f"Next, by a second person: {told('approve plan-', folder)}" in made
    assert provisioner("approve", plan, "--key", pem, "--yes", fleet=folder).code == 0
    shown = provisioner("show", plan, "--format", "table", fleet=folder)
    assert unfolded(shown.out).endswith(f"Next: {told(f'apply {plan}', folder)}\n")
    settings = folder / "fleet.yml"
    settings.write_text(f"{settings.read_text()}read_only: true\n")
    shown = provisioner("show", plan, "--format", "table", fleet=folder)
    assert unfolded(shown.out).endswith(f"Next: {told(f'apply {plan} --dry-run', folder)}\n")


def test_what_the_signer_saw_has_to_be_the_plan(planned: tuple[Path, str, Path], provisioner: Command) -> None:
    folder, plan, pem = planned
    text = folder.parent / "approval.json"
    assert provisioner("approve", plan, "--for", "elsewhere", "--output", text, fleet=folder).code == 0
    text.write_text(text.read_text().replace("What: firewall (1)", "What: nothing much"))
    (folder.parent / "approval.json.sig").write_text(signing.sign(text.read_bytes(), pem.read_text(), "c.pem"))
    refused(provisioner("approve", plan, "--signed", text, fleet=folder), "what C. Person signed is another text")


def test_by_a_key_that_is_here(planned: tuple[Path, str, Path], provisioner: Command) -> None:
    folder, plan, pem = planned
    other = folder.parent / "other.pem"
    other.touch(mode=0o600)
    other.write_text(private())
    refused(provisioner("approve", plan, "--key", other, "--yes", fleet=folder), "nobody's who may approve")
    assert provisioner("approve", plan, "--key", pem, "--yes", "--until", "1h", fleet=folder).code == 0
    assert "approved  " in provisioner("history", fleet=folder).out
    assert provisioner("apply", plan, "--yes", fleet=folder).code == 0


def test_a_migration_waits_for_its_approval_and_goes_on_with_the_same_plan(
    tmp_path: Path, provisioner: Command
) -> None:
    two = [{"practice": "A84002", "name": "Old Mill", "gateway": name, "address": "", "role": role}
           for name, role in (("OLDPC", "active"), ("NEWPC", "candidate"))]  # fmt: skip
    with client.running(tmp_path / "fleet", two, state="ready") as handle:
        folder, pem = handle.folder, tmp_path / "c.pem"
        pem.touch(mode=0o600)
        pem.write_text(private())
        (folder / "c.pub.pem").write_text(signing.public_half(pem.read_text(), "c.pem"))
        with (folder / "fleet.yml").open("a") as settings:
            settings.write(f"{APPROVERS}  approve_wait: 1\n")
        start = ("migrate", "start", "A84002", "--to", "NEWPC", "--yes")
        before = len(handle.events())
        ran = provisioner(*start, fleet=folder)
        refused(ran, "is not approved", "A84002 moves from OLDPC to NEWPC")
        plan = ran.err.partition(told("approve ", folder))[2].split(";")[0]
        # Asked again before it is approved, it is the same one.
        assert plan in provisioner(*start, fleet=folder).err
        changing = [event for event in handle.events()[before:] if event.get("changed")]
        assert changing == []
        assert provisioner("approve", plan, "--key", pem, "--yes", "--until", "1h", fleet=folder).code == 0
        ran = provisioner(*start, fleet=folder)
        assert ran.code == 4, ran
        assert plan in provisioner("migrate", "status", "A84002", fleet=folder).out
        back = provisioner("migrate", "undo", "A84002", "--yes", fleet=folder)
        refused(back, "is not approved")
        undo = back.err.partition(told("approve ", folder))[2].split(";")[0]
        assert provisioner("approve", undo, "--key", pem, "--yes", fleet=folder).code == 0
        assert provisioner("migrate", "undo", "A84002", "--yes", fleet=folder).code in (0, 4)
        assert undo in provisioner("history", fleet=folder).out
