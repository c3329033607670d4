"""Our Ansible modules on a real PowerShell with the real Ansible.Basic (test_windows.py: by Ansible).

work_marker is in test_marker.py.
"""

import hashlib
import json
import shutil
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.evidence import case
from tests.fixtures.windows import ROOT, Engine, doubled, windows_home, wine_engine

__all__ = ["windows_home", "wine_engine"]

JAVA = "C:\\iPlato\\jre\\bin\\java.exe"
OWN_PLANS = "SYSTEM\\CurrentControlSet\\Control\\Power\\User\\PowerSchemes"
STRANGER = "S-1-5-21-1-2-3-1001"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A web server on loopback: its address and its folder."""
    folder = tmp_path_factory.mktemp("web")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    thread.join()
    server.server_close()


def zipped(path: Path, files: dict[str, str]) -> str:
    """Make a zip; its sha256."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


Job = str | tuple[str, dict[str, Any]]
CHECK = {"_ansible_check_mode": True}


@pytest.mark.wine
def test_package_tree_unpacks_what_it_verified_and_nothing_else(wine_engine: Engine, web: tuple[str, Path]) -> None:
    address, folder = web
    first = zipped(
        folder / "one.zip", {"jdk/bin/java.exe": "one", "jdk/release": "17", "jdk/old.txt": "o", "other/x": "x"}
    )
    second = zipped(folder / "two.zip", {"jdk/bin/java.exe": "two", "jdk/release": "17", "jdk/conf.ini": "vendor"})
    evil = zipped(folder / "evil.zip", {"jdk/../../evil.txt": "x", "jdk/ok": "x"})

    def tree(name: str, sha256: str, **other: Any) -> tuple[str, dict[str, Any]]:
        where = {"source": "url", "location": f"{address}/{name}", "root": "jdk", "destination": "C:\\iPlato\\jre"}
        return "package_tree", {**where, "sha256": sha256, **other}

    assert wine_engine.prefix
    drive = wine_engine.prefix / "drive_c"
    jre = drive / "iPlato" / "jre"
    missing, wrong, checked, fresh, again = wine_engine.run(
        [
            tree("none.zip", first, **CHECK),
            tree("one.zip", second),
            tree("one.zip", first, **CHECK),
            tree("one.zip", first),
            tree("one.zip", first),
        ]
    )
    assert missing["failed"]
    assert "cannot be fetched" in missing["msg"]
    assert wrong["failed"]
    assert f"has sha256 {first}, wanted {second}" in wrong["msg"]
    assert checked["changed"]
    assert checked["size"] == (folder / "one.zip").stat().st_size
    assert fresh["changed"]
    assert fresh["before"] == {"exists": False, "sha256": None, "edited": 0}
    assert fresh["files"] == 3
    assert not again["changed"]
    assert again["before"] == {"exists": True, "sha256": first, "edited": 0}
    assert (jre / "bin" / "java.exe").read_text() == "one"
    manifest = json.loads((jre / ".provisioner-package.json").read_text("utf-8"))
    assert manifest["sha256"] == first
    assert {file["path"] for file in manifest["files"]} == {"bin\\java.exe", "release", "old.txt"}

    (jre / "bin" / "java.exe").write_text("bad")
    (jre / "theirs.txt").write_text("not of the package")
    (jre / "conf.ini").write_text("ours")
    mended, newer, refused, gone = wine_engine.run(
        [
            tree("one.zip", first),
            tree("two.zip", second, skip=["C:\\iPlato\\jre\\conf.ini"]),
            tree("evil.zip", evil, destination="C:\\iPlato\\evil"),
            ("package_tree", {"destination": "C:\\iPlato\\jre", "state": "absent"}),
        ]
    )
    assert mended["changed"]
    assert newer["changed"]
    assert newer["files"] == 2
    assert refused["failed"]
    assert "leads out of its folder" in refused["msg"]
    assert not list(drive.rglob("evil.txt"))
    assert gone["changed"]
    assert sorted(path.name for path in jre.rglob("*")) == ["conf.ini", "theirs.txt"]
    assert (jre / "conf.ini").read_text() == "ours"


