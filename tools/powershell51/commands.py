"""Rules of commands: one that is not there, its parameters, words that they do not know, and what differs quietly."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tools.powershell51.inference import Inference
from tools.powershell51.looking import Look, text_of
from tools.powershell51.recorded import (
    BUILT_IN,
    COMMON,
    COMMON_ALIASES,
    COMMON_SWITCHES,
    DYNAMIC,
    PROVIDER_ENCODINGS,
    SWITCH,
    TEXT_ENCODINGS,
)
from tools.powershell51.surface import ENUM, Command, fits_enum
from tools.powershell51.tree import Node

_PROGRAM = (".exe", ".cmd", ".bat", ".com", ".ps1")
_ALL_SETS = "__AllParameterSets"
# By command: the word that makes it the same in both, and what is different without it.
_NOTES: Mapping[str, tuple[str, str, str]] = {
    **dict.fromkeys(
        ("set-content", "add-content", "out-file", "export-csv", "tee-object", "export-clixml"),
        ("note-encoding", "-encoding", "writes ANSI or UTF-16 in 5.1, UTF-8 in 7"),
    ),
    **dict.fromkeys(
        ("get-content", "import-csv", "select-string"),
        ("note-encoding", "-encoding", "reads ANSI in 5.1, UTF-8 in 7"),
    ),
    "invoke-webrequest": ("note-web", "-usebasicparsing", "needs Internet Explorer in 5.1"),
    "convertto-json": ("note-json", "-depth", "cuts at depth 2, without a warning in 5.1"),
}


class NoParameter(Exception):
    """A command has no such parameter, or more than one that it could be short for."""


@dataclass
class _Given:
    """What a command is given."""

    named: set[str] = field(default_factory=set)
    positional: int = 0
    splatted: bool = False


def command(look: Look, inference: Inference, node: Node) -> None:
    written = text_of(node.many("CommandElements")[0])
    if written is None or written.startswith(":"):
        return
    name = written.split("\\")[-1].lower() if re.fullmatch(r"[\w.]+\\[\w-]+", written) else written.lower()
    if look.is_function(name) or name in look.allowed.commands or name in look.script.aliases:
        return
    if re.search(r"[\\/]", name) or name.endswith(_PROGRAM):
        if name.endswith(".exe") and not re.search(r"[\\/]", name) and name not in look.surface.programs:
            look.say(node.line, "command", f"{written} is no program of Windows in the profile")
        return
    found = _found(look, node, written, name)
    if found is None:
        return
    if not found.on_client:
        look.say(node.line, "command", f"{found.name} is there only on Windows Server")
    given = _given(look, node, found)
    _positional(look, node, found, given)
    _preference(look, node, found, given)
    _notes(look, node, found)


def _found(look: Look, node: Node, written: str, name: str) -> Command | None:
    surface = look.surface
    if name in surface.aliases and name not in surface.commands:
        name = surface.aliases[name].lower()
    if name in surface.commands:
        return surface.commands[name]
    if name in BUILT_IN or f"{name}.exe" in surface.programs:
        return None
    if f"get-{name}" in surface.commands:
        look.say(node.line, "command", f"{written}: works only because PowerShell tries Get-{written}")
        return surface.commands[f"get-{name}"]
    look.say(node.line, "command", f"there is no command {written} in 5.1")
    return None


def parameter(found: Command, written: str) -> str:
    """The parameter that a word stands for. Errors: NoParameter."""
    names = [*found.parameters, *DYNAMIC.get(found.name.lower(), ()), *COMMON]
    aliases = {**COMMON_ALIASES, **found.aliases}
    low = written.lower()
    exact = next((one for one in names if one.lower() == low), aliases.get(low))
    if exact:
        return exact
    fitting = {one for one in names if one.lower().startswith(low)}
    fitting |= {one for alias, one in aliases.items() if alias.startswith(low)}
    # A command's own parameter goes before a common one of the same beginning.
    for some in (fitting, fitting - set(COMMON)):
        if len(some) == 1:
            return some.pop()
    if fitting:
        raise NoParameter(f"-{written} could be {', '.join(sorted(fitting))}")
    raise NoParameter(f"{found.name} has no parameter -{written} in 5.1")


def is_switch(found: Command, name: str) -> bool:
    return name in COMMON_SWITCHES or found.parameters.get(name, ("",))[0] == SWITCH


def _given(look: Look, node: Node, found: Command) -> _Given:
    given = _Given()
    waiting = list(reversed(node.many("CommandElements")[1:]))
    while waiting and not found.open:
        one = waiting.pop()
        if one.kind == "CommandParameter":
            has_next = not one.has("Argument") and bool(waiting) and waiting[-1].kind != "CommandParameter"
            if _named(look, found, one, waiting[-1] if has_next else one.one("Argument"), given) and has_next:
                waiting.pop()
        elif one.kind == "VariableExpression" and one.has("Splatted"):
            given.splatted = True
            _splatted(look, found, one, given)
        else:
            given.positional += 1
    return given


def _named(look: Look, found: Command, one: Node, value: Node | None, given: _Given) -> bool:
    """Whether what follows is this parameter's value. Of one that is not known it is taken for that."""
    written = one.word("ParameterName")
    try:
        name = parameter(found, written)
    except NoParameter as error:
        look.say(one.line, "parameter", str(error))
        return True
    if name.lower() != written.lower() and name.lower().startswith(written.lower()):
        look.say(one.line, "note-abbreviated", f"-{written} stands for -{name}")
    given.named.add(name)
    if is_switch(found, name) and not one.has("Argument"):
        return False
    if value is not None:
        _value(look, found, name, value)
    return True


