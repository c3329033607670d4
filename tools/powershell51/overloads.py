"""Rules of calls: which overload of .NET Framework arguments mean, and whether PowerShell 7 would take another one."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tools.powershell51.inference import STRING, TYPE, Inference, Kind
from tools.powershell51.looking import Look
from tools.powershell51.recorded import NUMBERS
from tools.powershell51.surface import ENUM, OBJECT, Surface, Type, concrete, fits_enum, plain, takes
from tools.powershell51.tree import Node

CONSTRUCTOR = ".ctor"
_SCRIPT = "System.Management.Automation.ScriptBlock"
_CHARACTERS = {"System.Char", "System.Char[]", STRING}
# What a text becomes by PowerShell's own doing, and how well it fits.
_FROM_TEXT = {"System.Char": 2, "System.Char[]": 3, "System.String[]": 1, "System.Boolean": 9}
_BY_POWERSHELL = {
    TYPE, "System.Globalization.CultureInfo", "System.Text.Encoding", "System.Security.SecureString",
}  # fmt: skip

Fitting = list[tuple[Sequence[str], list[float]]]
"""Overloads that some arguments could mean, each with how well each of them fits: 0 the same, 9 hardly."""


@dataclass(frozen=True)
class Call:
    """A method (or CONSTRUCTOR) of a type, called with arguments. `words`: what is called, for a reader."""

    line: int
    owner: str
    member: str
    static: bool
    arguments: Sequence[Node]
    words: str

    def takes(self, overloads: Iterable[Sequence[str]]) -> list[Sequence[str]]:
        """Those of as many arguments."""
        return [each for each in overloads if takes(each, len(self.arguments))]


def check(look: Look, inference: Inference, call: Call) -> None:
    one = look.surface.type(plain(call.owner))
    if one is None or one.bare or one.kind == "delegate":
        return
    if call.member == CONSTRUCTOR and one.kind in ("static", "abstract", "interface"):
        look.say(call.line, "member", f"{one.name} cannot be made: it is {one.kind}")
        return
    overloads = _overloads(look.surface, one, call)
    fitting = call.takes(overloads)
    if not fitting:
        rule, has = "note-member" if one.half_known else "overload", sorted({len(each) for each in overloads})
        wrong = f"has no overload with {len(call.arguments)} arguments on .NET Framework (it has {has})"
        look.say(call.line, rule, f"{call.words} {wrong}")
        return
    kinds = [_argument(inference, each) for each in call.arguments]
    if not Choice(look.surface, call.owner).among(fitting, kinds):
        told = ", ".join(kind.name if kind else "?" for kind in kinds)
        there = "; ".join(f"({', '.join(each)})" for each in fitting[:4])
        wrong = f"no overload of .NET Framework takes that; it has {there}"
        look.say(call.line, "overload", f"{call.words}({told}): {wrong}")
        return
    look.wanted.add(one.name)
    # Which overload is meant PowerShell decides before it looks whether a word is one of an enum's.
    choice = Choice(look.surface, call.owner, any_word=True)
    theirs = None
    if one.name in look.engine:
        there_too = call.takes(_overloads_of(look.engine[one.name], call))
        # PowerShell makes no spans.
        theirs = choice.among([each for each in there_too if not any("Span`1" in kind for kind in each)], kinds)
    _compare(look, call, choice.among(fitting, kinds), theirs, kinds)


def _argument(inference: Inference, node: Node) -> Kind | None:
    return Kind(_SCRIPT) if node.kind == "ScriptBlockExpression" else inference.of(node)


def _overloads(surface: Surface, one: Type, call: Call) -> list[Sequence[str]]:
    if call.member == CONSTRUCTOR:
        return [*one.constructors, *([()] if one.kind in ("struct", ENUM) else [])]
    return [each.parameters for each in surface.overloads(one.name, call.member, call.static)]


def _overloads_of(one: Type, call: Call) -> list[Sequence[str]]:
    if call.member == CONSTRUCTOR:
        return list(one.constructors)
    return [each.parameters for each in one.methods.get(call.member.lower(), ()) if each.static == call.static]


class Choice:
    """Which overloads of a type's method some arguments could mean."""

    def __init__(self, surface: Surface, owner: str, *, any_word: bool = False) -> None:
        self._surface = surface
        self._owner = owner
        self._any_word = any_word

    def among(self, overloads: Sequence[Sequence[str]], kinds: Sequence[Kind | None]) -> Fitting:
        found: Fitting = []
        for each in overloads:
            costs = [self._at(each, place, kind, len(kinds)) for place, kind in enumerate(kinds)]
            sure = [cost for cost in costs if cost is not None]
            if len(sure) == len(costs):
                found.append((each, sure))
        return found

    def _at(self, overload: Sequence[str], place: int, kind: Kind | None, count: int) -> float | None:
        written = overload[min(place, len(overload) - 1)]
        many = written.startswith("params ")
        parameter = written.removeprefix("params ").removeprefix("opt ")
        parameter = concrete(parameter, self._owner) or parameter
        cost = None if many and count != len(overload) else self.cost(kind, parameter)
        return self.cost(kind, parameter.removesuffix("[]")) if cost is None and many else cost

    def cost(self, kind: Kind | None, parameter: str) -> float | None:
        """0 the same, 1 what derives from it, up to 9 by a conversion; None: it cannot become that."""
        if kind is None or "!" in parameter:
            return 0
        if parameter.endswith("&"):
            return 0 if kind.name == "System.Management.Automation.PSReference" else None
        if kind.is_type:
            return 0 if parameter in (TYPE, OBJECT) else 9 if parameter == STRING else None
        if kind.name == parameter:
            return 0
        if parameter == OBJECT:
            return 6
        return self._text(kind, parameter) if kind.name == STRING else self._other(kind, parameter)

    def _text(self, kind: Kind, parameter: str) -> float | None:
        text, one = kind.text, self._surface.type(parameter)
        if parameter == "System.Char" and text is not None and len(text) != 1:
            return None
        if parameter in _FROM_TEXT:
            return _FROM_TEXT[parameter]
        if parameter in NUMBERS:
            return 7 if text is None or re.fullmatch(r"\s*-?(0x)?[\d.]+\w*\s*", text) else None
        if parameter.endswith("*") or parameter == "System.IntPtr":
            return None
        if one is None or parameter == TYPE:
            return 8
        if one.kind == ENUM:
            return 5 if self._any_word or text is None or fits_enum(text, one.values) else None
        if one.kind == "interface" and parameter in self._surface.chain(STRING):
            return 1
        return 8 if _is_made_of_text(one) else None

    def _other(self, kind: Kind, parameter: str) -> float | None:
        one = self._surface.type(parameter)
        if kind.name in NUMBERS and parameter in NUMBERS:
            return 2 if NUMBERS.index(parameter) >= NUMBERS.index(kind.name) else 4
        if kind.name in NUMBERS and one and one.kind == ENUM:
            return 5
        if parameter in (STRING, "System.Boolean"):
            return 8 if parameter == STRING else 9
        chain = self._surface.chain(kind.name)
        if plain(parameter) in chain:
            return 1 + chain.index(plain(parameter)) / 100
        if kind.name == _SCRIPT and one and one.kind == "delegate":
            return 3
        if kind.name.endswith("[]") and parameter.endswith("[]"):
            return 3
        if kind.name.endswith("[]") and re.search("Enumerable|Collection|List", parameter):
            return 2
        return self._derived(kind, parameter, one, chain) if one and self._surface.type(kind.name) else 5

    def _derived(self, kind: Kind, parameter: str, one: Type, chain: Sequence[str]) -> float | None:
        """Something derived may be meant; conversions by a constructor exist."""
        if parameter in self._surface.kin(kind.name) or not kind.sure:
            return 4
        return 8 if any(len(each) == 1 and each[0] in chain[:-1] for each in one.constructors) else None


