"""What is asked of others, and told a security team, as text and as CSV: to be pasted into a ticket by people who never
saw provisioner. Pure."""

import csv
import io
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from provisioner.model.request import Ask, Notice, Request, Site
from provisioner.model.settings import Contact
from provisioner.report import words
from provisioner.report.html import render
from provisioner.report.words import cell

WHAT_IT_IS = (
    "A SystmOne gateway is the one PC at a GP practice through which patients' messages and bookings reach SystmOne. "
    "The Connector, a small Java program of the vendor's (iPLATO), runs on it day and night."
)
COLUMNS = (
    "for", "number", "what", "practice", "practice_name", "gateway", "computer", "source", "destination", "port",
    "protocol", "path", "package", "found", "why", "undo", "done_when", "from",
)  # fmt: skip
NOTICE_COLUMNS = (
    "plan", "practice", "practice_name", "gateway", "computer", "address", "port", "account", "source", "changes",
)  # fmt: skip
_WIDE = 78


@dataclass(frozen=True, kw_only=True)
class Letterhead:
    """What all papers of one writing share: of which audit or plan, of when, and whom to ask."""

    of: str
    at: datetime
    contact: Contact

    @property
    def who(self) -> str:
        """Whom to ask, in words."""
        its = self.contact
        said = [its.name or "the IT team", f"telephone {its.telephone}" if its.telephone else "", its.email]
        return ", ".join(part for part in said if part)


def title(request: Request) -> str:
    """The subject of a ticket or a mail."""
    asked = words.counted(len(request.asks), "request")
    if request.practice:
        return f"SystmOne gateway of practice {request.practice}: {asked}"
    return f"SystmOne gateways: {asked} to {words.owner(request.owner)}"


def text(request: Request, head: Letterhead) -> str:
    """One owner's requests, to be pasted into a ticket."""
    name = next((place.practice_name for ask in request.asks for place in ask.places), "")
    to = f"the practice manager, {name or request.practice}" if request.practice else words.owner(request.owner)
    lines = [title(request), "", f"To: {to}", f"From: {head.who}", f"Date: {words.when(head.at)} ({head.of})", ""]
    lines += [*_wrapped(WHAT_IT_IS), ""]
    for number, ask in enumerate(request.asks, 1):
        lines += [*_asked(number, ask), ""]
    lines += _wrapped(f"When it is done, or where anything is unclear, please tell {head.who}.")
    return words.clean("\n".join(lines)) + "\n"


def table(request: Request, head: Letterhead) -> str:
    """The same as CSV, a row for each gateway and destination; with byte-order mark and CRLF."""
    rows = (
        (
            words.owner(request.owner), str(number), ask.what, place.practice, place.practice_name, place.gateway,
            place.computer, place.source, destination, str(place.port or ""), "TCP" if place.port else "", place.path,
            ask.package, place.found, ask.why, ask.undo, ask.see, head.of,
        )
        for number, ask in enumerate(request.asks, 1)
        for place in ask.places
        for destination in place.destinations or ("",)
    )  # fmt: skip
    return _csv(COLUMNS, rows)


def page(request: Request, head: Letterhead) -> str:
    """The same as a page on which nothing runs."""
    subject = title(request)
    return render("request.html.j2", scripted=False, request=request, head=head, subject=subject, it_is=WHAT_IT_IS)


def notice_text(notice: Notice, head: Letterhead) -> str:
    """What a security team is told before a plan is done."""
    lines = [notice_title(notice), "", "To: the security team", f"From: {head.who}"]
    lines += [f"Date: {words.when(head.at)} ({head.of})", "", *_wrapped(WHAT_IT_IS), ""]
    for name, said in notice_facts(notice):
        lines += _under(name, said)
    lines += ["", "What is set"]
    for name, said in notice.sets:
        lines += _item(f"{name}: {said}")
    lines += ["", "Packages that are fetched, verified by these SHA-256 before they are used"]
    for package in notice.packages:
        lines += _item(f"{package.name}{f', signed by {package.signer}' if package.signer else ''}")
        lines += [f"    {package.location}", f"    {package.sha256}"]
    if not notice.packages:
        lines += _item("none")
    lines += ["", "What you will see on each gateway, and the rules that would fire"]
    for alarm in notice.alarms:
        lines += _item(f"{alarm['log']} {alarm['event']} ({alarm['by']}): {alarm['says']}")
        if alarm["rule"]:
            lines += _wrapped(f"Rule: {alarm['rule']}", "    ")
        lines += [f"    {source}" for source in alarm["source"].split()]
    lines += ["", f"Gateways ({len(notice.places)})"]
    for place in notice.places:
        lines += _item(f"{_who(place)}, {place.source}: {', '.join(notice.does[place.gateway])}")
    lines += ["", *_wrapped(f"To stop it, or where anything is unclear: {head.who}.")]
    return words.clean("\n".join(lines)) + "\n"


