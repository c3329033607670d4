"""One Evidence for each gateway, whatever it answers."""

import json
import math
import re
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter

from provisioner.errors import BadAnswer, TimedOut, Unreachable
from provisioner.evidence.answer import parse
from provisioner.evidence.collect import collect
from provisioner.evidence.question import LARGEST_SCRIPT, script
from provisioner.model import Evidence, Gateway, Role
from provisioner.record import chain
from provisioner.transport import waiting, winrm

NOW = datetime(2026, 11, 23, 20, 15, tzinfo=UTC)

HEAD = b"#provisioner FullLanguage\n"
DISK = {"ms": 3, "error": None, "data": {"drive": "C:", "free_bytes": 5, "total_bytes": 9}}


def gateway(name: str) -> Gateway:
    return Gateway(name=name, practice="A81001", practice_name="", address="x", port=1, path="/", role=Role.ACTIVE)


def answer(sections: object, version: int = 1) -> bytes:
    document = json.dumps({"version": version, "sections": sections}).encode()
    return HEAD + b"#evidence begin\n" + document + b"\n#evidence end\n"


def test_a_right_answer() -> None:
    data, errors, seconds = parse(answer({"disk": DISK}))
    assert data == {"disk": DISK["data"]}
    assert errors == {}
    assert seconds == {"disk": 0.003}


def test_a_broken_section_costs_itself_only() -> None:
    broken = {"ms": 20000, "error": "no answer after 20 s", "data": None}
    data, errors, _ = parse(answer({"disk": DISK, "screen": broken}))
    assert set(data) == {"disk"}
    assert errors == {"screen": "no answer after 20 s"}


@pytest.mark.parametrize(
    "section",
    [{"ms": 1, "error": None, "data": {"drive": "C:"}}, {"ms": 1, "error": None, "data": "<b>"}, 7, {"ms": -1}],
)
def test_a_section_of_another_shape_is_an_error_of_that_section(section: object) -> None:
    data, errors, _ = parse(answer({"disk": section, "screen": {"ms": 1, "error": "x", "data": None}}))
    assert data == {}
    assert errors["disk"].startswith("not of the promised shape")


def test_what_is_wrong_with_a_shape_is_said_in_full() -> None:
    _, errors, _ = parse(answer({"disk": {"ms": 1, "data": None}}))
    assert errors == {"disk": "not of the promised shape: data must contain ['error'] properties"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "not evidence"),
        (b"<html><script>alert(1)</script>", "not evidence"),
        (HEAD + b"#evidence begin\n{", "cut off"),
        (HEAD + b"#evidence begin\n{\n#evidence end", "not JSON"),
        (HEAD + b"#evidence begin\n[]\n#evidence end", "not evidence of version 1"),
        (answer({}, version=2), "not evidence of version 1"),
        (HEAD.decode().encode("utf-16"), "not evidence"),
        (b"#provisioner ConstrainedLanguage\nCannot invoke method", "constrained language"),
    ],
)
def test_an_answer_that_is_no_evidence_says_what_it_is(text: bytes, words: str) -> None:
    with pytest.raises(BadAnswer, match=words):
        parse(text)


@pytest.mark.parametrize("nasty", ["Dell\ud800", "a\0b", "\ufffe", "\x1b[2J\u202egnp.exe\r\nsecond"])
def test_what_no_file_can_hold_and_no_terminal_should_see_is_taken_out_here(nasty: str) -> None:
    disk = {**DISK, "data": {"drive": nasty, "free_bytes": 5, "total_bytes": 9}}
    data, errors, _ = parse(answer({"disk": disk, "screen": {"ms": 1, "error": nasty, "data": None}}))
    assert data["disk"]["drive"].isprintable()
    assert errors["screen"].isprintable()
    one = Evidence(gateway="g", taken_at=NOW, seconds=1, sections=data, section_errors=errors)
    assert chain.read(chain.canonical(one)) == one
    assert TypeAdapter(Evidence).validate_json(TypeAdapter(Evidence).dump_json(one)) == one


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999", "1" + "0" * 400])
def test_a_number_that_none_can_keep_is_an_error_of_its_section(number: str) -> None:
    sections = {"disk": DISK, "screen": {"ms": 7777, "error": "x", "data": None}}
    document = json.dumps({"version": 1, "sections": sections})
    text = HEAD + b"#evidence begin\n" + document.replace("7777", number).encode() + b"\n#evidence end\n"
    data, errors, _ = parse(text)
    assert set(data) == {"disk"}
    assert "a number that is none, or too large" in errors["screen"]


def test_a_nesting_without_end_is_no_evidence() -> None:
    with pytest.raises(BadAnswer, match="nesting"):
        parse(HEAD + b"#evidence begin\n" + b"[" * 200_000 + b"]" * 200_000 + b"\n#evidence end\n")


