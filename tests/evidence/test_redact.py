"""The file of a reading that may leave the practice: nothing in it tells whose it is, and it drops in as a case."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from provisioner.evidence import redact, shapes
from provisioner.evidence.answer import parse
from provisioner.evidence.question import SECTIONS
from provisioner.lab.process.client import Handle
from provisioner.lab.wsman.answer import document
from provisioner.model import Evidence
from tests.conftest import Command
from tests.fixtures.evidence import MACHINES, SHAPE, VALIDATOR
from tests.fixtures.lab import FOLDER, IMAGE, NOW, fleet, one, settings

WORDS = ("A84002", "THE ROTHBURY PRACTICE", "GW-ROTH-1", "10.20.30.40", "Coquetdale ICB", "443")
SECRETS = (
    *("a84002", "rothbury", "gw-roth-1", "coquetdale", "10.20.30", "fe80::1c2d", "siân", "jones", "sian.jones"),
    *("gproth", "practices.local", "czc1234abc", "6b8a1f6e", "1004336348", "fs01", "vpn-gw", "00-1a-2b", "parkinson"),
    *("a81999", "nhs.net", "surgery.nhs.uk"),
)
# What a gateway may say anywhere: each of these holds at least one of SECRETS in some disguise.
HOSTILE = (
    *("GW-ROTH-1", "gw\u200b-roth-1", "\uff27\uff37\uff0d\uff32\uff2f\uff34\uff28\uff0d\uff11", "\u202eSia\u0302n"),
    *("C:\\Users\\sian.jones\\App Data\\x.exe", "c:\\USERS\\Sian.Jones", "\\\\fs01\\rothbury$\\a", "PRACTICES\\Siân"),
    *("10.20.30.40", "10.20.30.0/255.255.255.0", "\uff11\uff10.20.30.41", "fe80::1c2d:3e4f%12"),
    *("10.20.30.1-10.20.30.9", "pc7.practices.local"),
    *("TCP Query User{6b8a1f6e-3f3a-4b51-9b0e-2f6f0e0c1a77}C:\\users\\sian.jones\\x.exe",),
    *("S-1-5-21-1004336348-1177238915-682003330-1104", "00-1A-2B-3C-4D-5E", "sian.jones@nhs.net", "surgery.nhs.uk"),
    *("Rothbury Practice printers", "CN=gproth.practices.local, O=Rothbury", "GP-A81999-GW", "x\0\nGPROTH"),
)  # fmt: skip


def texts(shape: Any, at: str, mark: str = "") -> Iterator[tuple[str, str]]:
    """The fields of a shape that may hold text, and what `x-redact` says of each."""
    mark = shape.get("x-redact", mark)
    for inner in (*shape.get("anyOf", ()), *([shape["items"]] if "items" in shape else ())):
        yield from texts(inner, at, mark)
    for name, inner in shape.get("properties", {}).items():
        yield from texts(inner, f"{at}.{name}")
    kinds = [shape["type"]] if isinstance(shape.get("type"), str) else shape.get("type", ["string"])
    if "string" in kinds and "anyOf" not in shape:
        yield at, mark


def test_of_each_text_it_is_said_what_may_stay() -> None:
    fields = [field for name in SECTIONS for field in texts(shapes.data(name), name)]
    assert [at for at, mark in fields if mark not in redact.RULES] == []
    assert {mark for _, mark in fields} == set(redact.RULES)
    assert {at for name in SECTIONS for at in redact._rules(name)} == {at for at, _ in fields}


def test_a_text_of_which_nothing_is_said_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def told_of(**said: str) -> Any:
        shape = {"properties": {"home": {"type": ["string", "null"], **said}}}
        monkeypatch.setattr(redact, "_rules", lambda section: dict(redact._marked(shape, section)))
        return told(answer)["answer"]["sections"]["java"]["data"]

    answer = document(one(), settings("java"), NOW)
    answer["sections"]["java"]["data"] |= {"home": FOLDER, "vendor": "Eclipse"}
    assert told_of(**{"x-redact": "path"})["home"] == FOLDER
    for shape in ({}, {"x-redact": "no such word"}):
        assert told_of(**shape)["home"].startswith("word-")
    assert told_of()["vendor"].startswith("word-")


def evidence(answer: dict[str, Any]) -> Evidence:
    """A gateway's answer as it was read."""
    printed = f"#evidence begin\n{json.dumps(answer)}\n#evidence end\n"
    data, errors, seconds = parse(printed.encode("ascii"))
    at = datetime.now(UTC)
    return Evidence(gateway="g", taken_at=at, seconds=1, sections=data, section_errors=errors, section_seconds=seconds)


def told(answer: dict[str, Any], words: tuple[str, ...] = WORDS, **asked: Any) -> dict[str, Any]:
    return redact.redacted(evidence(answer), settings(**asked), words)


def filled(shape: Any, text: Callable[[], str]) -> Any:
    """A document of that shape with two of everything, its texts taken from `text`."""
    if "const" in shape or "enum" in shape:
        return shape.get("const", shape.get("enum", [None])[0])
    if "anyOf" in shape:
        return filled(shape["anyOf"][0], text)
    if "properties" in shape:
        return {name: filled(inner, text) for name, inner in shape["properties"].items()}
    if "items" in shape:
        return [filled(shape["items"], text) for _ in range(2)]
    kinds = shape["type"] if isinstance(shape["type"], list) else [shape["type"]]
    return text() if "string" in kinds else True if "boolean" in kinds else 7 if "integer" in kinds else None


