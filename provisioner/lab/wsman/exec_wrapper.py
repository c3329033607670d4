"""What Ansible sends: its wrapper with a module or a small script of its own in it, and its scripts without one.

As ansible-core 2.19 to 2.21 do (ansible 12 to 14): a manifest of what starts it, four zero bytes, the manifest of
what to do, and behind four more what is to be read as input (ansible/executor/powershell/bootstrap_wrapper.ps1).
"""

import asyncio
import base64
import binascii
import hashlib
import json
import ntpath
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from provisioner.lab import modules
from provisioner.lab.windows import variables
from provisioner.lab.wsman.program import Gateway, Gone, Line, Output, Program, failed

_SEPARATOR = b"\n\0\0\0\0\n"
_KNOWN = "that of ansible-core 2.19 to 2.21 (ansible 12 to 14)"
# Two places of bootstrap_wrapper.ps1 that say what it is, whatever is changed around them; and what all its forms have.
_MARKS = (re.compile(re.escape('[string]::Equals($in, "`0`0`0`0")')), re.compile(r"\$input(?:Data)? \| & \$cmd @splat"))
_ANY_FORM = "`0`0`0`0"
# What core 2.21 may be told to run a module with (ansible_pwsh_interpreter): a PC has Windows PowerShell alone.
_POWERSHELL = ("powershell", "powershell.exe")
# Core 2.21 leaves the quotes out where it can.
_PATH = r"(?:'(?P<quoted>(?:[^']|'')*)'|(?P<plain>[^\s'()]+))"
_TEST_PATH = re.compile(rf"If \(Test-Path {_PATH}\)\n\{{\n\$res = 0;\n\}}\nElse\n\{{\n\$res = 1;\n\}}")
_TEST_LITERAL_PATH = re.compile(rf"(?m)^exit -not \(Test-Path -LiteralPath {_PATH}\)$")
_REMOVE = re.compile(rf"(?m)^Remove-Item {_PATH} -Force(?: -Recurse)?;?$")


def find(gateway: Gateway, script: str, line: Line) -> Program | None:
    """The program of a script that came by -EncodedCommand; None for one that is not Ansible's."""
    if all(mark.search(script) for mark in _MARKS):
        return Program(True, lambda given: _wrapped(gateway, given, line))
    if _ANY_FORM in script:
        return Program(True, lambda _: _unknown_form(line))
    for pattern, act in ((_TEST_PATH, _exists), (_TEST_LITERAL_PATH, _exists), (_REMOVE, _remove)):
        if found := pattern.search(script):
            return Program(False, _on_path(gateway, act, found["plain"] or found["quoted"].replace("''", "'")))
    return None


def _on_path(
    gateway: Gateway, act: Callable[[Gateway, str], Output], path: str
) -> Callable[[bytes], Awaitable[Output]]:
    async def run(_: bytes) -> Output:
        await gateway.take_time()
        return act(gateway, path)

    return run


def _exists(gateway: Gateway, path: str) -> Output:
    code = 0 if gateway.machine.disk.exists(_expanded(gateway, path)) else 1
    return Output(text=b"$res\r\n", code=code)


def _remove(gateway: Gateway, path: str) -> Output:
    found = gateway.machine.disk.remove(_expanded(gateway, path))
    return Output() if found else Output(errors=f"Cannot find path '{path}'.\r\n".encode(), code=1)


async def _unknown_form(line: Line) -> Output:
    return failed(f"Ansible's wrapper came in a form that the lab does not know; it knows {_KNOWN}.", line)


