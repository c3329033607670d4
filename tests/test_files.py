"""What is given in the place of a file, and what is written: a line that says what is wrong, in no time, and what was
there stays."""

import os
import resource
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from provisioner import files, fleet, resources
from provisioner.cli import provisioner
from provisioner.errors import InputError, JournalError, ProvisionerError
from provisioner.fleet import ods
from provisioner.journal import Journal
from provisioner.transport import credentials
from tests.conftest import command, environment
from tests.fixtures.fleets import FLEET, PRACTICES, write

MIB = 2**20
Put = Callable[[Path], object]


def _large(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"version: 1\nservice: {name: ")
        file.truncate(300 * MIB)


def _socket(path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    here = Path.cwd()
    os.chdir(path.parent)
    listener.bind(path.name)
    os.chdir(here)
    listener.close()


# What may lie where a file is expected, and what is said of it.
INSTEAD: dict[str, tuple[Put, str]] = {
    "a folder": (Path.mkdir, "directory"),
    "a pipe": (os.mkfifo, "pipe"),
    "a device without an end": (lambda path: path.symlink_to("/dev/zero"), "device"),
    "a device that holds nothing": (lambda path: path.symlink_to("/dev/null"), "device"),
    "a socket": (_socket, ""),
    "a circle": (lambda path: path.symlink_to(path.name), "symbolic links"),
    "300 MiB": (_large, "more than"),
}


@contextmanager
def _bounded() -> Iterator[None]:
    """In five seconds of work, and in little memory."""
    begun, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert time.process_time() - begun < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 250 * 1024


def _put(path: Path, instead: str) -> str:
    make, words = INSTEAD[instead]
    path.unlink(missing_ok=True)
    make(path)
    return words


@pytest.mark.parametrize("name", ["fleet.yml", "practices.csv", "statements.csv", "waivers.yml"])
@pytest.mark.parametrize("instead", INSTEAD)
def test_in_the_place_of_a_file_of_the_fleet(tmp_path: Path, name: str, instead: str) -> None:
    folder = write(tmp_path, {"fleet.yml": FLEET, "practices.csv": PRACTICES})
    words = _put(folder / name, instead)
    with _bounded():
        found, faults = fleet.check(folder)
    assert found is None
    (fault,) = [one for one in faults if one.file == name and not one.warning]
    assert "cannot be read" in fault.message
    assert words in fault.message


@pytest.mark.parametrize("instead", INSTEAD)
def test_in_the_place_of_a_list(tmp_path: Path, instead: str) -> None:
    path = tmp_path / "list.csv"
    words = _put(path, instead)
    for read in (ods.read, ods.suppliers):
        with _bounded(), pytest.raises(InputError, match="cannot be read") as caught:
            read(path)
        assert words in caught.value.message


@pytest.mark.parametrize("instead", INSTEAD)
def test_in_the_place_of_a_secret(tmp_path: Path, instead: str) -> None:
    path = tmp_path / "key"
    _put(path, instead)
    if not path.is_symlink():
        path.chmod(0o600)
    with _bounded(), pytest.raises(InputError, match="can"):
        credentials.read_private(path)


@pytest.mark.parametrize("instead", [name for name in INSTEAD if name != "300 MiB"])
def test_in_the_place_of_the_journal(tmp_path: Path, instead: str) -> None:
    path = tmp_path / "journal.db"
    _put(path, instead)
    with _bounded(), pytest.raises(JournalError, match="journal"):
        Journal.open(path)


@pytest.mark.parametrize("instead", INSTEAD)
def test_in_the_place_of_a_record(tmp_path: Path, instead: str) -> None:
    """A record is a folder; and what lies in it."""
    for path in (tmp_path / "record", tmp_path / "other" / "manifest.json"):
        if instead == "a folder" and path.name == "record":
            continue
        path.parent.mkdir(exist_ok=True)
        _put(path, instead)
        with _bounded():
            folder = path if path.name == "record" else path.parent
            result = CliRunner().invoke(provisioner, ["record", "--verify", str(folder)], standalone_mode=False)
        assert isinstance(result.exception, ProvisionerError) or result.return_value == 1, result.exception


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read all")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    folder = write(tmp_path, {"fleet.yml": FLEET, "practices.csv": PRACTICES})
    (folder / "fleet.yml").chmod(0)
    assert "cannot be read: Permission denied" in str(fleet.check(folder)[1][0])


def test_the_limits_hold_what_there_is() -> None:
    """The national list is the largest file that comes from us; a fleet of 7,000 practices is 1 MB."""
    assert 20 * (resources.root() / "inventory" / "example" / "epraccur.csv").stat().st_size < files.LIST
    assert files.TABLE > 7000 * 300


def test_a_file_is_written_whole_or_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.html"
    path.write_text("the one of last week", "utf-8")
    path.chmod(0o640)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            files.write(path, b"half")
    assert path.read_text("utf-8") == "the one of last week"
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]
    files.write(path, b"new")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o640)
    link = tmp_path / "latest.html"
    link.symlink_to(path.name)
    files.write(link, b"by the link")
    assert (link.is_symlink(), path.read_bytes()) == (True, b"by the link")


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("nowhere/report.html", "No such file or directory"),
        ("report.html/x.html", "Not a directory"),
        (".", "Is a directory"),
        ("/dev/full", "No space left on device"),
        ("circle", "symbolic links"),
        ("x" * 300, "File name too long"),
    ],
)
def test_an_output_that_cannot_be_written_is_a_line(tmp_path: Path, where: str, words: str) -> None:
    folder = tmp_path / "fleet"
    for arguments in (("init", str(folder)), ("--fleet", str(folder), "audit")):
        CliRunner().invoke(provisioner, arguments, standalone_mode=False)
    (tmp_path / "report.html").write_text("old", "utf-8")
    (tmp_path / "circle").symlink_to("circle")
    result = CliRunner().invoke(
        provisioner, ["--fleet", str(folder), "report", "--output", str(tmp_path / where)], standalone_mode=False
    )
    assert isinstance(result.exception, InputError), result.exception
    assert f"cannot be written: {words}" in result.exception.message or words in result.exception.message
    assert (tmp_path / "report.html").read_text("utf-8") == "old"


