"""`provisioner requests`: what each owner of a gap is asked, and a security team is told, as papers for tickets."""

import json
import os
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import click

from provisioner import files
from provisioner import fleet as fleets
from provisioner.audit.evaluate import readiness
from provisioner.audit.scope import is_of
from provisioner.cli.completion import ids
from provisioner.cli.console import as_json, folded, out, say
from provisioner.cli.fleets import fleet_on_paper
from provisioner.cli.lookup import look_into, narrowed, resolved, wanted_audit
from provisioner.cli.options import common
from provisioner.cli.verbs.forecast import letter_dates
from provisioner.errors import InputError
from provisioner.execute.timing import timing
from provisioner.fleet.contact import EMAIL, why_not_email
from provisioner.journal import Journal
from provisioner.migration.stand import moving, no_letter
from provisioner.model import Audit, Cause, Fleet, Plan
from provisioner.model.request import Notice, Request, Site
from provisioner.plan import rollout as planning
from provisioner.plan.causes import causes
from provisioner.plan.requests import requests, works
from provisioner.plan.security import notice
from provisioner.report import html, mail, words
from provisioner.report import requests as papers
from provisioner.report.letter import NO_DATES, Dates
from provisioner.report.requests import Letterhead
from provisioner.report.words import part

Emails = Callable[[str], Mapping[str, str]]

_SECURITY = "security"
# An existing folder is taken only where it is empty: a person may have written into what we wrote.
_NOTHING = r"(?!)"


@click.command("requests")
@click.argument("id_", metavar="[AUDIT|PLAN]", required=False, shell_complete=ids())
@click.option("--output", type=click.Path(path_type=Path), required=True, metavar="FOLDER", help="New, or empty.")
def command(id_: str | None, output: Path) -> int:
    """Write what each owner of a gap is asked (default: by the latest audit of the whole fleet), ready for a ticket.

    For each owner a text, a page and a CSV; for each practice that has to do something a letter of its own. Of a PLAN
    also what the security team is told before it is done. No gateway is touched, and nothing is sent.
    """
    fleet = fleet_on_paper()
    now = datetime.now(UTC)
    with look_into(fleet) as journal:
        plan, audit = _found(journal, id_, fleet)
        dates = letter_dates(journal, fleet, audit, now) if audit else NO_DATES
        moves = moving(journal)
    if plan:
        dates = replace(dates, works=works(plan, fleet, now))
    # By what all gateways have: many that say the same are a cause of their own.
    found = causes(audit, fleet) if audit else ()
    if common().only:
        plan, audit = _only(plan, audit, fleet)
    source = _source(fleet)
    asked = _but(_asked(plan, audit, found, fleet, source, dates), moves)
    told = notice(plan, fleet, timing(plan, fleet, datetime.now(UTC), os.cpu_count() or 1), source) if plan else None
    told = told if told and told.places else None
    of = _of(plan, audit)
    emails = _emails(fleet)
    if not asked and told is None:
        _print(output, of, [], None, {}, emails)
        return 0
    head = Letterhead(of=of, at=audit.at if audit else datetime.now(UTC), contact=fleet.settings.contact)
    letters = _letters(audit, found, fleet, dates)
    written = {name: text for request in asked for name, text in _of_request(request, head, letters, emails)}
    if told:
        written |= dict(_of_notice(told, replace(head, at=datetime.now(UTC)), emails))
    _write(output, written)
    _print(output, of, asked, told, written, emails)
    return 0


def _found(journal: Journal, id_: str | None, fleet: Fleet) -> tuple[Plan | None, Audit | None]:
    """The plan, None where an audit is meant; and the audit behind it, None where that is not kept any more."""
    word = resolved(journal, id_) if id_ else None
    found = journal.load(word) if word else None
    if not isinstance(found, Plan):
        return None, wanted_audit(journal, word, fleet)
    here = {row.name for row in fleet.gateways}
    if strange := sorted({step.gateway for step in found.steps} - here):
        message = f"{found.id} is a plan for gateways that this fleet folder does not have, such as {strange[0]}."
        raise InputError(message, "Give the folder that it was made in (--fleet), or plan again.")
    # What others have to do is asked with the plan that mends: of a way back or a move it is told what it does.
    if found.kind != "rollout":
        return found, None
    with suppress(InputError):
        audit = journal.load(found.audit)
        if isinstance(audit, Audit) and is_of(audit, fleet):
            return found, audit
    say(f"warning: the audit of {found.id} is not in this journal: only the security team's paper is written.")
    return found, None


