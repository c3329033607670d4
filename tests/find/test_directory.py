"""`provisioner find --directory` against a real directory: 300 computers, of which 40 are gateways."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from provisioner.lab.process import client
from provisioner.lab.process.client import Handle
from tests.conftest import Ran
from tests.fixtures.realm import ADMIN, GATEWAYS, Realm, connect, started

pytest.importorskip("bonsai", reason="provisioner[directory] is not installed")
pytestmark = [pytest.mark.realm, pytest.mark.timeout(600)]

BASE = "DC=example,DC=test"
AWKWARD = f'OU=Surgeries\\, North \\"Wing\\" \u00c9vry,{BASE}'
CODES = [f"A810{number:02}" for number in range(1, 41)]
NAMES = {code: f"Practice {code}" for code in CODES} | {
    f"A810{number:02}": f"{word} Vale Surgery"
    for number, word in enumerate(("Meadow", "Far Meadow", "Brook", "Hill", "Dale"), 31)
}
CODED = [f"GW-A810{number:02}" for number in range(26, 31)]
NAMED = [f"SURG-{number}" for number in range(31, 36)]
PAIRED = [f"KIOSK-{number}" for number in range(36, 41)]
PCS = [f"A810{number:02}-PC" for number in range(1, 21)]
PLACES = dict(zip([*GATEWAYS, *CODED, *NAMED, *PAIRED], CODES, strict=True))
OTHERS = 300 - len(PLACES) - len(PCS)


@dataclass(frozen=True)
class Estate:
    """The realm, and a lab with the gateways, and PCs of practices that are none."""

    realm: Realm
    lab: Handle

    @property
    def folder(self) -> Path:
        return self.lab.folder

    def find(self, *arguments: str | Path, account: str = "svc-provisioner") -> Ran:
        return self.realm.run("find", "--directory", *arguments, fleet=self.folder, env=self.realm.keys(account))


@pytest.fixture(scope="module")
def estate(realm: Realm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    realm.more(*CODED, *NAMED, *PAIRED, *PCS)
    others = [
        {"name": f"WS-{number:05}", "ou": AWKWARD, "description": "a PC of A99999, asset B12345"}
        for number in range(OTHERS)
    ]
    values = {f"CN={name},OU=Gateways,{BASE}": {"description": f"Reception, {NAMES[PLACES[name]]}"} for name in NAMED}
    values |= {f"CN={name},OU=Gateways,{BASE}": {"description": "\u00e9, #"} for name in [*CODED, *PAIRED, *PCS]}
    realm.put(ous=[AWKWARD], computers=others, values=values)
    rows = [
        {"practice": code, "name": NAMES[code], "gateway": name, "computer": name, "role": "active", "address": ""}
        for name, code in PLACES.items()
    ]
    rows += [
        {**rows[number], "gateway": name, "computer": name, "role": "candidate"} for number, name in enumerate(PCS)
    ]
    folder = tmp_path_factory.mktemp("estate") / "fleet"
    with client.running(folder, rows, state="ready", keytabs=realm.keytabs, admins=[ADMIN]) as lab:
        connect(lab)
        for name in PCS[:5]:
            lab.set(name, "systmone=off")
        text = "".join(f"{code},{NAMES[code]},,,active\n" for code in CODES)
        (folder / "practices.csv").write_text(f"practice,name,gateway,address,role\n{text}", "utf-8")
        with (folder / "fleet.yml").open("a", encoding="utf-8") as settings:
            settings.write("\ndirectory: {server: dc.example.test}\n")
        (folder / "pairs.csv").write_text(
            "practice,name\n" + "".join(f"A810{name[-2:]},{name}\n" for name in PAIRED), "utf-8"
        )
        yield Estate(realm, lab)


def of_practices(ran: Ran) -> list[dict[str, Any]]:
    return [one for one in json.loads(ran.out)["computers"] if one["practice"]]


def test_forty_of_three_hundred_are_found_and_none_wrong(estate: Estate, tmp_path: Path) -> None:
    before = estate.lab.state()
    practices = (estate.folder / "practices.csv").read_bytes()
    output = tmp_path / "rows.csv"
    ran = estate.find("--table", estate.folder / "pairs.csv", "--output", output, "--format", "json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)["computers"]
    assert len(found) == 300
    gateways = {one["computer"]: one["practice"] for one in found if one["likelihood"] == "gateway"}
    assert gateways == PLACES
    assert {one["computer"] for one in found if one["likelihood"] == "unlikely"} == set(PCS)
    assert {one["suggested_role"] for one in found} == {"candidate", ""}
    assert [one["practice"] for one in found[:60]] == sorted(one["practice"] for one in found[:60])
    with output.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["gateway"]: row["practice"] for row in rows} == PLACES
    assert {row["role"] for row in rows} == {"candidate"}
    # Nothing was changed, there or here.
    assert estate.lab.state() == before
    assert not [one for one in estate.lab.events() if one["event"] in ("module", "changed", "login_refused")]
    assert (estate.folder / "practices.csv").read_bytes() == practices
    # And the rows are right ones.
    (estate.folder / "practices.csv").write_bytes(practices + output.read_bytes().split(b"\n", 1)[1])
    try:
        assert estate.realm.run("validate", fleet=estate.folder).code == 0
        again = estate.find("--no-read", "--only", "A81001", "--format", "json")
        assert [one["role"] for one in of_practices(again)] == ["candidate", ""]
    finally:
        (estate.folder / "practices.csv").write_bytes(practices)


def test_without_reading_and_as_a_table(estate: Estate) -> None:
    logins = len(estate.lab.events())
    ran = estate.find("--no-read", "--name", "gw-a8102?", account="clerk")
    assert ran.code == 0, ran.err
    assert "GW-A81026" in ran.out and "Windows 11 Enterprise" in ran.out
    assert "4 computers: 4 of a practice, 0 of none." in ran.err
    assert len(estate.lab.events()) == logins


def test_a_place_with_commas_quotes_and_accents(estate: Estate) -> None:
    ran = estate.find("--no-read", "--ou", AWKWARD, "--format", "json")
    assert ran.code == 0, ran.err
    assert len(json.loads(ran.out)["computers"]) == OTHERS
    assert not of_practices(ran)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--ou", f"OU=Gatewys,{BASE}"), ("has no OU=Gatewys", "Did you mean OU=Gateways,DC=example,DC=test?")),
        (("--ou", "OU=Gateways,DC=other"), ("has no OU=Gateways,DC=other",)),
        (("--ou", "Gateways"), ("is no place in a directory",)),
        (("--output", "practices.csv"), ("is not written to", "practices.csv")),
        (("--output", "fleet.yml"), ("is there already",)),
        (("--table", "absent.csv"), ("absent.csv", "is missing")),
    ],
)
def test_wrong_input_is_said(arguments: tuple[str, str], words: tuple[str, ...], estate: Estate) -> None:
    option, value = arguments
    given = str(estate.folder / value) if option == "--output" else value
    ran = estate.find("--no-read", option, given)
    assert ran.code == 2, ran.out + ran.err
    assert "Traceback" not in ran.err
    for word in words:
        assert word in " ".join(ran.err.split())


def settled(folder: Path, server: str) -> None:
    path = folder / "fleet.yml"
    path.write_text(path.read_text("utf-8").replace("{server: dc.example.test}", f"{{{server}}}"), "utf-8")


@pytest.mark.parametrize(
    ("server", "words"),
    [
        ("server: 'a81001.example.test:9'", "no connection"),
        ("server: example.test", "Kerberos knows no directory by that name"),
        ("server: 'ldaps://dc.example.test'", "its certificate is not trusted"),
        ("server: dc.example.test, base: 'DC=other,DC=test'", "The directory has no DC=other,DC=test"),
        ("server: 127.0.0.88", "Kerberos knows servers by their names"),
        ("server: dc.example.test, ca_file: ca.pem", "no file ca.pem"),
    ],
)
def test_a_wrong_server_is_said(server: str, words: str, estate: Estate) -> None:
    before = (estate.folder / "fleet.yml").read_bytes()
    settled(estate.folder, server)
    try:
        ran = estate.find("--no-read")
    finally:
        (estate.folder / "fleet.yml").write_bytes(before)
    assert ran.code in (2, 3), ran.out
    assert "Traceback" not in ran.err
    assert words in " ".join(ran.err.split())


def test_without_a_ticket_and_without_the_library(estate: Estate) -> None:
    ran = estate.realm.run("find", "--directory", "--no-read", fleet=estate.folder)
    assert ran.code == 3
    assert "there is no ticket of that account" in ran.err
    env = {"PROVISIONER_TEST_WITHOUT": "bonsai", **estate.realm.keys("clerk")}
    ran = estate.realm.run("find", "--directory", "--no-read", fleet=estate.folder, env=env)
    assert ran.code == 2
    assert "pip install 'provisioner[directory]'" in ran.err


def test_more_than_a_server_gives_at_a_time(tmp_path: Path) -> None:
    """Two thousand five hundred, in a realm of their own: a server of Windows gives a thousand at a time."""
    for realm in started(tmp_path / "r", 89, ("a81001",)):
        many = f"OU=Many,{BASE}"
        realm.put(ous=[many], computers=[{"name": f"WS-{number:05}", "ou": many} for number in range(2500)])
        fleet = tmp_path / "fleet"
        fleet.mkdir()
        (fleet / "fleet.yml").write_text("version: 1\nendpoints: []\ndirectory: {server: dc.example.test}\n", "utf-8")
        (fleet / "practices.csv").write_text("practice,name,gateway,address,role\nA81001,X,,,\n", "utf-8")
        ran = realm.run("find", "--directory", "--no-read", "--format", "json", fleet=fleet, env=realm.keys("clerk"))
        assert ran.code == 0, ran.err
        found = json.loads(ran.out)["computers"]
        assert len({one["computer"] for one in found}) == len(found) == 2501
        assert [one["computer"] for one in found if one["practice"]] == ["A81001"]