@pytest.mark.wine
def test_package_tree_puts_everything_back_when_one_file_is_in_use(wine_engine: Engine, web: tuple[str, Path]) -> None:
    address, folder = web
    one = zipped(folder / "in-use-1.zip", {"a.txt": "a1", "b.txt": "b1", "gone.txt": "g"})
    two = zipped(folder / "in-use-2.zip", {"a.txt": "a2", "b.txt": "b2"})
    exe = zipped(folder / "procrun.zip", {"prunsrv.exe": "32", "amd64/prunsrv.exe": "64"})
    common = {"source": "url", "destination": "C:\\iPlato"}
    held, refused, _, member, file = wine_engine.run(
        [
            ("package_tree", {**common, "location": f"{address}/in-use-1.zip", "sha256": one}),
            "$global:held = [System.IO.File]::Open('C:\\iPlato\\b.txt', 'Open', 'Read', 'Read')",
            ("package_tree", {**common, "location": f"{address}/in-use-2.zip", "sha256": two}),
            "$global:held.Dispose()",
            ("package_tree", {**common, "location": f"{address}/in-use-1.zip", "sha256": one, **CHECK}),
            (
                "package_tree",
                {
                    **common,
                    **{"location": f"{address}/procrun.zip", "sha256": exe, "root": "amd64", "member": "prunsrv.exe"},
                    "destination": "C:\\iPlato\\iPlatoConnector.exe",
                },
            ),
            (
                "package_tree",
                {
                    **common,
                    **{"location": f"{address}/procrun.zip", "sha256": exe, "unpack": False},
                    "destination": "C:\\iPlato\\packages\\procrun.zip",
                },
            ),
        ]
    )
    assert wine_engine.prefix
    tree = wine_engine.prefix / "drive_c" / "iPlato"
    assert held["changed"]
    assert refused["failed"]
    assert "b.txt could not be replaced" in refused["msg"]
    assert {name: (tree / name).read_text() for name in ("a.txt", "b.txt", "gone.txt")} == {
        "a.txt": "a1",
        "b.txt": "b1",
        "gone.txt": "g",
    }
    assert not (tree / ".provisioner-new").exists()
    assert member["changed"]
    assert (tree / "iPlatoConnector.exe").read_text() == "64"
    assert file["changed"]
    assert (tree / "packages" / "procrun.zip").read_bytes() == (folder / "procrun.zip").read_bytes()


def written(path: str, text: str) -> str:
    """PowerShell that writes a file."""
    return f"[System.IO.File]::WriteAllText('C:\\iPlato\\jre\\{path}', '{text}')"


def texts(folder: Path) -> dict[str, str]:
    """What a folder's files hold, by path."""
    return {str(path.relative_to(folder)): path.read_text("utf-8") for path in folder.rglob("*") if path.is_file()}


