"""Rules of the language: what the parser of Windows PowerShell 5.1 does not know."""

import re

from tools.powershell51 import typenames
from tools.powershell51.inference import Inference
from tools.powershell51.looking import Look, text_of
from tools.powershell51.recorded import NEW_VARIABLES
from tools.powershell51.tree import Node

_RULE = "language"
_NUMBER = re.compile(r"(0b[01_]+.*|[-+]?(0x[0-9a-f]+|\d[\d.]*(e[-+]?\d+)?)(u|s|y|us|uy|ul|n)(kb|mb|gb|tb|pb)?)", re.I)
_ESCAPE = re.compile(r"(?<!`)(?:``)*`(e|u\{)")
_CONSTRUCTS = {
    "TernaryExpression": "? : as an operator needs PowerShell 7",
    "PipelineChain": "&& and || between commands need PowerShell 7",
}


def whole(look: Look) -> None:
    """Of the script as a whole: its errors, tokens, lines and the names of its functions."""
    script = look.script
    for line, message in script.errors:
        look.say(line, "parse", message)
    for kind, line, text in script.tokens:
        _token(look, kind, line, text)
    for at, text in enumerate(script.lines[1:], 2):
        if re.match(r"\s*\|(?!\|)", text) and at not in script.covered:
            words = "a line that begins with | goes on from the one before it only in PowerShell 7"
            look.say(at, _RULE, words)
    for name, function in script.functions.items():
        if name in look.surface.aliases:
            words = f"{name} is an alias of {look.surface.aliases[name]} in 5.1, which goes before a function"
            look.say(function.line, "shadowed", words)


def _token(look: Look, kind: str, line: int, text: str) -> None:
    if kind.startswith("Question") and kind not in ("Question", "QuestionMark"):
        look.say(line, _RULE, f"{text} needs PowerShell 7")
    if kind in ("AndAnd", "OrOr"):
        look.say(line, _RULE, f"{text} needs PowerShell 7")
    if kind == "Number" and _NUMBER.fullmatch(text):
        look.say(line, _RULE, f"the number {text}: its suffix or binary form needs PowerShell 6 or 7")
    escape = _ESCAPE.search(text) if kind in ("StringExpandable", "HereStringExpandable") else None
    if escape:
        look.say(line, _RULE, f"`{escape[1]} in a text is an escape of PowerShell 6: 5.1 drops the backtick")


def node(look: Look, inference: Inference, one: Node) -> None:
    """Of each node."""
    if one.kind in _CONSTRUCTS:
        look.say(one.line, _RULE, _CONSTRUCTS[one.kind])
    elif one.kind == "Pipeline" and one.has("Background"):
        look.say(one.line, _RULE, "& at the end of a command needs PowerShell 6")
    elif one.kind == "ScriptBlock" and (clean := one.one("CleanBlock")):
        look.say(clean.line, _RULE, "a clean block needs PowerShell 7.3")
    elif one.kind == "TypeDefinition" and one.has("IsEnum") and one.has("BaseTypes"):
        look.say(one.line, _RULE, "an enum with a type of its own needs PowerShell 6.2")
    elif one.kind == "InvokeMemberExpression" and one.has("GenericTypeArguments"):
        look.say(one.line, _RULE, "a method's type arguments in [] need PowerShell 7.3")
    elif one.kind == "VariableExpression":
        _variable(look, one)
    elif one.kind == "BinaryExpression":
        _binary(look, inference, one)


def _variable(look: Look, one: Node) -> None:
    name = one.word("VariablePath").lower().split(":")[-1]
    if name in NEW_VARIABLES and not one.has("Splatted") and not look.is_assigned(name):
        look.say(one.line, "variable", f"${one.word('VariablePath')} is not set in 5.1")


def _binary(look: Look, inference: Inference, one: Node) -> None:
    operator, left, right = one.word("Operator"), one.part("Left"), one.part("Right")
    text = text_of(right)
    if operator == "DotDot":
        sides = [side for side in (text_of(left), text) if side is not None]
        if any(not re.fullmatch(r"-?\d+", side) for side in sides):
            look.say(one.line, _RULE, "a range of letters needs PowerShell 6: in 5.1 it is an error")
    elif operator in ("Ireplace", "Creplace"):
        given = right.many("Elements") if right.kind == "ArrayLiteral" else []
        if given and given[-1].kind == "ScriptBlockExpression":
            look.say(one.line, _RULE, "-replace with a script block needs PowerShell 6: 5.1 puts in its text")
    elif operator in ("Is", "IsNot", "As") and text is not None:
        typenames.checked(look, text, right.line)
    elif operator in ("Ieq", "Ine", "Ceq", "Cne"):
        kind = inference.of(left)
        if kind and not kind.is_type:
            typenames.enum_text(look, kind.name, right)
