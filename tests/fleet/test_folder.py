"""A fleet folder that is right: what becomes of it, and how it is narrowed."""

import json
import re
import shutil
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import TypeAdapter

from provisioner import fleet
from provisioner.cli import provisioner
from provisioner.errors import InputError
from provisioner.journal.named import named
from provisioner.model import Fleet, Role, settings
from provisioner.resources import root
from tests.fixtures.fleets import FLEET, HEADER, LAB, PRACTICES, SHA, TODAY, check, right, write


@pytest.fixture
def northern(tmp_path: Path) -> Fleet:
    rows = f"""{HEADER},site,hours
A81001,DENSHAM,GW1,10.0.0.1,active,Stockton
A81001,DENSHAM,GW1-NEW,10.0.0.2,candidate,Stockton
A81002,QUEENS PARK,GW2,10.0.0.3,active,Hartlepool,Sat 20:00-06:00
B81004,BLUEBELL,,,active,Hull
"""
    return right(write(tmp_path, {"practices.csv": rows}))


def test_rows_become_gateways(tmp_path: Path) -> None:
    found = right(write(tmp_path, {}))
    first = found.gateways[0]
    assert (first.name, first.practice, first.practice_name) == ("GW-A81001", "A81001", "THE DENSHAM SURGERY")
    assert (first.address, first.port, first.path) == ("gw-a81001.example.nhs.uk", 5986, "/wsman")
    assert (first.role, first.line) == (Role.ACTIVE, 2)
    assert [gateway.known for gateway in found.gateways] == [True, True, False]
    assert found.gateways[2].name == ""


def test_port_and_path_come_from_fleet_yml_unless_the_row_has_its_own(tmp_path: Path) -> None:
    rows = f"{HEADER},port,path\nA81001,,GW1,127.0.0.1,,,\nA81002,,GW2,127.0.0.1,,7000,/own\n"
    connection = "  transport: ntlm\n  user: u\n  credential: prompt\n  tls: false\n"
    first, second = right(write(tmp_path, {"fleet.yml": LAB + connection, "practices.csv": rows})).gateways
    assert (first.port, first.path) == (5985, "/GW1/wsman")
    assert (second.port, second.path) == (7000, "/own")
    assert not {"port", "path"} & set(second.variables)


def test_hours_come_from_fleet_yml_unless_the_row_has_its_own(tmp_path: Path) -> None:
    rows = f'{HEADER},Hours\nA81001,,GW1,10.0.0.1,,\nA81002,,GW2,10.0.0.2,,"Sat  20:00-06:00, Sun 08:00-24:00"\n'
    rows += "A81004,,GW4,10.0.0.4,,always\n"
    text = FLEET + "rollout:\n  hours: Mon-Fri 19:00-07:00\n"
    gateways = right(write(tmp_path, {"fleet.yml": text, "practices.csv": rows})).gateways
    assert [gateway.hours for gateway in gateways] == [
        "Mon-Fri 19:00-07:00", "Sat 20:00-06:00, Sun 08:00-24:00", "always"
    ]  # fmt: skip
    assert [gateway.variables for gateway in gateways] == [{}, {}, {}]
    assert {gateway.hours for gateway in right(write(tmp_path / "without", {})).gateways} == {""}


def test_one_of_gateway_and_address_stands_for_both(tmp_path: Path) -> None:
    rows = f"{HEADER}\nA81001,,GW1.example.nhs.uk,,\nA81002,,,10.1.2.3,\n"
    first, second = right(write(tmp_path, {"practices.csv": rows})).gateways
    assert (first.name, first.address) == ("GW1.example.nhs.uk", "GW1.example.nhs.uk")
    assert (second.name, second.address) == ("A81002", "10.1.2.3")


def test_further_columns_become_variables_and_stay_data(tmp_path: Path) -> None:
    rows = f'{HEADER},Computer,Site ID\nA81001,,GW1,10.1.2.3,,PC1,"=HYPERLINK(""x"")"\n'
    (gateway,) = right(write(tmp_path, {"practices.csv": rows})).gateways
    assert gateway.variables == {"computer": "PC1", "site_id": '=HYPERLINK("x")'}


def test_the_example_is_right() -> None:
    found = right(root() / "inventory" / "example")
    assert len(found.gateways) == 26
    assert not found.known


def test_names_come_from_the_national_list_where_the_row_has_none(tmp_path: Path) -> None:
    folder = tmp_path / "fleet"
    shutil.copytree(root() / "inventory" / "example", folder)
    (folder / "practices.csv").write_text(f"{HEADER}\nA84002,,,,\n", "utf-8")
    assert right(folder).gateways[0].practice_name == "THE ROTHBURY PRACTICE"


