"""What package_tree fetches and refuses, on a real PowerShell: the parts that need no Windows."""

import hashlib
import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from provisioner.lab.windows.package import BadName, BadPackage, members, names_fault
from tests.conftest import ROOT
from tests.fixtures.lab import zipped
from tests.fixtures.web import damaged, encrypted, linked
from tests.fixtures.windows import Engine, doubled

pytestmark = pytest.mark.engine

SOURCE = ROOT / "plugins" / "module_utils" / "Ansible.ModuleUtils.PackageSource.psm1"
FOLDER = "C:\\iPlato\\.provisioner-new"
LONG = "d" * 120
RIGHT = [
    ["bin\\java.exe", "lib\\security\\cacerts", "release"],
    ["com.txt", "console\\nul_.txt", "aux1", "lpt", "com10", "a.b.c", ".hidden", " leading"],
    ["a\\b", "a\\c", "A\\d"],
]
WRONG = {
    "..\\evil": "it leads out of its folder",
    "a\\..\\..\\evil": "it leads out of its folder",
    "\\evil": "it leads out of its folder",
    "\\\\server\\share\\evil": "it leads out of its folder",
    "\\\\?\\C:\\evil": "a character that no name can have",
    "\\\\.\\PhysicalDrive0": "it leads out of its folder",
    "C:\\evil": "it leads out of its folder",
    "C:evil": "it leads out of its folder",
    "a.txt:stream": "it leads out of its folder",
    "a.txt::$DATA": "it leads out of its folder",
    "a\\\\b": "it leads out of its folder",
    "a\\.\\b": "it leads out of its folder",
    "a\\...\\b": "it leads out of its folder",
    "CON": "it is the name of a device",
    "nul.txt": "it is the name of a device",
    "a\\Aux.tar.gz": "it is the name of a device",
    "lib\\com1": "it is the name of a device",
    "LPT9.log": "it is the name of a device",
    "com\u00b2": "it is the name of a device",
    "COM0": "it is the name of a device",
    "nul .txt": "it is the name of a device",
    "prn\\x": "it is the name of a device",
    "conin$": "it is the name of a device",
    "java.exe.": "Windows drops a dot or a blank at the end",
    "bin \\java.exe": "Windows drops a dot or a blank at the end",
    "bin.\\java.exe": "Windows drops a dot or a blank at the end",
    "a\tb": "a character that no name can have",
    "a\x00b": "a character that no name can have",
    "a*b": "a character that no name can have",
    "a?": "a character that no name can have",
    'a"b': "a character that no name can have",
    "a|b": "a character that no name can have",
    "n" * 256: "it is longer than a name can be",
    f"{LONG}\\{LONG}": "its path is longer than 259 characters",
    ".provisioner-package.json": "it is the name of a file of ours",
    ".Provisioner-New\\x": "it is the name of a file of ours",
}
TOGETHER = {
    ("a.txt", "A.TXT"): "there is another one of that name",
    ("bin\\x", "BIN\\X"): "there is another one of that name",
    ("a", "a\\b"): "there is a file of the name of its folder",
    ("a\\b", "A"): "there is another one of that name",
}


