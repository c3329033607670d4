"""What only looks at the journal or at the folder's files asks for no password, and says nothing that matters not."""

from pathlib import Path

import pytest

from tests.conftest import Command
from tests.fixtures.fleets import FLEET, HEADER, write

LOGIN = "connection: {transport: ntlm, user: u, credential: file, credential_file: password}\n"
# What each ends in where there is nothing yet: 0, or 2 for the want of an audit.
LOOKS = {
    "history": 0, "lease list": 0, "migrate status": 0, "inventory": 0, "forecast": 0, "journal verify": 2,
    "show latest": 2, "compare": 2, "why GW1 R4": 2, "report": 2, "requests --output papers": 2,
    "record latest --output record": 2, "approve latest": 2, "migrate confirm A81001": 2,
    "lease break A81001 --because x": 2, "plan": 2,
}  # fmt: skip
LOGS_IN = ("audit", "ping", "read GW1", "find --addresses 10.1.2.3 --no-read")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A fleet without endpoints, whose password is not on this computer."""
    text = FLEET.splitlines()[0] + "\n" + LOGIN
    return write(tmp_path / "fleet", {"fleet.yml": text, "practices.csv": f"{HEADER}\nA81001,,GW1,10.1.2.3,active\n"})


@pytest.mark.parametrize("verb", LOOKS)
def test_no_password_is_asked_for_where_none_is_used(verb: str, folder: Path, provisioner: Command) -> None:
    ran = provisioner(*verb.split(), fleet=folder)
    assert ran.code == LOOKS[verb], ran
    # What cannot be judged, and what will be missing when it is done, matters to who plans.
    for warning in ("no endpoints yet", "warning: fleet.yml:2: password cannot be read"):
        assert (warning in ran.err) == (verb == "plan")


@pytest.mark.parametrize("verb", LOGS_IN)
def test_who_logs_in_needs_it(verb: str, folder: Path, provisioner: Command) -> None:
    ran = provisioner(*verb.split(), fleet=folder)
    assert ran.code == 2 and "fleet.yml:2: password cannot be read: No such file" in ran.err, ran
    assert "warning: fleet.yml:2: password" not in ran.err


def test_validate_says_so_and_the_folder_is_right(folder: Path, provisioner: Command) -> None:
    ran = provisioner("validate", fleet=folder)
    assert ran.code == 0 and "is right: 1 practice, 1 gateway known" in ran.out, ran
    assert "warning: fleet.yml:2: password cannot be read: No such file" in ran.out and "no endpoints yet" in ran.out


@pytest.mark.parametrize("verb", ["validate", "show latest", "plan"])
def test_a_password_that_others_can_read_is_wrong_for_everybody(verb: str, folder: Path, provisioner: Command) -> None:
    (folder / "password").write_text("secret")
    (folder / "password").chmod(0o644)
    ran = provisioner(*verb.split(), fleet=folder)
    assert ran.code == 2 and "password can be read by others (mode 0644)" in ran.out + ran.err, ran


def test_init_says_what_comes_next_as_it_can_be_given(tmp_path: Path, provisioner: Command) -> None:
    ran = provisioner("init", tmp_path / "my fleet")
    assert ran.err.splitlines()[-1] == f"Next: fill these in; then provisioner validate '{tmp_path / 'my fleet'}'"
