"""An audit, one practice of it, or a plan as one HTML page that asks nothing of any other place.

The content security policy allows only the style and the script printed here, by their hashes: text from a
gateway that got past the escaping could still not run.
"""

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from html import escape
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from provisioner import __version__
from provisioner.errors import InputError
from provisioner.model import Audit, Cause, Control, Evidence, Impact, Plan, Status, Timing
from provisioner.model.results import Stands
from provisioner.model.settings import Contact
from provisioner.report import change, letter, pretty, standing, words
from provisioner.report.trend import Trend
from provisioner.report.view import KINDS, PLAN, STATES, FindingRow, Kind, Machine, State, View, view, views

_MESSAGE = 600
_VALUE = 1_500
# What leaves room for all else on the first page of a change request: so many practices' codes, beside so many changes.
_CODES, _CHANGES = 150, 8
_NOBODY = Contact()
# Beside style.css, by template.
_STYLES = {
    "audit.html.j2": "audit.css",
    "plan.html.j2": "plan.css",
    "practice.html.j2": "letter.css",
    "request.html.j2": "letter.css",
    "notice.html.j2": "letter.css",
}
# How many different rows are remembered, of half a kB each.
_ROWS = 20_000


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One part of a bar: its state's class, its words, how many, and where it lies in percent."""

    kind: str
    name: str
    count: int
    start: float
    width: float


@dataclass(frozen=True, kw_only=True)
class Group:
    """Causes that are the same people's job. `key` marks the two groups that are nobody's yet."""

    title: str
    key: str
    required: tuple[Cause, ...]
    advice: tuple[Cause, ...]


def audit(
    audit: Audit,
    ready: Mapping[str, bool],
    causes: Sequence[Cause],
    facts: str = "",
    trend: Trend | None = None,
) -> str:
    """The whole audit: what is ready, why the rest is not, whose job that is, and every fact behind it; with a `trend`
    how it was in the audits before.

    With `facts`, the name of a folder beside the page, the facts are not in it: they are the files of `facts_of`.
    """
    shown = view(audit, ready, causes)
    return render(
        "audit.html.j2",
        view=shown,
        audit=audit,
        bars=_bars(shown),
        states=STATES,
        headlines=[cause for cause in causes if cause.headline],
        groups=_groups(audit, [cause for cause in causes if not cause.headline]),
        titles={one.name: one.practice_name or one.practice for one in audit.gateways},
        facts=facts,
        anchors=_anchors(shown),
        asks={control.id: control.ask for control in audit.controls},
        trend=trend,
        chips=[state for state in State if shown.count(state)],
    )


def facts_of(audit: Audit, ready: Mapping[str, bool], causes: Sequence[Cause]) -> Iterator[tuple[str, str]]:
    """Each gateway's file of facts, by its name: a script, because a page that was opened as a file may read no others.
    It hands what a page of all would have there, as text, to the page's own script."""
    shown = view(audit, ready, causes)
    # Made once: a template that is rendered makes all the macros that it imports anew.
    parts: Any = _environment().get_template("parts.html.j2").make_module({"drawn": _drawer(), "once": _once()})
    anchors = _anchors(shown)
    for machine in shown.machines:
        name = anchors[machine.gateway.name]
        text = f"{parts.inside(machine)}"
        # Of one line and in ASCII, it is the same script however the file is read.
        yield f"{name}.js", f"provisionerFacts({json.dumps(name)}, {json.dumps(text)});\n"


def letters(
    audit: Audit,
    ready: Mapping[str, bool],
    causes: Sequence[Cause],
    contact: Contact = _NOBODY,
    *,
    evidence: bool = False,
    dates: letter.Dates = letter.NO_DATES,
) -> Callable[[str], str]:
    """What gives the letter to a practice's manager, by its code: what is asked of her, and by when as far as `dates`
    are known, and what others do. It names nobody else's practice; with `evidence` all that was read of its gateways
    follows.

    Errors, of a letter: InputError where the audit has no such practice.
    """
    of = views(audit, ready, causes)

    def to(code: str) -> str:
        shown = of(code)
        if not shown.machines:
            raise InputError(
                f"Audit {audit.id} has no practice {code}.",
                "`provisioner show` lists its practices; --only narrows what an audit reads.",
            )
        # Each is made anew whenever it is looked at.
        machines = list(shown.machines)
        return render(
            "practice.html.j2",
            view=shown,
            audit=audit,
            asks=letter.asked(machines, dates),
            coming=letter.coming(machines, dates),
            others=letter.others(machines),
            read=not shown.count(State.NOT_KNOWN) and not shown.count(State.UNREAD),
            retired=shown.count(State.RETIRED) == len(machines),
            contact=contact,
            evidence=evidence,
            anchors=_anchors(shown),
        )

    return to


