"""What is printed never breaks a verb: no code page, closed or full output or narrow window changes how one ends."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provisioner.cli import VERBS
from provisioner.lab.process import client
from tests.conftest import ROOT, command, environment
from tests.fixtures import warm

# A practice as a Welsh one is called, with what no code page of Windows has.
NAME = "MEDDYGFA S\u00c2N \u0175 \u2713 \U0001fa7a"
# Each verb as it is given where it has something to print. FLEET, PLAN, AUDIT and FILE stand for the fixture's own.
GIVEN: dict[str, tuple[str, ...]] = {
    "demo": ("demo", "--dir", "FLEET"),
    "init": ("init", "FLEET"),
    "validate": ("validate",),
    "practices": ("practices", "FILE", "--icb", "QHM"),
    "find": ("find", "--addresses", "127.0.0.1"),
    "ping": ("ping",),
    "read": ("read", "A84002"),
    "audit": ("audit",),
    "plan": ("plan",),
    "apply": ("apply", "PLAN", "--dry-run"),
    "approve": ("approve", "PLAN"),
    "undo": ("undo", "PLAN"),
    "migrate": ("migrate", "status"),
    "show": ("show", "AUDIT"),
    "compare": ("compare", "AUDIT", "AUDIT"),
    "why": ("why", "A84002", "R14-rule"),
    "forecast": ("forecast",),
    "history": ("history",),
    "report": ("report", "AUDIT"),
    "requests": ("requests", "PLAN", "--output", "FLEET"),
    "record": ("record", "PLAN", "--output", "FLEET"),
    "lease": ("lease", "list"),
    "journal": ("journal", "adopt"),
    "inventory": ("inventory",),
    "lab": ("lab", "state"),
    "completion": ("completion", "zsh"),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("printing") / "fleet"
    rows = [{"practice": "A84002", "name": NAME, "gateway": "", "address": "", "role": "active"}]
    with client.running(folder, rows, state="fresh"):
        with (folder / "fleet.yml").open("a", encoding="utf-8") as settings:
            settings.write("\nfind: {ranges: [127.0.0.0/8]}\n")
        ids: dict[str, str] = {}
        for verb in (("audit",), ("plan", "--remedy", "start")):
            ran = subprocess.run(command(*verb, "--format", "json", fleet=folder), capture_output=True, text=True,
                                 env=environment(), timeout=120)  # fmt: skip
            ids |= {key: str(value) for key, value in json.loads(ran.stdout).items() if key in ("audit", "plan")}
        epraccur = ROOT / "inventory" / "example" / "epraccur.csv"
        yield {"FLEET": str(folder), "PLAN": ids["plan"], "AUDIT": ids["audit"], "FILE": str(epraccur)}


def test_each_verb_is_tried() -> None:
    assert set(GIVEN) == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_how_a_verb_ends_does_not_depend_on_its_output(verb: str, place: dict[str, str], tmp_path: Path) -> None:
    told = tmp_path / "told.json"
    words = [place.get(word, word) for word in GIVEN[verb]]
    asked = [str(told), "--fleet", place["FLEET"], *words]
    code, _, err = warm.run(asked, environment(), seconds=250, module="tests.fixtures.printing")
    assert code == 0, err
    found: dict[str, dict[str, Any]] = json.loads(told.read_text("utf-8"))
    right = found["utf-8"]
    assert right["code"] in range(5), right
    for way, ran in found.items():
        prints = bool(right["out"])
        full = way == "/dev/full" and prints and not right["code"]
        assert ran["code"] == (2 if full else right["code"]), (way, ran)
        assert "Traceback" not in ran["out"] + ran["err"], (way, ran)
        assert bool(ran["out"]) == (prints and way not in ("a pipe that is closed", "/dev/full", "closed stdout")), way
        lines = [line for line in ran["err"].splitlines() if "is lost" in line]
        assert len(lines) == (prints and way in ("/dev/full", "closed stdout")), (way, ran)


def test_what_a_code_page_lacks_is_printed_by_its_likeness(place: dict[str, str]) -> None:
    def shown(encoding: str) -> str:
        ran = subprocess.run(command("show", place["AUDIT"], fleet=Path(place["FLEET"])), capture_output=True,
                             timeout=120, env=environment({"PYTHONIOENCODING": encoding}))  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.decode(encoding)

    assert "MEDDYGFA S\u00c2N w Y ?" in shown("cp1252")
    assert "MEDDYGFA SAN w Y ?" in shown("ascii")


def test_a_document_is_utf_8_whatever_the_output_is(place: dict[str, str]) -> None:
    """A page says that it is UTF-8; in cp1252 it would not be what it says."""
    for as_ in ("html", "csv", "junit"):
        ran = subprocess.run(command("report", place["AUDIT"], "--as", as_, fleet=Path(place["FLEET"])),
                             capture_output=True, timeout=120,
                             env=environment({"PYTHONIOENCODING": "cp1252"}))  # fmt: skip
        text = ran.stdout.decode("utf-8")
        assert ran.returncode == 0
        assert NAME in text


def test_a_closed_stdout_is_no_place_for_the_journal(place: dict[str, str]) -> None:
    """The first file that is opened gets the lowest free number: a child's output would go into it."""
    code = "import os, sys\nos.close(1)\nsys.stdout = None\nfrom provisioner.cli import streams\n"
    code += "with streams.guarded():\n    print(open(os.devnull).fileno(), file=sys.stderr)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), timeout=60)
    assert int(ran.stderr) > 2, ran.stderr