def _splatted(look: Look, found: Command, variable: Node, given: _Given) -> None:
    for key, value, line in _hash(look, variable):
        try:
            name = parameter(found, key)
        except NoParameter as error:
            look.say(line, "parameter", f"{error} (splatted)")
        else:
            given.named.add(name)
            _value(look, found, name, value)


def _hash(look: Look, variable: Node) -> Iterator[tuple[str, Node, int]]:
    """Keys that a splatted variable gets from a literal or later, with their values and lines."""
    name = variable.word("VariablePath").lower()
    is_known = False
    for node in look.within(look.scope(variable), "AssignmentStatement"):
        left, right = node.part("Left"), node.part("Right").peeled()
        if left.kind == "VariableExpression" and left.word("VariablePath").lower() == name:
            literal = right.part("Child") if right.kind == "ConvertExpression" else right
            for key, value in literal.pairs() if literal.kind == "Hashtable" else []:
                if (text := text_of(key)) is not None:
                    is_known = True
                    yield text, value.peeled(), key.line
        elif left.kind == "MemberExpression" and is_known:
            owner, added = left.part("Expression"), text_of(left.part("Member"))
            if owner.word("VariablePath").lower() == name and added is not None:
                yield added, right, left.line


def _value(look: Look, found: Command, name: str, node: Node) -> None:
    """Whether a parameter knows the word that it is given."""
    text, kind = text_of(node), found.parameters.get(name, ("",))[0]
    if text is None:
        return
    if name == "Encoding" and found.module.startswith("Microsoft.PowerShell"):
        known = PROVIDER_ENCODINGS if "FileSystemCmdletProviderEncoding" in kind else TEXT_ENCODINGS
        if text.lower() not in known:
            look.say(node.line, "parameter", f"-Encoding {text} is not known to {found.name} in 5.1")
    one = look.surface.type(kind.removesuffix("[]"))
    if one and one.kind == ENUM and not fits_enum(text, one.values):
        look.say(node.line, "parameter", f"{found.name} -{name}: {one.name} has no {text} in 5.1")


def _positional(look: Look, node: Node, found: Command, given: _Given) -> None:
    if given.splatted or not given.positional:
        return
    named = {one for _, sets in found.parameters.values() for one in sets} - {_ALL_SETS} or {_ALL_SETS}
    most = max(_places(found, given, one) for one in named)
    if given.positional > most:
        words = f"takes at most {most} values without a name here, {given.positional} are given"
        look.say(node.line, "parameter", f"{found.name} {words}")


def _places(found: Command, given: _Given, parameter_set: str) -> int:
    """How many values without a name one of its parameter sets takes."""
    count = 0
    for name, (kind, sets) in found.parameters.items():
        place = sets.get(parameter_set, sets.get(_ALL_SETS))
        if name in given.named or kind == SWITCH or place is None:
            continue
        # One more in the list: it takes all that is left.
        count += 99 if len(place) > 1 else 0
        count += place[0] is not None
    return count


def _preference(look: Look, node: Node, found: Command, given: _Given) -> None:
    """A module's function has its own $ErrorActionPreference: ours, whatever it is, is not asked there."""
    if found.module_function and not found.open and not {"ErrorAction"} & given.named:
        words = "is a module's function, which does not see our $ErrorActionPreference: it needs -ErrorAction"
        look.say(node.line, "preference", f"{found.name} {words}")


def _notes(look: Look, node: Node, found: Command) -> None:
    words = look.script.source(node).lower()
    name = found.name.lower()
    if name in _NOTES:
        rule, without, what = _NOTES[name]
        if without not in words:
            look.say(node.line, rule, f"{found.name} without {without} {what}")
    if name == "export-csv" and not re.search("-noty|-nti", words):
        look.say(node.line, "note-csv", "Export-Csv writes a #TYPE line in 5.1")
    if name == "convertto-json" and "-inputobject" not in words:
        look.say(node.line, "note-json", "ConvertTo-Json without -InputObject writes a list of one thing as that thing")
    pipeline = node.parent.many("PipelineElements") if node.parent else []
    if name == "convertfrom-json" and pipeline and pipeline[-1] is not node:
        look.say(node.line, "note-json", "ConvertFrom-Json hands an array on as one object in 5.1")
