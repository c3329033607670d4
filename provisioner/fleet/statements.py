"""statements.csv and waivers.yml: what a named person says or accepts, of whom, and until when."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from provisioner.errors import Fault, suggest, suggest_code
from provisioner.fleet import codes
from provisioner.fleet.csvfile import read as read_table
from provisioner.model import Statement, Waiver
from provisioner.model.controls import NO_CONNECTOR, ONLY_CONNECTOR, SWITCHED_OFF
from provisioner.yamlfile import is_missing
from provisioner.yamlfile import read as read_yaml

COLUMNS = ("practice", "gateway", "control", "says", "by", "on", "until", "ticket")
STATEMENTS, WAIVERS = "statements.csv", "waivers.yml"
# What no reading shows and no control asks: no other PC of the practice runs a Connector; the practice wants none; a PC
# is switched off and stays so.
UNASKED = (ONLY_CONNECTOR, NO_CONNECTOR, SWITCHED_OFF)

_KEYS = ("control", "practice", "gateway", "words", "by", "on", "until", "ticket")
# ISO, and what spreadsheets with British settings make of it; the day comes first.
_DATES = ("%d/%m/%Y", "%d/%m/%y", "%d.%m.%Y", "%d-%m-%Y", "%d-%b-%Y", "%d-%b-%y", "%d %B %Y")
_MIDNIGHT = re.compile(r"[T ]00:00(?::00)?$")

Complain = Callable[[str, str, str, bool], None]


@dataclass(frozen=True)
class Known:
    """What statements can speak of: the gateways' names by practice, also of rows that are wrong in something else.

    `practices` None: practices.csv could not be read, and any is taken; so with `controls`.
    """

    practices: Mapping[str, Sequence[str]] | None
    controls: Collection[str] | None
    today: date

    @cached_property
    def names(self) -> dict[str, tuple[str, str]]:
        """Each gateway's name and practice, by its name in lower case."""
        practices = self.practices or {}
        return {name.lower(): (name, code) for code, names in practices.items() for name in names if name}


def statements(folder: Path, known: Known) -> tuple[tuple[Statement, ...], list[Fault]]:
    """The statements, as far as they are right, and all that is wrong. The file may be missing."""
    path = folder / STATEMENTS
    if is_missing(path):
        return (), []
    required = tuple(name for name in COLUMNS if name not in {"gateway", "ticket"})
    table = read_table(path, required, ("gateway", "ticket"))
    found = []
    for row in table.rows:
        cells = dict.fromkeys(COLUMNS, "") | {key: cell for key, cell in row.cells.items() if key in COLUMNS}

        def complain(key: str, message: str, hint: str, warning: bool, line: int = row.line) -> None:
            table.faults.append(Fault(STATEMENTS, line, message, hint, warning))

        one = _one(cells, known, complain, "says")
        if one is not None:
            found.append(one)
    return tuple(found), table.faults


def waivers(folder: Path, known: Known) -> tuple[tuple[Waiver, ...], list[Fault]]:
    """The waivers, as far as they are right, and all that is wrong. The file may be missing, or hold nothing."""
    path = folder / WAIVERS
    if is_missing(path):
        return (), []
    document = read_yaml(path)
    if document.data is not None and not isinstance(document.data, list):
        hint = "Each begins with `- control:`"
        document.faults.append(document.fault((), "is to be a list of waivers.", hint))
        document.data = None
    found = []
    for index, entry in enumerate(document.data or []):
        if not isinstance(entry, dict):
            hint = "Such as `- control: R7-disk`, and below it practice, words, by, on and until."
            document.faults.append(document.fault((index,), "a waiver has keys.", hint))
            continue

        def complain(key: str, message: str, hint: str, warning: bool, index: int = index) -> None:
            document.faults.append(document.fault((index, key), message, hint, warning=warning))

        one = _one(_cells(entry, index, document.texts, complain), known, complain, "words")
        if one is not None:
            found.append(Waiver(**vars(one)))
    return tuple(found), document.faults


