"""The bootstrap: what is sent arrives unchanged, through WinRM and cmd.exe, and what does not is told apart."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from provisioner.errors import BadAnswer
from provisioner.evidence import answer, question
from provisioner.transport.winrm import BOOTSTRAP, LARGEST_INPUT
from tests.fixtures.windows import SERVER, Gateways, ended, serving, windows, windows_home

__all__ = ["windows", "windows_home"]

AWKWARD = [
    "Meddygfa Tŷ Gŵyr ac Ŵan",
    "Łódź, ąęśćź",
    "\U0001f44b a \U0001f3f4\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f",
    'it\'s "quoted" and `ticked`, \u2018curled\u2019 and \u201cso\u201d',
    "%TEMP% %OS% %% !TEMP!",
    "a & b | c < d > e ^ f ^^ && || >> 2>&1",
    "$env:TEMP $(1 + 1) ${x} @{} @'",
    "C:\\Program Files (x86)\\a\\",
    "two\nlines\r\nand a tab\t.",
    "",
]
# All that a shell in between could take for its own stands in the script too.
ECHO = r"""param($Settings)
$here = @"
a 'b' "c" %TEMP% & | < > ^ `$x
"@
$raw = @'
a 'b' "c" %TEMP% & | < > ^ $x
'@
foreach ($text in @(ConvertFrom-Json -InputObject $Settings)[0].texts) {
    ([int[]][char[]]$text) -join ','
}
"$($here.Trim() -ceq $raw.Trim()) $((Get-Variable here -ValueOnly).Length)"
"""
HERE = "a 'b' \"c\" %TEMP% & | < > ^ $x"


def units(text: str) -> str:
    """The numbers of its UTF-16 units, as .NET has them."""
    data = text.encode("utf-16-le")
    return ",".join(str(int.from_bytes(data[at : at + 2], "little")) for at in range(0, len(data), 2))


def unchanged(answer: str) -> None:
    lines = answer.splitlines()
    assert lines[0] == "#provisioner FullLanguage"
    assert lines[1:-1] == [units(text) for text in AWKWARD]
    assert lines[-1] == f"True {len(HERE)}"


Send = Callable[[str, Mapping[str, Any]], str]


@pytest.fixture(scope="module")
def send(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Send]:
    """To the engine on Linux, over WinRM."""
    if not SERVER:
        pytest.skip("winrm-gateways is not on PATH")
    with serving(tmp_path_factory.mktemp("linux"), "pwsh") as gateways:
        yield partial(gateways.send, "one")


def test_any_text_arrives_as_it_is(send: Send) -> None:
    unchanged(send(ECHO, {"texts": AWKWARD}))


def test_as_much_as_one_envelope_may_hold_arrives(send: Send) -> None:
    script = "param($Settings)\n$text = @'\n{}\n'@\n$text.Length\n"
    text = "x" * (LARGEST_INPUT - len(script))
    assert send(script.format(text), {}).split()[-1] == str(len(text))


def test_a_script_that_was_changed_on_its_way_is_named(send: Send) -> None:
    damaged = question.script().replace("}", "", 1)
    with pytest.raises(BadAnswer, match="could not read the script") as caught:
        send(damaged, {})
    assert "changed on its way" in caught.value.hint


# As a public thread has it (memstechtips/Winhance, issue 37), in German words too, which nobody reads here.
BLOCKED = (
    "This script contains malicious content and has been blocked by your antivirus software.",
    "Dieses Skript enthaelt schaedliche Inhalte.\n    + FullyQualifiedErrorId : ScriptContainedMaliciousContent",
    # As PowerShell breaks them at the width of its console.
    "This script contains malicious content and has been blocked by your\nantivirus software.",
    "Dieses Skript enthaelt schaedliche Inhalte.\n    + FullyQualifiedErrorId : ScriptContainedMalicious\n   Content",
)


@pytest.mark.parametrize("words", BLOCKED)
def test_a_script_that_an_antivirus_blocked_is_told_from_a_broken_one(words: str, send: Send) -> None:
    with pytest.raises(BadAnswer, match="an antivirus on the gateway") as caught:
        send(f"[Console]::Error.WriteLine(@'\n{words}\n'@)\n", {})
    assert "security team" in caught.value.hint


def test_a_script_that_says_nothing_is_no_answer(send: Send) -> None:
    with pytest.raises(BadAnswer, match="PowerShell ended with code 3 and said nothing but: no room") as caught:
        send("[Console]::Error.WriteLine('no room')\nexit 3\n", {})
    assert "AppLocker" in caught.value.hint


@pytest.mark.parametrize("powershell", [pytest.param("pwsh", id="linux")])
def test_constrained_language_mode_is_named(powershell: str) -> None:
    """The engine's own: it refuses the script, and the bootstrap's first line has said why."""
    constrained = '$ExecutionContext.SessionState.LanguageMode="ConstrainedLanguage";' + BOOTSTRAP.strip('"')
    if not SERVER:
        pytest.skip("pwsh is not on PATH")
    done = subprocess.run(
        [powershell, "-NoProfile", "-NonInteractive", "-Command", constrained],
        input=f"{{}}\n{question.script()}".encode("ascii"),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert b"#evidence" not in done.stdout
    with pytest.raises(BadAnswer, match="constrained language mode"):
        answer.parse(done.stdout)


@pytest.mark.wine
def test_any_text_arrives_on_windows_too(windows: Gateways) -> None:
    unchanged(windows.send("boot", ECHO, {"texts": AWKWARD}))


@pytest.mark.wine
def test_it_survives_cmd(windows_home: Path, tmp_path: Path) -> None:
    """WinRM hands the command line to cmd.exe: here Wine's own, with the engine under the name that is called."""
    assert SERVER
    prefix = windows_home / ".new-windows"
    program = Path(SERVER).resolve().parent / "windows" / "pwsh.exe"
    line = f"Z:{program} -NoProfile -NonInteractive -Command {BOOTSTRAP}".replace("/", "\\")
    environment = {"WINEPREFIX": str(prefix), "WINEDEBUG": "-all", "DISPLAY": "", "DOTNET_EnableWriteXorExecute": "0"}
    try:
        batch = tmp_path / "line.cmd"
        batch.write_text(f"@{line}\r\n", "ascii")
        given = tmp_path / "given"
        given.write_text(f"{json.dumps({'texts': AWKWARD})}\n{ECHO}", "ascii")
        command = ["wine", "cmd", "/c", f"Z:{batch}"]
        said, _ = ended(command, tmp_path, {**os.environ, **environment}, given=given)
    finally:
        subprocess.run(["wineserver", "-k"], env={**os.environ, **environment}, check=False)
    unchanged(said)
