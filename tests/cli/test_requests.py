"""The papers for other teams: each is read as its owner would, who never saw provisioner."""

import csv
import email
import email.policy
import io
import json
import shutil
from collections.abc import Iterator, Mapping
from email.message import EmailMessage
from pathlib import Path

import jsonschema
import pytest

from provisioner.lab.process import client
from tests.conftest import ROOT, Ran, command_ended
from tests.fixtures.documents import Page, promised

# Each gateway's practice has one thing that somebody else has to do.
FAULTS: Mapping[str, tuple[str, ...]] = {
    "A84002": ("network_blocks_endpoint=203.0.113.15",),
    "A84005": ("third_party_antivirus=Sophos Intercept X",),
    "A84006": ("policy_overrides_firewall",),
    "A84007": ("systmone=off",),
    "A84008": ("offline",),
}
NASTY = "=HYPERLINK(1)"
CONTACT = """
contact:
  name: GP IT service desk
  telephone: 01670 123456
  email: gp-it@example.nhs.uk
rollout:
  hours: Mon-Sun 00:00-24:00
"""


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A fleet folder with an audit and a plan, in which each owner has something to do."""
    folder = tmp_path_factory.mktemp("requests") / "fleet"
    rows = [
        {"practice": code, "name": NASTY if code == "A84002" else f"PRACTICE {code}", "gateway": "", "address": "",
         "role": "active"}
        for code in FAULTS
    ]  # fmt: skip
    with client.running(folder, rows, state="fresh") as handle:
        for name, faults in FAULTS.items():
            handle.set(name, *faults)
        with (folder / "fleet.yml").open("a", encoding="utf-8") as settings:
            settings.write(CONTACT)
        with_addresses(folder / "practices.csv")
        assert run(folder, "audit").code == 3
        assert run(folder, "plan").code == 0
        yield folder


@pytest.fixture(scope="module")
def papers(estate: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is written by the plan, which is the latest that the journal has."""
    folder = tmp_path_factory.mktemp("written") / "papers"
    ran = run(estate, "requests", "latest", "--output", folder)
    assert ran.code == 0, ran.err
    assert "security   4 gateways, before the run: security.txt" in ran.out
    assert "No draft where practices.csv has no address" in ran.err and "desktop_email (1)" in ran.err
    return folder


def run(fleet: Path, *words: str | Path) -> Ran:
    return command_ended(*words, fleet=fleet)


def with_addresses(path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))
    for row in rows:
        row |= {"network_email": "networks@example.nhs.uk", "security_email": "soc@example.nhs.uk"}
        row["practice_email"] = "manager@example.nhs.uk" if row["practice"] == "A84007" else ""
        row["icb_it_email"] = "east@example.nhs.uk" if row["practice"] == "A84008" else "west@example.nhs.uk"
    made = io.StringIO()
    writer = csv.DictWriter(made, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(made.getvalue(), "utf-8")


def rows_of(path: Path) -> list[dict[str, str]]:
    data = path.read_bytes()
    assert data.startswith(b"\xef\xbb\xbf") and b"\r\n" in data
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))


def plain(path: Path) -> str:
    return " ".join(path.read_text("utf-8").split())


def mail(path: Path) -> EmailMessage:
    found = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert isinstance(found, EmailMessage)
    return found


def test_the_network_team_is_told_from_where_to_where(papers: Path) -> None:
    found = plain(papers / "network.txt")
    for said in (
        "To: the network team From: GP IT service desk, telephone 01670 123456, gp-it@example.nhs.uk",
        "A SystmOne gateway is the one PC at a GP practice",
        "1. Let the gateways reach the vendor's endpoints on TCP port 443",
        "Undo: Take the rule for these addresses and this port out again.",
        "Done: We read the gateways again over the network",
        "from 127.0.0.1, outbound, to 192.0.2.5, 198.51.100.9, 203.0.113.15, 203.0.113.16, TCP 443",
        "no answer from 203.0.113.15",
        "please tell GP IT service desk, telephone 01670 123456",
    ):
        assert said in found, said
    assert "fleet.yml" not in found and "statements.csv" not in found


def test_a_csv_has_a_row_for_each_gateway_and_destination_and_no_formula(papers: Path) -> None:
    rows = rows_of(papers / "network.csv")
    assert {(row["source"], row["destination"], row["port"], row["protocol"]) for row in rows} >= {
        ("127.0.0.1", "203.0.113.15", "443", "TCP"), ("127.0.0.1", "192.0.2.5", "443", "TCP"),
    }  # fmt: skip
    assert {row["practice_name"] for row in rows} == {f"'{NASTY}"}
    assert all(row["undo"] and row["done_when"] and row["why"] for row in rows)


