"""The verb `lab`: a pretend fleet on this machine."""

import json
from pathlib import Path

import click

from provisioner.cli.options import add_common_options, common, is_typed, keep, refuse_idle
from provisioner.errors import InputError, LabError
from provisioner.fleet import csvfile

# The lab's folder is the fleet's.
_FLEET = click.option(
    "--fleet",
    "--dir",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="PROVISIONER_FLEET",
    expose_value=False,
    callback=keep,
    help="The lab's fleet folder; default: this folder.",
)


@click.group("lab")
def lab() -> None:
    """A pretend fleet on this machine, for rehearsals and tests."""


command = lab


@lab.command("up")
@click.option("--practices", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Rows: practices.csv.")
@_FLEET
@click.option("--state", type=click.Choice(["fresh", "mixed", "ready"]), default="fresh", show_default=True)
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed makes the same estate.")
@click.option("--delay", type=click.FloatRange(min=0), default=0.0, help="Seconds that each command takes.")
@click.option("--endpoints", multiple=True, metavar="ADDRESS", help="Instead of documentation addresses. Repeat it.")
@click.option("--allow-unencrypted", is_flag=True, help="Take Basic without TLS too, as no PC should.")
@click.option(
    "--keytabs",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Take Kerberos too: a folder with the key of each gateway that is in the domain, NAME.keytab.",
)
@click.option("--admin", "admins", multiple=True, metavar="USER@REALM", help="Who has rights, by Kerberos. Repeat it.")
def up(
    practices: Path | None,
    state: str,
    seed: int,
    delay: float,
    endpoints: tuple[str, ...],
    allow_unencrypted: bool,
    keytabs: Path | None,
    admins: tuple[str, ...],
) -> None:
    """Serve one pretend gateway per row, and write a fleet folder for them.

    A lab that was down goes on where it stood; then no --practices is needed.
    """
    from provisioner.lab.estate.folder import ENDPOINTS, Folder
    from provisioner.lab.process import client as process

    fleet = _folder()
    goes_on = Folder(fleet.resolve()).state.exists()
    addresses = [part for one in endpoints for part in one.split(",") if part] or list(ENDPOINTS)
    # One that goes on has the rows of its fleet folder, which somebody may have edited by now.
    there = fleet / "practices.csv" if Folder(fleet.resolve()).setup.exists() else None
    rows = _rows(given) if (given := practices or there) is not None else None
    handle = process.up(
        fleet,
        rows,
        state=state,
        seed=seed,
        delay=delay,
        endpoints=addresses,
        allow_unencrypted=allow_unencrypted,
        keytabs=keytabs,
        admins=admins,
        with_file=True,
    )
    click.echo(f"The lab is up on 127.0.0.1, port {handle.port} (TLS {handle.tls_port}). Fleet: {handle.folder}")
    if goes_on:
        click.echo("Its gateways are as they were left; --state and --seed count for new ones only.", err=True)


@lab.command("down")
@_FLEET
def down() -> None:
    """End the lab. What its machines are is kept."""
    from provisioner.lab.process import client as process

    process.down(_folder())
    click.echo("The lab is down.")


@lab.command("state")
@_FLEET
def state() -> None:
    """What every machine is: one JSON document, the same bytes as long as nothing happens."""
    from provisioner.lab.process import client as process

    machines = process.find(_folder()).state()
    click.echo(json.dumps({"version": 1, "gateways": machines}, indent=1, sort_keys=True))


@lab.command("set")
@_FLEET
@click.option("--rate", "rates", multiple=True, metavar="FAULT=SHARE", help="A fault on a share of all, such as 0.05.")
@click.option("--seed", type=int, default=0, show_default=True, help="Which gateways --rate takes.")
@click.argument("words", nargs=-1, metavar="[GATEWAY FAULT[=VALUE]... | none]")
def set_faults(rates: tuple[str, ...], seed: int, words: tuple[str, ...]) -> None:
    """Give gateways faults, or take them all away (none). GATEWAY is a name or a pattern such as 'A8*'.

    What is given adds to what is there; `none` before it takes that away first.
    """
    from provisioner.lab.process import client as process

    if not rates and not words:
        raise LabError("Which gateway, and which fault?", "Such as: provisioner lab set A81001 offline")
    if len(words) == 1:
        raise LabError(f"Which fault for {words[0]}?", "Such as offline, slow=5 or none.")
    refuse_idle("--seed", "without --rate", not rates and is_typed("seed"))
    handle = process.find(_folder())
    if words:
        _tell(handle.set(words[0], *words[1:]), " ".join(words[1:]))
    for fault, names in handle.spread(dict(_share(rate) for rate in rates), seed).items():
        _tell(names, fault)


@lab.command("events")
@_FLEET
def events() -> None:
    """What happened: one JSON line an event."""
    from provisioner.lab import events as happened
    from provisioner.lab.estate.folder import Folder

    place = Folder(_folder().resolve())
    if not place.setup.exists():
        raise LabError(f"There is no lab in {place.fleet}.", "Start it with provisioner lab up.")
    for event in happened.read(place.events):
        click.echo(json.dumps(event))


def _folder() -> Path:
    return common().fleet or Path()


def _share(rate: str) -> tuple[str, float]:
    """The fault of FAULT=SHARE, which may have a value itself (slow=5=0.1), and its share."""
    fault, _, share = rate.rpartition("=")
    try:
        number = float(share)
    except ValueError:
        number = -1.0
    if not fault or not 0 <= number <= 1:
        raise LabError(f"{rate!r} is no share.", "Give it as FAULT=SHARE, such as offline=0.05.")
    return fault, number


def _tell(names: list[str], words: str) -> None:
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    click.echo(f"{words}: {shown or 'no gateway'}")


def _rows(path: Path) -> list[dict[str, str]]:
    """The rows of a practices.csv, as a spreadsheet may have left it. Errors: InputError."""
    table = csvfile.read(
        path, ("practice",), None, missing="Name a file with the rows, such as a fleet's practices.csv."
    )
    if faults := [fault for fault in table.faults if not fault.warning]:
        raise InputError(f"{path} has no rows for a lab.", "Mend these; see provisioner practices.", faults)
    return [dict(row.cells) for row in table.rows]


for each in lab.commands.values():
    add_common_options(each, f"lab {each.name}")