def plan(
    plan: Plan,
    names: Mapping[str, str],
    stands: Mapping[str, Stands] = MappingProxyType({}),
    timing: Timing | None = None,
    contact: Contact = _NOBODY,
) -> str:
    """A plan as the change request: what became of it; on the first page all that is decided by; then the details."""
    waves = [(wave, change.places(wave.steps, plan, names)) for wave in plan.waves]
    acts = [step for step in plan.steps if step.kind != "person"]
    people = [step for step in plan.steps if step.kind == "person"]
    kinds = Counter(words.change(step) for step in acts).most_common()
    practices = sorted({step.practice for step in plan.steps})
    return render(
        "plan.html.j2",
        plan=plan,
        names=names,
        waves=[(wave, places, max(place.seconds for place in places)) for wave, places in waves if places],
        kinds=kinds,
        tight=len(kinds) > _CHANGES,
        listed=len(practices) <= _CODES and len(kinds) <= _CHANGES,
        people=people,
        acts=acts,
        exactly=change.exactly(acts),
        size=sum(step.size for step in plan.steps),
        gateways=len({step.gateway for step in acts}),
        practices=practices,
        timing=timing,
        contact=contact,
        waits=Counter(step.who for step in people).most_common(),
        gaps=change.gaps(plan.gaps),
        risks={words.change(step): change.risk(step) for step in acts},
        stops=change.stops(plan.budget),
        command=words.command(plan),
        headline=change.headline(plan),
        became=[(step, stands[step.id]) for step in plan.steps if step.id in stands],
        told=[standing.counted(plan, stands), *standing.who(stands.values())] if stands else [],
    )


def _bars(shown: View) -> list[Bar]:
    """The states that count, as parts of one bar."""
    bars, start = [], 0.0
    for state in (State.READY, State.UNREADY, State.UNREAD):
        count = shown.count(state)
        width = 100 * count / shown.total if shown.total else 0.0
        bars.append(Bar(kind=state, name=STATES[state], count=count, start=start, width=width))
        start += width
    return bars


def _groups(audit: Audit, causes: Iterable[Cause]) -> list[Group]:
    """Causes by whose job they are: what could not be read, then what a plan can mend, then the teams."""
    advice = {control.id for control in audit.controls if control.impact is Impact.ADVICE}
    found: dict[tuple[str, str], tuple[list[Cause], list[Cause]]] = {}
    for cause in causes:
        if cause.status is Status.ERROR:
            key = ("unread", "Could not be read")
        elif cause.status is Status.UNKNOWN and cause.remedy:
            key = ("look", "Somebody must look, or say so in statements.csv")
        elif cause.remedy:
            key = ("plan", "A plan can do this")
        else:
            key = ("team", words.owner(cause.owner))
        found.setdefault(key, ([], []))[cause.control in advice].append(cause)
    order = {"unread": 0, "plan": 1, "team": 2, "look": 3}
    return [
        Group(title=title[:1].upper() + title[1:], key=key, required=tuple(required), advice=tuple(others))
        for (key, title), (required, others) in sorted(found.items(), key=lambda item: order[item[0][0]])
    ]


def _anchors(shown: View) -> dict[str, str]:
    """Where each gateway's section is; by number, because a name may hold anything."""
    return {gateway.name: f"gateway-{number}" for number, gateway in enumerate(shown.machines.gateways, 1)}


def _evidence(evidence: Evidence) -> list[tuple[str, str, float | None, str]]:
    """Each section: its name, its data printed or "", what it took, and why it could not be read."""
    # By their items, because what is packed is then taken apart once.
    sections, errors = dict(evidence.sections.items()), dict(evidence.section_errors.items())
    seconds = dict(evidence.section_seconds.items())
    return [
        (name, pretty.text(sections[name]) if name in sections else "", seconds.get(name), errors.get(name, ""))
        for name in dict.fromkeys([*sections, *errors])
    ]


