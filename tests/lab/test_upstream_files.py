"""What the integration tests of the modules for files, packages and values hold of the real ones, held of the lab."""

import itertools
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from provisioner.lab.modules import MODULES, Unmodelled
from provisioner.lab.windows import variables, wildcard
from provisioner.lab.windows.machine import Machine
from provisioner.lab.windows.state import Rule
from tests.fixtures.lab import FOLDER, IMAGE, KEY, URLS, run, written, zipped
from tests.lab.upstream import ODD, machine

__all__ = ["machine"]  # fixtures


UNHANDLED, LEGACY = "Unhandled exception while executing module", "Get-AnsibleParam"


TABLE = "System.Collections.Generic.Dictionary`2[System.String,System.Object]"


CMD = "C:\\Windows\\System32\\cmd.exe"


POWERSHELL = "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe"


def test_touch_makes_an_empty_file_and_touches_it_again(machine: Machine) -> None:
    """Target win_file, "touch a file", "touch a file again"."""
    asked: dict[str, Any] = {"path": "C:/Lab/touch.txt", "state": "touch"}
    assert run(machine, "win_file", check=True, **asked) == {"changed": True}
    assert not run(machine, "win_stat", path="C:\\Lab\\touch.txt")["stat"]["exists"]
    for _ in range(2):
        assert run(machine, "win_file", **asked) == {"changed": True}
    assert run(machine, "win_stat", path="C:\\Lab\\touch.txt")["stat"]["size"] == 0


def test_touch_makes_no_folder_above(machine: Machine) -> None:
    """Source: Out-File, held against a real engine."""
    before = written(machine)
    answer = run(machine, "win_file", path="C:\\none\\x.txt", state="touch")
    assert (
        answer["msg"]
        == "Unhandled exception while executing module: Could not find a part of the path 'C:\\none\\x.txt'."
    )
    assert written(machine) == before
    assert run(machine, "win_file", path="C:\\none\\x.txt", state="touch", check=True)["changed"]


@pytest.mark.parametrize(("names", "fits"), [((), False), (("a",), True), (("a", "b"), False)], ids=str)
def test_touch_of_a_folder_is_for_one_thing_in_it(machine: Machine, names: tuple[str, ...], fits: bool) -> None:
    """Source: (Get-ChildItem -LiteralPath $path).LastWriteTime = Get-Date, held against a real engine."""
    for name in names:
        machine.disk.write(f"C:\\Lab\\empty\\{name}\\below", b"")
    answer = run(machine, "win_file", path="C:\\Lab\\empty", state="touch")
    assert answer.get("failed", False) is not fits
    assert fits or "'LastWriteTime' cannot be found on this object" in answer["msg"]
    assert run(machine, "win_file", path="C:\\Lab\\empty", state="touch", check=True)["changed"]


@pytest.mark.parametrize(
    ("path", "state", "says"),
    [
        ("D:\\new", "directory", "Cannot find drive. A drive with the name 'D' does not exist."),
        ("\\\\server\\share\\new", "directory", "The network path was not found."),
        ("", "directory", f"{UNHANDLED}: Cannot bind argument to parameter 'Path' because it is an empty string."),
        (CMD, "absent", f"Failed to delete {CMD}: Access to the path '{CMD}' is denied."),
        ("C:\\", "absent", "Failed to delete C:\\: Access to the path 'C:\\' is denied."),
        ("C:\\pagefile.sys", "file", "path C:\\pagefile.sys will not be created"),
        ("%TEMP%\\none", "file", f"path {variables.TEMP}\\none will not be created"),
        ("C:\\Lab\\a.txt\\", "directory", "path C:\\Lab\\a.txt\\ is not a directory"),
        ("C:\\Lab", "FILE", "path C:\\Lab is not a file"),
        ("C:\\Lab", "on", f"{LEGACY}: Argument state needs to be one of absent,directory,file,touch but was on."),
    ],
)  # fmt: skip
def test_what_win_file_does_not_do(machine: Machine, path: str, state: str, says: str) -> None:
    before = written(machine)
    answer = run(machine, "win_file", path=path, state=state)
    assert (answer["failed"], answer["msg"]) == (True, says)
    assert written(machine) == before


