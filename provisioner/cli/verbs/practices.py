"""`provisioner practices`: open GP practices of the national list, as rows for practices.csv."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import click

from provisioner.cli.columns import listed as put_out
from provisioner.cli.columns import width, wrapped
from provisioner.cli.console import as_json, document, out, say
from provisioner.fleet import listing, ods
from provisioner.fleet.listing import DifferenceKind, FleetPractice, ListDifference
from provisioner.fleet.ods import Practice
from provisioner.report.words import counted

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("practices")
@click.argument("epraccur", metavar="EPRACCUR.csv", type=_FILE)
@click.option("--commissioner", default="", metavar="CODE", help="A sub-ICB location, such as 00L.")
@click.option("--icb", default="", metavar="CODE", help="An ICB, such as QHM.")
@click.option("--system", type=_FILE, metavar="FILE", help="A CSV with each practice's clinical system.")
@click.option("--supplier", default="", metavar="NAME", help="The supplier in that file, such as TPP.")
@click.option("--compare", "own", type=_FILE, metavar="practices.csv", help="What this list and that one differ in.")
@click.option("--successors", type=_FILE, metavar="FILE", help="With --compare: a CSV of who took over from whom.")
def command(
    epraccur: Path,
    commissioner: str,
    icb: str,
    system: Path | None,
    supplier: str,
    own: Path | None,
    successors: Path | None,
) -> int:
    """Print open GP practices as rows for practices.csv: role active, the gateway not known yet.

    With --compare what has changed since a practices.csv was made: closures and mergers, codes that are not listed,
    other names, and with --system and --supplier new practices of the same commissioners (or of those that are
    given). Nothing is written.
    """
    if successors is not None and own is None:
        raise click.UsageError("--successors goes with --compare.")
    if (system is None) != (not supplier):
        raise click.UsageError("--system FILE and --supplier NAME go together.")
    listed = ods.read(epraccur)
    by_code = {practice.code for practice in listed}
    systems = ods.suppliers(system, by_code, supplier) if system is not None else None
    if own is not None:
        wanted = _wanted(listed, listing.entries(own), commissioner, icb, systems, supplier)
        took_over = listing.successors(successors) if successors else {}
        return _compare(epraccur, own, listed, wanted, took_over, told=systems is not None)
    found = ods.select(listed, commissioner=commissioner, icb=icb, systems=systems, supplier=supplier)
    if as_json():
        rows = [
            {
                "practice": practice.code,
                "name": practice.name,
                "commissioner": practice.commissioner,
                "icb": practice.icb,
            }
            for practice in found
        ]
        out(json.dumps({"version": 1, "practices": rows}, indent=2))
    else:
        document(ods.rows(found).rstrip("\n"))
    say(f"{counted(len(found), 'practice')}." + (f" {systems.columns}" if systems is not None else ""))
    return 0


def _wanted(
    listed: Sequence[Practice],
    own: Sequence[FleetPractice],
    commissioner: str,
    icb: str,
    systems: Mapping[str, str] | None,
    supplier: str,
) -> tuple[Practice, ...]:
    """The open practices that the fleet is to have: those asked for, or all of its own commissioners."""
    if commissioner or icb:
        return ods.select(listed, commissioner=commissioner, icb=icb, systems=systems, supplier=supplier)
    codes = {entry.code for entry in own}
    whose = {entry.commissioner for entry in listed if entry.code in codes and entry.open and entry.gp}
    found = ods.select(listed, systems=systems, supplier=supplier)
    return tuple(entry for entry in found if entry.commissioner in whose)


def _compare(
    epraccur: Path,
    own: Path,
    listed: Sequence[Practice],
    wanted: Sequence[Practice],
    took_over: Mapping[str, Sequence[str]],
    *,
    told: bool,
) -> int:
    """`told`: whether those that are wanted are so by their supplier."""
    fleet = listing.entries(own)
    found = listing.differences(fleet, listed, wanted if told else (), took_over)
    latest = listing.newest(listed, datetime.now(UTC).date())
    remarks = _remarks(epraccur, own, latest) + ([] if told else _untold(fleet, wanted, own))
    if as_json():
        rows = [dict(zip(listing.COLUMNS, listing.row(one), strict=True)) for one in found]
        out(json.dumps({"version": 1, "newest": str(latest or ""), "remarks": remarks, "differences": rows}, indent=2))
        return 0
    for remark in remarks:
        say(f"warning: {remark}")
    head = f"{counted(len(fleet), 'practice')} of {own.name}, held against {len(listed):,} entries of {epraccur.name}"
    newest = f", whose newest date is {latest}" if latest else ""
    put_out(_lines(f"{head}{newest}.", found), listing.COLUMNS, map(listing.row, found), after=_next(found, own))
    return 0


def _remarks(epraccur: Path, own: Path, latest: date | None) -> list[str]:
    made = datetime.fromtimestamp(own.stat().st_mtime, UTC).date()
    if listing.is_old(latest, made):
        return [
            f"{epraccur.name} knows nothing after {latest}, and {own.name} is of {made}: the list is older than the "
            "fleet. Download it anew before you believe it."
        ]
    return [] if latest else [f"{epraccur.name} has no dates: how old it is cannot be told."]


def _untold(fleet: Sequence[FleetPractice], wanted: Sequence[Practice], own: Path) -> list[str]:
    """The list has the practices of every supplier: which of them the fleet is to have it does not say."""
    others = {entry.code for entry in wanted} - {entry.code for entry in fleet}
    if not others:
        return []
    are = "is" if len(others) == 1 else "are"
    return [
        f"{counted(len(others), 'other open practice')} of the same commissioners {are} "
        f"not in {own.name}. Which of them are new ones for it only the clinical system tells: --system FILE "
        "--supplier NAME."
    ]


def _lines(head: str, found: Sequence[ListDifference]) -> Iterator[str]:
    yield head
    for kind in DifferenceKind:
        its = [one for one in found if one.kind is kind]
        if its:
            yield f"{kind[0].upper()}{kind[1:]} ({len(its)}):"
        for one in its:
            where = f" ({', '.join(one.gateways)})" if one.gateways else ""
            yield from wrapped(f"  {one.code:<7} ", f"{one.name}{where}: {one.words}", width())
    if not found:
        yield "Nothing differs."


def _next(found: Sequence[ListDifference], own: Path) -> list[str]:
    if any(one.kind is DifferenceKind.CLOSED and not one.settled for one in found):
        return [f"Next: in {own.name} the role retired for what has closed; then provisioner audit, plan and apply"]
    if any(one.kind is DifferenceKind.NEW for one in found):
        return [f"Next: rows for the new ones in {own.name}; then provisioner find --directory"]
    return []