def _cells(
    entry: Mapping[str, Any], index: int, texts: Mapping[tuple[str | int, ...], str], complain: Complain
) -> dict[str, str]:
    """A waiver's entry as the cells of a statement, each as it is written."""
    cells = dict.fromkeys(COLUMNS, "")
    for key, value in entry.items():
        if key not in _KEYS:
            complain(
                key, f"there is no {key} in a waiver.", suggest(key, _KEYS) or f"Known: {', '.join(_KEYS)}.", False
            )
        elif isinstance(value, (dict, list)):
            complain(key, f"{key} is to be one text.", "", False)
        elif value is not None:
            cells["says" if key == "words" else key] = texts.get((index, key), "").strip()
    return cells


def _one(cells: dict[str, str], known: Known, complain: Complain, words: str) -> Statement | None:
    """One statement; None where it is wrong."""
    wrong = False

    def fault(key: str, message: str, hint: str) -> None:
        nonlocal wrong
        wrong = True
        complain(key, message, hint, False)

    for key, name, hint in (
        ("control", "control", "Which control it is about, such as R3-dedicated."),
        ("says", words, "Say it in words."),
        ("by", "by", "Who says so? A person's name."),
    ):
        if not cells[key]:
            fault(name, f"{name} is missing.", hint)
    practice, gateway = _subject(cells, known, fault)
    control = cells["control"]
    if known.controls is not None and control and control not in known.controls:
        also = () if words == "words" else UNASKED
        if control not in also:
            hint = suggest(control, (*known.controls, *also))
            fault("control", f"there is no control {control}.", hint or "policy/controls/ has a page for each.")
    on, until = _date(cells["on"], "on", fault), _date(cells["until"], "until", fault)
    if on is None or until is None:
        return None
    if until < on:
        fault("until", f"it ends on {until}, before it begins on {on}.", "In 01/02/2026 the day comes first.")
    elif until < known.today:
        complain("until", f"it ended on {until} and does not count any more.", "Renew it, or remove it.", True)
    elif on > known.today:
        complain("on", f"it begins on {on} and does not count before.", "In 01/02/2026 the day comes first.", True)
    if wrong:
        return None
    return Statement(
        control=control, practice=practice, gateway=gateway, says=" ".join(cells["says"].split()),
        by=cells["by"], on=on, until=until, ticket=cells["ticket"],
    )  # fmt: skip


def _subject(cells: Mapping[str, str], known: Known, fault: Callable[[str, str, str], None]) -> tuple[str, str]:
    """The practice and the gateway that it speaks of; the gateway "" for the whole practice."""
    practice, gateway = codes.normal(cells["practice"]), cells["gateway"]
    if not practice and not gateway:
        fault("practice", "it names neither a practice nor a gateway.", "Give the practice's code.")
    if known.practices is None or not (practice or gateway):
        return practice, gateway
    if practice and practice not in known.practices:
        why = codes.why_not_practice(practice) or f"there is no practice {practice} in practices.csv."
        fault("practice", why, suggest_code(practice, known.practices) or "Who is it about? Mend one of the files.")
        return practice, gateway
    if not gateway:
        return practice, ""
    name, home = known.names.get(gateway.lower(), ("", ""))
    if not name:
        own = [gateway for gateway in known.practices.get(practice, ()) if gateway]
        hint = f"The practice has {', '.join(own)}." if own else "Leave it out to speak of the whole practice."
        fault("gateway", f"there is no gateway {gateway} in practices.csv.", hint)
    elif practice and home != practice:
        fault("gateway", f"{name} is a gateway of {home}, not of {practice}.", "Mend one of them.")
    return practice or home, name


def _date(text: str, key: str, fault: Callable[[str, str, str], None]) -> date | None:
    if not text:
        fault(key, f"{key} is missing.", "A date, such as 2026-12-31.")
        return None
    plain = _MIDNIGHT.sub("", text)
    with suppress(ValueError):
        return date.fromisoformat(plain)
    for pattern in _DATES:
        with suppress(ValueError):
            return datetime.strptime(plain, pattern).date()
    fault(key, f"{key} is {text!r}, which is no date.", "Such as 2026-12-31, or 31/12/2026.")
    return None
