"""One Evidence for each gateway, whatever it answers."""

import json
import threading

import pytest

from provisioner.collect import LARGEST_SCRIPT, collect, parse, script
from provisioner.errors import BadAnswer, TimedOut, Unreachable
from provisioner.model import Gateway, Role

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
            hung.wait(60)
        return answer({})

    reading = collect([gateway("hung"), gateway("quick"), gateway("never")], ask, at_once=2)
    assert next(reading).gateway == "quick"
    reading.close()  # type: ignore[attr-defined]
    hung.set()


def test_the_script_as_sent_is_ascii_and_fits_one_envelope() -> None:
    assert len(script().encode("ascii")) < LARGEST_SCRIPT