def test_what_is_not_there_is_absent(machine: Machine) -> None:
    for path in ("C:\\none", "D:\\none", "\\\\server\\share\\none", "C:\\pagefile.sys"):
        assert run(machine, "win_file", path=path, state="absent") == {"changed": False}


def test_the_older_modules_pass_over_what_they_do_not_know(machine: Machine) -> None:
    """Source: Parse-Args of Ansible.ModuleUtils.Legacy, where Ansible.Basic refuses it."""
    assert run(machine, "win_file", path="C:\\Lab\\new", state="directory", colour="red") == {"changed": True}
    assert "Unsupported parameters" in run(machine, "win_stat", path="C:\\Lab", colour="red")["msg"]


@pytest.mark.parametrize("path", ["C:\\", "C:", "C:\\Windows", "c:/windows/system32/", "C:\\Program Files"])
def test_windows_own_folders_are_there(machine: Machine, path: str) -> None:
    assert run(machine, "win_stat", path=path)["stat"]["isdir"]


@pytest.mark.parametrize("path", [POWERSHELL, "%SystemRoot%\\system32\\windowspowershell\\v1.0\\powershell.exe"])
def test_windows_powershell_is_there(machine: Machine, path: str) -> None:
    stat = run(machine, "win_stat", path=path)["stat"]
    assert (stat["isreg"], stat["filename"].lower(), stat["extension"]) == (True, "powershell.exe", ".exe")


def test_the_paging_file_is_there_and_held(machine: Machine) -> None:
    """Source: FileUtil says that it is found, where Test-Path finds nothing; nobody can read it."""
    stat = run(machine, "win_stat", path="C:\\pagefile.sys", get_checksum=False)["stat"]
    assert (stat["exists"], stat["attributes"], stat["ishidden"], stat["owner"]) == (
        True, "Hidden, System, Archive", True, None
    )  # fmt: skip
    answer = run(machine, "win_stat", path="C:\\pagefile.sys")
    assert answer["failed"]
    assert answer["msg"].startswith("Failed to get hash of file, set get_checksum to False to ignore this error:")
    assert "being used by another process" in answer["msg"]
    copied = run(machine, "win_copy", src="C:\\pagefile.sys", dest="C:\\Lab\\p", _copy_mode="remote")
    assert copied["msg"] == "Cannot copy src file: 'C:\\pagefile.sys' as it does not exist"


PRODUCT = "{11111111-2222-3333-4444-555555555555}"