def powershell(pwsh: str, folder: Path, script: str, /, **given: Any) -> Any:
    """What a script says with the module loaded; `$given` is what it is given."""
    (folder / "given.json").write_text(json.dumps(given), "utf-8")
    whole = f"""
$ErrorActionPreference = 'Stop'
Import-Module '{SOURCE}' -DisableNameChecking
$given = ConvertFrom-Json ([System.IO.File]::ReadAllText('{folder}/given.json'))
{script}
"""
    (folder / "script.ps1").write_text(whole, "utf-8")
    done = subprocess.run([pwsh, "-NoProfile", "-File", str(folder / "script.ps1")], capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def test_names_that_windows_takes_for_something_else_are_refused_and_the_lab_knows_the_same(
    pwsh: str, tmp_path: Path
) -> None:
    lists = [*RIGHT, *([path] for path in WRONG), *map(list, TOGETHER)]
    said = powershell(
        pwsh, tmp_path,
        "ConvertTo-Json @($given.lists | ForEach-Object { Get-NamesFault @($_.paths) $given.folder })",
        lists=[{"paths": paths} for paths in lists], folder=FOLDER,
    )  # fmt: skip
    wanted = [
        *("" for _ in RIGHT), *(f"{path}: {why}" for path, why in WRONG.items()),
        *(f"{paths[-1]}: {why}" for paths, why in TOGETHER.items()),
    ]  # fmt: skip
    assert said == wanted
    assert [names_fault(paths, FOLDER) for paths in lists] == wanted


@pytest.mark.parametrize("name", ["jdk/NUL", "jdk/bin/java.exe.", "jdk/a:b", "jdk/../x"])
def test_the_lab_unpacks_no_such_package(name: str) -> None:
    content = zipped({"jdk/ok.txt": "x", name: "x"})
    with pytest.raises(BadName, match="cannot have on Windows"):
        members(content, "jdk")
    # A member that is asked for alone is asked after alone.
    assert len(members(content, "jdk", "ok.txt")) == 1


def test_the_lab_unpacks_nothing_that_is_encrypted(tmp_path: Path) -> None:
    encrypted(tmp_path / "closed.zip", "jdk/release", "17")
    with pytest.raises(BadPackage, match="encrypted"):
        members((tmp_path / "closed.zip").read_bytes(), "jdk")


_GET = """
$module = [pscustomobject]@{ Params = $given.params; Tmpdir = $given.folder; Result = @{} }
$module | Add-Member ScriptMethod FailJson { throw $args[0] }
$said = try {
    $package = Open-Package $module
    $blocked = foreach ($path in "$($given.folder)/package") {
        try { [System.IO.File]::Open($path, 'Open', 'ReadWrite', 'ReadWrite').Dispose(); 'open' } catch { 'closed' }
    }
    # Whoever may write where it came from changes it now.
    [System.IO.File]::WriteAllText($given.params.location, 'another one')
    $reader = New-Object System.IO.StreamReader $package
    @{ text = $reader.ReadToEnd(); size = $module.Result.size; copy = $blocked }
    $reader.Dispose()
} catch { @{ failed = "$_" } }
ConvertTo-Json $said
"""


def got(pwsh: str, folder: Path, content: bytes, **params: Any) -> Any:
    (folder / "theirs").write_bytes(content)
    whole = {"source": "path", "location": str(folder / "theirs"), "size": 0, **params}
    return powershell(pwsh, folder, _GET, params=whole, folder=str(folder))


def test_what_is_used_is_what_was_verified_whoever_may_write_where_it_came_from(pwsh: str, tmp_path: Path) -> None:
    right = hashlib.sha256(b"the package").hexdigest()
    assert got(pwsh, tmp_path, b"the package", sha256=right.upper()) == {
        "text": "the package", "size": 11, "copy": "closed",
    }  # fmt: skip
    assert "wanted" in got(pwsh, tmp_path, b"another", sha256=right)["failed"]


def test_a_package_larger_than_it_may_be_is_not_read_to_its_end(pwsh: str, tmp_path: Path) -> None:
    content = b"x" * 3_000_000
    sha256 = hashlib.sha256(content).hexdigest()
    said = got(pwsh, tmp_path, content, sha256=sha256, size=2_000_000)["failed"]
    assert "could not be read: it is larger than 2000000 bytes, the size that fleet.yml gives" in said
    assert (tmp_path / "package").stat().st_size < 2_000_001
    assert got(pwsh, tmp_path, content, sha256=sha256, size=3_000_000)["size"] == 3_000_000


@pytest.mark.parametrize("kind", ["System.ArgumentException", "System.NotSupportedException"])
def test_a_name_that_is_no_path_for_net_framework_is_a_failure_with_words(kind: str, pwsh: str, tmp_path: Path) -> None:
    """.NET Framework throws where it reads such a name; .NET would try to make the file."""
    thrown = f"    throw (New-Object {kind} 'Illegal characters in path.')"
    name = "package_tree"
    library = doubled(tmp_path / "library", name, {"Expand-Package": thrown})
    # Fetched and verified, which needs a folder of Windows' own.
    fetched = "function global:Open-Package { [System.IO.MemoryStream]::new() }"
    job = {"source": "path", "location": "C:\\x", "sha256": "0", "destination": str(tmp_path / "new")}
    (answer,) = Engine(pwsh, tmp_path, library=library).run([fetched, (name, job)])
    assert answer["failed"]
    assert "the package could not be unpacked into" in answer["msg"]
    assert "Illegal characters in path." in answer["msg"]
    assert not list((tmp_path / "new").glob("*"))


def unpacked(pwsh: str, folder: Path, package: Path) -> Any:
    """What the module answers that is given this zip, fetched and verified, which needs a folder of Windows' own."""
    library = doubled(folder / "library", "package_tree", {})
    opened = f"function global:Open-Package {{ [System.IO.File]::OpenRead('{package}') }}"
    job = {"source": "path", "location": "C:\\x", "sha256": "0", "destination": str(folder / "new")}
    (answer,) = Engine(pwsh, folder, library=library).run([opened, ("package_tree", job)])
    return answer


def test_a_package_is_unpacked_and_what_is_read_of_it_is_right(pwsh: str, tmp_path: Path) -> None:
    """Also of more files than 16 bits count, of which .NET reads the number elsewhere, and with a remark at its end."""
    content = bytes(range(256)) * 1000
    with zipfile.ZipFile(tmp_path / "whole.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("lib")
        archive.writestr("a", content)
        archive.writestr("b", "")
        archive.comment = b"a remark" * 100
    answer = unpacked(pwsh, tmp_path, tmp_path / "whole.zip")
    assert (answer.get("msg"), answer["files"]) == (None, 2)
    assert (tmp_path / "new" / "a").read_bytes() == content
    manifest = json.loads((tmp_path / "new" / ".provisioner-package.json").read_text("utf-8"))
    assert {one["path"]: one["sha256"] for one in manifest["files"]} == {
        "a": hashlib.sha256(content).hexdigest(), "b": hashlib.sha256(b"").hexdigest(),
    }  # fmt: skip
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for number in range(65_600):
            archive.writestr(f"{number}", "")
    said = powershell(
        pwsh, tmp_path,
        "$all = @(Get-ZipFacts ([System.IO.File]::OpenRead($given.zip))); ConvertTo-Json @($all.Count, $all[-1].fault)",
        zip=str(tmp_path / "many.zip"),
    )  # fmt: skip
    assert said == [65_600, ""]


NO_FILES = {
    "a link": (0o120777, "it is a link"),
    "a pipe": (0o010644, "it is a device"),
    "a disk": (0o060644, "it is a"),
}


@pytest.mark.parametrize("name", NO_FILES)
def test_what_is_no_file_is_not_unpacked_as_one(name: str, pwsh: str, tmp_path: Path) -> None:
    """A link would lie there as a file that holds where it leads."""
    mode, why = NO_FILES[name]
    linked(tmp_path / "p.zip", "java", "../../jdk/bin/java", mode)
    answer = unpacked(pwsh, tmp_path, tmp_path / "p.zip")
    assert answer["failed"] and f"the package holds what cannot be unpacked: java: {why}" in answer["msg"]
    assert not list((tmp_path / "new").rglob("*"))
    with pytest.raises(BadName, match=f"java: {why}"):
        members((tmp_path / "p.zip").read_bytes(), "")
    assert len(members((tmp_path / "p.zip").read_bytes(), "", "release")) == 1


def test_a_file_that_was_damaged_before_it_was_hashed_is_not_unpacked(pwsh: str, tmp_path: Path) -> None:
    """Its SHA-256 is right where whoever gave it had the damaged file."""
    damaged(tmp_path / "p.zip", "java", "a program")
    answer = unpacked(pwsh, tmp_path, tmp_path / "p.zip")
    assert answer["failed"] and "java is damaged" in answer["msg"]
    assert not list((tmp_path / "new").rglob("*"))
    with pytest.raises(BadPackage, match="java is damaged"):
        members((tmp_path / "p.zip").read_bytes(), "")
