"""The command as a person meets it: exit codes, one error with all that is wrong, never a traceback."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from provisioner import fleet, processes
from provisioner.cli import VERBS
from provisioner.cli import provisioner as verbs
from provisioner.cli.verbs import report
from provisioner.errors import PlanRefused
from provisioner.execute import approving
from provisioner.journal import Journal
from provisioner.lab.process.client import Handle
from tests.conftest import ROOT, Command, Ran
from tests.fixtures.documents import promised

Lab = Callable[..., Handle]

SECOND = "A84005,BEDLINGTONSHIRE MED.GROUP"
ABSENT = [("plan",), ("report",), ("show", "audit-1"), ("apply", "plan-1"), ("plan", "audit-1")]


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The example fleet, with one gateway known so that there is something to read."""
    folder = tmp_path / "fleet"
    shutil.copytree(ROOT / "inventory" / "example", folder)
    edit(folder / "practices.csv", "A84002,THE ROTHBURY PRACTICE,,,", "A84002,THE ROTHBURY PRACTICE,GW1,127.0.0.1,")
    return folder


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def refused(ran: Ran, *words: str, code: int = 2) -> None:
    assert ran.code == code, ran.out + ran.err
    assert "Traceback" not in ran.err
    for word in words:
        assert word in ran.out + ran.err


@pytest.mark.parametrize("verb", [*VERBS, ""])
def test_every_verb_has_help(verb: str, cold: Command) -> None:
    ran = cold(*([verb] if verb else []), "--help")
    assert ran.code == 0
    assert len(ran.out.splitlines()) > 3


def test_common_options_may_stand_before_and_after_the_verb(example: Path, provisioner: Command) -> None:
    before = provisioner("--format", "json", "--fleet", example, "validate")
    after = provisioner("validate", "--format", "json", "--fleet", example)
    assert json.loads(before.out) == json.loads(after.out)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("read_only: true", "read_onli: true", ("fleet.yml:", "Did you mean read_only?")),
        ("version: 1", "version: 2", ("newer",)),
        ("version: 1", "version: 1\nhours: 19-07", ("fleet.yml:", "hours")),
        ("version: 1", "version: [", ("fleet.yml:",)),
        ("192.0.2.5", "237.215.5.1", ("multicast",)),
    ],
)
def test_a_wrong_fleet_yml(old: str, new: str, words: tuple[str, ...], example: Path, provisioner: Command) -> None:
    edit(example / "fleet.yml", old, new)
    for verb in ("audit", "validate"):
        refused(provisioner(verb, fleet=example), *words)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("A84002,", "A84O02,", ("practices.csv:2", "A84002")),
        ("A84002,", "A84002001,", ("practices.csv:2", "branch")),
        (f"{SECOND},,,", "A84002,THE ROTHBURY PRACTICE,GW2,127.0.0.2,", ("active", "practices.csv:3")),
        (f"{SECOND},,,", f"{SECOND},gw1,127.0.0.2,", ("practices.csv:3",)),
    ],
)
def test_a_wrong_practices_csv(old: str, new: str, words: tuple[str, ...], example: Path, provisioner: Command) -> None:
    edit(example / "practices.csv", old, new)
    refused(provisioner("audit", fleet=example), *words)


@pytest.mark.parametrize("name", ["", "nowhere"])
def test_no_fleet_at_all(name: str, tmp_path: Path, provisioner: Command) -> None:
    for verb in ("audit", "history", "validate"):
        ran = provisioner(verb, fleet=tmp_path / name)
        refused(ran, "no fleet folder", "--fleet", "PROVISIONER_FLEET", "provisioner init")
        assert "Mend these" not in ran.err
    assert ("no such folder" in ran.err) == bool(name)


def test_a_fleet_without_practices_gets_some_next(tmp_path: Path, provisioner: Command) -> None:
    assert provisioner("init", tmp_path / "new").code == 0
    ran = provisioner("audit", fleet=tmp_path / "new")
    assert ran.code == 0 and "practices.csv" in ran.err.splitlines()[-1]


@pytest.mark.parametrize("verb", ["show", "apply", "lease break", "migrate finish"])
def test_what_was_left_out_is_shown_by_an_example(verb: str, example: Path, provisioner: Command) -> None:
    ran = provisioner(*verb.split(), fleet=example)
    assert ran.code == 2 and f"provisioner {verb} " in ran.err.splitlines()[-1]


def test_a_folder_that_is_typed_counts_before_the_environment_s(example: Path, provisioner: Command) -> None:
    """`init` says to validate the folder that it made, also to who works with another one."""
    ran = provisioner("validate", example, env={"PROVISIONER_FLEET": str(example.parent)})
    assert ran.code == 0 and str(example) in ran.out
    refused(provisioner("validate", example, fleet=example.parent), "Which of the two")


