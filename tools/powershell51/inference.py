"""What an expression is, as far as the script itself says: by casts, constants, constructors and what .NET gives."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar

from tools.powershell51.looking import Look, text_of
from tools.powershell51.recorded import AUTOMATIC, GIVES
from tools.powershell51.surface import concrete, plain, split_arguments, takes
from tools.powershell51.tree import Node

STRING = "System.String"
TYPE = "System.Type"
_LISTS = {
    "System.Collections.Generic.IEnumerable", "System.Collections.Generic.List", "System.Collections.Generic.IList",
}  # fmt: skip
_LITERALS = {
    "ExpandableStringExpression": STRING,
    "Hashtable": "System.Collections.Hashtable",
    "ArrayExpression": "System.Object[]",
    "ArrayLiteral": "System.Object[]",
    "ScriptBlockExpression": "System.Management.Automation.ScriptBlock",
}
_SPECIAL = {"_", "psitem", "input", "args", "this", "error"}


@dataclass(frozen=True)
class Kind:
    """What is known of a value: its type, whether it is the type itself, a constant's text.

    Not `sure`: it may be of a type that derives from this one.
    """

    name: str
    is_type: bool = False
    text: str | None = field(default=None, compare=False)
    sure: bool = field(default=True, compare=False)

    @property
    def owner(self) -> str:
        """Whose members its members are, as far as they are no static ones."""
        if self.is_type:
            return TYPE
        return "System.Array" if self.name.endswith("[]") else plain(self.name)


class Inference:
    """Answers for one script; what was asked once is kept."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._surface = look.surface
        self._known: dict[Node, Kind | None] = {}
        self._variables: dict[tuple[Node, str], tuple[bool, Kind | None]] = {}

    def of(self, node: Node | None) -> Kind | None:
        """None where it cannot be told."""
        if node is None:
            return None
        if node not in self._known:
            # What depends on itself is not known.
            self._known[node] = None
            self._known[node] = self._of(node)
        return self._known[node]

    def element(self, kind: Kind | None) -> Kind | None:
        """What the things in a collection are."""
        if kind is None or kind.is_type:
            return None
        if kind.name.endswith("[]") and kind.name != "System.Object[]":
            return Kind(kind.name[:-2], sure=False)
        one = self._surface.type(plain(kind.name))
        for name in (kind.name, *(concrete(base, kind.name) or "" for base in (one.bases if one else ()))):
            if name.split("`")[0] in _LISTS and "<" in name:
                return Kind(split_arguments(name[name.index("<") + 1 : -1])[0], sure=False)
        return None

    def _of(self, node: Node) -> Kind | None:
        inner = node.peeled()
        if inner is not node:
            return self.of(inner)
        if node.kind in _LITERALS:
            return Kind(_LITERALS[node.kind])
        how = self._HOW.get(node.kind)
        return how(self, node) if how else None

    def _text(self, node: Node) -> Kind | None:
        return Kind(STRING, text=node.word("Value"))

    def _constant(self, node: Node) -> Kind | None:
        return Kind(node.word("StaticType") or "System.Int32", text=node.word("Value"))

    def _type(self, node: Node) -> Kind | None:
        found = self._surface.find(node.word("TypeName"), self._look.usings)
        return Kind(found, is_type=True) if found else None

    def _cast(self, node: Node) -> Kind | None:
        written = (node.one("Type") or node.part("Attribute")).word("TypeName")
        if written.lower() == "ordered":
            return Kind("System.Collections.Specialized.OrderedDictionary")
        found = self._surface.find(written, self._look.usings)
        return Kind(found, text=text_of(node.part("Child").peeled())) if found else None

    def _binary(self, node: Node) -> Kind | None:
        operator = node.word("Operator")
        if operator in ("Format", "Join"):
            return Kind(STRING)
        if operator == "As":
            right = self.of(node.part("Right"))
            return Kind(right.name) if right and right.is_type else None
        left = self.of(node.part("Left")) if operator == "Plus" else None
        return Kind(STRING) if left == Kind(STRING) else None

    def _assignment(self, node: Node) -> Kind | None:
        return self.of(node.part("Right"))

    def _command(self, node: Node) -> Kind | None:
        elements = node.many("CommandElements")
        name = (text_of(elements[0]) or "").lower()
        if not name or self._look.is_function(name):
            return None
        if name == "new-object":
            return self._new(elements)
        return Kind(GIVES[name]) if name in GIVES else None

    def _new(self, elements: list[Node]) -> Kind | None:
        named = [one.word("ParameterName").lower() for one in elements if one.kind == "CommandParameter"]
        if any(name.startswith("c") for name in named):
            return None
        for before, one in pairwise(elements):
            written = text_of(one)
            is_name = before.kind != "CommandParameter" or "typename".startswith(before.word("ParameterName").lower())
            if written is not None and is_name:
                found = self._surface.find(written, self._look.usings)
                return Kind(found) if found else None
        return None

    def _member(self, node: Node) -> Kind | None:
        member, static = text_of(node.part("Member")), node.has("Static")
        kind = self.of(node.part("Expression"))
        if member is None or kind is None or (static and not kind.is_type):
            return None
        name = plain(kind.name) if static else kind.owner
        if node.kind == "InvokeMemberExpression":
            return self._called(node, kind, name, member, static)
        found = self._surface.property(name, member, static)
        told = concrete(found.type, kind.name) if found else None
        return Kind(told, sure=False) if told else None

    def _called(self, node: Node, kind: Kind, name: str, member: str, static: bool) -> Kind | None:
        if static and member.lower() == "new":
            return Kind(kind.name)
        if member.lower() == "gettype" and not static:
            return Kind(TYPE)
        count = len(node.many("Arguments"))
        fitting = [one for one in self._surface.overloads(name, member, static) if takes(one.parameters, count)]
        gives = {told for one in fitting if (told := concrete(one.gives, kind.name))}
        return Kind(gives.pop(), sure=False) if len(gives) == 1 else None

    def _variable(self, node: Node) -> Kind | None:
        name = node.word("VariablePath").lower()
        if name == "null":
            return None
        if name.startswith("env:"):
            return Kind(STRING)
        if name in AUTOMATIC:
            return Kind(AUTOMATIC[name])
        name = name.split(":")[-1]
        if name in _SPECIAL:
            return _caught(node) if name in ("_", "psitem") else None
        for scope in (self._look.scope(node), self._look.script.tree):
            is_there, kind = self._assigned(scope, name)
            if is_there:
                return kind
        return None

    def _assigned(self, scope: Node, name: str) -> tuple[bool, Kind | None]:
        """Whether anything is put into a variable in a scope, and what it then is: by all that is put there."""
        key = (scope, name)
        if key not in self._variables:
            self._variables[key] = (True, None)
            self._variables[key] = self._put(scope, name)
        return self._variables[key]

    def _put(self, scope: Node, name: str) -> tuple[bool, Kind | None]:
        declared = self._declared(scope, name)
        if declared:
            return True, declared
        kinds: set[Kind | None] = set()
        for one in self._look.within(scope, "Parameter"):
            if _names(one.part("Name"), name):
                kinds.add(None)
        for one in self._look.within(scope, "AssignmentStatement"):
            kinds |= self._by_assignment(one, name)
        for one in self._look.within(scope, "ForEachStatement"):
            if _names(one.part("Variable"), name):
                kinds.add(self.element(self.of(one.part("Condition"))))
        for one in self._look.within(scope, "ConvertExpression"):
            is_reference = (one.one("Type") or one).word("TypeName").lower() == "ref"
            if is_reference and self._look.script.source(one.part("Child")).lower() == f"${name}":
                kinds.add(None)
        known = kinds - {_NOTHING}
        kind = next(iter(known)) if len(known) == 1 else None
        return bool(kinds), kind

    def _declared(self, scope: Node, name: str) -> Kind | None:
        """By the type that is written before it."""
        for one in self._look.within(scope, "Parameter"):
            types = [each.word("TypeName") for each in one.many("Attributes") if each.kind == "TypeConstraint"]
            if types and _names(one.part("Name"), name):
                found = self._surface.find(types[-1], self._look.usings)
                return Kind(found) if found else None
        for one in self._look.within(scope, "AssignmentStatement"):
            left, written = _target(one)
            found = self._surface.find(written, self._look.usings) if written and _names(left, name) else None
            if found:
                return Kind(found)
        return None

    def _by_assignment(self, node: Node, name: str) -> set[Kind | None]:
        left, _ = _target(node)
        right = node.part("Right").peeled()
        if left.kind == "ArrayLiteral":
            places = [at for at, one in enumerate(left.many("Elements")) if _names(one, name)]
            given = right.many("Elements") if right.kind == "ArrayLiteral" else []
            same = len(given) == len(left.many("Elements"))
            return {self.of(given[at]) if same else None for at in places}
        if not _names(left, name):
            return set()
        # What is put into it to begin with, or added, says nothing of what it is.
        if node.word("Operator") != "Equals" or _names(right, "null"):
            return {_NOTHING}
        kind = self.of(node.part("Right"))
        return {Kind(kind.name, kind.is_type) if kind else None}

    _HOW: ClassVar[dict[str, Callable[["Inference", Node], Kind | None]]] = {
        "StringConstantExpression": _text,
        "ConstantExpression": _constant,
        "TypeExpression": _type,
        "ConvertExpression": _cast,
        "BinaryExpression": _binary,
        "AssignmentStatement": _assignment,
        "Command": _command,
        "VariableExpression": _variable,
        "MemberExpression": _member,
        "InvokeMemberExpression": _member,
    }


_NOTHING = Kind("")


def _names(node: Node, name: str) -> bool:
    return node.kind == "VariableExpression" and node.word("VariablePath").lower().split(":")[-1] == name


def _target(node: Node) -> tuple[Node, str]:
    """What is assigned to, and the type that is written before it."""
    left, written = node.part("Left"), ""
    while left.kind in ("ConvertExpression", "AttributedExpression"):
        written = left.part("Type").word("TypeName") if left.one("Type") else written
        left = left.part("Child")
    return left, written


def _caught(node: Node) -> Kind | None:
    """What `$_` is: known only in a catch."""
    around = node.above("CatchClause", "ScriptBlockExpression", "FunctionDefinition", "SwitchStatement")
    is_error = around is not None and around.kind == "CatchClause"
    return Kind("System.Management.Automation.ErrorRecord") if is_error else None
