"""Roles written into practices.csv: only they change, in one step or not at all."""

import codecs
import errno
import fcntl
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from provisioner import fleet
from provisioner.errors import InputError
from provisioner.fleet.rewrite import change_roles
from provisioner.model import Role
from tests.fixtures.fleets import FLEET, HEADER, LAB, PRACTICES, right, write

ROWS = f"{HEADER}\nA81001,X,GW1,192.0.2.1,active\nA81001,X,GW2,192.0.2.2,standby\nA81002,Y,,192.0.2.3,\n"
SWAP = {"GW1": Role.STANDBY, "GW2": Role.ACTIVE}


def put(folder: Path, data: str | bytes) -> Path:
    """A fleet folder with this practices.csv; the path of that."""
    write(folder, {})
    path = folder / "practices.csv"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def alone(path: Path) -> bool:
    """Whether nothing lies beside a fleet's two files."""
    return {one.name for one in path.parent.iterdir()} == {"fleet.yml", "practices.csv"}


def refused(path: Path, roles: dict[str, Role]) -> InputError:
    """How a change is refused, which leaves everything as it was."""
    old = path.read_bytes()
    with pytest.raises(InputError) as caught:
        change_roles(path.parent, roles)
    assert path.read_bytes() == old
    assert alone(path)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("old", "roles", "new"),
    [
        (ROWS, SWAP, ROWS.replace("active", "-").replace("standby", "active").replace("-", "standby")),
        (ROWS, {"gw2": Role.RETIRED}, ROWS.replace("standby", "retired")),
        # A row without a gateway's name is named by its practice, and an empty role is active.
        (ROWS, {"a81002": Role.RETIRED}, ROWS.replace("192.0.2.3,", "192.0.2.3,retired")),
        (ROWS, {"A81002": Role.ACTIVE}, ROWS),
        (ROWS.replace("active", " ACTIVE\t"), {"GW1": Role.ACTIVE}, ROWS.replace("active", " ACTIVE\t")),
        (ROWS.replace("active", '" Active "'), {"GW1": Role.STANDBY}, ROWS.replace("active", '" standby "')),
        (ROWS.replace("active", "ac\u200btive\u200e"), {"GW1": Role.STANDBY}, ROWS.replace("active", "standby\u200e")),
        (ROWS.replace("192.0.2.3,", '192.0.2.3,""'), {"A81002": Role.STANDBY}, ROWS.replace("2.3,", '2.3,"standby"')),
        (ROWS.replace("active", '"\nactive\n"'), {"GW1": Role.STANDBY}, ROWS.replace("active", '"\nstandby\n"')),
        (ROWS.replace(",X,GW1", ',"active, ""X"",\r\n;active",GW1'), {"GW1": Role.STANDBY},
         ROWS.replace(",X,GW1", ',"active, ""X"",\r\n;active",GW1').replace(".1,active", ".1,standby")),
        ("sep=;\r\n" + ROWS.replace(",", ";"), {"GW2": Role.RETIRED}, "sep=;\r\n" + ROWS.replace(",", ";").replace(
            "standby", "retired")),
        ("Role ,ADDRESS,Gateway,Name,Practice,note\nactive,192.0.2.1,GW1,X,A81001", {"GW1": Role.CANDIDATE},
         "Role ,ADDRESS,Gateway,Name,Practice,note\ncandidate,192.0.2.1,GW1,X,A81001"),
    ],
)  # fmt: skip
def test_the_role_changes_and_nothing_else(tmp_path: Path, old: str, roles: dict[str, Role], new: str) -> None:
    path = put(tmp_path, old)
    change_roles(tmp_path, roles)
    assert path.read_bytes().decode() == new
    assert alone(path)


def test_in_a_lab_too(tmp_path: Path) -> None:
    rows = f"{HEADER}\nA81001,X,GW1,127.0.0.1,active\nA81002,Y,GW2,127.0.0.1,active\n"
    path = write(tmp_path, {"fleet.yml": LAB, "practices.csv": rows}) / "practices.csv"
    change_roles(tmp_path, {"GW2": Role.RETIRED})
    assert path.read_text("utf-8") == rows.replace("GW2,127.0.0.1,active", "GW2,127.0.0.1,retired")


