"""The recorded surface: commands of Windows PowerShell 5.1, types of .NET Framework 4.8. README.md says from where."""

import functools
import gzip
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tools.powershell51.recorded import LOADED

DATA = Path(__file__).parent / "data"
AUTOMATION = "System.Management.Automation"
OBJECT = "System.Object"
ENUM = "enum"


class Overload(NamedTuple):
    """One way to call a method. `parameters` are types, some with "opt " or "params " before them."""

    static: bool
    gives: str
    parameters: Sequence[str]


class Property(NamedTuple):
    """A property, field, event, or a value of an enum. `how` has letters: s static, r read, w written, e an event."""

    name: str
    how: str
    type: str


@dataclass(frozen=True)
class Type:
    """A type as it is recorded. `bare`: nothing but its name is."""

    name: str
    assembly: str
    kind: str
    bases: tuple[str, ...] = ()
    constructors: tuple[Sequence[str], ...] = ()
    methods: Mapping[str, Sequence[Overload]] = field(default_factory=dict)
    """By their names in small letters."""
    properties: Mapping[str, Property] = field(default_factory=dict)
    """By their names in small letters."""
    values: tuple[str, ...] = ()
    bare: bool = False

    @property
    def half_known(self) -> bool:
        """Whether only the members are recorded that 5.1 and 6 share: one that is not there may still be in 5.1."""
        return self.assembly == AUTOMATION


@dataclass(frozen=True)
class Command:
    """A command. `module_function`: written in PowerShell, or made of CIM, in a module of its own."""

    name: str
    module: str
    module_function: bool
    open: bool
    """Whether nothing is known of its parameters."""
    on_client: bool
    parameters: Mapping[str, tuple[str, Mapping[str, Sequence[Any]]]]
    """By name: the type, and by parameter set [its place or None], with one more where it takes all the rest."""
    aliases: Mapping[str, str]


def takes(parameters: Sequence[str], count: int) -> bool:
    least, most = _range(parameters)
    return least <= count <= most


def _range(parameters: Sequence[str]) -> tuple[int, int]:
    """The fewest and the most arguments."""
    if parameters and parameters[-1].startswith("params "):
        return len(parameters) - 1, 1000
    return len([one for one in parameters if not one.startswith("opt ")]), len(parameters)


def made(told: Mapping[str, Any]) -> Type:
    """A type of a line of the records, or of the engine's answer in the same shape."""
    methods: dict[str, list[Overload]] = defaultdict(list)
    for name, overloads in told.get("m", {}).items():
        methods[name.lower()] += [Overload(one[0] == "s", one[1], one[2]) for one in overloads]
    properties = {}
    for name, text in told.get("p", {}).items():
        how, _, kind = text.partition(" ")
        properties[name.lower()] = Property(name, how, kind)
    return Type(
        name=told["n"],
        assembly=told.get("a", ""),
        kind=told.get("k", ""),
        bases=tuple(one for one in (told.get("b"), *told.get("i", [])) if one),
        constructors=tuple(told.get("c", [])),
        methods=methods,
        properties=properties,
        values=tuple(told.get("v", [])),
        bare=bool(told.get("bare")),
    )


def plain(name: str) -> str:
    """A type's name without its arguments."""
    return name.split("<")[0]


def split_arguments(text: str) -> list[str]:
    """The type arguments in `A,B[C,D]`."""
    parts, depth, last = [], 0, 0
    for at, letter in enumerate(text):
        depth += (letter in "[<") - (letter in "]>")
        if letter == "," and depth == 0:
            parts.append(text[last:at].strip())
            last = at + 1
    return [*parts, text[last:].strip()]


def concrete(name: str, owner: str) -> str | None:
    """A type in which generic places (`!0`) are filled from the owner's arguments; None where that cannot be told."""
    if "!" not in name:
        return name
    if "<" not in owner or "!!" in name:
        return None
    for at, one in enumerate(split_arguments(owner[owner.index("<") + 1 : -1])):
        name = name.replace(f"!{at}", one)
    return None if "!" in name else name


def fits_enum(text: str, values: Sequence[str]) -> bool:
    """Whether PowerShell makes a value of it: names, also shortened, or numbers, with commas between."""
    words = [word.strip().lower() for word in text.split(",")]
    names = [value.lower() for value in values]
    return any(words) and all(
        re.fullmatch(r"-?\d+", word) or word in names or len([one for one in names if one.startswith(word)]) == 1
        for word in words
        if word
    )


def _lines(name: str) -> Iterator[str]:
    with gzip.open(DATA / name, "rt", encoding="utf-8") as file:
        yield from file


