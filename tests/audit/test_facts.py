"""Evidence in, facts out.

Each case in tests/facts/*.yml changes the answer of a good gateway, and says which facts follow: `evidence` (dotted
place -> what stands there instead; a section's null leaves it out), `settings` (dotted place -> value), `role`,
`computer` (the row's column), `seen`, `day`, and `facts`: name -> value, or `{unknown: part of the reason}`, or
`{says: part of a problem}`.
"""

import copy
import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from ipaddress import IPv4Address, IPv4Network, summarize_address_range
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from provisioner.audit import facts, policy
from provisioner.audit.facts.addresses import covers, is_any, ports_cover
from provisioner.audit.facts.connector import version_begins
from provisioner.evidence import shapes
from provisioner.evidence.question import SECTIONS
from provisioner.model import Evidence, Fact, FileTemplate, Gateway, Problem, Role
from provisioner.model.settings import ConnectorFile, Package, Settings
from tests.audit.judging import FOLDER, NOON, POLICY, READY, SETTINGS, changed

SHAPES = {name: jsonschema.Draft202012Validator(shapes.data(name)) for name in SECTIONS}


def cases() -> list[Any]:
    return [
        pytest.param(case, id=f"{path.stem}: {case['case']}")
        for path in sorted(FOLDER.glob("*.yml"))
        if path.stem != "ready"
        for case in yaml.safe_load(path.read_text("utf-8"))
    ]


def settings_of(case: Mapping[str, Any]) -> Settings:
    settings = replace(SETTINGS, connector=replace(SETTINGS.connector, files=(FILE,)))
    for place, value in case.get("settings", {}).items():
        name, _, inner = place.partition(".")
        if name == "packages":
            value = {**settings.packages, **{inner: Package(**value)}} if value else {}
        elif inner:
            value = replace(getattr(settings, name), **{inner: value})
        elif isinstance(value, list):
            value = tuple(value)
        settings = replace(settings, **{name: value})
    return settings


# The template of the cases that have one, and what a good gateway's file is made from.
TEMPLATES = {"c.j2": FileTemplate(sha256="7e" * 32, uses=frozenset())}
FILE = ConnectorFile(path="connector.properties", template="c.j2")


def derived(case: Mapping[str, Any]) -> dict[str, Fact]:
    sections, errors = copy.deepcopy(READY), {}
    for place, value in case.get("evidence", {}).items():
        if value is None and place in sections:
            del sections[place]
            errors[place] = "it took longer than 20 seconds"
        else:
            changed(place, value, sections)
    for name, data in sections.items():
        SHAPES[name].validate(data)
    gateway = Gateway(
        name="GW-A81001",
        practice="A81001",
        practice_name="",
        address="gw.example",
        port=5985,
        path="/wsman",
        role=Role(case.get("role", "active")),
        variables={"computer": case["computer"]} if "computer" in case else {},
    )
    evidence = Evidence(gateway=gateway.name, taken_at=NOON, seconds=2.0, sections=sections, section_errors=errors)
    at = datetime.combine(case.get("day", NOON.date()), NOON.timetz())
    return facts.derive(evidence, gateway, settings_of(case), POLICY.lifecycle, at, case.get("seen"), TEMPLATES)


@pytest.mark.parametrize("case", cases())
def test_facts(case: dict[str, Any]) -> None:
    assert set(case) <= {"case", "evidence", "settings", "role", "computer", "seen", "day", "facts"}
    found = derived(case)
    for name, wanted in case["facts"].items():
        fact = found[name]
        if isinstance(wanted, dict) and "unknown" in wanted:
            assert fact.value is None and wanted["unknown"] in fact.reason, (name, fact)
        elif isinstance(wanted, dict):
            assert isinstance(fact.value, list) and wanted["says"] in "; ".join(fact.value), (name, fact)
        else:
            assert fact == Fact(value=wanted), (name, fact)


