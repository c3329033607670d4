"""How the verbs speak with a lab that is up: one JSON line there, one JSON document back, over a Unix socket."""

import asyncio
import fnmatch
import json
import random
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from provisioner.errors import LabError, suggest
from provisioner.lab.wsman.server import Lab

_LONGEST_REQUEST = 2**20
_ANSWER_SECONDS = 60.0


def ask(path: Path, verb: str, **arguments: Any) -> Any:
    """What the lab behind a socket answers. Errors: LabError, the lab's own or that it does not answer."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(_ANSWER_SECONDS)
            line.connect(str(path))
            line.sendall(json.dumps({"verb": verb, **arguments}).encode() + b"\n")
            with line.makefile("rb") as file:
                answer = json.load(file)
    except (OSError, ValueError) as error:
        raise LabError(f"The lab does not answer: {error}", "See its log in .provisioner/lab of the folder.") from error
    if "error" in answer:
        raise LabError(answer["error"], answer["hint"])
    return answer["answer"]


async def serve(lab: Lab, path: Path) -> asyncio.AbstractServer:
    """Answer such questions from now on."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError):
            answer = _answer(lab, json.loads(await reader.readline()))
            writer.write(json.dumps(answer).encode())
            await writer.drain()
        writer.close()

    with suppress(FileNotFoundError):
        path.unlink()
    server = await asyncio.start_unix_server(talk, str(path), limit=_LONGEST_REQUEST)
    path.chmod(0o600)
    return server


def _answer(lab: Lab, request: Mapping[str, Any]) -> dict[str, Any]:
    try:
        if request["verb"] == "state":
            return {"answer": lab.state()}
        if request["verb"] == "heard":
            return {"answer": lab.heard}
        if request["verb"] == "set":
            names = _named(request["gateway"], lab.machines)
            lab.set(names, list(request["faults"]))
            return {"answer": names}
        if request["verb"] == "rate":
            return {"answer": _spread(lab, request["rates"], int(request["seed"]))}
    except LabError as error:
        return {"error": error.message, "hint": error.hint}
    return {"error": f"The lab does not know {request['verb']!r}.", "hint": "Is it of another version than this?"}


def _named(pattern: str, names: Iterable[str]) -> list[str]:
    """The gateways of a name or a pattern such as A8*, without regard to case."""
    known = sorted(names)
    found = [name for name in known if fnmatch.fnmatchcase(name.lower(), pattern.lower())]
    if found:
        return found
    hint = suggest(pattern, known) or "See provisioner lab state for their names."
    raise LabError(f"No gateway {pattern} in this lab.", hint)


def _spread(lab: Lab, rates: Mapping[str, float], seed: int) -> dict[str, list[str]]:
    """Give each fault to its share of all gateways, the same ones for the same seed."""
    known = sorted(lab.machines)
    hit: dict[str, list[str]] = {}
    for word, rate in rates.items():
        count = min(len(known), round(rate * len(known)) or (1 if rate else 0))
        names = sorted(random.Random(f"{seed}/{word}").sample(known, count))  # noqa: S311
        lab.set(names, [word])
        hit[word] = names
    return hit