class Surface:
    """All of it. Types are by their full names, commands and aliases by theirs in small letters."""

    def __init__(self) -> None:
        told = json.loads("".join(_lines("commands.json.gz")))
        self.commands = {name: _command(one) for name, one in told["commands"].items()}
        self.aliases: dict[str, str] = told["aliases"]
        self.programs = set(told["native"])
        self._accelerators: dict[str, str] = {name: one[0] for name, one in told["accelerators"].items()}
        self._raw: dict[str, dict[str, Any]] = {}
        self._lower: dict[str, str] = {}
        for line in (*_lines("net48.jsonl.gz"), *_lines("powershell.jsonl.gz")):
            one = json.loads(line)
            # Of two of a name, the one that is there without being loaded.
            if one["n"].lower() not in self._lower or one["a"] in LOADED:
                self._add(one)
        for line in _lines("powershell-types.txt.gz"):
            if (name := line.strip()) and name.lower() not in self._lower:
                self._add({"n": name, "a": AUTOMATION, "k": "class", "b": OBJECT, "bare": True})
        self._heirs: dict[str, list[str]] = defaultdict(list)
        for name, one in self._raw.items():
            for base in (one.get("b"), *one.get("i", [])):
                if base:
                    self._heirs[plain(base)].append(name)

    def _add(self, one: dict[str, Any]) -> None:
        self._raw[one["n"]] = one
        self._lower[one["n"].lower()] = one["n"]

    @functools.cache  # noqa: B019 - there is one of these, for as long as the program runs
    def type(self, name: str) -> Type | None:
        """A type by its full name, without arguments."""
        return made(self._raw[name]) if name in self._raw else None

    def full(self, name: str) -> str | None:
        return self._lower.get(name.lower())

    @functools.cache  # noqa: B019
    def find(self, written: str, usings: tuple[str, ...] = ()) -> str | None:
        """The full name of a type as a script writes it, without its own brackets; None where there is none."""
        name = written.strip()
        if name.endswith("]") and "[" in name:
            return self._with_arguments(name, usings)
        low = name.split(",")[0].strip().lower()
        if low in self._accelerators and "." not in low:
            return self.full(self._accelerators[low]) or self._accelerators[low]
        prefixes = ("", "system.", *(f"{one.lower()}." for one in usings))
        return next((self._lower[prefix + low] for prefix in prefixes if prefix + low in self._lower), None)

    def _with_arguments(self, name: str, usings: tuple[str, ...]) -> str | None:
        at = name.index("[")
        inside = name[at + 1 : -1]
        if re.fullmatch(r"[,\s]*", inside):
            element = self.find(name[:at], usings)
            return element and f"{element}[]"
        arguments = split_arguments(inside)
        base = self.find(f"{name[:at]}`{len(arguments)}", usings) or self.find(name[:at], usings)
        if not base:
            return None
        found = [self.find(one.strip("[] "), usings) or one for one in arguments]
        return f"{base}<{','.join(found)}>"

    def find_attribute(self, written: str, usings: tuple[str, ...] = ()) -> str | None:
        within = (*usings, AUTOMATION)
        return self.find(written, within) or self.find(f"{written}Attribute", within)

    @functools.cache  # noqa: B019
    def chain(self, name: str) -> tuple[str, ...]:
        """The type, what it derives from, and their interfaces."""
        seen: list[str] = []
        waiting = [name]
        while waiting:
            one = self.type(plain(waiting.pop(0)))
            if one and one.name not in seen:
                seen.append(one.name)
                waiting += one.bases
        return tuple(seen) if OBJECT in seen else (*seen, OBJECT)

    @functools.cache  # noqa: B019
    def kin(self, name: str) -> frozenset[str]:
        """All that derives from the type."""
        found, waiting = set[str](), [name]
        while waiting:
            new = set(self._heirs.get(waiting.pop(), ())) - found
            found |= new
            waiting += new
        return frozenset(found)

    def overloads(self, name: str, member: str, static: bool) -> list[Overload]:
        """The ways to call a method, those that it has from elsewhere too."""
        found: list[Overload] = []
        for one in filter(None, map(self.type, self.chain(name))):
            known = [other.parameters for other in found]
            found += [
                overload
                for overload in one.methods.get(member.lower(), ())
                if overload.static == static and overload.parameters not in known
            ]
        return found

    @functools.cached_property
    def _counts(self) -> Mapping[str, set[tuple[int, int]]]:
        """Of each name of methods of objects, with how many arguments a type that is there without loading takes it."""
        counts: dict[str, set[tuple[int, int]]] = defaultdict(set)
        for told in self._raw.values():
            for name, overloads in told.get("m", {}).items() if told["a"] in LOADED else ():
                for _, _, parameters, *_ in (one for one in overloads if one[0] == "i"):
                    counts[name.lower()].add(_range(parameters))
        return counts

    def is_called_nowhere_with(self, member: str, count: int) -> bool:
        """Whether objects have a method of that name, and none of them takes so many arguments."""
        ranges = self._counts.get(member.lower(), set())
        return bool(ranges) and not any(least <= count <= most for least, most in ranges)

    def property(self, name: str, member: str, static: bool) -> Property | None:
        for one in filter(None, map(self.type, self.chain(name))):
            found = one.properties.get(member.lower())
            if found and found.how.startswith("s") == static:
                return found
            if static and one.kind == ENUM and one.name == name:
                value = next((value for value in one.values if value.lower() == member.lower()), None)
                if value:
                    return Property(value, "sr", name)
        return None

    def has(self, name: str, member: str) -> bool:
        one = self.type(name)
        return one is not None and (member.lower() in one.methods or member.lower() in one.properties)

    def is_enum(self, name: str) -> bool:
        one = self.type(name)
        return one is not None and one.kind == ENUM


def _command(told: Mapping[str, Any]) -> Command:
    parameters = {name: (one[0], one[1]) for name, one in told["p"].items()}
    return Command(
        name=told["n"],
        module=told["m"],
        module_function=told["k"] == "F",
        open=told["k"] == "F" and not told.get("cb") and not parameters,
        on_client="win10" in told["on"],
        parameters=parameters,
        aliases={alias.lower(): name for alias, name in told["a"].items()},
    )
