"""What the vendor has not told yet keeps nobody from looking: every verb that only looks runs, and what needs the
answer is neither judged nor done, and it is said who is to be asked."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from provisioner import fleet as fleets
from provisioner.ansible import inventory
from provisioner.cli import provisioner as verbs
from provisioner.errors import ProvisionerError
from provisioner.lab.estate.folder import ENDPOINTS
from provisioner.lab.process.client import Handle
from tests.conftest import Command, Ran, told

Lab = Callable[..., Handle]


@pytest.fixture
def provisioner() -> Command:
    """The command, in this process: there are many."""

    def run(*arguments: str | Path, fleet: Path | None = None) -> Ran:
        where = ["--fleet", str(fleet)] if fleet else []
        result = CliRunner().invoke(verbs, [*where, *map(str, arguments)], standalone_mode=False)
        if isinstance(result.exception, ProvisionerError):
            return Ran(result.exception.exit_code, result.stdout, result.stderr + result.exception.message)
        assert result.exception is None, result.exception
        return Ran(result.return_value or 0, result.stdout, result.stderr)

    return run


FOUR = ENDPOINTS
# How fleet.yml has the endpoints, and how many of them are known.
PARTLY = {
    "none": ("endpoints: []", "no endpoints"),
    "left blank": ("endpoints:", "no endpoints"),
    "left out": ("", "no endpoints"),
    "one": (f"endpoints: [{FOUR[0]}]", "1 of the vendor's four endpoints"),
    "three": (f"endpoints: [{', '.join(FOUR[:3])}]", "3 of the vendor's four endpoints"),
    "one twice": (f"endpoints: [{', '.join((*FOUR[:3], FOUR[0]))}]", "3 of the vendor's four endpoints"),
    "as they are printed": ("endpoints: [237.215.5, 237.215.9, .15, '237.215.16:443']", "none of the vendor's four"),
    "one as it is printed": (f"endpoints: [{', '.join(FOUR[:3])}, 237.215.16]", "3 of the vendor's four endpoints"),
}
OF_ENDPOINTS = ("R11-internet", "R14-rule", "R14-policy", "R14-reachable")


def forget(folder: Path, line: str) -> None:
    """Put that in the place of the lab's endpoints."""
    path = folder / "fleet.yml"
    text, count = re.subn(r"(?m)^endpoints:.*(?:\n[ -].*)*$", line, path.read_text("utf-8"))
    assert count == 1
    path.write_text(text, "utf-8")


def run(provisioner: Command, folder: Path, *arguments: str, codes: tuple[int, ...] = (0,)) -> Any:
    ran = provisioner(*arguments, "--format", "json", fleet=folder)
    assert ran.code in codes, (arguments, ran.err)
    return json.loads(ran.out)


@pytest.mark.parametrize("name", PARTLY)
def test_a_ready_gateway_is_audited_without_all_endpoints(name: str, lab: Lab, provisioner: Command) -> None:
    line, known = PARTLY[name]
    handle = lab("A84002", state="ready")
    forget(handle.folder, line)
    assert run(provisioner, handle.folder, "validate")["right"]
    audit = run(provisioner, handle.folder, "audit", codes=(0, 1))
    (gateway,) = audit["gateways"]
    found = {finding["control"]: finding for finding in gateway["findings"]}
    assert {id_: found[id_]["status"] for id_ in OF_ENDPOINTS} == dict.fromkeys(OF_ENDPOINTS, "unknown"), found
    assert all(f"fleet.yml has {known}" in found[id_]["message"] for id_ in OF_ENDPOINTS)
    assert not gateway["ready"]
    assert [id_ for id_, finding in found.items() if finding["status"] == "failed"] == []
    plan = run(provisioner, handle.folder, "plan")
    assert plan["waves"] == []
    gaps = {gap["control"]: gap for gap in plan["gaps"]}
    assert {gaps[id_]["owner"] for id_ in OF_ENDPOINTS} == {"vendor"}
    assert all("endpoints in fleet.yml" in gaps[id_]["ask"] for id_ in OF_ENDPOINTS)


def test_nothing_that_needs_them_is_planned_for_a_bare_gateway(lab: Lab, provisioner: Command) -> None:
    """A rule that lacks a known address has failed; but no rule is made of three addresses."""
    handle = lab("A84002")
    forget(handle.folder, PARTLY["three"][0])
    run(provisioner, handle.folder, "audit", codes=(1,))
    plan = run(provisioner, handle.folder, "plan")
    planned = {step["remedy"] for wave in plan["waves"] for step in wave["steps"]}
    assert planned == {"java", "connector", "antivirus", "service"}
    asked = {gap["control"]: gap["owner"] for gap in plan["gaps"]}
    assert asked["R14-rule"] == "vendor"
    assert "R17-running" in asked
    assert run(provisioner, handle.folder, "audit", codes=(1,))
    listing = inventory.of_fleet(fleets.load(handle.folder))
    assert "firewall" not in listing["_meta"]["hostvars"]["A84002"]["provisioner_roles"]


