"""The options that every verb knows, before or after the verb, and the points in time that options name."""

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from provisioner import foreign
from provisioner.errors import InputError

LONDON = ZoneInfo("Europe/London")
_SPAN = re.compile(r"(\d{1,4})\s*([mhd])", re.I)
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}

# Which of the options each verb looks at. Any other is refused there: it would do nothing, and who gave it would not
# know. Verbs of a group stand for themselves where the group has no line.
TAKES: Mapping[str, str] = {
    "demo": "verbose",
    "init": "",
    "validate": "fleet format",
    "practices": "format",
    "find": "fleet only format",
    "ping": "fleet only format",
    "read": "fleet format",
    "audit": "fleet only format",
    "plan": "fleet only remedies format",
    "apply": "fleet only remedies format yes verbose",
    "approve": "fleet format yes",
    "undo": "fleet only format yes verbose",
    "migrate start": "fleet format yes verbose",
    "migrate confirm": "fleet",
    "migrate status": "fleet format",
    "migrate finish": "fleet format yes verbose",
    "migrate undo": "fleet format yes verbose",
    "show": "fleet format",
    "compare": "fleet format",
    "why": "fleet format",
    "forecast": "fleet only format",
    "history": "fleet format yes",
    "report": "fleet",
    "requests": "fleet only format",
    "record": "fleet format",
    "lease list": "fleet format",
    "lease break": "fleet format yes",
    "journal adopt": "fleet format yes",
    "journal verify": "fleet format yes",
    "inventory": "fleet only",
    "lab up": "fleet",
    "lab down": "fleet",
    "lab state": "fleet",
    "lab set": "fleet",
    "lab events": "fleet",
    "completion": "",
}
_FLAGS = {"remedies": "--remedy"}


@dataclass
class Common:
    """The common options as given so far; the same object for the whole command."""

    fleet: Path | None = None
    only: tuple[str, ...] = ()
    remedies: tuple[str, ...] = ()
    # "" where nothing is said: laid out for a person on a terminal, and for a program in a pipe.
    format: str = ""
    yes: bool = False
    verbose: int = 0
    # Which of them were typed, not only found in the environment.
    typed: set[str] = field(default_factory=set)


def common() -> Common:
    """The common options of the command that runs in this thread; none given where none does."""
    running = click.get_current_context(silent=True)
    found = running.find_root().obj if running else None
    return found if isinstance(found, Common) else Common()


def keep(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Several places may give an option: lists add up, the later of two single values counts."""
    root = ctx.find_root()
    if not isinstance(root.obj, Common):
        root.obj = Common()
    name = parameter.name or ""
    if not value:
        return
    from_environment = ctx.get_parameter_source(name) is click.core.ParameterSource.ENVIRONMENT
    if from_environment and getattr(root.obj, name):
        return  # what was typed counts, wherever it stands
    root.obj.typed |= set() if from_environment else {name}
    setattr(root.obj, name, getattr(root.obj, name) + value if isinstance(value, tuple) else value)


def _options() -> list[click.Option]:
    shared: dict[str, Any] = {"expose_value": False, "callback": keep}
    return [
        click.Option(
            ["--fleet"],
            type=click.Path(path_type=Path, file_okay=False),
            envvar="PROVISIONER_FLEET",
            help="The fleet folder; default: this folder.",
            **shared,
        ),
        click.Option(
            ["--only"],
            multiple=True,
            metavar="PATTERN",
            help="Practice, gateway or column=value; * and ? match. May be repeated.",
            **shared,
        ),
        click.Option(
            ["--remedy", "remedies"],
            multiple=True,
            metavar="NAME",
            help="Only this remedy, such as firewall. May be repeated.",
            **shared,
        ),
        click.Option(["--format"], type=click.Choice(["table", "json"]), help="How results are printed.", **shared),
        click.Option(["--yes"], is_flag=True, help="Answer yes to every question.", **shared),
        click.Option(["-v", "--verbose"], count=True, help="Say more on stderr.", **shared),
    ]


def add_common_options(command: click.Command, verb: str = "") -> click.Command:
    """Give a verb the common options that it has not already. Those that it does not look at (TAKES) are not in its
    help, and refused with words; without a `verb` all are taken."""
    have = {parameter.name for parameter in command.params}
    takes = taken(verb)
    for option in _options():
        if option.name not in have:
            option.hidden = option.name not in takes
            command.params.append(option)
    return refusing(command, verb)


def taken(verb: str) -> frozenset[str]:
    """Which options that verb looks at; all of them where nothing is said of it."""
    every = frozenset(option.name or "" for option in _options())
    return frozenset(TAKES[verb].split()) if verb in TAKES else every


def refusing(command: click.Command, verb: str) -> click.Command:
    """The verb, which refuses what was given and would do nothing."""
    callback = command.callback
    if callback is None or verb not in TAKES or hasattr(callback, "refuses"):
        return command

    @functools.wraps(callback)
    def checked(*arguments: Any, **given: Any) -> Any:
        for name in sorted(common().typed - taken(verb)):
            refuse_idle(_FLAGS.get(name, f"--{name}"), f"with provisioner {verb}")
        return callback(*arguments, **given)

    vars(checked)["refuses"] = True
    command.callback = checked
    return command


def refuse_idle(option: str, where: str, given: object = True) -> None:
    """Errors: InputError where an option is given that would do nothing there."""
    if given:
        raise InputError(f"{option} does nothing {where}.", "Leave it out.")


def refuse_unwritable(words: Sequence[str]) -> None:
    """Errors: InputError for a word of a command that is no text: no journal could keep it, and no message name it."""
    if found := next((word for word in words if not foreign.is_text(word)), None):
        raise InputError(f"{foreign.readable(found)}: a part of this is no text.", "Type it anew; or rename the file.")


def is_typed(parameter: str) -> bool:
    """Whether that parameter of the running verb was given by the one who called it, be it as its default is."""
    source = click.get_current_context().get_parameter_source(parameter)
    return source not in (click.core.ParameterSource.DEFAULT, click.core.ParameterSource.DEFAULT_MAP, None)


def moment(text: str, now: datetime) -> datetime:
    """When that is: a span from now (90m, 8h, 2d), the next time of day (22:00), or a whole time
    (2026-11-29 06:00). Times without a zone are London's.

    Errors: InputError where it is none of these, or over.
    """
    if span := _SPAN.fullmatch(text.strip()):
        return now + timedelta(**{_UNITS[span[2].lower()]: int(span[1])})
    try:
        if re.fullmatch(r"\d{1,2}:\d\d", text.strip()):
            here = now.astimezone(LONDON)
            at = datetime.combine(here.date(), time.fromisoformat(text.strip().zfill(5)), LONDON)
            return at if at > now else at + timedelta(days=1)
        found = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise InputError(f"{text!r} is no time.", "Such as 22:00, 8h, or 2026-11-29T06:00.") from error
    found = found if found.tzinfo else found.replace(tzinfo=LONDON)
    if found <= now:
        raise InputError(f"{text} is over.", "Such as 22:00, 8h, or 2026-11-29T06:00.")
    return found
