"""`provisioner report`: an audit or a plan as html, csv, json or junit."""

import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import click

from provisioner import files
from provisioner.audit.evaluate import readiness
from provisioner.audit.scope import is_of, is_whole, scoped
from provisioner.cli.completion import ids
from provisioner.cli.console import document as put_out
from provisioner.cli.console import say
from provisioner.cli.fleets import fleet_on_paper
from provisioner.cli.lookup import KINDS, look_into, lookup, practice_names
from provisioner.cli.verbs.show import show
from provisioner.errors import InputError
from provisioner.execute.timing import timing
from provisioner.journal import Journal, standing
from provisioner.migration.stand import moving, no_letter
from provisioner.model import Audit, Fleet, Plan
from provisioner.model.results import Stands
from provisioner.plan.causes import causes
from provisioner.report import csv, html, json, junit
from provisioner.report.letter import NO_DATES, Dates
from provisioner.report.trend import Point, Trend, trend
from provisioner.report.view import view

# How an audit is written, by format, and how a plan is, which is no list of findings.
_AUDITS: Mapping[str, Callable[[Audit, Fleet], str]] = {
    "html": lambda audit, fleet: page(audit, fleet),
    "csv": lambda audit, fleet: csv.audit(audit, readiness(audit), causes(audit, fleet)),
    "json": lambda audit, fleet: json.audit(audit, readiness(audit)),
    "junit": lambda audit, fleet: junit.audit(audit, readiness(audit)),
}
# Those that can be long, a piece at a time.
_PIECES: Mapping[str, Callable[[Audit, Fleet], Iterable[str]]] = {
    "csv": lambda audit, fleet: csv.pieces(audit, readiness(audit), causes(audit, fleet)),
    "json": lambda audit, fleet: json.pieces(audit, readiness(audit)),
    "junit": lambda audit, fleet: junit.pieces(audit, readiness(audit)),
}
_PLANS: Mapping[str, Callable[[Plan, Fleet, Mapping[str, Stands]], str]] = {
    "html": lambda plan, fleet, stands: html.plan(
        plan,
        practice_names(fleet),
        stands,
        timing(plan, fleet, datetime.now(UTC), os.cpu_count() or 1),
        fleet.settings.contact,
    ),
    "json": lambda plan, fleet, stands: json.plan(plan, stands),
}


# With the facts of more gateways than these one page is too large to be looked at: 23 kB each.
_IN_ONE_PAGE = 300
# So many audits are in the small picture of how it was.
_PAST = 12
# And no more gateways than that of audits of before it was kept how they came out: they are read whole.
_PAST_GATEWAYS = 5_000


@click.command("report")
@click.argument("id_", metavar="[AUDIT|PLAN]", required=False, shell_complete=ids())
@click.option("--as", "as_", type=click.Choice(list(_AUDITS)), help="The format; html where nothing is said.")
@click.option("--output", type=click.Path(path_type=Path), help="The file, or the folder with --per-practice.")
@click.option("--per-practice", is_flag=True, help="A letter to each practice, which shows nobody else. html only.")
@click.option("--evidence", is_flag=True, help="With --per-practice: all that was read follows each letter.")
def command(id_: str | None, as_: str | None, output: Path | None, per_practice: bool, evidence: bool) -> int:
    """Write an audit (default: the latest of the whole fleet) or a plan as a document. No gateway is touched.

    A plan as html is the change request: what, where, when, risk, the way back. On a terminal, with neither --as nor
    --output, it is shown as `provisioner show` does.
    """
    if evidence and not per_practice:
        raise InputError("--evidence belongs to --per-practice.", "An audit's page has all evidence without it.")
    fleet = fleet_on_paper()
    with look_into(fleet) as journal:
        of_audits_alone = per_practice or (as_ is not None and as_ not in _PLANS)
        found = lookup(journal, id_, fleet, ("audit",) if of_audits_alone else KINDS)
        stands = standing.stands(journal, found.id) if isinstance(found, Plan) else {}
        if not (as_ or output or per_practice) and sys.stdout.isatty():
            show(found, fleet, journal)
            return 0
        as_ = as_ or "html"
        drawn = isinstance(found, Audit) and as_ == "html" and not per_practice
        past = so_far(journal, found, fleet) if drawn and isinstance(found, Audit) else None
        asked_by, moves = NO_DATES, moving(journal) if per_practice else []
        if per_practice and isinstance(found, Audit):
            # With it comes all that reads gateways: 25 MB that no other report needs.
            from provisioner.cli.verbs.forecast import letter_dates

            asked_by = letter_dates(journal, fleet, found, datetime.now(UTC))
    if per_practice:
        if not isinstance(found, Audit) or as_ != "html" or output is None:
            raise InputError("--per-practice makes html pages of an audit, in a folder.", "Give --output FOLDER.")
        number = write_pages(output, practice_pages(found, fleet, evidence=evidence, dates=asked_by, but=moves))
        say(f"{number} pages in {output}")
        for practice in sorted({row.practice for row in found.gateways} & set(moves)):
            say(no_letter(practice))
        return 0
    if isinstance(found, Audit) and as_ == "html" and output is not None and len(found.evidence) > _IN_ONE_PAGE:
        say(f"{output} written, and the facts of each gateway in {write_at_size(output, found, fleet, past)}")
        return 0
    if output is None:
        put_out(page(found, fleet, past) if past and isinstance(found, Audit) else document(found, as_, fleet, stands))
    elif isinstance(found, Audit) and as_ in _PIECES:
        write(output, _PIECES[as_](found, fleet))
        say(f"{output} written")
    else:
        write(
            output,
            page(found, fleet, past) if past and isinstance(found, Audit) else document(found, as_, fleet, stands),
        )
        say(f"{output} written")
    return 0