@pytest.mark.wine
def test_package_tree_puts_back_what_was_there_wherever_it_was_killed(
    wine_engine: Engine, web: tuple[str, Path]
) -> None:
    address, folder = web
    sha256 = zipped(folder / "undo.zip", {"bin/java.exe": "new", "release": "17", "lib/a.txt": "a", "lib/b.txt": "b"})
    place = {"destination": "C:\\iPlato\\jre", "keep": "C:\\Ours\\kept", "undo": "plan-1"}
    new: Job = ("package_tree", {**place, "source": "url", "location": f"{address}/undo.zip", "sha256": sha256})
    back: Job = ("package_tree", {**place, "state": "restored"})
    asked: Job = ("package_tree", {**place, "state": "restored", **CHECK})
    four = [asked, back, back, asked]
    made = "$null = [System.IO.Directory]::CreateDirectory('C:\\iPlato\\jre\\bin')"
    assert wine_engine.prefix
    drive = wine_engine.prefix / "drive_c"
    tree, kept = drive / "iPlato" / "jre", drive / "Ours" / "kept" / "plan-1" / "C-iPlato-jre"
    theirs = {"bin/java.exe": "old", "release": "8"}
    (installed,) = wine_engine.run([made, written("bin\\java.exe", "old"), written("release", "8"), new])
    assert (installed["changed"], installed["before"]["edited"]) == (True, 2)
    record = json.loads((kept / "undo.json").read_text("utf-8"))
    assert (sorted(record["kept"]), sorted(record["added"])) == (
        ["bin\\java.exe", "release"],
        ["lib\\a.txt", "lib\\b.txt"],
    )
    assert texts(kept / "files") == theirs
    # Killed while it installed: the swap had come half way, and the same step is done again before it is undone.
    half = [written("release", "8"), "[System.IO.File]::Delete('C:\\iPlato\\jre\\.provisioner-package.json')"]
    half += ["[System.IO.Directory]::Move('C:\\iPlato\\jre\\lib', 'C:\\iPlato\\jre\\.provisioner-new')"]
    answers = wine_engine.run([*half, new, written("lib\\b.txt", "edited"), *four])
    assert [answer["changed"] for answer in answers] == [True, True, True, False, False]
    assert texts(tree) == theirs
    assert [path.name for path in kept.parent.parent.glob("b.txt.*")] == [
        f"b.txt.{hashlib.sha256(b'edited').hexdigest()[:12]}"
    ]
    assert {path.name for path in kept.rglob("*")} == {"undo.json"}
    # Killed while it installed, and undone at once; killed while it put back, and again after it was through.
    restored = [written("bin\\java.exe", "old"), "[System.IO.File]::Delete('C:\\iPlato\\jre\\lib\\a.txt')"]
    left = "$null = [System.IO.Directory]::CreateDirectory('C:\\Ours\\kept\\plan-1\\C-iPlato-jre\\files\\lib')"
    answers = wine_engine.run([new, *half, *four, new, *restored, *four, left, new, back])
    assert [answer["changed"] for answer in answers] == [
        *(True, True, True, False, False),
        *(True, True, True, False, False),
        *(True, True),
    ]
    assert texts(tree) == theirs
    assert sorted(path.name for path in tree.iterdir()) == ["bin", "release"]


@pytest.mark.wine
def test_folder_access_takes_the_rights_of_others_away(wine_engine: Engine, tmp_path: Path) -> None:
    store = "'HKEY_CURRENT_USER\\Software\\Rights'"
    library = doubled(
        tmp_path / "library",
        "folder_access",
        {
            "Get-Rights": f"    [Microsoft.Win32.Registry]::GetValue({store}, $Path, 'O:BAD:AI(A;ID;FA;;;BA)')",
            "Set-Rights": f"    [Microsoft.Win32.Registry]::SetValue({store}, $Path, $Sddl)",
            "New-Folder": "    $null = [System.IO.Directory]::CreateDirectory($Path)\n    Set-Rights $Path $Sddl",
        },
    )
    done = f"[System.IO.File]::WriteAllText('C:\\done', [Microsoft.Win32.Registry]::GetValue({store}, 'C:\\Ours', ''))"
    folders = {"path": ["C:\\iPlato"], "private": ["C:\\Ours", "C:\\Ours\\kept"]}
    loose = f"O:{STRANGER}D:AI(A;;0x1301bf;;;{STRANGER})(A;ID;FA;;;BA)"
    checked, made, again, closed, still = replace(wine_engine, library=library).run(
        [
            ("folder_access", {**folders, **CHECK}),
            "[System.IO.File]::WriteAllText('C:\\checked', [System.IO.Directory]::Exists('C:\\iPlato'))",
            ("folder_access", folders),
            done,
            ("folder_access", folders),
            "[System.IO.File]::WriteAllText('C:\\iPlato\\java.exe', 'x')\n"
            f"[Microsoft.Win32.Registry]::SetValue({store}, 'C:\\iPlato\\java.exe', '{loose}')",
            ("folder_access", folders),
            ("folder_access", folders),
        ]
    )
    assert checked["changed"]
    assert made["changed"]
    assert wine_engine.prefix
    drive = wine_engine.prefix / "drive_c"
    assert (drive / "checked").read_text() == "False"
    assert (drive / "done").read_text() == "O:BAD:PAI(A;OICI;FA;;;BA)(A;OICI;FA;;;SY)"
    assert made["before"] == {"C:\\iPlato": None, "C:\\Ours": None, "C:\\Ours\\kept": None}
    assert "C:\\Ours O:BAD:PAI(A;OICI;FA;;;BA)(A;OICI;FA;;;SY)\n" in made["diff"]["after"]
    assert not again["changed"]
    assert closed["changed"]
    assert "java.exe can be changed" in closed["diff"]["before"]
    assert not still["changed"]


