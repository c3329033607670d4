"""Who works on a gateway: said there over the connection of a play's first role, before anything of it is done, and
taken away over that of its last one. A task of its own for each would be a log-in more, as dear as a remedy.

Where a role fails, rollout.yml takes the marker away.
"""

import secrets
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol

# As tasks and parts are called, and as what is said of them is known by.
CLAIM, RELEASE = "Claim the gateway", "Release the gateway"
# The role that does nothing else, and the module that knows the marker.
MARKER, MODULE = "marker", "work_marker"
# The fact by which the later roles know that an earlier one has claimed, or looked.
_CLAIMED = "provisioner_claimed"
# Of one ansible-playbook, which loads this before it forks its workers: facts may be kept from one to the next.
_THIS_PLAY = secrets.token_hex(8)


class Failed(Exception):
    """A part of the work did not end well: which, what came back, and whether it is because another team works there
    (`held`)."""

    def __init__(self, part: str, message: str, *, held: bool = False) -> None:
        super().__init__(message)
        self.part = part
        self.message = message
        self.held = held


class Working(Protocol):
    """One role's work on one gateway."""

    check: bool
    facts: dict[str, Any]

    def do(self, part: str, module: str, *, counts: bool = True, **options: Any) -> Mapping[str, Any]:
        """Run one module. Errors: Failed."""

    def given(self, name: str) -> Any:
        """The gateway's variable of that name; None where it has none."""

    def refused(self, part: str, message: str) -> Failed:
        """Why the work does not go on."""

    def place(self) -> tuple[bool, bool]:
        """Whether this is the first of the gateway's roles in the play, and whether it is the last."""


def claim(work: Working) -> None:
    """Leave the run's marker, and go no further where another team's stands, or where another PC answers than the row
    names. A rehearsal writes nothing, so it marks nothing.

    A role that is not the first does nothing where the first has not claimed. Plain Ansible leaves no marker, but heeds
    another's: whichever role is the first that does something looks, because steps can be left out there, and a
    playbook of another's own knows no first. Errors: Failed.
    """
    marker, computer = work.given("provisioner_marker"), work.given("provisioner_computer") or ""
    claimed = (work.given("ansible_facts") or {}).get(_CLAIMED)
    first, _ = work.place()
    if marker is None:
        if claimed != _THIS_PLAY:
            work.do(CLAIM, MODULE, counts=False, computer=computer, state="free")
            work.facts[_CLAIMED] = _THIS_PLAY
    elif work.check:
        return
    elif first:
        work.do(CLAIM, MODULE, counts=False, computer=computer, state="present", **marker)
        work.facts[_CLAIMED] = marker["journal"]
    elif claimed != marker["journal"]:
        raise work.refused(CLAIM, "the first role here has not claimed the gateway; nothing was changed")


def release(work: Working) -> None:
    """Take the run's marker away after the last role, unless it stays: around a start, until what was started has been
    looked at. The work is done by now, and one that is left ends by itself."""
    marker = work.given("provisioner_marker")
    _, last = work.place()
    if last and marker is not None and not work.check and not work.given("marker_stays"):
        with suppress(Failed):
            work.do(RELEASE, MODULE, counts=False, journal=marker["journal"], known=marker["known"], state="absent")
