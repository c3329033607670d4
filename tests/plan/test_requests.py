"""What each owner of a gap is asked: from where to where, by which path, and what many have at once."""

from dataclasses import replace

import yaml

from provisioner import remedies
from provisioner.audit.controls import OWNERS
from provisioner.fleet import contact
from provisioner.model import Audit, Cause, Control, Fleet, Gap, Impact, Plan, Role, Status, Step, Timing
from provisioner.model.request import Request
from provisioner.model.settings import Antivirus, Package, Settings
from provisioner.plan import security
from provisioner.plan.requests import requests
from provisioner.remedies import alarms
from provisioner.report import words
from tests.conftest import ROOT
from tests.fixtures.reports import PRACTICES, estate, plan
from tests.worlds.memory import gateway

ENDPOINTS = ("192.0.2.5", "192.0.2.9", "192.0.2.15", "192.0.2.16")
HERE = "controller (192.0.2.1)"
SETTINGS = Settings(
    version=1,
    endpoints=ENDPOINTS,
    packages={"jre": Package(sha256="a" * 64, url="https://x.example/jre.zip", version="17", signer="Example Ltd")},
)


def control(id_: str, fact: str, owner: str) -> Control:
    return Control(
        id=id_, requirement="R12", title="t", impact=Impact.REQUIRED, fact=fact, operator="is", operand="ok",
        owner=owner, ask="Please do.", undo="Please undo.", wants="all is well",
    )  # fmt: skip


def fleet(settings: Settings = SETTINGS) -> Fleet:
    return Fleet(folder="f", settings=settings, gateways=(), statements=(), waivers=(), digest="")


def with_gaps(*gaps: tuple[str, str, str], control_: Control | None = None) -> tuple[Plan, Audit]:
    """The estate with gaps (control, owner, practice) alone, and a control that is not the estate's own."""
    audit = estate()[0]
    if control_:
        audit = replace(audit, controls=(*audit.controls, control_))
    made = tuple(
        Gap(gateway=f"GW-{code}", practice=code, control=id_, message=f"{code} lacks it", owner=owner, ask="Please do.")
        for id_, owner, code in gaps
    )
    return replace(plan(), gaps=made), audit


def of(owner: str, found: tuple[Request, ...]) -> Request:
    (one,) = (each for each in found if each.owner == owner)
    return one


def test_gaps_of_which_the_same_is_asked_are_one_request() -> None:
    asked = control("net", "endpoints.reachable", "network")
    made, audit = with_gaps(("net", "network", "A84002"), ("net", "network", "A84005"), control_=asked)
    (ask,) = of("network", requests(made.gaps, audit, (), fleet(), HERE)).asks
    assert [site.gateway for site in ask.places] == ["GW-A84002", "GW-A84005"]
    assert {site.source for site in ask.places} == {"198.51.100.10", "198.51.100.11"}
    assert all((site.destinations, site.port, site.path) == (ENDPOINTS, 443, "") for site in ask.places)
    assert (ask.what, ask.undo) == ("Please do.", "Please undo.") and "all is well" in ask.see


def test_an_exclusion_names_what_fleet_yml_has_excluded_and_where_it_is_from() -> None:
    asked = control("av", "antivirus.management", "antivirus")
    made, audit = with_gaps(("av", "antivirus", "A84002"), control_=asked)
    (ask,) = of("antivirus", requests(made.gaps, audit, (), fleet(), HERE)).asks
    assert ask.places[0].path.endswith("\\java.exe") and ask.places[0].destinations == ()
    assert "Java package 17, signed by Example Ltd, SHA-256 " + "a" * 64 in ask.package
    whole = fleet(replace(SETTINGS, antivirus=Antivirus(exclude="folder"), packages={}))
    (ask,) = of("antivirus", requests(made.gaps, audit, (), whole, HERE)).asks
    assert ask.places[0].path == "C:\\iPlato" and "no SHA-256 is known" in ask.package


