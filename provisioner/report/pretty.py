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
    return words.clip(_lines(value, ""), _SECTION)


def _lines(value: Any, indent: str) -> str:
    """A value on one line where that fits. From the inside out, so that each part is made once: what has a part that
    did not fit is too long itself."""
    kind = type(value)
    if kind is dict:
        deeper = indent + "  "
        parts, ends = [f"{_key(key)}: {_lines(item, deeper)}" for key, item in value.items()], "{}"
    elif kind is list:
        deeper = indent + "  "
        parts, ends = [_lines(item, deeper) for item in value], "[]"
    elif kind is int:
        return str(value)
    elif kind is str or kind is bool or value is None:
        return _word(value)
    elif kind is float:
        return _dump(value)
    else:
        return _lines(json.loads(_dump(value)), indent)
    flat = f"{ends[0]}{', '.join(parts)}{ends[1]}"
    if len(indent) + len(flat) <= _WIDTH:
        return flat
    return f"{ends[0]}\n{deeper}" + f",\n{deeper}".join(parts) + f"\n{indent}{ends[1]}"


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