def test_a_good_gateway_has_every_fact_but_what_only_people_know() -> None:
    found = derived({})
    assert set(found) == facts.NAMES - facts.OVER_THE_PRACTICE
    unknown = {name for name, fact in found.items() if fact.value is None}
    assert unknown == {"users.dedicated", "windows.extended_updates"}
    assert {name: fact.value for name, fact in found.items() if isinstance(fact.value, list)} == {
        "service.left": ["the service iPlatoConnector is still there"],
        "antivirus.exclusion_left": ["Microsoft Defender still leaves C:\\iPlato\\jre\\bin\\java.exe alone"],
        "firewall.rule_left": ["the rule 'iPlato Connector' is still there"],
        "connector.files_left": ["the folder C:\\iPlato is still there"],
    }


def test_every_fact_is_unknown_without_its_section_and_never_raises() -> None:
    whole = derived({})
    for section in READY:
        without = derived({"evidence": {section: None}})
        lost = [name for name, fact in without.items() if fact != whole[name]]
        for name in lost:
            reason = f"the gateway's answer has no {section}: it took longer than 20 seconds"
            assert without[name] == Fact(value=None, reason=reason), name
        assert lost or section == "ours"


def test_facts_can_be_kept_as_json() -> None:
    json.dumps({name: fact.value for name, fact in derived({}).items()})


def test_a_gateway_that_could_not_be_read_has_no_facts() -> None:
    problem = Problem(kind="Unreachable", message="no route", hint="is it on?")
    evidence = Evidence(gateway="G", taken_at=NOON, seconds=1.0, error=problem)
    gateway = Gateway(name="G", practice="A81001", practice_name="", address="g", port=1, path="", role=Role.ACTIVE)
    found = facts.derive(evidence, gateway, SETTINGS, POLICY.lifecycle, NOON, None)
    assert set(found.values()) == {Fact(value=None, reason="no route")}


@pytest.mark.parametrize("row", [*POLICY.lifecycle.clients, *POLICY.lifecycle.servers], ids=lambda row: row.name)
def test_every_release_is_supported_until_its_last_day(row: policy.Release) -> None:
    """Each row of the table is found by product type, edition and build, and decides on its own two days."""
    server = row in POLICY.lifecycle.servers
    other = "ServerStandard" if server else "Professional"
    editions = [one for one, group in POLICY.lifecycle.editions.items() if group in row.editions] or [other]
    end = row.servicing_end
    for edition, (day, wanted) in itertools.product(
        editions, ((end, True), (date.fromordinal(end.toordinal() + 1), False))
    ):
        found = derived(
            {
                "evidence": {
                    "windows.product_type": 3 if server else 1,
                    "windows.edition_id": edition,
                    "windows.build": row.build,
                    "windows.esu": False,
                },
                "day": day,
            }
        )
        assert found["windows.supported"] == Fact(value=wanted)
        assert found["windows.supported_until"] == Fact(value=end.isoformat())
        assert str(found["windows.name"].value).startswith(f"{row.name} ")


@pytest.mark.parametrize("product_type", [1, 2, 3])
@pytest.mark.parametrize("edition", POLICY.lifecycle.editions)
def test_the_edition_comes_before_the_product_type(edition: str, product_type: int) -> None:
    found = derived({"evidence": {"windows.edition_id": edition, "windows.product_type": product_type}})
    assert (found["windows.client"].value == "ok") is (POLICY.lifecycle.editions[edition] != "SERVER_AC")


# What a PC gave before, what it gives when it is another, and what gives nothing.
SEEN = {"serial": "CZC1234ABC", "machine_guid": "6b8a1f6e-3f3a-4b51-9b0e-2f6f0e0c1a77", "computer_name": "PC-OLD"}
OTHER = {"serial": "CZC98X7QWE", "machine_guid": "0d1e6c0a-7d2b-4c6e-8a55-9f3b1c2d4e5f", "computer_name": "PC-NEW"}
FILLED = {"serial": "0123456789", "machine_guid": "03000200-0400-0500-0006-000700080009", "computer_name": "PC-NEW"}
GIVEN = {"same": SEEN, "other": OTHER, "filler": FILLED}