@pytest.mark.parametrize("roles", [{}, {"GW1": Role.ACTIVE, "gw2": Role.STANDBY}])
def test_a_file_that_says_so_already_is_not_touched(tmp_path: Path, roles: dict[str, Role]) -> None:
    path = put(tmp_path, ROWS)
    before = path.stat()
    change_roles(tmp_path, roles)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_link_leads_to_the_file_and_stays(tmp_path: Path) -> None:
    real = put(tmp_path / "shared", ROWS)
    folder = tmp_path / "fleet"
    write(folder, {})
    (folder / "practices.csv").unlink()
    (folder / "practices.csv").symlink_to("../shared/practices.csv")
    change_roles(folder, {"GW2": Role.RETIRED})
    assert (folder / "practices.csv").is_symlink()
    assert "GW2,192.0.2.2,retired" in real.read_text("utf-8")
    assert alone(folder / "practices.csv")
    assert alone(real)


def test_mode_and_owner_stay(tmp_path: Path) -> None:
    path = put(tmp_path, ROWS)
    path.chmod(0o664)
    owner = (12345, 23456) if os.getuid() == 0 else (os.getuid(), os.getgid())
    os.chown(path, *owner)
    change_roles(tmp_path, SWAP)
    status = path.stat()
    assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (0o664, *owner)


REFUSED: dict[str, tuple[str, dict[str, Role], str]] = {
    "a gateway that is not there": (ROWS, {"GW1": Role.STANDBY, "GW12": Role.ACTIVE}, "has no gateway GW12"),
    "a row without a PC": (PRACTICES, {"A81004": Role.RETIRED}, "has no gateway A81004"),
    "a practice": (ROWS, {"A81001": Role.RETIRED}, "has no gateway A81001"),
    "a gateway that is there twice": (ROWS.replace("GW2", "gw1"), SWAP, "is not right"),
    "another row that is wrong": (ROWS + "A8100,,,,\n", SWAP, "is not right"),
    "no column role": (ROWS.replace(",role", ""), SWAP, "is not right"),
    "a row without a cell for the role": (ROWS + "A81004,Y,GW4,192.0.2.4\n", {"GW4": Role.STANDBY}, "is not right"),
    "a lone quotation mark": (ROWS + 'A81004,"Y,GW4,192.0.2.4,active\n', SWAP, "is not right"),
    "two active gateways": (ROWS, {"GW2": Role.ACTIVE}, "would not be right with GW2 active"),
    "nothing": ("", SWAP, "is not right"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_right_or_would_not_be_is_refused(tmp_path: Path, name: str) -> None:
    old, roles, message = REFUSED[name]
    error = refused(put(tmp_path, old), roles)
    assert message in error.message
    assert bool(error.faults) is ("right" in message)


def test_the_nearest_gateway_is_told(tmp_path: Path) -> None:
    assert refused(put(tmp_path, ROWS), {"gw11": Role.ACTIVE}).hint == "Did you mean GW1?"


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    put(tmp_path, ROWS).unlink()
    with pytest.raises(InputError, match=r"practices\.csv cannot be written: No such file"):
        change_roles(tmp_path, SWAP)


def test_a_file_that_is_read_only_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path, ROWS)
    path.chmod(0o444)
    error = refused(path, SWAP)
    assert "cannot be written: it is read-only" in error.message
    assert error.hint.endswith("by hand: GW1 standby, GW2 active.")


def test_a_disk_without_room_leaves_the_old_file(tmp_path: Path) -> None:
    path = put(tmp_path, ROWS)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, hard))
    try:
        error = refused(path, SWAP)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "cannot be written: File too large" in error.message


def test_a_replacement_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(self: Path, target: Path) -> Path:
        raise PermissionError(13, "a spreadsheet holds it open")

    monkeypatch.setattr(Path, "replace", busy)
    assert "a spreadsheet holds it open" in refused(put(tmp_path, ROWS), SWAP).message


def test_what_somebody_else_wrote_meanwhile_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path, ROWS)
    theirs = ROWS + "A81004,Y,GW4,192.0.2.4,active\n"
    sync = os.fsync

    def meanwhile(handle: int) -> None:
        sync(handle)
        path.write_text(theirs, "utf-8")

    monkeypatch.setattr(os, "fsync", meanwhile)
    with pytest.raises(InputError, match="changed by somebody else just now"):
        change_roles(tmp_path, SWAP)
    assert path.read_text("utf-8") == theirs
    assert alone(path)


