"""The lab as a process and a folder: up, down, going on, what it writes, how it is told what to do."""

import hashlib
import json
import socket
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from pydantic import TypeAdapter

from provisioner.cli import main
from provisioner.cli.verbs.lab import lab as verb
from provisioner.errors import LabError
from provisioner.lab import Handle, down, faults, running, up
from provisioner.lab.estate import packages
from provisioner.lab.estate.folder import Folder, complete, read_rows, socket_path
from provisioner.lab.process import client
from provisioner.lab.process.alive import started
from provisioner.lab.process.client import find
from provisioner.model import settings
from tests.conftest import COLD_LAB, PRACTICES, Command

ROWS = [{"practice": f"A8100{number}", "name": f"Surgery {number}"} for number in range(1, 7)]


@pytest.fixture(autouse=True, scope="module")
def cold_labs() -> Iterator[None]:
    """Labs are begun as they are outside of tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "_begin", COLD_LAB)
        yield


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handle]:
    with running(tmp_path_factory.mktemp("lab") / "fleet", ROWS) as handle:
        yield handle


@pytest.fixture
def lab(fleet: Handle) -> Iterator[Handle]:
    yield fleet
    fleet.set("*", "none")


def get(url: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, headers=headers, method=method)) as answer:
        return answer.status, answer.read()


def test_the_folder_is_a_fleet(fleet: Handle) -> None:
    said = yaml.safe_load((fleet.folder / "fleet.yml").read_text("utf-8"))
    found = TypeAdapter(settings.Settings).validate_python(said)
    assert found.lab
    assert (found.connection.transport, found.connection.port) == ("ntlm", fleet.port)
    assert found.connection.user == fleet.user
    assert found.packages.keys() == {"connector", "jre", "procrun"}
    rows = read_rows(fleet.folder / "practices.csv")
    assert [(row["practice"], row["gateway"], row["address"], row["role"]) for row in rows] == [
        (row["practice"], row["practice"], "127.0.0.1", "active") for row in ROWS
    ]
    statements = read_rows(fleet.folder / "statements.csv")
    assert {(row["practice"], row["control"]) for row in statements} == {
        (row["practice"], control) for row in ROWS for control in ("R3-dedicated", "only-connector")
    }
    assert all(date.fromisoformat(row["until"]) > date.fromisoformat(row["on"]) for row in statements)


def test_only_the_credential_file_holds_the_password(fleet: Handle) -> None:
    path = fleet.folder / ".provisioner" / "lab" / "password"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(fleet.password) >= 24
    files = [file for file in fleet.folder.rglob("*") if file.is_file() and file != path]
    assert files
    assert not [file for file in files if fleet.password.encode() in file.read_bytes()]
    process = Path(f"/proc/{fleet.pid}")
    assert fleet.password.encode() not in (process / "environ").read_bytes() + (process / "cmdline").read_bytes()


@pytest.mark.parametrize("name", ["connector", "jre", "procrun"])
def test_packages_are_served_as_the_fleet_names_them(fleet: Handle, name: str) -> None:
    package = yaml.safe_load((fleet.folder / "fleet.yml").read_text("utf-8"))["packages"][name]
    status, content = get(package["url"])
    assert status == 200
    assert hashlib.sha256(content).hexdigest() == package["sha256"]
    assert len(content) == package["size"]
    assert get(package["url"], "HEAD") == (200, b"")
    assert get(package["url"], Range="bytes=2-5") == (206, content[2:6])


def test_packages_are_the_same_bytes_each_time() -> None:
    assert packages.build() == packages.build()


def test_a_second_lab_in_the_folder_is_refused(fleet: Handle) -> None:
    with pytest.raises(LabError, match="is up already"):
        up(fleet.folder, ROWS)


def test_a_real_fleet_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "fleet.yml").write_text("version: 1\n")
    with pytest.raises(LabError, match="not a lab's"):
        up(tmp_path, ROWS)
    assert [path.name for path in tmp_path.iterdir()] == ["fleet.yml"]


def test_a_lab_that_was_down_goes_on(tmp_path: Path) -> None:
    first = up(tmp_path, ROWS[:2], state="ready", seed=3)
    first.set("A81001", "clock_skew=60")
    state, password = first.state(), first.password
    began = started(first.pid)
    down(tmp_path)
    assert began != started(first.pid)
    with pytest.raises(LabError, match="No lab is up"):
        find(tmp_path)
    second = up(tmp_path)
    try:
        assert (second.port, second.tls_port, second.password) == (first.port, first.tls_port, password)
        assert second.state() == state
        assert state["A81001"]["faults"] == {"clock_skew": "60"}
    finally:
        down(tmp_path)


def test_a_taken_port_is_written_into_the_fleet(tmp_path: Path) -> None:
    with running(tmp_path, ROWS[:1]) as first:
        fleet = tmp_path / "fleet.yml"
        text = fleet.read_text() + "# by hand\n"
        fleet.write_text(text)
    with socket.create_server(("127.0.0.1", first.port)):
        second = up(tmp_path)
    down(tmp_path)
    assert first.port != second.port
    assert fleet.read_text() == text.replace(str(first.port), str(second.port))


def test_rows_that_were_added_get_gateways(tmp_path: Path) -> None:
    with running(tmp_path, ROWS[:1]) as first:
        first.set("A81001", "disk_full")
    with (tmp_path / "practices.csv").open("a") as file:
        file.write("A81001,Surgery 1,A81001-NEW,,standby\n")
    second = up(tmp_path)
    found = {name: one["faults"] for name, one in second.state().items()}
    down(tmp_path)
    assert found == {"A81001": {"disk_full": ""}, "A81001-NEW": {}}


def test_state_is_the_same_bytes_when_nothing_happened(lab: Handle) -> None:
    def state() -> bytes:
        return CliRunner().invoke(verb, ["state", "--dir", str(lab.folder)]).stdout_bytes

    said = json.loads(state())
    assert list(said["gateways"]) == sorted(row["practice"] for row in ROWS)
    assert state() == state()


def test_faults_are_set_added_to_and_taken_away(lab: Handle) -> None:
    assert lab.set("a81001", "slow=0.5", "offline") == ["A81001"]
    lab.set("A81001", "garbage=cut")
    assert lab.state()["A81001"]["faults"] == {"slow": "0.5", "offline": "", "garbage": "cut"}
    lab.set("A81001", "none", "disk_full")
    assert lab.state()["A81001"]["faults"] == {"disk_full": ""}
    assert len(lab.set("A8100[23]", "offline")) == 2
    assert lab.events()[-1]["event"] == "faults_set"


def test_a_rate_hits_a_share_the_same_one_for_the_same_seed(lab: Handle) -> None:
    hit = lab.spread({"offline": 0.5}, seed=7)
    assert len(hit["offline"]) == 3
    assert lab.spread({"offline": 0.5}, seed=7) == hit
    assert {name for name, one in lab.state().items() if one["faults"]} == set(hit["offline"])
    assert {tuple(lab.spread({"slow": 0.5}, seed=seed)["slow"]) for seed in range(8)} != {tuple(hit["offline"])}


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["ofline"], "no fault 'ofline'", "Did you mean offline"),
        (["slow=fast"], "cannot be 'fast'", "seconds"),
        (["slow=-1"], "cannot be '-1'", "seconds"),
        (["garbage=xml"], "cannot be 'xml'", "notjson"),
        (["drops_midway=never"], "cannot be 'never'", "before"),
        (["offline=yes"], "takes no value", "closed at once"),
        (["xyzzy"], "no fault 'xyzzy'", "Known are: offline"),
    ],
)
def test_a_fault_that_is_not_one_is_refused(words: list[str], message: str, hint: str) -> None:
    with pytest.raises(LabError) as raised:
        faults.parse(words)
    assert message in raised.value.message
    assert hint in raised.value.hint


def test_the_lab_itself_refuses_too(lab: Handle) -> None:
    before = lab.events()
    for gateway, word in (("A81001", "ofline"), ("A81O01", "offline")):
        with pytest.raises(LabError) as raised:
            lab.set(gateway, word)
        assert "Did you mean" in raised.value.hint
    assert lab.events() == before


def test_every_fault_says_what_it_does() -> None:
    assert all(known.sentence.endswith(".") for known in faults.KNOWN.values())


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no practices"),
        ([{"practice": "A81001"}, {"practice": "A81001"}], "A81001 is there twice"),
        ([{"practice": "A81001", "gateway": "G1"}, {"practice": "A81002", "gateway": "g1"}], "is there twice"),
        ([{"practice": "A81001", "gateway": "../x"}], "cannot be named"),
        ([{"practice": ""}], "cannot be named"),
    ],
)
def test_rows_that_cannot_be_served(rows: list[dict[str, str]], message: str) -> None:
    with pytest.raises(LabError, match=message):
        complete(rows)


def test_rows_keep_their_columns_and_names() -> None:
    row = {"practice": "A81001", "gateway": "GW-1", "address": "10.1.2.3", "role": "standby", "computer": "PC7"}
    assert complete([row]) == [{**row, "name": "", "address": "127.0.0.1"}]


def test_a_file_without_practices_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("code,name\nA81001,One\n")
    with pytest.raises(LabError, match="no column practice"):
        read_rows(tmp_path / "x.csv")


def test_rows_of_a_spreadsheet(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"\xef\xbb\xbfpractice;name\r\nA81001; One \r\n;\r\n")
    assert read_rows(tmp_path / "x.csv") == [{"practice": "A81001", "name": "One"}]


@pytest.mark.parametrize("text", ["", "[]", "x", "\udcff"])
def test_a_file_of_its_own_that_was_spoiled_is_named(text: str, tmp_path: Path, provisioner: Command) -> None:
    """As a full disk or an editor leaves it: never a traceback, and what is known of no process is none."""
    with running(tmp_path, [{"practice": "A84002"}]):
        pass
    folder = Folder(tmp_path)
    folder.running.write_bytes(text.encode("utf-8", "surrogateescape"))
    ran = provisioner("lab", "down", "--dir", tmp_path)
    assert (ran.code, "No lab is up" in ran.err) == (2, True)
    for path in (folder.state, folder.setup):
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        ran = provisioner("lab", "up", "--dir", tmp_path)
        assert ran.code == 2 and "Traceback" not in ran.err
        assert f"{path} is not as the lab wrote it" in ran.err.replace("\n  ", " ")


def test_what_a_person_has_edited_since_is_taken_as_it_was_saved(tmp_path: Path, provisioner: Command) -> None:
    """fleet.yml in cp1252 with a spreadsheet's ends of lines, practices.csv in UTF-16, or with a field without end."""
    with running(tmp_path, [{"practice": "A84002"}]) as lab, socket.socket() as taken:
        port = lab.port
        down(tmp_path)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        fleet, rows = tmp_path / "fleet.yml", tmp_path / "practices.csv"
        fleet.write_bytes(fleet.read_bytes().replace(b"\n", b"\r\n") + b"# caf\xe9\r\n")
        rows.write_bytes(rows.read_text("utf-8").encode("utf-16"))
        ran = provisioner("lab", "up", "--dir", tmp_path)
        assert ran.code == 0, ran.err
        there = fleet.read_bytes()
        assert there.endswith(b"# caf\xe9\r\n") and str(port).encode() not in there
        assert f"port: {find(tmp_path).port}\r\n".encode() in there
    rows.write_text(f"practice,name\nA84002,{'x' * 200_000}\n", "utf-8")
    ran = provisioner("lab", "up", "--dir", tmp_path)
    assert (ran.code, "practices.csv:2: " in ran.err) == (2, True)
    with pytest.raises(LabError, match=r"practices\.csv:[0-9]+: "):
        up(tmp_path)