def test_the_antivirus_owner_is_told_path_and_hash(papers: Path) -> None:
    found = plain(papers / "antivirus.txt")
    assert "C:\\iPlato\\jre\\bin\\java.exe" in found and "Sophos Intercept X" in found
    (row,) = rows_of(papers / "antivirus.csv")
    assert row["path"] == "C:\\iPlato\\jre\\bin\\java.exe" and row["computer"] == "GWPC-A84005"
    digest = row["package"].rstrip(".").rpartition(" ")[2]
    assert len(digest) == 64 and digest in found and digest in (papers / "security.txt").read_text("utf-8")


def test_the_desktop_team_is_told_the_whole_rule(papers: Path) -> None:
    found = plain(papers / "desktop.txt")
    for said in (
        "outbound, allow, TCP, remote port 443",
        "all profiles",
        "203.0.113.16",
        "jre\\bin\\java.exe",
        "GWPC-A84006",
    ):
        assert said in found, said


def test_each_practice_gets_its_own_letter(papers: Path) -> None:
    """One that has nobody logged in, and one whose PC cannot be reached; the others' gaps are for others."""
    letters = {path.stem for path in papers.glob("practice-*.html")}
    assert letters == {"practice-A84007", "practice-A84008"}
    page = Page((papers / "practice-A84007.html").read_text("utf-8")).words
    assert "What we ask of you Log in to SystmOne on the gateway PC" in page
    assert "is it switched on" in plain(papers / "practice-A84008.txt")
    for path in papers.glob("practice-A84007.*"):
        text = path.read_text("utf-8")
        assert "A84008" not in text and "A84002" not in text and "127.0.0.1" not in text


def test_the_security_team_is_told_who_from_where_when_and_what_they_will_see(papers: Path) -> None:
    found = plain(papers / "security.txt")
    for said in (
        "Account: LAB\\provisioner",
        "(127.0.0.1)",
        "Hours: Mon-Sun 00:00-24:00",
        "Begins by:",
        "Firewall rule (outbound, allow, TCP 443): iPlato Connector",
        "Defender exclusion (path): C:\\iPlato\\jre\\bin\\java.exe",
        "Windows service: iPlatoConnector",
        "Security 4624 (everything, reading too)",
        "Rule: Elastic: Incoming Execution via WinRM Remote Shell",
        "Microsoft-Windows-Windows Defender/Operational 5007 (antivirus)",
        "Rule: Sigma: Windows Defender Exclusions Added",
        "Rule: Sigma: New Firewall Rule Added In Windows Firewall Exception List",
        "System 7045 (service)",
        "Gateways (4)",
    ):
        assert said in found, said
    assert {row["gateway"] for row in rows_of(papers / "security.csv")} == {"A84002", "A84005", "A84006", "A84007"}
    page = Page((papers / "security.html").read_text("utf-8"))
    assert "5007" in page.words and page.tags["script"] == 0


def test_drafts_go_to_who_has_an_address_and_hold_nothing_of_others(papers: Path) -> None:
    drafts = {path.stem: mail(path) for path in papers.glob("*.eml")}
    assert {name: one["To"] for name, one in drafts.items()} == {
        "network": "networks@example.nhs.uk",
        "practice-A84007": "manager@example.nhs.uk",
        "security": "soc@example.nhs.uk",
        "icb-it-1": "west@example.nhs.uk",
        "icb-it-2": "east@example.nhs.uk",
    }
    assert all(one["X-Unsent"] == "1" and "From" not in one for one in drafts.values())
    east = drafts["icb-it-2"]
    body = east.get_body()
    assert body and "A84008" in body.get_content() and "A84005" not in body.get_content()
    (attached,) = east.iter_attachments()
    assert attached.get_filename() == "icb-it.csv" and "A84005" not in str(attached.get_content())


def test_papers_of_an_audit_leave_out_what_only_a_plan_knows(estate: Path, tmp_path: Path) -> None:
    ran = run(estate, "requests", "--output", tmp_path / "x", "--only", "A84002", "--format", "json")
    body = json.loads(ran.out)
    jsonschema.validate(body, promised("requests"))
    assert not body["security"] and "network.csv" in body["files"]
    assert {gateway for one in body["requests"] for gateway in one["gateways"]} == {"A84002"}


