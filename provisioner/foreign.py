"""What comes from a gateway, or is typed, made fit to be kept and to be shown, once, where it comes in. Pure.

A name that somebody gave a PC, a driver's description, an HTTP header: any of these may hold what a database, JSON, XML
or a terminal cannot take, or obeys.
"""

import math
import unicodedata
from collections.abc import Mapping
from typing import Any

# Formats (among them those that turn the direction of writing), lone surrogates, and what is nobody's. What is not
# printable and none of these is a blank or a control.
_NOTHING = frozenset({"Cf", "Cs", "Co", "Cn"})
_INSTEAD = "\N{REPLACEMENT CHARACTER}"
# Of any evidence and of any answer of a module nothing lies deeper, and no number is larger.
_DEEPEST = 40
_LARGEST = 2**64


class Unfit(ValueError):
    """A value that cannot be kept, in words."""


def is_text(text: str) -> bool:
    """Whether it can be kept and printed: a name of a file need not be UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def readable(text: str) -> str:
    """Text in one line, with nothing in it that a terminal might obey or that cannot be kept."""
    return " ".join(_shown(text, "").split()) if not text.isprintable() else text


def lines(text: str) -> str:
    """The same of text that may have several lines."""
    return text if text.isprintable() else _shown(text.replace("\r\n", "\n"), "\n")


def _shown(text: str, kept: str) -> str:
    return "".join(char if char.isprintable() or char in kept else _instead(char) for char in text)


def _instead(char: str) -> str:
    return _INSTEAD if unicodedata.category(char) in _NOTHING else " "


def evidence(value: Any) -> Any:
    """A JSON value, all of its text readable: the same one where there is nothing to change. Errors: Unfit for a number
    that is none or too large, or too deep."""
    return value if _is_fit(value) else _each(value, readable, 0)


def kept(value: Any, depth: int = 0) -> Any:
    """A JSON value that can be kept, its text as it is but for what no file can hold: that which is put back on a
    gateway must be what was there. Errors: Unfit."""
    return _each(value, _whole, depth)


def _whole(text: str) -> str:
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", _INSTEAD).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _is_fit(value: Any) -> bool:
    """Whether all of it is surely as `_each` would make it. Nearly all answers are, and to look is a seventh of the
    work."""
    level = [value]
    for _ in range(_DEEPEST):
        below: list[Any] = []
        for one in level:
            kind = type(one)
            if kind is str:
                if not one.isprintable():
                    return False
            elif kind is dict:
                below += one
                below += one.values()
            elif kind is list:
                below += one
            elif kind is float or kind is int:
                # Of what is no number this is not true either.
                if not -_LARGEST < one < _LARGEST:
                    return False
            elif kind is not bool and one is not None:
                return False
        if not below:
            return True
        level = below
    return False


def _each(value: Any, text: Any, depth: int) -> Any:
    if isinstance(value, str):
        return text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        if (isinstance(value, float) and not math.isfinite(value)) or abs(value) >= _LARGEST:
            raise Unfit("a number that is none, or too large")
        return value
    if depth > _DEEPEST:
        raise Unfit("too deep a nesting")
    # What json gives is a dict: that is asked first, for an abstract class is slow to ask.
    if isinstance(value, dict | Mapping):
        return {text(str(name)): _each(one, text, depth + 1) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_each(inner, text, depth + 1) for inner in value]
    raise Unfit(f"a value of the kind {type(value).__name__}")
