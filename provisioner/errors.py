"""Every error that a person or a gateway can cause.

    ProvisionerError                 a message, a hint (what to do next) and an exit code
    |- InputError                    exit 2: what was given is wrong; carries the faults
    |- ReadOnlyFleet                 exit 2: the fleet forbids changes
    |- DirectoryError                exit 3: the domain's directory could not be asked
    |- JournalError                  exit 2: the journal is locked, read-only, damaged or newer than we are
    |- LeaseHeld                     exit 4: another operator holds the gateway
    |- PlanRefused                   exit 2: the plan is not for this fleet, or was made by other rules
    |- LabError                      exit 2: the lab is not up, or does not know what was asked
    `- GatewayError                  exit 3: one gateway could not be read; carries the gateway's name
       |- Unreachable                no connection, or one that broke
       |- Refused                    the log-in was refused
       |- TimedOut                   no whole answer before the deadline
       |- BadAnswer                  an answer that is not evidence
       |- NoPassword                 its own password could not be had from the directory
       `- NotTried                   others were refused with the same account

A message says what was tried and what came back; a hint says the likeliest cause and what to do.
Neither ever holds a secret.
"""

import string
from collections.abc import Collection, Container, Iterable, Sequence
from dataclasses import dataclass

from provisioner import foreign

_LONGEST = 2000
# Letters that people type and read for digits.
LOOKS_LIKE = str.maketrans("OQILSBZ", "0011582")
_CHARACTERS = string.digits + string.ascii_uppercase
# With more than these a hint is a list.
_MOST_MEANT = 3


@dataclass(frozen=True)
class Fault:
    """One thing wrong in what a person gave us: where, what, and what to do.

    `line` counts from 1; None where the fault has no line. `warning` faults are shown and refuse nothing.
    """

    file: str
    line: int | None
    message: str
    hint: str = ""
    warning: bool = False

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.message}" + (f" {self.hint}" if self.hint else "")


class ProvisionerError(Exception):
    """The root: `message` says what happened, `hint` what to do next, `exit_code` how the command ends."""

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(ProvisionerError):
    """Files, options or values that are wrong; `faults` has all of them, in file and line order."""

    def __init__(self, message: str, hint: str = "", faults: Sequence[Fault] = ()) -> None:
        super().__init__(message, hint)
        self.faults = tuple(faults)


class ReadOnlyFleet(ProvisionerError):
    """A changing verb on a fleet whose fleet.yml says `read_only: true`."""


class DirectoryError(ProvisionerError):
    """The domain's directory could not be asked: not found, not reached, or it did not let us in."""

    exit_code = 3


class JournalError(ProvisionerError):
    """The journal cannot be used: locked, read-only, damaged, or written by a newer version."""


class LeaseHeld(ProvisionerError):
    """Another operator, or another command of the same one, works on this gateway."""

    exit_code = 4


class PlanRefused(ProvisionerError):
    """The plan does not fit the fleet or the policy of now."""


class LabError(ProvisionerError):
    """The lab is not up, is up already, or does not model what was asked of it."""


class GatewayError(ProvisionerError):
    """One gateway could not be read or changed.

    `absent`: nothing accepted a connection there, so the PC may be switched off. Never so of one that answers in any
    way: a statement that it is off is then out of date.
    """

    exit_code = 3

    def __init__(self, message: str, hint: str = "", *, absent: bool = False) -> None:
        # Half of what is said of a gateway is what it said: headers, reasons, faults.
        super().__init__(foreign.readable(message)[:_LONGEST], foreign.readable(hint)[:_LONGEST])
        self.absent = absent


class Unreachable(GatewayError):
    """No connection to the gateway, or one that broke."""


class Refused(GatewayError):
    """The gateway refused the log-in. Never tried again with the same password."""


class TimedOut(GatewayError):
    """The gateway did not answer whole before the deadline."""


class BadAnswer(GatewayError):
    """The gateway answered, but not with evidence."""


class NoPassword(GatewayError):
    """No log-in was tried, because the gateway's own password could not be had from the directory (LAPS)."""


class NotTried(GatewayError):
    """No log-in was tried, because others were refused with the same account."""


def suggest(word: str, known: Iterable[str]) -> str:
    """A hint with the known word that was likely meant, whatever its case; "" where none is near. Of words with digits,
    such as practices' codes, all that are as near: one of them alone would be taken for the right one."""
    by_lower = {name.lower(): name for name in known}
    return _meant([by_lower[name] for name in _nearest(word.lower(), by_lower)])


def suggest_code(code: str, listed: Container[str]) -> str:
    """The same of a code in a national list, of which each of thousands of wrong rows would be held against each of
    thousands: those in which two neighbours changed places, or else one character is another."""
    others = (code[:at] + other + code[at + 1 :] for at in range(len(code)) for other in _CHARACTERS)
    near = _swapped(code, listed) or [other for other in others if other != code and other in listed]
    return _meant(near if len(near) <= _MOST_MEANT else [])


def _meant(words: Sequence[str]) -> str:
    return f"Did you mean {' or '.join(words)}?" if words else ""


def _nearest(word: str, known: Collection[str]) -> list[str]:
    # Here, because most commands are given rightly.
    import difflib

    if not any(map(str.isdigit, word)):
        return difflib.get_close_matches(word, known, 1)
    alike = [name for name in known if _looks(name) == _looks(word)]
    if sure := alike or _swapped(word, known):
        return sure[:_MOST_MEANT]
    near = difflib.get_close_matches(word, known, _MOST_MEANT + 1)
    likeness = [difflib.SequenceMatcher(None, name, word).ratio() for name in near]
    best = [name for name, ratio in zip(near, likeness, strict=True) if ratio == max(likeness)]
    return best if len(best) <= _MOST_MEANT else []


def _swapped(word: str, known: Container[str]) -> list[str]:
    """Those in which two neighbours of it changed places."""
    turned = (word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(len(word) - 1))
    return [name for name in dict.fromkeys(turned) if name != word and name in known]


def _looks(word: str) -> str:
    return word.upper().translate(LOOKS_LIKE)
