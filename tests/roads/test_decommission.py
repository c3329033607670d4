"""A practice closes or leaves SystmOne: what the Connector left on its gateway goes, by the commands a person gives."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from provisioner.lab.process.client import Handle
from tests.conftest import Command
from tests.roads.planning import planned, steps

Lab = Callable[..., Handle]

FOLDER, JAVA, KEPT = "c:\\iplato", "c:\\java", "c:\\programdata\\provisioner\\kept"
PROCRUN = "hklm:\\software\\wow6432node\\apache software foundation\\procrun 2.0\\iplatoconnector"


def retire(fleet: Path, gateway: str) -> None:
    """What a person changes in practices.csv."""
    path = fleet / "practices.csv"
    lines = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text("".join(one.replace("active", "retired") if gateway in one else one for one in lines), "utf-8")


def state(fleet: Path, practice: str) -> None:
    """A named person's word that the practice wants no Connector any more."""
    today = datetime.now(UTC).date()
    until = today + timedelta(days=30)
    row = f"{practice},,no-connector-wanted,The practice has closed,P. Shah,{today},{until},CHG-9\n"
    with (fleet / "statements.csv").open("a", encoding="utf-8", newline="") as file:
        file.write(row)


def change(fleet: Path, old: str, new: str) -> None:
    path = fleet / "fleet.yml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def left(handle: Handle, name: str) -> dict[str, list[str]]:
    """What of the Connector is on a machine."""
    found: dict[str, Any] = handle.state()[name]
    return {
        "services": [one["name"] for one in found["services"]],
        "rules": [one["name"] for one in found["firewall"]["rules"]],
        "exclusions": found["defender"]["paths"] + found["defender"]["processes"],
        "files": [path for path in (*found["disk"]["files"], *found["disk"]["folders"]) if under(path, FOLDER, JAVA)],
        "keys": [key for key in found["registry"]["keys"] if under(key, PROCRUN)],
    }


def under(path: str, *tops: str) -> bool:
    return any(path == top or path.startswith(f"{top}\\") for top in tops)


def kept(handle: Handle, name: str) -> list[str]:
    """The files that are kept by themselves; what is kept for an undo lies in a folder of its plan."""
    paths = [path.rpartition("\\") for path in handle.state()[name]["disk"]["files"] if under(path, KEPT)]
    return [leaf for folder, _, leaf in paths if folder.lower() == KEPT.lower()]


def gaps(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [(gap["control"], gap["ask"]) for gap in document["gaps"]]


def test_a_closed_practices_gateway_is_emptied(lab: Lab, provisioner: Command) -> None:
    """Refused without a word, planned with it, done, proved, and nothing is left to do; its neighbour is untouched."""
    handle = lab("A84002", "A84005", state="ready")
    assert all(left(handle, "A84002").values())
    neighbour = handle.state()["A84005"]
    retire(handle.folder, "A84002")

    plan = planned(provisioner, handle.folder)
    assert steps(plan) == []
    [(control, ask)] = gaps(plan)
    assert (control, "A84002,,no-connector-wanted," in ask) == ("retired-service", True)

    state(handle.folder, "A84002")
    plan = planned(provisioner, handle.folder)
    assert steps(plan) == [f"A84002-{remedy}" for remedy in ("service", "antivirus", "firewall", "connector")]
    assert gaps(plan) == []
    before = handle.state()
    shown = provisioner("apply", str(plan["plan"]), "--dry-run", fleet=handle.folder)
    assert shown.code == 0, shown.out + shown.err
    assert "A84002-connector: would change" in shown.out
    assert handle.state() == before

    applied = provisioner("apply", str(plan["plan"]), "--yes", fleet=handle.folder)
    assert applied.code == 0, applied.out + applied.err
    assert not any(left(handle, "A84002").values())
    told = [event["event"] for event in handle.events() if event["gateway"] == "A84002"]
    assert told.index("service_stopped") < told.index("exclusion_removed") < told.index("folder_removed")
    assert handle.state()["A84005"] == neighbour

    audit = provisioner("audit", "--format", "json", fleet=handle.folder)
    assert audit.code == 0, audit.out
    assert {one["gateway"]: one["ready"] for one in json.loads(audit.out)["gateways"]} == {
        "A84002": True, "A84005": True,
    }  # fmt: skip
    again = planned(provisioner, handle.folder)
    assert (steps(again), gaps(again)) == ([], [])


def test_files_go_last_the_practices_own_are_kept_and_a_runtime_elsewhere_goes_too(
    lab: Lab, provisioner: Command
) -> None:
    handle = lab("A84002")
    (handle.folder / "conf.j2").write_text("practice={{ practice }}\n", "utf-8")
    change(handle.folder, "\nconnector:\n", "\nconnector:\n  files:\n    - {path: conf.ini, template: conf.j2}\n")
    change(handle.folder, "\njava:\n", "\njava:\n  home: C:\\Java\n")
    plan = planned(provisioner, handle.folder)
    only = ("--remedy", "java", "--remedy", "connector")
    provisioner("apply", str(plan["plan"]), "--yes", *only, fleet=handle.folder)
    assert {"c:\\iplato\\conf.ini", "c:\\java\\bin\\java.exe"} <= set(left(handle, "A84002")["files"])

    retire(handle.folder, "A84002")
    state(handle.folder, "A84002")
    plan = planned(provisioner, handle.folder)
    assert steps(plan) == ["A84002-connector", "A84002-java"]
    applied = provisioner("apply", str(plan["plan"]), "--yes", fleet=handle.folder)
    assert applied.code == 0, applied.out + applied.err
    assert not any(left(handle, "A84002").values())
    # With the note of what it was made from: both come back together.
    assert [name.rpartition(".")[0] for name in kept(handle, "A84002")] == ["conf.ini", "made.json"]


def test_files_are_not_taken_from_under_a_connector_that_runs(lab: Lab, provisioner: Command) -> None:
    handle = lab("A84002", state="ready")
    retire(handle.folder, "A84002")
    state(handle.folder, "A84002")
    plan = planned(provisioner, handle.folder)
    before = left(handle, "A84002")
    ran = provisioner("apply", str(plan["plan"]), "--yes", "--remedy", "connector", fleet=handle.folder)
    assert ran.code == 4, ran.out + ran.err
    assert "Its service goes first" in " ".join(ran.out.split())
    assert left(handle, "A84002") == before


def test_an_exclusion_that_is_managed_is_the_antivirus_teams(lab: Lab, provisioner: Command) -> None:
    handle = lab("A84002", state="ready")
    handle.set("A84002", "tamper_protection")
    retire(handle.folder, "A84002")
    state(handle.folder, "A84002")
    plan: dict[str, Any] = planned(provisioner, handle.folder)
    assert steps(plan) == [f"A84002-{remedy}" for remedy in ("service", "firewall", "connector")]
    assert [(gap["control"], gap["owner"]) for gap in plan["gaps"]] == [("retired-managed", "antivirus")]
