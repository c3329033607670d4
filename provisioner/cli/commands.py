"""Commands that a message names, so that they can be given as they stand in the folder where the person stands."""

import os
import re
import shlex
from pathlib import Path

from provisioner.cli.options import TAKES, Common, common, taken

_COMMAND = re.compile(r"\bprovisioner (?=([a-z]+)(?: ([a-z]+))?)")
_VERBS = frozenset(name.split()[0] for name in TAKES)


def word(path: Path | str) -> str:
    """A path as one word of a command that is there to be copied, blanks and all."""
    text = str(path)
    if os.name == "posix":
        return shlex.quote(text)
    return f'"{text}"' if " " in text else text


def narrowing() -> str:
    """The `--only` and `--remedy` of the command that runs, as words for one that goes on with the same part."""
    given = [*(("--only", one) for one in common().only), *(("--remedy", one) for one in common().remedies)]
    return "".join(f" {option} {word(value)}" for option, value in given)


def givable(text: str, given: Common | None = None) -> str:
    """A message for a person in which each command is about the same fleet folder as the one that runs: `--fleet` is in
    it where it was typed and the verb looks at it. What the environment says needs no saying: the next command hears it
    too. `given`: the common options, where no command runs in this thread.
    """
    known = given or common()
    if "fleet" not in known.typed or known.fleet is None:
        return text
    fleet = word(known.fleet)

    def whole(found: re.Match[str]) -> str:
        verb, sub = found[1], f"{found[1]} {found[2]}"
        about = verb in _VERBS and "fleet" in taken(sub if sub in TAKES else verb)
        return f"{found[0]}--fleet {fleet} " if about else found[0]

    return _COMMAND.sub(whole, text)
