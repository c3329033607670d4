"""What is planned where something is still to be asked of a package, and where nothing makes a service."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provisioner.execute import engine
from provisioner.execute.admission import Asked
from provisioner.journal import Journal
from provisioner.model import Evidence, Fleet, Outcome, Plan, Result, Role
from provisioner.model.settings import Package
from provisioner.plan import gaps as planning
from tests.worlds.memory import AT, Machine, World, fleet, gateway, no_connector, ports

SHA = "ab" * 32
PROCRUN = Package(sha256=SHA, path="C:\\Packages\\procrun.zip")
MSI = Package(sha256=SHA, path="C:\\Packages\\c.msi", kind="msi", product_id="{ABC}")
ZIP = Package(sha256=SHA, path="C:\\Packages\\c.zip")


def having(rows: Fleet, **packages: Package) -> Fleet:
    """A fleet with these packages and no others."""
    named: Any = packages
    return replace(rows, settings=replace(rows.settings, packages=named))


def evidence(*, service: bool, installed: Any = ()) -> Evidence:
    sections = {
        "service": {"service": {"name": "iPlatoConnector"} if service else None, "others": []},
        "connector": {"installed": installed},
    }
    return Evidence(gateway="B84001", taken_at=AT, seconds=1.0, sections=sections)


LISTED = [{"product_id": "{abc}", "name": "Connector", "version": "1"}]
BARE, DONE = evidence(service=False), evidence(service=False, installed=LISTED)
# Packages, what was read, whether the Connector is put there first; who is asked about a service, "" where it comes.
COMES = {
    "procrun is one": ({"procrun": PROCRUN, "connector": ZIP}, BARE, False, ""),
    "procrun that is not known whole": ({"procrun": replace(PROCRUN, sha256="")}, BARE, True, "vendor"),
    "a zip makes none": ({"connector": ZIP}, BARE, True, "vendor"),
    "no package at all": ({}, BARE, False, "vendor"),
    "an installer that is not known whole": ({"connector": replace(MSI, product_id="")}, BARE, True, "vendor"),
    "an installer may make one": ({"connector": MSI}, BARE, True, ""),
    "an installer that this plan does not run": ({"connector": MSI}, BARE, False, "icb-it"),
    "an installer that has run already": ({"connector": MSI}, DONE, True, "vendor"),
    "what is installed cannot be read": ({"connector": MSI}, evidence(service=False, installed=None), True, ""),
    "it is there": ({}, evidence(service=True), False, ""),
    "nothing was read of it": ({}, Evidence(gateway="B84001", taken_at=AT, seconds=1.0), False, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", COMES)
def test_whether_a_service_comes(name: str) -> None:
    packages, read, installs, owner = COMES[name]
    settings = having(fleet(), **packages).settings
    for role in (Role.ACTIVE, Role.STANDBY):
        why = planning.why_no_service(settings, gateway("B84001", role), read, installs=installs)
        assert (why[1] if why else "") == owner, why
    # What is retired is asked for none.
    assert planning.why_no_service(settings, gateway("B84001", Role.RETIRED), read, installs=installs) is None


def test_a_service_that_nothing_makes_is_asked_for_and_nothing_is_started() -> None:
    plan = World(having(fleet(gateway("B84001")), connector=ZIP)).plan()
    assert [step.remedy for step in plan.steps] == ["firewall"]
    asked = {gap.control: gap for gap in plan.gaps}
    assert {asked[id_].owner for id_ in ("R17-service", "R17-recovery")} == {"vendor"}
    assert "packages.procrun" in asked["R17-service"].ask
    assert "its service comes first" in asked["R17-running"].ask.lower()


def test_one_that_is_there_is_started_though_nothing_of_ours_makes_one() -> None:
    plan = World(having(fleet(gateway("B84001"))), B84001=Machine(rule=True, service=True)).plan()
    assert [step.remedy for step in plan.steps] == ["start"]


def test_nothing_that_stands_on_an_unfinished_package_is_planned_and_the_vendor_is_asked() -> None:
    unknown = having(fleet(gateway("B84001")), procrun=replace(PROCRUN, sha256=""))
    for machine in (Machine(), Machine(rule=True, service=True)):
        plan = World(unknown, B84001=machine).plan()
        assert not {"service", "start"} & {step.remedy for step in plan.steps}
        asked = {gap.ask for gap in plan.gaps if gap.owner == "vendor"}
        assert asked == {"Ask for it, and give packages.procrun.sha256 in fleet.yml."}


def test_a_retired_gateway_keeps_what_stands_on_a_service_that_cannot_be_taken_away_whole() -> None:
    """What procrun was told, and its program, would stay behind."""
    closed = fleet(gateway("B84001", Role.RETIRED), statements=[no_connector("B84001")])
    ready = Machine(rule=True, service=True, running=True)
    plan = World(having(closed, procrun=replace(PROCRUN, path="")), B84001=ready).plan()
    assert plan.steps == ()
    assert {gap.control for gap in plan.gaps} == {"R17-stopped", "retired-service", "retired-rule"}
    assert {gap.owner for gap in plan.gaps} == {"vendor"}
    assert all("packages.procrun.url (or path, or push)" in gap.ask for gap in plan.gaps)
    assert [step.remedy for step in World(closed, B84001=ready).plan().steps] == ["service", "firewall"]


def run(world: World, plan: Plan, folder: Path) -> dict[str, Outcome]:
    """What each step of a plan comes to."""
    with Journal.open(folder / "journal.db") as journal:
        journal.save(plan)
        ended = engine.run(plan, world.fleet, journal, ports(world), policy_digest="p1", asked=Asked())
    return {outcome.step: outcome for outcome in ended.outcomes}


def test_a_plan_from_when_it_was_known_makes_no_service_now(tmp_path: Path) -> None:
    world = World(fleet(gateway("B84001")))
    plan = world.plan()
    world.fleet = having(world.fleet, procrun=replace(PROCRUN, sha256=""))
    found = run(world, plan, tmp_path)
    assert found["B84001-service"].result is Result.STALE
    assert "packages.procrun.sha256" in found["B84001-service"].message
    assert found["B84001-start"].result is not Result.DONE
    assert not world.machines["B84001"].service and not world.machines["B84001"].running
    # What does not need it is done.
    assert found["B84001-firewall"].result is Result.DONE


def test_a_plan_from_when_it_was_known_takes_nothing_from_under_what_stays(tmp_path: Path) -> None:
    closed = fleet(gateway("B84001", Role.RETIRED), statements=[no_connector("B84001")])
    world = World(closed, B84001=Machine(rule=True, service=True))
    plan = world.plan()
    world.fleet = having(world.fleet, procrun=replace(PROCRUN, sha256=""))
    found = run(world, plan, tmp_path)
    assert {outcome.result for outcome in found.values()} == {Result.STALE}
    assert world.machines["B84001"].rule and world.machines["B84001"].service