# Case 12, of atom's issue 10082: Command Processor\\AutoRun = chcp 1251. What stands before our own line is cmd's.
NOISE = {
    "none": b"",
    "english": b"Active code page: 65001\r\n",
    "russian": "Текущая кодовая страница: 1251\r\n".encode(),
    "cp1251": "Текущая кодовая страница: 1251\r\n".encode("cp1251"),
    "without an end": b"C:\\> ",
    "much": b"#one\r\n" * 500,
}
AMSI = (
    "At line:1 char:1\r\nThis script contains malicious content and has been blocked by your antivirus software.\r\n"
    "    + CategoryInfo : ParserError: (:) [], ParentContainsErrorRecordException\r\n"
    "    + FullyQualifiedErrorId : ScriptContainedMaliciousContent\r\n"
)
NO_PROGRAM = (
    "'powershell.exe' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n"
)
FULL, CONSTRAINED = b"#provisioner FullLanguage\r\n", b"#provisioner ConstrainedLanguage\r\n"
REFUSED = b"#evidence refused: PowerShell runs in ConstrainedLanguage here\r\n"


@dataclass
class Said:
    """In the place of a Conversation: what a command printed."""

    out: bytes
    errors: bytes
    code: int

    def output(self) -> tuple[bytes, bytes, int, bool]:
        return self.out, self.errors, self.code, True


@pytest.mark.parametrize("noise", sorted(NOISE))
@pytest.mark.parametrize(
    ("out", "errors", "code", "words"),
    [
        (CONSTRAINED, "Cannot invoke method.", 1, "constrained language mode"),
        (CONSTRAINED + REFUSED, "", 0, "constrained language mode"),
        (FULL, AMSI, 1, "an antivirus on the gateway took the script for malicious"),
        (FULL, "", 1, "PowerShell ended with code 1 and said nothing"),
        (b"", NO_PROGRAM, 9009, "powershell.exe was not found there"),
        (b"", "Accès refusé.", 5, "PowerShell ended with code 5 and said nothing but: Accès refusé."),
    ],
)
def test_a_cause_is_named_whatever_cmd_prints_before_it(
    noise: str, out: bytes, errors: str, code: int, words: str
) -> None:
    said: Any = Said(NOISE[noise] + out, errors.encode(), code)
    with pytest.raises(BadAnswer, match=re.escape(words)):
        parse(winrm._output(said, lambda: math.inf))


@pytest.mark.parametrize("noise", sorted(NOISE))
def test_a_good_answer_is_taken_whatever_cmd_prints_before_it(noise: str) -> None:
    said: Any = Said(NOISE[noise] + answer({"disk": DISK}), b"a remark of a program's", 0)
    assert set(parse(winrm._output(said, lambda: math.inf))[0]) == {"disk"}


@pytest.mark.parametrize(
    ("out", "words"), [(FULL, "the script did not come to it"), (b"", "never begun"), (b" \r\n", "never begun")]
)
def test_what_cmd_does_before_powershell_is_a_cause_of_its_own(out: bytes, words: str) -> None:
    """An AutoRun that reads standard input, and one that ends cmd: nothing fails, and nothing is said."""
    said: Any = Said(out, b"", 0)
    with pytest.raises(BadAnswer, match=words) as caught:
        parse(winrm._output(said, lambda: math.inf))
    assert "AutoRun" in caught.value.hint


def test_an_answer_without_a_line_of_powershells_is_asked_after_what_cmd_begins_with() -> None:
    said: Any = Said(NOISE["english"], b"", 0)
    with pytest.raises(BadAnswer, match="not evidence") as caught:
        parse(winrm._output(said, lambda: math.inf))
    assert "AutoRun" in caught.value.hint


def test_every_gateway_has_one_evidence_whatever_happens() -> None:
    def ask(one: Gateway) -> bytes:
        if one.name == "slow":
            raise TimedOut("too long", "wait")
        if one.name == "off":
            raise Unreachable("no answer", "Is it on?", absent=True)
        if one.name == "bug":
            raise RuntimeError("ours")
        return answer({"disk": DISK})

    names = ["good", "slow", "off", "bug", *(f"g{number}" for number in range(20))]
    found = {one.gateway: one for one in collect([gateway(name) for name in names], ask, at_once=4)}
    assert sorted(found) == sorted(names)
    assert found["good"].error is None
    assert found["slow"].error is not None
    assert (found["slow"].error.kind, found["slow"].error.hint) == ("TimedOut", "wait")
    assert {name for name, one in found.items() if one.error and one.error.absent} == {"off"}
    assert found["bug"].error is not None
    assert found["bug"].error.message == "RuntimeError: ours"


def test_leaving_early_waits_for_nobody() -> None:
    hung = threading.Event()

    def ask(one: Gateway) -> bytes:
        if one.name == "hung":
            waiting.aside(lambda: hung.wait(60))
        return answer({})

    reading = collect([gateway("hung"), gateway("quick"), gateway("never")], ask, at_once=2)
    assert next(reading).gateway == "quick"
    reading.close()  # type: ignore[attr-defined]
    hung.set()


def test_what_ends_the_thread_that_reads_is_no_wait_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda _: ended.set())

    def ask(one: Gateway) -> bytes:
        raise GeneratorExit

    with pytest.raises(RuntimeError, match="the thread that reads the gateways has ended"):
        list(collect([gateway("one"), gateway("two")], ask, at_once=1))
    assert ended.wait(10)


def test_the_script_as_sent_is_ascii_and_fits_one_envelope() -> None:
    assert len(script().encode("ascii")) < LARGEST_SCRIPT
