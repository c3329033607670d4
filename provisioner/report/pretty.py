"""Facts and evidence printed for a person: JSON, with what fits on one line on one line."""

import functools
import json
from collections.abc import Mapping
from typing import Any

from provisioner.report import words

_WIDTH = 100
_STRING = 400
_SECTION = 8_000


def line(value: Any, most: int) -> str:
    """A value on one line, cut after `most` characters."""
    return words.clip(_dump(value), most)


def text(value: Any) -> str:
    """A value on as many lines as it takes, each string and the whole cut where they are longer than anybody reads."""
    return _text(_dump(value))


@functools.lru_cache(maxsize=4096)
def _text(flat: str) -> str:
    # By its JSON: of thousands of gateways many say the same.
    return words.clip(_lines(json.loads(flat), "", flat), _SECTION)


def _lines(value: Any, indent: str, flat: str = "") -> str:
    """What was read from JSON, on as many lines as it takes; `flat` is its JSON where that is known."""
    kind = type(value)
    if kind is not dict and kind is not list:
        # Most of what is printed is a word or a number, and the encoder is slow to begin. -0.0 is 0.0 to a memory.
        return words.clip(_dump(value) if kind is float else _words(value), _STRING)
    flat = flat or _dump(value)
    if len(indent) + len(flat) <= _WIDTH:
        return flat
    deeper = indent + "  "
    if kind is dict:
        parts = [f"{deeper}{_words(str(key))}: {_lines(item, deeper)}" for key, item in value.items()]
        return "{\n" + ",\n".join(parts) + f"\n{indent}}}"
    return "[\n" + ",\n".join(deeper + _lines(item, deeper) for item in value) + f"\n{indent}]"


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    return str(value)


# Made once: json.dumps makes one for each call.
_dump = json.JSONEncoder(ensure_ascii=False, default=_plain).encode
# Names of fields, and what they are mostly; 1 is not True here.
_words = functools.lru_cache(maxsize=4096, typed=True)(_dump)
