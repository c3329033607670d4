"""A fleet whose plan was done, its record, and the command that holds it."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from provisioner.cli import provisioner
from provisioner.errors import ProvisionerError
from tests.fixtures.fleets import write
from tests.fixtures.records import PLAN, fill

ONE, TWO = "A84002.json", "A84005.json"


def private(encryption: KeySerializationEncryption | None = None, seed: bytes = b"") -> str:
    """A private key in PEM; of the same 32 bytes the same one."""
    key = ed25519.Ed25519PrivateKey.from_private_bytes(seed) if seed else ed25519.Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()).decode()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fleet folder whose journal has a past."""
    folder = write(tmp_path_factory.mktemp("fleet"), {})
    fill(folder / ".provisioner" / "journal.db")
    (folder / "key.pem").touch(mode=0o600)
    (folder / "key.pem").write_text(private())
    return folder


@pytest.fixture(scope="module")
def plain(fleet: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record that nobody signed."""
    return made(fleet, tmp_path_factory.mktemp("plain") / "record")


def run(*arguments: str | Path) -> Result:
    """A command; its own errors are raised."""
    ran = CliRunner().invoke(provisioner, [str(one) for one in arguments], standalone_mode=False)
    if isinstance(ran.exception, ProvisionerError):
        raise ran.exception
    assert ran.exception is None, ran.exception
    return ran


def made(fleet: Path, folder: Path, *more: str | Path) -> Path:
    assert run("--fleet", fleet, "record", PLAN, "--output", folder, *more).return_value == 0
    return folder


def held(folder: Path, *more: str | Path) -> tuple[int, str]:
    """How `record --verify` ends, and what it says."""
    ran = run("record", "--verify", folder, *more)
    return ran.return_value, ran.stdout + ran.stderr