@pytest.mark.skipif(not shutil.which("pwsh"), reason="no PowerShell engine on PATH")
def test_folder_access_is_not_led_elsewhere_by_a_link(tmp_path: Path) -> None:
    """On Linux, because Wine makes no links; what Windows calls a reparse point .NET tells of either."""
    doubles = dict.fromkeys(
        ("Set-Rights", "New-Folder"), f'    [System.IO.File]::AppendAllText("{tmp_path}/set", "$Path`n")'
    )
    doubles |= {"Get-Rights": "    'O:BAD:PAI'", "Enable-Privilege": ""}
    library = doubled(tmp_path / "library", "folder_access", doubles)
    theirs = tmp_path / "theirs"
    (theirs / "iPlato").mkdir(parents=True)
    links = {
        "drive": theirs,
        "drive/iPlato": theirs,
        "drive/iPlato/a/b": theirs,
        "drive/iPlato/c": tmp_path / "nowhere",
    }
    jobs, wanted = [], []
    for number, (link, target) in enumerate(links.items()):
        place = tmp_path / str(number) / link
        place.parent.mkdir(parents=True)
        place.symlink_to(target)
        folders = [str(tmp_path / "first"), str(tmp_path / str(number) / "drive" / "iPlato")]
        jobs += [("folder_access", {"path": folders, "state": state}) for state in ("present", "absent")]
        wanted += 2 * [f"{place} is a link to somewhere else"]
    fine = [str(tmp_path / "first")]
    *refused, done = Engine(tmp_path, library=library).run([*jobs, ("folder_access", {"path": fine})])
    assert [answer["msg"].partition(": ")[2].partition(".")[0] for answer in refused] == wanted
    assert (done["changed"], done.get("failed")) == (True, None)
    assert (tmp_path / "set").read_text().splitlines() == fine


@pytest.mark.wine
def test_folder_access_closes_what_leaves_administrators_no_right(wine_engine: Engine, tmp_path: Path) -> None:
    """What may not be read is not tight, and what may not be changed is named."""
    deny = "throw (New-Object System.UnauthorizedAccessException 'Attempted to perform an unauthorized operation.')"
    doubles = {
        "Get-Rights": f"    if ($Path -like '*locked*') {{ {deny} }}\n    'O:BAD:PAI(A;OICI;FA;;;BA)(A;OICI;FA;;;SY)'",
        "Set-Rights": f"    if ($Path -like '*fast') {{ {deny} }}\n"
        "    [System.IO.File]::AppendAllText('C:\\set', \"$Path $Sddl`n\")",
    }
    engine = replace(wine_engine, library=doubled(tmp_path / "library", "folder_access", doubles))
    assert engine.prefix
    drive = engine.prefix / "drive_c"
    (drive / "ours").mkdir()
    for name in ("fine", "locked", "locked fast"):
        (drive / "ours" / name).write_text("x")
    closing = ("folder_access", {"private": ["C:\\ours"]})
    refused, done = engine.run([closing, "[System.IO.File]::Delete('C:\\ours\\locked fast')", closing])
    assert "C:\\ours\\locked fast cannot be changed: Attempted to" in refused["msg"]
    assert done["changed"]
    assert (drive / "set").read_text() == 2 * "C:\\ours\\locked O:BAD:AI\n"