def _of(plan: Plan | None, audit: Audit | None) -> str:
    """By what it is asked: a part of the fleet is named as one, for what is not in it is asked of nobody."""
    is_part = (part(audit) if audit else "") or (plan.part if plan else "")
    of = f"plan {plan.id}" if plan else f"audit {audit.id}" if audit else ""
    return f"{of}, only a part: {is_part}" if is_part else of


def _only(plan: Plan | None, audit: Audit | None, fleet: Fleet) -> tuple[Plan | None, Audit | None]:
    """Both as far as they are of the gateways that --only names."""
    # One whose PC is not known yet has no name of its own.
    chosen = {(gateway.practice, gateway.name) for gateway in fleets.only(fleet, common().only).gateways}
    if audit:
        kept = tuple(gateway for gateway in audit.gateways if (gateway.practice, gateway.name) in chosen)
        others = {row.name: row.practice for row in audit.gateways if row.known and row not in kept}
        audit = replace(audit, gateways=kept, left_out={**(audit.left_out or {}), **others})
    if plan:
        gaps = tuple(gap for gap in plan.gaps if (gap.practice, gap.gateway) in chosen)
        plan = replace(narrowed(plan, lambda step: (step.practice, step.gateway) in chosen), gaps=gaps)
    return plan, audit


def _asked(
    plan: Plan | None, audit: Audit | None, found: Sequence[Cause], fleet: Fleet, source: str, dates: Dates
) -> tuple[Request, ...]:
    """What each owner is asked; of an audit, by a plan that would be made of it now."""
    if audit is None:
        return ()
    gaps = plan.gaps if plan else planning.left_to_others(audit, fleet, datetime.now(UTC))
    return requests(gaps, audit, found, fleet, source, dates)


def _but(asked: Sequence[Request], moves: Sequence[str]) -> tuple[Request, ...]:
    """Without the letters to practices that are being moved, which are told."""
    for practice in sorted({one.practice for one in asked} & set(moves)):
        say(no_letter(practice))
    return tuple(one for one in asked if one.practice not in moves)


def _letters(audit: Audit | None, found: Sequence[Cause], fleet: Fleet, dates: Dates) -> Callable[[str], str]:
    """What gives the letter to a practice, by its code."""
    if audit is None:
        return lambda _: ""
    return html.letters(audit, readiness(audit), found, fleet.settings.contact, dates=dates)


def _of_request(
    request: Request, head: Letterhead, letters: Callable[[str], str], emails: Emails
) -> Iterator[tuple[str, bytes]]:
    """The files of one owner's requests: text, page, CSV, and a draft for each address."""
    page = letters(request.practice) if request.practice else papers.page(request, head)
    yield f"{request.name}.txt", papers.text(request, head).encode()
    yield f"{request.name}.html", page.encode("utf-8", "replace")
    yield f"{request.name}.csv", papers.table(request, head).encode()
    known, addresses = emails(request.owner), dict[str, set[str]]()
    for name in request.gateways:
        if name in known:
            addresses.setdefault(known[name], set()).add(name)
    for number, (address, gateways) in enumerate(addresses.items(), 1):
        part = _part(request, gateways)
        name = f"{request.name}{f'-{number}' if len(addresses) > 1 else ''}"
        attached = [(f"{request.name}.csv", "csv", papers.table(part, head))]
        yield f"{name}.eml", mail.draft(address, papers.title(part), papers.text(part, head), attached)


def _of_notice(told: Notice, head: Letterhead, emails: Emails) -> Iterator[tuple[str, bytes]]:
    """The files of what the security team is told; whoever has its address hears of the whole run."""
    text, table = papers.notice_text(told, head), papers.notice_table(told)
    yield f"{_SECURITY}.txt", text.encode()
    yield f"{_SECURITY}.html", papers.notice_page(told, head).encode("utf-8", "replace")
    yield f"{_SECURITY}.csv", table.encode()
    known = emails(_SECURITY)
    addresses = dict.fromkeys(known[place.gateway] for place in told.places if place.gateway in known)
    for number, address in enumerate(addresses, 1):
        name = f"{_SECURITY}{f'-{number}' if len(addresses) > 1 else ''}"
        subject = papers.notice_title(told)
        yield f"{name}.eml", mail.draft(address, subject, text, [(f"{_SECURITY}.csv", "csv", table)])


