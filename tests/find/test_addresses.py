"""`provisioner find --addresses` in a lab: what answers is found and read, and Ctrl-C ends it."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner.lab.process.client import Handle
from tests.conftest import Command, command, environment

Lab = Callable[..., Handle]


def at_one_address(handle: Handle, ranges: str = "127.0.0.0/8") -> Path:
    """The lab's fleet, in which what answers at 127.0.0.1 is its gateway; nobody is in practices.csv."""
    path = handle.folder / "fleet.yml"
    text = path.read_text("utf-8").replace("path: /{gateway}/wsman", "path: /A84002/wsman")
    path.write_text(f"{text}\nfind: {{ranges: [{ranges}]}}\n" if ranges else text, "utf-8")
    (handle.folder / "practices.csv").write_text(
        "practice,name,gateway,address,role\nA84002,ROTHBURY,,,active\n", "utf-8"
    )
    return handle.folder


def test_what_answers_is_read_and_says_its_name(lab: Lab, provisioner: Command, tmp_path: Path) -> None:
    handle = lab("A84002", state="ready")
    fleet, before = at_one_address(handle), handle.state()
    output = tmp_path / "rows.csv"
    ran = provisioner("find", "--addresses", "127.0.0.1-127.0.0.6", "--output", output, "--format", "json", fleet=fleet)
    assert ran.code == 0, ran.err
    assert "6 addresses, port" in ran.err
    (found,) = json.loads(ran.out)["computers"]
    assert (found["computer"], found["practice"], found["likelihood"]) == ("GWPC-A84002", "A84002", "gateway")
    assert found["reasons"][1:] == ["the Connector runs", "it is always on"]
    assert output.read_text("utf-8").splitlines()[1] == "A84002,ROTHBURY,GWPC-A84002,127.0.0.1,candidate"
    assert handle.state() == before
    again = provisioner("find", "--addresses", "127.0.0.1", "--output", output, fleet=fleet)
    assert again.code == 2
    assert "is there already" in again.err


def test_in_a_pipe_it_is_rows_with_tabs_and_else_lines(lab: Lab, provisioner: Command) -> None:
    fleet = at_one_address(lab("A84002", state="ready"))
    ran = provisioner("find", "--addresses", "127.0.0.1", fleet=fleet)
    head, *rows = (line.split("\t") for line in ran.out.splitlines())
    (row,) = (dict(zip(head, row, strict=True)) for row in rows)
    assert (row["practice"], row["computer"], row["likelihood"]) == ("A84002", "GWPC-A84002", "gateway")
    assert row["reasons"].endswith("the Connector runs; it is always on") and row["last_logon"] == ""
    assert "Of a practice: 1 gateway" in ran.err
    lines = provisioner("find", "--addresses", "127.0.0.1", "--format", "table", fleet=fleet).out.splitlines()
    assert lines[0] == "A84002  GWPC-A84002  127.0.0.1  gateway" and lines[1].startswith("    ")
    assert "\t" not in "".join(lines) and lines[-1].startswith("Of a practice: 1 gateway")
    assert all(len(line) <= 80 for line in lines)


def test_another_pc_at_the_address_of_a_row_is_not_its_gateway(lab: Lab, provisioner: Command) -> None:
    fleet = at_one_address(lab("A84002", state="ready"))
    (fleet / "statements.csv").unlink()
    for computer, practice in (("GWPC-A84005", ""), ("gwpc-a84002.gp.example.nhs.uk", "A84005"), ("", "A84005")):
        row = f"A84005,BEDLINGTON,GW5,127.0.0.1,active,{computer}"
        (fleet / "practices.csv").write_text(f"practice,name,gateway,address,role,computer\n{row}\n", "utf-8")
        ran = provisioner("find", "--addresses", "127.0.0.1", "--format", "json", fleet=fleet)
        assert ran.code == 0, ran.err
        (found,) = json.loads(ran.out)["computers"]
        assert (found["computer"], found["practice"]) == ("GWPC-A84002", practice)
        assert ("the row of GW5 has its address, and is of GWPC-A84005" in found["matched"]) == (not practice)


def test_only_knocking_logs_in_to_nobody(lab: Lab, provisioner: Command) -> None:
    handle = lab("A84002")
    fleet = at_one_address(handle)
    ran = provisioner("find", "--addresses", "127.0.0.1", "--no-read", fleet=fleet)
    assert ran.code == 0, ran.err
    assert "1 computer: 0 of a practice, 1 of none." in ran.err
    assert not [one for one in handle.events() if one["event"].startswith(("login", "shell", "script"))]


@pytest.mark.parametrize(
    ("ranges", "arguments", "words"),
    [
        ("", ("--addresses", "127.0.0.1"), "--addresses is off"),
        ("127.0.0.0/30", ("--addresses", "127.0.0.0/29"), "does not lie within find.ranges"),
        ("127.0.0.0/8", ("--addresses", "127.0.0.0/16"), "the most is 4096"),
        ("127.0.0.0/8", ("--addresses", "10.0.0.1"), "a lab is nowhere else"),
        ("10.0.0.0/8", ("--addresses", "127.0.0.1"), "fleet.yml"),
        ("127.0.0.0/8", ("--addresses", "127.0.0.1", "--ou", "OU=x"), "go with --directory"),
        ("127.0.0.0/8", (), "Give one of"),
        ("127.0.0.0/8", ("--directory", "--addresses", "127.0.0.1"), "Give one of"),
    ],
)
def test_what_is_refused(ranges: str, arguments: tuple[str, ...], words: str, lab: Lab, provisioner: Command) -> None:
    ran = provisioner("find", *arguments, fleet=at_one_address(lab("A84002"), ranges))
    assert ran.code == 2, ran.out
    assert words in ran.err
    assert "Traceback" not in ran.err


def _heard() -> None:
    """A program that is started in the background has Ctrl-C ignored, and so has whatever it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_ends_it(lab: Lab) -> None:
    fleet = at_one_address(lab("A84002"))
    words = command("find", "--addresses", "127.0.0.0/22", fleet=fleet)
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
        preexec_fn=_heard,
    )  # fmt: skip
    assert process.stderr is not None
    assert "1022 addresses, port" in process.stderr.readline().replace(",", "", 1)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 4
    assert "Stopped." in said
    assert "Traceback" not in said


def test_who_asks_no_directory_needs_no_library() -> None:
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from provisioner.cli import provisioner\n"
        "assert CliRunner().invoke(provisioner, ['--help']).exit_code == 0\n"
        "assert CliRunner().invoke(provisioner, ['find', '--help']).exit_code == 0\n"
        "assert not {'bonsai', 'dns'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