def test_where_nobody_may_approve_it_is_said_where_to_name_one(example: Path) -> None:
    with pytest.raises(PlanRefused) as caught:
        approving.approver(fleet.load(example), "root")
    assert "One of these" not in caught.value.hint and "docs/operations.md" in caught.value.hint


def test_a_refused_password_is_not_tried_again_at_all_gateways(lab: Lab, provisioner: Command) -> None:
    handle = lab("A84002", "A84005", "A84006", "A84007", state="ready")
    handle.set("*", "refuses_login")
    ran = provisioner("audit", "--format", "table", fleet=handle.folder)
    refused(ran, "None of 4", code=3)
    rows = [line for line in ran.out.splitlines() if line.startswith("  A84")]
    tried = [line for line in rows if "no log-in was tried" not in line]
    assert rows[: len(tried)] == tried and len(tried) < 4
    asked = ran.out.partition("Next: ")[2].split()
    assert asked[-3:-1] == ["ping", "--only"] and asked[-1] in {row.split()[0] for row in tried}


@pytest.mark.parametrize("verb", ABSENT)
def test_what_is_not_in_the_journal(verb: tuple[str, ...], example: Path, provisioner: Command) -> None:
    refused(provisioner(*verb, fleet=example), "journal", "provisioner")


def test_a_damaged_journal_is_never_mended_silently(example: Path, provisioner: Command) -> None:
    (example / ".provisioner").mkdir()
    journal = example / ".provisioner" / "journal.db"
    journal.write_bytes(b"this is no journal" * 400)
    before = journal.read_bytes()
    refused(provisioner("history", fleet=example), "journal.db")
    assert journal.read_bytes() == before


def test_a_read_only_fleet_is_audited_and_not_changed(lab: Lab, provisioner: Command) -> None:
    handle = lab("A84002")
    edit(handle.folder / "fleet.yml", "lab: true", "lab: true\nread_only: true")
    assert provisioner("audit", fleet=handle.folder).code == 1
    plan = json.loads(provisioner("plan", "--format", "json", fleet=handle.folder).out)["plan"]
    refused(provisioner("apply", plan, "--yes", fleet=handle.folder), "read_only")
    assert handle.events() == []


def test_a_plan_is_for_its_gateways_only(lab: Lab, provisioner: Command) -> None:
    handle = lab("A84002")
    provisioner("audit", fleet=handle.folder)
    plan = json.loads(provisioner("plan", "--format", "json", fleet=handle.folder).out)["plan"]
    edit(handle.folder / "practices.csv", "127.0.0.1", "127.0.0.2")
    refused(provisioner("apply", plan, "--yes", fleet=handle.folder), "127.0.0.2", "plan again")
    assert handle.events() == []


def test_nobody_to_ask_is_not_a_yes(lab: Lab, provisioner: Command) -> None:
    handle = lab("A84002")
    provisioner("audit", fleet=handle.folder)
    plan = json.loads(provisioner("plan", "--format", "json", fleet=handle.folder).out)["plan"]
    refused(provisioner("apply", plan, fleet=handle.folder), "--yes")
    assert handle.events() == []


def test_a_folder_that_is_not_there_is_no_wrong_record(tmp_path: Path, provisioner: Command) -> None:
    ran = provisioner("record", "--verify", tmp_path / "nothere")
    refused(ran, "nothere is no folder")
    assert "WRONG" not in ran.out


def test_what_another_process_does_just_now_is_not_told_as_if_it_were_over(lab: Lab, provisioner: Command) -> None:
    folder = lab("A84002").folder
    assert provisioner("audit", fleet=folder).code == 1
    plan = json.loads(provisioner("plan", "--remedy", "power", "--format", "json", fleet=folder).out)["plan"]
    now = datetime.now(UTC)
    with Journal.open(folder / ".provisioner" / "journal.db") as journal:
        journal.take([plan], processes.this(), "apply", now, now + timedelta(hours=4))
        for verb in ("undo", "apply"):
            ran = provisioner(verb, plan, fleet=folder)
            assert ran.code == 4, ran
            assert ran.err.startswith(f"provisioner: {plan} is being applied: "), ran.err
            assert not ran.out


def test_only_and_remedy_narrow_what_is_done(lab: Lab, provisioner: Command) -> None:
    handle = lab("A84002", "A84005")
    provisioner("audit", fleet=handle.folder)
    plan = json.loads(provisioner("plan", "--format", "json", fleet=handle.folder).out)["plan"]
    ran = provisioner("apply", plan, "--yes", "--only", "A84005", "--remedy", "firewall", fleet=handle.folder)
    assert ran.code == 0, ran.out + ran.err
    assert {event["gateway"] for event in handle.events()} == {"A84005"}
    # But for the marker that stands there while we are at work.
    ours = {"folder_made", "file_written", "file_removed"}
    assert {event["event"] for event in handle.events()} - ours == {"rule_added"}


