"""One PC is the gateway of one row: a typing error leads one practice's Connector onto another practice's PC."""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.audit.identities import Identities
from provisioner.journal import Journal
from provisioner.lab.process.client import Handle
from provisioner.model import Evidence, Gateway, Role
from tests.audit.judging import NOON, gateway
from tests.conftest import Command

Marks = Mapping[str, str]
PC = {"serial": "CZC1234ABC", "machine_guid": "6b8a1f6e-3f3a-4b51-9b0e-2f6f0e0c1a77", "computer_name": "RECEPTION"}
OTHER = {"serial": "CZC98X7QWE", "machine_guid": "0d1e6c0a-7d2b-4c6e-8a55-9f3b1c2d4e5f", "computer_name": "OFFICE"}
NONE = {"serial": "To be filled by O.E.M.", "machine_guid": "", "computer_name": "RECEPTION"}
GIVEN = {"same": PC, "other": OTHER, "none": NONE}
HEADER = "practice,name,gateway,address,role,computer,path\n"


def row(name: str, role: Role = Role.ACTIVE, computer: str = "") -> Gateway:
    return replace(gateway(name, role), variables={"computer": computer})


def read(name: str, marks: Marks) -> Evidence:
    return Evidence(gateway=name, taken_at=NOON, seconds=1.0, sections={"identity": marks})


def told(rows: Sequence[Gateway], answers: Sequence[Marks], seen: Mapping[str, Marks]) -> dict[str, str]:
    """What is said of each row once all have answered, in that order."""
    identities = Identities(rows, seen, {})

    def read_all() -> dict[str, str]:
        return {
            one.name: identities.elsewhere(one, read(one.name, marks), seen.get(one.name))
            for one, marks in zip(rows, answers, strict=True)
        }

    first, late = read_all(), set(identities.late())
    again = read_all()
    assert late == {name for name in again if again[name] != first[name]}
    assert identities.late() == []
    return again


@pytest.mark.parametrize("marks", list(itertools.product(GIVEN, repeat=2)))
@pytest.mark.parametrize("name", ["RECEPTION", "OFFICE"])
def test_two_rows_are_one_pc_by_all_that_both_tell(marks: tuple[str, str], name: str) -> None:
    """A serial number of a whole series, an installation that was cloned or a name that many have is not enough, and
    none may be another: two PCs that run have two installations."""
    serial, windows = marks
    answer = {"serial": GIVEN[serial]["serial"], "machine_guid": GIVEN[windows]["machine_guid"], "computer_name": name}
    found = told([row("GW1"), row("GW2")], [PC, answer], {})
    one = name == "RECEPTION" and "other" not in marks and "same" in marks
    assert found == ({"GW1": "GW2", "GW2": "GW1"} if one else {"GW1": "", "GW2": ""})


@pytest.mark.parametrize("order", [1, -1])
def test_a_persons_word_says_whose_it_is(order: int) -> None:
    rows = [row("GW1", computer="reception.example.nhs.uk"), row("GW2")][::order]
    assert told(rows, [PC, PC], {}) == {"GW1": "", "GW2": "GW1"}
    both = [row("GW1", computer="RECEPTION"), row("GW2", computer="RECEPTION")]
    assert told(both, [PC, PC], {}) == {"GW1": "GW2", "GW2": "GW1"}


@pytest.mark.parametrize("order", [1, -1])
def test_a_row_whose_own_past_or_name_is_another_pc_takes_nothing_from_the_right_one(order: int) -> None:
    rows = [row("GW1"), row("GW2"), row("GW3", computer="OFFICE")][::order]
    found = told(rows, [PC, PC, PC], {"GW1": PC, "GW2": OTHER})
    assert found["GW1"] == ""
    assert found["GW2"] == "GW1"


def test_a_candidate_takes_nothing_and_a_retired_one_does() -> None:
    assert told([row("GW1"), row("GW2", Role.CANDIDATE)], [PC, PC], {}) == {"GW1": "", "GW2": "GW1"}
    assert told([row("GW1"), row("GW2", Role.RETIRED)], [PC, PC], {}) == {"GW1": "GW2", "GW2": "GW1"}