async def _wrapped(gateway: Gateway, given: bytes, line: Line) -> Output:
    await gateway.take_time()
    first, *behind = given.split(_SEPARATOR, 2)
    try:
        wanted = json.loads(first)["params"].get("PwshPath")
        said, *rest = behind
        actions = [(one["name"], one["params"]) for one in json.loads(said)["actions"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        came = given[:200].decode("utf-8", "replace")
        return failed(
            f"The lab cannot read what Ansible's wrapper was given; it knows {_KNOWN}. Sent was: {came}", line
        )
    if wanted and wanted.lower() not in _POWERSHELL and not gateway.machine.disk.file(wanted):
        missing = {"failed": True, "msg": f"Could not find the specified PowerShell interpreter '{wanted}'."}
        return Output(text=f"{json.dumps(missing)}\r\n".encode(), code=1)
    name, params = actions[-1]
    if name == "module_wrapper.ps1":
        extra = sorted(one for one, _ in actions[:-1])
        return await _module(gateway, params, extra)
    act = _SCRIPTS.get(name) if len(actions) == 1 else None
    if act is None:
        return failed(f"Not modelled by the lab: Ansible's {name}", line)
    try:
        return act(gateway, params, rest[0] if rest else b"")
    except OSError as error:
        return failed(str(error), line)


async def _module(gateway: Gateway, params: Mapping[str, Any], extra: list[str]) -> Output:
    name = str(params["Script"]).removesuffix(".ps1")
    try:
        if extra or not params.get("ForModule"):
            how = ", ".join(extra) or "a script of its own"
            raise modules.Unmodelled(f"the lab does not model {name} by {how}")
        arguments = next(one["Value"] for one in params["Variables"] if one["Name"] == "complex_args")
        result = await _run(gateway, name, arguments)
    except modules.Unmodelled as error:
        result = {"failed": True, "changed": False, "msg": str(error)}
    text = json.dumps(result, ensure_ascii=False, default=str)
    # Ansible's wrapper sets the console to UTF-8 itself: the shell's code page plays no part.
    return Output(text=f"{text}\r\n".encode(), code=1 if result.get("failed") else 0)


async def _run(gateway: Gateway, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    machine = gateway.machine
    check = bool(arguments.get("_ansible_check_mode"))
    given = {key: value for key, value in arguments.items() if not key.startswith("_ansible_")}

    def run(*, only_look: bool) -> dict[str, Any]:
        diff = bool(arguments.get("_ansible_diff"))
        return modules.run(machine, name, given, check=only_look, diff=diff, fetch=gateway.fetch, now=time.time())

    # The marker is written first of all: a line that broke there would spare every change of what the gateway is for.
    marks = name.rpartition(".")[2] == "work_marker"
    drops = "" if check or marks else machine.faults.get("drops_midway", "")
    if drops == "before" and run(only_look=True).get("changed"):
        raise Gone
    result = run(only_look=check)
    seconds = float(result.pop("_lab_seconds", 0))
    if seconds:
        await asyncio.sleep(seconds)
        machine.tick(time.time())
    if drops == "after" and result.get("changed"):
        raise Gone
    return result


def _put_file(gateway: Gateway, params: Mapping[str, Any], rest: bytes) -> Output:
    try:
        content = b"".join(base64.b64decode(line, validate=True) for line in rest.split(b"\r\n"))
    except binascii.Error:
        raise OSError("The input is not a valid Base-64 string.") from None
    gateway.machine.put_file(_expanded(gateway, params["Path"]), content, time.time())
    sha1 = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    return Output(text=f'{{"sha1":"{sha1}"}}\r\n'.encode())


def _fetch_file(gateway: Gateway, params: Mapping[str, Any], rest: bytes) -> Output:
    path = _expanded(gateway, params["Path"])
    if gateway.machine.disk.folder(path):
        return Output(text=b"[DIR]\r\n")
    file = gateway.machine.disk.file(path)
    if file is None:
        raise OSError(f"{path} does not exist")
    if file.content is None:
        raise OSError(f"The lab keeps of {path} no more than its digest")
    start = int(params["Offset"])
    return Output(text=base64.b64encode(file.content[start : start + int(params["BufferSize"])]) + b"\r\n")


def _make_temp(gateway: Gateway, params: Mapping[str, Any], rest: bytes) -> Output:
    path = f"{_expanded(gateway, params['Directory'])}\\{params['Name']}"
    gateway.machine.disk.make(path)
    return Output(text=f"{path}\r\n".encode())


def _expand_user(gateway: Gateway, params: Mapping[str, Any], rest: bytes) -> Output:
    path = str(params["Path"])
    if path == "~" or path.startswith("~\\"):
        path = variables.PROFILE + path[1:]
    return Output(text=f"{path}\r\n".encode())


_SCRIPTS: Mapping[str, Callable[[Gateway, Mapping[str, Any], bytes], Output]] = {
    "winrm_put_file.ps1": _put_file,
    "winrm_fetch_file.ps1": _fetch_file,
    "powershell_mkdtemp.ps1": _make_temp,
    "powershell_expand_user.ps1": _expand_user,
}


def _expanded(gateway: Gateway, path: str) -> str:
    """A path without the variables, dots and double backslashes that Ansible puts in one."""
    return ntpath.normpath(variables.expand(gateway.machine, path))
