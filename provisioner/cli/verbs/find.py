"""`provisioner find`: which PC is a practice's gateway?"""

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from provisioner.cli.columns import listed, width, wrapped
from provisioner.cli.console import as_json, ask_password, out, say
from provisioner.cli.fleets import asked_for, whole_fleet
from provisioner.cli.options import common
from provisioner.evidence.reader import Reader, directory
from provisioner.find import looking, rows
from provisioner.find.candidate import Candidate, Likelihood, in_order
from provisioner.find.knocking import estimate, knock, winrm_answers
from provisioner.find.matching import Matcher, pairings
from provisioner.fleet import ranges
from provisioner.model import Evidence, Fleet
from provisioner.report.folding import flat
from provisioner.report.words import counted

_NEWS_SECONDS = 5.0
_COLUMNS = (
    "practice", "practice_name", "computer", "address", "likelihood", "role", "suggested_role", "score", "reasons",
    "matched", "windows", "last_logon", "ou", "description",
)  # fmt: skip
_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("find")
@click.option("--directory", "from_directory", is_flag=True, help="Look at the domain's computers.")
@click.option("--addresses", metavar="RANGE", help="Knock on a part of find.ranges: 10.1.2.0/24, or FIRST-LAST.")
@click.option("--ou", default="", metavar="DN", help="With --directory: only below this place.")
@click.option("--name", default="", metavar="PATTERN", help="With --directory: only computers so named; * and ?.")
@click.option(
    "--table", "pairs", type=_FILE, metavar="FILE", help="A CSV with name patterns or OUs, and whose they are."
)
@click.option("--no-read", is_flag=True, help="Log in to no PC: only list what is there.")
@click.option("--output", type=_FILE, metavar="FILE", help="Write new rows for practices.csv there.")
def command(
    from_directory: bool,
    addresses: str | None,
    ou: str,
    name: str,
    pairs: Path | None,
    no_read: bool,
    output: Path | None,
) -> int:
    """Say which PC is a practice's gateway, and why: those of the domain's directory, or at addresses.

    Reads them and changes nothing. In a pipe: rows with tabs. Exit 3 when some could not be read.
    """
    if from_directory == (addresses is not None):
        raise click.UsageError("Give one of --directory and --addresses RANGE.")
    if addresses is not None and (ou or name):
        raise click.UsageError("--ou and --name go with --directory.")
    fleet = whole_fleet(warnings=False)
    wanted = looking.practices(asked_for(fleet))
    if output is not None:
        rows.check(output, Path(fleet.folder))
    matcher = Matcher(looking.practices(fleet), pairings(pairs) if pairs else ())
    if addresses is not None:
        found = _at_addresses(addresses, fleet, matcher, no_read)
    else:
        found = _in_directory(fleet, matcher, ou, name, no_read, wanted)
    if common().only:
        found = looking.for_practices(found, wanted)
    found = in_order(found)
    _show(found, read=not no_read)
    if output is not None:
        _write(found, output, fleet, read=not no_read)
    unread = [one for one in found if one.practice and one.likelihood is Likelihood.UNREAD]
    return 3 if unread and not no_read else 0


def _in_directory(
    fleet: Fleet, matcher: Matcher, ou: str, name: str, no_read: bool, wanted: dict[str, str]
) -> list[Candidate]:
    """The domain's computers; those of a practice of ours are read."""
    # Loaded here: who looks at addresses needs no directory.
    from provisioner.directory.computers import computers

    # Of Kerberos the ticket is the same for both; otherwise nobody is asked for a password who reads no PC.
    reads = not no_read or fleet.settings.connection.transport == "kerberos"
    reader = Reader(fleet, ask_password) if reads else None
    domain = directory(fleet, reader.ticket if reader else None)
    try:
        there = computers(domain, ou, name)
    finally:
        domain.close()
    say(f"{counted(len(there), 'computer')} in {ou or domain.base} ({domain.server}).")
    found = looking.of_computers(there, looking.KnownRows(fleet), matcher)
    if reader is None or no_read:
        return found
    ours = [one for one in found if one.practice in wanted or (one.practice and not common().only)]
    left = set(found).difference(ours)
    others = [one for one in found if one in left]
    return [*_read(ours, fleet, reader), *others]


def _at_addresses(text: str, fleet: Fleet, matcher: Matcher, no_read: bool) -> list[Candidate]:
    """What answers in a range; all of it is read, to know what it is."""
    settings = fleet.settings
    wanted = ranges.allowed(text, settings.find.ranges, lab=settings.lab)
    reader = None if no_read else Reader(fleet, ask_password)
    addresses, port = list(wanted.addresses()), looking.port(settings.connection)
    seconds = estimate(len(addresses))
    say(f"{counted(len(addresses), 'address', 'addresses')}, port {port}: at most {_span(seconds)}. Ctrl-C ends it.")
    path, tls = settings.connection.path, settings.connection.tls
    answers = _knocked(addresses, lambda one: winrm_answers(one, port, path.replace("{gateway}", one), tls))
    known = looking.KnownRows(fleet)
    found = [looking.matched(one, known, matcher) for one in looking.of_addresses(answers, looking.reverse_name)]
    if reader is None:
        return found
    return [looking.matched(one, known, matcher) for one in _read(found, fleet, reader)]