def test_a_disk_that_is_full_while_a_folder_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is half there would be in the way of the next try."""
    texts = {"fleet.yml": "version: 1\n", "practices.csv": "\ud800"}
    monkeypatch.setattr(fleet, "starter", lambda: texts)
    result = CliRunner().invoke(provisioner, ["init", str(tmp_path / "fleet")], standalone_mode=False)
    assert result.exception is not None
    assert list((tmp_path / "fleet").iterdir()) == []


def test_a_command_on_a_fleet_folder_that_is_a_circle(tmp_path: Path) -> None:
    (tmp_path / "fleet").symlink_to("fleet")
    ran = subprocess.run(command("validate", fleet=tmp_path / "fleet"), capture_output=True, text=True, timeout=60,
                         env=environment())  # fmt: skip
    assert ran.returncode == 2
    assert "Traceback" not in ran.stderr


def test_a_folder_of_ours_is_replaced_whole_and_anothers_never(tmp_path: Path) -> None:
    place = tmp_path / "x-facts"
    files.write_folder(place, [("gateway-1.js", b"1"), ("gateway-2.js", b"2")], r"gateway-\d+\.js")
    files.write_folder(place, [("gateway-1.js", b"3")], r"gateway-\d+\.js")
    assert {one.name: one.read_bytes() for one in place.iterdir()} == {"gateway-1.js": b"3"}
    (place / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError):
        files.write_folder(place, [("gateway-1.js", b"4")], r"gateway-\d+\.js")
    assert (place / "gateway-1.js").read_bytes() == b"3"
    assert [one.name for one in tmp_path.iterdir()] == ["x-facts"]


def test_a_folder_that_is_replaced_stays_as_open_as_it_was_and_a_link_leads_to_it(tmp_path: Path) -> None:
    place, link = tmp_path / "kept" / "records", tmp_path / "latest"
    place.parent.mkdir()
    place.mkdir(mode=0o700)
    link.symlink_to(place)
    files.write_folder(link, [("1", b"1")], "1")
    files.write_folder(link, [("1", b"2")], "1")
    assert link.is_symlink() and link.resolve() == place
    assert {one.name: one.read_bytes() for one in place.iterdir()} == {"1": b"2"}
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert [one.name for one in place.parent.iterdir()] == ["records"]
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError):
        files.write_folder(tmp_path / "file", [("1", b"1")], "1")
    assert (tmp_path / "file").read_text() == "mine"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "kept", "latest"]


def test_a_folder_whose_successor_is_lost_stays(tmp_path: Path) -> None:
    place = tmp_path / "records"
    files.write_folder(place, [("1", b"1")], "1")
    with pytest.raises(OSError):
        files._swap(tmp_path / "new", place)
    assert (place / "1").read_bytes() == b"1"
    assert [one.name for one in tmp_path.iterdir()] == ["records"]