def test_nothing_is_written_into_a_folder_that_holds_something(estate: Path, papers: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in papers.iterdir()}
    ran = run(estate, "requests", "--output", papers)
    assert ran.code == 2 and "is not empty" in ran.err and "Traceback" not in ran.err
    assert {path.name: path.read_bytes() for path in papers.iterdir()} == before
    ran = run(estate, "requests", "--output", tmp_path / "no" / "such")
    assert ran.code == 2 and "cannot be written" in ran.err
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("mine")
    ran = run(estate, "requests", "--output", tmp_path / "file")
    assert ran.code == 2 and (tmp_path / "file").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    assert run(estate, "requests", "--output", tmp_path / "empty").code == 0
    assert (tmp_path / "empty" / "network.txt").exists()


def test_a_plan_or_an_audit_of_another_fleet_is_refused(estate: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / ".provisioner").mkdir(parents=True)
    for name in ("fleet.yml", "practices.csv"):
        text = (estate / name).read_text("utf-8")
        (other / name).write_text(text.replace("A84", "A85"), "utf-8")
    (other / "fleet.yml").write_text(
        (other / "fleet.yml").read_text("utf-8") + f"journal: {estate / '.provisioner' / 'journal.db'}\n", "utf-8"
    )
    # The password's file is the lab's own.
    (other / ".provisioner" / "lab").symlink_to(estate / ".provisioner" / "lab")
    entries = json.loads(run(estate, "history", "--format", "json").out)["entries"]
    for entry in entries:
        ran = run(other, "requests", entry["id"], "--output", tmp_path / "x")
        assert ran.code == 2 and "Traceback" not in ran.err
        assert "another fleet folder" in ran.err or "gateways that this fleet folder does not have" in ran.err
    assert not (tmp_path / "x").exists()


def test_who_has_no_gap_is_asked_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "fleet"
    rows = [{"practice": "A84002", "name": "", "gateway": "", "address": "", "role": "active"}]
    with client.running(folder, rows, state="ready"):
        assert run(folder, "audit").code == 0
        ran = run(folder, "requests", "--output", tmp_path / "x")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("Nothing to ask of anybody, by audit ")
    assert not (tmp_path / "x").exists()


def test_practices_whose_pc_is_not_known_are_told_apart(tmp_path: Path) -> None:
    """Their gateways have no name."""
    folder = tmp_path / "fleet"
    shutil.copytree(ROOT / "inventory" / "example", folder)
    rows = (folder / "practices.csv").read_text("utf-8")
    (folder / "practices.csv").write_text(rows.replace("PRACTICE,,,", "PRACTICE,GW1,127.0.0.1,", 1), "utf-8")
    run(folder, "audit")
    ran = run(folder, "requests", "--output", tmp_path / "x", "--only", "A84006", "--only", "A84007")
    assert ran.code == 0, ran.err
    assert {path.stem for path in (tmp_path / "x").iterdir()} == {"icb-it", "practice-A84006", "practice-A84007"}
    told = plain(tmp_path / "x" / "practice-A84006.txt")
    assert "ALNWICK MEDICAL GROUP (PC not known yet)" in told and "PONTELAND" not in told
    ours = plain(tmp_path / "x" / "icb-it.txt")
    assert "ALNWICK MEDICAL GROUP" in ours and "PONTELAND MEDICAL GROUP" in ours and "(2 gateways)" in ours


def test_papers_by_a_part_say_so(estate: Path, tmp_path: Path) -> None:
    """Of what was not asked nothing is wanted of anybody: that is no news that all is well there."""
    audit = json.loads(run(estate, "audit", "--only", "A84002", "--format", "json").out)["audit"]
    plan = json.loads(run(estate, "plan", "--remedy", "firewall", "--format", "json").out)["plan"]
    ways = {
        "audit": ((audit,), "only a part: 1 of 5 gateways"),
        "only": (("--only", "A84002"), "only a part: 1 of 5 gateways"),
        "plan": ((plan,), "only a part: firewall alone"),
        "all": ((), ""),
    }
    for name, (words, is_part) in ways.items():
        ran = run(estate, "requests", *words, "--output", str(tmp_path / name))
        assert ran.code == 0, ran.err
        paper = " ".join((tmp_path / name / "network.txt").read_text("utf-8").split())
        assert (is_part in paper) if is_part else ("a part" not in paper), paper[:300]
