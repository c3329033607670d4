"""The verb `lease`: who works on which gateway, and taking that from somebody."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType

import click

from provisioner import processes
from provisioner.cli.columns import listed, width, wrapped
from provisioner.cli.completion import gateways
from provisioner.cli.console import as_json, confirm, folded, out
from provisioner.cli.lookup import look_into, open_journal
from provisioner.cli.options import add_common_options, common
from provisioner.errors import InputError
from provisioner.journal import Lease
from provisioner.report import words

_COLUMNS = ("gateway", "who", "why", "since", "until", "process")
# By whether the holder's process has ended.
_STATES: Mapping[bool | None, str] = MappingProxyType(
    {
        True: "its process is dead, and whoever comes next takes these over",
        False: "its process lives",
        None: "another machine's, or hidden from us",
    }
)


@click.group("lease")
def lease() -> None:
    """Who works on which gateway, why, and until when."""


command = lease


@lease.command("list")
def list_() -> None:
    """The leases that the journal has. A run holds one for its plan, too, and one for a practice that it moves. In a
    pipe: rows with tabs."""
    with look_into() as journal:
        held = journal.leases()
    if as_json():
        out(json.dumps({"version": 1, "leases": [_document(one) for one in held]}, indent=2))
        return
    listed(screen(held, width()), _COLUMNS, map(_row, held), after=() if held else ["Nobody holds a lease."])


def screen(held: Sequence[Lease], columns: int) -> list[str]:
    """Leases in lines: who holds some and whether they live, and below it why, until when, and which."""
    found = list[str]()
    for holder in dict.fromkeys(_process(one) for one in held):
        its = [one for one in held if _process(one) == holder]
        found += wrapped("", f"{holder}: {_STATES[_dead(its[0])]}", columns)
        of: dict[tuple[str, datetime, datetime], list[str]] = {}
        for one in its:
            of.setdefault((one.why, one.since, one.until), []).append(one.gateway)
        for (why, since, until), names in of.items():
            span = f"for {why}, since {words.short(since)}, until {words.short(until)} at most:"
            found += [f"  {line}" for line in wrapped("", span, columns - 2)]
            found += wrapped("    ", ", ".join(names), columns)
    return found


@lease.command("break")
@click.argument("gateway", shell_complete=gateways)
@click.option("--because", required=True, metavar="TEXT", help="Why; the journal keeps it.")
def break_(gateway: str, because: str) -> None:
    """Take a gateway's lease from whoever holds it. What runs there is not ended.

    A lease of a dead process needs no breaking: the next `apply` takes it over.
    """
    if not because.strip():
        raise InputError("--because says nothing.", "The journal keeps it: say why, so that others understand.")
    with open_journal() as journal:
        held = _wanted(journal.leases(), gateway)
        if _dead(held) is False and not common().yes:
            raise InputError(
                f"{held.gateway}: {held.holder} lives on this machine and is at work there ({held.why}).",
                f"End pid {held.holder.pid} first (Ctrl-C there); or say --yes, and two may work on one PC.",
            )
        confirm(f"Take the lease of {held.gateway} from {held.holder} ({held.why}, until {words.short(held.until)})?")
        journal.break_lease(held.gateway, str(processes.this()), because.strip(), datetime.now(UTC), held.holder)
    if as_json():
        out(json.dumps({"version": 1, "broken": _document(held)}, indent=2))
    else:
        folded(f"{held.gateway}: the lease of {held.holder} is broken; the journal says who did so, and why.")


def _wanted(held: list[Lease], name: str) -> Lease:
    """The lease on that gateway or plan. Errors: InputError where nobody holds it."""
    for one in held:
        if one.gateway.upper() == name.strip().upper():
            return one
    raise InputError(f"{name}: nobody holds a lease on it.", "`provisioner lease list` shows who holds which.")


def _process(held: Lease) -> processes.Process:
    """The holder's process: a person ends that, and not one run of it."""
    return replace(held.holder, run="")


def _dead(held: Lease) -> bool | None:
    """Whether the holder's process has ended; None where that cannot be told, as of another machine's."""
    return True if held.holder.dead else False if held.holder.near else None


def _row(held: Lease) -> tuple[str, ...]:
    state = {True: "dead", False: "lives", None: "elsewhere"}[_dead(held)]
    return held.gateway, str(held.holder), held.why, words.utc(held.since), words.utc(held.until), state


def _document(held: Lease) -> dict[str, object]:
    return {
        "gateway": held.gateway,
        "user": held.holder.user,
        "machine": held.holder.host,
        "pid": held.holder.pid,
        "why": held.why,
        "since": words.utc(held.since),
        "until": words.utc(held.until),
        "dead": _dead(held),
    }


for each in lease.commands.values():
    add_common_options(each, f"lease {each.name}")