def test_a_plan_from_when_they_were_known_makes_no_rule_now(lab: Lab, provisioner: Command) -> None:
    handle = lab("A84002")
    run(provisioner, handle.folder, "audit", codes=(1,))
    plan = run(provisioner, handle.folder, "plan", "--remedy", "firewall")
    forget(handle.folder, PARTLY["none"][0])
    ran = provisioner("apply", plan["plan"], "--yes", "--format", "json", fleet=handle.folder)
    assert ran.code != 0
    assert [one["result"] for one in json.loads(ran.out)["outcomes"]] == ["stale"]
    assert handle.state()["A84002"]["firewall"]["rules"] == []


def test_no_gateway_is_moved_without_them(lab: Lab, provisioner: Command, tmp_path: Path) -> None:
    handle = lab("A84002", state="ready")
    table = handle.folder / "practices.csv"
    table.write_text(table.read_text("utf-8") + "A84002,,NEW,127.0.0.1,standby\n", "utf-8")
    forget(handle.folder, PARTLY["three"][0])
    ran = provisioner("migrate", "start", "A84002", "--to", "NEW", "--yes", fleet=handle.folder)
    assert ran.code == 2, ran.out + ran.err
    assert handle.events() == []


LOOKING = (
    ("validate",), ("ping",), ("audit",), ("plan",), ("history",), ("report", "--as", "html"),
    ("report", "--as", "csv"), ("report", "--as", "junit"), ("inventory",), ("lease", "list"), ("migrate", "status"),
)  # fmt: skip


@pytest.mark.parametrize("practices", [(), ("A84002", "A84005", "A84006")], ids=["no practices", "none known yet"])
def test_a_folder_of_init_is_looked_at_by_every_verb(
    practices: tuple[str, ...], provisioner: Command, tmp_path: Path
) -> None:
    folder = tmp_path / "fleet"
    assert provisioner("init", folder).code == 0
    with (folder / "practices.csv").open("a", encoding="utf-8") as file:
        file.writelines(f"{code},Practice {code},,,active\n" for code in practices)
    for words in LOOKING:
        ran = provisioner(*words, fleet=folder)
        assert ran.code == 0, (words, ran.err)
    for kind in ("audit", "plan"):
        entries = run(provisioner, folder, "history")["entries"]
        id_ = next(entry["id"] for entry in entries if entry["kind"] == kind)
        assert provisioner("show", id_, fleet=folder).code == 0
        assert provisioner("report", id_, "--as", "html", fleet=folder).code == 0
    if practices:
        assert "3 not known yet" in provisioner("audit", fleet=folder).err
        plan = provisioner("plan", fleet=folder)
        assert re.search(r"ICB IT at 3: its PC is not known yet \(3\)", plan.out), plan.out
        assert "Not asked, because which PC it is is not known yet: 3 gateways" in provisioner("ping", fleet=folder).err
        assert f"Next: {told('find --directory', folder)}\n" in provisioner("audit", fleet=folder).err
        for words in (("why", "a84002", "clock"), ("read", "A84002")):
            assert "which PC is its gateway is not known yet" in provisioner(*words, fleet=folder).err
        shown = provisioner("show", id_, fleet=folder)
        assert ": 0 steps.\n" in shown.out + shown.err
        gaps = run(provisioner, folder, "plan")["gaps"]
        assert {gap["message"] for gap in gaps} == {"its PC is not known yet"}
        assert {gap["practice"] for gap in gaps} == set(practices)


@pytest.mark.parametrize("missing", ["sha256", "url", "sha256 and url"])
def test_what_is_missing_of_a_package_is_asked_for_and_keeps_nobody_from_looking(
    missing: str, lab: Lab, provisioner: Command
) -> None:
    """The vendor has told where the installer lies, and not yet what it must be: nothing is installed by half."""
    handle = lab("A84002")
    settings = handle.folder / "fleet.yml"
    before, _, rest = settings.read_text("utf-8").partition("  connector:\n")
    its, _, after = rest.partition("  jre:\n")
    for key in missing.split(" and "):
        its = re.sub(rf"^    {key}:.*\n", "", its, flags=re.M)
    # Files of the practice alone prove nothing: no reading could show that what was installed is right.
    (handle.folder / "x.j2").write_text("x\n", "utf-8")
    made = "\nconnector:\n  files:\n    - {path: conf/x.ini, template: x.j2}\n"
    after = after.replace("\nconnector:\n", made)
    assert made in after
    settings.write_text(f"{before}  connector:\n{its}  jre:\n{after}", "utf-8")
    said = run(provisioner, handle.folder, "validate")
    assert said["right"]
    assert [fault["warning"] for fault in said["faults"]] == [True] * (1 + missing.count("and"))
    for words in (("audit",), ("ping",), ("history",), ("forecast",)):
        run(provisioner, handle.folder, *words, codes=(0, 1))
    plan = run(provisioner, handle.folder, "plan")
    planned = {step["remedy"] for wave in plan["waves"] for step in wave["steps"]}
    assert "java" in planned and not planned & {"connector", "start"}
    assert any("packages.connector" in gap["ask"] and gap["owner"] == "vendor" for gap in plan["gaps"]), plan["gaps"]
    its_values = inventory.of_fleet(fleets.load(handle.folder))["_meta"]["hostvars"]["A84002"]
    assert not its_values["connector_package"]
    run(provisioner, handle.folder, "apply", plan["plan"], "--dry-run")
    assert run(provisioner, handle.folder, "apply", plan["plan"], "--yes")["outcomes"]
    run(provisioner, handle.folder, "requests", "--output", str(handle.folder / "asked"))
    run(provisioner, handle.folder, "undo", "latest", "--yes", codes=(0, 5))