def document(found: Audit | Plan, as_: str, fleet: Fleet, stands: Mapping[str, Stands] = MappingProxyType({})) -> str:
    """The whole document as text. Errors: InputError for a format that a plan has not."""
    if isinstance(found, Audit):
        return _AUDITS[as_](found, fleet)
    if as_ not in _PLANS:
        raise InputError(f"A plan cannot be written as {as_}.", f"It can as {' and as '.join(_PLANS)}.")
    return _PLANS[as_](found, fleet, stands)


def page(audit: Audit, fleet: Fleet, past: Trend | None = None) -> str:
    """The page of an audit, with how it was in the audits before."""
    return html.audit(audit, readiness(audit), causes(audit, fleet), trend=past)


def so_far(journal: Journal, audit: Audit, fleet: Fleet) -> Trend | None:
    """How many gateways were ready in the audits of this whole fleet up to that one; None where that one is of a part,
    or there was none before."""
    points, read = list[Point](), 0
    for id_ in journal.kept("audit") if is_of(audit, fleet) and is_whole(audit, fleet) else ():
        one = audit if id_ == audit.id else journal.load(id_, only=())
        if isinstance(one, Audit) and one.at <= audit.at and is_of(one, fleet) and is_whole(scoped(one, fleet), fleet):
            ready, total = one.came_out or _came_out(journal.load(id_))
            points.append(Point(at=one.at, ready=ready, total=total))
            read += 0 if one.came_out else total
        if len(points) == _PAST or read > _PAST_GATEWAYS:
            break
    return trend(points[::-1])


def _came_out(audit: Audit | Plan) -> tuple[int, int]:
    assert isinstance(audit, Audit)
    return view(audit, readiness(audit), ()).came_out


def write_at_size(output: Path, audit: Audit, fleet: Fleet, past: Trend | None = None) -> Path:
    """A page of many gateways, and the folder of their facts beside it, which is given. Errors: InputError."""
    folder = output.with_name(f"{output.stem}-facts")
    ready, found = readiness(audit), causes(audit, fleet)
    pages = ((name, text.encode()) for name, text in html.facts_of(audit, ready, found))
    try:
        files.write_folder(folder, pages, r"gateway-\d+\.js")
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror}.", "Give another --output.") from error
    write(output, html.audit(audit, ready, found, folder.name, past))
    return folder


def practice_pages(
    audit: Audit, fleet: Fleet, *, evidence: bool = False, dates: Dates = NO_DATES, but: Collection[str] = ()
) -> Iterator[tuple[str, str]]:
    """A letter to each practice that was audited `but` some, after its code; one at a time, for all are large."""
    ready, found = readiness(audit), causes(audit, fleet)
    read = {one.gateway for one in audit.evidence}
    codes = dict.fromkeys(gateway.practice for gateway in audit.gateways if gateway.name in read)
    letter = html.letters(audit, ready, found, fleet.settings.contact, evidence=evidence, dates=dates)
    return ((code, letter(code)) for code in codes if code not in but)


def write_pages(folder: Path, pages: Iterable[tuple[str, str]]) -> int:
    """Write pages by their practice's code into one folder, which is made if need be; how many they were. Errors:
    InputError."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made: {error.strerror}.", "Give another --output.") from error
    written = 0
    for code, page in pages:
        write(folder / f"{code}.html", page, lasting=False)
        written += 1
    return written


def write(path: Path, text: str | Iterable[str], *, lasting: bool = True) -> None:
    """A file in a folder that is there, whole or not at all, as `files.write`. Errors: InputError where it cannot be
    written."""
    pieces = (text,) if isinstance(text, str) else text
    try:
        files.write(path, (piece.encode("utf-8", "replace") for piece in pieces), lasting=lasting)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.", "Give another --output.") from error
