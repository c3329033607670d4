"""`provisioner why GATEWAY CONTROL`: one answer, with the reading, the rule, the owner and what it was before."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

import click

from provisioner import resources
from provisioner.audit.scope import is_of
from provisioner.cli import completion
from provisioner.cli.columns import listed, width, wrapped
from provisioner.cli.console import as_json, out
from provisioner.cli.fleets import fleet_on_paper, one_gateway
from provisioner.cli.lookup import look_into
from provisioner.errors import InputError, suggest
from provisioner.journal import Journal
from provisioner.model import Audit, Control, Fact, Finding, Fleet, Gateway, Statement, Status
from provisioner.report import pretty, words
from provisioner.report.folding import cut, flat

_LAST = 10
# Of a page, and of a reading, as much as leaves room for ten answers on a screen of 24 lines.
_PAGE_LINES, _VALUE = 3, 220
# Narrower than that an answer stands below its time.
_ROOM = 60
# Where it is from stands in the page itself.
_SOURCE = re.compile(r" \(https?://[^)]*\)")
_COLUMNS = ("at", "audit", "practice", "gateway", "control", "status", "actual", "message")

Answer = tuple[Audit, Finding]


@click.command("why")
@click.argument("gateway", shell_complete=completion.gateways)
@click.argument("control", shell_complete=completion.controls)
def command(gateway: str, control: str) -> int:
    """Why a gateway has this answer to a control: what was read, by which rule, whose job it is, and since when.

    GATEWAY is a gateway's name or its practice's code, CONTROL an id or so much of its beginning as no other has.
    Touches no gateway.
    """
    fleet = fleet_on_paper()
    row = one_gateway(fleet, gateway)
    with look_into(fleet) as journal:
        answers = list(_answers(journal, fleet, row, control))
    audit, _ = answers[0]
    asked = next(one for one in audit.controls if one.id == answers[0][1].control)
    if as_json():
        out(json.dumps(_document(row, asked, answers), indent=2, default=str))
        return 0
    rows = (
        (words.utc(one.at), one.id, row.practice, row.name, asked.id, finding.status, finding.actual, finding.message)
        for one, finding in answers
    )
    listed(screen(fleet, row, asked, answers), _COLUMNS, rows, after=[following(asked, answers[0][1])])
    return 0


def _answers(journal: Journal, fleet: Fleet, row: Gateway, word: str) -> Iterator[Answer]:
    """The last ten answers of that gateway, the newest first. Errors: InputError where there is none."""
    number, control = 0, ""
    for id_ in journal.kept("audit"):
        found = journal.load(id_, only={row.name})
        if not isinstance(found, Audit) or not is_of(found, fleet) or not found.of(row.name):
            continue
        control = control or _control(word, [one.id for one in found.controls])
        for finding in found.of(row.name):
            if finding.control == control:
                number += 1
                yield found, finding
        if number == _LAST:
            return
    if not number:
        hint = f"provisioner audit --only {row.name}"
        raise InputError(f"{row.name} was not asked {f'for {control}' if control else 'anything'} yet.", hint)


def _control(word: str, ids: Sequence[str]) -> str:
    """The control that is meant: R1 is the requirement of that number, and not R10 too. Errors: InputError where it is
    none, or more than one."""
    start = word.lower()
    beginning = [id_ for id_ in ids if id_.lower().startswith(start)]
    numbered = [id_ for id_ in beginning if id_.lower().startswith(f"{start}-")]
    found = [id_ for id_ in beginning if id_.lower() == start] or numbered or beginning
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(f"{word} could be any of {', '.join(found)}.", "Give more of it.")
    raise InputError(f"There is no control {word}.", suggest(word, ids) or f"There are {', '.join(ids)}.")


def screen(fleet: Fleet, row: Gateway, control: Control, answers: Sequence[Answer]) -> Iterator[str]:
    """One answer in lines: what was read, the rule, whose job it is, what persons say, why it is asked, and the last
    answers, the newest first."""
    (audit, finding), columns = answers[0], width()
    yield from wrapped("", f"{row.name}, {row.practice} {row.practice_name} ({row.role}, at {row.address})", columns)
    yield from wrapped("", f"{control.id}: {control.title} ({control.impact}, {control.requirement})", columns)
    reading = _fact(audit, row, control)
    value = "nothing" if reading is None or reading.value is None else pretty.line(reading.value, _VALUE)
    because = f" ({reading.reason})" if reading and reading.reason else ""
    yield from wrapped("  Answer   ", f"{words.STATUSES[finding.status]}: {finding.message or finding.actual}", columns)
    yield from wrapped("  Reading  ", f"{control.fact} = {value}{because}", columns)
    operand = pretty.line(control.operand, _VALUE)
    rule = f"{control.fact} {control.operator.replace('_', ' ')} {operand}; wanted: {control.wants}"
    yield from wrapped("  Rule     ", rule, columns)
    yield from wrapped("  Owner    ", f"{words.whose(control)}{f': {control.ask}' if control.ask else ''}", columns)
    for said in _said(fleet, row, control, audit):
        yield from wrapped("  Said     ", f"{said.says}, {said.by}, until {said.until}", columns)
    page = wrapped("  Page     ", f"policy/controls/{control.id}.md: {_page(control)}", columns)
    yield from _at_most(page, _PAGE_LINES, columns)
    yield f"The last {words.counted(len(answers), 'answer')}:" if len(answers) > 1 else "The last answer:"
    for one, then in answers:
        start, status = f"  {words.short(one.at)}  ", words.STATUSES[then.status]
        if columns < _ROOM:
            yield from wrapped(start, f"{status}: {then.actual}", columns)
        else:
            yield cut(f"{start}{status:<17}  {flat(then.actual)}", columns)


def _at_most(found: list[str], most: int, columns: int) -> list[str]:
    """So many lines, the last of which says where there were more."""
    return found if len(found) <= most else [*found[: most - 1], cut(f"{found[most - 1]} …", columns)]


def _fact(audit: Audit, row: Gateway, control: Control) -> Fact | None:
    facts: Mapping[str, Fact] = audit.facts.get(row.name, {})
    return facts.get(control.fact)


def _said(fleet: Fleet, row: Gateway, control: Control, audit: Audit) -> list[Statement]:
    """What persons say of it that stood at the last answer."""
    day = audit.at.date()
    every = (*fleet.statements, *fleet.waivers)
    return [one for one in every if one.control == control.id and one.covers(row) and one.stands(day)]


def _page(control: Control) -> str:
    """The first part of the control's page: why it is asked."""
    path = resources.root() / "policy" / "controls" / f"{control.id}.md"
    try:
        text = path.read_text("utf-8")
    except OSError:
        return "this version has no page of it"
    _, _, after = text.partition("## Why")
    return _SOURCE.sub("", " ".join(after.partition("\n## ")[0].split()))


def following(control: Control, finding: Finding) -> str:
    """What to do about it, in one command."""
    if finding.status is Status.ERROR:
        return f"Next: provisioner ping --only {finding.gateway}"
    if finding.status is Status.FAILED and control.remedy:
        return f"Next: provisioner plan --only {finding.gateway} --remedy {control.remedy}"
    return f"Next: provisioner read {finding.gateway}"


def _document(row: Gateway, control: Control, answers: Sequence[Answer]) -> dict[str, object]:
    audit, _ = answers[0]
    fact = _fact(audit, row, control)
    return {
        "version": 1,
        "gateway": row.name,
        "practice": row.practice,
        "control": control.id,
        "title": control.title,
        "impact": control.impact,
        "fact": control.fact,
        "reading": asdict(fact) if fact else None,
        "operator": control.operator,
        "operand": control.operand,
        "wants": control.wants,
        "whose_job": words.whose(control),
        "ask": control.ask,
        "page": f"policy/controls/{control.id}.md",
        "answers": [
            {
                "audit": one.id,
                "at": words.utc(one.at),
                "status": finding.status,
                "expected": finding.expected,
                "actual": finding.actual,
                "message": finding.message,
            }
            for one, finding in answers
        ],
    }