WRITES = """
import sys
from pathlib import Path
from provisioner.fleet.rewrite import change_roles
from provisioner.model import Role
for _ in range(40):
    for role in (Role.STANDBY, Role.ACTIVE):
        change_roles(Path(sys.argv[1]), {sys.argv[2]: role})
        said = next(line for line in Path(sys.argv[1], "practices.csv").read_text().splitlines() if sys.argv[2] in line)
        assert said.endswith(role), said
"""


def test_of_two_commands_that_write_at_once_none_loses_what_the_other_wrote(tmp_path: Path) -> None:
    put(tmp_path, f"{HEADER}\nA81001,X,GW1,192.0.2.1,active\nA81002,Y,GW2,192.0.2.2,active\n")
    words = [sys.executable, "-c", WRITES, str(tmp_path)]
    both = [subprocess.Popen([*words, name], stderr=subprocess.PIPE, text=True) for name in ("GW1", "GW2")]
    assert [(one.communicate(timeout=120)[1], one.returncode) for one in both] == [("", 0)] * 2


KILLED = """
import os, signal, sys
from pathlib import Path
from provisioner.fleet.rewrite import change_roles
from provisioner.model import Role
Path.replace = lambda self, target: os.kill(os.getpid(), signal.SIGKILL)
change_roles(Path(sys.argv[1]), {"GW1": Role.STANDBY, "GW2": Role.ACTIVE})
"""


def test_a_kill_just_before_the_replacement_leaves_the_old_file_and_the_next_try_works(tmp_path: Path) -> None:
    path = put(tmp_path, ROWS)
    ended = subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert path.read_text("utf-8") == ROWS
    (left,) = {one.name for one in tmp_path.iterdir()} - {"fleet.yml", "practices.csv"}
    assert left.startswith(".practices.csv.")
    assert ".practices.csv.*" in fleet.starter()[".gitignore"].splitlines()
    change_roles(tmp_path, SWAP)
    assert [gateway.role for gateway in right(tmp_path).gateways] == [Role.STANDBY, Role.ACTIVE, Role.ACTIVE]


@dataclass(frozen=True)
class Cell:
    """A role's cell as it is written: its word, and what is around it."""

    before: str
    word: str
    after: str
    role: Role


@dataclass(frozen=True)
class Written:
    """A practices.csv in pieces: text, and cells of roles with the names of their gateways."""

    pieces: tuple[str | tuple[str, Cell], ...]
    encode: Callable[[str], bytes]

    def data(self, roles: dict[str, Role]) -> bytes:
        """Its bytes, with these roles in place of the words that say others."""

        def shown(name: str, cell: Cell) -> str:
            role = roles.get(name, cell.role)
            return f"{cell.before}{cell.word if role is cell.role else role}{cell.after}"

        return self.encode("".join(piece if isinstance(piece, str) else shown(*piece) for piece in self.pieces))


ENCODERS: dict[str, Callable[[str], bytes]] = {
    "utf-8": lambda text: text.encode(),
    "utf-8 with a mark": lambda text: codecs.BOM_UTF8 + text.encode(),
    "utf-16-le": lambda text: text.encode("utf-16-le"),
    "utf-16-be": lambda text: text.encode("utf-16-be"),
    "utf-16-le with a mark": lambda text: codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
    "utf-16-be with a mark": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "cp1252": lambda text: text.encode("cp1252"),
}
ENDS = st.sampled_from(["\n", "\r\n", "\r"])
PAD = st.sampled_from(["", "", " ", "  "])


@st.composite
def cells(draw: st.DrawFn, value: str, separator: str) -> str:
    """A value as a spreadsheet, or a person, may write it."""
    if draw(st.booleans()) or set(value) & {separator, '"', "\r", "\n"}:
        return '"' + draw(PAD) + value.replace('"', '""') + draw(PAD) + '"'
    return draw(PAD) + value + draw(PAD)