def installer(**more: Any) -> bytes:
    said = {"product_id": PRODUCT, "name": "Lab", "version": "1", "folder": "C:\\LabProduct", **more}
    return zipped({"lab-installer.json": json.dumps(said), "a.txt": "a"})


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Serves an installer; gives its address."""

    def serve(**more: Any) -> str:
        monkeypatch.setitem(URLS, "http://127.0.0.1/lab.msi", installer(**more))
        return "http://127.0.0.1/lab.msi"

    return serve


NO_ID = "Unable to find Product ID from the URL path. Please specify product_id when using state=absent"


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("there", [False, True])
def test_absent_by_a_url_alone_fails_when_all_is_done(
    machine: Machine, url: Callable[..., str], there: bool, check: bool
) -> None:
    """Target win_package, failure_tests.yml: "no product id is specified and path is URL"."""
    if there:
        run(machine, "win_package", path=url(), state="present")
    answer = run(machine, "win_package", path=url(), state="absent", check=check)
    assert (answer["failed"], answer["msg"]) == (True, NO_ID)
    assert [product.product_id for product in machine.installed] == ([PRODUCT] if there and check else [])


def test_absent_by_a_url_and_an_id_fetches_even_what_is_not_needed(machine: Machine, url: Callable[..., str]) -> None:
    """Source: only what is to be present is looked for before it is fetched."""
    asked: dict[str, Any] = {"path": "http://127.0.0.1/none.msi", "product_id": PRODUCT, "state": "absent"}
    assert "Error downloading" in run(machine, "win_package", **asked)["msg"]
    assert run(machine, "win_package", **{**asked, "path": url()}) == {
        "changed": False, "rc": 0, "reboot_required": False
    }  # fmt: skip
    run(machine, "win_package", path=url(), state="present")
    assert run(machine, "win_package", path=asked["path"], product_id=PRODUCT, state="present")["changed"] is False


@pytest.mark.parametrize(
    ("code", "expected", "says", "installed"),
    [
        (0, [1], "unexpected rc from", True),
        (3010, "0", "unexpected rc from", True),
        (1603, [0, 3010], "unexpected rc from", False),
        (1603, "0,1603", "", False),
        (1641, [1641], "", True),
        (0, "0, abc", "argument for list entry expected_return_code is of type System.String and we were unable to "
         "convert to int: Exception has been thrown by the target of an invocation.", False),
    ],
)  # fmt: skip
def test_the_return_codes_that_are_expected(
    machine: Machine, url: Callable[..., str], code: int, expected: Any, says: str, installed: bool
) -> None:
    """Target win_package, failure_tests.yml; what an installer did it has done, whatever is thought of its number."""
    path = url(return_code=code)
    answer = run(machine, "win_package", path=path, state="present", expected_return_code=expected)
    assert answer.get("failed", False) is bool(says)
    assert says in answer.get("msg", "")
    assert machine.disk.exists("C:\\LabProduct\\a.txt") is installed
    if "abc" not in expected:
        assert answer["rc"] == code


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"state": "present"}, "state is present but all of the following are missing: path"),
        ({"state": "absent"}, "state is absent but any of the following are missing: path, product_id"),
        ({"path": "C:\\no.msi"}, "the file at the path 'C:\\no.msi' cannot be reached"),
        (
            {"path": POWERSHELL, "creates_version": "1"},
            "missing parameter(s) required by 'creates_version': creates_path",
        ),
        (
            {"path": POWERSHELL, "creates_version": "1", "creates_path": "%windir%"},
            "Unhandled exception while executing module: creates_path must be a file not a directory when "
            "creates_version is set",
        ),
    ],
    ids=str,
)
def test_arguments_that_win_package_does_not_take(machine: Machine, asked: dict[str, Any], says: str) -> None:
    assert run(machine, "win_package", **asked)["msg"] == says


def test_a_program_that_is_there_is_not_run_for_what_is_installed(machine: Machine) -> None:
    """Target win_package, registry_tests.yml: powershell.exe is its installer."""
    run(machine, "win_file", path="C:\\Lab", state="directory")
    asked: dict[str, Any] = {"path": POWERSHELL, "creates_path": "%windir%"}
    assert run(machine, "win_package", product_id="x", **asked)["changed"] is False
    with pytest.raises(Unmodelled, match="no longer has the content"):
        run(machine, "win_package", product_id="x", path=POWERSHELL)


@pytest.mark.parametrize("module", ["ansible.windows.win_stat", "ansible.windows.win_service", "win_regedit"])
def test_names_and_choices_in_any_case(machine: Machine, module: str) -> None:
    """Source: Ansible.Basic takes both in silence."""
    asked: dict[str, dict[str, Any]] = {
        "ansible.windows.win_stat": {"PATH": "C:\\Lab", "Checksum_Algorithm": "SHA256"},
        "ansible.windows.win_service": {"Name": ODD, "State": "Stopped", "start_mode": "AUTO"},
        "win_regedit": {"Path": KEY, "NAME": "x", "Data": 1, "type": "DWord", "state": "Present"},
    }
    assert "failed" not in run(machine, module, **asked[module])


@pytest.mark.parametrize(
    ("module", "asked", "says"),
    [
        (
            "win_stat",
            {"path": "C:\\Lab", "get_size": "maybe"},
            "argument for get_size is of type System.String and we were unable to convert to bool: The value 'maybe' "
            "is not a valid boolean. Valid booleans include: y, yes, on, 1, true, t, 1.0, n, no, off, 0, false, f, 0.0",
        ),
        (
            "win_stat",
            {"path": ""},
            "argument for path is of type System.String and we were unable to convert to path: The path is not of a "
            "legal form.",
        ),
        (
            "win_package",
            {"path": "x", "expected_return_code": {"a": 1}},
            f"argument for expected_return_code is of type {TABLE} and we were unable to convert to list: {TABLE} "
            "cannot be converted to a list",
        ),
        (
            "win_firewall_rule",
            {"name": "x", "profiles": {"a": 1}},
            f"{LEGACY}: Parameter 'profiles' is not a YAML list.",
        ),
    ],
)
def test_values_of_another_type(machine: Machine, module: str, asked: dict[str, Any], says: str) -> None:
    assert run(machine, module, **asked)["msg"] == says


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("%windir%\\x", "C:\\Windows\\x"),
        ("%WinDir%%SYSTEMDRIVE%", "C:\\WindowsC:"),
        ("%NONE%windir%", "%NONEC:\\Windows"),
        ("100% %windir%", "100% C:\\Windows"),
        ("%%windir%%", "%C:\\Windows%"),
        ("%", "%"),
        ("%windir", "%windir"),
        ("", ""),
        ("%COMPUTERNAME%", "GWPC-A81000"),
        ("%ProgramFiles(x86)%", "C:\\Program Files (x86)"),
    ],
)
def test_variables_are_put_in_as_windows_does(machine: Machine, text: str, expanded: str) -> None:
    assert variables.expand(machine, text) == expanded


WILD = [
    *(
        ("a[b]", "ab"),
        ("a[b]", "a[b]"),
        ("a`[b`]", "a[b]"),
        ("[a-c]x", "Bx"),
        ("[!a]", "b"),
        ("[!a]", "!"),
        ("[^a]", "b"),
    ),
    *(
        ("[^a]", "^"),
        ("a*", "A"),
        ("?", "x"),
        ("a`*", "a*"),
        ("a`*", "ab"),
        ("[]]", "]"),
        ("[*abc]", "*"),
        ("a]", "a]"),
    ),
    *(
        ("[a]]", "a]"),
        ("[a-]", "-"),
        ("``[a]", "`a"),
        ("a[b", "x"),
        ("a[]", "a"),
        ("a`", "a`"),
        ("x.y", "xzy"),
        ("", ""),
    ),
]


@pytest.mark.engine
def test_patterns_mean_what_they_mean_to_powershell(pwsh: str, tmp_path: Path) -> None:
    (tmp_path / "cases.json").write_text(json.dumps(WILD), "utf-8")
    script = (
        f"foreach ($case in (Get-Content -Raw '{tmp_path}/cases.json' | ConvertFrom-Json)) {{\n"
        "    try { $fits = $case[1] -like $case[0] } catch { $fits = $_.Exception.Message }\n"
        '    "$fits $([System.Management.Automation.WildcardPattern]::ContainsWildcardCharacters($case[0]))" }'
    )
    (tmp_path / "ask.ps1").write_text(script, "utf-8")
    asked = subprocess.run([pwsh, "-NoProfile", "-File", str(tmp_path / "ask.ps1")], capture_output=True, text=True)
    ours = []
    for pattern, text in WILD:
        try:
            fits = str(wildcard.matcher(pattern).fullmatch(text) is not None)
        except wildcard.BadPattern as error:
            fits = str(error)
        ours.append(f"{fits} {wildcard.has_wildcards(pattern)}")
    assert asked.stdout.splitlines() == ours


ODDITIES: tuple[Any, ...] = (
    "",
    "x",
    "%",
    -1,
    1.5,
    True,
    [],
    ["x"],
    {},
    {"a": 1},
    [{"a": None}],
    "\u0000",
    "\U0001f600",
)


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("check", [True, False])
def test_whatever_a_module_is_given_it_answers_or_is_not_modelled(machine: Machine, module: str, check: bool) -> None:
    spec, _ = MODULES[module]
    base = {
        name: option.choices[0] if option.choices else "C:\\Lab\\a.txt"
        for name, option in spec.items()
        if option.required
    }
    base |= {"name": "x"} if module.endswith("firewall_rule") else {}
    states = spec["state"].choices if "state" in spec else [None]
    for name, value, state in itertools.product(spec, ODDITIES, states):
        try:
            answer = run(machine, module, check=check, **{**base, **({"state": state} if state else {}), name: value})
        except Unmodelled:
            continue
        assert isinstance(answer.get("changed"), bool), (name, value)


def test_a_rule_of_policy_is_none_of_the_modules_own(machine: Machine) -> None:
    machine.firewall.rules.append(Rule(id="{p}", name="policy's", store="policy"))
    assert run(machine, "win_firewall_rule", name="policy's", state="absent")["changed"] is False
    assert run(machine, "win_firewall_rule", name="POLICY'S", program=IMAGE)["changed"]
    assert run(machine, "win_stat", path=f"{FOLDER}\\")["stat"]["filename"] == "iPlato"