def _part(request: Request, gateways: set[str]) -> Request:
    """The requests at these gateways."""
    asks = (replace(ask, places=_at(ask.places, gateways)) for ask in request.asks)
    return replace(request, asks=tuple(ask for ask in asks if ask.places))


def _at(places: Sequence[Site], gateways: set[str]) -> tuple[Site, ...]:
    return tuple(place for place in places if place.gateway in gateways)


def _emails(fleet: Fleet) -> Emails:
    """What gives where an owner is written to, by gateway: the column OWNER_email of practices.csv."""

    # Each practice that is asked something has a paper of its own.
    @cache
    def of(owner: str) -> Mapping[str, str]:
        column = f"{owner.replace('-', '_')}{EMAIL}"
        given = ((row.name or row.practice, row.variables.get(column, "")) for row in fleet.gateways)
        return {name: email for name, email in given if email and not why_not_email(email)}

    return of


def _source(fleet: Fleet) -> str:
    """This computer: its name, and the address by which it reaches the first gateway. Nothing is sent to find that."""
    host = socket.gethostname()
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        for row in fleet.known[:1]:
            asked.connect((row.address, row.port))
            return f"{host} ({asked.getsockname()[0]})"
    return host


def _write(output: Path, written: dict[str, bytes]) -> None:
    try:
        files.write_folder(output, written.items(), _NOTHING)
    except FileExistsError as error:
        raise InputError(f"{output} is not empty: {error.strerror}.", "Give a new folder: --output FOLDER.") from error
    except OSError as error:
        raise InputError(f"{output} cannot be written: {error.strerror}.", "Give another --output.") from error


def _print(
    output: Path,
    of: str,
    asked: Sequence[Request],
    told: Notice | None,
    written: dict[str, bytes],
    emails: Emails,
) -> None:
    """What was written for whom, and for whom there is no draft."""
    if as_json():
        said = [
            {"owner": one.owner, "practice": one.practice, "asks": len(one.asks), "gateways": list(one.gateways)}
            for one in asked
        ]
        body = {"version": 1, "of": of, "folder": str(output) if written else "", "requests": said}
        out(json.dumps({**body, "security": bool(told), "files": sorted(written)}, indent=2))
        return
    if not written:
        folded(f"Nothing to ask of anybody, by {of}: nothing is written.")
        return
    teams = [one for one in asked if not one.practice]
    for one in teams:
        folded(
            f"{one.owner:<10} {words.counted(len(one.asks), 'request')}, {_gateways(len(one.gateways))}: {one.name}.txt"
        )
    if letters := [one for one in asked if one.practice]:
        more = " and so on" if len(letters) > 1 else ""
        folded(f"{'practice':<10} {words.counted(len(letters), 'letter')}: {letters[0].name}.txt{more}")
    if told:
        folded(f"{_SECURITY:<10} {_gateways(len(told.places))}, before the run: {_SECURITY}.txt")
    drafts = sum(name.endswith(".eml") for name in written)
    mails = f", and {words.counted(drafts, 'draft')} of a mail (.eml)" if drafts else ""
    folded(f"{output}: each as .txt, .html and .csv{mails}.")
    _undrafted(asked, told, emails)
    if not told:
        folded("Next: put each into a ticket of its owner.")
        folded("Before a run, for the security team: provisioner requests PLAN --output FOLDER")


def _undrafted(asked: Sequence[Request], told: Notice | None, emails: Emails) -> None:
    """For whom no draft was written, because a row has no address."""
    lacking: Counter[str] = Counter()
    for one in asked:
        known = emails(one.owner)
        lacking[one.owner] += sum(name not in known for name in one.gateways)
    if told and not emails(_SECURITY):
        lacking[_SECURITY] = len(told.places)
    missing = [f"{owner.replace('-', '_')}{EMAIL} ({count})" for owner, count in lacking.items() if count]
    if missing:
        say("No draft where practices.csv has no address in the column (gateways):")
        say(f"  {', '.join(missing)}")


def _gateways(count: int) -> str:
    return words.counted(count, "gateway")