def _knocked(addresses: Sequence[str], ask: Any) -> list[str]:
    """The addresses at which something answers, in their order, with news now and then."""
    answers, news = set[str](), time.monotonic() + _NEWS_SECONDS
    for number, (address, there) in enumerate(knock(addresses, ask), 1):
        answers |= {address} if there else set()
        if time.monotonic() > news or number == len(addresses):
            say(f"find {number}/{len(addresses)}: WinRM answers at {len(answers)}")
            news = time.monotonic() + _NEWS_SECONDS
    return [one for one in addresses if one in answers]


def _read(candidates: Sequence[Candidate], fleet: Fleet, reader: Reader) -> list[Candidate]:
    # Loaded here: who only lists needs neither policy nor progress.
    from provisioner.audit.shipped import open_policy
    from provisioner.cli.progress import reading

    def observe(evidence: Iterator[Evidence], total: int) -> Iterator[Evidence]:
        return reading(evidence, total, "find")

    return looking.read(candidates, fleet, reader, open_policy().lifecycle, observe)


def _span(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 120 else f"{seconds / 60:.0f} minutes"


def _show(found: Sequence[Candidate], *, read: bool) -> None:
    if as_json():
        out(json.dumps({"version": 1, "read": read, "computers": [_object(one) for one in found]}, indent=2))
        return
    after = list(_sums(found, read=read)) if found else ["No computer was found."]
    listed(screen(found, width(), read=read), _COLUMNS, (_row(one, read=read) for one in found), after=after)


def screen(found: Sequence[Candidate], columns: int, *, read: bool) -> Iterator[str]:
    """Computers in lines: which, of which practice, at which address and if it is its gateway, and below it why."""
    for one in found:
        last = f"last log-on {one.last_logon:%Y-%m-%d}" if one.last_logon else ""
        is_it = (str(one.likelihood) if read else "") + (f" ({one.role})" if one.role else "")
        # A name or an address that is cut is of no use.
        yield "  ".join(flat(part) for part in (one.practice or "no practice", one.name, one.address, is_it) if part)
        origin = "; ".join(filter(None, (one.matched, one.windows, last, one.ou, one.description)))
        for words in ("; ".join(one.reasons), origin):
            yield from wrapped("    ", words, columns) if words else ()
    if found:
        yield ""


def _sums(found: Sequence[Candidate], *, read: bool) -> Iterator[str]:
    """How many there are of each kind; and the practices of which several PCs look like the gateway."""
    matched = [one for one in found if one.practice]
    of_none = f"{len(found) - len(matched)} of none"
    if not read:
        yield f"{counted(len(found), 'computer')}: {len(matched)} of a practice, {of_none}."
        return
    each = [(kind, sum(one.likelihood is kind for one in matched)) for kind in Likelihood]
    yield f"Of a practice: {', '.join(f'{number} {kind}' for kind, number in each)}; {of_none}."
    practices = [one.practice for one in matched if one.likelihood is Likelihood.GATEWAY]
    for code in sorted({code for code in practices if practices.count(code) > 1}):
        yield f"{code}: {practices.count(code)} PCs look like the gateway. A person says which one it is."


def _row(one: Candidate, *, read: bool) -> list[object]:
    found = {**_object(one), "reasons": "; ".join(one.reasons), "likelihood": str(one.likelihood) if read else ""}
    return ["" if found[name] is None else found[name] for name in _COLUMNS]


def _object(one: Candidate) -> dict[str, object]:
    return {
        "practice": one.practice, "practice_name": one.practice_name, "computer": one.name, "address": one.address,
        "matched": one.matched, "role": one.role, "suggested_role": "" if one.role or not one.practice else "candidate",
        "likelihood": str(one.likelihood), "score": one.score, "reasons": list(one.reasons), "windows": one.windows,
        "last_logon": one.last_logon.isoformat() if one.last_logon else None, "ou": one.ou,
        "description": one.description,
    }  # fmt: skip


def _write(found: Sequence[Candidate], output: Path, fleet: Fleet, *, read: bool) -> None:
    kept = rows.worth(found, read=read)
    rows.write(output, rows.text(kept, Path(fleet.folder)))
    there = sum(bool(one.role) for one in found)
    say(f"{output}: {counted(len(kept), 'row')}, role candidate. {there} of those found are in practices.csv already.")
