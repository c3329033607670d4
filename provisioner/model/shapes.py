"""A type of the model -> a schema of pydantic's core, by which that reads and writes it.

pydantic itself would make the same one, and is 0.04 s of modules for what the model does not use, an eighth of a verb's
start. What is refused, in which words, and what is written is the core's either way.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import date, datetime
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

from pydantic_core import CoreConfig, CoreSchema, SchemaSerializer, SchemaValidator
from pydantic_core import core_schema as core

_PLAIN: Mapping[Any, Callable[[], CoreSchema]] = {
    Any: core.any_schema,
    str: core.str_schema,
    bool: core.bool_schema,
    int: core.int_schema,
    float: core.float_schema,
    date: core.date_schema,
    datetime: core.datetime_schema,
}


def reader(of: type[Any]) -> SchemaValidator:
    """What makes one of that type. Errors: TypeError for a type of which the model has none."""
    return SchemaValidator(_shape(of))


def writer(of: type[Any]) -> SchemaSerializer:
    """What makes plain data or JSON of one of that type. Errors: as `reader`."""
    return SchemaSerializer(_shape(of))


def _shape(of: Any) -> CoreSchema:
    if of in _PLAIN:
        return _PLAIN[of]()
    if is_dataclass(of) and isinstance(of, type):
        return _data_class(of)
    if isinstance(of, type) and issubclass(of, StrEnum):
        return core.enum_schema(of, list(of), sub_type="str")
    return _composed(of, get_origin(of), get_args(of))


def _composed(of: Any, origin: Any, parts: tuple[Any, ...]) -> CoreSchema:
    if origin is Literal:
        return core.literal_schema(list(parts))
    if origin is Mapping:
        return core.dict_schema(_shape(parts[0]), _shape(parts[1]))
    if origin is Sequence or (origin is tuple and parts[-1] is ...):
        return core.tuple_schema([_shape(parts[0])], variadic_item_index=0)
    if origin is tuple:
        return core.tuple_schema([_shape(part) for part in parts])
    if origin is UnionType and len(parts) == 2 and NoneType in parts:
        return core.nullable_schema(_shape(next(part for part in parts if part is not NoneType)))
    raise TypeError(f"nothing says how {of} is read and written")


def _data_class(of: type[Any]) -> CoreSchema:
    its = fields(of)
    arguments = [core.dataclass_field(field.name, _field(field)) for field in its]
    extra = getattr(of, "__pydantic_config__", {}).get("extra", "ignore")
    return core.dataclass_schema(
        of,
        core.dataclass_args_schema(of.__name__, arguments),
        [field.name for field in its],
        slots="__slots__" in vars(of),
        config=CoreConfig(extra_fields_behavior=extra),
    )


def _field(field: Field[Any]) -> CoreSchema:
    if field.default_factory is not MISSING:
        return core.with_default_schema(_shape(field.type), default_factory=field.default_factory)
    if field.default is not MISSING:
        return core.with_default_schema(_shape(field.type), default=field.default)
    return _shape(field.type)
