"""Runs evidence.ps1 on a PowerShell engine, with some of its functions replaced where a test needs it."""

import copy
import functools
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from provisioner.audit import facts, policy
from provisioner.model import Evidence, Fact, Gateway, Role
from provisioner.model.settings import Connector, Java, Package, Service, Settings, SystmOne
from provisioner.resources import root, schema, script
from provisioner.transport import winrm

MACHINES = Path(__file__).parent / "machines"
SHAPE: dict[str, Any] = json.loads(schema().read_text("utf-8"))
SECTIONS: list[str] = list(SHAPE["properties"]["sections"]["properties"])
BEGIN, END = "#evidence begin", "#evidence end"

_RUNNING = "# ---- running the sections ----"
BOOTSTRAP = winrm.BOOTSTRAP.strip('"')


def base() -> dict[str, Any]:
    """The machine on which everything is as it should be."""
    return dict(json.loads((MACHINES / "base.json").read_text("utf-8")))


def asked(*sections: str, **more: Any) -> dict[str, Any]:
    """A settings line: these sections (all, if none are named), with some settings changed."""
    return {"sections": list(sections or SECTIONS), **base()["settings"], **more}


def source(stubs: str = "") -> str:
    """The script, with `stubs` (PowerShell functions) in place of its own of the same names."""
    text = script().read_text("ascii")
    assert text.count(_RUNNING) == 1
    return text.replace(_RUNNING, f"{stubs}\n{_RUNNING}")


def run(
    engine: str,
    settings: Mapping[str, Any],
    stubs: str = "",
    *,
    before: str = "",
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """What PowerShell prints when it is sent the script as a gateway is: on stdin, under the bootstrap."""
    sent = f"{json.dumps(settings)}\n{source(stubs)}".encode("ascii")
    command = [engine, "-NoProfile", "-NonInteractive", "-Command", before + BOOTSTRAP]
    env = {**os.environ, **(environment or {})}
    done = subprocess.run(command, input=sent, capture_output=True, cwd=folder, env=env, timeout=60, check=False)
    return done.stdout.decode("ascii")


def document(printed: str) -> dict[str, Any]:
    """The document between its two marks."""
    lines = printed.splitlines()
    begin = lines.index(BEGIN)
    assert lines[begin + 2] == END
    return dict(json.loads(lines[begin + 1]))


def merged(whole: Any, patch: Any) -> Any:
    """A JSON merge patch (RFC 7396): null takes away, a list takes the place of a list."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(whole) if isinstance(whole, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def case(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A machine, and what is expected of it: some data of some sections, and some facts under "facts"."""
    folder = MACHINES / name
    machine = merged(base(), json.loads((folder / "machine.json").read_text("utf-8")))
    return machine, json.loads((folder / "expect.json").read_text("utf-8"))


def needed(expected: Mapping[str, Any]) -> list[str]:
    """The sections that a case's data and facts are told from."""
    told = {*expected, *(name.partition(".")[0] for name in expected.get("facts", ())), "service"}
    return [name for name in SECTIONS if name in told]


def derived(machine: Mapping[str, Any], sections: Mapping[str, Any]) -> dict[str, Fact]:
    """The facts of a machine, from the sections that the engine answered."""
    asked_for = machine["settings"]
    settings = Settings(
        version=1,
        endpoints=tuple(asked_for["endpoints"]),
        packages={"connector": Package(sha256="aa11", path="c.zip"), "procrun": Package(sha256="00", path="p.exe")},
        connector=Connector(folder=asked_for["folder"], image=asked_for["image"]),
        java=Java(home=asked_for["java_home"], version="17"),
        service=Service(name=asked_for["service"]),
        systmone=SystmOne(**asked_for["systmone"]),
    )
    at = datetime.fromisoformat(machine.get("at", base()["machine"]["now"]))
    gateway = Gateway(
        name="G", practice="A81001", practice_name="", address="g", port=5985, path="/wsman", role=Role.ACTIVE
    )
    evidence = Evidence(gateway="G", taken_at=at, seconds=2.0, sections=sections)
    return facts.derive(evidence, gateway, settings, _lifecycle(), at, None)


@functools.cache
def _lifecycle() -> policy.Lifecycle:
    return policy.load(root() / "policy", facts.NAMES).lifecycle


def lay_out(files: Mapping[str, str], folder: Path) -> None:
    """The machine's files, for an engine on Linux: there `C:\\a\\b` is the name of a file and `C:\\a` that of a folder,
    which also holds a file `b`, so that both a look at the path and a listing of the folder find it."""
    for path, text in files.items():
        for parent in _parents(path):
            (folder / parent).mkdir(exist_ok=True)
        (folder / path).write_text(text, "utf-8", newline="")
        (folder / _parents(path)[0] / path.rsplit("\\", 1)[1]).write_text(text, "utf-8", newline="")


def _parents(path: str) -> Sequence[str]:
    parts = path.split("\\")
    return ["\\".join(parts[:count]) for count in range(len(parts) - 1, 0, -1)]
