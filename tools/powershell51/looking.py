"""What all rules look at: one script, what is known of it, and what is said of it."""

import fnmatch
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tools.powershell51.surface import Surface, Type
from tools.powershell51.tree import Node, Script

NOTE = "note-"


class Finding(NamedTuple):
    """Something wrong. A rule that begins with `note-` is legal in 5.1, and does something else there."""

    script: str
    line: int
    rule: str
    words: str

    @property
    def is_note(self) -> bool:
        return self.rule.startswith(NOTE)


@dataclass(frozen=True)
class Allowed:
    """Names that are somebody else's: commands, and patterns of types, in small letters."""

    commands: frozenset[str] = frozenset()
    types: tuple[str, ...] = ()

    @classmethod
    def of(cls, names: Iterable[str]) -> "Allowed":
        """Of names as they are written: `Get-It`, `[Their.*]`."""
        low = [name.strip().lower() for name in names if name.strip()]
        types = tuple(name.strip("[]") for name in low if name.startswith("["))
        return cls(frozenset(name for name in low if not name.startswith("[")), types)

    def type(self, name: str) -> bool:
        return any(fnmatch.fnmatch(name, pattern) for pattern in self.types)


@dataclass
class Look:
    """One script among those that are looked at together, whose functions, types and assemblies it knows."""

    surface: Surface
    script: Script
    together: Sequence[Script]
    allowed: Allowed
    engine: dict[str, Type]
    """What the engine's own .NET has of the types whose overloads are compared."""
    wanted: set[str] = field(default_factory=set)
    """The types of which that would have to be known."""
    findings: dict[Finding, None] = field(default_factory=dict)
    _nodes: dict[tuple[Node, str], list[Node]] = field(default_factory=dict)

    @property
    def usings(self) -> tuple[str, ...]:
        return tuple(self.script.usings)

    def say(self, line: int, rule: str, words: str) -> None:
        """Unless the line itself says `# powershell51: RULE`."""
        text = self.script.lines[line - 1] if 0 < line <= len(self.script.lines) else ""
        if f"powershell51: {rule}" not in text:
            self.findings[Finding(self.script.name, line, rule, words)] = None

    def is_function(self, name: str) -> bool:
        return any(name in one.functions for one in self.together)

    def is_own_type(self, name: str) -> bool:
        return any(name in one.types or name.split(".")[-1] in one.types for one in self.together)

    def is_loaded(self, assembly: str) -> bool:
        return any(assembly.lower() in one.assemblies for one in self.together)

    def is_assigned(self, variable: str) -> bool:
        return any(one.assigns(variable) for one in self.together)

    def scope(self, node: Node) -> Node:
        return node.above("FunctionDefinition", "FunctionMember") or self.script.tree

    def within(self, scope: Node, kind: str) -> list[Node]:
        """The nodes of a kind in a scope, functions in it left out."""
        found = self._nodes.get((scope, kind))
        if found is None:
            found = self._nodes[scope, kind] = [one for one in _within(scope, scope) if one.kind == kind]
        return found


def _within(node: Node, scope: Node) -> Iterator[Node]:
    yield node
    if node is scope or node.kind != "FunctionDefinition":
        for child in node.children():
            yield from _within(child, scope)


def text_of(node: Node | None) -> str | None:
    """The text of a constant; None where it is none."""
    return node.word("Value") if node is not None and node.kind == "StringConstantExpression" else None
