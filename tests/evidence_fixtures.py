"""Runs evidence.ps1 on a PowerShell engine, with some of its functions replaced where a test needs it."""

import copy
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from provisioner.content import schema, script

MACHINES = Path(__file__).parent / "machines"
SHAPE: dict[str, Any] = json.loads(schema().read_text("utf-8"))
SECTIONS: list[str] = list(SHAPE["properties"]["sections"]["properties"])
BEGIN, END = "#evidence begin", "#evidence end"

_RUNNING = "# ---- running the sections ----"
BOOTSTRAP = (
    "'#provisioner '+$ExecutionContext.SessionState.LanguageMode;$a=@($input);"
    "&([ScriptBlock]::Create($a[1..($a.Count-1)]-join[char]10)) $a[0]"
)


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
