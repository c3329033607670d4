"""What reads and writes a type of the model as JSON.

pydantic's core is loaded here, when something is first read or written: it takes 15 ms, and a verb's `--help`, or one
that asks the journal for a list, wants none of it.
"""

import json
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

_READERS, _WRITERS = dict[type[Any], Any](), dict[type[Any], Any]()


def read(of: type[T], document: Any) -> T:
    """One of that type, of plain data. Errors: ValueError."""
    found: T = _reader(of).validate_python(document)
    return found


def parse(of: type[T], text: str | bytes, *, strict: bool = False) -> T:
    """One of that type, of JSON. Errors: ValueError."""
    found: T = _reader(of).validate_json(text, strict=strict)
    return found


def wrong(of: type[Any], text: str) -> list[Any]:
    """All for which strictly read JSON is none of that type, each as its core's `loc`, `type` and `msg`; empty where it
    is one."""
    from pydantic_core import ValidationError

    try:
        parse(of, text, strict=True)
    except ValidationError as error:
        return error.errors(include_url=False, include_context=False, include_input=False)
    return []


def plain(of: type[T], value: T) -> Any:
    """One of that type as plain data, of which JSON can be made."""
    return _writer(of).to_python(value, mode="json")


def written(of: type[T], value: T) -> bytes:
    """One of that type as JSON."""
    found: bytes = _writer(of).to_json(value)
    return found


def compact(value: Any, other: Callable[[Any], Any]) -> bytes:
    """Plain data as JSON in few bytes, a quarter of the work that it is to Python's own; `other` makes plain what is of
    another type."""
    from pydantic_core import PydanticSerializationError, to_json

    try:
        return to_json(value, inf_nan_mode="constants", fallback=other)
    except PydanticSerializationError:
        # What has a lone surrogate in it cannot be UTF-8, but escaped.
        return json.dumps(value, separators=(",", ":"), default=other).encode()


def _reader(of: type[Any]) -> Any:
    # Made when it is first wanted: that takes a millisecond, and most commands want few or none.
    if of not in _READERS:
        from provisioner.model import shapes

        _READERS[of] = shapes.reader(of)
    return _READERS[of]


def _writer(of: type[Any]) -> Any:
    if of not in _WRITERS:
        from provisioner.model import shapes

        _WRITERS[of] = shapes.writer(of)
    return _WRITERS[of]