def test_a_fault_of_ours_is_no_verdict_on_the_fleet(place: dict[str, str]) -> None:
    """Exit 1 says that findings failed."""
    code = "import sys\nfrom provisioner.cli import main\nfrom provisioner.cli.verbs import validate\n"
    code += "validate.fleet.check = lambda *_, **__: 1 / 0\nmain(['validate'])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=place["FLEET"],
                         env=environment(), timeout=60)  # fmt: skip
    assert ran.returncode == 70
    assert "ZeroDivisionError" in ran.stderr
    assert "Please report it" in ran.stderr


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
def test_a_reader_that_takes_only_the_first_lines(place: dict[str, str]) -> None:
    """More than a pipe holds, to a reader that goes away: the verb ends as without one."""
    with subprocess.Popen(command("lab", "state", fleet=Path(place["FLEET"])), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=environment()) as running:  # fmt: skip
        assert running.stdout and running.stderr
        running.stdout.readline()
        running.stdout.close()
        said = running.stderr.read()
        assert (running.wait(60), said) == (0, b"")


BYTES = "GP-\udcff"


@pytest.mark.skipif(os.name != "posix", reason="names of files in bytes")
def test_a_word_that_is_no_text_is_refused_before_anything_is_done(place: dict[str, str], tmp_path: Path) -> None:
    """The journal could not keep it, and was called damaged."""
    folder = tmp_path / BYTES
    assert subprocess.run(command("init", tmp_path / "fleet"), env=environment(), timeout=60).returncode == 0
    (tmp_path / "fleet").rename(folder)
    fleet, by_name = Path(place["FLEET"]), environment({"PROVISIONER_FLEET": str(folder)})
    for words, env in (
        (command("show", BYTES, fleet=fleet), environment()),
        (command("apply", place["PLAN"], "--now", "--because", BYTES, "--yes", fleet=fleet), environment()),
        (command("lease", "break", "A84002", "--because", BYTES, "--yes", fleet=fleet), environment()),
        (command("audit", fleet=folder), environment()),
        (command("audit"), by_name),
        (command("history"), by_name),
    ):
        ran = subprocess.run(words, capture_output=True, timeout=60, env=env)
        assert ran.returncode == 2, ran.stderr
        assert b"is no text" in ran.stderr, ran.stderr
        assert b"Traceback" not in ran.stderr
        assert b"journal" not in ran.stderr
    assert not (folder / ".provisioner").exists()
