"""Many gateways at once; exactly one Evidence for each, whatever happens, handed on as it comes."""

import functools
import json
import queue
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import fastjsonschema

from provisioner import foreign, resources
from provisioner.errors import BadAnswer, GatewayError
from provisioner.fleet import endpoints
from provisioner.model import Evidence, Gateway, Problem
from provisioner.model.product import PRODUCT
from provisioner.model.settings import Settings

SECTIONS = (
    "identity", "account", "windows", "hardware", "disk", "memory", "screen", "power", "users", "systmone",
    "connector", "java", "service", "firewall", "antivirus", "endpoints", "reboot", "clock", "winrm", "ours",
)  # fmt: skip
# What one section may take on a gateway before it is left behind, in seconds.
SECTION_SECONDS = 25

# Script and settings go in one envelope of 96 KiB (remote.LARGEST_INPUT): the settings may take 12 of them.
LARGEST_SCRIPT = 84 * 1024

_MODES = {b"ConstrainedLanguage": "constrained", b"RestrictedLanguage": "restricted", b"NoLanguage": "no"}
_BEGIN, _END = b"#evidence begin", b"#evidence end"

Ask = Callable[[Gateway], bytes]


def collect(gateways: Sequence[Gateway], ask: Ask, at_once: int) -> Iterator[Evidence]:
    """Ask every gateway, `at_once` at the same time, and give each one's Evidence as soon as it is there.

    `ask` runs the script on one gateway and gives what it printed; what it raises becomes that gateway's Problem.
    Leaving the loop early (Ctrl-C) does not wait for the gateways that are still being asked.
    """
    waiting: queue.SimpleQueue[Gateway] = queue.SimpleQueue()
    for gateway in gateways:
        waiting.put(gateway)
    done: queue.SimpleQueue[Evidence] = queue.SimpleQueue()
    threads = [
        # Daemons, so that an impatient operator is not held by a gateway that does not answer.
        threading.Thread(target=_work, args=(waiting, ask, done), daemon=True)
        for _ in range(min(at_once, len(gateways)))
    ]
    started = _begin(threads)
    try:
        for _ in gateways:
            if not started:
                done.put(one(waiting.get(), ask))
            yield done.get()
    finally:
        _drain(waiting)


def _begin(threads: Sequence[threading.Thread]) -> int:
    """Start as many as this computer lets us. How many those are."""
    for number, thread in enumerate(threads):
        try:
            thread.start()
        except RuntimeError:
            return number
    return len(threads)


def _drain(waiting: "queue.SimpleQueue[Gateway]") -> None:
    try:
        while True:
            waiting.get_nowait()
    except queue.Empty:
        return


def _work(waiting: "queue.SimpleQueue[Gateway]", ask: Ask, done: "queue.SimpleQueue[Evidence]") -> None:
    while True:
        try:
            gateway = waiting.get_nowait()
        except queue.Empty:
            return
        done.put(one(gateway, ask))


def one(gateway: Gateway, ask: Ask) -> Evidence:
    """One gateway's Evidence. Never raises for anything that a gateway can cause."""
    begun, at = time.monotonic(), datetime.now(UTC)
    try:
        sections = parse(ask(gateway))
    except GatewayError as error:
        kind = type(error).__name__
        problem = Problem(kind=kind, message=error.message, hint=error.hint, absent=error.absent)
        return Evidence(gateway=gateway.name, taken_at=at, seconds=time.monotonic() - begun, error=problem)
    except Exception as error:
        # A fault of ours must cost one gateway only, and must be seen.
        words = foreign.readable(f"{type(error).__name__}: {error}")
        problem = Problem(kind="Fault", message=words, hint="Please report this.")
        return Evidence(gateway=gateway.name, taken_at=at, seconds=time.monotonic() - begun, error=problem)
    data, errors, seconds = sections
    return Evidence(
        gateway=gateway.name,
        # Half the way there and back is the best guess of when the gateway looked at its clock.
        taken_at=datetime.now(UTC),
        seconds=time.monotonic() - begun,
        sections=data,
        section_errors=errors,
        section_seconds=seconds,
    )


def parse(answer: bytes) -> tuple[dict[str, Mapping[str, Any]], dict[str, str], dict[str, float]]:
    """What the script printed -> data, errors and seconds by section. A section whose data has not the shape of
    evidence.schema.json is an error of that section alone.

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
        raise BadAnswer(f"the answer is not evidence: {_start(said)}", "Is this PC what it should be?")
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
            _section_check(name)(section)
        except (foreign.Unfit, fastjsonschema.JsonSchemaException) as error:
            errors[name] = f"not of the promised shape: {str(error)[:200]}"
            continue
        seconds[name] = section["ms"] / 1000
        if section["data"] is not None:
            data[name] = section["data"]
        else:
            errors[name] = str(section["error"] or "no data")[:500]
    return data, errors, seconds


@functools.cache
def _section_check(name: str) -> Callable[[Any], Any]:
    """A check of one section's shape, compiled once."""
    schema = json.loads(resources.schema().read_text("utf-8"))
    shape = schema["properties"]["sections"]["properties"][name]
    shape["properties"]["data"]["anyOf"][0] = schema["$defs"][name]
    compiled: Callable[[Any], Any] = fastjsonschema.compile(shape)
    return compiled


def _start(answer: bytes) -> str:
    text = " ".join(answer[:400].decode("utf-8", "replace").split())
    return repr(text[:120])


@functools.cache
def script() -> str:
    """evidence.ps1 as it is sent: its comments and blank lines left out, because one envelope has to hold it."""
    kept, in_block = [], False
    for line in resources.script().read_text("ascii").splitlines():
        stripped = line.strip()
        if stripped.startswith("<#"):
            in_block = True
        if not in_block and stripped and not stripped.startswith("#"):
            kept.append(line)
        if stripped.endswith("#>"):
            in_block = False
    return "\n".join(kept) + "\n"


def question(settings: Settings, sections: Iterable[str] = SECTIONS, files: Sequence[str] = ()) -> dict[str, Any]:
    """The settings line that the script is sent with."""
    return {
        "sections": list(sections),
        "endpoints": list(endpoints.whole(settings.endpoints)),
        "folder": settings.connector.folder,
        "image": settings.connector.image,
        "java_home": settings.java.home,
        "service": settings.service.name,
        "files": list(files),
        "product_ids": [package.product_id for package in settings.packages.values() if package.product_id],
        "systmone": {
            "port": settings.systmone.port,
            "folder": settings.systmone.folder,
            "gateway_mark": settings.systmone.gateway_mark,
        },
        "firewall_name": PRODUCT.firewall_rule,
        "user_names": settings.user_names,
        "section_seconds": SECTION_SECONDS,
    }
