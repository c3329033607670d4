"""Rules of members: one that .NET Framework has not, a property that cannot be set, what New-Object makes."""

from tools.powershell51 import overloads, typenames
from tools.powershell51.inference import Inference, Kind
from tools.powershell51.looking import Look, text_of
from tools.powershell51.overloads import CONSTRUCTOR, Call
from tools.powershell51.recorded import ADDED, ANY_MEMBER, OPEN
from tools.powershell51.surface import plain
from tools.powershell51.tree import Node

_CALL = "InvokeMemberExpression"
_VALUES = ("ConvertExpression", _CALL, "StringConstantExpression", "ConstantExpression", "ExpandableStringExpression")


def member(look: Look, inference: Inference, node: Node) -> None:
    """A member of something, read, set or called."""
    name, static = text_of(node.part("Member")), node.has("Static")
    if name is None or node.has("NullConditional"):
        return
    kind = inference.of(node.part("Expression"))
    if kind is None or (static and not kind.is_type):
        if node.kind == _CALL:
            _of_anything(look, node, name, static)
        return
    owner = plain(kind.name) if static else kind.owner
    one = look.surface.type(owner)
    if one is None or one.bare:
        return
    if node.kind == _CALL and static and name.lower() == "new":
        call = Call(node.line, kind.name, CONSTRUCTOR, True, node.many("Arguments"), f"[{owner}]::new")
        overloads.check(look, inference, call)
    elif static or not _may_be_anything(look, owner, name.lower(), node.kind == _CALL):
        _known(look, inference, node, kind, owner, name)


def _of_anything(look: Look, node: Node, name: str, static: bool) -> None:
    """A method of something of which nothing is known: only its name and the number of its arguments tell."""
    count = len(node.many("Arguments"))
    if not static and name.lower() not in ANY_MEMBER and look.surface.is_called_nowhere_with(name, count):
        look.say(node.line, "overload", f"no object of .NET Framework has a {name} with {count} arguments")
    else:
        words = f"a method of something that is not known: {look.script.source(node)[:90]}"
        look.say(node.line, "note-unknown", words)


def _may_be_anything(look: Look, owner: str, low: str, calls: bool) -> bool:
    chain = look.surface.chain(owner)
    if low in ANY_MEMBER or owner in OPEN or any(low in ADDED.get(one, ()) for one in chain):
        return True
    return not calls and ("System.Collections.IDictionary" in chain or owner == "System.Array")


def _known(look: Look, inference: Inference, node: Node, kind: Kind, owner: str, name: str) -> None:
    static, calls = node.has("Static"), node.kind == _CALL
    methods = look.surface.overloads(owner, name, static)
    if calls and methods:
        whole = "System.Type" if kind.is_type and not static else kind.name
        call = Call(node.line, whole, name, static, node.many("Arguments"), f"{owner}.{name}")
        overloads.check(look, inference, call)
        return
    found = look.surface.property(owner, name, static)
    if found and _is_set(node) and "w" not in found.how and not found.how.endswith("e"):
        look.say(node.line, "member", f"{owner}.{found.name} cannot be set on .NET Framework")
    if not found and not methods and not _is_elsewhere(look, owner, name.lower(), static, calls):
        _missing(look, node, owner, f"{'static ' if static else ''}member {name}")


def _is_elsewhere(look: Look, owner: str, low: str, static: bool, calls: bool) -> bool:
    """Whether the member may be had of a value of that type all the same."""
    if static:
        return low in ("gettype", "name", "fullname") and not calls
    # A value may be of a type that derives from the one that is told.
    if any(look.surface.has(heir, low) for heir in look.surface.kin(owner)):
        return True
    # Members of what is in a collection are taken from each of its things.
    return "System.Collections.IEnumerable" in look.surface.chain(owner) and owner != "System.String" and not calls


def _missing(look: Look, node: Node, owner: str, what: str) -> None:
    one = look.surface.type(owner)
    if one and one.half_known:
        words = f"{owner} has no {what} in PowerShell Standard 5.1 (5.1 itself may have it)"
        look.say(node.line, "note-member", words)
    else:
        look.say(node.line, "member", f"{owner} has no {what} on .NET Framework")


def _is_set(node: Node) -> bool:
    parent = node.parent
    return parent is not None and parent.kind == "AssignmentStatement" and parent.one("Left") is node


def new_object(look: Look, inference: Inference, node: Node) -> None:
    """What New-Object makes, of what it is given."""
    kind, given = _asked(node)
    written = text_of(kind)
    if kind is None or written is None:
        return
    found = typenames.checked(look, written, kind.line)
    arguments = _list(inference, given)
    if found and arguments is not None:
        call = Call(node.line, found, CONSTRUCTOR, True, arguments, f"New-Object {written}")
        overloads.check(look, inference, call)


def _asked(node: Node) -> tuple[Node | None, Node | None]:
    """The type and the arguments. Of COM: neither."""
    kind: Node | None = None
    given: Node | None = None
    rest: list[Node] = []
    waiting = list(reversed(node.many("CommandElements")[1:]))
    while waiting:
        one = waiting.pop()
        if one.kind != "CommandParameter":
            rest.append(one)
            continue
        low = one.word("ParameterName").lower()
        if low.startswith("c") or low == "strict":
            return None, None
        value = one.one("Argument") or (waiting.pop() if waiting else None)
        if "typename".startswith(low):
            kind = value
        elif "argumentlist".startswith(low) or low == "args":
            given = value
    rest.reverse()
    kind = kind or (rest.pop() if rest else None)
    return kind, given or (rest.pop() if rest else None)


def _list(inference: Inference, node: Node | None) -> list[Node] | None:
    """The arguments that -ArgumentList gets; None where their number is not known."""
    if node is None:
        return []
    if node.kind == "ArrayLiteral":
        return node.many("Elements")
    if node.kind in ("StringConstantExpression", "ConstantExpression", "ExpandableStringExpression", "TypeExpression"):
        return [node]
    if node.kind == "ParenExpression":
        return _in_parentheses(inference, node)
    kind = inference.of(node) if node.kind == "VariableExpression" else None
    return [node] if kind and not kind.name.endswith("[]") and not kind.is_type else None


def _in_parentheses(inference: Inference, node: Node) -> list[Node] | None:
    inside = node.peeled()
    if inside.kind == "ArrayLiteral":
        return inside.many("Elements")
    if inside.kind == "UnaryExpression" and inside.word("TokenKind") == "Comma":
        return [inside.part("Child")]
    kind = inference.of(inside) if inside.kind in _VALUES else None
    return [node] if kind and not kind.name.endswith("[]") else None
