"""What a gateway printed, taken apart: each section's data, or why it has none."""

import functools
import json
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any

import fastjsonschema

from provisioner import foreign
from provisioner.errors import BadAnswer
from provisioner.evidence import shapes
from provisioner.evidence.question import SECTIONS

_MODES = {b"ConstrainedLanguage": "constrained", b"RestrictedLanguage": "restricted", b"NoLanguage": "no"}
_BEGIN, _END = b"#evidence begin", b"#evidence end"
_compiling = threading.Lock()


def parse(answer: bytes) -> tuple[dict[str, Mapping[str, Any]], dict[str, str], dict[str, float]]:
    """What the script printed -> data, errors and seconds by section. A section whose data has not the shape that
    schema/ has for it is an error of that section alone.

    Errors: BadAnswer when it is not evidence at all.
    """
    # Whatever cmd's AutoRun prints stands before the bootstrap's own line.
    mode = re.search(rb"#provisioner (\w+)", answer.partition(_BEGIN)[0])
    if mode and mode[1] != b"FullLanguage":
        kind = _MODES.get(mode[1], mode[1].decode("ascii", "replace"))
        raise BadAnswer(
            f"PowerShell runs in {kind} language mode there (AppLocker or WDAC)",
            "Ask the desktop team to allow scripts of this administrator account on the gateway.",
        )
    begin, end = answer.find(_BEGIN), answer.rfind(_END)
    if begin < 0:
        said = answer[mode.end() :] if mode else answer
        hint = "Is this PC what it should be?"
        if mode is None:
            hint += " Nothing of it is PowerShell's: does cmd's AutoRun there end cmd, or is it no Windows?"
        raise BadAnswer(f"the answer is not evidence: {_start(said)}", hint)
    if end < begin:
        raise BadAnswer("the answer is cut off", "The line or the PC went away in the middle. Try again.")
    try:
        document = json.loads(answer[begin + len(_BEGIN) : end])
    except UnicodeDecodeError as error:
        raise BadAnswer(
            "the answer is in another code page than was asked for", "Does something between here and there change it?"
        ) from error
    except ValueError as error:
        raise BadAnswer(f"the answer is not JSON: {error}", "Something on that PC writes into the answer.") from error
    except RecursionError as error:
        raise BadAnswer("the answer is too deep a nesting to be evidence", "Is this PC what it should be?") from error
    sections = document.get("sections") if isinstance(document, dict) else None
    if not isinstance(sections, dict) or document.get("version") != 1:
        raise BadAnswer("the answer is JSON, but not evidence of version 1", "Was the script changed on its way?")
    return _taken_apart(sections)


def _taken_apart(
    sections: Mapping[str, Any],
) -> tuple[dict[str, Mapping[str, Any]], dict[str, str], dict[str, float]]:
    data: dict[str, Mapping[str, Any]] = {}
    errors: dict[str, str] = {}
    seconds: dict[str, float] = {}
    for name in SECTIONS:
        if name not in sections:
            continue
        try:
            # Here once, so that whatever comes after can keep and show all of it.
            section = foreign.evidence(sections[name])
            _check(name, section)
        except (foreign.Unfit, fastjsonschema.JsonSchemaException) as error:
            errors[name] = f"not of the promised shape: {str(error)[:200]}"
            continue
        seconds[name] = section["ms"] / 1000
        if section["data"] is not None:
            data[name] = section["data"]
        else:
            errors[name] = str(section["error"] or "no data")[:500]
    return data, errors, seconds


def _check(name: str, section: Any) -> None:
    """Errors: fastjsonschema.JsonSchemaException where a section has not its shape."""
    try:
        _compiled(name, in_detail=False)(section)
    except fastjsonschema.JsonSchemaException:
        # Only this one says all of it; it is three times as long, and hardly ever wanted.
        _compiled(name, in_detail=True)(section)
        raise


def _compiled(name: str, *, in_detail: bool) -> Callable[[Any], Any]:
    # It takes some ms: without the lock, each of those who read at the same time would do it.
    with _compiling:
        return _compile(name, in_detail)


@functools.cache
def _compile(name: str, in_detail: bool) -> Callable[[Any], Any]:
    check: Callable[[Any], Any] = fastjsonschema.compile(shapes.section(name), detailed_exceptions=in_detail)
    return check


def _start(answer: bytes) -> str:
    text = " ".join(answer[:400].decode("utf-8", "replace").split())
    return repr(text[:120])
