"""Who may approve a plan, as fleet.yml names them."""

import re
from collections.abc import Iterator
from pathlib import Path

from provisioner.model.settings import Rollout
from provisioner.yamlfile import Place, is_file

# As a login name of Linux, of a directory or of Windows looks.
_ACCOUNT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@\\-]*")


def complaints(rollout: Rollout, folder: Path) -> Iterator[tuple[Place, str, str, bool]]:
    """What is wrong with fleet.yml's approvers: the place below `rollout`, a message, a hint, and whether it is only a
    warning."""
    if rollout.approval and not rollout.approvers:
        message = "rollout.approval asks for an approval, and rollout.approvers names nobody who may give it."
        hint = "Such as `approvers: [{account: bperson, name: B. Person}]`; until then nothing can be applied."
        yield ("approval",), message, hint, True
    seen = set[str]()
    for index, one in enumerate(rollout.approvers):
        place: Place = ("approvers", index)
        if not _ACCOUNT.fullmatch(one.account):
            hint = "The name by which they log in to this machine, as `id -un` says it there."
            yield (*place, "account"), f"{one.account!r} is no account of a person.", hint, False
        elif one.account in seen:
            yield (*place, "account"), f"{one.account} is here twice.", "Keep one of them.", False
        seen.add(one.account)
        if one.key and not is_file(folder / one.key):
            message = f"there is no file {one.key} beside fleet.yml."
            hint = "It is their public Ed25519 key in PEM, never the private one."
            yield (*place, "key"), message, hint, False
