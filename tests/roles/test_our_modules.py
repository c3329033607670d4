"""Our Ansible modules on a real PowerShell with the real Ansible.Basic (test_windows.py: by Ansible).

work_marker is in test_marker.py.
"""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.web import encrypted, web, zipped
from tests.fixtures.windows import RIGHTS, RIGHTS_KEPT, Engine, doubled, windows_home, wine_engine
from tests.roles.modules import CHECK, Job

__all__ = ["web", "windows_home", "wine_engine"]


STRANGER = "S-1-5-21-1-2-3-1001"


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
    closed = encrypted(folder / "closed.zip", "jdk/release", "18")
    mended, newer, refused, unread, gone = wine_engine.run(
        [
            tree("one.zip", first),
            tree("two.zip", second, skip=["C:\\iPlato\\jre\\conf.ini"]),
            tree("evil.zip", evil, destination="C:\\iPlato\\evil"),
            tree("closed.zip", closed, skip=["C:\\iPlato\\jre\\conf.ini"]),
            ("package_tree", {"destination": "C:\\iPlato\\jre", "state": "absent"}),
        ]
    )
    assert mended["changed"]
    assert newer["changed"]
    assert newer["files"] == 2
    assert refused["failed"]
    assert "leads out of its folder" in refused["msg"]
    assert not list(drive.rglob("evil.txt"))
    assert "encrypted" in unread["msg"]
    assert unread["before"]["sha256"] == second
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
    store, library = RIGHTS, doubled(tmp_path / "library", "folder_access", RIGHTS_KEPT)
    done = f"[System.IO.File]::WriteAllText('C:\\done', [Microsoft.Win32.Registry]::GetValue({store}, 'C:\\Ours', ''))"
    folders = {"path": ["C:\\iPlato"], "private": ["C:\\Ours", "C:\\Ours\\kept"]}
    loose = f"O:{STRANGER}D:AI(A;;0x1301bf;;;{STRANGER})(A;ID;FA;;;BA)"
    # Whoever owns a file may give himself the rights again.
    owned = f"O:{STRANGER}D:AI(A;ID;FA;;;BA)"
    checked, made, again, closed, still, taken = replace(wine_engine, library=library).run(
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
            f"[Microsoft.Win32.Registry]::SetValue({store}, 'C:\\iPlato\\java.exe', '{owned}')",
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
    assert taken["changed"]


def test_folder_access_is_not_led_elsewhere_by_a_link(pwsh: str, tmp_path: Path) -> None:
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
    *refused, done = Engine(pwsh, tmp_path, library=library).run([*jobs, ("folder_access", {"path": fine})])
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