@pytest.mark.wine
def test_power_setting_reads_by_guid_and_writes_what_differs(wine_engine: Engine, tmp_path: Path) -> None:
    plan, group = "381b4222-f694-41f0-9685-ff5bb260df2e", "238c9fa8-0aad-41ed-83f4-97be242c8f20"
    sleep = "29f6c1db-86da-48c5-9fdb-f2b67b1f44da"
    power = "HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Control\\Power"
    library = doubled(
        tmp_path / "library",
        "power_setting",
        {
            "Invoke-PowerCfg": "    if ($Arguments[0] -eq '/setacvalueindex') {\n"
            '        $place = "$power\\User\\PowerSchemes\\$($Arguments[1])\\$($Arguments[2])\\$($Arguments[3])"\n'
            "        [Microsoft.Win32.Registry]::SetValue($place, 'ACSettingIndex', [int]$Arguments[4], 'DWord')\n    }"
        },
    )
    default = f"{power}\\PowerSettings\\{group}\\{sleep}\\DefaultPowerSchemeValues\\{plan}"
    policy = f"HKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\Microsoft\\Power\\PowerSettings\\{sleep}"
    never = {"sleep_seconds": 0, "hibernate_seconds": 0}
    value = f"{power}\\User\\PowerSchemes\\{plan}\\{group}\\{sleep}"
    told = (
        f"$seconds = [Microsoft.Win32.Registry]::GetValue('{value}', 'ACSettingIndex', '')\n"
        "[System.IO.File]::AppendAllText('C:\\told', \"<$seconds>\")"
    )
    checked, done, again, refused = replace(wine_engine, library=library).run(
        [
            f"[Microsoft.Win32.Registry]::SetValue('{power}\\User\\PowerSchemes', 'ActivePowerScheme', '{plan}')\n"
            f"[Microsoft.Win32.Registry]::SetValue('{default}', 'ACSettingIndex', 1800, 'DWord')",
            ("power_setting", {**never, **CHECK}),
            told,
            ("power_setting", never),
            told,
            ("power_setting", never),
            f"[Microsoft.Win32.Registry]::SetValue('{policy}', 'ACSettingIndex', 900, 'DWord')",
            ("power_setting", never),
        ]
    )
    assert checked["changed"]
    assert checked["before"] == done["before"] == {"plan": plan, "sleep_seconds": 1800, "hibernate_seconds": None}
    assert done["changed"]
    assert not again["changed"]
    assert wine_engine.prefix
    assert (wine_engine.prefix / "drive_c" / "told").read_text() == "<><0>"
    assert again["before"] == {"plan": plan, "sleep_seconds": 0, "hibernate_seconds": 0}
    assert refused["failed"]
    assert refused["cause"] == "managed_policy"


@pytest.mark.wine
def test_power_setting_reads_what_evidence_reads(wine_engine: Engine, tmp_path: Path) -> None:
    """The machine `sleeps` of tests/machines: a plan by policy, a time that Windows came with, and one by policy."""
    machine, wanted = case("sleeps")
    setting = "[Microsoft.Win32.Registry]::SetValue('{}', '{}', {}, '{}')"
    registry = "\n".join(
        setting.format(f"HKEY_LOCAL_MACHINE{key.removeprefix('LocalMachine')}", name, repr(value), kind)
        for key, values in machine["machine"]["registry"].items() if "\\Power" in key
        for name, value in (values or {}).items() if value is not None
        for kind in ["String" if isinstance(value, str) else "DWord"]
    )  # fmt: skip
    policy = "HKEY_LOCAL_MACHINE\\SOFTWARE\\Policies\\Microsoft\\Power\\PowerSettings"
    plan = wanted["power"]["plan"]
    chosen = setting.format(f"{policy.partition('SOFTWARE')[0]}{OWN_PLANS}", "ActivePowerScheme", f"'{plan}'", "String")
    library = doubled(tmp_path / "library", "power_setting", {"Invoke-PowerCfg": "    throw 'nothing is written here'"})
    job = ("power_setting", {"sleep_seconds": 1800, "hibernate_seconds": 10800, **CHECK})
    imposed, told, ruled = replace(wine_engine, library=library).run(
        [registry, job, chosen, job, ("power_setting", {"sleep_seconds": 0, "hibernate_seconds": 0, **CHECK})]
    )
    assert (imposed["failed"], imposed["cause"]) == (True, "managed_policy")
    assert f"makes {plan} the active power plan" in imposed["msg"]
    # What Windows came with may be the right time, and is nothing that was set.
    assert told["changed"]
    assert told["before"] == {name: wanted["power"][name] for name in ("plan", "sleep_seconds", "hibernate_seconds")}
    assert (ruled["failed"], ruled["cause"]) == (True, "managed_policy")
    assert "sets hibernate_seconds to 10800" in ruled["msg"]


