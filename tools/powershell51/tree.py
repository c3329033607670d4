"""A script as the engine's own parser has it."""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

_PLACES = ("k", "l", "s", "e")
_LOADS = re.compile(
    r"(?:Add-Type\s.*?-AssemblyName|-Assembly|LoadWithPartialName\(|Assembly\]::Load\()\s*([^;|)\n]+)", re.I
)
_USES = re.compile(r"using\s+assembly\s+([^\n;]+)", re.I)
_ALIAS = re.compile(r"(?im)^\s*(?:Set-Alias|New-Alias)\s+(?:-Name\s+)?['\"]?([\w-]+)")
_TYPE = re.compile(r"\b(?:class|enum|struct|interface)\s+(\w+)")


class Node:
    """One node: what it is (`kind`, of PowerShell's own name without Ast), its line, and where it is in the text.

    `one`, `many`, `word` and `has` give its parts by PowerShell's own names of its properties.
    """

    __slots__ = ("end", "kind", "line", "parent", "parts", "start")

    def __init__(self, told: Mapping[str, Any], parent: "Node | None" = None) -> None:
        self.kind: str = told["k"]
        self.line: int = told["l"]
        self.start: int = told["s"]
        self.end: int = told["e"]
        self.parent = parent
        self.parts = {name: self._made(value) for name, value in told.items() if name not in _PLACES}

    def _made(self, value: Any) -> Any:
        if isinstance(value, dict):
            return Node(value, self)
        return [self._made(one) for one in value] if isinstance(value, list) else value

    def one(self, name: str) -> "Node | None":
        """The node that is this part; None where there is none."""
        part = self.parts.get(name)
        return part if isinstance(part, Node) else None

    def part(self, name: str) -> "Node":
        """The node that is this part, which every node of this kind has."""
        part = self.parts[name]
        assert isinstance(part, Node), f"{self.kind} without {name}"
        return part

    def many(self, name: str) -> "list[Node]":
        return [one for one in self.parts.get(name) or [] if isinstance(one, Node)]

    def word(self, name: str) -> str:
        """Text; "" where there is none."""
        return str(self.parts.get(name) or "")

    def has(self, name: str) -> bool:
        return bool(self.parts.get(name))

    def pairs(self) -> "list[tuple[Node, Node]]":
        """Of a hash literal: its keys and values."""
        return [(key, value) for key, value in self.parts.get("KeyValuePairs") or []]

    def children(self) -> "Iterator[Node]":
        yield from _nodes(list(self.parts.values()))

    def above(self, *kinds: str) -> "Node | None":
        """The nearest node around this one that is of one of these kinds."""
        node = self.parent
        while node is not None and node.kind not in kinds:
            node = node.parent
        return node

    def peeled(self) -> "Node":
        """The one expression inside parentheses and pipelines."""
        if self.kind == "ParenExpression":
            return self.part("Pipeline").peeled()
        if self.kind == "Pipeline" and len(self.many("PipelineElements")) == 1:
            return self.many("PipelineElements")[0].peeled()
        return self.part("Expression").peeled() if self.kind == "CommandExpression" else self


def _nodes(value: Any) -> Iterator[Node]:
    if isinstance(value, Node):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _nodes(one)


class Script:
    """A script: its text, tree, tokens and errors, and what it brings of its own (functions, types, assemblies)."""

    def __init__(self, name: str, told: Mapping[str, Any]) -> None:
        self.name = name
        self.text: str = told["text"]
        self.lines = self.text.split("\n")
        self.tree = Node(told["tree"])
        self.errors = [(int(line), str(words)) for line, words in told["errors"]]
        self.tokens = [(str(kind), int(line), str(text)) for kind, line, text in told["tokens"]]
        self.functions: dict[str, Node] = {}
        # Also of C# in a text that is compiled later, as far as its words show.
        self.types = {found[1].lower() for found in _TYPE.finditer(self.text)}
        self.usings: list[str] = []
        self.aliases = {found[1].lower() for found in _ALIAS.finditer(self.text)}
        self._gather(self.tree)

    def _gather(self, node: Node) -> None:
        if node.kind == "FunctionDefinition":
            self.functions[node.word("Name").lower().split(":")[-1]] = node
        elif node.kind == "TypeDefinition":
            self.types.add(node.word("Name").lower())
        elif node.kind == "UsingStatement" and node.word("UsingStatementKind") == "Namespace":
            self.usings.append(node.part("Name").word("Value"))
        for child in node.children():
            self._gather(child)

    @cached_property
    def assemblies(self) -> set[str]:
        """The assemblies that it loads, in small letters."""
        names = [word for found in _LOADS.finditer(self.text) for word in found[1].split(",")]
        names += [found[1] for found in _USES.finditer(self.text)]
        return {name.strip("'\" ").split(",")[0].removesuffix(".dll").lower() for name in names}

    @cached_property
    def covered(self) -> set[int]:
        """The lines that begin within a text or a comment."""
        lines = set[int]()
        for kind, line, text in self.tokens:
            if kind.startswith(("String", "HereString")):
                lines |= set(range(line + 1, line + 1 + text.count("\n")))
        for found in re.finditer(r"<#.*?#>", self.text, re.DOTALL):
            line = self.text[: found.start()].count("\n") + 1
            lines |= set(range(line + 1, line + 1 + found[0].count("\n")))
        return lines

    def source(self, node: Node) -> str:
        return self.text[node.start : node.end]

    def assigns(self, variable: str) -> bool:
        return bool(re.search(rf"\$(?:\w+:)?{re.escape(variable)}\s*=", self.text, re.I))