@pytest.mark.parametrize("marks", list(itertools.product(GIVEN, repeat=3)))
def test_no_single_mark_makes_two_pcs_the_same(marks: tuple[str, str, str]) -> None:
    """Serial number, Windows installation and name, each as before, another, or none: where two are the same it is the
    same PC; where a serial number is another, another one; a name that is the same counts by itself only where
    nothing else is given."""
    now = {f"identity.{name}": GIVEN[one][name] for name, one in zip(SEEN, marks, strict=True)}
    fact = derived({"evidence": now, "seen": SEEN})["identity.same"]
    serial, windows, name = marks
    if serial == "other" or (serial == "filler" and windows == "other"):
        assert isinstance(fact.value, list)
    elif marks.count("same") >= 2 or (marks[:2] == ("filler", "filler") and name == "same"):
        assert fact.value == "ok"
    else:
        assert fact.value is None and fact.reason


ADDRESS = st.builds(IPv4Address, st.integers(0, 2**32 - 1))
NETWORK = st.builds(lambda address, bits: IPv4Network((address, bits), strict=False), ADDRESS, st.integers(1, 32))


@given(NETWORK, ADDRESS)
def test_a_network_is_read_in_every_way_that_windows_writes_it(network: IPv4Network, address: IPv4Address) -> None:
    forms = [
        f"{network.network_address}/{network.prefixlen}",
        f"{network.network_address}/{network.netmask}",
        f"{network.network_address}-{network.broadcast_address}",
        f" {network.network_address} - {network.broadcast_address} ",
    ]
    for form in forms:
        assert covers([form], str(address)) is (address in network), form
        assert covers([form], str(network.network_address)) and covers([form], str(network.broadcast_address)), form
        assert not is_any([form])


@given(ADDRESS, ADDRESS, ADDRESS)
def test_a_range_holds_what_lies_between(one: IPv4Address, other: IPv4Address, address: IPv4Address) -> None:
    first, last = sorted((one, other))
    held = any(address in network for network in summarize_address_range(first, last))
    assert covers([f"{first}-{last}"], str(address)) is held


@given(ADDRESS, ADDRESS)
def test_a_single_address_is_itself(written: IPv4Address, address: IPv4Address) -> None:
    for form in (str(written), f"{written}/32", f"{written}/255.255.255.255", f"{written}-{written}"):
        assert covers([form], str(address)) is (written == address)


@given(st.lists(st.text(max_size=40), min_size=1, max_size=4))
def test_whatever_else_stands_there_never_raises(written: list[str]) -> None:
    covers(written, "192.0.2.5")
    ports_cover(written, 443)


def test_no_address_is_every_address() -> None:
    assert covers([], "192.0.2.5") and is_any([])
    assert covers(["LocalSubnet", "Internet"], "192.0.2.5") and is_any(["*"])
    assert not covers(["LocalSubnet", "2001:db8::5", "DefaultGateway"], "192.0.2.5")


@pytest.mark.parametrize(
    ("written", "covered"),
    [([], True), (["443"], True), (["80", "400-500"], True), (["*"], True), (["80"], False), (["RPC"], False)],
)
def test_ports(written: list[str], covered: bool) -> None:
    assert ports_cover(written, 443) is covered


@pytest.mark.parametrize(
    ("version", "wanted", "begins"),
    [
        ("17.0.9", "17", True),
        ("17", "17", True),
        ("170.1", "17", False),
        ("1.8.0_392", "1.8.0", True),
        ("1.8.0_392", "8", True),
        ("1.8.0_392", "1.8", True),
        ("1.8.0_392", "17", False),
        ("1.8.0_392", "8u392", True),
        ("1.8.0_392", "8u39", False),
        ("1.8.0_402", "8u392", False),
        ("1.8.0_392-b08", "8u392-b08", True),
        ("1.80.0", "80", False),
        ("17.0.9+9", "17.0.9", True),
        ("17.0.10", "17.0.1", False),
        ("17.0.9", "17.", True),
        ("16.0.9", "17", False),
    ],
)
def test_a_version_begins_at_a_boundary(version: str, wanted: str, begins: bool) -> None:
    assert version_begins(version, wanted) is begins