@pytest.fixture
def defender(tmp_path: Path) -> tuple[Engine, Path]:
    """An engine with a simulated Defender, and the file that is its state; its MpCmdRun.exe answers from that file."""
    if not shutil.which("pwsh") or not shutil.which("winrm-gateways"):
        pytest.skip("pwsh with a simulated Defender is not on PATH")
    programs = tmp_path / "Windows Defender"
    programs.mkdir()
    asked = programs / "MpCmdRun.exe"
    asked.write_text('#!/bin/sh\ngrep -qF "${3##*\\\\}" "$PWSH_SIMULATED_DEFENDER"\n')
    asked.chmod(0o755)
    state = tmp_path / "defender.json"
    return Engine(tmp_path, None, {"ProgramFiles": str(tmp_path), "PWSH_SIMULATED_DEFENDER": str(state)}), state


def write_defender(state: Path, protected: bool) -> None:
    lists = {"ExclusionPath": ["C:\\Theirs"], "ExclusionProcess": []}
    state.write_text(json.dumps({"status": {"IsTamperProtected": protected}, "preference": lists}))


@pytest.mark.engine
def test_defender_exclusion_adds_and_removes_only_its_own(defender: tuple[Engine, Path]) -> None:
    engine, state = defender
    write_defender(state, protected=False)
    add, drop = (
        {"path": [JAVA], "process": ["C:\\a.exe"]},
        {"path": [JAVA], "process": ["C:\\a.exe"], "state": "absent"},
    )
    (checked,) = engine.run([("defender_exclusion", {**add, **CHECK})])
    assert json.loads(state.read_text())["preference"]["ExclusionPath"] == ["C:\\Theirs"]
    answers = [checked, *engine.run([("defender_exclusion", job) for job in (add, add)])]
    assert json.loads(state.read_text())["preference"]["ExclusionPath"] == ["C:\\Theirs", JAVA]
    answers += engine.run([("defender_exclusion", job) for job in (drop, {**drop, **CHECK}, drop)])
    assert [answer["changed"] for answer in answers] == [True, True, False, True, False, False]
    assert answers[1]["before"] == {"path": [], "process": []}
    assert answers[3]["before"] == {"path": [JAVA], "process": ["C:\\a.exe"]}
    assert answers[1]["diff"]["after"] == f"{JAVA}\nC:\\a.exe\n"
    assert json.loads(state.read_text())["preference"]["ExclusionPath"] == ["C:\\Theirs"]


@pytest.mark.engine
def test_defender_exclusion_believes_defender_and_not_the_cmdlet(defender: tuple[Engine, Path], tmp_path: Path) -> None:
    engine, state = defender
    write_defender(state, protected=True)
    # Linux has no registry: what stands there is told by the test.
    library = doubled(tmp_path / "library", "defender_exclusion", {"Get-Setting": "    $global:settings[$Name]"})
    void, tampered, absent = replace(engine, library=library).run(
        [
            "$global:settings = @{}",
            ("defender_exclusion", {"path": [JAVA]}),
            "$global:settings = @{ TPExclusions = 1 }",
            ("defender_exclusion", {"path": [JAVA]}),
            "function global:Get-MpPreference { throw 'The service cannot be started. 0x800106ba' }",
            ("defender_exclusion", {"path": [JAVA]}),
        ]
    )
    # Tamper protection is on nearly everywhere: it is the cause only where it guards the exclusions.
    assert (void["failed"], void["cause"]) == (True, "not_effective")
    assert tampered["failed"]
    assert tampered["cause"] == "tamper_protection"
    assert "tamper protection is on" in tampered["msg"]
    assert absent["failed"]
    assert absent["cause"] == "not_running"