def test_only_some_of_many_are_named() -> None:
    rows = [row(f"GW{number}") for number in range(1, 8)]
    assert told(rows, [PC] * 7, {})["GW3"] == "GW1, GW2, GW4 and 3 more"


def rows_in(handle: Handle, *lines: str) -> None:
    """The fleet's rows, of which several may lead to one of the lab's PCs; `localhost` is another way to the same."""
    (handle.folder / "practices.csv").write_text(HEADER + "".join(f"{line}\n" for line in lines), "utf-8")


def identity(provisioner: Command, handle: Handle, *words: str) -> dict[str, str]:
    """What an audit makes of R5-identity, by gateway."""
    ran = provisioner("audit", *words, "--format", "json", fleet=handle.folder)
    return {
        gateway["gateway"]: finding["status"]
        for gateway in json.loads(ran.out)["gateways"]
        for finding in gateway["findings"]
        if finding["control"] == "R5-identity"
    }


RIGHT = "A84002,ONE,A84002,127.0.0.1,active,,/A84002/wsman"
WRONG = "A84005,TWO,A84005,localhost,active,,/A84002/wsman"
MENDED = "A84005,TWO,A84005,localhost,active,,/A84005/wsman"


@pytest.mark.parametrize("order", [1, -1], ids=["right first", "wrong first"])
def test_nothing_is_planned_or_done_where_two_rows_lead_to_one_pc(
    order: int, lab: Callable[..., Handle], provisioner: Command
) -> None:
    handle = lab("A84002", "A84005")
    # Of the one that is asked first alone nothing can be known yet.
    first, *rest = [RIGHT, WRONG][::order]
    rows_in(handle, RIGHT, WRONG)
    assert set(identity(provisioner, handle, "--only", first[:6]).values()) == {"passed"}
    planned = json.loads(provisioner("plan", "--format", "json", fleet=handle.folder).out)
    assert planned["waves"]
    assert set(identity(provisioner, handle).values()) == {"failed"}
    ran = provisioner("apply", planned["plan"], "--yes", fleet=handle.folder)
    assert ran.code == 4 and f"is the one at {rest[0][:6]} too" in ran.out, ran.out
    assert not [event for event in handle.events() if event["event"] == "package_unpacked"]
    provisioner("audit", fleet=handle.folder)
    assert json.loads(provisioner("plan", "--format", "json", fleet=handle.folder).out)["waves"] == []
    # It is remembered where only one of both is asked.
    for code in ("A84002", "A84005"):
        assert identity(provisioner, handle, "--only", code) == {code: "failed"}
    rows_in(handle, RIGHT, MENDED)
    identity(provisioner, handle)
    assert identity(provisioner, handle)["A84002"] == "passed"


def test_once_the_address_is_mended_both_are_right_at_once(lab: Callable[..., Handle], provisioner: Command) -> None:
    handle = lab("A84002", "A84005")
    rows_in(handle, RIGHT, WRONG)
    assert identity(provisioner, handle) == {"A84002": "failed", "A84005": "failed"}
    rows_in(handle, RIGHT, MENDED)
    assert identity(provisioner, handle) == {"A84002": "passed", "A84005": "passed"}
    with Journal.open(handle.folder / ".provisioner" / "journal.db") as journal:
        assert len({one["serial"] for one in journal.seen().values()}) == 2


def test_the_right_one_can_be_named_while_the_other_is_looked_for(
    lab: Callable[..., Handle], provisioner: Command
) -> None:
    handle = lab("A84002", "A84005")
    rows_in(handle, RIGHT.replace("active,,", "active,GWPC-A84002,"), WRONG)
    assert identity(provisioner, handle) == {"A84002": "passed", "A84005": "failed"}


def test_a_retired_row_that_leads_to_the_active_pc_takes_nothing_from_it(
    lab: Callable[..., Handle], provisioner: Command, tmp_path: Path
) -> None:
    handle = lab("A84002", state="ready")
    retired = "A84002,ONE,OLD,localhost,retired,,/A84002/wsman"
    rows_in(handle, RIGHT, retired)
    assert identity(provisioner, handle) == {"A84002": "failed", "OLD": "failed"}
    plan = json.loads(provisioner("plan", "--format", "json", fleet=handle.folder).out)
    assert plan["waves"] == [] and {gap["control"] for gap in plan["gaps"]} >= {"R5-identity"}
