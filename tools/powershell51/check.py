"""The whole check: scripts in, findings out."""

import functools
from collections.abc import Iterable, Sequence
from pathlib import Path

from tools.powershell51 import commands, language, members, typenames
from tools.powershell51.engine import Engine
from tools.powershell51.inference import Inference
from tools.powershell51.looking import Allowed, Finding, Look, text_of
from tools.powershell51.surface import Surface, Type, made
from tools.powershell51.tree import Node


@functools.cache
def surface() -> Surface:
    """Read once: that takes a second."""
    return Surface()


def check(engine: Engine, groups: Iterable[Sequence[Path]], allowed: Allowed = Allowed()) -> list[Finding]:  # noqa: B008
    """What is wrong with some scripts, notes included, by script and line.

    A group's scripts are run in one PowerShell: they know each other's functions, types and assemblies.
    """
    looks = []
    known: dict[str, Type] = {}
    for group in groups:
        together = [engine.script(path) for path in group]
        looks += [Look(surface(), script, together, allowed, known) for script in together]
    for look in looks:
        _whole(look)
    # The first time tells which types' overloads are to be compared with the engine's own.
    wanted = sorted(set().union(*(look.wanted for look in looks)))
    known |= {name: made(told) for name, told in engine.surface(wanted).items()}
    for look in looks:
        look.findings.clear()
        _whole(look)
    return sorted(finding for look in looks for finding in look.findings)


def _whole(look: Look) -> None:
    inference = Inference(look)
    language.whole(look)
    _visit(look, inference, look.script.tree)


def _visit(look: Look, inference: Inference, node: Node) -> None:
    language.node(look, inference, node)
    if node.kind == "Command":
        commands.command(look, inference, node)
        if (text_of(node.many("CommandElements")[0]) or "").lower() == "new-object":
            members.new_object(look, inference, node)
    elif node.kind in ("MemberExpression", "InvokeMemberExpression"):
        members.member(look, inference, node)
    elif node.kind in ("TypeExpression", "TypeConstraint", "Attribute"):
        typenames.checked(look, node.word("TypeName"), node.line, attribute=node.kind == "Attribute")
    elif node.kind == "ConvertExpression" and node.one("Type"):
        enum = look.surface.find(node.part("Type").word("TypeName"), look.usings)
        if enum:
            typenames.enum_text(look, enum, node.part("Child"))
    for child in node.children():
        _visit(look, inference, child)
