"""What a person sees, in a real pseudo-terminal: PROVISIONER_UPDATE_GOLDEN=1 writes the screens beside this file anew,
to be read before they are kept."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from provisioner.journal import Journal
from provisioner.lab.process import client
from provisioner.lab.process.client import Handle
from provisioner.processes import Process
from tests.conftest import rows, told, unfolded
from tests.fixtures import journal_screens
from tests.fixtures.goldens import matches
from tests.fixtures.screens import SCREENS
from tests.fixtures.terminal import Seen, shown
from tests.worlds.memory import AT

_HERE = Path(__file__).parent
_SIZES = ((80, 24), (120, 40))


@pytest.mark.parametrize("size", _SIZES, ids="{0[0]}x{0[1]}".format)
@pytest.mark.parametrize("name", SCREENS)
def test_screen(name: str, size: tuple[int, int]) -> None:
    seen = shown(name, module="tests.fixtures.screens", columns=size[0], rows=size[1], env={"NO_COLOR": "1"})
    assert seen.code == 0, seen.text
    assert matches(f"{name}-{size[0]}x{size[1]}.txt", seen.text, _HERE)


@pytest.mark.parametrize("size", [(30, 12), (80, 24), (80, 8), (200, 50)], ids="{0[0]}x{0[1]}".format)
def test_the_board_fits_its_screen(size: tuple[int, int]) -> None:
    """A line that scrolls away would stay behind at each of four pictures a second."""
    seen = shown("board", module="tests.fixtures.screens", columns=size[0], rows=size[1])
    lines = seen.text.rstrip("\n").splitlines()
    assert len(lines) < size[1]
    assert max(map(len, lines)) <= size[0]
    # What went wrong comes first, and what a person is to do is never cut away.
    assert lines[2].split()[0] == "failed"
    assert any(line.startswith("Waits for") for line in lines)


@pytest.mark.parametrize("name", journal_screens.SCREENS)
def test_what_the_journal_tells_breaks_no_word_on_a_narrow_terminal(name: str) -> None:
    seen = shown(name, module="tests.fixtures.screens", columns=30, rows=12, env={"NO_COLOR": "1"})
    lines = seen.sent.decode().split("\r\n")
    # A path or an id that is longer than the screen is there to be copied, and stays whole.
    assert not [line for line in lines if len(line) > 30 and len(line.split()) > 1]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handle]:
    folder = tmp_path_factory.mktemp("screens") / "fleet"
    with client.running(folder, rows("A81001", "A81002"), state="fresh") as handle:
        handle.set("A81002", "offline")
        first = shown("audit", fleet=folder)
        assert first.code == 3, first.text
        assert shown("plan", "--remedy", "antivirus", fleet=folder).code == 0
        assert shown("apply", "latest", "--yes", "--only", "A81001", fleet=folder).code == 0
        assert shown("audit", fleet=folder).code == 3
        with Journal.open(folder / ".provisioner" / "journal.db") as journal:
            somebody = Process(user="alice", host="elsewhere", pid=3, started="x")
            journal.take(["A81009"], somebody, "plan-1", AT, AT + timedelta(hours=4))
        yield handle


TERMINALS: dict[str, tuple[int, Mapping[str, str]]] = {
    "as ever": (80, {}),
    "30 columns": (30, {}),
    "without colour": (80, {"NO_COLOR": "1"}),
    "dumb": (80, {"TERM": "dumb"}),
    "without UTF-8": (80, {"LC_ALL": "C", "LANG": "C", "PYTHONIOENCODING": "ascii"}),
}


def _sane(seen: Seen, way: str, verb: tuple[str, ...]) -> None:
    assert "Traceback" not in seen.text, (way, verb, seen.text)
    if way == "dumb":
        assert b"\x1b" not in seen.sent, (verb, seen.sent)
    if way == "without colour":
        assert b"\x1b[31m" not in seen.sent and b"\x1b[33m" not in seen.sent, verb
    if way == "without UTF-8":
        assert seen.sent.isascii(), (verb, seen.text)


def _first_plan(lab: Handle) -> str:
    with Journal.open(lab.folder / ".provisioner" / "journal.db") as journal:
        return journal.kept("plan")[-1]


@pytest.mark.parametrize("way", TERMINALS)
def test_a_bad_terminal_is_readable(way: str, lab: Handle) -> None:
    columns, env = TERMINALS[way]
    verbs: list[tuple[str, ...]] = [
        ("audit",), ("show", "latest", "--all"), ("report",), ("plan", "--remedy", "firewall"), ("history",),
        ("--help",), ("audti",), ("show", _first_plan(lab)), ("lease", "list"), ("compare",),
        ("why", "A81001", "R14-rule"), ("forecast", "--days", "3650"), ("ping",), ("validate",),
    ]  # fmt: skip
    # What cannot be drawn upon gets lines of a run too.
    verbs += [("apply", "latest", "--yes")] if way == "dumb" else []
    for verb in verbs:
        seen = shown(*verb, fleet=lab.folder, columns=columns, env=env)
        assert seen.code in range(5), (verb, seen.text)
        _sane(seen, way, verb)
        if verb[0] in ("report", "apply") or verb == ("audit",):
            assert "Next:" in seen.text, (verb, seen.text)
    drawn = shown("board", module="tests.fixtures.screens", columns=columns, env=env)
    assert drawn.code == 0
    _sane(drawn, way, ("board",))


def test_a_run_leaves_only_its_end_behind(lab: Handle) -> None:
    lab.set("A81002", "none")
    assert shown("audit", fleet=lab.folder).code == 1
    assert shown("plan", "--remedy", "power", "--remedy", "firewall", fleet=lab.folder).code == 0
    seen = shown("apply", "latest", fleet=lab.folder, answers={"[y/N]": "y\n"})
    assert seen.code == 0, seen.text
    assert any("running" in line for picture in seen.pictures for line in picture)
    assert "running" not in seen.text
    assert unfolded(seen.text).splitlines()[-1] == f"Next: {told('audit', lab.folder)}"
    again = shown("apply", "latest", fleet=lab.folder, answers={"[y/N]": "n\n"})
    # What is done is said before anything else, and nothing is done again without a yes.
    assert "done already" in again.text.splitlines()[0] and "Stopped." in again.text