def test_statements_and_waivers_are_read(tmp_path: Path) -> None:
    statements = """practice,gateway,control,says,by,on,until,ticket
a81001,,R3-dedicated,In the back office,A. Person,01/02/2026,2026-12-31,T1
,gw-a81002,only-connector,No other,B. Person,2026-02-01 00:00:00,1-Jan-27,
"""
    waivers = """- control: R7-disk-tpp
  practice: A81001
  words: A larger disk is ordered
  by: A. Person
  on: 2026-01-31
  until: 30/04/2026
  ticket: 12345
"""
    found = right(write(tmp_path, {"statements.csv": statements, "waivers.yml": waivers}))
    first, second = found.statements
    assert (first.practice, first.gateway, first.on, first.until) == (
        "A81001",
        "",
        date(2026, 2, 1),
        date(2026, 12, 31),
    )
    assert (second.practice, second.gateway, second.until) == ("A81002", "GW-A81002", date(2027, 1, 1))
    assert first.covers(found.gateways[0])
    assert not first.covers(found.gateways[1])
    (waiver,) = found.waivers
    assert (waiver.says, waiver.ticket, waiver.until) == ("A larger disk is ordered", "12345", date(2026, 4, 30))


def test_a_folder_without_statements_and_waivers_is_right(tmp_path: Path) -> None:
    found = right(write(tmp_path, {"waivers.yml": "# nothing\n"}))
    assert (found.statements, found.waivers) == ((), ())


def test_text_that_yaml_takes_for_something_else_is_text(tmp_path: Path) -> None:
    text = FLEET + "java:\n  version: 17.10\nconnection:\n  user: no\n"
    found = right(write(tmp_path, {"fleet.yml": text})).settings
    assert found.java.version == "17.10"
    assert found.connection.user == "no"


def test_none_is_any_number_and_a_section_without_settings_says_nothing(tmp_path: Path) -> None:
    text = FLEET + "rollout:\n  failed: none\n  waves: []\nconnector:\npackages:\n  jre:\n"
    found = right(write(tmp_path, {"fleet.yml": text})).settings
    assert found.rollout.failed is None
    assert found.rollout.waves == ()
    assert found.packages == {}
    assert found.connector.folder == "C:\\iPlato"


def test_packages_of_each_kind_and_source(tmp_path: Path) -> None:
    text = f"""{FLEET}service: {{name: iPlato}}
packages:
  connector:
    url: https://packages.example.nhs.uk/c.msi
    sha256: {SHA}
    kind: msi
    product_id: '{{1234}}'
  jre: {{push: jre.zip, sha256: {SHA.upper()}, root: jdk-17/jre}}
  procrun: {{path: 'C:\\Packages\\prunsrv.exe', sha256: {SHA}, kind: exe}}
"""
    found = right(write(tmp_path, {"fleet.yml": text, "jre.zip": "x"}))
    assert set(found.settings.packages) == {"connector", "jre", "procrun"}


def test_templates_of_the_connectors_files(tmp_path: Path) -> None:
    text = FLEET + "connector:\n  files:\n    - {path: conf/c.ini, template: c.j2, secrets: {key: vendor-key}}\n"
    folder = write(tmp_path, {"fleet.yml": text, "c.j2": "{{ practice }} {{ key }} {{ lookup('x') }} {{ range(3) }}"})
    assert check(folder)[1] == []


def test_an_endpoint_that_the_vendor_has_not_published_is_a_warning(tmp_path: Path) -> None:
    found, faults = check(write(tmp_path, {"fleet.yml": FLEET.replace("10.237.215.16", "10.1.2.3")}))
    assert found is not None
    assert [(fault.warning, fault.line) for fault in faults] == [(True, 2)]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("fleet.yml", "version: 1\n", "version: 1\nread_only: true\n"),
        ("fleet.yml", "10.237.215.5", "10.1.2.3"),
        ("fleet.yml", "hours: always", "hours: Sat 20:00-06:00"),
        ("practices.csv", "Sun 08:00-24:00", "Sun 08:00-23:00"),
        ("practices.csv", "BLUEBELL", "OTHER"),
        ("practices.csv", "10.1.2.3", "10.1.2.4"),
        ("statements.csv", "says so", "says no"),
        ("waivers.yml", "words: w", "words: other"),
        ("c.j2", "x", "y"),
    ],
)
def test_the_digest_changes_with_what_any_file_says(tmp_path: Path, name: str, old: str, new: str) -> None:
    files = full_folder()
    before = right(write(tmp_path / "before", files)).digest
    assert old in files[name]
    after = right(write(tmp_path / "after", {**files, name: files[name].replace(old, new)})).digest
    assert before != after