def test_what_many_have_at_once_goes_to_those_who_can_see_what_they_share() -> None:
    made, audit = with_gaps()
    names = tuple(f"GW-{code}" for code in list(PRACTICES)[:6])
    unread = Cause(text="6 practices cannot be reached.", control="", status=Status.ERROR, owner="network", remedy="",
                   gateways=names, headline=True)  # fmt: skip
    (ask,) = of("network", requests(made.gaps, audit, (unread,), fleet(), HERE)).asks
    assert ask.what == unread.text
    assert {(site.source, site.port) for site in ask.places} == {(HERE, 5986)}
    assert ask.places[0].destinations == ("198.51.100.10",)
    out = replace(unread, control="R2-logged-in", owner="tpp", text="Nobody is logged in at 6 practices.")
    (ask,) = of("tpp", requests(made.gaps, audit, (out,), fleet(), HERE)).asks
    assert len(ask.places) == 6 and ask.places[0].source == "198.51.100.10"
    assert requests(made.gaps, replace(audit, gateways=()), (unread,), fleet(), HERE) == ()


def test_a_practice_is_asked_only_for_what_its_gateway_cannot_be_ready_without() -> None:
    made, audit = with_gaps()
    found = {one.practice: one for one in requests(made.gaps, audit, (), fleet(), HERE) if one.owner == "practice"}
    assert "A84619" in found and "Tell us which PC" in found["A84619"].asks[0].what
    assert "A84007" not in found
    for one in found.values():
        assert {site.practice for ask in one.asks for site in ask.places} == {one.practice}
        assert all(site.source == "" for ask in one.asks for site in ask.places)


def test_each_owner_that_a_policy_can_name_can_have_an_address() -> None:
    assert {owner.replace("-", "_") for owner in OWNERS} | {"security"} == set(contact.OWNERS)
    assert {*OWNERS, "security"} == set(words.OWNERS)


def test_what_is_told_of_what_is_set_is_what_roles_are_told() -> None:
    specs = "".join(path.read_text("utf-8") for path in (ROOT / "roles").glob("*/meta/argument_specs.yml"))
    assert not [name for name in security.SETS if f"      {name}:" not in specs]


# What a role is told and a security team is not: how it is done, and what is told in another place (packages, the
# folder of replaced files, the Connector's folder).
UNTOLD = {
    "carry_from", "carry_paths", "connector_closed", "connector_files", "connector_keep", "connector_package",
    "connector_restart", "connector_service", "firewall_group", "java_package", "marker_stays", "provisioner_plan",
    "service_arguments", "service_directory", "service_display_name", "service_procrun", "service_procrun_path",
    "service_restart_after", "service_run", "service_settle_delay", "service_settle_tries", "service_start_mode",
}  # fmt: skip


def test_of_each_variable_of_a_role_it_is_known_whether_a_security_team_is_told() -> None:
    for path in sorted((ROOT / "roles").glob("*/meta/argument_specs.yml")):
        told = set(yaml.safe_load(path.read_text("utf-8"))["argument_specs"]["main"]["options"])
        role = path.parents[1].name
        assert told - set(security.SETS) - UNTOLD <= {f"{role}_state", f"{role}_before"}, role
    for remedy in remedies.REMEDIES:
        path = ROOT / "roles" / remedy.role / "meta" / "argument_specs.yml"
        assert [name for name in security.SETS if f"      {name}:" in path.read_text("utf-8")], remedy.name


def told(step: Step) -> dict[str, str]:
    made = plan()
    one = replace(made, waves=(replace(made.waves[0], steps=(step,)),))
    return dict(security.notice(one, fleet(), Timing(seconds=1, hours={}), HERE).sets)


def test_what_is_set_to_nought_is_told_too() -> None:
    power, where = remedies.known()["power"], fleet()
    row = gateway("A84002")
    found = told(power.step(row, power.values(where, row)))
    assert [value for said, value in found.items() if "sleeps" in said] == ["0"]


def test_what_is_taken_away_is_not_told_as_set() -> None:
    firewall, where = remedies.known()["firewall"], fleet()
    row = gateway("A84002", Role.RETIRED)
    step = firewall.step(row, firewall.values(where, row))
    assert step.removes
    assert [said.partition(":")[0] for said in told(step) if "Firewall rule" in said] == ["Taken away"]
    back = replace(step, restores=True, values={**step.values, "firewall_state": "restored"})
    assert [said.partition(":")[0] for said in told(back) if "Firewall rule" in said] == ["Put back as it was"]


def test_each_alarm_says_where_it_is_from() -> None:
    of_remedies = [alarm for remedy in remedies.REMEDIES for alarm in remedy.alarms]
    for alarm in (*alarms.OF_ANY, *alarms.OF_CHANGE, *of_remedies):
        assert all(source.startswith("https://") for source in alarm.source.split()) and alarm.source
    assert remedies.known()["antivirus"].alarms and remedies.known()["firewall"].alarms
