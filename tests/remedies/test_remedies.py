"""What each remedy sets: values that the roles' own argument specifications accept; and that each has all of its
parts."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import yaml

from provisioner import remedies, resources
from provisioner.audit import facts, policy
from provisioner.model import Role
from provisioner.model.settings import Antivirus, Package, Settings
from provisioner.remedies.remedy import Remedy
from tests.fixtures.remedies import FULL, SHA, fleet, gateway
from tests.worlds import acts

ROLES = resources.root() / "roles"
# It does nothing: what is around it leaves our marker.
HELPERS = {"marker"}


def options(role: str) -> Mapping[str, Any]:
    specs = yaml.safe_load((ROLES / role / "meta" / "argument_specs.yml").read_text("utf-8"))["argument_specs"]
    found: Mapping[str, Any] = specs["main"]["options"]
    return found


def named(one: Remedy) -> str:
    return one.name


@pytest.mark.parametrize("remedy", remedies.REMEDIES, ids=named)
def test_each_remedy_has_all_of_its_parts(remedy: Remedy) -> None:
    assert remedy.name and remedy.seconds > 0
    said = [remedy.risk, *([remedy.removal.risk] if remedy.removal else [])]
    assert all(text.endswith(".") for risk in said for text in dataclasses.astuple(risk))
    assert f"{remedy.role}_state" in options(remedy.role)
    # Nobody knows a way back only of one whose file says so; of those that ship none does.
    assert remedy.back is not None
    assert {"restored"} <= set(options(remedy.role)[f"{remedy.role}_state"]["choices"])
    assert f"{remedy.role}_before" in options(remedy.role)
    assert set(remedy.back.values) <= set(options(remedy.role))
    assert remedy.back.sections
    # One step puts back what all remedies of a role did.
    assert all(one.back is remedy.back for one in remedies.REMEDIES if one.role == remedy.role)
    if remedy.needs:
        assert remedy.needs.given(FULL)
        assert not remedy.needs.given(Settings(version=1))
    assert remedy.name in acts.ACTS


def test_no_two_remedies_have_one_place() -> None:
    assert len(remedies.known()) == len(remedies.REMEDIES)
    removed = [one.removal.place for one in remedies.REMEDIES if one.removal]
    assert len(set(removed)) == len(removed)
    assert len({way.place for way in remedies.ways_back().values()}) == len(remedies.ways_back())


def test_each_role_is_a_remedys_and_each_controls_remedy_is_one() -> None:
    roles = {path.name for path in ROLES.iterdir() if path.is_dir()}
    assert {one.role for one in remedies.REMEDIES} == roles - HELPERS
    shipped = policy.load(resources.root() / "policy", facts.NAMES)
    assert {control.remedy for control in shipped.controls} - {""} == set(remedies.order())


def test_the_orders() -> None:
    """Of doing, of taking away, and of undoing. How a PC sleeps stays as it is on one that is retired; files are
    carried by a migration alone; a start is undone with its service."""
    assert remedies.order() == ("java", "connector", "firewall", "antivirus", "service", "power", "start")
    assert remedies.removal() == ("service", "antivirus", "firewall", "connector", "java")
    undone = ("service", "power", "antivirus", "firewall", "carry", "connector", "java")
    assert tuple(remedies.ways_back()) == undone


def test_what_fleet_yml_lacks() -> None:
    bare, known = Settings(version=1), remedies.known()
    lacks = {name: one.lacks(bare, gateway(), "R17-files") for name, one in known.items()}
    assert {name: words for name, words in lacks.items() if words} == {
        "java": "packages.jre",
        "connector": "packages.connector",
        "firewall": "all four endpoints",
        "service": "service.name",
        "start": "service.name",
    }
    # Who may write to the folder is set without a package, and our rule is taken away without an address.
    assert known["connector"].lacks(bare, gateway(), "R10-access") == ""
    assert known["firewall"].lacks(bare, gateway(Role.RETIRED), "retired-rule") == ""
    assert {one.lacks(FULL, gateway(), "R17-files") for one in known.values()} == {""}


def without(**taken: str) -> Settings:
    """FULL without one setting of each of these packages."""
    blank: Mapping[str, Any] = {name: {key: ""} for name, key in taken.items()}
    left = {name: replace(package, **blank[name]) for name, package in FULL.packages.items()}
    return replace(FULL, packages=left)


def test_a_package_that_is_not_known_whole_is_neither_brought_nor_what_it_brought_taken_away() -> None:
    known, settings = remedies.known(), without(jre="push", connector="sha256", procrun="sha256")
    wanted = {
        "java": "packages.jre.url (or path, or push)",
        "connector": "packages.connector.sha256",
        "service": "packages.procrun.sha256",
        "start": "packages.procrun.sha256",
    }
    for role, control in ((Role.ACTIVE, "R17-files"), (Role.STANDBY, "R17-files"), (Role.RETIRED, "retired-files")):
        lacks = {name: one.lacks(settings, gateway(role), control) for name, one in known.items()}
        assert {name: words for name, words in lacks.items() if words} == wanted
    assert known["connector"].lacks(settings, gateway(), "R10-access") == ""
    # As if there were none. A Java that is not known to be ours keeps its own rights.
    its = fleet(settings=replace(settings, java=replace(settings.java, home="C:\\Java")))
    values = {name: remedies.values(its, gateway(), name)[1] for name in ("java", "connector", "service")}
    assert values["java"]["java_package"] is values["service"]["service_procrun"] is None
    assert values["connector"]["connector_package"] is None
    assert values["connector"]["connector_closed"] == []


def test_a_product_whose_id_nobody_knows_is_not_left_behind_without_its_folder() -> None:
    msi = Package(sha256=SHA, url="https://files.example.nhs.uk/c.msi", kind="msi")
    settings = replace(FULL, packages={"connector": msi})
    lacks = remedies.known()["connector"].lacks(settings, gateway(Role.RETIRED), "retired-files")
    assert lacks == "packages.connector.product_id"
    # Where fleet.yml names none there is nothing to uninstall.
    bare = Settings(version=1)
    assert remedies.known()["connector"].lacks(bare, gateway(Role.RETIRED), "retired-files") == ""


def test_files_of_a_practice_alone_install_no_connector() -> None:
    """No reading could show that what was installed is right."""
    settings = replace(FULL, packages={})
    assert settings.connector.files
    assert remedies.known()["connector"].lacks(settings, gateway(), "R17-files") == "packages.connector"
    # What a plan leaves to the vendor no step does beside who may write to the folder; and all that goes is kept.
    for role, files in ((Role.ACTIVE, 0), (Role.STANDBY, 0), (Role.RETIRED, 1)):
        values = remedies.values(fleet(settings=settings), gateway(role), "connector")[1]
        assert len(values["connector_files"]) == files
    assert remedies.values(fleet(), gateway(), "connector")[1]["connector_files"]


@pytest.mark.parametrize("role", [Role.ACTIVE, Role.STANDBY, Role.RETIRED])
@pytest.mark.parametrize("remedy", [name for name in remedies.order() if name != "start"])
def test_values_are_those_that_the_role_takes(remedy: str, role: Role) -> None:
    name, values = remedies.values(fleet(), gateway(role), remedy)
    taken = options(name)
    # Our folder's name is given to roles that use it through another role's tasks.
    assert values.keys() - {"connector_folder", "connector_keep"} <= taken.keys()
    assert {key for key, option in taken.items() if option.get("required")} <= values.keys()
    for key, value in values.items():
        if "choices" in taken.get(key, {}):
            assert value in taken[key]["choices"]
    assert values[f"{name}_state"] == ("absent" if role is Role.RETIRED else "present")
    assert json.loads(json.dumps(values)) == values


def test_carried_files_are_those_of_the_fleet() -> None:
    connector = replace(FULL.connector, carry=("device.dat",))
    role, values = remedies.values(fleet(settings=replace(FULL, connector=connector)), gateway(), "carry")
    assert values.keys() <= options(role).keys()
    assert values["carry_paths"] == ["C:\\iPlato\\device.dat"]


def test_only_an_active_gateways_connector_is_started() -> None:
    started = remedies.values(fleet(), gateway(), "start")
    unchanged = remedies.values(fleet(), gateway(), "service")
    assert started == ("service", {**unchanged[1], "service_run": "started"})
    assert unchanged[1]["service_run"] == "unchanged"
    standby = remedies.values(fleet(), gateway(Role.STANDBY), "service")[1]
    assert (standby["service_run"], standby["service_start_mode"]) == ("unchanged", "disabled")
    for role in (Role.STANDBY, Role.RETIRED, Role.CANDIDATE):
        with pytest.raises(ValueError, match="is not started"):
            remedies.values(fleet(), gateway(role), "start")


def test_packages_say_where_from_and_under_which_name() -> None:
    packages = {
        remedy: remedies.values(fleet(), gateway(), remedy)[1][key]
        for remedy, key in (
            ("connector", "connector_package"),
            ("java", "java_package"),
            ("service", "service_procrun"),
        )
    }
    # A name that could be more than a name is not taken over.
    assert (packages["connector"]["source"], packages["connector"]["name"]) == ("url", "connector.zip")
    assert (packages["java"]["source"], packages["java"]["location"]) == ("push", "/fleet/packages/jre.zip")
    assert (packages["service"]["source"], packages["service"]["name"]) == ("path", "procrun.zip")
    assert packages["java"]["sha256"] == SHA.lower()


def test_files_carry_the_row_and_only_the_names_of_secrets() -> None:
    row = gateway(variables={"site": "Main", "practice": "not this"})
    (file,) = remedies.values(fleet(), row, "connector")[1]["connector_files"]
    assert file["path"] == "C:\\iPlato\\conf\\c.properties"
    assert file["variables"] == {
        "site": "Main",
        "practice": "A81001",
        "practice_name": "The {{ 1 }} Surgery",
        "gateway": "gw1",
    }
    assert file["secrets"] == {"key": "api"}
    # Of a template that was not read nothing is known.
    assert file["made_from"] == ""


@pytest.mark.parametrize(
    ("exclude", "paths", "processes"),
    [
        ("image", ["C:\\iPlato\\jre\\bin\\java.exe"], []),
        ("folder", ["C:\\iPlato"], []),
        ("process", [], ["C:\\iPlato\\jre\\bin\\java.exe"]),
    ],
)
def test_antivirus_excludes_what_the_fleet_says(exclude: Any, paths: list[str], processes: list[str]) -> None:
    settings = replace(FULL, antivirus=Antivirus(exclude=exclude))
    values = remedies.values(fleet(settings=settings), gateway(), "antivirus")[1]
    assert (values["antivirus_paths"], values["antivirus_processes"]) == (paths, processes)


def test_on_a_retired_gateway_all_goes_that_may_ever_have_been_excluded() -> None:
    values = remedies.values(fleet(), gateway(Role.RETIRED), "antivirus")[1]
    image, folder = FULL.connector.image, FULL.connector.folder
    assert (set(values["antivirus_paths"]), values["antivirus_processes"]) == ({image, folder}, [image])