def notice_table(notice: Notice) -> str:
    """Its gateways as CSV."""
    rows = (
        (
            notice.plan, place.practice, place.practice_name, place.gateway, place.computer, place.source,
            str(place.port), notice.account, notice.source, ", ".join(notice.does[place.gateway]),
        )
        for place in notice.places
    )  # fmt: skip
    return _csv(NOTICE_COLUMNS, rows)


def notice_page(notice: Notice, head: Letterhead) -> str:
    """The same as a page on which nothing runs."""
    return render(
        "notice.html.j2",
        scripted=False,
        notice=notice,
        head=head,
        subject=notice_title(notice),
        facts=list(notice_facts(notice)),
        it_is=WHAT_IT_IS,
    )


def notice_title(notice: Notice) -> str:
    """The subject of a ticket or a mail."""
    return f"Before a run on SystmOne gateways: {words.counted(len(notice.places), 'gateway')}, plan {notice.plan}"


def notice_facts(notice: Notice) -> Iterator[tuple[str, str]]:
    """Who, from where, how, what and when, each by its name."""
    timing = notice.timing
    yield "Account", notice.account
    yield "Source", notice.source
    yield "Way in", notice.port
    yield "Changes", ", ".join(f"{change} on {count}" for change, count in notice.changes.items())
    yield "Takes", f"about {words.duration(timing.seconds)}; no PC is restarted"
    if timing.opens and timing.closes:
        yield "Hours", "; ".join(text or "at any time" for text in timing.hours)
        yield "Next window", f"{words.when(timing.opens)} to {words.when(timing.closes)}"
    else:
        yield "Hours", "; ".join(text for text in timing.hours if text) or "no hours are set: we tell you when we begin"
    if timing.last:
        yield "Begins by", words.when(timing.last)
    yield "Way back", "what is undone causes the same events, by the same account from the same source"


def where(place: Site) -> str:
    """From where, to where, and what, in words."""
    way = (
        f"from {place.source}, outbound, to {', '.join(place.destinations)}, TCP {place.port}"
        if place.destinations
        else ""
    )
    return "; ".join(part for part in (way or place.source, place.path) if part)


def _asked(number: int, ask: Ask) -> list[str]:
    lines = _wrapped(ask.what, f"{number}. ", "   ")
    for name, said in (("Why", ask.why), ("Undo", ask.undo), ("Done", ask.see), ("Program", ask.package)):
        lines += _under(name, said, "   ") if said else []
    lines += [f"   Where ({words.counted(len(ask.places), 'gateway')}):"]
    for place in ask.places:
        lines += _item(": ".join(part for part in (_who(place), where(place)) if part), "   ")
        lines += _wrapped(f"Found: {place.found}", "     ") if place.found else []
    return lines


def _who(place: Site) -> str:
    pc = place.computer or place.gateway
    return " ".join(part for part in (place.practice, place.practice_name, f"(PC {pc})") if part)


def _under(name: str, said: str, indent: str = "") -> list[str]:
    first = f"{indent}{name + ':':<13}"
    return _wrapped(said, first, " " * len(first)) or [first.rstrip()]


def _item(said: str, indent: str = "") -> list[str]:
    return _wrapped(said, f"{indent}- ", f"{indent}  ")


def _wrapped(said: str, first: str = "", rest: str | None = None) -> list[str]:
    """Lines that a ticket keeps as they are. What is copied from them (an address, a hash, a path) is never broken."""
    rest = first if rest is None else rest
    return textwrap.wrap(
        said, _WIDE, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )


def _csv(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([cell(value) for value in row] for row in rows)
    return f"\ufeff{made.getvalue()}"
