"""Whose an audit is, and of how much of a fleet. Pure."""

from dataclasses import replace

from provisioner.model import Audit, Fleet


def is_of(audit: Audit, fleet: Fleet) -> bool:
    """Whether an audit is of this fleet: of its folder, or of gateways that are all its own; several folders may share
    a journal. One of before folders were kept is, where any of its gateways is here."""
    if audit.folder == fleet.folder:
        return True
    rows = {(row.name, row.practice, row.address) for row in fleet.gateways}
    here = [(row.name, row.practice, row.address) in rows for row in audit.gateways]
    return all(here) if audit.folder else any(here)


def is_whole(audit: Audit, fleet: Fleet) -> bool:
    """Whether an audit of this fleet left none out: of what the folder had then, or of all that it has now."""
    return (audit.folder == fleet.folder and not audit.left_out) or not not_asked(audit, fleet)


def not_asked(audit: Audit, fleet: Fleet) -> dict[str, str]:
    """The fleet's gateways of now that are not in the audit, with their practices."""
    asked = {row.name for row in audit.gateways}
    return {row.name: row.practice for row in fleet.known if row.name not in asked}


def scoped(audit: Audit, fleet: Fleet) -> Audit:
    """The audit with what it left out. One of before that was kept is held against the fleet as it is now."""
    return audit if audit.left_out is not None else replace(audit, left_out=not_asked(audit, fleet))
