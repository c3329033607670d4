"""What reads and writes a type of the model as JSON."""

from typing import Any, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")

_MADE: dict[type[Any], TypeAdapter[Any]] = {}


def adapter(of: type[T]) -> TypeAdapter[T]:
    """Of that type, made when it is first wanted: making one takes 10 to 40 ms, and most commands want none."""
    if of not in _MADE:
        _MADE[of] = TypeAdapter(of)
    return _MADE[of]