@pytest.mark.parametrize("shift", range(len(HOSTILE)))
def test_nothing_that_tells_is_left_wherever_it_stands(shift: int) -> None:
    turn = iter(range(10**6))
    answer = filled(SHAPE, lambda: HOSTILE[(next(turn) + shift) % len(HOSTILE)])
    answer["sections"]["identity"]["data"] |= {
        **{"computer_name": "GPROTH", "domain": "practices.local", "serial": "CZC1234ABC"},
        "machine_guid": "6b8a1f6e-3f3a-4b51-9b0e-2f6f0e0c1a77",
    }
    answer["sections"]["account"]["data"]["user"] = "PRACTICES\\Siân Jones"
    answer["sections"]["clock"] = {"ms": 1, "error": "no answer from pc7.practices.local", "data": None}
    answer["sections"]["antivirus"]["data"]["defender"]["path_exclusions"] = ["D:\\Mrs Parkinson\\letters", IMAGE]
    found = told(answer, folder="C:\\Users\\sian.jones\\iPlato")
    VALIDATOR.validate(found["answer"])
    written = json.dumps(found, ensure_ascii=False).casefold()
    assert [one for one in SECRETS if one in written] == []
    assert found["answer"]["sections"]["antivirus"]["data"]["defender"]["path_exclusions"][1].endswith("java.exe")


@limits(deadline=None)
@given(st.text())
def test_any_text_can_be_redacted_and_hides_nothing(text: str) -> None:
    answer = document(one(), settings("identity", "java", "hardware"), NOW)
    answer["sections"]["java"]["data"] |= {"home": text, "vendor": text, "version": text}
    answer["sections"]["hardware"]["data"]["model"] = f"{text} gproth-7 {text}"
    answer["sections"]["identity"]["data"]["computer_name"] = "GPROTH-7"
    found = told(answer, words=())["answer"]
    VALIDATOR.validate(found)
    assert "gproth-7" not in json.dumps(found).casefold()


def test_what_was_equal_stays_equal_and_what_is_windows_own_stays() -> None:
    answer = document(one("ready"), settings(), NOW)
    first, second = "81.2.3.4", "81.2.3.5"
    answer["sections"]["firewall"]["data"]["rules"][0]["remote_addresses"] = [first, second]
    results = answer["sections"]["endpoints"]["data"]["results"]
    results[0]["address"], results[1]["address"] = second, first
    found = told(answer, endpoints=[first, second, "192.0.2.5"])
    asked, sections = found["settings"], {name: part["data"] for name, part in found["answer"]["sections"].items()}
    assert asked["endpoints"][:2] == ["203.0.113.1", "203.0.113.2"]
    assert sections["firewall"]["rules"][0]["remote_addresses"] == asked["endpoints"][:2]
    assert asked["endpoints"][2] == "192.0.2.5"
    assert [one["address"] for one in sections["endpoints"]["results"]][:2] == ["203.0.113.2", "203.0.113.1"]
    assert sections["firewall"]["rules"][0]["program"] == sections["antivirus"]["effective"]["path"] == IMAGE
    assert sections["service"]["service"]["account"] == "NT AUTHORITY\\LOCAL SERVICE"
    assert sections["connector"]["folder"] == FOLDER
    assert (sections["users"]["sessions"][0]["kind"], sections["windows"]["architecture"]) == ("console", "x64")
    assert {sha for sha in (one["sha256"] for one in sections["connector"]["files"]) if sha} <= {"0" * 64}


@pytest.mark.parametrize("state", ["fresh", "ready", "mixed"])
def test_a_file_that_was_redacted_stays_as_it_is(state: str) -> None:
    for machine in fleet(8, state).values():
        held(told(document(machine, settings(), NOW), (machine.name,)))


def held(case: dict[str, Any]) -> None:
    """What is asked of a file that drops into the folder of machines: its shape, and that it has been redacted."""
    VALIDATOR.validate(case["answer"])
    read = evidence(case["answer"])
    wrong = {name: error for name, error in read.section_errors.items() if case["answer"]["sections"][name]["data"]}
    assert wrong == {}
    assert redact.redacted(read, case["settings"], ()) | {"about": case["about"]} == case


def test_the_files_that_users_sent() -> None:
    """A user's file is tests/machines/NAME/answer.json. So far there is none."""
    for path in sorted(MACHINES.glob("*/answer.json")):
        held(json.loads(path.read_text("utf-8")))


def test_read_writes_the_file(lab: Callable[..., Handle], provisioner: Command, tmp_path: Path) -> None:
    handle = lab("A84002", state="ready")
    file = tmp_path / "sent.json"
    plain = json.loads(provisioner("read", "A84002", "--format", "json", fleet=handle.folder).out)["sections"]
    ran = provisioner("read", "A84002", "--output", file, fleet=handle.folder)
    assert (ran.code, ran.out) == (0, "")
    assert "Look through it" in ran.err
    written = file.read_text("utf-8")
    held(json.loads(written))
    identity = plain["identity"]
    for word in ("A84002", *(identity[name] for name in ("computer_name", "serial", "machine_guid")), "127.0.0"):
        assert word not in written
    assert list(json.loads(written)["answer"]["sections"]) == list(SECTIONS)

    wrong = provisioner("read", "A84002", "--output", tmp_path / "none" / "x.json", fleet=handle.folder)
    assert (wrong.code, "cannot be written" in wrong.err) == (2, True)
    handle.set("A84002", "offline")
    file.unlink()
    assert provisioner("read", "A84002", "--output", file, fleet=handle.folder).code == 3
    assert not file.exists()