def test_a_long_path_gets_a_short_socket(tmp_path: Path) -> None:
    path = socket_path(Folder(tmp_path / ("x" * 120)))
    try:
        assert len(str(path)) <= 100
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    finally:
        path.parent.rmdir()


def test_up_leaves_its_caller_nothing_to_wait_for(tmp_path: Path) -> None:
    """Whoever reads a verb's streams to their end gets there, though the lab's process lives on."""
    (tmp_path / "rows.csv").write_text("practice,name\nA81001,One\n")
    code = "import sys; from provisioner.cli import main; main(sys.argv[1:])"
    words = ["lab", "up", "--practices", str(tmp_path / "rows.csv"), "--dir", str(tmp_path / "fleet")]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=60)
    handle = find(tmp_path / "fleet")
    streams = [str(Path(f"/proc/{handle.pid}/fd/{number}").readlink()) for number in range(3)]
    down(tmp_path / "fleet")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"is up on 127.0.0.1, port {handle.port}" in done.stdout
    log = str(Folder(tmp_path / "fleet").log)
    assert streams == ["/dev/null", log, log]


def test_the_verbs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("practice,name\nA81001,One\nA81002,Two\n")

    def provisioner(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["lab", *words, "--dir", str(tmp_path / "fleet")])
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, said.out, said.err

    def says(*words: str) -> str:
        code, out, errors = provisioner(*words)
        assert (code, errors) == (0, "")
        return out

    def fails(*words: str) -> str:
        code, out, errors = provisioner(*words)
        assert (code, out) == (2, "")
        return errors

    assert "is up on" in says("up", "--practices", str(rows), "--seed", "4")
    try:
        assert "is up already" in fails("up", "--practices", str(rows))
        assert says("set", "A81001", "offline") == "offline: A81001\n"
        assert says("set", "--rate", "slow=3=1") == "slow=3: A81001, A81002\n"
        assert json.loads(says("state"))["gateways"]["A81001"]["faults"] == {"offline": "", "slow": "3"}
        events = [json.loads(line) for line in says("events").splitlines()]
        assert [(one["gateway"], one["event"]) for one in events] == [
            ("A81001", "faults_set"), ("A81001", "faults_set"), ("A81002", "faults_set")
        ]  # fmt: skip
        assert "Which gateway" in fails("set")
        assert "Which fault" in fails("set", "A81001")
        assert "is no share" in fails("set", "--rate", "offline")
        assert "is no share" in fails("set", "--rate", "offline=2")
    finally:
        says("down")
    assert "No lab is up" in fails("down")
    assert "offline" in says("events")
    assert provisioner("up", "--allow-unencrypted")[0] == 0
    says("down")
    assert json.loads(Folder(tmp_path / "fleet").setup.read_text("utf-8"))["allow_unencrypted"] is True


def test_a_lab_that_cannot_start_says_why(tmp_path: Path) -> None:
    with running(tmp_path, ROWS[:1]):
        pass
    Folder(tmp_path).state.write_text("{broken")
    with pytest.raises(LabError, match=r"did not start: .*state\.json is not as the lab wrote it"):
        up(tmp_path)


def test_without_its_own_library_the_lab_says_what_to_install(provisioner: Command, tmp_path: Path) -> None:
    """An installation without the extra `lab`: who only looks after real gateways has no use for it."""
    asked = ("lab", "up", "--practices", PRACTICES, "--dir", tmp_path / "fleet")
    said = provisioner(*asked, env={"PROVISIONER_TEST_WITHOUT": "aiohttp"})
    assert said.code == 2
    assert "The lab needs aiohttp" in said.err and "pip install 'provisioner[lab]'" in said.err
    assert not (tmp_path / "fleet").exists()
    assert provisioner("validate", "--help", env={"PROVISIONER_TEST_WITHOUT": "aiohttp"}).code == 0
