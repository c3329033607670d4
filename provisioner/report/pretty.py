"""Facts and evidence printed for a person: JSON, with what fits on one line on one line."""

import functools
import json
from collections.abc import Mapping
from typing import Any

from provisioner.report import words

_WIDTH = 100
_STRING = 400
_SECTION = 8_000
_WORDS = frozenset((str, bool, type(None)))


def line(value: Any, most: int) -> str:
    """A value on one line, cut after `most` characters."""
    return words.clip(_dump(value), most)


def text(value: Any) -> str:
    """A value on as many lines as it takes, each string and the whole cut where they are longer than anybody reads."""
    return words.clip(_lines(value, ""), _SECTION)


def _lines(value: Any, indent: str) -> str:
    """A value on one line where that fits. From the inside out, so that each part is made once: what has a part that
    did not fit is too long itself."""
    kind, deeper = type(value), indent + "  "
    if kind in _WORDS:
        return _word(value)
    if kind is int:
        return str(value)
    if kind is float:
        return _dump(value)
    if kind is dict:
        # Most of it are words, and a call of our own for each takes as long as all the rest.
        begin, end = "{}"
        parts = [
            f"{_key(key)}: {_word(item) if type(item) in _WORDS else _lines(item, deeper)}"
            for key, item in value.items()
        ]
    elif kind is list:
        begin, end = "[]"
        parts = [_lines(item, deeper) for item in value]
    else:
        return _lines(json.loads(_dump(value)), indent)
    flat = f"{begin}{', '.join(parts)}{end}"
    if len(indent) + len(flat) <= _WIDTH:
        return flat
    return f"{begin}\n{deeper}" + f",\n{deeper}".join(parts) + f"\n{indent}{end}"


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    return str(value)


# Made once: json.dumps makes one for each call.
_dump = json.JSONEncoder(ensure_ascii=False, default=_plain).encode


# Of thousands of gateways most say the same words, and the encoder is slow to begin; 1 is not True here.
@functools.lru_cache(maxsize=4096, typed=True)
def _word(value: str | bool | None) -> str:
    return words.clip(_dump(value), _STRING)


@functools.lru_cache(maxsize=4096, typed=True)
def _key(key: object) -> str:
    # As JSON has a key that is no text.
    return _dump({key: 0}).removeprefix("{").removesuffix(": 0}")
