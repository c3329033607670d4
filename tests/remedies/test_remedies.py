"""What each remedy sets: values that the roles' own argument specifications accept."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from provisioner import remedies
from provisioner.audit import policy
from provisioner.model import Fleet, Gateway, Role
from provisioner.model.settings import Antivirus, Connection, Connector, ConnectorFile, Package, Service, Settings
from provisioner.plan import proof, undo
from provisioner.plan import rollout as planning
from provisioner.report import risks
from tests.worlds import disk

ROLES = Path(__file__).resolve().parents[2] / "roles"
SHA = "AB" * 32
FULL = Settings(
    version=1,
    endpoints=("192.0.2.5", "192.0.2.9", "192.0.2.15", "192.0.2.16"),
    connection=Connection(transport="ntlm", user="EXAMPLE\\admin", credential="file", ca_file="ca.pem"),
    packages={
        "connector": Package(sha256=SHA, url="https://files.example.nhs.uk/a/Connector%202.zip?x=1", root="c"),
        "jre": Package(sha256=SHA, push="packages/jre.zip"),
        "procrun": Package(sha256=SHA, path="C:\\Packages\\procrun.zip", root="amd64"),
    },
    connector=Connector(files=(ConnectorFile(path="conf/c.properties", template="c.j2", secrets={"key": "api"}),)),
    service=Service(name="iPlatoConnector", arguments="-jar c.jar"),
)


def gateway(role: Role = Role.ACTIVE, name: str = "gw1", **other: Any) -> Gateway:
    where = {"address": "gw1.example.nhs.uk", "port": 5986, "path": "/wsman", "practice_name": "The {{ 1 }} Surgery"}
    return Gateway(name=name, practice="A81001", role=role, **{**where, **other})


def fleet(*gateways: Gateway, settings: Settings = FULL) -> Fleet:
    return Fleet(folder="/fleet", settings=settings, gateways=gateways, statements=(), waivers=(), digest="d")


@pytest.mark.parametrize("role", [Role.ACTIVE, Role.STANDBY, Role.RETIRED])
@pytest.mark.parametrize("remedy", [name for name in remedies.ORDER if name != "start"])
def test_values_are_those_that_the_role_takes(remedy: str, role: Role) -> None:
    name, values = remedies.values(fleet(), gateway(role), remedy)
    options = yaml.safe_load((ROLES / name / "meta" / "argument_specs.yml").read_text("utf-8"))["argument_specs"][
        "main"
    ]["options"]
    # Our folder's name is given to roles that use it through another role's tasks.
    assert values.keys() - {"connector_folder", "connector_keep"} <= options.keys()
    assert {key for key, option in options.items() if option.get("required")} <= values.keys()
    for key, value in values.items():
        if "choices" in options.get(key, {}):
            assert value in options[key]["choices"]
    assert values[f"{name}_state"] == ("absent" if role is Role.RETIRED else "present")
    assert json.loads(json.dumps(values)) == values


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


def test_with_kerberos_no_password_goes_at_all() -> None:
    kerberos = replace(FULL, connection=Connection())
    found = remedies.connection(fleet(settings=kerberos), gateway())
    assert found["ansible_winrm_kinit_mode"] == "manual"
    assert "ansible_password" not in found
    asked = remedies.connection(fleet(), gateway())
    assert asked["ansible_password"] == "{{ lookup('gateway_secret', inventory_hostname) }}"
    assert asked["ansible_winrm_ca_trust_path"] == "/fleet/ca.pem"


def test_without_tls_messages_are_always_sealed_but_for_basic() -> None:
    for transport, sealing in (("ntlm", "always"), ("kerberos", "always"), ("basic", "auto")):
        settings = replace(FULL, connection=Connection(transport=transport, tls=False))  # type: ignore[arg-type]
        found = remedies.connection(fleet(settings=settings), gateway())
        assert found["ansible_winrm_message_encryption"] == sealing


def test_inventory_leaves_out_what_a_rollout_may_not_change() -> None:
    rows = [
        gateway(name="a1"),
        gateway(Role.STANDBY, "s1"),
        gateway(Role.CANDIDATE, "c1"),
        gateway(Role.RETIRED, "r1"),
        gateway(name="unknown", address=""),
        gateway(name="a2"),
    ]
    listing = remedies.inventory(fleet(*rows))
    assert list(listing["_meta"]["hostvars"]) == ["a1", "s1", "a2"]
    assert listing["role_active"]["hosts"] == ["a1", "a2"]
    assert listing["wave_1"]["hosts"] == ["a1"]
    assert listing["wave_2"]["hosts"] == ["s1", "a2"]
    hosts = listing["_meta"]["hostvars"]
    assert {values["service_run"] for values in hosts.values()} == {"unchanged"}
    assert hosts["a1"]["provisioner_roles"] == ["java", "connector", "firewall", "antivirus", "service", "power"]
    assert remedies.inventory(fleet(*rows, settings=replace(FULL, read_only=True)))["_meta"] == {"hostvars": {}}


def test_a_role_that_nothing_is_configured_for_is_not_run() -> None:
    bare = Settings(version=1, endpoints=("192.0.2.5",), practice_list_date=date(2026, 1, 1))
    assert remedies.variables(fleet(settings=bare), gateway())["provisioner_roles"] == [
        "connector",
        "antivirus",
        "power",
    ]


def test_every_table_that_names_remedies_names_the_same() -> None:
    """Whoever adds a remedy meets each place that has to know of it. A start is the service's; files are carried by a
    migration alone; how a PC sleeps stays as it is on one that is retired."""
    every = set(remedies.ORDER)
    roles = every - {"start"}
    assert every == policy.REMEDIES
    assert set(remedies._MAKERS) == roles
    assert set(remedies.REMOVAL) == roles - {"power"}
    assert set(planning._SECONDS) == roles
    # The role marker does nothing: what is around it leaves our marker. The role package is a helper of others.
    assert {path.name for path in ROLES.iterdir() if path.is_dir()} == roles | {"carry", "marker", "package"}
    for table in (undo.ORDER, proof._SECTIONS, proof._SHOWN):
        assert set(table) == roles | {"carry"}
    assert set(undo._NOTHING) | undo._RECORDED | {"power"} == roles | {"carry"}
    assert set(risks._RISKS) == every | {f"remove {remedy}" for remedy in remedies.REMOVAL}
    assert set(disk._ACTS) == every | {"carry", "stop", "marker"}
