"""What runs as the Connector, as the fence and the plan take it, on the lab's machines."""

from datetime import UTC, datetime

import pytest

from provisioner.audit.facts import running
from provisioner.evidence.question import SECTIONS
from provisioner.lab.windows import hosts
from provisioner.lab.windows.machine import Machine
from provisioner.lab.windows.state import Loose
from provisioner.lab.wsman.answer import document
from provisioner.model import Evidence, Gateway, Role
from provisioner.model.settings import Service, Settings
from provisioner.plan.guards import by_hand, connector_runs, why_not_beside, why_not_fenced, why_not_start
from provisioner.plan.guards import why_not_remove as removal
from provisioner.plan.statements import StatementsInForce
from tests.fixtures.lab import ENDPOINTS, IMAGE, NOW, SERVICE, one, run, settings

AT = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
SETTINGS = Settings(version=1, endpoints=ENDPOINTS, service=Service(name=SERVICE))
JAVAW = f"{hosts.SYSTEM_JAVA}\\bin\\javaw.exe"


def gateway(name: str, role: Role = Role.ACTIVE) -> Gateway:
    return Gateway(name=name, practice="A81001", practice_name="", address=name, port=5985, path="/wsman", role=role)


def reading(machine: Machine, name: str = "NEW") -> Evidence:
    told = document(machine, settings(*SECTIONS), NOW)["sections"]
    return Evidence(gateway=name, taken_at=AT, seconds=1.0, sections={one: part["data"] for one, part in told.items()})


def said(*names: str) -> StatementsInForce:
    gateways = frozenset(("only-connector", name) for name in names)
    return StatementsInForce(day=AT.date(), practices=frozenset({("only-connector", "A81001")}), gateways=gateways)


def started_by_hand(*, service: str = "running") -> Machine:
    """A Connector that a person started, beside the service's."""
    machine = one("ready")
    if service == "stopped":
        run(machine, "win_service", name=SERVICE, state="stopped", start_mode="disabled")
    machine.disk.write(JAVAW, b"MZ")
    machine.loose.append(Loose(JAVAW))
    return machine


@pytest.mark.parametrize("kind", hosts.KINDS)
def test_a_connector_runs_whatever_runs_it_and_its_program_is_told(kind: str) -> None:
    machine = one("ready")
    hosts.run_by(machine, kind)
    evidence = reading(machine)
    assert connector_runs(evidence) is True
    runs = JAVAW if kind == "logon" else machine.runs(machine.services[0])
    assert running.programs(evidence.sections, SETTINGS).one == runs
    assert bool(by_hand(evidence)) is (kind == "logon")


def test_after_the_stop_of_the_service_what_a_person_started_still_runs_and_holds_the_fence() -> None:
    evidence = reading(started_by_hand(service="stopped"), "OLD")
    assert connector_runs(evidence) is True
    words = why_not_fenced([gateway("OLD", Role.STANDBY)], said(), {"OLD": evidence})
    assert words.startswith("a Connector runs on OLD without a service, to be ended by hand:") and JAVAW in words
    gap = why_not_start(gateway("NEW"), [gateway("OLD", Role.STANDBY)], said(), {"OLD": evidence})
    assert gap and "End C:" in gap.ask and "by hand" in gap.ask


def test_no_service_is_started_beside_one_that_a_person_started_on_the_same_pc() -> None:
    evidence = reading(started_by_hand(service="stopped"))
    gap = why_not_start(gateway("NEW"), [], said(), {"NEW": evidence})
    assert gap and "a Connector runs on it already, without its service" in gap.message
    assert why_not_beside(gateway("NEW"), said("NEW"), evidence)
    assert why_not_start(gateway("NEW"), [], said(), {"NEW": reading(one("ready"))}) is None


def test_nothing_is_removed_from_a_retired_gateway_where_no_step_ends_what_runs() -> None:
    retired = gateway("OLD", Role.RETIRED)
    found = {"OLD": reading(started_by_hand(service="stopped")), "NEW": reading(one("ready"))}
    gap = removal(retired, [gateway("NEW")], said(), found)
    assert gap and "runs here without a service" in gap.message and "by hand" in gap.ask
    assert removal(retired, [gateway("NEW")], said(), {**found, "OLD": reading(one("ready"))}) is None


def test_two_on_one_pc_are_two() -> None:
    sections = reading(started_by_hand()).sections
    assert len(running.several(sections)) == 2
    assert len(running.several(reading(one("ready")).sections)) == 1


@pytest.mark.parametrize("field", ["command_lines", "unowned_connections"])
def test_what_cannot_be_ruled_out_is_not_told_and_a_statement_by_name_answers_it(field: str) -> None:
    machine = one("ready")
    run(machine, "win_service", name=SERVICE, state="stopped")
    evidence = reading(machine)
    assert connector_runs(evidence) is False
    connector = {**evidence.sections["connector"], field: {"command_lines": False, "unowned_connections": 1}[field]}
    evidence.sections["connector"] = connector  # type: ignore[index]
    assert connector_runs(evidence) is None
    assert "cannot be told" in why_not_beside(gateway("NEW"), said(), evidence)
    assert why_not_beside(gateway("NEW"), said("NEW"), evidence) == ""
    assert "cannot be told" in why_not_fenced([gateway("NEW")], said(), {"NEW": evidence})


def test_a_reading_of_an_earlier_version_is_still_judged() -> None:
    """The journal keeps readings: those of before lack what tells whose a process is."""
    evidence = reading(one("ready"))
    new = {"name", "in_folder", "names_folder", "ancestors"}
    old = [{name: one[name] for name in one if name not in new} for one in evidence.sections["connector"]["processes"]]
    connector = {**evidence.sections["connector"], "processes": old}
    for name in ("command_lines", "unowned_connections"):
        del connector[name]
    evidence.sections["connector"] = connector  # type: ignore[index]
    assert connector_runs(evidence) is True
    assert running.programs(evidence.sections, SETTINGS).one == IMAGE
    assert by_hand(evidence) == ""
