"""The calls that are played on the lab and on the real modules, a story each."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from tests.fixtures.lab import zipped

CHECK = {"_ansible_check_mode": True}


@dataclass(frozen=True)
class Put:
    """A file that is laid there before, on both sides."""

    path: str
    text: str


Call = tuple[str, dict[str, Any]]
Step = Call | Put


def four(module: str, **arguments: Any) -> list[Step]:
    """Check mode, do, again, and again in check mode."""
    return [(module, {**arguments, **check}) for check in (CHECK, {}, {}, CHECK)]


def told(module: str, **arguments: Any) -> list[Step]:
    """One call."""
    return [(module, arguments)]


KEY = "HKLM:\\SOFTWARE\\Lab\\Against"


def value(name: str, data: Any, kind: str = "string") -> list[Step]:
    return [
        *four("win_regedit", path=KEY, name=name, data=data, type=kind),
        *told("win_reg_stat", path=KEY, name=name),
    ]


SERVICE = {"name": "LabAgainst", "path": '"C:\\Lab\\a.exe" run'}
RULE = {
    **{"name": "Against", "group": "lab", "direction": "out", "action": "allow", "protocol": "tcp"},
    **{"remoteport": "443", "remoteip": "192.0.2.5,192.0.2.9", "program": "C:\\Lab\\a.exe", "enabled": True},
}
PLAN, GROUP = "381b4222-f694-41f0-9685-ff5bb260df2e", "238c9fa8-0aad-41ed-83f4-97be242c8f20"
POWER = "HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Control\\Power"
TIMES = {"29f6c1db-86da-48c5-9fdb-f2b67b1f44da": 1800, "9d7815a6-7ee4-497e-8888-515a05f02364": 10800}
ZIPS = {
    "one.zip": {"jdk/bin/java.exe": "one", "jdk/release": "17", "jdk/old.txt": "o", "other/x": "x"},
    "two.zip": {"jdk/bin/java.exe": "two", "jdk/release": "17"},
    "evil.zip": {"jdk/../../evil.txt": "x"},
}


def tree(zip_: str, **other: Any) -> dict[str, Any]:
    """Arguments of package_tree; the web's address is put in later."""
    sha256 = hashlib.sha256(zipped(ZIPS[zip_])).hexdigest() if zip_ in ZIPS else "0" * 64
    place = {"source": "url", "location": f"WEB/{zip_}", "root": "jdk", "destination": "C:\\Lab\\jre"}
    return {**place, "sha256": sha256, **other}


def local(zip_: str, **other: Any) -> dict[str, Any]:
    """The same, of a package that is on the gateway."""
    return tree(zip_, **{"source": "path", "destination": "C:\\Lab\\two", **other})


MARKER = {
    **{"journal": "j-1", "known": ["j-0"], "step": "s-1, s-2", "by": "Siân at icb-1", "minutes": 60},
    "path": "C:\\Lab\\ours\\marker.json",
}
MARKED = str(MARKER["path"])
# Long over, or not in anybody's time: the engine's clock is the real one.
LATE, EARLY = ({**MARKER, "minutes": "60", "since": f"{year}-02-28T00:00:00Z"} for year in (2020, 2099))


def marked(there: Any) -> list[Step]:
    """A marker that is there, and ours after it."""
    return [Put(MARKED, json.dumps(there)), ("work_marker", {**MARKER, **CHECK}), ("work_marker", MARKER)]


