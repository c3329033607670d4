"""Files made from templates, by the commands: what they hold is proved, and a changed column or template is planned."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provisioner.lab.estate.folder import Folder
from provisioner.lab.process import client
from provisioner.lab.process.client import Handle
from provisioner.lab.windows.machine import Machine
from tests.conftest import Command
from tests.roads.planning import planned, steps

pytestmark = pytest.mark.timeout(590)

Lab = Callable[..., Handle]
PATH, NOTE = "C:\\iPlato\\conf\\site.ini", "C:\\ProgramData\\provisioner\\made.json"
BY_HAND = f"{PATH} was made by hand, or before it was noted what it was made from"
ELSE, SINCE = f"{PATH} was made from another template or row", f"{PATH} was changed since it was made"

LAB_PATH = "C:\\iPlato\\conf\\practice.ini"
LAB_ELSE = f"{LAB_PATH} was made from another template or row"


def with_file(handle: Handle) -> None:
    """A fleet whose Connector has one file, made with a column of its own; another column is in no template."""
    folder = handle.folder
    (folder / "site.j2").write_text("practice={{ practice }}\nsite={{ site }}\n", "utf-8")
    settings = (folder / "fleet.yml").read_text("utf-8")
    files = "\nconnector:\n  files:\n    - {path: conf/site.ini, template: site.j2}\n"
    (folder / "fleet.yml").write_text(settings.replace("\nconnector:\n", files), "utf-8")
    head, *others = (folder / "practices.csv").read_text("utf-8").splitlines()
    rows = [f"{head},site,telephone", *(f"{row},Main,01" for row in others)]
    (folder / "practices.csv").write_text("\n".join(rows) + "\n", "utf-8")


def change(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text("utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new), "utf-8")


def edited(handle: Handle, path: str, text: str) -> Handle:
    """A person writes a file on each gateway."""
    state = Folder(handle.folder).state
    client.down(handle.folder)
    machines = {name: Machine.from_json(one) for name, one in json.loads(state.read_text("utf-8")).items()}
    for machine in machines.values():
        machine.put_file(path, text.encode(), 0.0)
    state.write_text(json.dumps({name: one.to_json() for name, one in machines.items()}), "utf-8")
    return client.up(handle.folder)


def told(provisioner: Command, folder: Path) -> dict[str, str]:
    """What an audit says of the Connector's files, by gateway; "" where they are as they should be."""
    ran = provisioner("audit", "--format", "json", fleet=folder)
    findings = [(one["gateway"], each) for one in json.loads(ran.out)["gateways"] for each in one["findings"]]
    of_files = {name: each for name, each in findings if each["control"] == "R17-files"}
    return {name: each["actual"] if each["status"] == "failed" else "" for name, each in of_files.items()}


def applied(provisioner: Command, folder: Path, *wanted: str) -> str:
    """Audit, plan and apply; these are the steps. The plan."""
    plan = planned(provisioner, folder)
    assert steps(plan) == list(wanted)
    ran = provisioner("apply", str(plan["plan"]), "--yes", fleet=folder)
    assert ran.code == 0, ran.out + ran.err
    return str(plan["plan"])


def on(handle: Handle, name: str, path: str) -> str | None:
    """What a file holds there; None where it is not."""
    files: dict[str, Any] = handle.state()[name]["disk"]["files"]
    return files[path.lower()]["text"] if path.lower() in files else None


def services(handle: Handle, name: str) -> list[str]:
    """What happened to the Connector's service since it was last asked."""
    happened = [one["event"] for one in handle.events() if one["gateway"] == name]
    return [one for one in happened if one.startswith("service_")]


