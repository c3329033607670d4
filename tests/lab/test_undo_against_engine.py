"""package_tree's way back, on the lab and on the real module under Wine: the answers must be the same."""

from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.web import web
from tests.fixtures.windows import Engine, windows_home, wine_engine
from tests.lab.both import differing, engine, played
from tests.lab.stories import CHECK, Put, Step, four, told, tree

__all__ = ["engine", "web", "windows_home", "wine_engine"]

pytestmark = pytest.mark.wine


def kept(undo: str, **other: Any) -> dict[str, Any]:
    """Arguments with which what was there is kept."""
    return {"keep": "C:\\LabKept", "undo": undo, **other}


ONE_FILE = tree("one.zip", member="bin/java.exe", destination="C:\\Lab\\v\\run.exe")
STORY: list[Step] = [
    *told("package_tree", **tree("one.zip", undo="p1")),
    *told("package_tree", **kept("p 1", **tree("one.zip"))),
    *told("package_tree", **kept("p1", destination="C:\\Lab\\u", state="restored")),
    *told("package_tree", destination="C:\\Lab\\u", state="restored"),
    *four("package_tree", **kept("p1", destination="C:\\Lab\\u", state="restored", existed=False)),
    # Nothing of a package was there, but files of somebody.
    Put("C:\\Lab\\u\\release", "theirs"),
    *four("package_tree", **kept("p1", **tree("one.zip", destination="C:\\Lab\\u"))),
    Put("C:\\Lab\\u\\old.txt", "edited"),
    Put("C:\\Lab\\u\\bin\\own.txt", "own"),
    *four("package_tree", **kept("p1", destination="C:\\Lab\\u", state="restored")),
    *[step for name in ("release", "old.txt", "bin\\java.exe", "bin\\own.txt", ".provisioner-package.json")
      for step in told("win_stat", path=f"C:\\Lab\\u\\{name}")],
    # A newer package over ours, twice under the same name; another one in between; then back.
    *told("package_tree", **kept("p2", **tree("one.zip", destination="C:\\Lab\\u"))),
    *four("package_tree", **kept("p3", **tree("two.zip", destination="C:\\Lab\\u"))),
    Put("C:\\Lab\\u\\release", "edited"),
    *told("package_tree", **kept("p3", **tree("two.zip", destination="C:\\Lab\\u"))),
    *told("package_tree", **kept("p2", destination="C:\\Lab\\u", state="restored")),
    *four("package_tree", **kept("p3", destination="C:\\Lab\\u", state="restored")),
    *told("package_tree", **tree("one.zip", destination="C:\\Lab\\u"), **CHECK),
    *four("package_tree", **kept("p2", destination="C:\\Lab\\u", state="restored")),
    *told("win_stat", path="C:\\Lab\\u\\release"),
    # One file, and a package that is not unpacked.
    *four("package_tree", **kept("p4", **ONE_FILE)),
    *four("package_tree", **kept("p4", **{**ONE_FILE, "state": "restored"})),
    *told("win_stat", path="C:\\Lab\\v"),
    Put("C:\\Lab\\v\\whole.zip", "theirs"),
    *four("package_tree", **kept("p5", **tree("one.zip", unpack=False, destination="C:\\Lab\\v\\whole.zip"))),
    *four("package_tree", **kept("p5", destination="C:\\Lab\\v\\whole.zip", unpack=False, state="restored")),
    *told("win_stat", path="C:\\Lab\\v\\whole.zip"),
    # What was taken away.
    *told("package_tree", **kept("p6", **tree("two.zip", destination="C:\\Lab\\w"))),
    *four("package_tree", **kept("p7", destination="C:\\Lab\\w", state="absent")),
    *told("win_stat", path="C:\\Lab\\w"),
    *four("package_tree", **kept("p7", destination="C:\\Lab\\w", state="restored")),
    *told("package_tree", **tree("two.zip", destination="C:\\Lab\\w"), **CHECK),
    # An unchanged one is kept as nothing to undo.
    *told("package_tree", **kept("p8", **tree("two.zip", destination="C:\\Lab\\w"))),
    *four("package_tree", **kept("p8", destination="C:\\Lab\\w", state="restored")),
    *told("win_stat", path="C:\\LabKept\\p8\\C-Lab-w\\files"),
    *told("package_tree", **kept("p9", **tree("one.zip", destination="C:\\Lab\\w"))),
    *told("win_file", path="C:\\LabKept\\p9\\C-Lab-w\\files\\bin", state="absent"),
    *told("package_tree", **kept("p9", destination="C:\\Lab\\w", state="restored")),
    *told("win_file", path="C:\\LabKept", state="absent"),
]  # fmt: skip


def test_the_lab_puts_back_as_the_real_module_does(engine: Engine, web: tuple[str, Path], tmp_path: Path) -> None:
    both = played({"undo": STORY}, engine, web, tmp_path)
    wrong = differing(both)
    assert wrong == [], f"{len(wrong)} differ:\n" + "\n".join(wrong)
