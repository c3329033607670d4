"""What a command does on a pretend gateway: our bootstrap, Ansible's wrapper, and next to nothing else.

What is not known is an error that says so, never an answer that looks right.
"""

import base64
import binascii
import json
import time

from provisioner.lab.wsman import answer, cmdline, exec_wrapper, garbage
from provisioner.lab.wsman.program import Gateway, Line, Output, Program, failed

# As transport/winrm.py sends it, to the letter: anything else would be another program. A test holds them equal.
BOOTSTRAP = (
    "powershell.exe -NoProfile -NonInteractive -Command \"'#provisioner '+$ExecutionContext.SessionState.LanguageMode;"
    '$a=@($input);&([ScriptBlock]::Create($a[1..($a.Count-1)]-join[char]10)) $a[0]"'
)


def find(gateway: Gateway, line: Line) -> Program:
    """The program of a command line."""
    if line.text == BOOTSTRAP:
        return Program(True, lambda given: _evidence(gateway, given, line))
    longest = cmdline.LONGEST if line.by_cmd else cmdline.LONGEST_WITHOUT_CMD
    if len(line.text) > longest:
        return _says("The command line is too long.", line)
    if line.by_cmd and (piece := cmdline.spoiled(line.text)):
        return _says(f"Not modelled by the lab: cmd.exe would interpret {piece!r} in: {line.text[:300]}", line)
    words = cmdline.split(line.text)
    name = words[0].replace("/", "\\").rpartition("\\")[2].lower().removesuffix(".exe") if words else ""
    if name == "hostname" and len(words) == 1:
        return Program(False, lambda _: _host_name(gateway, line))
    script = _encoded_script(words) if name == "powershell" else None
    program = exec_wrapper.find(gateway, script, line) if script is not None else None
    return program or _says(f"Not modelled by the lab: {line.text[:300]}", line)


async def _evidence(gateway: Gateway, given: bytes, line: Line) -> Output:
    await gateway.take_time()
    first, _, script = given.partition(b"\n")
    try:
        settings = json.loads(first)
    except ValueError:
        settings = None
    if not isinstance(settings, dict) or not script.strip():
        # Windows PowerShell would say it at more length; that it ends so is what counts.
        return failed("ConvertFrom-Json : Invalid JSON primitive, or no script behind it.", line)
    document = answer.document(gateway.machine, settings, time.time())
    if line.user and (account := document["sections"].get("account")):
        account["data"]["user"] = line.user
    kind = gateway.machine.faults.get("garbage")
    if kind is not None:
        return Output(text=garbage.answer(kind, document))
    return Output(text=garbage.around(json.dumps(document)).encode())


async def _host_name(gateway: Gateway, line: Line) -> Output:
    await gateway.take_time()
    return Output(text=f"{gateway.machine.who().computer_name}\r\n".encode(line.encoding, "replace"))


def _says(words: str, line: Line) -> Program:
    async def run(_: bytes) -> Output:
        return failed(words, line)

    return Program(False, run)


def _encoded_script(words: list[str]) -> str | None:
    """The script of -EncodedCommand."""
    options = [word.lower() for word in words]
    if "-encodedcommand" not in options[:-1]:
        return None
    try:
        return base64.b64decode(words[options.index("-encodedcommand") + 1], validate=True).decode("utf-16-le")
    except (binascii.Error, UnicodeDecodeError):
        return None