@st.composite
def role_cells(draw: st.DrawFn, unseen: str) -> Cell:
    role = draw(st.sampled_from(Role))
    word = draw(st.sampled_from([role.value, role.value.upper(), role.value.title(), role[:3] + unseen + role[3:]]))
    if role is Role.ACTIVE and draw(st.booleans()):
        word = ""
    quote = draw(st.sampled_from(["", '"']))
    # Into an empty cell the word goes first.
    before = draw(PAD) + draw(st.sampled_from(["", unseen])) if word else ""
    return Cell(quote + before, word, draw(PAD) + quote, role)


@st.composite
def files(draw: st.DrawFn) -> Written:
    """A right practices.csv of one to four practices, in any manner of writing. A gateway is named, or not."""
    encoder = draw(st.sampled_from(sorted(ENCODERS)))
    separator = draw(st.sampled_from([",", ";", "\t"]))
    narrow = encoder == "cp1252"
    text = st.text(alphabet='aB1 .-",;\t\r\né£' + ("" if narrow else "\u0177\u6f22\U0001f600"), max_size=8)
    columns = draw(st.permutations([*HEADER.split(","), "note"]))
    heads = [draw(cells(draw(st.sampled_from([name, name.upper(), name.title()])), separator)) for name in columns]
    pieces: list[str | tuple[str, Cell]] = [separator.join(heads), draw(ENDS)]
    for number in range(draw(st.integers(1, 4))):
        code, address = f"A8100{number}", f"192.0.2.{number + 1}"
        gateway = draw(st.sampled_from([f"GW-{number}", ""]))
        values = {"practice": code, "name": draw(text), "gateway": gateway, "address": address, "note": draw(text)}
        if draw(st.booleans()):
            pieces.append(draw(st.sampled_from(["", "  ", separator * 3])) + draw(ENDS))
        for at, column in enumerate(columns):
            if column == "role":
                pieces.append((gateway or code, draw(role_cells("" if narrow else "\u200b"))))
            else:
                pieces.append(draw(cells(values[column], separator)))
            pieces.append(separator if at < len(columns) - 1 else draw(st.sampled_from(["", separator * 2])))
        pieces.append(draw(ENDS))
    if draw(st.booleans()):
        pieces.pop()
    return Written(tuple(pieces), ENCODERS[encoder])


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(written=files(), data=st.data())
def test_in_any_manner_of_writing_only_the_roles_change(tmp_path: Path, written: Written, data: st.DataObject) -> None:
    path = put(tmp_path, written.data({}))
    before = right(tmp_path).gateways
    names = st.sampled_from([gateway.name for gateway in before])
    roles = data.draw(st.dictionaries(names, st.sampled_from(Role)))
    change_roles(tmp_path, {data.draw(st.sampled_from([name, name.lower()])): role for name, role in roles.items()})
    assert path.read_bytes() == written.data(roles)
    after = tuple(replace(gateway, role=roles.get(gateway.name, gateway.role)) for gateway in before)
    assert right(tmp_path).gateways == after


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.binary(max_size=200) | st.text(alphabet='A81002GW,;\t"\r\n active', max_size=200).map(str.encode))
def test_whatever_the_file_holds_it_is_rewritten_or_stays_as_it_is(tmp_path: Path, rows: bytes) -> None:
    old = f"{HEADER}\nA81001,X,GW1,192.0.2.1,active\n".encode() + rows
    path = write(tmp_path, {"fleet.yml": FLEET}) / "practices.csv"
    path.write_bytes(old)
    try:
        change_roles(tmp_path, {"GW1": Role.RETIRED})
    except InputError:
        assert path.read_bytes() == old
    else:
        assert path.read_bytes() == old.replace(b"active", b"retired", 1)
    assert alone(path)


def test_several_threads_that_write_wait_for_each_other_where_the_file_system_knows_no_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two practices move at a time, in one process."""

    def unknown(handle: int, what: int) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", unknown)
    names = [f"GW{number}" for number in range(8)]
    rows = [f"A8100{number},X,{name},192.0.2.{number},standby" for number, name in enumerate(names)]
    path = put(tmp_path / "fleet", "\n".join([HEADER, *rows, ""]))
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: change_roles(path.parent, {name: Role.ACTIVE}), names))
    assert path.read_text("utf-8").count(",active") == len(names)
