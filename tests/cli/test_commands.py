"""A command that a message names can be given as it stands: it is about the fleet folder that was typed."""

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner.cli.commands import givable
from provisioner.cli.options import TAKES, Common
from provisioner.lab.process.client import Handle
from tests.conftest import ROOT, Command, Ran, unfolded

_NEXT = re.compile(r"^Next[^:]*: (provisioner .*)$", re.M)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The example fleet, in a folder whose name has a blank, with one gateway at which nothing answers."""
    made = tmp_path / "my fleet"
    shutil.copytree(ROOT / "inventory" / "example", made)
    rows = (made / "practices.csv").read_text("utf-8")
    known = rows.replace("A84002,THE ROTHBURY PRACTICE,,,", "A84002,THE ROTHBURY PRACTICE,GW1,127.0.0.1,")
    (made / "practices.csv").write_text(known, "utf-8")
    return made


def typed(fleet: str) -> Common:
    return Common(fleet=Path(fleet), typed={"fleet"})


def as_it_stands(ran: Ran, provisioner: Command) -> tuple[str, Ran]:
    """The command that is said to come next, and what it ends in, given as a shell would give it."""
    (found,) = _NEXT.findall(unfolded(ran.out + ran.err))
    return found, provisioner(*shlex.split(found)[1:])


@pytest.mark.parametrize("verb", TAKES)
def test_the_folder_is_in_a_command_whose_verb_looks_at_it(verb: str) -> None:
    says = f"provisioner --fleet here {verb} X" if "fleet" in TAKES[verb].split() else f"provisioner {verb} X"
    assert givable(f"(see provisioner {verb} X)", typed("here")) == f"(see {says})"


def test_what_only_looks_like_a_command_stays() -> None:
    for words in ("provisioner cannot sign", "`provisioner init DIR` writes one", "this is provisioner itself"):
        assert givable(words, typed("here")) == words


def test_only_what_was_typed_is_said_again() -> None:
    said = "provisioner plan a, then provisioner apply b"
    assert givable(said, Common(fleet=Path("here"))) == givable(said, Common()) == said
    assert givable(said, typed("my fleet")).count(" --fleet 'my fleet' ") == 2


def test_the_next_command_is_about_the_same_folder(folder: Path, provisioner: Command) -> None:
    audited = provisioner("audit", fleet=folder)
    command, pinged = as_it_stands(audited, provisioner)
    assert command == f"provisioner --fleet '{folder}' ping --only GW1"
    assert pinged.code == 3 and "GW1" in pinged.out
    shown = provisioner("show", "latest", "--format", "table", "--fleet", folder)
    assert as_it_stands(shown, provisioner)[0] == command
    command, read = as_it_stands(provisioner("why", "GW1", "R4", "--fleet", folder), provisioner)
    assert shlex.split(command)[1:3] == ["--fleet", str(folder)] and read.code == 3


def test_nor_does_the_environment_s_folder_need_saying(folder: Path, provisioner: Command) -> None:
    audited = provisioner("audit", env={"PROVISIONER_FLEET": str(folder)})
    assert _NEXT.findall(audited.err) == ["provisioner ping --only GW1"]


def test_a_hint_of_an_error_can_be_given_too(folder: Path, provisioner: Command) -> None:
    refused = provisioner("plan", fleet=folder)
    assert refused.code == 2 and f"provisioner --fleet '{folder}' audit makes one." in refused.err
    (folder / "fleet.yml").write_text("nonsense: 1\n", "utf-8")
    refused = provisioner("audit", fleet=folder)
    assert refused.code == 2 and f"see provisioner --fleet '{folder}' validate." in refused.err


def test_the_next_command_is_about_the_same_part(lab: Callable[..., Handle], provisioner: Command) -> None:
    """Who does a part of a plan, or of its way back, is not told to go on with all of it."""
    handle = lab("A84002", "A84005")
    provisioner("audit", fleet=handle.folder)
    planned = provisioner("plan", "--only", "A84*", "--format", "table", fleet=handle.folder)
    assert "--only" not in planned.out
    part = ("--only", "A84002", "--only", "role=act*", "--remedy", "firewall")
    said = "--only A84002 --only 'role=act*' --remedy firewall"
    handle.set("A84002", "offline")
    for words in ((), ("--dry-run",)):
        ran = provisioner("apply", "latest", *part, *(words or ("--yes",)), fleet=handle.folder)
        assert said in _NEXT.findall(unfolded(ran.out))[0], ran.out + ran.err
    handle.set("A84002", "none")
    assert provisioner("apply", "latest", *part, "--yes", fleet=handle.folder).code == 0
    handle.set("A84002", "offline")
    ran = provisioner("undo", "latest", "--only", "A84002", "--yes", fleet=handle.folder)
    command, _ = as_it_stands(ran, provisioner)
    assert command.endswith(" --only A84002") and " undo plan-" in command
