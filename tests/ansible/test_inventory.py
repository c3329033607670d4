"""How a fleet looks to plain Ansible."""

from dataclasses import replace
from datetime import date

from provisioner.ansible import inventory
from provisioner.model import Role
from provisioner.model.settings import Connection, Settings
from tests.fixtures.remedies import FULL, fleet, gateway


def test_with_kerberos_no_password_goes_at_all() -> None:
    kerberos = replace(FULL, connection=Connection())
    found = inventory.connection(fleet(settings=kerberos), gateway())
    assert found["ansible_winrm_kinit_mode"] == "manual"
    assert "ansible_password" not in found
    asked = inventory.connection(fleet(), gateway())
    assert asked["ansible_password"] == "{{ lookup('gateway_secret', inventory_hostname) }}"
    assert asked["ansible_winrm_ca_trust_path"] == "/fleet/ca.pem"


def test_with_laps_the_user_is_asked_for_as_the_password_is() -> None:
    connection = Connection(transport="ntlm", credential="laps", user="gwadmin")
    row = gateway(name="a1")
    found = inventory.connection(fleet(row, settings=replace(FULL, connection=connection)), row)
    assert found["ansible_user"] == "{{ lookup('gateway_secret', 'user:' ~ inventory_hostname) }}"
    host = inventory.of_run([], {"a1": found}, None, guarded=True)["all"]["hosts"]["a1"]
    assert {name for name, one in host.items() if isinstance(one, inventory.Evaluated)} == {
        "ansible_user", "ansible_password"
    }  # fmt: skip
    # Whoever is called so is no template.
    other = inventory.of_run([], {"a1": {**found, "ansible_user": "{{ lookup('x') }}"}}, None, guarded=True)
    assert "!unsafe" in inventory.tagged(other["all"]["hosts"]["a1"]["ansible_user"])


def test_without_tls_messages_are_always_sealed_but_for_basic() -> None:
    for transport, sealing in (("ntlm", "always"), ("kerberos", "always"), ("basic", "auto")):
        settings = replace(FULL, connection=Connection(transport=transport, tls=False))  # type: ignore[arg-type]
        found = inventory.connection(fleet(settings=settings), gateway())
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
    listing = inventory.of_fleet(fleet(*rows))
    assert list(listing["_meta"]["hostvars"]) == ["a1", "s1", "a2"]
    assert listing["role_active"]["hosts"] == ["a1", "a2"]
    assert listing["wave_1"]["hosts"] == ["a1"]
    assert listing["wave_2"]["hosts"] == ["s1", "a2"]
    hosts = listing["_meta"]["hostvars"]
    assert {values["service_run"] for values in hosts.values()} == {"unchanged"}
    assert hosts["a1"]["provisioner_roles"] == ["java", "connector", "firewall", "antivirus", "service", "power"]
    assert inventory.of_fleet(fleet(*rows, settings=replace(FULL, read_only=True)))["_meta"] == {"hostvars": {}}


def test_a_role_that_nothing_is_configured_for_is_not_run() -> None:
    bare = Settings(version=1, endpoints=("192.0.2.5",), practice_list_date=date(2026, 1, 1))
    assert inventory.variables(fleet(settings=bare), gateway())["provisioner_roles"] == [
        "connector",
        "antivirus",
        "power",
    ]
