"""One table of calls, run on the lab and on the real modules under Wine: the answers must be the same.

A story is played in order, each on a machine where only what it did itself is left. What only one side can run is in
ONE_SIDE, with the reason.
"""

from pathlib import Path

import pytest

from tests.fixtures.web import web
from tests.fixtures.windows import Engine, windows_home, wine_engine
from tests.lab.both import differing, engine, played
from tests.lab.stories import STORIES

__all__ = ["engine", "web", "windows_home", "wine_engine"]

pytestmark = pytest.mark.wine

ONE_SIDE = {
    "win_package": "the lab's installers are no Windows programs",
    "win_copy, modes query and single": "they belong to Ansible's action plugin: roles/test_windows.py runs them",
    "win_service, start of a program that is there": "the engine has Wine's own services, the lab the Connector's",
    "folder_access, rights that are there before": "Wine keeps none: only folders that are made are compared",
    "power_setting, a plan by policy and times that Windows came with": "only under Wine (roles/test_our_modules.py)",
    "defender_exclusion, MpCmdRun.exe and policies": "only on the engine for Linux (roles/test_our_modules.py)",
    "win_service_info by the display name": "Wine's Service Control Manager looks for names only, Windows' for both",
    "win_firewall_rule, interfacetypes, and program any": "the simulated firewall's rules cannot take them",
    "win_firewall_rule, ports on a rule of any protocol": "the simulated firewall takes them, Windows refuses them",
    "win_environment, several variables": "`value` is that of one of them, by chance: a table has no order",
    "win_environment, absent a second time": "the engine's .NET keeps an empty one, that of 5.1 removes it",
    "win_service, absent a second time": "in one process Windows keeps the service, marked for deletion",
    "win_regedit, lists that differ in letters' case alone": "the engine's Compare-Object is stood in for",
    "package_tree, signer": "Wine has no signed programs, and the lab's bear none",
    "work_marker, one that cannot be read and is old": "the lab keeps no times of files (roles/test_marker.py)",
    "work_marker, two at the same time": "the lab does one thing after the other (roles/test_marker.py)",
}


def test_the_lab_answers_as_the_real_modules(engine: Engine, web: tuple[str, Path], tmp_path: Path) -> None:
    both = played(STORIES, engine, web, tmp_path)
    wrong = differing(both)
    assert wrong == [], f"{len(wrong)} differ:\n" + "\n".join(wrong)
    assert sum(map(len, both.values())) > 400