@pytest.mark.engine
def test_defender_exclusion_where_its_lists_are_hidden(defender: tuple[Engine, Path]) -> None:
    """Only Defender itself says of a path whether it is excluded; of a process nobody does."""
    engine, state = defender
    program, other = "C:\\a.exe", "C:\\Theirs"
    lists = {"ExclusionPath": [other, JAVA], "ExclusionProcess": [program]}
    state.write_text(json.dumps({"status": {"IsTamperProtected": False}, "preference": lists}))
    says = "'N/A: Administrators are not allowed to view exclusions'"
    told = f"@{{ ExclusionPath = @({says}); ExclusionProcess = @({says}) }}"
    # Called once, so that the cmdlets are loaded and stay as they are told from here.
    hides = f"$null = Get-MpPreference; function global:Get-MpPreference {{ {told} }}"

    def left() -> tuple[list[str], list[str]]:
        preference = json.loads(state.read_text())["preference"]
        return preference["ExclusionPath"], preference["ExclusionProcess"]

    absent = {"path": [JAVA], "process": [program], "state": "absent"}
    (gone,) = engine.run([hides, ("defender_exclusion", absent)])
    assert left() == ([other], [])
    assert (gone["changed"], gone["before"]) == (True, {"path": [JAVA], "process": [], "untold": [program]})
    assert "Whether the exclusion of C:\\a.exe is gone cannot be read" in gone["warnings"][0]
    path = {"path": [JAVA]}
    again, made, same = engine.run(
        [hides, *(("defender_exclusion", job) for job in ({**path, "state": "absent"}, path, path))]
    )
    assert [one["changed"] for one in (again, made, same)] == [False, True, False]
    assert (made["before"]["path"], same["before"]["path"]) == ([], [JAVA])
    (refused,) = engine.run([hides, ("defender_exclusion", {"process": [program]})])
    assert (refused["failed"], refused["cause"]) == (True, "hidden")
    assert left() == ([other, JAVA], [])


@pytest.mark.engine
def test_defender_exclusion_names_why_a_change_is_void(defender: tuple[Engine, Path], tmp_path: Path) -> None:
    engine, state = defender
    write_defender(state, protected=False)
    # Linux has no registry: what stands there is told by the test.
    double = "    $global:settings[(Split-Path $Key -Leaf) + '/' + $Name]"
    library = doubled(tmp_path / "library", "defender_exclusion", {"Get-Setting": double})
    void = "function global:Add-MpPreference { }; $global:settings = @{ %s }"
    jobs: list[Job] = []
    for settings, job in (
        ("'Windows Defender/DisableLocalAdminMerge' = 1", {"path": [JAVA], **CHECK}),
        ("'Policy Manager/DisableLocalAdminMerge' = 1", {"path": [JAVA]}),
        ("'Windows Defender/ManagedDefenderProductType' = 6", {"path": [JAVA]}),
        ("'Windows Defender/ManagedDefenderProductType' = 6; 'Features/TPExclusions' = 1", {"path": [JAVA]}),
        ("'Policy Manager/HideExclusionsFromLocalAdmins' = 1", {"process": [JAVA]}),
        ("", {"path": [JAVA]}),
    ):
        jobs += [void % settings, ("defender_exclusion", job)]
    jobs += ["function global:Add-MpPreference { throw 'no' }", ("defender_exclusion", {"path": [JAVA]})]
    answers = replace(engine, library=library).run(jobs)
    assert all(answer["failed"] for answer in answers)
    merge, managed, hidden, nothing = "local_merge_disabled", "managed_policy", "hidden", "not_effective"
    tamper = "tamper_protection"
    assert [answer["cause"] for answer in answers] == [merge, merge, managed, tamper, hidden, nothing, nothing]
    assert "refused the change: no" in answers[-1]["msg"]
    assert json.loads(state.read_text())["preference"]["ExclusionPath"] == ["C:\\Theirs"]
    source = (ROOT / "plugins" / "modules" / "defender_exclusion.ps1").read_text("utf-8")
    assert "Set-MpPreference @" not in source
