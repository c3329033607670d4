"""A signature by the organisation's key, made so that openssl, too, can tell whether it is right."""

import base64
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from provisioner.errors import InputError
from provisioner.record import signing
from tests.record.records import private

DATA = b'{"version": 1}\n'


def test_a_signature_is_of_these_bytes_by_this_key() -> None:
    key = private()
    signature, public = signing.sign(DATA, key, "key.pem"), signing.public_half(key, "key.pem")
    other = signing.public_half(private(), "other.pem")
    assert signing.right(DATA, signature, public, "p")
    assert not signing.right(DATA + b" ", signature, public, "p")
    assert not signing.right(DATA, signature, other, "p")
    assert not signing.right(DATA, "no base64 ü", public, "p")
    assert not signing.right(DATA, base64.b64encode(b"short").decode(), public, "p")
    assert signing.fingerprint(public, "p") != signing.fingerprint(other, "p")


def test_openssl_says_the_same(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not on PATH")
    made = subprocess.run([openssl, "genpkey", "-algorithm", "ed25519"], check=True, capture_output=True, text=True)
    signature, public = signing.sign(DATA, made.stdout, "key.pem"), signing.public_half(made.stdout, "key.pem")
    for name, content in (("manifest.json", DATA), ("sig", base64.b64decode(signature)), ("pub", public.encode())):
        (tmp_path / name).write_bytes(content)
    verify = ["pkeyutl", "-verify", "-pubin", "-inkey", "pub", "-rawin", "-in", "manifest.json", "-sigfile", "sig"]
    assert subprocess.run([openssl, *verify], cwd=tmp_path, capture_output=True).returncode == 0
    convert = ["pkey", "-pubin", "-in", "pub", "-outform", "der", "-out", "der"]
    der = subprocess.run([openssl, *convert], cwd=tmp_path, capture_output=True)
    assert der.returncode == 0
    summed = subprocess.run([openssl, "dgst", "-sha256", "der"], cwd=tmp_path, capture_output=True, text=True)
    assert summed.stdout.split()[-1] == signing.fingerprint(public, "pub")


def test_what_is_no_key_for_it_is_said() -> None:
    locked = private(BestAvailableEncryption(b"word"))
    curve = ec.generate_private_key(ec.SECP256R1())
    other = curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    other_public = curve.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    public = signing.public_half(private(), "k")
    for text, words in ((locked, "password"), ("nonsense", "no private key"), (public, "no private"), (other, "kind")):
        with pytest.raises(InputError, match=words):
            signing.sign(DATA, text, "key.pem")
    for text, words in ((other_public, "kind"), ("nonsense", "no public key"), (locked, "no public key")):
        with pytest.raises(InputError, match=words):
            signing.right(DATA, "", text, "key.pem")