def _drawer() -> Callable[[Iterable[FindingRow], Callable[[FindingRow], Markup]], Markup]:
    """Draws rows of one page, each different one once: most of thousands of gateways say the same."""
    drawn: dict[tuple[str, ...], Markup] = {}

    def one(row: FindingRow, how: Callable[[FindingRow], Markup]) -> Markup:
        found, fact = row.finding, row.fact
        value, reason = (repr(fact.value), fact.reason) if fact else ("", "")
        key = (found.control, row.kind, row.first, found.expected, found.actual, found.message, value, reason)
        if key not in drawn:
            if len(drawn) == _ROWS:
                drawn.clear()
            drawn[key] = how(row)
        return drawn[key]

    # Not by Markup's own join, which would look at each row's escaping once more.
    return lambda rows, how: Markup("\n".join(one(row, how) for row in rows))  # noqa: S704 - drawn by the template


def _once() -> Callable[..., Markup]:
    """Draws what is drawn of the same values once: of thousands of gateways a section took one of a hundred times."""
    drawn: dict[tuple[Any, ...], Markup] = {}

    def once(how: Callable[..., Markup], *values: Any) -> Markup:
        key = (how, *values)
        if key not in drawn:
            if len(drawn) == _ROWS:
                drawn.clear()
            drawn[key] = how(*values)
        return drawn[key]

    return once


def _look(machine: Machine) -> str:
    """What the summary line of a gateway says is missing."""
    if machine.state is State.OFF:
        return STATES[State.OFF]
    if machine.evidence is not None and machine.evidence.error is not None:
        return words.clip(machine.evidence.error.message, 120)
    return " · ".join(f"{whose} {len(rows)}" for whose, rows in machine.missing.items())


# How many different sections of evidence are remembered, of about a kB each.
@lru_cache(maxsize=4096, typed=True)
def _code(text: str) -> Markup:
    """JSON between tags, where a quotation mark needs no escaping: that is a tenth of the whole page."""
    return Markup(escape(words.clean(text), quote=False))  # noqa: S704 - escaped here


def _finalize(value: Any) -> Any:
    """Everything that a template prints passes here first; autoescaping follows."""
    return words.clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("provisioner.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters.update(
        when=words.when,
        clock=lambda text: words.when(datetime.fromisoformat(text), seconds=True),
        utc=words.utc,
        duration=words.duration,
        size=words.size,
        counted=words.counted,
        only=words.only,
        owner=words.owner,
        change=words.change,
        whose=_whose,
        team=lambda words: words[:1].upper() + words[1:],
        result=lambda result: words.RESULTS[result],
        since=standing.since,
        moment=standing.when,
        message=lambda text: words.clip(text, _MESSAGE),
        value=lambda value: _code(pretty.line(value, _VALUE)),
        code=_code,
        pretty=pretty.text,
        evidence=_evidence,
        look=_look,
    )
    environment.globals.update(
        KINDS=KINDS,
        PLAN=PLAN,
        Kind=Kind,
        State=State,
        Impact=Impact,
        Status=Status,
        version=__version__,
    )
    return environment


def _whose(item: Control | Cause) -> str:
    return words.whose(item)


@cache
def _static(*names: str) -> tuple[Markup, str]:
    """Files that are printed into the page as one, and its hash as the content security policy has it."""
    environment = _environment()
    assert environment.loader is not None
    sources = [environment.loader.get_source(environment, name)[0].strip() for name in names]
    text = "\n".join(sources)
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Markup(text), f"'sha256-{digest}'"  # noqa: S704 - our own file, never a gateway's text


def render(template: str, *, scripted: bool = True, **values: Any) -> str:
    """A page from its template; without a script where it is not `scripted`. With `facts` its script may load others:
    what a gateway said, had it got past the escaping, still may not."""
    # Apart, because the page of a record is held byte for byte against the style that it was written with.
    style, style_hash = _static("style.css", *([_STYLES[template]] if template in _STYLES else []))
    script, script_hash = _static("script.js") if scripted else (Markup(""), "'none'")
    loads = " 'strict-dynamic'" if values.get("facts") else ""
    policy = (
        f"default-src 'none'; style-src {style_hash}; script-src {script_hash}{loads}; img-src data:; base-uri 'none'"
    )
    return (
        _environment()
        .get_template(template)
        .render(
            style=style, script=script, policy=f"{policy}; form-action 'none'", drawn=_drawer(), once=_once(), **values
        )
    )
