"""The public keys of those who may approve, as fleet.yml names them."""

from pathlib import Path

from provisioner import files
from provisioner.errors import InputError, PlanRefused
from provisioner.model import Fleet
from provisioner.model.settings import Approver
from provisioner.record import signing
from provisioner.record.approval import Proof


def signed(fleet: Fleet, named: Approver, proof: Proof) -> bool:
    """Whether an approval's text is signed by the key of that approver. Errors: as `public_key`."""
    return signing.right(proof.text.encode(), proof.signature, public_key(fleet, named), named.key)


def public_key(fleet: Fleet, named: Approver) -> str:
    """An approver's public key, in PEM. Errors: InputError where the file holds none."""
    path = Path(fleet.folder, named.key)
    try:
        text = files.decode(files.read(path, files.SECRET))
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read: {why}.", "rollout.approvers of fleet.yml names it.") from error
    signing.fingerprint(text, str(path))
    return text


def by_key(fleet: Fleet, public: str) -> Approver:
    """Whose public key that is. Errors: PlanRefused where it is nobody's that may approve."""
    print_ = signing.fingerprint(public, "the key")
    for one in fleet.settings.rollout.approvers:
        if one.key and signing.fingerprint(public_key(fleet, one), one.key) == print_:
            return one
    hint = "`key:` of rollout.approvers in fleet.yml names each one's public key."
    raise PlanRefused(f"That key ({print_[:16]}...) is nobody's who may approve.", hint)