STORIES: dict[str, list[Step]] = {
    "win_file": [
        *four("win_file", path="C:\\Lab\\a\\b", state="directory"),
        *told("win_file", path="C:\\Lab\\a\\b", state="file"),
        *told("win_file", path="C:\\Lab\\no", state="file"),
        *told("win_file", path="C:\\Lab\\no"),
        *four("win_file", path="C:\\Lab\\touched", state="touch"),
        *told("win_file", path="C:\\Lab\\touched", state="directory"),
        *told("win_file", path="C:\\Lab\\touched", state="file"),
        *told("win_file", path="C:\\Lab\\touched", state="linked"),
        *told("win_file", state="directory"),
        *four("win_file", path="C:\\Lab", state="absent"),
    ],
    "win_stat": [
        Put("C:\\Lab\\a.txt", "text\n"),
        *told("win_stat", path="C:\\Lab\\a.txt"),
        *told("win_stat", path="C:\\LAB\\A.TXT", checksum_algorithm="sha256"),
        *told("win_stat", path="C:\\Lab\\a.txt", get_checksum=False, get_size=False),
        *told("win_stat", path="C:\\Lab"),
        *told("win_stat", path="C:\\Lab\\nothing"),
        *told("win_stat", path="C:\\Lab\\a.txt", checksum_algorithm="crc"),
        *told("win_stat"),
    ],
    "win_copy": [
        Put("C:\\Lab\\a.txt", "text\n"),
        *four("win_copy", src="C:\\Lab\\a.txt", dest="C:\\Lab\\b.txt", remote_src=True, _copy_mode="remote"),
        *told("win_stat", path="C:\\Lab\\b.txt"),
        Put("C:\\Lab\\a.txt", "other\n"),
        *four("win_copy", src="C:\\Lab\\a.txt", dest="C:\\Lab\\b.txt", remote_src=True, _copy_mode="remote"),
        *four("win_copy", src="C:\\Lab\\a.txt", dest="C:\\Lab\\new\\", remote_src=True, _copy_mode="remote"),
        *told("win_copy", src="C:\\Lab\\no.txt", dest="C:\\Lab\\b.txt", remote_src=True, _copy_mode="remote"),
        *told("win_copy", src="C:\\Lab\\a.txt", dest="C:\\Lab\\no\\b.txt", remote_src=True, _copy_mode="remote"),
        Put("C:\\Lab\\a.txt", "newest"),
        *told("win_copy", src="C:\\Lab\\a.txt", dest="C:\\Lab\\b.txt", force=False, _copy_mode="remote"),
    ],
    "win_regedit and win_reg_stat": [
        *told("win_reg_stat", path=KEY),
        *four("win_regedit", path=KEY),
        *value("Text", "a b"),
        *value("Text", "other"),
        *value("Text", 7, "dword"),
        *value("Empty", ""),
        *value("Hex", "0xffffffff", "dword"),
        *value("Big", 2**40, "qword"),
        *value("Bytes", "hex:01,ff,0a", "binary"),
        *value("List", [1, 2, 255], "binary"),
        *value("Several", ["a", "b c"], "multistring"),
        *value("One", "a", "multistring"),
        *value("Grows", "%ProgramFiles%\\x", "expandstring"),
        *value("Nothing", "01", "none"),
        *value("Welsh", "Siân ŵ 😀"),
        *four("win_regedit", path=KEY, data="the default"),
        *told("win_reg_stat", path=KEY),
        *told("win_reg_stat", path=KEY, name="No"),
        *told("win_reg_stat", path="HKLM:\\SOFTWARE\\Lab"),
        *told("win_reg_stat", path="HKEY_LOCAL_MACHINE\\SOFTWARE"),
        *told("win_regedit", path="HKEY_LOCAL_MACHINE\\SOFTWARE"),
        *told("win_regedit", path=KEY, name="n", data=2**32, type="dword"),
        *told("win_regedit", path=KEY, name="n", data="word", type="dword"),
        *told("win_regedit", path=KEY, name="n", data=300, type="binary"),
        *told("win_regedit", path=KEY, name="n", data="x", type="word"),
        *four("win_regedit", path=KEY, name="text", state="absent"),
        *four("win_regedit", path=KEY, state="absent", delete_key=False),
        *four("win_regedit", path="HKLM:\\SOFTWARE\\Lab", state="absent"),
    ],
    "win_environment": [
        *four("win_environment", name="LAB", value="1", level="machine", state="present"),
        *four("win_environment", name="LAB", value="%PATH%;é", level="machine", state="present"),
        *four("win_environment", name="Lab", value="2", level="machine", state="present"),
        *four("win_environment", name="LAB", value="1", level="user", state="present"),
        *four("win_environment", variables={"LAB": "3"}, level="machine"),
        *told("win_environment", name="LAB", value="", level="machine", state="present"),
        *told("win_environment", name="LAB", value="1", level="all", state="present"),
        *told("win_environment", name="LAB", value="1", level="machine", state="present", variables={"A": "1"}),
        *told("win_environment", level="machine"),
        *four("win_environment", name="LAB", level="machine", state="absent")[:2],
        *four("win_environment", name="LAB", level="user", state="absent")[:2],
        *told("win_environment", name="LAB_NONE", level="user", state="absent"),
    ],
    "win_service and win_service_info": [
        *told("win_service_info", name="LabAgainst"),
        *told("win_service", name="LabAgainst", state="started"),
        *told("win_service", name="LabAgainst", start_mode="auto"),
        *four("win_service", name="LabAgainst", state="absent"),
        *four("win_service", **SERVICE),
        *told("win_service_info", name="LabAgainst"),
        *told("win_service_info", name="labagain*"),
        *four("win_service", name="LabAgainst", display_name="Lab against", description="Siân's"),
        *four("win_service", name="LabAgainst", description=""),
        *[step for mode in ("delayed", "manual", "disabled", "auto") for step in four(
            "win_service", name="LabAgainst", start_mode=mode)],
        *four("win_service", name="LabAgainst", username="NT AUTHORITY\\LocalService"),
        *told("win_service", name="LabAgainst", username="NT AUTHORITY\\LOCAL SERVICE"),
        *four("win_service", name="LabAgainst", username="LocalSystem"),
        *told("win_service", name="LabAgainst", failure_reset_period_sec=60),
        *four(
            "win_service",
            name="LabAgainst",
            failure_actions=[{"type": "restart", "delay_ms": 60000}, {"type": "none"}],
            failure_actions_on_non_crash_failure=True,
            failure_reset_period_sec=86400,
        ),
        *told("win_service_info", name="LabAgainst"),
        *four("win_service", name="LabAgainst", failure_actions=[]),
        *four("win_service", name="LabAgainst", path='"C:\\Lab\\b.exe"'),
        *told("win_service", name="LabAgainst", state="stopped"),
        *told("win_service", name="LabAgainst", state="on"),
        *told("win_service", name="LabAgainst", colour="red"),
        *told("win_service", name="LabAgainst", failure_actions=[{"type": "again"}]),
        *told("win_service"),
        *four("win_service", name="LabAgainst", state="absent")[:2],
    ],
    "win_firewall_rule": [
        *four("win_firewall_rule", **RULE),
        *four("win_firewall_rule", **{**RULE, "remoteip": "192.0.2.9,192.0.2.5"}),
        *four("win_firewall_rule", **{**RULE, "remoteip": "192.0.2.9,192.0.2.16"}),
        *four("win_firewall_rule", name="against", enabled=False),
        *four("win_firewall_rule", name="Against", profiles=["domain", "private"], action="block"),
        *four("win_firewall_rule", name="Against", profiles=["domain", "private", "public"], remoteip="any"),
        *four("win_firewall_rule", name="Against", description="é"),
        *four("win_firewall_rule", name="Second", group="lab", direction="in", action="allow", protocol="udp"),
        *four("win_firewall_rule", name="Third", direction="in", action="allow", localport="80", protocol="6"),
        *four("win_firewall_rule", group="lab", enabled=True),
        *told("win_firewall_rule", name="x", protocol="tpc"),
        *told("win_firewall_rule", name="x", profiles=["home"]),
        *told("win_firewall_rule", name="x", direction="up"),
        *told("win_firewall_rule", action="allow"),
        *four("win_firewall_rule", name="Third", state="absent"),
        *four("win_firewall_rule", group="lab", state="absent"),
    ],
    "package_tree": [
        *told("package_tree", **tree("none.zip"), **CHECK),
        *told("package_tree", **tree("none.zip")),
        *told("package_tree", **tree("one.zip", sha256="0" * 64)),
        *told("package_tree", **tree("one.zip", root="no")),
        *four("package_tree", **tree("one.zip")),
        Put("C:\\Lab\\jre\\bin\\java.exe", "bad"),
        Put("C:\\Lab\\jre\\theirs.txt", "theirs"),
        *four("package_tree", **tree("one.zip")),
        *four("package_tree", **tree("two.zip", skip=["C:\\Lab\\jre\\release"])),
        *told("win_stat", path="C:\\Lab\\jre\\old.txt"),
        *told("win_stat", path="C:\\Lab\\jre\\theirs.txt"),
        *told("package_tree", **tree("evil.zip", destination="C:\\Lab\\evil")),
        *four("package_tree", **tree("one.zip", member="bin/java.exe", destination="C:\\Lab\\run.exe")),
        *told("win_stat", path="C:\\Lab\\run.exe"),
        *four("package_tree", destination="C:\\Lab\\run.exe", member="bin/java.exe", state="absent"),
        *four("package_tree", **tree("one.zip", unpack=False, destination="C:\\Lab\\one.zip")),
        *four("package_tree", **local("one.zip", location="C:\\Lab\\one.zip")),
        *told("package_tree", **local("two.zip", location="C:\\Lab\\one.zip")),
        *told("package_tree", **local("one.zip", location="C:\\Lab\\no.zip", destination="C:\\Lab\\t")),
        *told("package_tree", destination="C:\\Lab\\t"),
        *four("package_tree", destination="C:\\Lab\\one.zip", unpack=False, state="absent"),
        *four("package_tree", destination="C:\\Lab\\jre", state="absent"),
        *told("win_stat", path="C:\\Lab\\jre\\bin"),
    ],
    "defender_exclusion": [
        *four("defender_exclusion", path=["C:\\Lab\\a.exe"], process=["C:\\Lab\\b.exe"]),
        *four("defender_exclusion", path=["c:\\lab\\A.exe", "C:\\Lab\\c"]),
        *told("defender_exclusion", path=["C:\\Lab\\a.exe"], state="gone"),
        *four("defender_exclusion", path=["C:\\Lab\\a.exe", "C:\\Lab\\c"], state="absent"),
        *four("defender_exclusion", process=["C:\\Lab\\b.exe"], state="absent"),
    ],
    "power_setting": [
        *four("power_setting", sleep_seconds=600, hibernate_seconds=0),
        *four("power_setting", sleep_seconds=0, hibernate_seconds=0),
        *told("power_setting", sleep_seconds="soon", hibernate_seconds=0),
        *told("power_setting", sleep_seconds=0),
    ],
    "folder_access": [
        *four("folder_access", path=["C:\\New"], private=["C:\\Ours", "C:\\Ours\\kept"]),
        Put("C:\\Ours\\file", "x"),
        *four("folder_access", path=["C:\\New", "C:\\None"], private=["C:\\Ours"], state="absent"),
        *told("folder_access", path=["C:\\New"], state="gone"),
    ],
    "work_marker": [
        *four("work_marker", **MARKER),
        # It holds the moment of its writing.
        *told("win_stat", path=MARKER["path"], get_checksum=False),
        *four("work_marker", **{**MARKER, "step": "s-3", "by": ""}),
        *four("work_marker", **{**MARKER, "journal": "J-1"}),
        *four("work_marker", path=MARKER["path"], journal="j-2", state="absent"),
        *four("work_marker", path=MARKER["path"], journal="j-1", state="absent"),
        *marked({**LATE, "since": "2020-02-30T00:00:00Z"}),
        *marked({**LATE, "journal": "j-2"}),
        *marked({**EARLY, "journal": "j-0"}),
        *marked({**EARLY, "journal": "j-2", "more": [1]}),
        *marked({**EARLY, "journal": "j-2", "step": None, "by": 7}),
        *marked({**EARLY, "journal": 7}),
        *marked({**EARLY, "journal": ""}),
        *marked({**EARLY, "journal": "j-2", "minutes": "1441"}),
        *marked({**EARLY, "journal": "j-2", "minutes": "soon"}),
        *marked({**LATE, "journal": "j-2", "minutes": 1}),
        *marked({"journal": "j-1", "minutes": "60", "since": "2099-1-1T00:00:00Z"}),
        *marked({"journal": "j-1"}),
        *marked({"journal": "j-2", "until": "2020-01-01T00:00:00Z"}),
        *marked([EARLY]),
        *marked("j-1"),
        *marked({**EARLY, "by": "x" * 20_000}),
        Put(MARKED, "{broken"),
        *told("work_marker", **MARKER),
        Put(MARKED, ""),
        *told("work_marker", **MARKER),
        *told("work_marker", path=MARKER["path"], journal="j-1", state="absent"),
        *told("work_marker", path=MARKER["path"], state="free"),
        Put(MARKED, json.dumps({**EARLY, "journal": "j-2"})),
        *told("work_marker", path=MARKER["path"], state="free"),
        *told("work_marker", path=MARKER["path"], journal="j-2", state="free"),
        *told("work_marker", **{**MARKER, "minutes": 0}),
        *told("work_marker", **{**MARKER, "minutes": "soon"}),
        *told("work_marker", **{**MARKER, "journal": ""}),
        *told("work_marker", **{**MARKER, "state": "there"}),
        *told("work_marker", journal="j-1"),
        *told("work_marker", minutes=60),
    ],
}  # fmt: skip