def test_a_changed_column_is_planned_and_done_and_its_undo_is_proved(lab: Lab, provisioner: Command) -> None:
    handle = lab("A84002", "A84005", state="ready")
    with_file(handle)
    folder = handle.folder
    assert told(provisioner, folder) == dict.fromkeys(("A84002", "A84005"), f"{PATH} is missing")
    applied(provisioner, folder, "A84002-connector", "A84005-connector")
    assert told(provisioner, folder) == {"A84002": "", "A84005": ""}
    first = on(handle, "A84002", NOTE)

    # A column that no template uses is nobody's change.
    change(folder, "practices.csv", ",Main,01\nA84005", ",Main,02\nA84005")
    assert told(provisioner, folder) == {"A84002": "", "A84005": ""}
    change(folder, "practices.csv", ",Main,02\n", ",Branch,02\n")
    assert told(provisioner, folder) == {"A84002": ELSE, "A84005": ""}
    before = len(services(handle, "A84002"))
    plan = applied(provisioner, folder, "A84002-connector")
    assert on(handle, "A84002", PATH) == "practice=A84002\nsite=Branch\n"
    # What runs has read the old one.
    assert services(handle, "A84002")[before:] == ["service_stopped", "service_started"]
    assert told(provisioner, folder) == {"A84002": "", "A84005": ""}

    back = provisioner("undo", plan, "--yes", fleet=folder)
    assert back.code == 0, back.out + back.err
    assert (on(handle, "A84002", PATH), on(handle, "A84002", NOTE)) == ("practice=A84002\nsite=Main\n", first)
    assert told(provisioner, folder) == {"A84002": ELSE, "A84005": ""}
    change(folder, "practices.csv", ",Branch,02\n", ",Main,02\n")
    assert told(provisioner, folder) == {"A84002": "", "A84005": ""}


def test_a_template_and_what_a_hand_does_to_a_file(lab: Lab, provisioner: Command) -> None:
    handle = lab("A84002", state="ready")
    with_file(handle)
    folder = handle.folder
    # The very same content, but nobody knows of what: a plan writes the note alone, and stops nothing.
    handle = edited(handle, PATH, "practice=A84002\nsite=Main\n")
    assert told(provisioner, folder) == {"A84002": BY_HAND}
    plan = applied(provisioner, folder, "A84002-connector")
    assert services(handle, "A84002") == []
    assert told(provisioner, folder) == {"A84002": ""}
    assert provisioner("undo", plan, "--yes", fleet=folder).code == 0
    assert (on(handle, "A84002", NOTE), services(handle, "A84002")) == (None, [])
    assert told(provisioner, folder) == {"A84002": BY_HAND}
    applied(provisioner, folder, "A84002-connector")

    handle = edited(handle, PATH, "site=by hand\n")
    assert told(provisioner, folder) == {"A84002": SINCE}
    applied(provisioner, folder, "A84002-connector")
    assert on(handle, "A84002", PATH) == "practice=A84002\nsite=Main\n"

    change(folder, "site.j2", "site=", "place=")
    assert told(provisioner, folder) == {"A84002": ELSE}
    applied(provisioner, folder, "A84002-connector")
    assert told(provisioner, folder) == {"A84002": ""}
    handle = edited(handle, NOTE, "no note")
    assert told(provisioner, folder) == {"A84002": BY_HAND}


def test_a_lab_shows_what_a_changed_column_comes_to(tmp_path: Path, provisioner: Command) -> None:
    """By the commands that a rehearsal gives, in the lab as `lab up` makes it."""
    folder, listed = tmp_path / "fleet", tmp_path / "practices.csv"
    listed.write_text("practice,name\nA84002,THE ROTHBURY PRACTICE\nA84005,MÉDICAL  GROUP\n", "utf-8")
    up = provisioner("lab", "up", "--practices", listed, "--dir", folder, "--state", "ready")
    assert up.code == 0, up.err
    try:
        quiet = provisioner("audit", fleet=folder)
        assert (quiet.code, quiet.err.count("All 2 gateways are ready")) == (0, 1), quiet.err
        change(folder, "practices.csv", ",01632 960001", ",01632 960999")
        asked = provisioner("audit", fleet=folder)
        assert asked.code == 1
        assert told(provisioner, folder) == {"A84002": "", "A84005": LAB_ELSE}
        applied(provisioner, folder, "A84005-connector")
        assert on(client.find(folder), "A84005", LAB_PATH) == (
            "practice=A84005\nname=MÉDICAL GROUP\ntelephone=01632 960999\n"
        )
        again = provisioner("audit", fleet=folder)
        assert (again.code, again.err.count("All 2 gateways are ready")) == (0, 1), again.err
    finally:
        client.down(folder)