def test_a_wrong_package_is_refused_before_anything_is_run(lab: Lab, provisioner: Command) -> None:
    handle = lab("A84002")
    text = (handle.folder / "fleet.yml").read_text("utf-8")
    before, _, after = text.partition("sha256: '")
    (handle.folder / "fleet.yml").write_text(before + "sha256: '" + "0" * 64 + after[64:], "utf-8")
    provisioner("audit", fleet=handle.folder)
    plan = json.loads(provisioner("plan", "--format", "json", fleet=handle.folder).out)["plan"]
    ran = provisioner("apply", plan, "--yes", "--remedy", "connector", fleet=handle.folder)
    refused(ran, "sha256", code=4)
    assert not [event for event in handle.events() if event["event"] == "package_unpacked"]


def test_ping_says_for_each_gateway_whether_one_can_get_in(lab: Lab, provisioner: Command) -> None:
    handle = lab("A84002", "A84005")
    handle.set("A84005", "offline")
    ran = provisioner("ping", "--format", "table", fleet=handle.folder)
    assert ran.code == 3
    assert "ok  A84002" in ran.out
    assert "no  A84005" in ran.out
    header, *rows = [line.split("\t") for line in provisioner("ping", fleet=handle.folder).out.splitlines()]
    assert header == ["practice", "gateway", "ok", "seconds", "message", "hint"]
    assert sorted(row[:3] for row in rows) == [["A84002", "A84002", "yes"], ["A84005", "A84005", "no"]]
    assert {len(row) for row in rows} == {6}
    answers = json.loads(provisioner("ping", "--format", "json", fleet=handle.folder).out)
    assert [(one["gateway"], one["ok"]) for one in answers["gateways"]] == [("A84002", True), ("A84005", False)]


def test_read_prints_each_section_with_its_time(lab: Lab, provisioner: Command) -> None:
    handle = lab("A84002")
    ran = provisioner("read", "A84002", fleet=handle.folder)
    assert ran.code == 0
    assert "\nfirewall  (0." in ran.out
    refused(provisioner("read", "A84003", fleet=handle.folder), "A84002")


def test_a_page_for_each_practice_shows_nobody_else(lab: Lab, provisioner: Command, tmp_path: Path) -> None:
    handle = lab("A84002", "A84005")
    provisioner("audit", fleet=handle.folder)
    ran = provisioner("report", "--per-practice", "--output", tmp_path / "pages", fleet=handle.folder)
    assert ran.code == 0, ran.err
    pages = {path.stem: path.read_text("utf-8") for path in (tmp_path / "pages").glob("*.html")}
    assert set(pages) == {"A84002", "A84005"}
    assert "A84005" not in pages["A84002"]
    assert "A84002" not in pages["A84005"]


def test_the_facts_of_many_gateways_lie_beside_the_page(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = lab("A84002", "A84005")
    monkeypatch.setattr(report, "_IN_ONE_PAGE", 1)
    run = CliRunner().invoke
    run(verbs, ["--fleet", str(handle.folder), "audit"])
    page = tmp_path / "x.html"
    ran = run(verbs, ["--fleet", str(handle.folder), "report", "--output", str(page)])
    assert ran.exit_code == 0, ran.output
    assert {one.name for one in (tmp_path / "x-facts").iterdir()} == {"gateway-1.js", "gateway-2.js"}
    assert "x-facts/gateway-2.js" in page.read_text("utf-8")


def test_json_is_as_docs_json_md_promises(lab: Lab, provisioner: Command) -> None:
    handle = lab("A84002")
    # What answers at that address is the gateway.
    edit(handle.folder / "fleet.yml", "path: /{gateway}/wsman", "path: /A84002/wsman")
    edit(handle.folder / "fleet.yml", "connection:\n", "find: {ranges: [127.0.0.0/8]}\nconnection:\n")
    provisioner("audit", fleet=handle.folder)
    plan = json.loads(provisioner("plan", "--format", "json", fleet=handle.folder).out)["plan"]
    national = ROOT / "inventory" / "example" / "epraccur.csv"
    for name, arguments in {
        "ping": ("ping",),
        "read": ("read", "A84002"),
        "validate": ("validate",),
        "practices": ("practices", national),
        "find": ("find", "--addresses", "127.0.0.1"),
        "history": ("history",),
        "rehearsal": ("apply", plan, "--dry-run"),
    }.items():
        # A national list is nobody's fleet.
        fleet = None if name == "practices" else handle.folder
        ran = provisioner(*arguments, "--format", "json", fleet=fleet)
        jsonschema.validate(json.loads(ran.out), promised(name))
