"""The verb `lease`: who works on which gateway, and taking that from somebody."""

import json
from datetime import UTC, datetime

import click

from provisioner import processes
from provisioner.cli.completion import gateways
from provisioner.cli.console import as_json, confirm, open_journal, out, table, whole_fleet
from provisioner.cli.options import add_common_options, common
from provisioner.errors import InputError
from provisioner.journal import Lease
from provisioner.report import words


@click.group("lease")
def lease() -> None:
    """Who works on which gateway, why, and until when."""


command = lease


@lease.command("list")
def list_() -> None:
    """The leases that the journal has. A run holds one for its plan, too, and one for a practice that it moves."""
    with open_journal(whole_fleet()) as journal:
        held = journal.leases()
    if as_json():
        out(json.dumps({"version": 1, "leases": [_document(one) for one in held]}, indent=2))
        return
    if not held:
        out("Nobody holds a lease.")
        return
    from rich.table import Table

    shown = Table("gateway", "who", "why", "since (UTC)", "until (UTC)", "")
    for one in held:
        state = {True: "its process is dead", False: "its process lives", None: "another machine's"}[_dead(one)]
        shown.add_row(
            one.gateway, str(one.holder), one.why, f"{one.since:%Y-%m-%d %H:%M}", f"{one.until:%Y-%m-%d %H:%M}", state
        )
    table(shown)


@lease.command("break")
@click.argument("gateway", shell_complete=gateways)
@click.option("--because", required=True, metavar="TEXT", help="Why; the journal keeps it.")
def break_(gateway: str, because: str) -> None:
    """Take a gateway's lease from whoever holds it. What runs there is not ended.

    A lease of a dead process needs no breaking: the next `apply` takes it over.
    """
    if not because.strip():
        raise InputError("--because says nothing.", "The journal keeps it: say why, so that others understand.")
    with open_journal(whole_fleet()) as journal:
        held = _wanted(journal.leases(), gateway)
        if _dead(held) is False and not common().yes:
            raise InputError(
                f"{held.gateway}: {held.holder} lives on this machine and is at work there ({held.why}).",
                f"End pid {held.holder.pid} first (Ctrl-C there); or say --yes, and two may work on one PC.",
            )
        confirm(f"Take the lease of {held.gateway} from {held.holder} ({held.why}, until {held.until:%H:%M} UTC)?")
        journal.break_lease(held.gateway, str(processes.this()), because.strip(), datetime.now(UTC), held.holder)
    if as_json():
        out(json.dumps({"version": 1, "broken": _document(held)}, indent=2))
    else:
        out(f"{held.gateway}: the lease of {held.holder} is broken; the journal says who did so, and why.")


def _wanted(held: list[Lease], name: str) -> Lease:
    """The lease on that gateway or plan. Errors: InputError where nobody holds it."""
    for one in held:
        if one.gateway.upper() == name.strip().upper():
            return one
    raise InputError(f"{name}: nobody holds a lease on it.", "`provisioner lease list` shows who holds which.")


def _dead(held: Lease) -> bool | None:
    """Whether the holder's process has ended; None where that cannot be told, as of another machine's."""
    return True if held.holder.dead else False if held.holder.near else None


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
