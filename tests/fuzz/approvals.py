"""Target: an approval that was signed elsewhere, and comes back as somebody made of it what they would."""

import json
import random
from pathlib import Path

from provisioner.journal import Journal
from provisioner.record import signing
from tests.fixtures import records
from tests.fuzz.files import FOLDER
from tests.fuzz.spoilt import Target, right, spoilt, spoilt_tree, verb
from tests.record.records import private

_FLEET = """\
version: 1
endpoints: [10.237.215.5, 10.237.215.9, 10.237.215.15, 10.237.215.16]
connection: {transport: ntlm, user: 'EX\\a', credential: keyring}
rollout: {approval: true, approvers: [{account: elsewhere, name: C. Person, key: c.pub.pem}]}
"""


def _approval(folder: Path) -> Target:
    """approval.json and its signature, by the verb that takes them in. What was changed is never taken in with the
    signature of what it was."""
    folder.mkdir()
    # Always the same, as its input is by its seed.
    key = private(seed=bytes(range(32)))
    (folder / "c.pub.pem").write_text(signing.public_half(key, "c.pem"))
    (folder / "fleet.yml").write_text(_FLEET, "utf-8")
    (folder / "practices.csv").write_text(FOLDER["practices.csv"], "utf-8")
    place = folder / ".provisioner" / "journal.db"
    place.parent.mkdir()
    made = records.fill(place)
    with Journal.open(place) as journal:
        journal.compact()
    kept, asked = place.read_bytes(), folder / "approval.json"
    right("--fleet", folder, "approve", made.id, "--for", "elsewhere", "--output", asked)
    whole, beside = asked.read_bytes(), folder / "approval.json.sig"
    words = ("--fleet", folder, "approve", made.id, "--signed", asked)

    def write(text: bytes, signature: bytes) -> None:
        for file in place.parent.glob("*-*"):
            file.unlink()
        place.write_bytes(kept)
        asked.write_bytes(text)
        beside.write_bytes(signature)

    def signed(text: bytes) -> bytes:
        return signing.sign(text, key, "c.pem").encode()

    write(whole, signed(whole))
    right(*words)

    def attempt(chance: random.Random) -> None:
        tree = json.dumps(spoilt_tree(json.loads(whole), chance)).encode("utf-8", "surrogatepass")
        text = tree if chance.random() < 0.6 else spoilt(whole, chance)
        match chance.randrange(4):
            case 0:
                # By the right person: what it says is read to its end.
                write(text, signed(text))
                verb(*words)
            case 1:
                write(whole, spoilt(signed(whole), chance))
                verb(*words)
            case _:
                write(text, signed(whole))
                assert verb(*words) or text == whole, f"taken in: {text!r}"

    return attempt
