"""A signature by a key that the organisation gives, and whether one is right: Ed25519, keys in PEM."""

import base64
import binascii
import hashlib

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from provisioner.errors import InputError

_MAKE = "Make one: openssl genpkey -algorithm ed25519 -out FILE.pem; chmod 600 FILE.pem"


def sign(data: bytes, private: str, name: str) -> str:
    """The signature in base64. `name` is the key's file, for errors.

    Errors: InputError where the private key is not a plain Ed25519 key in PEM.
    """
    return base64.b64encode(_private(private, name).sign(data)).decode()


def public_half(private: str, name: str) -> str:
    """The public key of a private one, in PEM. Errors: as `sign`."""
    public = _private(private, name).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _private(private: str, name: str) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(private.encode(), None)
    except TypeError as error:
        raise InputError(f"{name} is locked with a password.", "Keep it open, readable only to its owner.") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InputError(f"{name} holds no private key in PEM.", _MAKE) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(f"{name} is a key of another kind than Ed25519.", _MAKE)
    return key


def right(data: bytes, signature: str, public: str, name: str) -> bool:
    """Whether a signature in base64 is that of this data by this key. Errors: as `fingerprint`."""
    try:
        _public(public, name).verify(base64.b64decode(signature, validate=True), data)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def fingerprint(public: str, name: str) -> str:
    """The SHA-256 of a public key as DER, by which people name it.

    Errors: InputError where it is not an Ed25519 key in PEM.
    """
    der = _public(public, name).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def _public(text: str, name: str) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InputError(f"{name} holds no public key in PEM.", "It begins with BEGIN PUBLIC KEY.") from error
    if not isinstance(key, Ed25519PublicKey):
        raise InputError(
            f"{name} is a key of another kind than Ed25519.", "Give the one that the records are signed by."
        )
    return key