def test_the_digest_does_not_change_with_how_it_is_written(tmp_path: Path) -> None:
    files = full_folder()
    other = dict(files)
    other["fleet.yml"] = "# a remark\n" + files["fleet.yml"].replace("version: 1", "version:   1 # here")
    other["practices.csv"] = "\ufeff" + files["practices.csv"].replace("\n", "\r\n\r\n").replace(",", " ; ").lower()
    for name in ("BLUEBELL", "GABLES", "QUEENS PARK", "THE DENSHAM SURGERY", "GW-A81001", "GW-A81002"):
        other["practices.csv"] = other["practices.csv"].replace(f"{name.lower()} ;", f"{name} ;")
    other["practices.csv"] = other["practices.csv"].replace("sun 08:00", "Sun  08:00")
    assert right(write(tmp_path / "a", files)).digest == right(write(tmp_path / "b", other)).digest


def full_folder() -> dict[str, str]:
    return {
        "fleet.yml": FLEET + "connector:\n  files: [{path: c.ini, template: c.j2}]\nrollout:\n  hours: always\n",
        "practices.csv": PRACTICES.replace(HEADER, f"{HEADER},hours") + "A81005,GABLES,,,active,Sun 08:00-24:00\n",
        "statements.csv": "practice,control,says,by,on,until\nA81001,R3-dedicated,says so,me,2026-01-01,2027-01-01\n",
        "waivers.yml": "- {control: R7-disk, practice: A81001, words: w, by: me, on: 2026-01-01, until: 2027-01-01}\n",
        "c.j2": "x",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (["A81002"], ["GW2"]),
        (["a81001"], ["GW1", "GW1-NEW"]),
        (["gw1"], ["GW1"]),
        (["GW1*"], ["GW1", "GW1-NEW"]),
        (["A8100?"], ["GW1", "GW1-NEW", "GW2"]),
        (["GW2", "GW1"], ["GW1", "GW2"]),
        (["role=candidate"], ["GW1-NEW"]),
        (["site=h*"], ["GW2", ""]),
        (["practice=B81004"], [""]),
        (["name=queens park"], ["GW2"]),
        (["gateway=GW2"], ["GW2"]),
        (["port=5986", "GW2"], ["GW1", "GW1-NEW", "GW2", ""]),
        (["hours=*sat*"], ["GW2"]),
    ],
)
def test_only_narrows_by_code_name_and_column(northern: Fleet, patterns: list[str], names: list[str]) -> None:
    found = fleet.only(northern, patterns)
    assert [gateway.name for gateway in found.gateways] == names
    assert found.digest == northern.digest


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("A81003", "Did you mean A8100"),
        ("GW1-NWE", "Did you mean GW1-NEW?"),
        ("role=candidat", "Did you mean candidate?"),
        ("sit=Hull", "Did you mean site?"),
        ("site=Leeds", "No gateway has 'Leeds' there."),
        ("zzz", "Give a practice's code"),
        ("", "Give a practice's code"),
    ],
)
def test_a_pattern_that_fits_nothing_is_refused_with_the_nearest(northern: Fleet, pattern: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        fleet.only(northern, ["GW1", pattern])
    assert hint in caught.value.hint


def test_load_raises_all_faults_at_once(tmp_path: Path) -> None:
    folder = write(tmp_path, {"fleet.yml": "version: 1\nlabb: true\n", "practices.csv": f"{HEADER}\nX,,,,\n"})
    with pytest.raises(InputError) as caught:
        fleet.load(folder)
    assert [fault.file for fault in caught.value.faults if not fault.warning] == ["fleet.yml", "practices.csv"]


def names(adapter: TypeAdapter[settings.Settings]) -> set[str]:
    """Every setting's name, in all sections."""
    schema = adapter.json_schema()
    return {name for shape in (schema, *schema["$defs"].values()) for name in shape["properties"]}


def test_the_starter_names_every_setting() -> None:
    text = fleet.starter()["fleet.yml"]
    every = names(TypeAdapter(settings.Settings))
    assert {"lab", "sha256", "restart_after"} < every
    assert [name for name in sorted(every) if f"{name}:" not in text] == []


def test_init_writes_a_folder_that_lacks_only_what_must_be_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "fleet"
    result = CliRunner().invoke(provisioner, ["init", str(folder)])
    assert result.exit_code == 0
    assert "fleet.yml:8: there are no endpoints yet" in result.stderr
    assert {path.name for path in folder.iterdir()} == {
        "fleet.yml", "practices.csv", "statements.csv", "waivers.yml", ".gitignore"
    }  # fmt: skip
    found, faults = check(folder)
    assert found is not None
    assert [fault.message for fault in faults] == [
        "there are no endpoints yet: the vendor has four.", "has no practices yet."
    ]  # fmt: skip
    assert all(fault.warning for fault in faults)
    (folder / "fleet.yml").write_text(
        (folder / "fleet.yml").read_text().replace("endpoints: []", FLEET.splitlines()[1]), "utf-8"
    )
    assert right(folder).settings.read_only


def test_what_the_starter_shows_is_right_once_it_is_said(tmp_path: Path) -> None:
    text = re.sub(r"(?m)^# ( *(?:- )?[a-z0-9_]+:( .*)?)$", r"\1", fleet.starter()["fleet.yml"])
    text = text.replace("FINGERPRINT", SHA).replace("endpoints: []", FLEET.splitlines()[1])
    # These two belong to other ways of logging in than the one that is shown.
    text = re.sub(r"(?m)^  (credential_file|unchecked_because): .*$", "", text)
    (tmp_path / ".provisioner").mkdir()
    (tmp_path / ".provisioner" / "record-key.pem").touch()
    files = {"jre.zip": "x", "connector.properties.j2": "{{ api_key }}", "ca.pem": "x"}
    shutil.copy(root() / "inventory" / "example" / "epraccur.csv", tmp_path)
    rows = f"{HEADER},site\nA84002,,,,,\n"
    found = right(write(tmp_path, {"fleet.yml": text, "practices.csv": rows, **files}))
    assert found.settings.rollout == settings.Rollout(hours="Mon-Fri 19:00-07:00; Sat-Sun 00:00-24:00")
    assert found.settings.systmone == settings.SystmOne()
    assert set(found.settings.packages) == {"connector", "jre", "procrun"}


def test_init_never_writes_over_a_file(tmp_path: Path) -> None:
    (tmp_path / "practices.csv").write_text("mine", "utf-8")
    result = CliRunner().invoke(provisioner, ["init", str(tmp_path)])
    assert isinstance(result.exception, InputError)
    assert "practices.csv already" in result.exception.message
    assert [path.name for path in tmp_path.iterdir()] == ["practices.csv"]


def test_validate_counts_and_says_how_codes_were_judged(tmp_path: Path) -> None:
    result = CliRunner().invoke(provisioner, ["--fleet", str(write(tmp_path, {})), "validate"], standalone_mode=False)
    assert result.return_value == 0
    assert "is right: 3 practices, 2 gateways known, 1 not known yet, 0 warnings." in result.stdout
    assert "judged by their shape only" in result.stdout


def test_validate_as_json(tmp_path: Path) -> None:
    folder = write(tmp_path, {"practices.csv": PRACTICES + "K81003001,,,,\n"})
    result = CliRunner().invoke(
        provisioner, ["validate", "--fleet", str(folder), "--format", "json"], standalone_mode=False
    )
    assert result.return_value == 2
    document = json.loads(result.stdout)
    assert (document["version"], document["right"], document["practices"]) == (1, False, None)
    (fault,) = document["faults"]
    assert (fault["file"], fault["line"], fault["warning"]) == ("practices.csv", 5, False)


def test_today_is_what_statements_are_held_against(tmp_path: Path) -> None:
    row = "practice,control,says,by,on,until\nA81001,R3-dedicated,w,me,2026-01-01,2026-02-28\n"
    folder = write(tmp_path, {"statements.csv": row})
    assert fleet.check(folder, today=date(2026, 2, 28))[1] == []
    assert [fault.warning for fault in fleet.check(folder, today=TODAY)[1]] == [True]


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("", ".provisioner/journal.db"),
        ("journal: kept.db\n", "kept.db"),
        ("journal:\n", ".provisioner/journal.db"),
    ],
)
def test_where_the_journal_lies_is_known_while_the_rest_is_wrong(tmp_path: Path, line: str, path: str) -> None:
    text = f"{FLEET}{line}rollout:\n  waves: many\n"
    write(tmp_path, {"fleet.yml": text, "practices.csv": "no such columns\n"})
    assert named(tmp_path) == tmp_path / path
    with pytest.raises(InputError):
        fleet.load(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        f"{FLEET}jornal: kept.db\n",
        f"{FLEET}contact:\n  journal: kept.db\n",
        f"{FLEET}journal: ' '\n",
        f"{FLEET}journal: *kept\n",
        f"{FLEET}journal: kept.db\njournal: other.db\n",
        f"{FLEET.replace('version: 1', 'version: 2')}journal: kept.db\n",
        "- journal: kept.db\n",
        "",
    ],
)
def test_a_journal_is_not_guessed(tmp_path: Path, text: str) -> None:
    """Another one than was meant would say that nobody is at work, and nothing was done."""
    with pytest.raises(InputError):
        named(write(tmp_path, {"fleet.yml": text}))


def test_no_folder_has_no_journal(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        named(tmp_path)