def _is_made_of_text(one: Type) -> bool:
    """By PowerShell itself, or by a constructor or Parse that takes a text."""
    if one.name in _BY_POWERSHELL:
        return True
    if one.kind in ("delegate", "interface", "abstract"):
        return False
    return "parse" in one.methods or any(list(each) == [STRING] for each in one.constructors)


def _best(found: Fitting) -> list[Sequence[str]]:
    least = min((sum(costs) for _, costs in found), default=0)
    return [each for each, costs in found if sum(costs) == least]


def _place(overload: Sequence[str], at: int) -> str:
    """The type of a parameter; of one past the end, of the last."""
    written = overload[min(at, len(overload) - 1)] if overload else ""
    return re.sub(r"`\d", "", written.removeprefix("params ").removeprefix("opt "))


def _compare(look: Look, call: Call, mine: Fitting, theirs: Fitting | None, kinds: Sequence[Kind | None]) -> None:
    unlike = []
    for at, kind in enumerate(kinds):
        if kind != Kind(STRING):
            continue
        could = {_place(each, at) for each, _ in mine}
        # What PowerShell 7 chooses between as well has been run.
        is_run = theirs is not None and could <= {_place(each, at) for each, _ in theirs}
        # A text that has to become something else, and could become two things.
        is_open = len(could) > 1 and not could & {STRING, OBJECT} and any(map(look.surface.is_enum, could))
        if is_open and not is_run:
            unlike.append(f"argument {at + 1} may be {' or '.join(sorted(could))}")
    if unlike:
        there = "" if theirs is None else f" (PowerShell 7 has {len(theirs)})"
        says = f"{len(mine)} overloads of .NET Framework fit{there}: {'; '.join(unlike)}. Name the types"
        look.say(call.line, "ambiguous", f"{call.words}: {says}")
    elif theirs:
        _other(look, call, mine, theirs, kinds)


def _other(look: Look, call: Call, mine: Fitting, theirs: Fitting, kinds: Sequence[Kind | None]) -> None:
    ours, others = _best(mine), _best(theirs)
    same = {_whole(each) for each in ours} & {_whole(each) for each in others}
    exact = any(each in ours and sum(costs) < 1 for each, costs in mine)
    if same or None in kinds or exact:
        return
    places = [(_place(ours[0], at), _place(others[0], at), kind) for at, kind in enumerate(kinds)]
    if not all(_alike(look.surface, *place) for place in places):
        takes_words = f"5.1 takes ({', '.join(ours[0])}), PowerShell 7 takes ({', '.join(others[0])})"
        look.say(call.line, "other-overload", f"{call.words}: {takes_words}")


def _whole(overload: Sequence[str]) -> tuple[str, ...]:
    return tuple(_place(overload, at) for at in range(len(overload)))


def _alike(surface: Surface, one: str, other: str, kind: Kind | None) -> bool:
    if one == other:
        return True
    if {one, other} <= _CHARACTERS:
        return kind is not None and (len(kind.text or "") == 1 or kind.name == "System.Char")
    # One of .NET's types may have moved up or down its own line of descent.
    return one in surface.chain(other) or other in surface.chain(one)
