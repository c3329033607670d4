"""Rules of types: one that is not there, one that must be loaded first, a word that is none of an enum's."""

import re

from tools.powershell51.looking import Look, text_of
from tools.powershell51.recorded import LOADED, UNRECORDED
from tools.powershell51.surface import ENUM, fits_enum
from tools.powershell51.tree import Node

_PSOBJECT = "System.Management.Automation.PSObject"


def checked(look: Look, written: str, line: int, *, attribute: bool = False) -> str | None:
    """The full name of a type that a script writes; None where nothing is known of it. Says what is wrong with it."""
    name = re.sub(r"\s", "", written)
    bare = re.split(r"[\[,]", name)[0].lower()
    if bare == "pscustomobject":
        return _PSOBJECT
    if bare in ("ordered", "") or look.is_own_type(bare) or look.allowed.type(bare):
        return None
    surface = look.surface
    found = surface.find_attribute(name, look.usings) if attribute else surface.find(name, look.usings)
    if found is None:
        _unknown(look, written, bare, line)
        return None
    for each in re.findall(r"[\w.`+]+", found):
        one = surface.type(each)
        if one and one.assembly not in LOADED:
            _loaded(look, each, one.assembly, line)
    return found


def _unknown(look: Look, written: str, bare: str, line: int) -> None:
    for prefix, home in UNRECORDED.items():
        if bare.startswith(prefix) or f"system.{bare}".startswith(prefix):
            if home:
                _loaded(look, written, home, line)
            return
    look.say(line, "type", f".NET Framework and 5.1 have no type [{written}]")


def _loaded(look: Look, name: str, home: str, line: int) -> None:
    if not look.is_loaded(home):
        words = f"[{name}] is in {home}, which 5.1 does not load by itself: Add-Type -AssemblyName {home}"
        look.say(line, "not-loaded", words)


def enum_text(look: Look, enum: str, node: Node) -> None:
    """Whether a text that becomes an enum is one of its values."""
    one = look.surface.type(enum)
    text = text_of(node.peeled())
    if one and one.kind == ENUM and text is not None and not fits_enum(text, one.values):
        look.say(node.line, "member", f"{enum} has no value '{text}' on .NET Framework")