def test_no_gateway_is_moved_by_a_package_that_is_not_known_whole(lab: Lab, provisioner: Command) -> None:
    handle = lab("A84002", state="ready")
    table, settings = handle.folder / "practices.csv", handle.folder / "fleet.yml"
    table.write_text(table.read_text("utf-8") + "A84002,,NEW,127.0.0.1,standby\n", "utf-8")
    before, _, procrun = settings.read_text("utf-8").partition("  procrun:\n")
    untold = re.sub(r"^    sha256:.*\n", "", procrun, flags=re.M)
    settings.write_text(f"{before}  procrun:\n{untold}", "utf-8")
    ran = provisioner("migrate", "start", "A84002", "--to", "NEW", "--yes", fleet=handle.folder)
    assert ran.code == 2, ran.out + ran.err
    assert "packages.procrun.sha256" in ran.err
    assert handle.events() == []


def test_a_service_that_nothing_makes_is_asked_for_and_not_planned(lab: Lab, provisioner: Command) -> None:
    """The Connector comes as a zip, and nobody has named procrun: the step failed at the first gateway, each time."""
    handle = lab("A84002")
    settings = handle.folder / "fleet.yml"
    text = settings.read_text("utf-8")
    settings.write_text(re.sub(r"^  procrun:\n(    .*\n)+", "", text, flags=re.M), "utf-8")
    run(provisioner, handle.folder, "audit", codes=(1,))
    plan = run(provisioner, handle.folder, "plan")
    planned = {step["remedy"] for wave in plan["waves"] for step in wave["steps"]}
    assert planned == {"java", "connector", "firewall", "antivirus"}
    asked = {gap["control"]: gap for gap in plan["gaps"]}
    assert asked["R17-service"]["owner"] == "vendor" and "packages.procrun" in asked["R17-service"]["ask"]
    ended = run(provisioner, handle.folder, "apply", plan["plan"], "--yes")["outcomes"]
    assert {one["result"] for one in ended} == {"done"}
    # An installer may make the service: then it is looked for when that has run.
    by_zip = text.partition("  connector:\n")[2].partition("  jre:\n")[0]
    by_msi = re.sub(r"^    root:.*\n", "", by_zip, flags=re.M) + "    kind: msi\n    product_id: x\n"
    settings.write_text(settings.read_text("utf-8").replace(by_zip, by_msi), "utf-8")
    run(provisioner, handle.folder, "audit", codes=(1,))
    plan = run(provisioner, handle.folder, "plan")
    assert {"connector", "service"} <= {step["remedy"] for wave in plan["waves"] for step in wave["steps"]}


def test_where_there_is_nothing_it_is_said_and_a_document_is_one(provisioner: Command, tmp_path: Path) -> None:
    """A pipe that asks for JSON gets JSON, and a person is not left with nothing at all."""
    folder = tmp_path / "fleet"
    assert provisioner("init", folder).code == 0
    asked = provisioner("ping", fleet=folder)
    assert "no practices yet" in asked.out + asked.err
    for words in (
        ("audit",),
        ("plan",),
        ("ping",),
        ("undo", "latest"),
        ("show", "latest"),
        ("history",),
        ("forecast",),
    ):
        run(provisioner, folder, *words)


def test_practices_without_a_pc_keep_their_rows_beside_those_that_have_one(lab: Lab, provisioner: Command) -> None:
    """They all have the same name, none, and were taken for one row."""
    handle = lab("A84002", state="ready")
    table = handle.folder / "practices.csv"
    table.write_text(table.read_text("utf-8") + "A84005,,,,active\nA84006,,,,active\n", "utf-8")
    ran = provisioner("audit", fleet=handle.folder)
    assert ran.code == 0, ran.out + ran.err
    assert "2 not known yet" in ran.err
    assert "A84005" in ran.out
    assert "A84006" in ran.out
